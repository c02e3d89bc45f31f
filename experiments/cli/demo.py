"""``fbnet-pfld demo``: from the pretrained supernet to a file for a device, in at most three minutes."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ..pipeline.workspace import Workspace
from .options import OUTPUT, WORKSPACE, Json, Seed, WorkspaceFolder, to_folder
from .output import finish, remark, track

Faces = Annotated[Path, typer.Option("--data-root", callback=to_folder, help="Folder for the faces.")]
Out = Annotated[Path, typer.Option("--out", callback=to_folder, help="Folder for subnet.onnx and demo.png.")]
MaxUs = Annotated[float, typer.Option("--max-us", help="Maximum latency of the subnet on a Snapdragon 625, in microseconds.")]

OTHER_FACES = 1000
"""Offset of the faces' seed, because the pretrained supernet was trained on the faces of seed 0."""


def demo(
    workspace: WorkspaceFolder = WORKSPACE / "demo",
    data_root: Faces = Path("data/demo"),
    out: Out = OUTPUT,
    max_us: MaxUs = 1600,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Render faces, choose a subnet of the pretrained supernet within a latency, finetune and export it, and draw its results.

    The supernet was trained beforehand on other faces of the same kind; its card describes the training.
    The demo uses one thread: on a busy machine, a second thread would slow every step down.
    """
    from dataclasses import asdict

    import torch

    from ...evaluators.pretrained import SUPERNET, pretrained
    from ...search_space import BASELINES
    from ..deploy.candidate import TrainedNetwork
    from ..deploy.exporter import BASELINE
    from ..pipeline.config import Config
    from ..pipeline.demo_run import CONFIG, TEST, TRAIN, run_demo
    from ..pipeline.training_progress import TrainingProgress
    from .comparison_table import comparison_table
    from .data import synthesise

    torch.set_num_threads(1)
    start = time.perf_counter()
    config, supernet = Config.load(CONFIG), pretrained(SUPERNET)
    assert supernet.path is not None  # a file of the package
    synthesise(data_root, TRAIN, TEST, config.input_size, seed + OTHER_FACES, overwrite=True)
    remark(f"{TRAIN + TEST} synthetic faces -> {data_root}")
    found = run_demo(
        config,
        supernet.path,
        max_us,
        data_root,
        Workspace(workspace),
        out,
        seed,
        track,
        lambda title: [TrainingProgress(title)],
    )
    us = found.table.latency_us(found.chosen)
    baseline_us = TrainedNetwork(BASELINES[BASELINE](config.points, config.input_size)).table_us(found.table)
    assert baseline_us is not None  # the shipped tables contain the baselines
    remark(f"{us:,.0f} us, {baseline_us / us:.1f} times faster than {BASELINE} ({baseline_us:,.0f} us), {found.table.method}")
    seconds = time.perf_counter() - start
    remark(f"{seconds:.0f} s; figure: {out / 'demo.png'}; ONNX file: {out / 'subnet.onnx'}")
    finish(
        {
            "networks": [asdict(row) for row in found.rows],
            "choices": found.chosen.choices,
            "table": found.table.name,
            "method": found.table.method,
            "us": round(us, 1),
            "baseline_us": round(baseline_us, 1),
            "figure": str(out / "demo.png"),
            "onnx": str(out / "subnet.onnx"),
            "seconds": round(seconds, 1),
        },
        as_json,
        comparison_table(found.rows, found.table),
    )
