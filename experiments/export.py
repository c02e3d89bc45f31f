"""``fbnet-pfld export``: a checkpoint as a checked ONNX file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..evaluators import Checkpoint, LandmarkDataset
from .onnx_file import write_onnx
from .options import DATA_ROOT, OUTPUT, SUBNET, DataRoot, Json, Points, Seed, finish

COMPARED = 64


def export_onnx(checkpoint: Path, data_root: Path, path: Path, points: int | None = None) -> dict[str, object]:
    """Write the network of a checkpoint as ONNX, compared with torch on test images; return what was done.

    Raises
    ------
    InputError
        If checkpoint, data or output are not as they must be; an older file stays as it was then.
    """
    loaded = Checkpoint.load(checkpoint)
    loaded.check_points(points or loaded.num_points, checkpoint)
    model = loaded.build(checkpoint)
    data = LandmarkDataset(data_root, "test", loaded.num_points, loaded.input_size, limit=COMPARED)
    metadata = {"network": json.dumps(loaded.network), "num_points": str(loaded.num_points),
                "input": "float32, BGR, 0..1", "output": "x0 y0 x1 y1 ..., normalised to the crop"}
    difference = write_onnx(model, path, data.images.float() / 255, metadata)
    return {"onnx": str(path), "bytes": path.stat().st_size, "largest_difference_from_torch": difference,
            "compared_images": len(data)}


Source = Annotated[Path, typer.Option("--resume", help="Checkpoint to export.")]
Target = Annotated[Path, typer.Option("--output", "--onnx-path", "--onnx_path", help="The ONNX file.")]


def export(resume: Source = SUBNET, data_root: DataRoot = DATA_ROOT, output: Target = OUTPUT / "subnet.onnx",
           points: Points = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Write a checkpoint as ONNX: denormal weights zeroed, checked, and compared with torch on test images."""
    finish(export_onnx(resume, data_root, output, points), as_json)
