"""Table and figure of the experiment: NME against the number of labelled faces."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ...plots.figure import write_figure

LABELS = {"scratch": "from scratch", "init": "from the pretrained weights"}
"""Start of a training -> its name in the figure."""


def few_labels_table(rows: pd.DataFrame) -> pd.DataFrame:
    """NME on the test set per data set, network, start and number of faces: mean and spread over seeds.

    The learning rate of each is the one with the lowest NME on held-out faces with seed 0.
    """
    table = []
    for (name, network, faces, start), part in rows.groupby(["data", "network", "faces", "start"], sort=False):
        first = part[part.seed == 0]
        # the row without training has no held-out faces
        rate = first.sort_values("held_out_nme").rate.iloc[0]
        runs = part[part.rate == rate]
        table.append(
            {
                "data": name,
                "network": network,
                "start": start,
                "faces": faces,
                "rate": rate,
                "epochs": runs.epochs.iloc[0],
                "seeds": len(runs),
                "nme": runs.test_nme.mean(),
                "spread": runs.test_nme.std(),
                "fr8": runs.test_fr8.mean(),
                "minutes": runs.cpu_seconds.mean() / 60,
            }
        )
    return pd.DataFrame(table).sort_values(["data", "network", "start", "faces"]).round(3)


def few_labels_figure(path: Path, table: pd.DataFrame) -> None:
    """Draw the table of :func:`few_labels_table`, a panel per data set and network; a dashed line shows no labels."""
    groups = table.groupby(["data", "network"], sort=False)
    figure = Figure(figsize=(6.5, 4.2 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
    for axis, ((name, _), part) in zip(axes, groups, strict=True):
        for color, (start, label) in enumerate(LABELS.items()):
            runs = part[part.start == start]
            trained = runs[runs.faces > 0]
            if len(trained):
                axis.errorbar(
                    trained.faces, trained.nme, trained.spread.fillna(0), fmt="o-", capsize=3, color=f"C{color}", label=label
                )
            for nme in runs[runs.faces == 0].nme:
                axis.axhline(nme, linestyle="--", color=f"C{color}", label="pretrained weights, no labelled faces")
        counts = sorted(part[part.faces > 0].faces.unique())
        axis.set_xscale("log")
        axis.set_xticks(counts, [f"{count:,}" for count in counts])
        axis.minorticks_off()
        axis.set_xlabel("number of labelled faces")
        axis.set_ylabel(f"NME on the test set of {name}, %")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=9)
    write_figure(path, figure, 120)
