"""Recorded counts of the networks with published figures, so that fitting the model needs no emulator."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pandas as pd

from ..emulator.counts import COLUMNS, Counts

FILE = Path(__file__).parent / "counts.csv.gz"

Key = tuple[str, int]
"""Network and number of threads."""


@cache
def recorded() -> Mapping[Key, Counts]:
    """Counts of the networks with published figures, by network and threads."""
    return read_recorded(FILE)


def read_recorded(path: Path) -> dict[Key, Counts]:
    """Read counts written by :func:`record`, by network and threads."""
    frame = pd.read_csv(path)
    keys = pd.MultiIndex.from_frame(frame[["network", "threads"]])
    parts = frame[COLUMNS].to_numpy(float)
    return {(str(network), int(threads)): Counts(parts[keys == (network, threads)]) for network, threads in keys.unique()}


def record(found: Mapping[Key, Counts], path: Path = FILE) -> None:
    """Write counts, sorted; equal counts give equal bytes on any day."""
    frames = [counts.frame().assign(network=key[0], threads=key[1]) for key, counts in sorted(found.items())]
    table = pd.concat(frames)[["network", "threads", *COLUMNS]]
    whole = [column for column in COLUMNS if column != "cycles"]
    table = table.astype(dict.fromkeys(whole, int)).round({"cycles": 1})
    table.to_csv(path, index=False, compression={"method": "gzip", "mtime": 0})
