"""Two tables beside each other: do they rank blocks alike, and which blocks do they disagree on?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from ..search_space.errors import InputError
from .table import LookupTable

FEWEST_ROWS = 3
OUTLIER = 3.0
"""Robust standard deviations of the ratio's logarithm from which a row is an outlier."""

LEAST_DEVIATION = 0.01
"""Lower limit of the standard deviation, so that rounding makes no outliers."""


@dataclass(frozen=True)
class Comparison:
    """What two tables say of the same blocks.

    Attributes
    ----------
    rows
        A row per common block that takes time in both: ``block``, ``a_us``, ``b_us``, ``factor`` (b over a, over the median of
        that) and ``outlier``; furthest factor first.
    kendall_tau
        Rank correlation of the rows.
    median_ratio
        Latency in b over latency in a.
    only_a, only_b
        Numbers of rows that the other table does not have.
    """

    rows: pd.DataFrame
    kendall_tau: float
    median_ratio: float
    only_a: int
    only_b: int


def compare(a: LookupTable, b: LookupTable) -> Comparison:
    """Compare the rows that both tables have.

    Raises
    ------
    InputError
        If they have fewer than three in common.
    """
    common = [key for key in sorted(a.rows.keys() & b.rows.keys()) if a.rows[key] > 0 and b.rows[key] > 0]
    if len(common) < FEWEST_ROWS:
        raise InputError(
            f"tables {a.file or a.name} and {b.file or b.name} have {len(common)} rows in common; "
            f"allowed: {FEWEST_ROWS} or more"
        )
    frame = pd.DataFrame([(str(key), a.rows[key], b.rows[key]) for key in common], columns=["block", "a_us", "b_us"])
    ratio = frame["b_us"] / frame["a_us"]
    deviation = np.log(ratio / ratio.median())
    frame["factor"] = np.exp(deviation)
    frame["outlier"] = deviation.abs() > OUTLIER * max(1.4826 * deviation.abs().median(), LEAST_DEVIATION)
    frame = frame.loc[deviation.abs().sort_values(ascending=False).index].reset_index(drop=True)
    tau = float(kendalltau(frame["a_us"], frame["b_us"]).statistic)
    return Comparison(frame, tau, float(ratio.median()), len(a.rows.keys() - b.rows.keys()), len(b.rows.keys() - a.rows.keys()))
