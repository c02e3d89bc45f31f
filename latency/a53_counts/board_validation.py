"""Validation of the model of counted runs: its errors on held-out networks and boards, and on other chips' figures.

Settings are chosen without the held-out network, by the error on the other networks, which are held out in folds.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from ...search_space.progress import Track, silent
from ..a53_model.fit import SIBLING, THREADS, best_scale, published
from ..a53_model.kept import cached_copies
from ..a53_model.validate import PADDLE_ENGINE, REFERENCE_US, left_out_networks, reference_subnets_us
from ..table import LookupTable, network_name
from .board_fit import CANDIDATES, BoardModel, Floats, Settings, board_fit, figures, modelled_cycles, solve_boards
from .recorded import recorded

FOLDS = 5
PRECISIONS = ("fp32", "int8")
LARGEST_LINE = 100.0
"""Upper limit of the cycles per line from memory."""

PADDLE_NETWORKS = {
    "MobileNetV1": "mobilenet",
    "MobileNetV2": "torchvision_mobilenet_v2",
    "MobileNetV3_large_x1_0": "torchvision_mobilenet_v3_large",
    "MobileNetV3_small_x1_0": "torchvision_mobilenet_v3_small",
    "ResNet50": "torchvision_resnet50",
}
"""Paddle-Lite's name -> recorded network."""


def network_percent(rows: pd.DataFrame, error: str = "error") -> float:
    """Error of the networks' costs, in percent: mean over networks of the absolute mean error over a network's boards.

    ``error`` names the column of relative errors.
    """
    return float(100 * rows.groupby("model")[error].mean().abs().mean())


def figure_percent(rows: pd.DataFrame, error: str = "error", by: str = "model") -> float:
    """Mean absolute relative error of a single figure in percent, averaged over networks (or boards); boards add to it."""
    return float(100 * rows[error].abs().groupby(rows[by]).mean().mean())


def of_kind(rows: pd.DataFrame, precision: str, threads: int) -> pd.DataFrame:
    """Select the figures of one precision and number of threads."""
    chosen: pd.DataFrame = rows[(rows["precision"] == precision) & (rows["threads"] == threads)]
    return chosen


def settings_without(network: str | None) -> Settings:
    """Choose the settings with the least error on networks held out in folds, without ``network``."""
    rows = figures()
    rows = rows[rows["model"] != network]
    names = sorted(rows["model"].unique())
    folds = [names[i::FOLDS] for i in range(FOLDS)]

    def error(candidate: Settings) -> float:
        found = []
        for fold in folds:
            test = rows[rows["model"].isin(fold)]
            model = solve_boards(rows[~rows["model"].isin(fold)], recorded(), candidate)
            found.append(_with_errors(test, model))
        return network_percent(pd.concat(found).assign(model=lambda frame: frame["model"] + frame["threads"].astype(str)))

    return min(CANDIDATES, key=error)


def held_out_networks(track: Track = silent) -> pd.DataFrame:
    """Each figure with the relative ``error`` of a model whose fit and settings did not use the figure's network.

    ``level_2_kb`` and ``hides`` are the settings.
    """
    networks = sorted(figures()["model"].unique())
    frame: pd.DataFrame = pd.concat([_held_out(str(network)) for network in track(networks, "networks held out")])
    return frame


@cached_copies
def _held_out(network: str) -> pd.DataFrame:
    settings = settings_without(network)
    rows = figures()
    found = _with_errors(rows[rows["model"] == network], board_fit(settings, without=network))
    frame: pd.DataFrame = found.assign(level_2_kb=settings.level_2_kb, hides=settings.hides)
    return frame


def _with_errors(rows: pd.DataFrame, model: BoardModel) -> pd.DataFrame:
    cycles = modelled_cycles(model, rows)
    frame: pd.DataFrame = rows.assign(error=cycles / (rows["latency_ms"] * rows["clock_ghz"] * 1e6) - 1)
    return frame


@cached_copies
def held_out_boards() -> pd.DataFrame:
    """Each figure with the relative ``error`` of a model that held out its board.

    Only the board's scale and line are fitted to its figures, the other numbers to those of the other boards.
    """
    rows = figures()
    found = []
    for board in sorted(rows["soc"].unique()):
        own = rows[rows["soc"] == board]
        model = board_fit(without_board=str(board))
        measured = (own["latency_ms"] * own["clock_ghz"] * 1e6).to_numpy()

        def scaled(line: float, own: pd.DataFrame = own, model: BoardModel = model, measured: Floats = measured) -> Floats:
            """Ratio of modelled to measured cycles with this cost of a line and its best scale."""
            boards = pd.DataFrame({"scale": [1.0], "line": [line]}, ["own"])
            ratio = modelled_cycles(replace(model, boards=boards), own, ["own"] * len(own)) / measured
            return best_scale(ratio) * ratio

        best = minimize_scalar(lambda line: np.abs(scaled(line) - 1).mean(), bounds=(0.0, LARGEST_LINE), method="bounded")
        found.append(own.assign(error=scaled(float(best.x)) - 1))
    frame: pd.DataFrame = pd.concat(found)
    return frame


