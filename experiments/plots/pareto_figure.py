"""Figure of the scored subnets of a supernet and their Pareto front."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figure import PREDICTED, write_figure


def pareto_figure(path: str | Path, us: Sequence[float], nme: Sequence[float], front: pd.DataFrame, latency_name: str) -> None:
    """Draw all scored subnets and their front into a file; see :func:`draw_front` for the arguments."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    draw_front(figure.subplots(), us, nme, front, latency_name)
    write_figure(path, figure, 110)


def draw_front(axis: Axes, us: Sequence[float], nme: Sequence[float], front: pd.DataFrame, latency_name: str) -> None:
    """Draw all scored subnets and their front.

    Parameters
    ----------
    us, nme
        Latency in microseconds and NME in percent of every scored subnet.
    front
        The front's rows, with columns ``us`` and ``nme``.
    latency_name
        Source of the latencies, for the axis label.
    """
    size = min(8.0, max(1.0, 10_000 / len(us)))
    axis.scatter(
        us,
        nme,
        s=size,
        color="0.7",
        alpha=0.5,
        linewidths=0,
        rasterized=True,
        label=f"{len(us):,} subnets, scored on a part of the faces",
    )
    axis.plot(
        front["us"],
        front["nme"],
        "o-",
        color=PREDICTED,
        markersize=3,
        linewidth=1,
        label=f"front: {len(front)} subnets, rated on all faces",
    )
    axis.set_ylim(0.97 * min(front["nme"].min(), min(nme)), float(np.quantile(nme, 0.98)))
    axis.set_xlabel(f"latency, us ({latency_name})")
    axis.set_ylabel("NME on held-out faces with the supernet's weights, %")
    dots = axis.legend().legend_handles[0]
    assert dots is not None  # the scatter plot has a label
    dots.set(sizes=[20], alpha=1)
    axis.grid(alpha=0.3)
