"""``fbnet-pfld predict``: the points of faces in pictures and videos."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from ..evaluators.images import read_picture
from ..runtime import Image, Landmarker, ModelError
from ..search_space.inputs import InputError, write_text
from .annotate import annotate
from .faces import DETECTORS, Finder, make_finder
from .media import Video, pictures_of, write_jpeg, write_video
from .options import OUTPUT, Json, Seed, console, finish
from .progress import count_bar


class Predictor:
    """Finds faces and their points, and keeps the time: milliseconds per face, in all and of the network alone."""

    def __init__(self, landmarker: Landmarker, find: Finder):
        self._landmarker, self._find = landmarker, find
        self.face_ms: list[float] = []
        self.network_ms: list[float] = []
        grey = np.full((landmarker.size, landmarker.size, 3), 128, np.uint8)
        landmarker(grey)  # the first call takes longer

    def __call__(self, image: Image) -> list[dict[str, Any]]:
        """Faces of a picture, uint8 (H, W, 3), BGR: ``box``, ``points`` (P, 2) in pixels and, of a detector, ``score``.

        Coordinates count from the picture's upper left corner, so that pixel i reaches from i to i + 1.
        """
        found = []
        for face in self._find(image):
            start = time.perf_counter()
            crop = self._landmarker.prepare(image, face.square)
            before = time.perf_counter()
            output = self._landmarker.run(crop)
            after = time.perf_counter()
            points = self._landmarker.locate(output, face.square)
            self.face_ms.append(1000 * (time.perf_counter() - start))
            self.network_ms.append(1000 * (after - before))
            entry = {"box": np.round(face.box, 2).tolist(), "points": np.round(points.astype(float), 2).tolist()}
            found.append(entry if face.score is None else entry | {"score": round(face.score, 4)})
        return found


def predict_pictures(paths: list[Path], predictor: Predictor, model: Path, out: Path) -> dict[str, Any]:
    """Write for each picture one with its points and a JSON file; those that cannot be used are left out.

    Raises
    ------
    InputError
        If none can be used, or ``out`` cannot be written.
    """
    left_out: dict[str, str] = {}
    with count_bar(console) as progress:
        for path in progress.track(paths, description="pictures"):
            try:
                image = read_picture(path)
                faces = predictor(image)
            except (InputError, ModelError) as error:
                left_out[path.name] = str(error)
                continue
            write_jpeg(out / f"{path.stem}.jpg", annotate(image, faces))
            ms = predictor.face_ms[-len(faces):] if faces else []
            record = {"image": str(path), "faces": faces, "model": str(model), "ms": _median(ms)}
            write_text(out / f"{path.stem}.json", json.dumps(record) + "\n")
    if len(left_out) == len(paths):
        raise InputError(left_out[paths[0].name])
    return {"pictures": len(paths) - len(left_out), "left_out": left_out}


def predict_video(source: Path, predictor: Predictor, model: Path, out: Path) -> dict[str, Any]:
    """Write a video with the points, and a JSON file with a list of the frames' faces.

    Raises
    ------
    InputError
        If the video has no frames, the box is not in them, or ``out`` cannot be written.
    """
    video, frames = Video(source), []

    def annotated() -> Iterator[Image]:
        with count_bar(console) as progress:
            for image in progress.track(video, total=video.frames, description="frames"):
                frames.append({"faces": predictor(image)})
                yield annotate(image, frames[-1]["faces"])

    write_video(out / f"{source.stem}.mp4", video.fps, annotated())
    record = {"video": str(source), "fps": video.fps, "frames": frames, "model": str(model), "ms": _median(predictor.face_ms)}
    write_text(out / f"{source.stem}.json", json.dumps(record) + "\n")
    return {"frames": len(frames)}


def _median(ms: list[float]) -> float | None:
    return round(median(ms), 4) if ms else None


def _check_out(out: Path, source: Path) -> None:
    folder = source if source.is_dir() else source.parent
    if out.resolve() == folder.resolve():
        raise InputError(f"--out {out} is the source's folder; allowed: another one, for results have the names of the sources")


def _view(out: Path, result: dict[str, Any]) -> Table:
    view = Table(title=str(out), show_header=False)
    for key, value in result.items():
        for text in value.values() if isinstance(value, dict) else ["-" if value is None else str(value)]:
            view.add_row(key.replace("_", " "), text)
    return view


Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="Picture, folder of pictures, or video.", show_default=False)]
Model = Annotated[Path, typer.Option("--model", help="ONNX file of the network, as export writes it.")]
BoxText = Annotated[str | None, typer.Option("--box", metavar="X,Y,W,H",
                                            help="The face's box, from forehead to chin, in pixels.")]
DetectorFile = Annotated[Path | None, typer.Option(
    "--detector", help=f"YuNet file with which OpenCV finds faces. By default {' or '.join(DETECTORS)} in the working folder; "
                       "without any of these and without --box, each picture is one face's crop.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results, by the sources' names.")]


def predict(source: Source, model: Model = OUTPUT / "subnet.onnx", box: BoxText = None, detector: DetectorFile = None,
            out: Out = OUTPUT / "predict", seed: Seed = 0, as_json: Json = False) -> None:
    """Find the points of faces: draws them into a .jpg or .mp4 file, and writes them, in pixels, into a .json file beside it.

    Times are medians per face: of the crop, the network (one thread) and the way back, and of the network alone; without the
    detector. Nothing here is random.
    """
    paths = pictures_of(source)
    _check_out(out, source)
    find, how = make_finder(box, detector)
    predictor = Predictor(Landmarker(model), find)
    result = predict_video(source, predictor, model, out) if paths is None else predict_pictures(paths, predictor, model, out)
    result |= {"faces": len(predictor.face_ms), "ms_per_face": _median(predictor.face_ms),
               "ms_network": _median(predictor.network_ms)}
    result["face_boxes"] = how
    finish({"out": str(out), **result}, as_json, _view(out, result))
