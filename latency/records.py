"""Read CSV files written by measuring scripts and spreadsheets; every message names the file and the line.

Rules
-----
- The first line that is not blank is the header. It decides whether commas, semicolons or tabs separate the values.
- Blanks around names and values are ignored; blank lines and rows of empty cells are skipped.
- Every other row has as many values as the header has columns.
- Numbers have a decimal point. A decimal comma is refused, because it could also be a thousands separator.
- :func:`~fbnet_pfld.search_space.text.decode` decodes the bytes.
"""

import csv
import math
import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from ..search_space.errors import InputError
from ..search_space.files import read_text

SEPARATORS = (",", ";", "\t")

LATENCY = "latency_us"

# unit -> its length in microseconds
UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}

# column names of latencies in any unit: latency_ms, ms, "time (ns)", avg_s, latency
_LATENCIES = re.compile(
    r"(?:(?:latency|time|duration|avg|mean|median)[\W_]*)+(?P<unit>s|ms|us|\u00b5s|\u03bcs|ns|)[)\]]?"
    r"|(?P<alone>ms|us|\u00b5s|\u03bcs|ns)",
    re.IGNORECASE,
)


def read_records(path: Path, what: str, columns: Sequence[str], others: bool = False) -> list[tuple[str, dict[str, str]]]:
    """Read the rows of a CSV file: ``file:line`` for messages, and column -> text.

    Parameters
    ----------
    what
        Role of the file, for messages.
    columns
        Required columns, in any order.
    others
        Whether other columns are allowed.

    Raises
    ------
    InputError
        If the file is missing, is not a CSV file, or has the wrong columns.
    """
    text = read_text(path, what)
    rows = _rows(path, text, _separator(text, columns))
    if not rows:
        raise InputError(f"{path}: the file is empty; the first line must name the columns: {', '.join(columns)}")
    line, header = rows[0]
    _check_header(f"{path}:{line}", header, columns, what if others else None)
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise InputError(
                f"{path}:{line}: {len(row)} values for {len(header)} columns"
                + ("; if a number has a decimal comma, write a point" if len(row) > len(header) else "")
            )
    return [(f"{path}:{line}", dict(zip(header, row, strict=True))) for line, row in rows[1:]]


def microseconds(value: str, where: str) -> float:
    """Read a latency in microseconds, finite and at least 0."""
    us = number(value, where, LATENCY)
    if not (math.isfinite(us) and us >= 0):
        raise InputError(f"{where}: {LATENCY} is {value!r}; give microseconds, a finite number of at least 0")
    return us


def number(value: str, where: str, column: str) -> float:
    """Read a number; for other text, :class:`InputError` names the ``column``."""
    try:
        return float(value)
    except ValueError:
        remedy = (
            "write a decimal point and no thousands separators"
            if re.fullmatch(r"[-+]?[\d.,' ]*,[\d.,' ]*", value)
            else "write a number without a unit"
        )
        raise InputError(f"{where}: {column} is {value!r}; {remedy}") from None


def _separator(text: str, columns: Sequence[str]) -> str:
    """Return the separator that finds most of the columns; ties go to one that occurs, then to the fewest columns."""
    header = next((line for line in text.split("\n") if line.strip()), "")

    def found(separator: str) -> tuple[int, bool, int]:
        names = {name.strip().strip('"').strip() for name in header.split(separator)}
        return len(names & set(columns)), separator in header, -len(names)

    return max(SEPARATORS, key=found)


def _rows(path: Path, text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Line number and values of every row that is not empty."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    found, line = [], 1
    try:
        for row in reader:
            values = [value.strip() for value in row]
            if any(values):
                found.append((line, values))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: not a CSV file: {error}") from None
    return found


def _check_header(where: str, header: list[str], columns: Sequence[str], what: str | None) -> None:
    """Check the column names; ``what`` is the role of a file that may have other columns too."""
    wanted = f"expected {what}" if what else f"expected columns: {', '.join(columns)}"
    missing = [column for column in columns if column not in header]
    if LATENCY in missing:
        _check_unit(where, header)
    if len(missing) == len(columns) > 1:
        raise InputError(f"{where}: no header line with the column names; {wanted}")
    if missing:
        raise InputError(f"{where}: column {missing[0]!r} is missing; {wanted}")
    for i, column in enumerate(header):
        if column in header[:i]:
            raise InputError(f"{where}: column {column!r} occurs twice; remove one")
        if column not in columns and not what:
            raise InputError(
                f"{where}: unknown column {column!r}; {wanted}" if column else f"{where}: column {i + 1} has no name; {wanted}"
            )


def _check_unit(where: str, header: list[str]) -> None:
    """Raise :class:`InputError` if a column has latencies under another name."""
    for column in header:
        match = _LATENCIES.fullmatch(column)
        if match:
            remedy = conversion((match["unit"] or match["alone"] or "").lower(), "the values")
            raise InputError(
                f"{where}: column {column!r}; expected microseconds in a column {LATENCY!r}" + (f": {remedy}" if remedy else "")
            )


def conversion(unit: str, what: str) -> str:
    """Instruction that converts a known unit, ``multiply WHAT by 1000``; empty for microseconds and unknown units."""
    factor = UNITS.get(unit, 1.0)
    return "" if factor == 1 else f"{'multiply' if factor > 1 else 'divide'} {what} by {max(factor, 1 / factor):.0f}"
