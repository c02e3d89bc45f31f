"""Uncertainty of the modelled latency of each kind of block, estimated from the errors on held-out networks.

A block consists of families of layers (1x1 convolutions, depthwise ones, ...). The error of a family is the root mean square of
the errors on held-out networks, each weighted by the share of its time that the model gives to the family. The uncertainty of a
block is the root of the sum of two squares: the mean of its families' errors, weighted by their share of its time, and the
jackknife's standard error of its own latency over the held-out networks. It does not include the scale of the chip itself,
which is common to all blocks.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ...search_space.signature import Signature
from .fit import as_frame, features, fit, networks
from .modelled import block_layers, block_us, block_work
from .validate import left_out_networks

LAYER_FAMILIES = {
    "stem": "full",
    "ckk": "full",
    "gconv": "full",
    "c3s1": "full",
    "pw": "pointwise",
    "fc": "pointwise",
    "dw3": "depthwise",
    "dw5": "depthwise",
}
"""Layer kind -> family; every other kind only moves or adds maps, and belongs to :data:`OTHER`."""

OTHER = "map"


def uncertainty_percent(signatures: Iterable[Signature], threads: int) -> dict[str, float]:
    """Uncertainty (one standard deviation) of each block's or part's latency, in percent: the mean over its positions.

    A block that takes no time anywhere, such as an identity, is skipped.
    """
    errors = _family_errors(threads)
    found: dict[str, list[float]] = {}
    for signature in signatures:
        if us := block_us(signature, threads):
            layers = as_frame(block_layers(signature))
            families = float(np.asarray(_shares(layers, threads) @ errors))
            found.setdefault(signature.op, []).append(100 * np.hypot(families, _jackknife(signature, us, threads)))
    return {op: round(float(np.mean(each)), 1) for op, each in sorted(found.items())}


def _shares(layers: pd.DataFrame, threads: int) -> pd.Series:
    """Share of each family in the modelled time of ``layers``."""
    cycles = features(layers) @ fit(threads).coefficients
    shares = cycles.groupby(layers["kind"].map(LAYER_FAMILIES).fillna(OTHER)).sum() / cycles.sum()
    return shares.reindex([*dict.fromkeys(LAYER_FAMILIES.values()), OTHER], fill_value=0.0)


def _family_errors(threads: int) -> pd.Series:
    """Root mean square of the relative errors on held-out networks, weighted by each family's share of their time."""
    unseen = left_out_networks(threads)
    squares = ((unseen["modelled_ms"] / unseen["latency_ms"] - 1) ** 2).groupby(unseen["model"]).mean()
    shares = pd.DataFrame({name: _shares(layers, threads) for name, layers in networks().groupby("network")})[squares.index]
    errors: pd.Series = ((shares @ squares) / shares.sum(axis=1)) ** 0.5
    return errors


def _jackknife(signature: Signature, us: float, threads: int) -> float:
    """Relative standard error of a block's latency, from the fits that hold out one network each."""
    names = left_out_networks(threads)["model"].unique()
    each = np.array([fit(threads, network=name).us_of_work(block_work(signature)) for name in names])
    return float(np.sqrt((len(each) - 1) * each.var()) / us)
