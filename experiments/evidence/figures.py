"""What the results say, as figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ..pictures import write_figure
from .supernets import KEYS


def correlation_figure(path: Path, truth: pd.DataFrame, supernets: Mapping[tuple, pd.DataFrame]) -> None:
    """Draw the NME alone against the NME in a supernet of each method, and against MACs and parameters.

    Parameters
    ----------
    supernets
        Key -> a row per subnet; of each method, the one of the most epochs and the lowest seed is drawn.
    """
    shown = {key[1]: part for key, part in sorted(supernets.items(), key=lambda item: (item[0][2], -item[0][3]))}
    panels: dict[str, Any] = {f"NME in supernet, {method}, %": part.held_out_nme for method, part in sorted(
        shown.items(), reverse=True)}
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


def minutes_figure(path: Path, choices: pd.DataFrame, supernets: pd.DataFrame) -> None:
    """Draw the NME of each method's choices, means over seeds, against minutes of the supernet's training.

    A column per budget, a row for the choices as they are and one for them trained alone. Nothing is drawn unless supernets of
    some method were trained for different numbers of epochs.
    """
    joined = choices.merge(supernets[[*KEYS, "seconds"]], on=list(KEYS), suffixes=("_alone", ""))
    if joined.empty or joined.groupby("method").epochs.nunique().max() < 2:
        return
    budgets = sorted(joined.budget.unique())
    figure = Figure(figsize=(4 * len(budgets), 6.4), layout="constrained")
    axes = figure.subplots(2, len(budgets), squeeze=False, sharex=True, sharey="row")
    for column, budget in enumerate(budgets):
        for (method, choice), part in joined[joined.budget == budget].groupby(["method", "choice"]):
            means = part.groupby("epochs")[["seconds", "test_nme", "alone_nme"]].mean()
            for axis, nme in zip(axes[:, column], ("test_nme", "alone_nme"), strict=True):
                axis.plot(means.seconds / 60, means[nme], "o-", label=f"{method}, {choice}")
        axes[0, column].set_title(f"at most {budget:g} us")
        axes[1, column].set_xlabel("minutes of training")
    for axis, what in zip(axes[:, 0], ("as it is", "trained alone"), strict=True):
        axis.set_ylabel(f"NME {what}, test set, %")
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    axes[0, -1].legend(fontsize=8)
    write_figure(path, figure, 110)
