"""States of the trials of an NNI experiment: counts per state, and the last error of a failed trial."""

import os
import re
import shlex
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from nni.tools.nnictl.config_utils import Experiments
from nni.tools.nnictl.nnictl_utils import update_experiment

from ...search_space import InputError
from ...search_space.errors import allowed

FAILED = "failed"

# NNI's name of a trial's latest event -> our name; other events keep NNI's name
STATES: Mapping[str, str] = {
    "SUCCEEDED": "ended without a result",
    "FAILED": FAILED,
    "RUNNING": "running",
    "WAITING": "waiting",
    "UNKNOWN": "lost",
    "USER_CANCELED": "canceled",
    "SYS_CANCELED": "canceled",
    "EARLY_STOPPED": "stopped early",
}

# the same if the experiment is over: trials of a killed manager are still recorded as running
STATES_AT_THE_END: Mapping[str, str] = {**STATES, "RUNNING": "cut off", "WAITING": "not begun"}

STDERR = "trial.stderr"
"""NNI's file of a trial's standard error, in the trial's folder."""

TAIL = 64_000
"""Number of bytes at a file's end that are searched for its last line."""

LONGEST = 300
"""Maximum number of characters of that line in a message."""

# messages of a shell, env or timeout for a missing program
_NO_COMMAND = re.compile(r"failed to run command|command not found|: not found$")


@dataclass(frozen=True)
class Outcome:
    """A trial without a result: its state (one of :data:`STATES`), and its folder if it has one."""

    trial: str
    state: str
    folder: Path | None


def database_of(source: str) -> Path:
    """Return the database of an experiment of this user, by its id or folder; raise :class:`InputError` if there is none."""
    known = Experiments().get_all_experiments()
    folder = Path(known[source]["logDir"], source) if source in known else Path(source)
    database = folder / "db" / "nni.sqlite"
    # unlike Path.is_file, these accept a name that no file can have
    if os.path.isfile(folder):
        raise InputError(
            f"no NNI experiment: {source} is a file; expected an experiment's id or folder, or a .json or .csv "
            "file of nnictl experiment export"
        )
    if not os.path.isfile(database):
        names = allowed(known) if known else "this user has none"
        raise InputError(f"no NNI experiment {source!r}: {database} not found; {names}")
    return database


@contextmanager
def opened(source: str) -> Iterator[sqlite3.Connection]:
    """Open an experiment's database for reading.

    Raises
    ------
    InputError
        If there is none, or it is not NNI's; database errors within the context raise it too.
    """
    database = database_of(source)
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise InputError(f"{source}: {database} cannot be read as NNI's database: {error}") from None


def is_over(source: str) -> bool:
    """Whether an experiment of this user, by its id or its folder, has stopped; False if it is unknown."""
    update_experiment()  # the experiment of a killed manager is still recorded as running
    known = Experiments().get_all_experiments()
    return known.get(Path(source).name, {}).get("status") == "STOPPED"


def without_result(source: str) -> list[Outcome]:
    """Return the trials of an experiment without a final result, in the order in which they started.

    Parameters
    ----------
    source
        Id or folder of the experiment, see :func:`database_of`.

    Raises
    ------
    InputError
        If there is no such experiment, or its database is not NNI's.
    """
    with opened(source) as connection:
        events = connection.execute("select trialJobId, event, logPath from TrialJobEvent order by rowid").fetchall()
        rated = {trial for (trial,) in connection.execute("select trialJobId from MetricData where type = 'FINAL'")}
    names = STATES_AT_THE_END if is_over(source) else STATES
    latest = {trial: (event, folder) for trial, event, folder in events if trial not in rated}
    return [
        Outcome(trial, names.get(event, str(event)), Path(folder) if folder else None)
        for trial, (event, folder) in latest.items()
    ]


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return state -> number of trials."""
    return dict(Counter(each.state for each in outcomes))


def counted(outcomes: Sequence[Outcome]) -> str:
    """Format the counts as text, such as ``3 failed, 1 running``; empty without trials."""
    return ", ".join(f"{number} {state}" for state, number in counts(outcomes).items())


def last_error(outcomes: Sequence[Outcome]) -> str | None:
    """Return the last error line of the last failed trial with its file and, if known, the cause; None if none failed."""
    failed = [each for each in outcomes if each.state == FAILED]
    if not failed:
        return None
    # a killed trial, for example by its time limit, prints nothing
    said = [
        (each.trial, each.folder / STDERR, line)
        for each in failed
        if each.folder is not None and (line := _last_line(each.folder / STDERR))
    ]
    if not said:
        folder = failed[-1].folder
        return f"{folder / STDERR if folder else STDERR} of trial {failed[-1].trial} is empty or not on this machine"
    trial, file, line = said[-1]
    cause = ""
    if _NO_COMMAND.search(line):
        programs = shlex.quote(str(Path(sys.executable).parent))
        cause = f": the command is not on the PATH of the trials; before nnictl create, run: export PATH={programs}:$PATH"
    return f"trial {trial} ended with {line!r} ({file}){cause}"


def no_result(source: str) -> str:
    """Return one line on why an experiment has no result."""
    outcomes = without_result(source)
    if not outcomes:
        return f"{source}: no trial of the experiment has started; see NNI's log {database_of(source).parents[1] / 'log'}"
    error = last_error(outcomes)
    return f"{source}: no trial has a result: {counted(outcomes)}" + (f"; {error}" if error else "")


def _last_line(path: Path) -> str | None:
    """Return the last non-blank line of a trial's standard error; None if it is empty or not on this machine."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL))
            lines = file.read().decode("utf-8", errors="replace").split("\n")
    except OSError:
        return None
    # drop text that a progress bar has overwritten
    shown = [line.rsplit("\r", 1)[-1].strip() for line in lines]
    return next((line[:LONGEST] for line in reversed(shown) if line), None)
