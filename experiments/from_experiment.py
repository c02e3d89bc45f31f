"""``fbnet-pfld from-experiment``: the best trial of an NNI experiment as an architecture file."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..search_space import InputError
from ..search_space.inputs import allowed, only_one, write_text
from ..strategies import unit_hint
from .config import Config
from .finished_trials import Trial, is_export, read_trials
from .options import OUTPUT, ConfigFile, Json, Seed, console, finish, to_file
from .trial_states import Outcome, counted, counts, last_error, no_result, without_result

SHOWN = 10

Source = Annotated[str, typer.Argument(help="Experiment id, experiment folder, or a file of nnictl experiment export.")]
Chosen = Annotated[str | None, typer.Option("--trial", help="Take this trial instead of the best.")]
MaxUs = Annotated[float | None, typer.Option("--max-us", "--max_us", help="Take the best within this latency, microseconds.")]
Output = Annotated[Path, typer.Option("--output", callback=to_file, help="The architecture file.")]


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
        raise InputError(f"{source}: all {len(trials)} trials are over their budget, and none is rated; --trial takes one of "
                         f"them, such as --trial {trials[0].id}")
    within = [each for each in rated if max_us is None or each.architecture.latency["us"] <= max_us]
    if not within:
        latencies = [each.architecture.latency["us"] for each in rated]
        raise InputError(f"{source}: no trial within {max_us:g} us; allowed: from {min(latencies):g} us, its fastest"
                         f"{unit_hint(max_us, min(latencies), max(latencies))}")
    return min(within, key=lambda each: each.nme)


def from_experiment(source: Source, config: ConfigFile = None, trial: Chosen = None, max_us: MaxUs = None,
                    output: Output = OUTPUT / "architecture.json", seed: Seed = 0, as_json: Json = False) -> None:
    """Write the best trial of an NNI experiment, running or stopped, as an architecture file; nothing here is random.

    The config file is that of the experiment. Parameters of trials that are keys of it (those of search.yml and finetune.yml)
    go into config.yaml beside the architecture file. Trials without a result are counted; if there are no others, the last
    error of one is shown.
    """
    only_one({"--trial": trial, "--max-us": max_us})
    trials = read_trials(source, Config.load(config))
    if not trials and is_export(source):
        raise InputError(f"{source}: no trial in it has a result; give the experiment's id instead of the file to see why")
    if not trials:
        raise InputError(no_result(source))
    others = [] if is_export(source) else without_result(source)
    best = choose(trials, source, trial, max_us)
    best.architecture.save(output)
    result = {"architecture": str(output), "trial": best.id, "folder": best.folder, "trials": len(trials),
              "without_result": counts(others), "nme": best.nme, "latency": best.architecture.latency,
              "parameters": best.parameters, "choices": best.architecture.choices}
    settings = _nested({name: value for name, value in best.parameters.items() if "." in name})
    if settings:
        result["config"] = str(output.with_name("config.yaml"))
        write_text(result["config"], yaml.safe_dump(settings))
    remark(others)
    finish(result, as_json, as_table(trials, best, output, others))


def remark(others: list[Outcome]) -> None:
    """Say what the last trial that failed said last, if one has failed."""
    if error := last_error(others):
        console.print(f"trials without a result: {counted(others)}; {error}", highlight=False, soft_wrap=True, markup=False)


def _nested(parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    settings: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        section, _, key = name.partition(".")
        settings.setdefault(section, {})[key] = value
    return settings


def as_table(trials: list[Trial], best: Trial, output: Path, others: list[Outcome]) -> Table:
    """The best trials as a table for the screen, the chosen one first."""
    rated = sorted((each for each in trials if each.nme is not None), key=lambda each: each.nme)
    rows = [best, *(each for each in rated if each is not best)][:SHOWN]
    title = [f"{len(rated)} rated trials", f"{len(trials) - len(rated)} over the budget", counted(others)]
    view = Table(title=", ".join(filter(None, title)), box=SIMPLE_HEAD,
                 padding=(0, 1, 0, 0), caption=f"the first -> {output}", caption_justify="left")
    for heading in ("trial", "NME %", "us", "blocks"):
        view.add_column(heading, justify="right" if heading in ("NME %", "us") else "left", overflow="fold")
    for each in rows:
        nme = "-" if each.nme is None else f"{each.nme:.2f}"
        view.add_row(each.id, nme, f"{each.architecture.latency['us']:,.0f}", " ".join(each.architecture.choices.values()))
    return view
