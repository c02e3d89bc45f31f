"""Tables and figure of the accuracy experiment."""

from pathlib import Path

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ...plots.figure import write_figure

BASELINE = "pfld_lite"
"""The network that others are compared with."""

COLORS = [colormaps["tab20"](i) for i in range(20)]
"""Colours of the networks in the figure."""


def recipes_table(recipes: pd.DataFrame) -> pd.DataFrame:
    """NME on test and held-out faces per data set and recipe: mean and standard deviation over seeds, lowest NME first.

    ``paired`` is the mean difference from the base recipe with the same seed, ``standard_error`` its standard error.
    """
    rows = []
    for (name, epochs), part in recipes.groupby(["data", "epochs"], sort=False):
        base = part[part.recipe == "base"].set_index("seed").test_nme
        for recipe, runs in part.groupby("recipe", sort=False):
            paired = runs.set_index("seed").test_nme - base
            rows.append(
                {
                    "data": name,
                    "epochs": epochs,
                    "recipe": recipe,
                    "seeds": len(runs),
                    "nme": runs.test_nme.mean(),
                    "spread": runs.test_nme.std(),
                    "held_out_nme": runs.held_out_nme.mean(),
                    "paired": paired.mean(),
                    "standard_error": paired.sem(),
                    "seconds": runs.seconds.median(),
                }
            )
    return pd.DataFrame(rows).sort_values(["data", "epochs", "nme"]).round(3)


def networks_table(networks: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """NME, FR@8 and AUC@8 on the test set per data set and network: means over seeds, and ratios to the baseline."""
    rows = []
    size = costs.set_index("network").parameters
    for (name, epochs), part in networks.groupby(["data", "epochs"], sort=False):
        baseline = part[part.network == BASELINE].test_nme.mean()
        for network, runs in part.groupby("network", sort=False):
            rows.append(
                {
                    "data": name,
                    "epochs": epochs,
                    "network": network,
                    "seeds": len(runs),
                    "nme": runs.test_nme.mean(),
                    "spread": runs.test_nme.std(),
                    "fr8": runs.test_fr8.mean(),
                    "auc8": runs.test_auc8.mean(),
                    "nme_over_baseline": runs.test_nme.mean() / baseline,
                    "parameters": size.get(network),
                }
            )
    return pd.DataFrame(rows).sort_values(["data", "nme"]).round(3)


def costs_table(costs: pd.DataFrame) -> pd.DataFrame:
    """Size and latency of the networks, with ratios: size over the baseline's, and the baseline's latencies over theirs."""
    table = costs.copy()
    baseline = costs[costs.network == BASELINE].iloc[0]
    table["size_ratio"] = table.onnx_bytes / baseline.onnx_bytes
    for column in [name for name in map(str, costs) if name.startswith("snapdragon") or name == "host_us"]:
        table[f"{column}_faster"] = baseline[column] / table[column]
    return table.round(3)


def accuracy_figure(path: Path, networks: pd.DataFrame, costs: pd.DataFrame) -> None:
    """Draw NME with its spread over seeds against latency (first table) and against size, a row per data set.

    A longer training of a network is drawn as another point, with the epochs in its label.
    """
    latency = next(name for name in map(str, costs) if name.startswith("snapdragon"))
    columns = {latency: f"latency (table {latency}), us", "onnx_bytes": "size of the ONNX file, KB"}
    cost, groups = costs.set_index("network"), networks.groupby("data", sort=False)
    figure = Figure(figsize=(9, 1 + 4 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), 2, squeeze=False, sharey="row")
    for row, (name, part) in zip(axes, groups, strict=True):
        for axis in row:
            axis.set_prop_cycle(color=COLORS)
        usual = part.epochs.mode()[0]
        for axis, (column, label) in zip(row, columns.items(), strict=True):
            for (epochs, network), runs in part.groupby(["epochs", "network"], sort=False):
                x = cost.loc[network, column] / (1 if column == latency else 1000)
                axis.errorbar(
                    x,
                    runs.test_nme.mean(),
                    runs.test_nme.std() if len(runs) > 1 else 0,
                    fmt="o",
                    capsize=3,
                    label=network if epochs == usual else f"{network}, {epochs} epochs",
                )
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set_xlabel(label)
            axis.grid(alpha=0.3)
        row[0].set_ylabel(f"NME on the test set, %\n({name}, {usual} epochs)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    write_figure(path, figure, 110)
