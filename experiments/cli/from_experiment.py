"""``fbnet-pfld from-experiment``: the best trial of an NNI experiment as an architecture file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...search_space.errors import InputError, only_one
from ...search_space.files import write_text
from .options import OUTPUT, ConfigFile, Json, MaxUs, to_file
from .output import finish
from .trials_table import remark_failures, trials_table

Source = Annotated[str, typer.Argument(help="Experiment id, experiment folder, or file of `nnictl experiment export`.")]
Chosen = Annotated[str | None, typer.Option("--trial", help="Use this trial instead of the best one.")]
Out = Annotated[Path, typer.Option("--out", callback=to_file, help="The architecture file.")]


def from_experiment(
    source: Source,
    config: ConfigFile = None,
    trial: Chosen = None,
    max_us: MaxUs = None,
    out: Out = OUTPUT / "architecture.json",
    as_json: Json = False,
) -> None:
    """Write the best trial of an NNI experiment, running or stopped, as an architecture file.

    Give the config file of the experiment.
    Trial parameters that are config keys (as in search.yml and finetune.yml) are written to config.yaml beside the file.
    Trials without a result are counted; if no trial has a result, the last error is shown.
    """
    import yaml

    from ..nni_jobs.finished_trials import choose, is_export, read_trials
    from ..nni_jobs.trial_states import counts, no_result, without_result
    from ..pipeline.config import Config

    only_one({"--trial": trial, "--max-us": max_us})
    trials = read_trials(source, Config.load(config))
    if not trials and is_export(source):
        raise InputError(f"{source}: no trial has a result; give the experiment's id instead of the file to see why")
    if not trials:
        raise InputError(no_result(source))
    others = [] if is_export(source) else without_result(source)
    best = choose(trials, source, trial, max_us)
    best.architecture.save(out)
    result: dict[str, Any] = {
        "architecture": str(out),
        "trial": best.id,
        "folder": best.folder,
        "trials": len(trials),
        "without_result": counts(others),
        "nme": best.nme,
        "latency": best.architecture.to_dict()["latency"],
        "parameters": best.parameters,
        "choices": best.architecture.choices,
    }
    settings = _nested({name: value for name, value in best.parameters.items() if "." in name})
    if settings:
        result["config"] = str(out.with_name("config.yaml"))
        write_text(result["config"], yaml.safe_dump(settings))
    remark_failures(others)
    finish(result, as_json, trials_table(trials, best, out, others))


def _nested(parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
    settings: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        section, _, key = name.partition(".")
        settings.setdefault(section, {})[key] = value
    return settings
