"""The figure of the comparison: NME against latency for peers and for our front."""

from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ...plots.figure import PREDICTED, write_figure
from .peer_costs import BOARD, HOST
from .peer_trainings import SCRATCH, SUPERNET
from .peers_report import of_ours, of_peers

PANELS = {
    BOARD.format(4): "latency on the Snapdragon 625, ms\n(4 threads, ncnn, emulated, not measured)",
    HOST: "latency on the host CPU, ms\n(1 thread, onnxruntime, measured)",
}
"""Column -> label of its axis."""

LINES = {SUPERNET: ("o-", "ours, finetuned from the supernet"), SCRATCH: ("o:", "ours, from scratch")}
"""Start of our subnets -> line and label."""

NMES = (3, 4, 5, 6, 8, 10, 15, 20)
"""Ticks of the NME in percent."""

MARKERS = "sD^vPX"
COLORS = [colormaps["tab20"](i) for i in (*range(0, 20, 2), *range(1, 20, 2)) if i not in (2, 3)]
"""Colours of the peers; orange is ours."""


def peers_figure(path: Path, summary: pd.DataFrame) -> None:
    """Draw a panel per latency: our front as lines, a marker per peer, with error bars where there are several seeds."""
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for axis, (column, label) in zip(panels, PANELS.items(), strict=True):
        _draw(axis, summary, column)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel(label)
        axis.grid(alpha=0.3, which="both")
    panels[0].set_yscale("log")
    panels[0].set_yticks(NMES, [f"{nme:g}" for nme in NMES])
    panels[0].yaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel("NME on the test set, %")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    write_figure(path, figure, 100)


def _draw(axis: Axes, summary: pd.DataFrame, column: str) -> None:
    for start, (line, label) in LINES.items():
        ours = of_ours(summary, start).sort_values(column)
        axis.errorbar(ours[column] / 1000, ours.nme, ours.spread.fillna(0), fmt=line, color=PREDICTED, capsize=2, label=label)
    # a marker and a colour per network; hollow if it was trained for more epochs than most
    peers = of_peers(summary)
    usual = peers.epochs.mode()[0]
    styles = dict(zip(peers.network.unique(), zip(cycle(MARKERS), cycle(COLORS), strict=False), strict=False))
    for peer in peers.to_dict("records"):
        marker, color = styles[peer["network"]]
        longer = peer["epochs"] > usual
        axis.errorbar(
            peer[column] / 1000,
            peer["nme"],
            0.0 if pd.isna(peer["spread"]) else peer["spread"],
            fmt=marker,
            color=color,
            markerfacecolor="white" if longer else color,
            capsize=2,
            label=f"{peer['network']}, {peer['epochs']} epochs" if longer else peer["network"],
        )
