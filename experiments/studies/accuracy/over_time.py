"""NME against training time: a searched subnet from scratch and from its supernet, and a baseline."""

import time
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ....evaluators import FaceData
from ....evaluators.training.training_options import INHERITED_RATE
from ....search_space import Architecture
from ...pipeline.config import Config
from ...plots.figure import write_figure
from ..evidence.alone import EPOCHS as ALONE_EPOCHS
from ..evidence.supernets import Supernet
from ..results import Records, digest, train_and_test
from .accuracy_report import BASELINE

BLOCKS = (
    "sep_stem_w12",
    "mb_k3_e2",
    "mb_k5_res",
    "skip",
    "mb_k3_res",
    "mb_k5_res_se",
    "mb_k5_res_se",
    "mb_k3_e2_res_se",
    "pfld_head_n96_e2",
)
"""The subnet, from ``pfld-wide``: the evidence experiment's choice within 1,600 us in ``finetuning.csv``, seed 0."""

STARTS = ("scratch", "supernet")
"""Initial weights of a training."""

KEYS = ("data", "network", "start", "epochs", "seed")
"""Columns that identify a training."""

SUBNET = "searched subnet"
"""Name of the subnet in the results."""


def train_over_time(
    name: str, faces: FaceData, supernet: Supernet, recipe: Config, start: str, length: int, seed: int, results: Path
) -> None:
    """Train :data:`BLOCKS` for ``length`` epochs -> over_time.csv, a row per training.

    Parameters
    ----------
    name
        Name of the data set in the results.
    recipe
        Settings of the training from scratch; from the supernet, the learning rate is the default for inherited weights.
    start
        One of :data:`STARTS`.

    Raises
    ------
    InputError
        If the supernet is not trained, or the file has rows of other settings.
    """
    changes: dict[str, object] = {"finetune__epochs": length}
    if start == "supernet":
        changes["finetune__learning_rate"] = INHERITED_RATE
    config = recipe.override(changes, "over-time")
    setup = digest(config.finetune.model_dump(mode="json"), BLOCKS, supernet.setup if start == "supernet" else None)
    records = Records(results / "over_time.csv", *KEYS)
    key = {"data": name, "network": SUBNET, "start": start, "epochs": length, "seed": seed}
    if records.has(**key):
        return
    weights = supernet.checkpoint if start == "supernet" else None
    network = Architecture.from_blocks(supernet.model.spec, config.points, config.input_size, BLOCKS)
    begin = time.process_time()
    figures = train_and_test(config, faces, network, seed, weights)
    spent = {
        "cpu_seconds": round(time.process_time() - begin, 1),
        "supernet_seconds": None if weights is None else supernet.seconds,
    }
    records.add(**key, setup=setup, **figures, **spent)


def take_recorded(name: str, supernet: Supernet, evidence: Path, results: Path) -> None:
    """Add the evidence experiment's trainings of :data:`BLOCKS`, with the same recipes -> over_time.csv.

    Parameters
    ----------
    evidence
        Folder of its CSV files: ``choices.csv`` has trainings from scratch, ``finetuning.csv`` those from the supernet.

    Raises
    ------
    InputError
        If a file is missing.
    """
    records = Records(results / "over_time.csv", *KEYS)
    blocks = " ".join(BLOCKS)
    alone = Records(evidence / "choices.csv").frame().query("choice == 'front'")
    alone = alone.rename(columns={"epochs": "supernet_epochs", "seed": "supernet_seed", "test_nme": "supernet_nme"})
    alone = alone.rename(columns={"training_seed": "seed", "alone_nme": "test_nme"}).assign(
        start="scratch", epochs=ALONE_EPOCHS
    )
    tuned = Records(evidence / "finetuning.csv").frame().query("epochs > 0")
    tuned = tuned.assign(start="supernet", supernet_seed=tuned.seed, supernet_seconds=supernet.seconds)
    rows = pd.concat([alone, tuned])
    same = (rows.blocks == blocks) & (rows.method == supernet.method) & (rows.supernet_epochs == supernet.key["epochs"])
    for row in rows[same & (rows.supernet_seed == supernet.seed)].to_dict("records"):
        key = {"data": name, "network": SUBNET, "start": row["start"], "epochs": row["epochs"], "seed": row["seed"]}
        figures = ("setup", "test_nme", "test_fr8", "test_auc8", "seconds", "supernet_seconds")
        if not records.has(**key):
            records.add(**key, **{column: row[column] for column in figures}, cpu_seconds=None)


def over_time_table(over_time: pd.DataFrame, networks: pd.DataFrame) -> pd.DataFrame:
    """NME over seeds and minutes on one core, per data set, network, start and number of epochs.

    The baseline's trainings come from ``networks``; their minutes are wall-clock time. ``supernet_minutes`` is the time of the
    preceding search.
    """
    lite = networks[(networks.network == BASELINE) & networks.data.isin(over_time.data)]
    rows = pd.concat([over_time, lite.assign(start="scratch")])
    rows["minutes"] = rows.cpu_seconds.fillna(rows.seconds) / 60
    rows["supernet_minutes"] = rows.supernet_seconds / 60
    groups = rows.groupby(["data", "network", "start", "epochs"], sort=False)
    means = groups.agg(
        seeds=("seed", "size"),
        nme=("test_nme", "mean"),
        spread=("test_nme", "std"),
        minutes=("minutes", "mean"),
        supernet_minutes=("supernet_minutes", "mean"),
    )
    return means.reset_index().sort_values(["data", "network", "start", "epochs"]).round(3)


def over_time_figure(path: Path, table: pd.DataFrame) -> None:
    """Draw the table of :func:`over_time_table`, a panel per data set; a second line includes the supernet's minutes."""
    groups = table.groupby("data", sort=False)
    figure = Figure(figsize=(7.5, 4.5 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
    for axis, (name, part) in zip(axes, groups, strict=True):
        for color, ((network, start), runs) in enumerate(part.groupby(["network", "start"])):
            label = f"{network}, from {'its supernet' if start == 'supernet' else 'scratch'}"
            style = {"color": f"C{color}", "capsize": 3, "yerr": runs.spread.fillna(0)}
            axis.errorbar(runs.minutes, runs.nme, fmt="o-", label=label, **style)
            if start == "supernet":
                minutes = runs.minutes + runs.supernet_minutes
                axis.errorbar(minutes, runs.nme, fmt="o--", label=f"{label}, search included", **style)
            for x, y, epochs in zip(runs.minutes, runs.nme, runs.epochs, strict=True):
                axis.annotate(f"{epochs}", (x, y), (4, 4), textcoords="offset points", fontsize=8, color=f"C{color}")
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("training time on one core, minutes (numbers at the points: epochs)")
        axis.set_ylabel(f"NME on the test set of {name}, %")
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
    write_figure(path, figure, 120)
