"""Finished trials of an NNI experiment, read from its database or from a file of ``nnictl experiment export``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...latency import LookupTable
from ...latency.records import number, read_records
from ...search_space import Architecture, SpaceSpec
from ...search_space.architecture import check_choices
from ...search_space.errors import InputError, allowed
from ...search_space.files import read_json
from ...strategies import unit_hint
from ..pipeline.config import Config
from .trial_states import opened


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Parameters
    ----------
    id
        NNI's id of the trial.
    parameters
        Parameters from the tuner; empty for a NAS strategy.
    architecture
        Resulting architecture, with latency and, if it was rated, ``val_nme`` in its metrics.
    folder
        Folder of its files as NNI records it; None for an export.
    """

    id: str
    parameters: dict[str, Any]
    architecture: Architecture
    folder: str | None = None

    @property
    def nme(self) -> float | None:
        """NME in percent; None if the trial was not rated."""
        return self.architecture.metrics.get("val_nme")


def by_nme(trials: Sequence[Trial]) -> list[Trial]:
    """Return the rated trials, lowest NME first."""
    rated = [(nme, trial) for trial in trials if (nme := trial.nme) is not None]
    return [trial for _, trial in sorted(rated, key=lambda pair: pair[0])]


def read_trials(source: str, config: Config) -> list[Trial]:
    """Return the finished trials of an experiment, in the order in which they ended.

    Parameters
    ----------
    source
        Id of an experiment of this user, running or not; its folder; or a .json or .csv file of
        ``nnictl experiment export``, even if an editor or a spreadsheet has saved it again.
    config
        Config of the experiment, with its space, points, input size and table.

    Raises
    ------
    InputError
        If there is no such experiment, its search space differs, or a file is invalid.
    """
    spec, table = SpaceSpec.load(config.space), LookupTable.load(config.lut)
    found = {}  # keeps the last result of a trial that ran again after its manager was killed
    for trial, parameters, final, folder in _records(source):
        where = f"{source}: trial {trial}"
        if not isinstance(final, dict) or not {"default", *spec.labels} <= final.keys():
            raise InputError(
                f"{where} has not reported a block for each of {', '.join(spec.labels)}; expected an "
                "experiment of this package on the search space of --config"
            )
        nme = abs(number(str(final["default"]), where, "default"))  # negative where a NAS strategy maximises it
        choices = {label: str(final[label]) for label in spec.labels}
        check_choices(spec, choices, where)
        architecture = Architecture(
            spec, config.points, config.input_size, choices, metrics={} if final.get("over_budget") else {"val_nme": nme}
        )
        found[trial] = Trial(trial, parameters, table.annotate(architecture), folder)
    return list(found.values())


def choose(trials: list[Trial], source: str, trial: str | None = None, max_us: float | None = None) -> Trial:
    """Return the trial with the lowest NME (within a latency limit, if given), or the named trial.

    Raises
    ------
    InputError
        If there is no such trial.
    """
    if trial is not None:
        found = {each.id: each for each in trials}
        if trial not in found:
            raise InputError(f"{source}: no finished trial {trial!r}; {allowed(found)}")
        return found[trial]
    rated = by_nme(trials)
    if not rated:
        raise InputError(
            f"{source}: all {len(trials)} trials are over their budget, and none is rated; choose one with "
            f"--trial, such as --trial {trials[0].id}"
        )
    if max_us is None:
        return rated[0]
    within = [each for each in rated if each.architecture.us <= max_us]
    if not within:
        latencies = [each.architecture.us for each in rated]
        raise InputError(
            f"{source}: no trial within {max_us:g} us; give at least {min(latencies):g} us, its fastest"
            f"{unit_hint(max_us, min(latencies), max(latencies))}"
        )
    return within[0]


def is_export(source: str) -> bool:
    """Whether a source is a file of ``nnictl experiment export`` rather than an experiment."""
    return Path(source).suffix.lower() in _EXPORTS


Record = tuple[str, dict[str, Any], Any, str | None]
"""Trial id, parameters, final result, folder."""


def _records(source: str) -> list[Record]:
    return _EXPORTS[Path(source).suffix.lower()](Path(source)) if is_export(source) else _from_database(source)


def _from_json(path: Path) -> list[Record]:
    rows = read_json(path, "exported trials")
    try:
        return [(row["trialJobId"], row["parameter"], json.loads(row["value"]), None) for row in rows]
    except (TypeError, KeyError, ValueError):
        raise InputError(f"{path}: not a file of nnictl experiment export") from None


def _from_csv(path: Path) -> list[Record]:
    found: list[Record] = []
    for _, row in read_records(path, "exported trials", ["trialJobId"], others=True):
        values = {name: _value(text) for name, text in row.items() if text}
        found.append((row["trialJobId"], {name: value for name, value in values.items() if "." in name}, values, None))
    return found


_EXPORTS = {".json": _from_json, ".csv": _from_csv}


def _value(text: str) -> str | int | float:
    """Convert text of a CSV file to its original type."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _from_database(source: str) -> list[Record]:
    with opened(source) as connection:
        started = connection.execute("select trialJobId, data, logPath from TrialJobEvent where data like '{%'").fetchall()
        results = connection.execute(
            "select trialJobId, parameterId, data from MetricData where type = 'FINAL' order by timestamp"
        ).fetchall()
    try:
        given = {str(record["parameter_id"]): record["parameters"] for _, text, _ in started for record in [json.loads(text)]}
        folders = {trial: folder for trial, _, folder in started}
        # use the parameter id of the result, not the one listed with the trial; see listed_parameters
        return [
            (trial, _flat(given.get(str(parameter))), json.loads(json.loads(text)), folders.get(trial))
            for trial, parameter, text in results
        ]
    except (TypeError, KeyError, ValueError):
        raise InputError(f"{source}: its database does not hold trials in NNI's format") from None


def _flat(parameters: Any) -> dict[str, Any]:
    """Return the parameters of a tuner; empty for a NAS strategy, which sends a whole serialised model."""
    simple = isinstance(parameters, dict) and all(isinstance(value, (str, int, float)) for value in parameters.values())
    return parameters if simple else {}
