"""The table of the comparison: every peer against our front."""

from typing import Any

import pandas as pd

from .our_front import OURS
from .peer_costs import BOARD, HOST
from .peer_trainings import SCRATCH, SUPERNET, best_rate

LATENCIES = {"4t": BOARD.format(4), "host": HOST}
"""Short name -> latency column for the comparison of peers with our front."""


def summarise(trainings: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """A row per data set, network, start and epochs: mean and spread of the NME over seeds, size and latency.

    Only trainings at the learning rate that was best on held-out faces with seed 0 count. Our subnets differ from seed to seed,
    so their size and latency are means, too. ``minutes`` are processor minutes of one training, ``supernet_minutes`` those of
    the supernet that it starts from.
    """
    # join each training with size and latency of its network
    merged = trainings.fillna({"blocks": ""}).merge(costs.fillna({"blocks": ""}), on=["network", "blocks"], how="left")
    rows = []
    for (data, network, start, epochs), part in merged.groupby(["data", "network", "start", "epochs"], sort=False):
        rate = best_rate(part)
        runs = part[part.rate == rate]
        rows.append(
            {
                "data": data,
                "network": network,
                "start": start,
                "epochs": epochs,
                "rates": part.rate.nunique(),
                "rate": rate,
                "seeds": len(runs),
                "nme": runs.test_nme.mean(),
                "spread": runs.test_nme.std(),
                "minutes": runs.cpu_seconds.mean() / 60,
                "supernet_minutes": runs.supernet_seconds.mean() / 60,
                **{column: runs[column].mean() for column in costs if column not in ("network", "blocks")},
            }
        )
    return pd.DataFrame(rows).round({"nme": 3, "spread": 3, "minutes": 1, "supernet_minutes": 1})


def of_ours(summary: pd.DataFrame, start: str | None = None) -> pd.DataFrame:
    """Select the rows of our subnets, all or those of one start."""
    ours = summary[summary.network.str.startswith(OURS)]
    return ours if start is None else ours[ours.start == start]


def of_peers(summary: pd.DataFrame) -> pd.DataFrame:
    """Select the rows of the peers."""
    return summary[~summary.network.str.startswith(OURS)]


def compare(summary: pd.DataFrame) -> pd.DataFrame:
    """List the peers, lowest NME first, with ratios to our subnets trained from the supernet and from scratch.

    For each latency and start of ours, such as ``4t_supernet``, ``nme_ratio`` is the peer's NME over that of our most accurate
    subnet that is at least as fast, and ``latency_ratio`` is the peer's latency over that of our fastest subnet with at most
    its NME. Both compare trained subnets without interpolation; they are missing if there is no such subnet.
    """
    rows = []
    for peer in of_peers(summary).sort_values(["data", "nme"]).to_dict("records"):
        ratios = {
            f"{name}_{short}_{start}": value
            for start in (SUPERNET, SCRATCH)
            for short, column in LATENCIES.items()
            for name, value in ratios_to(of_ours(summary[summary.data == peer["data"]], start), peer, column).items()
        }
        rows.append({**peer, **ratios})
    return pd.DataFrame(rows).drop(columns=["start", "supernet_minutes"]).round(3)


def ratios_to(ours: pd.DataFrame, peer: dict[Any, Any], column: str) -> dict[str, float]:
    """``nme_ratio`` and ``latency_ratio`` of one peer for one latency column; NaN if no subnet of ours qualifies."""
    as_fast = ours[ours[column] <= peer[column]]
    as_accurate = ours[ours.nme <= peer["nme"]]
    return {"nme_ratio": peer["nme"] / as_fast.nme.min(), "latency_ratio": peer[column] / as_accurate[column].min()}
