"""The trials of an NNI experiment, read from its data base or from what ``nnictl experiment export`` has written."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from nni.tools.nnictl.config_utils import Experiments

from ..latency import LookupTable
from ..search_space import Architecture, InputError, SpaceSpec
from ..search_space.inputs import allowed, read_json, read_text
from .config import Config
from .search import with_latency


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


def read_trials(source: str, config: Config) -> list[Trial]:
    """Finished trials of an experiment, in the order in which they ended.

    Parameters
    ----------
    source
        Identifier of an experiment of this user, running or not; its folder; or a .json or .csv file that
        ``nnictl experiment export`` has written.
    config
        Of the experiment: names its space, points, input size and table.

    Raises
    ------
    InputError
        If there is no such experiment, it is of another space, or a file is not what it must be.
    """
    path = Path(source)
    if path.suffix == ".json":
        records = _from_json(path)
    elif path.suffix == ".csv":
        records = _from_csv(path)
    else:
        records = _from_database(database_of(source), source)
    spec, table = SpaceSpec.load(config.space), LookupTable.load(config.lut)
    found = {}  # of a trial that was run again after its manager was killed, the last result
    for trial, parameters, final, folder in records:
        if not isinstance(final, dict) or not set(spec.labels) <= final.keys():
            raise InputError(f"{source}: trial {trial} has not reported a block for each of {', '.join(spec.labels)}; allowed: "
                             "an experiment of this package on the search space of --config")
        nme = abs(float(final["default"]))  # negative where a NAS strategy maximises it
        architecture = Architecture(spec, config.points, config.input_size, {label: final[label] for label in spec.labels},
                                    metrics={} if final.get("over_budget") else {"val_nme": nme})
        found[trial] = Trial(trial, parameters, with_latency(architecture, table), folder)
    return list(found.values())


Record = tuple[str, dict[str, Any], Any, str | None]
"""Trial, parameters, final result, folder."""


def _from_json(path: Path) -> list[Record]:
    rows = read_json(path, "exported trials")
    try:
        return [(row["trialJobId"], row["parameter"], json.loads(row["value"]), None) for row in rows]
    except (TypeError, KeyError, ValueError):
        raise InputError(f"{path}: not exported trials; allowed: a file of nnictl experiment export") from None


def _from_csv(path: Path) -> list[Record]:
    read_text(path, "exported trials")
    try:
        rows = pd.read_csv(path).to_dict("records")
        return [(row["trialJobId"], {name: value for name, value in row.items() if "." in name}, row, None)
                for row in rows]
    except (KeyError, ValueError):
        raise InputError(f"{path}: not exported trials; allowed: a file of nnictl experiment export") from None


def database_of(source: str) -> Path:
    """The data base of an experiment of this user, by its id or its folder; an :class:`InputError` if there is none."""
    known = Experiments().get_all_experiments()
    folder = Path(known[source]["logDir"], source) if source in known else Path(source)
    database = folder / "db" / "nni.sqlite"
    if not database.is_file():
        names = allowed(known) if known else "there are none of this user"
        raise InputError(f"no NNI experiment {source!r}: {database} not found; {names}")
    return database


def _from_database(database: Path, source: str) -> list[Record]:
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
            started = connection.execute("select trialJobId, data, logPath from TrialJobEvent "
                                         "where data like '{%'").fetchall()
            results = connection.execute("select trialJobId, parameterId, data from MetricData where type = 'FINAL' "
                                         "order by timestamp").fetchall()
    except sqlite3.Error as error:
        raise InputError(f"{source}: {database} cannot be read: {error}") from None
    given = {str(record["parameter_id"]): record["parameters"] for _, text, _ in started for record in [json.loads(text)]}
    folders = {trial: folder for trial, _, folder in started}
    # the result's own number of the parameters, not the one listed with the trial; see listed_parameters
    return [(trial, _flat(given.get(str(parameter))), json.loads(json.loads(text)), folders.get(trial))
            for trial, parameter, text in results]


def _flat(parameters: Any) -> dict[str, Any]:
    """Parameters of a tuner; what a NAS strategy sends is a whole serialised model instead."""
    simple = isinstance(parameters, dict) and all(isinstance(value, (str, int, float)) for value in parameters.values())
    return parameters if simple else {}
