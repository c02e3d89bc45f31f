"""``fbnet-pfld predict``: find the points of faces in images, videos, folders, cameras and streams."""

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
"""Network that runs by default."""

LISTED = 10
"""Maximum number of skipped sources on the screen; the file lists all."""


def _frames_in(progress: Progress) -> Callable[[int | None], AbstractContextManager[Callable[[], None]]]:
    """Return a progress bar for the frames of one video, below that of the sources."""

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
        help="Image, video, folder with sub-folders, camera number such as 0, or stream address such as rtsp://...",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="Exported network (.onnx, .mnn, .param or .pt), or pretrained:NAME. By default "
        f"{OWN} if it exists, otherwise the most accurate pretrained subnet.",
    ),
]
Fastest = Annotated[
    float | None,
    typer.Option(
        "--max-us",
        help="Use the most accurate pretrained subnet within this latency in microseconds, modelled for a Snapdragon 625.",
    ),
]
BoxText = Annotated[
    str | None, typer.Option("--box", metavar="X,Y,W,H", help="Box of the face, from forehead to chin, in pixels.")
]
DetectorFile = Annotated[
    Path | None,
    typer.Option(
        "--detector",
        help="ONNX file of the face detector, YuNet or CenterFace. By default face_detection_yunet_2026may.onnx or "
        "face_detection_yunet_2023mar.onnx in the working folder, else CenterFace of the extra detect. Without any of these "
        "and without --box, each image is the crop of one face.",
    ),
]
Crop = Annotated[bool, typer.Option("--crop", help="Each image is the crop of one face, as in a data set; skip detection.")]
Smooth = Annotated[
    bool,
    typer.Option("--smooth/--no-smooth", help="Smooth the points of videos, cameras and streams from frame to frame."),
]
Show = Annotated[
    bool, typer.Option("--show", help="Show videos, cameras and streams in a window; q or Esc ends the current one.")
]
Out = Annotated[
    Path,
    typer.Option("--out", callback=to_folder, help="Folder for the results, named after the sources; mirrors sub-folders."),
]
Frames = Annotated[int | None, typer.Option("--frames", min=1, help="Maximum number of frames of a video, camera or stream.")]


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
    """Find the points of faces; draw them into a .jpg or .mp4 file, and write them, in pixels, into a .json file beside it.

    Images are rotated upright by their EXIF orientation, videos by their metadata.
    Points are in pixels of the upright image.
    Ctrl-C ends a camera or a stream; the results so far are written.
    Unused sources are reported; those of a folder are also listed in skipped.csv.
    Times are medians, with one thread for the network.
    "ms per face" covers cropping, network and mapping back, "ms network" only the network, "ms detector" one image.
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
            raise InputError(f"--frames {frames}: {source} contains no video; remove --frames")
        if show:
            raise InputError(f"--show: {source} contains no video; remove --show, and see the .jpg files in {out}")
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
