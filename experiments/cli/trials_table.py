"""Table of an NNI experiment's trials for the screen."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .output import remark

if TYPE_CHECKING:
    from ..nni_jobs.finished_trials import Trial
    from ..nni_jobs.trial_states import Outcome

SHOWN = 10
"""Maximum number of trials in the table."""


def remark_failures(others: Sequence["Outcome"]) -> None:
    """Print the last error of the last failed trial, if any failed."""
    from ..nni_jobs.trial_states import counted, last_error

    if error := last_error(others):
        remark(f"trials without a result: {counted(others)}; {error}")


def trials_table(trials: Sequence["Trial"], best: "Trial", out: Path, others: Sequence["Outcome"]) -> Table:
    """Format the best trials as a table for the screen, the chosen one first."""
    from ..nni_jobs.finished_trials import by_nme
    from ..nni_jobs.trial_states import counted

    rated = by_nme(trials)
    rows = [best, *(each for each in rated if each is not best)][:SHOWN]
    title = [f"{len(rated)} rated trials", f"{len(trials) - len(rated)} over the budget", counted(others)]
    view = Table(
        title=", ".join(filter(None, title)),
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption=f"first row -> {out}",
        caption_justify="left",
    )
    for heading in ("trial", "NME %", "us", "blocks"):
        view.add_column(heading, justify="right" if heading in ("NME %", "us") else "left", overflow="fold")
    for each in rows:
        nme = "-" if each.nme is None else f"{each.nme:.2f}"
        view.add_row(each.id, nme, f"{each.architecture.us:,.0f}", " ".join(each.architecture.choices.values()))
    return view
