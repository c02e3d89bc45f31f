"""Counts of a run on the emulated core: its parts, with the inputs of the cost model for each part.

A part is a parallel region, or everything outside of regions together. A region takes as long as its slowest share, so a core's
counts are those of that share. Lines from and to memory are those of all shares, which use the memory together.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...search_space.errors import InputError
from ...search_space.files import atomic_path
from .components import Components
from .in_order import cycles
from .runner import count

LEVEL_2_KB = (256, 512, 1024)

_TRAFFIC = [
    "loads",
    "stores",
    "load_misses",
    "streamed4",
    "streamed8",
    "streamed16",
    "store_misses",
    *(f"{kind}{kb}" for kind in ("read", "read_streamed", "allocated", "written") for kb in LEVEL_2_KB),
    "tlb_misses",
]
"""Numbers that the plugin writes, in its order."""

COLUMNS = ["region", "cycles", "instructions", "jumps", "streams", "stores", *(f"lines{kb}" for kb in LEVEL_2_KB)]
"""Columns of a part: whether it is a region; cycles without any cache miss, and instructions; load misses of level 1 that do
not follow a recent one (jumps) and that do (streams), and store misses; lines that a level-2 cache of each size fetches from
or writes back to memory."""


@dataclass(frozen=True)
class Counts:
    """Counts of one run: an array with a row per part and :data:`COLUMNS`."""

    parts: NDArray[np.float64]

    @property
    def instructions(self) -> float:
        """Instructions on the critical path."""
        return float(self.parts[:, COLUMNS.index("instructions")].sum())

    def frame(self) -> pd.DataFrame:
        """Return the counts as a table."""
        table: pd.DataFrame = pd.DataFrame(self.parts, columns=COLUMNS)
        return table


def read_counts(text: str) -> Counts:
    """Read the counting plugin's text.

    Raises
    ------
    InputError
        If it is incomplete, because the emulated program ended before its second mark.
    """
    blocks: dict[str, tuple[str, ...]] = {}
    parts = []
    lines = text.splitlines()
    if not lines or lines[-1] != "end":
        raise InputError("the emulated program ended before its run was counted")
    for line in lines[:-1]:
        kind, *words = line.split()
        if kind == "block":
            blocks[words[0]] = tuple(words[1:])
        else:
            parts.append((kind == "region", words))
    return Counts(np.array([_part(region, words, blocks) for region, words in parts]))


def _part(region: bool, words: list[str], blocks: dict[str, tuple[str, ...]]) -> list[float]:
    width = len(_TRAFFIC)
    own = dict(zip(_TRAFFIC, map(int, words[:width]), strict=True))
    shared = dict(zip(_TRAFFIC, map(int, words[width : 2 * width]), strict=True))
    runs = [(blocks[block], int(count)) for block, count in (word.split(":") for word in words[2 * width :])]
    return [
        float(region),
        sum(count * cycles(block) for block, count in runs),
        sum(count * len(block) for block, count in runs),
        own["load_misses"] - own["streamed8"],
        own["streamed8"],
        own["store_misses"],
        *(shared[f"read{kb}"] + shared[f"allocated{kb}"] + shared[f"written{kb}"] for kb in LEVEL_2_KB),
    ]


def counted(components: Components, file: Path, shape: tuple[int, int, int], threads: int = 1) -> Counts:
    """Count a run, or read earlier counts of the file, which are kept beside it as a NumPy file.

    Raises
    ------
    InputError
        As :func:`~.runner.count`.
    """
    kept = file.with_name(f"{file.name}.{components.identity}.{threads}.npy")
    if kept.is_file():
        return Counts(np.load(kept, allow_pickle=False))
    found = read_counts(count(components, file, shape, threads))
    with atomic_path(kept) as temporary, temporary.open("wb") as out:
        np.save(out, found.parts)
    return found
