"""The latency model of Cortex-A53 boards, fitted to published whole-network figures.

``published.csv`` holds published latencies, ``networks.csv`` the layers of these networks. A network takes the sum of its
layers, and a layer takes, in cycles::

    board scale * (c_kind * MACs + a_kind * elements + e_kind * elements if the layer exceeds the caches + w * weights)

with elements = inputs + outputs. Every coefficient is 0 or more, so that a larger layer never takes less time. The fit
minimises the mean absolute relative error (a linear programme), and alternates between the coefficients and one scale per
board. Absolute errors, unlike squares, keep a few outliers among the published figures from drawing the rest towards them. Only
ncnn's 32-bit figures are fitted.

The model has no constant per layer, because these networks cannot tell it from the other terms. It would not lower the error on
held-out networks, and its value would lie anywhere from 0 to 0.1 ms per layer, depending on how the other terms are grouped. A
small subnet of 45 layers would then consist of little else.

The error on held-out networks decided which kinds share a coefficient and where the caches end. That error is therefore
optimistic: with caches that end at 2**20 bytes it is 11 instead of 7 % (1 thread), 10 instead of 8 % (4 threads).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linprog

from ...search_space.errors import InputError
from .kept import cached_copies
from .lower import Layer

HERE = Path(__file__).parent
THREADS = (1, 4)
DEVICE = "Qualcomm Snapdragon 625 (MSM8953), Cortex-A53"
CLOCK_GHZ = 2.0
ENGINE = "ncnn"
PRECISION = "fp32"
SIBLING = "Qualcomm QRB2210 (QCM2290)"
"""The board whose scale stands for the Snapdragon 625: the one with the same core, maker and clock."""

CACHE_BYTES = 1_000_000
"""Maps and weights larger than this are assumed to come from memory. Chosen by the error on held-out networks; it is near the
1 MB of the boards' largest level-2 caches."""

# layer kind -> name of the coefficient that it shares; a kind that is not listed has none
MACS = {"stem": "conv", "ckk": "conv", "gconv": "conv", "c3s1": "winograd", "pw": "pw", "fc": "pw", "dw3": "dw3", "dw5": "dw5"}
ELEMENTS = {
    "stem": "conv",
    "ckk": "conv",
    "gconv": "conv",
    "c3s1": "conv",
    "pw": "pw",
    "fc": "pw",
    "dw3": "conv",
    "dw5": "conv",
    "pool": "map",
    "elt": "map",
    "mov": "mov",
    "swish": "map",
}
EXCEEDING = {"gconv": "gconv", "c3s1": "winograd", "dw3": "map", "dw5": "map", "pool": "map", "elt": "map", "swish": "swish"}

Floats = NDArray[np.float64]

_ROUNDS = 8
"""Alternations between fitting the coefficients and the scales."""


@dataclass(frozen=True)
class Fit:
    """Coefficients in cycles per unit, and the scale of each board (mean 1 on a logarithmic scale)."""

    coefficients: pd.Series
    scales: pd.Series

    def us(self, layers: Sequence[Layer]) -> float:
        """Modelled latency of ``layers`` on the Snapdragon 625, in microseconds."""
        return self.us_of_work(work_of(layers))

    def us_of_work(self, work: pd.Series) -> float:
        """Modelled latency of the sum of some layers' :func:`features`, in microseconds."""
        return float(work @ self.coefficients * self.scales[SIBLING] / (CLOCK_GHZ * 1e3))


def work_of(layers: Sequence[Layer]) -> pd.Series:
    """Sum of the :func:`features` of ``layers``."""
    work: pd.Series = features(as_frame(layers)).sum()
    return work


def as_frame(layers: Sequence[Layer]) -> pd.DataFrame:
    """A row per layer, as in ``networks.csv``."""
    columns = [field.name for field in fields(Layer)]
    frame: pd.DataFrame = pd.DataFrame([asdict(layer) for layer in layers], columns=columns)
    return frame


def features(layers: pd.DataFrame) -> pd.DataFrame:
    """Quantities that a layer is charged for: a row per layer, a column per coefficient."""
    elements = layers["elements_in"] + layers["elements_out"]
    exceeds = 4 * (elements + layers["weights"]) > CACHE_BYTES
    parts = [("macs", MACS, layers["macs"]), ("elements", ELEMENTS, elements), ("exceeding", EXCEEDING, elements * exceeds)]
    columns = {
        f"{what} {name}": amount.where(layers["kind"].map(names) == name, 0.0)
        for what, names, amount in parts
        for name in dict.fromkeys(names.values())
    }
    charged: pd.DataFrame = pd.DataFrame(columns | {"weights": layers["weights"]}, dtype=float)
    return charged


