"""The trials of an NNI experiment, read from its data base or from what ``nnictl experiment export`` has written."""

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
        NNI's.
    parameters
        What the tuner gave it; empty if the tuner's side was a NAS strategy.
    architecture
        What it found, with latency and, if it was rated, ``val_nme`` in its metrics.
    folder
        Where its files are, as NNI notes it; None if only an export is at hand.
    """

    id: str
    parameters: dict[str, Any]
    architecture: Architecture
    folder: str | None = None

    @property
    def nme(self) -> float | None:
        """Its NME in percent; None if it was not rated."""
        return self.architecture.metrics.get("val_nme")


def by_nme(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that were rated, lowest NME first."""
    rated = [(nme, trial) for trial in trials if (nme := trial.nme) is not None]
    return [trial for _, trial in sorted(rated, key=lambda pair: pair[0])]


def read_trials(source: str, config: Config) -> list[Trial]:
    """Finished trials of an experiment, in the order in which they ended.

    Parameters
    ----------
    source
        Identifier of an experiment of this user, running or not; its folder; or a .json or .csv file that
        ``nnictl experiment export`` has written, also as an editor or a spreadsheet has saved it again.
    config
        Config of the experiment: names its space, points, input size and table.

    Raises
    ------
    InputError
        If there is no such experiment, it is of another space, or a file is not what it must be.
    """
    spec, table = SpaceSpec.load(config.space), LookupTable.load(config.lut)
    found = {}  # of a trial that was run again after its manager was killed, the last result
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
    rated = by_nme(trials)
    if not rated:
        raise InputError(
            f"{source}: all {len(trials)} trials are over their budget, and none is rated; --trial takes one of "
            f"them, such as --trial {trials[0].id}"
        )
    if max_us is None:
        return rated[0]
    within = [each for each in rated if each.architecture.us <= max_us]
    if not within:
        latencies = [each.architecture.us for each in rated]
        raise InputError(
            f"{source}: no trial within {max_us:g} us; allowed: from {min(latencies):g} us, its fastest"
            f"{unit_hint(max_us, min(latencies), max(latencies))}"
        )
    return within[0]


def is_export(source: str) -> bool:
    """Whether a source is a file of ``nnictl experiment export`` rather than an experiment."""
    return Path(source).suffix.lower() in _EXPORTS


Record = tuple[str, dict[str, Any], Any, str | None]
"""Trial, parameters, final result, folder."""


def _records(source: str) -> list[Record]:
    return _EXPORTS[Path(source).suffix.lower()](Path(source)) if is_export(source) else _from_database(source)


def _from_json(path: Path) -> list[Record]:
    rows = read_json(path, "exported trials")
    try:
        return [(row["trialJobId"], row["parameter"], json.loads(row["value"]), None) for row in rows]
    except (TypeError, KeyError, ValueError):
        raise InputError(f"{path}: not a file that nnictl experiment export has written") from None


def _from_csv(path: Path) -> list[Record]:
    found: list[Record] = []
    for _, row in read_records(path, "exported trials", ["trialJobId"], others=True):
        values = {name: _value(text) for name, text in row.items() if text}
        found.append((row["trialJobId"], {name: value for name, value in values.items() if "." in name}, values, None))
    return found


_EXPORTS = {".json": _from_json, ".csv": _from_csv}


def _value(text: str) -> str | int | float:
    """What a CSV file's text was before."""
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
        # the result's own number of the parameters, not the one listed with the trial; see listed_parameters
        return [
            (trial, _flat(given.get(str(parameter))), json.loads(json.loads(text)), folders.get(trial))
            for trial, parameter, text in results
        ]
    except (TypeError, KeyError, ValueError):
        raise InputError(f"{source}: its data base holds no trials as NNI notes them") from None


def _flat(parameters: Any) -> dict[str, Any]:
    """Parameters of a tuner; what a NAS strategy sends is a whole serialised model instead."""
    simple = isinstance(parameters, dict) and all(isinstance(value, (str, int, float)) for value in parameters.values())
    return parameters if simple else {}
