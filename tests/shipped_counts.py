"""Counts of a few subnets on the emulated core, recorded beside the shipped tables and used in none of their rows."""

import random
from pathlib import Path

from fbnet_pfld.latency.a53_counts.recorded import read_recorded
from fbnet_pfld.latency.emulator.counts import Counts
from fbnet_pfld.search_space import Architecture, SpaceSpec

FILE = Path(__file__).parent / "shipped_counts.csv.gz"


def _subnets() -> list[Architecture]:
    found = []
    for space in ("pfld", "pfld-wide"):
        spec, draw = SpaceSpec.load(space), random.Random(20)
        found += [Architecture(spec, 106, 112, spec.sample(draw)) for _ in range(3)]
    return found


SUBNETS = _subnets()


def recorded_subnets(precision: str, threads: int) -> list[tuple[Architecture, Counts]]:
    """Each subnet with its counts."""
    counts = read_recorded(FILE)
    return [(subnet, counts[f"{precision}-{i}", threads]) for i, subnet in enumerate(SUBNETS)]
