"""Figures of the latency tables."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...latency.table_comparison import Comparison
from .figure import PREDICTED, TRUE, write_figure

GREY = "0.6"


def models_figure(path: str | Path, counts: pd.DataFrame, layers: pd.DataFrame) -> None:
    """Draw the error of each held-out network, as a mean over its boards: one subplot per number of threads.

    Parameters
    ----------
    counts, layers
        Published latencies with ``model`` (the network), ``threads`` and ``error`` (relative): of the instruction-count model,
        fp32 and INT8, and of the layer model, fp32.
    """
    every = sorted(counts["threads"].unique())
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    for axis, threads in zip(np.atleast_1d(figure.subplots(1, len(every), sharey=True)), every, strict=True):
        errors = 100 * counts[counts["threads"] == threads].groupby("model")["error"].mean()
        other = (100 * layers[layers["threads"] == threads].groupby("model")["error"].mean()).reindex(errors.index)
        rows = np.arange(len(errors))
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.barh(rows, errors, color=PREDICTED, height=0.6, label="counts of an emulated core")
        axis.plot(other, rows, "o", color=TRUE, markersize=4, label="layer model")
        axis.set_yticks(rows, errors.index, fontsize=8)
        axis.invert_yaxis()
        axis.set_xlabel("error of the held-out network, %")
        axis.set_title(f"{threads} thread(s)", fontsize=10)
        axis.legend(fontsize=8)
    write_figure(path, figure, 110)


def agreement_figure(path: str | Path, subnets: pd.DataFrame, device: str) -> None:
    """Draw the predicted against the measured latency of whole subnets, coloured by ``role``."""
    figure = Figure(figsize=(6, 5.5), layout="constrained")
    axis = figure.subplots()
    for role, label, color in (("known", "used for the table", GREY), ("unseen", "held out", PREDICTED)):
        group = subnets[subnets["role"] == role]
        axis.plot(
            group["measured_us"], group["predicted_us"], "o", color=color, markersize=3, label=f"{len(group)} subnets, {label}"
        )
    _diagonal(axis)
    axis.set_xlabel("measured latency, us")
    axis.set_ylabel("predicted latency (sum of the table's rows), us")
    axis.set_title(device, fontsize=9)
    axis.legend(fontsize=8)
    write_figure(path, figure, 110)


def table_figure(path: str | Path, grid: pd.DataFrame, title: str) -> None:
    """Draw a heat map of microseconds; ``grid`` has a row per block and a column per layer, NaN for missing entries."""
    figure = Figure(figsize=(2 + 0.9 * grid.shape[1], 1.5 + 0.3 * grid.shape[0]), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(grid, aspect="auto", cmap="viridis_r")
    for (y, x), us in np.ndenumerate(grid.to_numpy()):
        if np.isfinite(us):
            axis.text(
                x,
                y,
                f"{us:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if us > np.nanmean(image.get_clim()) else "black",
            )
    axis.set_xticks(range(grid.shape[1]), grid.columns, fontsize=8)
    axis.set_yticks(range(grid.shape[0]), grid.index, fontsize=8)
    axis.set_title(title, fontsize=9)
    figure.colorbar(image, label="us")
    write_figure(path, figure, 110)


def comparison_figure(path: str | Path, comparison: Comparison, a: str, b: str) -> None:
    """Draw the rows of one table against those of another on log-log axes, and label the outliers."""
    figure = Figure(figsize=(6, 5.5), layout="constrained")
    axis = figure.subplots()
    for outlier, color in ((False, GREY), (True, PREDICTED)):
        rows = comparison.rows[comparison.rows["outlier"] == outlier]
        axis.loglog(rows["a_us"], rows["b_us"], "o", color=color, markersize=4)
    for row in comparison.rows[comparison.rows["outlier"]].itertuples():
        axis.annotate(row.block, (row.a_us, row.b_us), fontsize=6)
    ends = np.array([comparison.rows["a_us"].min(), comparison.rows["a_us"].max()])
    axis.loglog(ends, comparison.median_ratio * ends, color=TRUE, linewidth=1, label=f"b = {comparison.median_ratio:.3g} a")
    axis.set_xlabel(f"{a}, us")
    axis.set_ylabel(f"{b}, us")
    axis.legend(fontsize=8)
    write_figure(path, figure, 110)


def _diagonal(axis: Axes) -> None:
    low, high = (limit(axis.get_xlim()[i], axis.get_ylim()[i]) for i, limit in enumerate((min, max)))
    axis.plot([low, high], [low, high], color="black", linewidth=0.8)
