"""``fbnet-pfld trial``: one trial of an NNI experiment; the ``trialCommand`` of the YAML files in ``nni_jobs/configs``."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..pipeline.command import App
from ..pipeline.workspace import Workspace
from .options import DATA_ROOT, WORKSPACE, ConfigFile, DataRoot, FinetuneEpochs, Json, MaxUs, Seed
from .output import finish, track

if TYPE_CHECKING:
    from ..pipeline.config import Config

app = App(no_args_is_help=True)

PLACE = Workspace(WORKSPACE)
Supernet = Annotated[Path, typer.Option("--supernet", help="Checkpoint of the trained supernet.")]
Weights = Annotated[Path | None, typer.Option("--supernet", help="Checkpoint of a trained supernet; its weights stay fixed.")]
Arch = Annotated[Path, typer.Option("--arch", help="Architecture file.")]


def _configured(config: Path | None, parameters: Mapping[str, Any]) -> "Config":
    """Load the config file, and override it with a trial's parameters, which are named like its keys (``search.beta``)."""
    from ..pipeline.config import Config

    return Config.load(config).override(
        {name.replace(".", "__"): value for name, value in parameters.items()}, "parameters of the trial"
    )


def search(
    data_root: DataRoot = DATA_ROOT,
    config: ConfigFile = None,
    supernet: Weights = None,
    finetune_epochs: FinetuneEpochs = 0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Run one search with the trial's parameters (config keys, such as search.target_us), and rate the chosen subnet.

    With --supernet, only the logits are trained.
    """
    from ..nni_jobs import trial_channel
    from ..pipeline.rating import rate
    from ..pipeline.supernet_search import search_supernet
    from ..pipeline.training_progress import TrainingProgress

    parameters, report = trial_channel.begin()
    settings, place = _configured(config, parameters | {"search.front": 0}), Workspace(trial_channel.folder())
    faces = settings.faces(data_root)
    chosen = search_supernet(
        settings, faces, place.search, seed, callbacks=[report, TrainingProgress("search")], supernet=supernet, track=track
    )
    nme = rate(chosen, place.supernet, settings, faces, place.root, finetune_epochs, seed)
    finish(report.final(replace(chosen, metrics={"val_nme": nme}), nme), as_json)


def subnet(
    data_root: DataRoot = DATA_ROOT,
    config: ConfigFile = None,
    supernet: Supernet = PLACE.supernet,
    max_us: MaxUs = None,
    finetune_epochs: FinetuneEpochs = 0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Rate the subnet whose blocks the trial's parameters name (label: block), with the supernet's weights.

    A subnet over --max-us reports its latency in percent of --max-us in place of the NME.
    This value is above 100, which NMEs are not, and grows with the excess, so that a tuner returns to faster subnets.
    """
    from ...latency import LookupTable
    from ...search_space import Architecture, SpaceSpec
    from ...strategies import check_target
    from ..nni_jobs import trial_channel
    from ..pipeline.config import Config
    from ..pipeline.rating import rate

    choices, report = trial_channel.begin()
    settings = Config.load(config)
    spec, table = SpaceSpec.load(settings.space), LookupTable.load(settings.lut)
    chosen = Architecture(spec, settings.points, settings.input_size, choices)
    us = table.latency_us(chosen)
    chosen = table.annotate(chosen)
    if max_us is not None and us > max_us:
        # a budget that no subnet meets, such as one in milliseconds, would look like a result
        check_target(table.cost(spec.layout(settings.points, settings.input_size)), max_us)
        finish(report.final(chosen, 100 * us / max_us, over_budget=1), as_json)
        return
    nme = rate(chosen, supernet, settings, settings.faces(data_root), trial_channel.folder(), finetune_epochs, seed, [report])
    finish(report.final(replace(chosen, metrics={"val_nme": nme}), nme, over_budget=0), as_json)


def finetune(
    data_root: DataRoot = DATA_ROOT,
    config: ConfigFile = None,
    arch: Arch = PLACE.architecture,
    supernet: Supernet = PLACE.supernet,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Finetune one architecture with the trial's parameters (config keys, such as finetune.learning_rate)."""
    from ...latency import LookupTable
    from ...search_space import Architecture
    from ..nni_jobs import trial_channel
    from ..pipeline.finetuning import faces_for, finetune_network
    from ..pipeline.training_progress import TrainingProgress

    parameters, report = trial_channel.begin()
    settings, chosen = _configured(config, parameters), Architecture.load(arch)
    best = finetune_network(
        settings,
        faces_for(chosen, settings, data_root),
        trial_channel.folder(),
        chosen,
        supernet,
        seed,
        callbacks=[report, TrainingProgress("finetune")],
    )
    nme = best.metrics["val_nme"]
    chosen = LookupTable.load(settings.lut).annotate(replace(chosen, metrics={"val_nme": nme}))
    finish(report.final(chosen, nme), as_json)


app.add(
    search, "fbnet-pfld trial search --data-root data/106points (as trialCommand)", aliases={"--epochs": "--finetune-epochs"}
)
app.add(
    subnet,
    "fbnet-pfld trial subnet --data-root data/106points --max-us 2450 (as trialCommand)",
    aliases={"--budget-us": "--max-us", "--epochs": "--finetune-epochs"},
)
app.add(finetune, "fbnet-pfld trial finetune --data-root data/106points (as trialCommand)")
