"""Table and figure of the ablations."""

from pathlib import Path

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from ...plots.figure import write_figure
from .ablations import ABLATIONS, BASE_NAME

COLORS = colormaps["tab10"]
"""Colours of the groups in the figure."""


def ablation_table(trained: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Latency, size, and NME on training, held-out and test faces in percent, per data set and network, as means over seeds.

    ``difference`` is the mean over the seeds of the test NME minus the base's with the same seed and epochs, in percentage
    points; ``least`` and ``most`` are the smallest and the largest of these differences. ``latency`` is the ratio to the base's
    latency. A network has no difference if the base lacks its seeds.
    """
    cost = costs.set_index("network")
    us = cost.us_4t / cost.us_4t[BASE_NAME]
    rows = []
    for data, part in trained.groupby("data", sort=False):
        base = part[part.network == BASE_NAME].set_index(["epochs", "seed"]).test_nme
        for (network, epochs), runs in part.groupby(["network", "epochs"], sort=False):
            difference = (runs.set_index(["epochs", "seed"]).test_nme - base).dropna()
            rows.append(
                {
                    "data": data,
                    "group": ABLATIONS[str(network)].group,
                    "network": network,
                    "epochs": epochs,
                    "seeds": len(runs),
                    "us_4t": cost.us_4t.get(network),
                    "latency": us.get(network),
                    "parameters": cost.parameters.get(network),
                    "macs": cost.macs.get(network),
                    "train_nme": runs.train_nme.mean(),
                    "held_out_nme": runs.held_out_nme.mean(),
                    "test_nme": runs.test_nme.mean(),
                    "difference": difference.mean(),
                    "least": difference.min(),
                    "most": difference.max(),
                    "seconds": runs.seconds.median(),
                }
            )
    place = {name: i for i, name in enumerate(ABLATIONS)}
    table: pd.DataFrame = pd.DataFrame(rows).sort_values(["data", "network"], key=lambda column: column.replace(place))
    return table.round(3)


def ablation_figure(path: Path, table: pd.DataFrame) -> None:
    """Draw each network's difference from the base with the range over seeds; the labels have the latencies."""
    shown = table.dropna(subset=["difference"])
    groups = list(dict.fromkeys(shown.group))
    figure = Figure(figsize=(8, 1 + 0.3 * len(shown)), layout="constrained")
    axis = figure.subplots()
    for y, row in enumerate(shown.itertuples()):
        reach = [[row.difference - row.least], [row.most - row.difference]]
        axis.errorbar(row.difference, y, xerr=reach, fmt="o", capsize=3, color=COLORS(groups.index(row.group)))
    axis.set_yticks(range(len(shown)), [f"{row.network}: {row.latency:.2f} x latency" for row in shown.itertuples()])
    axis.invert_yaxis()
    axis.axvline(0, color="grey", linewidth=0.8)
    axis.set_xlabel("NME on the test set minus the base's, percentage points")
    axis.grid(alpha=0.3, axis="x")
    write_figure(path, figure, 110)
