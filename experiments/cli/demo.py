"""``fbnet-pfld demo``: the whole way on a small synthetic data set, in a few minutes."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ..pipeline.workspace import Workspace
from .options import OUTPUT, WORKSPACE, Json, Seed, WorkspaceFolder, to_folder
from .output import finish, remark, track

Faces = Annotated[Path, typer.Option("--data-root", callback=to_folder, help="Folder for the faces.")]
Out = Annotated[Path, typer.Option("--out", callback=to_folder, help="Folder for subnet.onnx and demo.png.")]


def demo(
    workspace: WorkspaceFolder = WORKSPACE / "demo",
    data_root: Faces = Path("data/demo"),
    out: Out = OUTPUT,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Synthesise faces, search with the Snapdragon 625 table, finetune, export, run the ONNX file, and show the result."""
    from dataclasses import asdict

    from ..pipeline.config import Config
    from ..pipeline.demo_run import CONFIG, TEST, TRAIN, run_demo
    from ..pipeline.training_progress import TrainingProgress
    from .comparison_table import comparison_table
    from .data import synthesise

    start = time.perf_counter()
    config = Config.load(CONFIG)
    synthesise(data_root, TRAIN, TEST, config.input_size, seed, overwrite=True)
    remark(f"{TRAIN + TEST} synthetic faces -> {data_root}")
    rows, chosen, table = run_demo(
        config, data_root, Workspace(workspace), out, seed, track, lambda title: [TrainingProgress(title)]
    )
    seconds = time.perf_counter() - start
    remark(f"{seconds:.0f} s; figure: {out / 'demo.png'}; ONNX file: {out / 'subnet.onnx'}")
    finish(
        {
            "networks": [asdict(row) for row in rows],
            "choices": chosen.choices,
            "table": table.name,
            "method": table.method,
            "figure": str(out / "demo.png"),
            "onnx": str(out / "subnet.onnx"),
            "seconds": round(seconds, 1),
        },
        as_json,
        comparison_table(rows, table),
    )
