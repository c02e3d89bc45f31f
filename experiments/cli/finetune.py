"""``fbnet-pfld finetune``: train the chosen subnet, or a baseline with the same recipe."""

from pathlib import Path
from typing import Annotated

import typer

from ...search_space.errors import InputError, only_one
from ..pipeline.workspace import Workspace
from .options import (
    DATA_ROOT,
    WORKSPACE,
    ConfigFile,
    DataRoot,
    DevId,
    Epochs,
    Json,
    Points,
    Precision,
    Resume,
    Seed,
    WorkspaceFolder,
)
from .output import finish, remark

Arch = Annotated[Path | None, typer.Option("--arch", help="Architecture file; by default the one of the search.")]
Supernet = Annotated[
    Path | None,
    typer.Option("--supernet", help="Supernet to inherit weights from, or pretrained:supernet; by default that of the search."),
]
Init = Annotated[
    Path | None,
    typer.Option(
        "--init",
        help="Start from the weights of this checkpoint_best.pth or of pretrained:NAME; the number of points may differ.",
    ),
]
FromScratch = Annotated[bool, typer.Option("--from-scratch", help="Inherit no weights.")]
Model = Annotated[str | None, typer.Option("--model", help="Train this baseline instead, such as pfld_lite.")]


def finetune(
    data_root: DataRoot = DATA_ROOT,
    workspace: WorkspaceFolder = WORKSPACE,
    dev_id: DevId = "",
    config: ConfigFile = None,
    arch: Arch = None,
    supernet: Supernet = None,
    init: Init = None,
    from_scratch: FromScratch = False,
    model: Model = None,
    points: Points = None,
    epochs: Epochs = None,
    precision: Precision = None,
    resume: Resume = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Finetune the chosen subnet with the supernet's weights, or train a baseline with the same recipe.

    --init starts a new schedule from the weights of a trained subnet or baseline.
    It also takes the architecture from there, unless --arch or --model names one.
    Writes WORKSPACE/subnet/checkpoint_best.pth (WORKSPACE/NAME/... for a baseline) and TensorBoard logs.
    """
    from ...evaluators import Checkpoint
    from ...search_space import Architecture
    from ..pipeline.config import Config
    from ..pipeline.finetuning import Network, faces_for, finetune_network, network_of
    from ..pipeline.training_progress import TrainingProgress
    from .training import announce

    only_one({"--arch": arch, "--model": model})
    only_one({"--supernet": supernet, "--model": model})
    only_one({"--supernet": supernet, "--init": init, "--from-scratch": from_scratch or None})
    settings = Config.load(config, points=points, finetune__epochs=epochs, finetune__precision=precision)
    place = Workspace(workspace)
    network: Network
    if model is not None:
        network = model
    elif arch is None and init is not None:
        network, settings = network_of(Checkpoint.load(init), settings)
    else:
        network = Architecture.load(arch or place.architecture)
    if isinstance(network, Architecture):
        for key, value in (("points", network.num_points), ("input_size", network.input_size)):
            if settings.given(key) and getattr(settings, key) != value:
                raise InputError(
                    f"architecture of {key} {value}, but {key} {getattr(settings, key)} is configured; "
                    f"search with it, or remove the setting"
                )
    inherits = isinstance(network, Architecture) and init is None and not from_scratch
    name = "subnet" if isinstance(network, Architecture) else network
    if init is not None and init.resolve() == place.checkpoint(name).resolve():
        raise InputError(f"--init {init} is the file that this training writes; give another --workspace")
    announce(dev_id, resume, place.trained(name))
    title = "finetune" if isinstance(network, Architecture) else network
    best = finetune_network(
        settings,
        faces_for(network, settings, data_root),
        place.trained(name),
        network,
        supernet or place.supernet if inherits else None,
        seed,
        resume,
        dev_id,
        [TrainingProgress(title)],
        init,
        remark,
    )
    finish({"checkpoint": str(place.checkpoint(name)), **best.metrics}, as_json)
