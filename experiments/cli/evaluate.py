"""``fbnet-pfld evaluate``: compare networks on the test set."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from ...search_space.errors import InputError
from ..pipeline.workspace import Workspace
from .options import DATA_ROOT, WORKSPACE, ConfigFile, DataRoot, Json, Lut, Points, to_file
from .output import finish, track

SUBNET = [Workspace(WORKSPACE).checkpoint()]
"""Checkpoint that is evaluated by default."""

Files = Annotated[list[Path], typer.Option("--checkpoint", help="Checkpoint or exported file; may be repeated.")]
Arm = Annotated[
    bool, typer.Option("--arm", help="Also run MNN and ncnn files on an emulated Cortex-A53; see `latency emulator`.")
]
ArmFaces = Annotated[int, typer.Option("--arm-faces", min=1, help="Number of test faces for --arm.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", callback=to_file, help="Also draw the errors by face and face part, and the worst faces."),
]


def evaluate(
    checkpoint: Files = SUBNET,
    data_root: DataRoot = DATA_ROOT,
    config: ConfigFile = None,
    points: Points = None,
    lut: Lut = None,
    out: Out = None,
    arm: Arm = False,
    arm_faces: ArmFaces = 64,
    as_json: Json = False,
) -> None:
    """Compare networks on the test set by file size, parameters, MACs, latency (table and this machine) and accuracy.

    The number of points and the input size are those of the first network, unless --points or the config sets them.
    """
    from dataclasses import asdict

    from ...latency import LookupTable
    from ..deploy.candidate import load_candidate, size_of
    from ..deploy.comparison import compare
    from ..deploy.on_arm import arm_data, check_arm, check_on_arm
    from ..pipeline.config import Config
    from ..plots.evaluation import evaluation_figure
    from ..plots.figure import check_figure
    from .comparison_table import comparison_table
    from .export_table import arm_table

    if out is not None:
        check_figure(out)
    files = list(checkpoint)
    if len(set(files)) < len(files):
        raise InputError(f"--checkpoint {next(path for path in files if files.count(path) > 1)} is given twice; give it once")
    settings = Config.load(config, points=points, lut=lut)
    own = dict(zip(("points", "input_size"), size_of(files[0]), strict=True))
    settings = settings.override({key: value for key, value in own.items() if not settings.given(key)}, str(files[0]))
    table = LookupTable.load(settings.lut)
    if arm:
        check_arm({str(path): path for path in files})
    candidates = {str(path): load_candidate(path, settings.points, settings.input_size) for path in files}
    faces = settings.faces(data_root)
    test = faces.test
    rows, predicted = compare(candidates, test, table, settings.eye_corners)
    if out is not None:
        evaluation_figure(out, rows, predicted, test, settings.eye_corners)
    found: dict[str, Any] = {
        "networks": [asdict(row) for row in rows],
        "table": table.name,
        "method": table.method,
        "figure": out,
    }
    views = [comparison_table(rows, table)]
    if arm:
        some = faces.some("test", arm_faces)
        on_arm = check_on_arm({str(path): path for path in files}, some, None, settings.eye_corners, track)
        found["arm"] = arm_data(on_arm, len(some))
        views.append(arm_table(found["arm"]))
    finish(found, as_json, Group(*views))
