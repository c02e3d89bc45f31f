"""The figure at the end of ``demo``: faces with points, choice probabilities over time, accuracy against latency."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .face_points import draw_faces
from .figure import PREDICTED, TRUE, write_figure


def draw_probabilities(axes: Sequence[Axes], history: pd.DataFrame) -> None:
    """Draw, per searched layer, how the probability of each candidate went over the epochs of a search.

    ``history`` has a row per epoch with columns ``epoch`` and ``prob/<label>/<block>``.
    """
    labels = dict.fromkeys(name.split("/")[1] for name in history.columns if name.startswith("prob/"))
    for axis, label in zip(axes, labels, strict=True):
        columns = [name for name in history.columns if name.startswith(f"prob/{label}/")]
        best = history[columns].iloc[-1].idxmax()
        for column in columns:
            chosen = column == best
            axis.plot(
                history["epoch"],
                history[column],
                linewidth=2 if chosen else 0.8,
                color=PREDICTED if chosen else "0.65",
                zorder=2 if chosen else 1,
            )
        axis.set_title(f"{label}: {best.split('/')[2]}", fontsize=8, color=PREDICTED)
        axis.tick_params(labelsize=7)
    axes[0].set_ylabel("probability", fontsize=8)


def draw_scatter(axis: Axes, groups: Mapping[str, tuple[np.ndarray, np.ndarray]], latency_name: str) -> None:
    """Draw NME (percent) against latency (microseconds) for named groups of networks, on logarithmic scales."""
    for (name, (latency, nme)), marker, color in zip(
        groups.items(), "osD^v", ("0.7", TRUE, PREDICTED, "#7570b3", "k"), strict=False
    ):
        axis.plot(
            latency,
            nme,
            marker,
            color=color,
            label=name,
            markersize=5 if len(latency) > 1 else 10,
            alpha=0.7 if len(latency) > 1 else 1.0,
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    for formatter in (
        axis.xaxis.set_major_formatter,
        axis.xaxis.set_minor_formatter,
        axis.yaxis.set_major_formatter,
        axis.yaxis.set_minor_formatter,
    ):
        formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
    axis.tick_params(labelsize=7, which="both")
    axis.set_xlabel(f"latency, us ({latency_name})", fontsize=8)
    axis.set_ylabel("NME, %", fontsize=8)
    axis.legend(fontsize=7)
    axis.grid(alpha=0.3, which="both")


def demo_figure(
    path: str | Path,
    images: Tensor,
    truth: np.ndarray,
    predicted: np.ndarray,
    nme: np.ndarray,
    history: pd.DataFrame,
    groups: Mapping[str, tuple[np.ndarray, np.ndarray]],
    latency_name: str,
) -> None:
    """Draw the three parts on one page. Arguments as theirs."""
    layers = len({name.split("/")[1] for name in history.columns if name.startswith("prob/")})
    figure = Figure(figsize=(15, 8.5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1), squeeze=False)[0]
    left.suptitle("test faces: true (green) and predicted (orange) points", fontsize=10)
    draw_faces(left.subplots(4, 4).ravel(), images, truth, predicted, nme)
    top, bottom = right.subfigures(2, 1, height_ratios=(1, 1.6))
    top.suptitle("choice probabilities over the epochs of the search", fontsize=10)
    draw_probabilities(top.subplots(1, layers, sharey=True, squeeze=False)[0], history)
    draw_scatter(bottom.subplots(), groups, latency_name)
    write_figure(path, figure, 110)
