"""``fbnet-pfld evaluate``: networks side by side on the test set."""

from pathlib import Path
from typing import Annotated

import typer

from ..evaluators import LandmarkDataset
from ..latency import LookupTable
from ..search_space import InputError
from .config import Config
from .evaluation_picture import evaluation_picture
from .options import DATA_ROOT, SUBNET, ConfigFile, DataRoot, Json, Lut, Points, Seed, finish, to_file
from .pictures import check_picture
from .report import as_dicts, as_table, compare, load_candidate, size_of

Files = Annotated[list[Path], typer.Option("--resume", help="Checkpoint or exported file; may be repeated.")]
Plot = Annotated[Path | None, typer.Option("--plot", callback=to_file,
                                           help="Also draw the errors over faces and parts, and the worst faces.")]


def evaluate(resume: Files = (SUBNET,), data_root: DataRoot = DATA_ROOT, config: ConfigFile = None, points: Points = None,
             lut: Lut = None, plot: Plot = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Compare networks on the test set: size, cost, latency by the table and on this machine, accuracy.

    Points and input size are those of the first network, unless --points or the config say others.
    """
    if plot is not None:
        check_picture(plot)
    if len(set(resume)) < len(resume):
        raise InputError(f"--resume {next(path for path in resume if resume.count(path) > 1)} is given twice; give it once")
    settings = Config.load(config, points=points, lut=lut)
    own = dict(zip(("points", "input_size"), size_of(resume[0]), strict=True))
    settings = settings.override({key: value for key, value in own.items() if not settings.given(key)}, str(resume[0]))
    table = LookupTable.load(settings.lut)
    candidates = {str(path): load_candidate(path, settings.points, settings.input_size) for path in resume}
    test = LandmarkDataset(data_root, "test", settings.points, settings.input_size)
    rows, predicted = compare(candidates, test, table, settings.eye_corners)
    if plot is not None:
        evaluation_picture(plot, rows, predicted, test, settings.eye_corners)
    finish({"networks": as_dicts(rows), "table": table.name, "method": table.method, "plot": plot}, as_json,
           as_table(rows, table))
