"""What has become of the trials of an NNI experiment: how many ended how, and what a failed one said last."""

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

# NNI's name of a trial's latest event -> ours; NNI's where it is not here
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

# the same of trials whose experiment is over: a killed manager has left the note that they run
STATES_AT_THE_END: Mapping[str, str] = {**STATES, "RUNNING": "cut off", "WAITING": "not begun"}

STDERR = "trial.stderr"
"""NNI's file of what a trial writes to its error output, in the trial's folder."""

TAIL = 64_000
"""Bytes at a file's end in which its last line is looked for."""

LONGEST = 300
"""Characters of that line that are shown."""

# what a shell, env or timeout says when there is no such program
_NO_COMMAND = re.compile(r"failed to run command|command not found|: not found$")


@dataclass(frozen=True)
class Outcome:
    """A trial without a result: its state (one of :data:`STATES`), and its folder if it has one."""

    trial: str
    state: str
    folder: Path | None


def database_of(source: str) -> Path:
    """The data base of an experiment of this user, by its id or its folder; an :class:`InputError` if there is none."""
    known = Experiments().get_all_experiments()
    folder = Path(known[source]["logDir"], source) if source in known else Path(source)
    database = folder / "db" / "nni.sqlite"
    # unlike Path.is_file, these take a name that no file can have
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
    """Open an experiment's data base for reading.

    Raises
    ------
    InputError
        If there is none, or it is not NNI's; what is raised within by what it holds, too.
    """
    database = database_of(source)
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise InputError(f"{source}: {database} cannot be read as NNI's data base: {error}") from None


def is_over(source: str) -> bool:
    """Whether an experiment of this user, by its id or its folder, has stopped; False where nobody knows."""
    update_experiment()  # a killed manager has left the note that it runs
    known = Experiments().get_all_experiments()
    return known.get(Path(source).name, {}).get("status") == "STOPPED"


def without_result(source: str) -> list[Outcome]:
    """The trials of an experiment that have not reported a final result, in the order in which they began.

    Parameters
    ----------
    source
        Id or folder of the experiment, see :func:`database_of`.

    Raises
    ------
    InputError
        If there is no such experiment, or its data base is not NNI's.
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
    """State -> number of the trials that ended so."""
    return dict(Counter(each.state for each in outcomes))


def counted(outcomes: Sequence[Outcome]) -> str:
    """The same in words: ``3 failed, 1 running``; empty if there are none."""
    return ", ".join(f"{number} {state}" for state, number in counts(outcomes).items())


def last_error(outcomes: Sequence[Outcome]) -> str | None:
    """What the last trial that failed said last, with its file and, where it is known, the cause; None if none failed."""
    failed = [each for each in outcomes if each.state == FAILED]
    if not failed:
        return None
    # one that was killed, by its time limit for example, says nothing
    said = [
        (each.trial, each.folder / STDERR, line)
        for each in failed
        if each.folder is not None and (line := _last_line(each.folder / STDERR))
    ]
    if not said:
        folder = failed[-1].folder
        return f"nothing is in {folder / STDERR if folder else STDERR} of trial {failed[-1].trial} on this machine"
    trial, file, line = said[-1]
    cause = ""
    if _NO_COMMAND.search(line):
        programs = shlex.quote(str(Path(sys.executable).parent))
        cause = f": the command is not on the PATH of the trials; before nnictl create, run: export PATH={programs}:$PATH"
    return f"trial {trial} ended with {line!r} ({file}){cause}"


def no_result(source: str) -> str:
    """Why an experiment has no result, as one line."""
    outcomes = without_result(source)
    if not outcomes:
        return f"{source}: no trial of the experiment has begun; NNI's log is {database_of(source).parents[1] / 'log'}"
    error = last_error(outcomes)
    return f"{source}: no trial has a result: {counted(outcomes)}" + (f"; {error}" if error else "")


def _last_line(path: Path) -> str | None:
    """The last line of a trial's error output that is not blank; None if it is empty or not on this machine."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL))
            lines = file.read().decode("utf-8", errors="replace").split("\n")
    except OSError:
        return None
    # what a progress bar has overwritten is not on the last line
    shown = [line.rsplit("\r", 1)[-1].strip() for line in lines]
    return next((line[:LONGEST] for line in reversed(shown) if line), None)
