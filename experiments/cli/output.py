"""Output of commands: results on standard output, progress and remarks on standard error."""

import json
import sys
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")

WIDTH = 120
"""Width in characters of a table that is printed to a file or a pipe."""

console = Console(stderr=True)
"""For progress and remarks; standard output is for results."""


def remark(text: str) -> None:
    """Print a remark on standard error; in a training of several processes, only the first one prints."""
    if _first_process():
        console.print(text, highlight=False, soft_wrap=True, markup=False)


def count_bar() -> Progress:
    """Return a progress bar with a count and the remaining time, which is hidden on a pipe."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def track(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, and show a progress bar with the remaining time, except on a pipe."""
    with count_bar() as progress:
        yield from progress.track(items, total=len(items) if isinstance(items, Collection) else total, description=title)


def finish(result: dict[str, Any], as_json: bool, table: RenderableType | None = None) -> None:
    """End a command: print its result as a table (or as ``key: value`` lines), and as one JSON line if requested.

    In a training of several processes, only the first one prints.
    """
    if not _first_process():
        return
    out = Console(width=None if sys.stdout.isatty() else WIDTH)
    if table is not None:
        out.print(table)
    else:
        for key, value in result.items():
            out.print(
                f"{key.replace('_', ' ')}: {f'{value:.4g}' if isinstance(value, float) else value}",
                highlight=False,
                soft_wrap=True,
            )
    if as_json:
        print(json.dumps(result, default=str), flush=True)


def _first_process() -> bool:
    """Whether this is the first or only process of a Lightning training; Lightning is not imported for this."""
    rank_zero = sys.modules.get("lightning_utilities.core.rank_zero")
    return rank_zero is None or getattr(rank_zero.rank_zero_only, "rank", 0) in (0, None)
