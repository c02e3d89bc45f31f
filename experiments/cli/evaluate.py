"""``fbnet-pfld evaluate``: networks side by side on the test set."""

from pathlib import Path
from typing import Annotated

import typer

from ...search_space.errors import InputError
from ..pipeline.workspace import Workspace
from .options import DATA_ROOT, WORKSPACE, ConfigFile, DataRoot, Json, Lut, Points, to_file
from .output import finish

SUBNET = [Workspace(WORKSPACE).checkpoint()]
"""What is evaluated by default."""

Files = Annotated[list[Path], typer.Option("--checkpoint", help="Trained network or exported file; may be repeated.")]
Out = Annotated[
    Path | None, typer.Option("--out", callback=to_file, help="Also draw the errors over faces and parts, and the worst faces.")
]


def evaluate(
    checkpoint: Files = SUBNET,
    data_root: DataRoot = DATA_ROOT,
    config: ConfigFile = None,
    points: Points = None,
    lut: Lut = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compare networks on the test set: size, cost, latency by the table and on this machine, accuracy.

    Points and input size are those of the first network, unless --points or the config say others.
    """
    from dataclasses import asdict

    from ...latency import LookupTable
    from ..deploy.candidate import load_candidate, size_of
    from ..deploy.comparison import compare
    from ..pipeline.config import Config
    from ..plots.evaluation import evaluation_figure
    from ..plots.figure import check_figure
    from .comparison_table import comparison_table

    if out is not None:
        check_figure(out)
    files = list(checkpoint)
    if len(set(files)) < len(files):
        raise InputError(f"--checkpoint {next(path for path in files if files.count(path) > 1)} is given twice; give it once")
    settings = Config.load(config, points=points, lut=lut)
    own = dict(zip(("points", "input_size"), size_of(files[0]), strict=True))
    settings = settings.override({key: value for key, value in own.items() if not settings.given(key)}, str(files[0]))
    table = LookupTable.load(settings.lut)
    candidates = {str(path): load_candidate(path, settings.points, settings.input_size) for path in files}
    test = settings.faces(data_root).test
    rows, predicted = compare(candidates, test, table, settings.eye_corners)
    if out is not None:
        evaluation_figure(out, rows, predicted, test, settings.eye_corners)
    finish(
        {"networks": [asdict(row) for row in rows], "table": table.name, "method": table.method, "figure": out},
        as_json,
        comparison_table(rows, table),
    )
