"""``fbnet-pfld trial``: one trial of an NNI experiment; the ``trialCommand`` of the YAML files beside this one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..evaluators import BEST
from ..latency import LookupTable
from ..search_space import Architecture, PfldSpace, SpaceSpec
from ..strategies import check_target
from . import nni_trial
from .architectures import with_latency
from .command import App
from .config import Config
from .finetune import ARCHITECTURE, finetune_network
from .options import DATA_ROOT, SNAPSHOT, ConfigFile, DataRoot, Json, Seed, finish
from .rating import rate
from .search import search_supernet

app = App(no_args_is_help=True)

SUPERNET = SNAPSHOT / "supernet"
Supernet = Annotated[Path, typer.Option("--supernet", help="Checkpoint of the trained supernet.")]
Weights = Annotated[Path | None, typer.Option("--supernet", help="Checkpoint of a trained supernet, whose weights stay.")]
Epochs = Annotated[int, typer.Option("--epochs", min=0, help="Finetune each subnet for so many epochs before it is rated.")]
Budget = Annotated[float | None, typer.Option("--budget-us", "--budget_us", help="Report slower subnets without training.")]
Arch = Annotated[Path, typer.Option("--arch", help="Architecture file.")]


def _configured(config: Path | None, parameters: Mapping[str, Any]) -> Config:
    """The config file with a trial's parameters, named as its keys: ``search.beta``."""
    return Config.load(config).override({name.replace(".", "__"): value for name, value in parameters.items()},
                                        "parameters of the trial")


@app.command()
def search(data_root: DataRoot = DATA_ROOT, config: ConfigFile = None, supernet: Weights = None, epochs: Epochs = 0,
           seed: Seed = 0, as_json: Json = False) -> None:
    """Search once with the trial's parameters (keys of the config file, such as search.target_us), and rate what was chosen.

    With --supernet, only the logits learn, over its weights.
    """
    parameters, report = nni_trial.begin()
    settings, folder = _configured(config, parameters | {"search.front": 0}), nni_trial.folder()
    chosen = search_supernet(settings, data_root, folder / "supernet", seed, callbacks=[report], supernet=supernet)
    nme = rate(chosen, folder / "supernet" / BEST, settings, data_root, folder, epochs, seed)
    finish(report.final(replace(chosen, metrics={"val_nme": nme}), nme), as_json)


@app.command()
def subnet(data_root: DataRoot = DATA_ROOT, config: ConfigFile = None, supernet: Supernet = SUPERNET / BEST,
           budget_us: Budget = None, epochs: Epochs = 0, seed: Seed = 0, as_json: Json = False) -> None:
    """Rate the subnet whose blocks the trial's parameters name (label: block), with the supernet's weights.

    One over the budget reports its latency in percent of it: above 100, where an NME should not be, and the higher the farther
    off, so that a tuner is led back.
    """
    choices, report = nni_trial.begin()
    settings = Config.load(config)
    spec, table = SpaceSpec.load(settings.space), LookupTable.load(settings.lut)
    chosen = with_latency(Architecture(spec, settings.points, settings.input_size, choices), table)
    if budget_us is not None and chosen.latency["us"] > budget_us:
        # a budget that no subnet keeps, such as one in milliseconds, would pass for a result
        check_target(table.cost(PfldSpace(spec, settings.points, settings.input_size)), budget_us)
        finish(report.final(chosen, 100 * chosen.latency["us"] / budget_us, over_budget=1), as_json)
        return
    nme = rate(chosen, supernet, settings, data_root, nni_trial.folder(), epochs, seed, [report])
    finish(report.final(replace(chosen, metrics={"val_nme": nme}), nme, over_budget=0), as_json)


@app.command()
def finetune(data_root: DataRoot = DATA_ROOT, config: ConfigFile = None, arch: Arch = SUPERNET / ARCHITECTURE,
             supernet: Supernet = SUPERNET / BEST, seed: Seed = 0, as_json: Json = False) -> None:
    """Finetune one architecture with the trial's parameters (keys of the config file, such as finetune.learning_rate)."""
    parameters, report = nni_trial.begin()
    settings, chosen = _configured(config, parameters), Architecture.load(arch)
    best = finetune_network(settings, data_root, nni_trial.folder(), chosen, supernet, seed, callbacks=[report])
    nme = best.metrics["val_nme"]
    chosen = with_latency(replace(chosen, metrics={"val_nme": nme}), LookupTable.load(settings.lut))
    finish(report.final(chosen, nme), as_json)
