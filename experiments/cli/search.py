"""``fbnet-pfld search``: train the supernet and choose the architecture."""

from pathlib import Path
from typing import Annotated

import typer

from ...search_space.errors import InputError, only_one
from ..pipeline.workspace import PARETO, Workspace
from .options import (
    DATA_ROOT,
    WORKSPACE,
    ConfigFile,
    DataRoot,
    DevId,
    Epochs,
    Json,
    Lut,
    Points,
    Precision,
    Resume,
    Seed,
    WorkspaceFolder,
)
from .output import finish, remark, track

TargetUs = Annotated[float | None, typer.Option("--target-us", help="Latency target in microseconds.")]
TargetMs = Annotated[float | None, typer.Option("--target-ms", help="Latency target in milliseconds.")]
Supernet = Annotated[
    Path | None,
    typer.Option(
        "--supernet",
        help="Keep the weights of this trained supernet, and train only the logits, for another target or table.",
    ),
]
Init = Annotated[
    Path | None,
    typer.Option(
        "--init",
        help="Start from the weights of this supernet, such as pretrained:supernet, with a shorter search; its number of "
        "points may differ.",
    ),
]


def search(
    data_root: DataRoot = DATA_ROOT,
    workspace: WorkspaceFolder = WORKSPACE,
    dev_id: DevId = "",
    config: ConfigFile = None,
    points: Points = None,
    lut: Lut = None,
    target_us: TargetUs = None,
    target_ms: TargetMs = None,
    supernet: Supernet = None,
    init: Init = None,
    epochs: Epochs = None,
    precision: Precision = None,
    resume: Resume = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train the supernet, choose the architecture with the latency table in the loss or for a target, and find the front.

    Writes checkpoint_best.pth, architecture.json, pareto.csv, pareto.png, front/*.json, history.csv and TensorBoard logs.
    The files are in WORKSPACE/supernet.
    NMEs are measured on held-out training faces, with the supernet's weights and without finetuning.
    """
    from ...evaluators import Checkpoint
    from ..pipeline.config import Config
    from ..pipeline.supernet_search import search_supernet, space_of
    from ..pipeline.training_progress import TrainingProgress
    from .training import announce

    only_one({"--target-us": target_us, "--target-ms": target_ms})
    only_one({"--supernet": supernet, "--init": init})
    if target_ms is not None:
        target_us = 1000 * target_ms
    settings = Config.load(
        config, points=points, lut=lut, search__epochs=epochs, search__target_us=target_us, search__precision=precision
    )
    if init is not None:
        settings = space_of(Checkpoint.load(init), settings)
    place = Workspace(workspace)
    for option, source in (("--supernet", supernet), ("--init", init)):
        if source is not None and source.resolve() == place.supernet.resolve():
            raise InputError(f"{option} {source} is the file that this search writes; give another --workspace")
    announce(dev_id, resume, place.search)
    chosen = search_supernet(
        settings,
        settings.faces(data_root),
        place.search,
        seed,
        resume,
        dev_id,
        [TrainingProgress("search")],
        supernet,
        track,
        init,
        remark,
    )
    finish(
        {
            "architecture": str(place.architecture),
            "checkpoint": str(place.supernet),
            "choices": chosen.choices,
            "latency": chosen.to_dict()["latency"],
            **chosen.metrics,
            "front": str(place.search / PARETO) if settings.search.front else None,
        },
        as_json,
    )
