"""``fbnet-pfld from-experiment``: the best trial of an NNI experiment as an architecture file."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..search_space import InputError
from ..search_space.inputs import allowed, write_text
from .config import Config
from .finished_trials import Trial, read_trials
from .options import OUTPUT, ConfigFile, Json, Seed, finish

SHOWN = 10

Source = Annotated[str, typer.Argument(help="Experiment id, experiment folder, or a file of nnictl experiment export.")]
Chosen = Annotated[str | None, typer.Option("--trial", help="Take this trial instead of the best.")]
MaxUs = Annotated[float | None, typer.Option("--max-us", "--max_us", help="Take the best within this latency, microseconds.")]
Output = Annotated[Path, typer.Option("--output", help="The architecture file.")]


def choose(trials: list[Trial], source: str, trial: str | None = None, max_us: float | None = None) -> Trial:
    """The trial with the lowest NME (within a latency, if one is given), or the one that is named.

    Raises
    ------
    InputError
        If there is none.
    """
    if trial is not None:
        found = {each.id: each for each in trials}
        if trial not in found:
            raise InputError(f"{source}: no finished trial {trial!r}; {allowed(found)}")
        return found[trial]
    rated = [each for each in trials if each.nme is not None]
    if not rated:
        raise InputError(f"{source}: no trial has reported a rated architecture; allowed: an experiment of search.yml, "
                         "subnets.yml, finetune.yml or launch multi-trial in which one has")
    within = [each for each in rated if max_us is None or each.architecture.latency["us"] <= max_us]
    if not within:
        fastest = min(each.architecture.latency["us"] for each in rated)
        raise InputError(f"{source}: no trial within {max_us:g} us; allowed: from {fastest:g} us, its fastest")
    return min(within, key=lambda each: each.nme)


def from_experiment(source: Source, config: ConfigFile = None, trial: Chosen = None, max_us: MaxUs = None,
                    output: Output = OUTPUT / "architecture.json", seed: Seed = 0, as_json: Json = False) -> None:
    """Write the best trial of an NNI experiment, running or stopped, as an architecture file; nothing here is random.

    The config file is that of the experiment. Parameters of trials that are keys of it (those of search.yml and finetune.yml)
    go into config.yaml beside the architecture file.
    """
    trials = read_trials(source, Config.load(config))
    best = choose(trials, source, trial, max_us)
    best.architecture.save(output)
    result = {"architecture": str(output), "trial": best.id, "folder": best.folder, "trials": len(trials), "nme": best.nme,
              "latency": best.architecture.latency, "parameters": best.parameters, "choices": best.architecture.choices}
    settings = _nested({name: value for name, value in best.parameters.items() if "." in name})
    if settings:
        result["config"] = str(output.with_name("config.yaml"))
        write_text(result["config"], yaml.safe_dump(settings))
    finish(result, as_json, as_table(trials, best, output))


def _nested(parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    settings: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        section, _, key = name.partition(".")
        settings.setdefault(section, {})[key] = value
    return settings


def as_table(trials: list[Trial], best: Trial, output: Path) -> Table:
    """The best trials as a table for the screen, the chosen one first."""
    rated = sorted((each for each in trials if each.nme is not None), key=lambda each: each.nme)
    rows = [best, *(each for each in rated if each is not best)][:SHOWN]
    view = Table(title=f"{len(rated)} rated trials, {len(trials) - len(rated)} over the budget", box=SIMPLE_HEAD,
                 padding=(0, 1, 0, 0), caption=f"the first -> {output}", caption_justify="left")
    for heading in ("trial", "NME %", "us", "blocks"):
        view.add_column(heading, justify="right" if heading in ("NME %", "us") else "left", overflow="fold")
    for each in rows:
        nme = "-" if each.nme is None else f"{each.nme:.2f}"
        view.add_row(each.id, nme, f"{each.architecture.latency['us']:,.0f}", " ".join(each.architecture.choices.values()))
    return view
