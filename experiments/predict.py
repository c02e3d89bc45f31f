"""``fbnet-pfld predict``: the points of faces in images, videos, folders, cameras and streams."""

import csv
import io
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from ..runtime import Landmarker, ModelError
from ..search_space.errors import ResultError
from ..search_space.inputs import InputError, WriteError, write_text
from .faces import DETECTORS, make_finder
from .media import Video, further_frames
from .options import OUTPUT, Json, Seed, console, finish, to_folder
from .predictor import Predictor, middle, predict_image, predict_video, until_interrupted
from .progress import count_bar
from .sources import Found, Kind, Source, find_sources

SKIPPED = "skipped.csv"
LISTED = 10
"""Lines of what is skipped that the screen shows; the file has all."""


@dataclass
class Tally:
    """What became of the sources.

    Attributes
    ----------
    skipped
        Source -> why it, or a part of it, is not used.
    not_drawn
        Video -> why there is none with its points drawn in; the points themselves are written.
    """

    images: int = 0
    videos: int = 0
    frames: int = 0
    unread_frames: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    not_drawn: dict[str, str] = field(default_factory=dict)


def predict_all(found: Found, predictor: Predictor, model: Path, out: Path, limit: int | None = None) -> Tally:
    """Write the results of every source; one that cannot be used is skipped.

    Raises
    ------
    InputError, ModelError
        If none can be used.
    WriteError
        If ``out`` cannot be written; the results so far stay.
    """
    tally = Tally(skipped=dict(found.skipped))
    faults = []
    with count_bar(console) as progress:
        for source in progress.track(found.sources, description="sources"):
            try:
                if source.kind is Kind.IMAGE:
                    _one_image(source, predictor, model, out, tally)
                else:
                    _one_video(source, predictor, model, out, limit, tally, progress)
            except WriteError:
                raise
            except (InputError, ModelError) as error:
                faults.append(error)
                tally.skipped[source.name] = str(error)
    if len(faults) == len(found.sources):
        raise faults[0]
    return tally


def _one_image(source: Source, predictor: Predictor, model: Path, out: Path, tally: Tally) -> None:
    predict_image(source, predictor, model, out)
    tally.images += 1
    if further := further_frames(Path(source.address)):
        tally.skipped[source.name] = f"an image of {further + 1} frames, of which the first alone is used"


def _one_video(source: Source, predictor: Predictor, model: Path, out: Path, limit: int | None, tally: Tally,
               progress: Progress) -> None:
    live = source.kind is Kind.LIVE
    with until_interrupted() if live else nullcontext(lambda: False) as stop:
        video = Video(source, stop)
        task = progress.add_task("frames", total=limit or video.stated)

        def advance() -> None:
            if live and not progress.tasks[-1].completed:  # the first frame is there
                console.print(f"{source.name}: Ctrl-C ends it; the results so far are written then", soft_wrap=True)
            progress.advance(task)

        try:
            result = predict_video(source, video, predictor, model, out, limit, advance)
        finally:
            progress.remove_task(task)
    tally.videos += 1
    tally.frames += result.frames
    tally.unread_frames += result.unread
    if remarks := result.remarks(video.stated):
        tally.skipped[source.name] = "; ".join(remarks)
    if result.error:
        tally.not_drawn[source.name] = result.error


def _view(out: Path, result: dict[str, Any]) -> Table:
    view = Table(title=str(out), show_header=False)
    for key, value in result.items():
        lines = [f"{name}: {reason}" for name, reason in value.items()] if isinstance(value, dict) else \
            ["-" if value is None else str(value)]
        hidden = len(lines) - LISTED
        for text in lines[:LISTED] + ([f"and {hidden} more, see {out / SKIPPED}"] if hidden > 0 else []):
            view.add_row(key.replace("_", " "), text)
    return view


def _skipped_csv(skipped: dict[str, str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("source", "reason"), *skipped.items()])
    return text.getvalue()


SourceText = Annotated[str, typer.Argument(
    metavar="SOURCE", show_default=False,
    help="Image, video, or folder of them with its sub-folders; a camera's number, such as 0; a stream's address, such as "
         "rtsp://...")]
Model = Annotated[Path, typer.Option("--model", help="ONNX file of the network, as export writes it.")]
BoxText = Annotated[str | None, typer.Option("--box", metavar="X,Y,W,H",
                                            help="The face's box, from forehead to chin, in pixels.")]
DetectorFile = Annotated[Path | None, typer.Option(
    "--detector", help=f"YuNet file with which OpenCV finds faces. By default {' or '.join(DETECTORS)} in the working folder; "
                       "without any of these and without --box, each image is one face's crop.")]
Out = Annotated[Path, typer.Option("--out", callback=to_folder, help="Folder for the results, by the sources' names; "
                                                                     "sub-folders are mirrored.")]
Frames = Annotated[int | None, typer.Option("--frames", min=1, help="Frames after which a video, camera or stream ends.")]


def predict(source: SourceText, model: Model = OUTPUT / "subnet.onnx", box: BoxText = None, detector: DetectorFile = None,
            out: Out = OUTPUT / "predict", frames: Frames = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Find the points of faces: draws them into a .jpg or .mp4 file, and writes them, in pixels, into a .json file beside it.

    Images are turned upright by their EXIF orientation, videos by theirs, and points are in pixels of the upright one. Ctrl-C
    ends a camera or a stream; its results so far are written. What is not used is told, and of a folder listed in skipped.csv.
    Times are medians per face: of the crop, the network (one thread) and the way back, and of the network alone; without the
    detector. Nothing here is random.
    """
    found = find_sources(source, out)
    if frames is not None and all(each.kind is Kind.IMAGE for each in found.sources):
        raise InputError(f"--frames {frames}: {source} has no video to end")
    find, how = make_finder(box, detector)
    predictor = Predictor(Landmarker(model), find)
    tally = predict_all(found, predictor, model, out, frames)
    if found.folder:
        write_text(out / SKIPPED, _skipped_csv(tally.skipped))
    result = {**vars(tally), "faces": len(predictor.face_ms), "ms_per_face": middle(predictor.face_ms),
              "ms_network": middle(predictor.network_ms), "face_boxes": how}
    finish({"out": str(out), **result}, as_json, _view(out, result))
    for name, reason in tally.not_drawn.items():
        raise ResultError(f"no video with the points of {name} could be written: {reason}; the points are in its .json file")
