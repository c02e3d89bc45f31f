"""``fbnet-pfld predict``: the points of faces in images, videos, folders, cameras and streams."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import Progress
from rich.table import Table

from ...search_space.errors import InputError, ResultError
from ...search_space.files import write_text
from ...search_space.progress import Track
from .options import OUTPUT, Json, to_folder
from .output import count_bar, finish, remark

T = TypeVar("T")

SKIPPED = "skipped.csv"
OWN = OUTPUT / "subnet.onnx"
"""Network that is run if none is named."""

LISTED = 10
"""Lines of what is skipped that the screen shows; the file has all."""


def _frames_in(progress: Progress) -> Callable[[int | None], AbstractContextManager[Callable[[], None]]]:
    """A bar for the frames of one video, below that of the sources."""

    @contextmanager
    def frames(total: int | None) -> Iterator[Callable[[], None]]:
        task = progress.add_task("frames", total=total)
        try:
            yield lambda: progress.advance(task)
        finally:
            progress.remove_task(task)

    return frames


def _over(progress: Progress) -> Track:
    def track(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
        return iter(progress.track(items, len(items) if isinstance(items, Collection) else total, description=title))

    return track


def _view(out: Path, result: dict[str, Any]) -> Table:
    view = Table(title=str(out), show_header=False)
    for key, value in result.items():
        lines = (
            [f"{name}: {reason}" for name, reason in value.items()]
            if isinstance(value, dict)
            else ["-" if value is None else str(value)]
        )
        hidden = len(lines) - LISTED
        for text in lines[:LISTED] + ([f"and {hidden} more, see {out / SKIPPED}"] if hidden > 0 else []):
            view.add_row(key.replace("_", " "), text)
    return view


def _skipped_csv(skipped: dict[str, str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("source", "reason"), *skipped.items()])
    return text.getvalue()


SourceText = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        show_default=False,
        help="Image, video, or folder of them with its sub-folders; a camera's number, such as 0; a stream's address, such as "
        "rtsp://...",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="File of the network, as export writes it (.onnx, .mnn, .param or .pt), or pretrained:NAME. By default "
        f"{OWN} if it exists, else the most accurate pretrained subnet.",
    ),
]
Fastest = Annotated[
    float | None,
    typer.Option(
        "--max-us",
        help="Take the most accurate pretrained subnet within so many microseconds, modelled for a Snapdragon 625.",
    ),
]
BoxText = Annotated[
    str | None, typer.Option("--box", metavar="X,Y,W,H", help="The face's box, from forehead to chin, in pixels.")
]
DetectorFile = Annotated[
    Path | None,
    typer.Option(
        "--detector",
        help="ONNX file of YuNet or CenterFace, which finds the faces. By default face_detection_yunet_2026may.onnx or "
        "face_detection_yunet_2023mar.onnx in the working folder, else CenterFace of the extra detect; without any of these "
        "and without --box, each image is one face's crop.",
    ),
]
Crop = Annotated[bool, typer.Option("--crop", help="Each image is one face's crop, as in a data set; no face is looked for.")]
Smooth = Annotated[
    bool,
    typer.Option("--smooth/--no-smooth", help="Smooth the points of videos, cameras and streams from frame to frame."),
]
Show = Annotated[bool, typer.Option("--show", help="Show videos, cameras and streams in a window; q or Esc ends each.")]
Out = Annotated[
    Path,
    typer.Option("--out", callback=to_folder, help="Folder for the results, by the sources' names; sub-folders are mirrored."),
]
Frames = Annotated[int | None, typer.Option("--frames", min=1, help="Frames after which a video, camera or stream ends.")]


def predict(
    source: SourceText,
    model: Model = None,
    max_us: Fastest = None,
    box: BoxText = None,
    detector: DetectorFile = None,
    crop: Crop = False,
    out: Out = OUTPUT / "predict",
    frames: Frames = None,
    smooth: Smooth = True,
    show: Show = False,
    as_json: Json = False,
) -> None:
    """Find the points of faces: draws them into a .jpg or .mp4 file, and writes them, in pixels, into a .json file beside it.

    Images are turned upright by their EXIF orientation, videos by theirs, and points are in pixels of the upright one. Ctrl-C
    ends a camera or a stream; its results so far are written. What is not used is told, and of a folder listed in skipped.csv.
    Times are medians: per face of the crop, the network (one thread) and the way back, and of the network alone; per image of
    the detector.
    """
    from ...runtime import ModelError
    from ..predict.detect import INSTALL, make_finder, whole_image
    from ..predict.model_file import model_file
    from ..predict.net_landmarker import open_landmarker
    from ..predict.predictor import Predictor, VideoOptions, middle
    from ..predict.sources import Kind, find_sources
    from ..predict.tally import predict_all
    from ..predict.window import Window

    found = find_sources(source, out)
    if all(each.kind is Kind.IMAGE for each in found.sources):
        if frames is not None:
            raise InputError(f"--frames {frames}: {source} has no video to end")
        if show:
            raise InputError(f"--show: {source} has no video to show; look at the .jpg files in {out}")
    find, how = make_finder(box, detector, crop)
    network = model_file(model, max_us, OWN)
    try:
        predictor = Predictor(open_landmarker(network.path), find)
        with ExitStack() as stack:
            options = VideoOptions(frames, smooth)
            if show:
                window = stack.enter_context(Window(source))
                options = VideoOptions(frames, smooth, window.show, window.ended)
            progress = stack.enter_context(count_bar())
            tally = predict_all(found, predictor, network.name, out, options, _over(progress), _frames_in(progress), remark)
    except ModelError as error:
        raise InputError(str(error)) from None
    if find is whole_image and not crop:
        remark(INSTALL)
    if network.remark:
        remark(network.remark)
    if found.folder:
        write_text(out / SKIPPED, _skipped_csv(tally.skipped))
    result = {
        **vars(tally),
        "faces": len(predictor.face_ms),
        "ms_per_face": middle(predictor.face_ms),
        "ms_network": middle(predictor.network_ms),
        "ms_detector": middle(predictor.detector_ms),
        "model": network.name,
        "face_boxes": how,
    }
    finish({"out": str(out), **result}, as_json, _view(out, result))
    for name, reason in tally.not_drawn.items():
        raise ResultError(f"no video with the points of {name} could be written: {reason}; the points are in its .json file")
