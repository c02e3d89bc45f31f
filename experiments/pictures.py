"""The pictures of a search: faces with points, choice probabilities over time, accuracy against latency."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..search_space.inputs import InputError, allowed, atomic_path

matplotlib.use("Agg")  # no display is needed to write a file

TRUE, PREDICTED = "#1b9e77", "#d95f02"


def check_picture(path: Path) -> None:
    """Raise :class:`InputError` if a picture's name has a suffix that matplotlib does not write."""
    known = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in known:
        raise InputError(f"cannot write {path}: no picture's suffix; {allowed(f'.{suffix}' for suffix in known)}")


def write_figure(path: str | Path, figure: Figure, dpi: int) -> None:
    """Write a figure under its name when it is complete.

    Raises
    ------
    InputError
        If the suffix is unknown or the place cannot be written.
    """
    check_picture(Path(path))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def draw_faces(axes: Sequence[Axes], images: Tensor, truth: np.ndarray, predicted: np.ndarray, nme: np.ndarray) -> None:
    """Draw one face per axis, with true and predicted points.

    Parameters
    ----------
    images
        uint8 (N, 3, S, S), BGR.
    truth, predicted
        float (N, P, 2), normalised.
    nme
        float (N,), percent.
    """
    for axis in axes:
        axis.set_axis_off()
    for axis, image, true, guess, error in zip(axes, images, truth, predicted, nme, strict=False):
        draw_face(axis, image, {TRUE: true, PREDICTED: guess}, 2.5)
        axis.set_title(f"NME {error:.1f} %", fontsize=8)


def draw_face(axis: Axes, image: Tensor, points: Mapping[str, np.ndarray], markersize: float) -> None:
    """Draw an image uint8 (3, S, S), BGR, with points (P, 2), normalised, by their colour."""
    size = image.shape[-1]
    axis.imshow(image.flip(0).permute(1, 2, 0).numpy(), extent=(0, size, size, 0))
    for color, marks in points.items():
        axis.plot(*(marks * size).T, ".", color=color, markersize=markersize)


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
            axis.plot(history["epoch"], history[column], linewidth=2 if chosen else 0.8,
                      color=PREDICTED if chosen else "0.65", zorder=2 if chosen else 1)
        axis.set_title(f"{label}: {best.split('/')[2]}", fontsize=8, color=PREDICTED)
        axis.tick_params(labelsize=7)
    axes[0].set_ylabel("probability", fontsize=8)


def draw_scatter(axis: Axes, groups: Mapping[str, tuple[np.ndarray, np.ndarray]], latency_name: str) -> None:
    """Draw NME (percent) against latency (microseconds) for named groups of networks, on logarithmic scales."""
    for (name, (latency, nme)), marker, color in zip(groups.items(), "osD^v", ("0.7", TRUE, PREDICTED, "#7570b3", "k"),
                                                     strict=False):
        axis.plot(latency, nme, marker, color=color, label=name, markersize=5 if len(latency) > 1 else 10,
                  alpha=0.7 if len(latency) > 1 else 1.0)
    axis.set_xscale("log")
    axis.set_yscale("log")
    for formatter in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter, axis.yaxis.set_major_formatter,
                      axis.yaxis.set_minor_formatter):
        formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
    axis.tick_params(labelsize=7, which="both")
    axis.set_xlabel(f"latency, us ({latency_name})", fontsize=8)
    axis.set_ylabel("NME, %", fontsize=8)
    axis.legend(fontsize=7)
    axis.grid(alpha=0.3, which="both")


def pareto_picture(path: str | Path, us: Sequence[float], nme: Sequence[float], front: pd.DataFrame,
                   latency_name: str) -> None:
    """Draw all scored subnets, and the front among them.

    Parameters
    ----------
    us, nme
        Latency in microseconds and NME in percent of every scored subnet.
    front
        The front's rows, with columns ``us`` and ``nme``.
    latency_name
        What the latencies are.
    """
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axis = figure.subplots()
    size = min(8.0, max(1.0, 10_000 / len(us)))
    axis.scatter(us, nme, s=size, color="0.7", alpha=0.5, linewidths=0, rasterized=True,
                 label=f"{len(us):,} subnets, scored on some of the faces")
    axis.plot(front["us"], front["nme"], "o-", color=PREDICTED, markersize=3, linewidth=1,
              label=f"front: {len(front)} subnets, rated on all of them")
    axis.set_ylim(0.97 * min(front["nme"].min(), min(nme)), float(np.quantile(nme, 0.98)))
    axis.set_xlabel(f"latency, us ({latency_name})")
    axis.set_ylabel("NME on held-out faces with the supernet's weights, %")
    legend = axis.legend()
    legend.legend_handles[0].set(sizes=[20], alpha=1)
    axis.grid(alpha=0.3)
    write_figure(path, figure, 110)


def demo_picture(path: str | Path, images: Tensor, truth: np.ndarray, predicted: np.ndarray, nme: np.ndarray,
                 history: pd.DataFrame, groups: Mapping[str, tuple[np.ndarray, np.ndarray]], latency_name: str) -> None:
    """Write the picture at the end of ``demo``: the three parts above on one page. Arguments as theirs."""
    layers = len({name.split("/")[1] for name in history.columns if name.startswith("prob/")})
    figure = Figure(figsize=(15, 8.5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1))
    left.suptitle("test faces: true (green) and predicted (orange) points", fontsize=10)
    draw_faces(left.subplots(4, 4).ravel(), images, truth, predicted, nme)
    top, bottom = right.subfigures(2, 1, height_ratios=(1, 1.6))
    top.suptitle("choice probabilities over the epochs of the search", fontsize=10)
    draw_probabilities(np.atleast_1d(top.subplots(1, layers, sharey=True)), history)
    draw_scatter(bottom.subplots(), groups, latency_name)
    write_figure(path, figure, 110)
