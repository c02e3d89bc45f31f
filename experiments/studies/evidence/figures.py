"""What the results say, as figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ...plots.figure import write_figure
from .alone import EPOCHS
from .supernets import KEYS

MARKERS = ("o-C0", "o--C0", "s-C1", "s--C1", "s:C1")
"""Styles of the lines of a figure."""


def correlation_figure(path: Path, truth: pd.DataFrame, supernets: Mapping[tuple, pd.DataFrame]) -> None:
    """Draw the NME alone against the NME in a supernet of each method, and against MACs and parameters.

    Parameters
    ----------
    supernets
        Key -> a row per subnet; of each method, the one of the most epochs and the lowest seed is drawn.
    """
    shown = {key[1]: part for key, part in sorted(supernets.items(), key=lambda item: (item[0][2], -item[0][3]))}
    panels: dict[str, Any] = {
        f"NME in supernet, {method}, %": part.held_out_nme for method, part in sorted(shown.items(), reverse=True)
    }
    panels |= {"M MACs": truth.macs / 1e6, "thousand parameters": truth.parameters / 1e3}
    figure = Figure(figsize=(3.6 * len(panels), 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True)
    for axis, (name, values) in zip(axes, panels.items(), strict=True):
        drawn = axis.scatter(values[truth.index], truth.test_nme, c=truth.us, s=18)
        axis.set_xlabel(name)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("NME trained alone, test set, %")
    figure.colorbar(drawn, ax=axes[-1], label="latency, us")
    write_figure(path, figure, 110)


def minutes_figure(path: Path, results: Mapping[str, pd.DataFrame]) -> None:
    """Draw the NME of each method's choices, means over seeds, against the minutes that search and training take on one
    core, together.

    A column per budget. Choices of the front are drawn as they are and finetuned for as long as others are trained alone; the
    reference's own choice is drawn trained alone, as the reference does. Nothing is drawn unless supernets of some method were
    trained for different numbers of epochs.

    Parameters
    ----------
    results
        The frames of supernets.csv, finetuning.csv and choices.csv, by these names.
    """
    searches = _cpu_seconds(results["supernets"].set_index(list(KEYS)))
    front = results["finetuning"].rename(columns={"epochs": "length", "supernet_epochs": "epochs"})
    lengths = {0: "front, as it is", EPOCHS: f"front, finetuned for {EPOCHS} epochs"}
    front = front[front.length.isin(lengths)].assign(what=front.length.map(lengths), nme=front.test_nme)
    decoded = results["choices"].query("choice == 'decoded'")
    decoded = decoded.assign(what=f"decoded, trained alone for {EPOCHS} epochs", nme=decoded.alone_nme)
    drawn = pd.concat([front, decoded]).join(searches, on=list(KEYS), how="inner")
    if drawn.empty or drawn.groupby("method").epochs.nunique().max() < 2:
        return

    budgets = sorted(drawn.budget.unique())
    figure = Figure(figsize=(3.2 * len(budgets), 4.2), layout="constrained")
    axes = figure.subplots(1, len(budgets), squeeze=False, sharex=True, sharey=True)[0]
    styles = dict(zip(sorted({*zip(drawn.method, drawn.what, strict=True)}, reverse=True), MARKERS, strict=False))
    for axis, budget in zip(axes, budgets, strict=True):
        for (method, what), part in drawn[drawn.budget == budget].groupby(["method", "what"]):
            means = part.assign(minutes=(part.search + part.seconds) / 60).groupby("epochs")[["minutes", "nme"]].mean()
            axis.plot(means.minutes, means.nme, styles[method, what], label=f"{method}: {what}")
        axis.set_title(f"at most {budget:g} us")
        axis.set_xlabel("minutes of one core, in all")
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel("NME, test set, %")
    # a budget may lack some of the lines: one legend names all
    labels = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(labels.values(), labels.keys(), fontsize=8, ncols=2, loc="outside lower center")
    write_figure(path, figure, 110)


def _cpu_seconds(supernets: pd.DataFrame) -> pd.Series:
    """Durations of the searches on one core; early records have the time on the clock of an idle machine instead."""
    return supernets.cpu_seconds.fillna(supernets.seconds).rename("search")