@cached_copies
def networks() -> pd.DataFrame:
    """Layers of the networks with published figures, one row each."""
    layers: pd.DataFrame = pd.read_csv(HERE / "networks.csv")
    return layers


@cached_copies
def published() -> pd.DataFrame:
    """Published 32-bit figures, one row each: board, engine, threads, network, latency in milliseconds."""
    every: pd.DataFrame = pd.read_csv(HERE / "published.csv")
    figures: pd.DataFrame = every[every["precision"] == PRECISION]
    return figures


def fit_data(threads: int) -> pd.DataFrame:
    """The fitted figures: ncnn's, at ``threads`` threads, for networks whose layers are known.

    Raises
    ------
    InputError
        If there is no fit for this number of threads.
    """
    if threads not in THREADS:
        raise InputError(f"threads is {threads}; allowed: {', '.join(map(str, THREADS))}; others have no published figures")
    every = published()
    figures: pd.DataFrame = every[
        (every["engine"] == ENGINE) & (every["threads"] == threads) & every["model"].isin(networks()["network"])
    ]
    return figures


@cached_copies
def fit(threads: int, network: str | None = None, board: str | None = None) -> Fit:
    """Fit the model at ``threads`` threads to all figures except those of ``network`` and of ``board``.

    Raises
    ------
    InputError
        If there is no fit for this number of threads.
    """
    figures = fit_data(threads)
    return solve(figures[(figures["model"] != network) & (figures["soc"] != board)], network_work())


def modelled_ms(model: Fit, figures: pd.DataFrame) -> pd.Series:
    """Modelled latency in milliseconds for each published figure, on its board; a board that was not fitted has scale 1."""
    work = network_work().loc[figures["model"]]
    cycles = work.to_numpy() @ model.coefficients.to_numpy() * figures["soc"].map(model.scales).fillna(1.0).to_numpy()
    ms: pd.Series = pd.Series(cycles / (figures["clock_ghz"].to_numpy() * 1e6), figures.index)
    return ms


@cached_copies
def network_work() -> pd.DataFrame:
    """Sum of the features of each network: a row per network."""
    layers = networks()
    work: pd.DataFrame = features(layers).groupby(layers["network"]).sum()
    return work


def solve(figures: pd.DataFrame, network_work: pd.DataFrame) -> Fit:
    """Find coefficients and scales with the least mean absolute relative error.

    Parameters
    ----------
    figures
        A row per published figure: ``model``, ``soc`` (the board), ``clock_ghz``, ``latency_ms``.
    network_work
        A row of :func:`features` sums per network.
    """
    cycles = (figures["latency_ms"] * figures["clock_ghz"] * 1e6).to_numpy()
    relative = network_work.loc[figures["model"]].to_numpy() / cycles[:, None]
    board, names = pd.factorize(figures["soc"])
    scales = np.ones(len(names))
    for _ in range(_ROUNDS):
        # the coefficients under these scales, then each board's scale under these coefficients
        coefficients = _least_deviations(relative * scales[board][:, None])
        ratio = relative @ coefficients
        scales = np.array([best_scale(ratio[board == i]) for i in range(len(names))])
        # the two are known up to a common factor: keep the scales' geometric mean at 1
        level = np.exp(np.log(scales).mean())
        scales, coefficients = scales / level, coefficients * level
    return Fit(pd.Series(coefficients, network_work.columns), pd.Series(scales, names))


def _least_deviations(relative: Floats) -> Floats:
    """Return x >= 0 (F,) with the least sum of ``|relative @ x - 1|``, ``relative`` (N, F).

    As a linear programme: the unknowns are x and each figure's deviation above and below 1.
    """
    count, features = relative.shape
    unit = np.maximum(relative.max(axis=0), np.finfo(float).tiny)  # columns of one size, for the solver's tolerances
    above, below = -np.eye(count), np.eye(count)
    found = linprog(
        np.repeat([0.0, 1.0], [features, 2 * count]),
        A_eq=np.hstack([relative / unit, above, below]),
        b_eq=np.ones(count),
        method="highs",
    )
    solution: Floats = found.x[:features] / unit
    return solution


def best_scale(ratio: Floats) -> float:
    """Return the s > 0 with the least sum of ``|s * ratio - 1|``: a weighted median of ``1 / ratio``."""
    ratio = np.sort(ratio)[::-1]
    return float(1 / ratio[np.searchsorted(ratio.cumsum(), ratio.sum() / 2)])
