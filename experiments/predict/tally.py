"""Predict the points of all sources, and record the outcome of each source."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from ...runtime import ModelError
from ...search_space.errors import InputError, WriteError
from ...search_space.progress import Track, ignore, silent
from .media import Video, further_frames
from .predictor import Predictor, VideoOptions, predict_image, predict_video, until_interrupted
from .sources import Found, Kind, Source

NO_FACE = "no face found; if the image is one face's crop, give --crop"
"""Remark on an image without faces."""

Frames = Callable[[int | None], AbstractContextManager[Callable[[], None]]]
"""Context manager for the progress of one video: takes the number of frames, if known; yields a function to call per frame."""


def unseen(total: int | None) -> AbstractContextManager[Callable[[], None]]:
    """Show no progress."""
    return nullcontext(lambda: None)


@dataclass
class Tally:
    """Outcome of the sources.

    Attributes
    ----------
    skipped
        Source -> why it, or a part of it, is skipped.
    not_drawn
        Video -> why there is no video with its points drawn in; the points themselves are written.
    """

    images: int = 0
    videos: int = 0
    frames: int = 0
    unread_frames: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    not_drawn: dict[str, str] = field(default_factory=dict)


def predict_all(
    found: Found,
    predictor: Predictor,
    model: str,
    out: Path,
    options: VideoOptions,
    track: Track = silent,
    frames: Frames = unseen,
    remark: Callable[[str], None] = ignore,
) -> Tally:
    """Write the results of every source; skip unusable sources.

    Parameters
    ----------
    model
        Name of the network in the results.
    track, frames
        Show the progress over the sources, and over the frames of a video.
    remark
        Called with one line on how to end a live source.

    Raises
    ------
    InputError, ModelError
        If no source can be used.
    WriteError
        If ``out`` cannot be written; the results so far stay.
    """
    tally = Tally(skipped=dict(found.skipped))
    faults = []
    for source in track(found.sources, "sources"):
        try:
            if source.kind is Kind.IMAGE:
                _one_image(source, predictor, model, out, tally)
            else:
                _one_video(source, predictor, model, out, options, tally, frames, remark)
        except WriteError:
            raise
        except (InputError, ModelError) as error:
            faults.append(error)
            tally.skipped[source.name] = str(error)
    if len(faults) == len(found.sources):
        raise faults[0]
    return tally


def _one_image(source: Source, predictor: Predictor, model: str, out: Path, tally: Tally) -> None:
    remarks = [] if predict_image(source, predictor, model, out) else [NO_FACE]
    tally.images += 1
    if further := further_frames(source.path):
        remarks.append(f"only the first of the image's {further + 1} frames is used")
    if remarks:
        tally.skipped[source.name] = "; ".join(remarks)


def _one_video(
    source: Source,
    predictor: Predictor,
    model: str,
    out: Path,
    options: VideoOptions,
    tally: Tally,
    frames: Frames,
    remark: Callable[[str], None],
) -> None:
    live = source.kind is Kind.LIVE
    with until_interrupted() if live else nullcontext(lambda: False) as stop:
        video = Video(source, lambda: stop() or options.ended())
        with frames(options.limit or video.stated) as shown:
            seen = 0

            def advance() -> None:
                nonlocal seen
                if live and not seen:  # at the first frame
                    remark(f"{source.name}: press Ctrl-C to stop; the results so far will be written")
                seen += 1
                shown()

            result = predict_video(source, video, predictor, model, out, options, advance)
    tally.videos += 1
    tally.frames += result.frames
    tally.unread_frames += result.unread
    if remarks := result.remarks(video.stated):
        tally.skipped[source.name] = "; ".join(remarks)
    if result.error:
        tally.not_drawn[source.name] = result.error
