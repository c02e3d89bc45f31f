"""``fbnet-pfld evaluate``: networks side by side on the test set."""

from pathlib import Path
from typing import Annotated

import typer

from ..evaluators import LandmarkDataset
from ..latency import LookupTable
from .config import Config
from .options import DATA_ROOT, SUBNET, ConfigFile, DataRoot, Json, Lut, Points, Seed, finish
from .report import as_dicts, as_table, compare, load_candidate

Files = Annotated[list[Path], typer.Option("--resume", help="Checkpoint or .onnx file; may be repeated.")]


def evaluate(resume: Files = (SUBNET,), data_root: DataRoot = DATA_ROOT, config: ConfigFile = None, points: Points = None,
             lut: Lut = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Compare networks on the test set: size, cost, latency by the table and on this machine, accuracy."""
    settings = Config.load(config, points=points, lut=lut)
    table = LookupTable.load(settings.lut)
    candidates = {str(path): load_candidate(path, settings.points, settings.input_size) for path in resume}
    test = LandmarkDataset(data_root, "test", settings.points, settings.input_size)
    rows = compare(candidates, test, table, settings.eye_corners)
    finish({"networks": as_dicts(rows), "table": table.name, "method": table.method}, as_json, as_table(rows, table))