@cached_copies
def layer_model_errors() -> pd.DataFrame:
    """Errors of the layer model on the same fp32 figures, each from a fit without its network."""
    found = [left_out_networks(threads) for threads in THREADS]
    rows = pd.concat([each.assign(error=each["modelled_ms"] / each["latency_ms"] - 1) for each in found])
    known = figures()[["model", "threads", "soc"]].drop_duplicates()
    same: pd.DataFrame = rows.merge(known, on=["model", "threads", "soc"])
    return same


def board_report(track: Track = silent) -> dict[str, Any]:
    """Report the model's errors as plain data, in percent.

    Returns
    -------
    dict
        ``held_out``: by precision and threads ``figures``, ``networks``, ``network_percent`` and ``figure_percent`` (see these
        functions); for fp32 also ``layer_model_network_percent`` and ``layer_model_figure_percent``, the layer model's on
        the same figures. ``networks``: signed error of each network by threads. ``boards``: by precision and threads, the mean
        error of a figure on a held-out board with known scale and memory. ``numbers``: the fitted numbers. ``paddle``:
        Paddle-Lite's figures for this chip and the model's latency of ncnn's code, 1 thread, in microseconds. ``reference``: by
        threads, the latencies of the reference's two networks in the shipped table, in microseconds, and the ratio of the
        baseline to the median subnet of the reference subnet's size. The last two were never fitted.
    """
    rows, boards, layers = held_out_networks(track), held_out_boards(), layer_model_errors()
    held_out: dict[str, dict[int, dict[str, Any]]] = {}
    by_board: dict[str, dict[int, float]] = {}
    for precision in PRECISIONS:
        held_out[precision], by_board[precision] = {}, {}
        for threads in THREADS:
            chosen = of_kind(rows, precision, threads)
            entry: dict[str, Any] = {
                "figures": len(chosen),
                "networks": int(chosen["model"].nunique()),
                "network_percent": network_percent(chosen),
                "figure_percent": figure_percent(chosen),
            }
            if precision == "fp32":
                same = of_kind(layers, precision, threads)
                entry["layer_model_network_percent"] = network_percent(same)
                entry["layer_model_figure_percent"] = figure_percent(same)
            held_out[precision][threads] = entry
            by_board[precision][threads] = figure_percent(of_kind(boards, precision, threads), by="soc")
    errors = rows.groupby(["model", "threads"])["error"].mean().unstack() * 100
    model = board_fit()
    return {
        "held_out": held_out,
        "networks": {str(name): {int(t): float(v) for t, v in row.dropna().items()} for name, row in errors.iterrows()},
        "boards": by_board,
        "numbers": {
            "core_cycles": dict(zip(("in_order", "jump", "stream", "store", "start"), model.core.tolist(), strict=True)),
            "line_alone": model.line_alone,
            "hidden": model.hidden,
            "boards": model.boards.to_dict("index"),
            "chip": SIBLING,
        },
        "paddle": _paddle(model),
        "reference": {threads: _reference(threads) for threads in THREADS},
    }


def _reference(threads: int) -> dict[str, Any]:
    table = LookupTable.load(f"snapdragon625-{threads}t")
    subnets = reference_subnets_us(table.row)
    baseline = table.networks_us[network_name("pfld_lite", 106, 112)]
    return {
        "baseline": {"published_us": REFERENCE_US["baseline"], "modelled_us": baseline},
        "subnet": {"published_us": REFERENCE_US["subnet"], "modelled_us": (float(subnets.min()), float(subnets.max()))},
        "ratio": {
            "published": REFERENCE_US["baseline"] / REFERENCE_US["subnet"],
            "modelled": baseline / float(np.median(subnets)),
        },
    }


def _paddle(model: BoardModel) -> dict[str, dict[str, float]]:
    rows = published()
    us = rows[rows["engine"] == PADDLE_ENGINE].set_index("model")["latency_ms"] * 1e3
    counts = recorded()
    return {
        name: {"published_us": float(us[name]), "modelled_us": model.us(counts[network, 1], 1)}
        for name, network in PADDLE_NETWORKS.items()
        if (network, 1) in counts
    }
