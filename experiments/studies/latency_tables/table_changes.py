"""Differences for a search between the shipped tables and tables of the layer model."""

import random
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from ....latency import LookupTable, fit_table, table_signatures
from ....latency.a53_model.fit import THREADS
from ....latency.table import TABLES
from ....search_space import Architecture, SpaceSpec
from ....search_space.spec import built_in

POINTS, SIDE = 106, 112


def changes(count: int) -> dict[str, Any]:
    """Compare each shipped table with the layer model's table for the same number of threads, space by space.

    Returns
    -------
    dict
        Table -> space -> ``blocks_tau`` and ``subnets_tau`` (Kendall), ``ratio`` (median ratio of the shipped table's latency
        of a subnet to the layer model's), and the range of subnet latencies in both, in microseconds.
    """
    spaces = {name: SpaceSpec.load(name) for name in built_in()}
    signatures = {name: table_signatures(spec, (POINTS,)) for name, spec in spaces.items()}
    everything = sorted({key for keys in signatures.values() for key in keys})
    layers = {threads: fit_table(everything, threads, f"layers-{threads}t") for threads in THREADS}
    found: dict[str, Any] = {}
    for name in TABLES:
        table = LookupTable.load(name)
        found[name] = {
            space: _compared(table, layers[table.threads], spec, signatures[space], count) for space, spec in spaces.items()
        }
    return found


def _compared(new: LookupTable, old: LookupTable, spec: SpaceSpec, signatures: list, count: int) -> dict[str, float]:
    draw = random.Random(0)
    subnets = [Architecture(spec, POINTS, SIDE, spec.sample(draw)) for _ in range(count)]
    us = np.array([[table.latency_us(subnet) for table in (new, old)] for subnet in subnets])
    blocks = np.array([[table.row(key) for table in (new, old)] for key in signatures])
    return {
        "blocks_tau": float(kendalltau(*blocks.T).statistic),
        "subnets_tau": float(kendalltau(*us.T).statistic),
        "ratio": float(np.median(us[:, 0] / us[:, 1])),
        "new_from_us": float(us[:, 0].min()),
        "new_to_us": float(us[:, 0].max()),
        "old_from_us": float(us[:, 1].min()),
        "old_to_us": float(us[:, 1].max()),
    }
