"""Read a user's CSV file of latencies; every fault names file and line."""

import math
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import pandas as pd

from ..search_space.inputs import InputError, allowed, read_text


def read_records(path: Path, what: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each row as text by column, with its file and line for messages.

    Parameters
    ----------
    what
        Names the file's role in the error message.
    columns
        All of them must be there, in any order, and no other.

    Raises
    ------
    InputError
        If the file is missing, no CSV file, or has other columns.
    """
    text = read_text(path, what)
    try:
        # with the header as a row like any other, pandas refuses rows that are longer than it
        frame = pd.read_csv(StringIO(text), header=None, dtype=str, na_filter=False, skip_blank_lines=False)
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}:1: empty; allowed: the columns {', '.join(columns)}") from None
    except pd.errors.ParserError as error:
        raise InputError(f"{path}: not a CSV file: {str(error).strip().splitlines()[-1]}") from None
    header = list(frame.iloc[0])
    for column in columns:
        if header.count(column) != 1:
            raise InputError(f"{path}:1: column {column!r} is {'missing' if column not in header else 'there twice'}; "
                             f"allowed: {', '.join(columns)}")
    for column in header:
        if column not in columns:
            raise InputError(f"{path}:1: unknown column {column!r}; {allowed(columns)}")
    for line, record in enumerate(frame[1:].set_axis(header, axis=1).to_dict("records"), start=2):
        yield f"{path}:{line}", record


def microseconds(value: str, where: str) -> float:
    """Read a latency: a finite number from 0, in microseconds."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise InputError(f"{where}: latency_us is {value!r}; allowed: microseconds, a finite number from 0")
    return number
