"""What commands print: results on standard output, progress and remarks on standard error."""

import json
import sys
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")

WIDTH = 120
"""Columns of a table that goes to a file or a pipe."""

console = Console(stderr=True)
"""For progress and remarks; standard output is for results."""


def remark(text: str) -> None:
    """Print a remark on standard error; of several processes of one training, only the first prints."""
    if _first_process():
        console.print(text, highlight=False, soft_wrap=True, markup=False)


def count_bar() -> Progress:
    """Progress bar of things that are counted, with the time left; on a pipe, nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def track(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """Yield the items under a progress bar with the time left; on a pipe, without one."""
    with count_bar() as progress:
        yield from progress.track(items, total=len(items) if isinstance(items, Collection) else total, description=title)


def finish(result: dict[str, Any], as_json: bool, table: RenderableType | None = None) -> None:
    """End a command: print its result as a table (or as ``key: value`` lines), and as one JSON line if asked for.

    Only the first of several processes of one training prints.
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
    """Whether this is the first of Lightning's processes, or the only one; Lightning stays unloaded where it was not used."""
    rank_zero = sys.modules.get("lightning_utilities.core.rank_zero")
    return rank_zero is None or getattr(rank_zero.rank_zero_only, "rank", 0) in (0, None)
