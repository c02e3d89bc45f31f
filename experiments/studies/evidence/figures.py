"""Figures of the evidence experiment's results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...plots.figure import write_figure
from .alone import EPOCHS
from .supernets import KEYS

MARKERS = ("o-C0", "o--C0", "s-C1", "s--C1", "s:C1")
"""Styles of the lines in a figure."""

PANELS = 3
"""Panels in a row of ``minutes.png``; of ``correlation.png`` one less."""


def correlation_figure(path: Path, truth: pd.DataFrame, supernets: Mapping[tuple, pd.DataFrame]) -> None:
    """Draw the NME after training alone against the NME in a supernet of each method, and against MACs and parameters.

    Parameters
    ----------
    supernets
        Key -> a row per subnet; for each method, the supernet with the most epochs and the lowest seed is drawn.
    """
    shown = {key[1]: part for key, part in sorted(supernets.items(), key=lambda item: (item[0][2], -item[0][3]))}
    panels: dict[str, Any] = {
        f"held-out NME in the supernet ({method}), %": part.held_out_nme for method, part in sorted(shown.items(), reverse=True)
    }
    panels |= {"multiply-accumulates, millions": truth.macs / 1e6, "parameters, thousands": truth.parameters / 1e3}
    figure, axes = _grid(len(panels), PANELS - 1, 3.2)
    for axis, (name, values) in zip(axes, panels.items(), strict=True):
        drawn = axis.scatter(values[truth.index], truth.test_nme, c=truth.us, s=18)
        axis.set_xlabel(name)
        axis.grid(alpha=0.3)
    for axis in axes[:: PANELS - 1]:
        axis.set_ylabel("test NME after training alone, %")
    figure.colorbar(drawn, ax=axes, label="latency, us")
    write_figure(path, figure, 110)


def minutes_figure(path: Path, results: Mapping[str, pd.DataFrame]) -> None:
    """Draw the mean NME of each method's choices against the minutes of search and training on one core, a panel per budget.

    The front's choices are drawn before finetuning, and after as many epochs as others are trained alone. The reference's own
    choice is drawn after training alone, as the reference does. Nothing is drawn unless supernets of some method were trained
    for different numbers of epochs.

    Parameters
    ----------
    results
        The frames of supernets.csv, finetuning.csv and choices.csv, by these names.
    """
    searches = _cpu_seconds(results["supernets"].set_index(list(KEYS)))
    front = results["finetuning"].rename(columns={"epochs": "length", "supernet_epochs": "epochs"})
    lengths = {0: "front, before finetuning", EPOCHS: f"front, finetuned for {EPOCHS} epochs"}
    front = front[front.length.isin(lengths)].assign(what=front.length.map(lengths), nme=front.test_nme)
    decoded = results["choices"].query("choice == 'decoded'")
    decoded = decoded.assign(what=f"decoded, trained alone for {EPOCHS} epochs", nme=decoded.alone_nme)
    drawn = pd.concat([front, decoded]).join(searches, on=list(KEYS), how="inner")
    if drawn.empty or drawn.groupby("method").epochs.nunique().max() < 2:
        return

    budgets = sorted(drawn.budget.unique())
    figure, axes = _grid(len(budgets), PANELS, 3)
    for axis in axes[1:]:
        axis.sharex(axes[0])
    styles = dict(zip(sorted({*zip(drawn.method, drawn.what, strict=True)}, reverse=True), MARKERS, strict=False))
    for axis, budget in zip(axes, budgets, strict=True):
        for (method, what), part in drawn[drawn.budget == budget].groupby(["method", "what"]):
            means = part.assign(minutes=(part.search + part.seconds) / 60).groupby("epochs")[["minutes", "nme"]].mean()
            axis.plot(means.minutes, means.nme, styles[method, what], label=f"{method}: {what}")
        axis.set_title(f"latency at most {budget:g} us", fontsize=10)
        axis.set_xlabel("search and training, core minutes")
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.grid(alpha=0.3, which="both")
    for axis in axes[::PANELS]:
        axis.set_ylabel("NME on the test set, %")
    # a budget may lack some of the lines: one legend names all
    labels = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(labels.values(), labels.keys(), fontsize=9, ncols=2, loc="outside lower center")
    write_figure(path, figure, 110)


def _grid(count: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure 9 inches wide and its ``count`` panels, in rows of ``height`` inches, with a common y axis."""
    rows = -(-count // columns)
    figure = Figure(figsize=(9, height * rows + 0.5), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def _cpu_seconds(supernets: pd.DataFrame) -> pd.Series:
    """Seconds of the searches on one core; early records have wall-clock time of an idle machine instead."""
    return supernets.cpu_seconds.fillna(supernets.seconds).rename("search")
