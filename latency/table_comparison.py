"""Compare two latency tables: rank correlation of their blocks, and blocks on which they disagree."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from ..search_space.errors import InputError
from .table import LookupTable

FEWEST_ROWS = 3
OUTLIER = 3.0
"""A row is an outlier if the logarithm of its ratio is off by more than this many robust standard deviations."""

LEAST_DEVIATION = 0.01
"""Lower limit of the standard deviation, so that rounding does not create outliers."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of the blocks that two tables have in common.

    Attributes
    ----------
    rows
        A row per common block whose latency is above 0 in both: ``block``, ``a_us``, ``b_us``, ``factor`` (the ratio b / a,
        divided by the median ratio) and ``outlier``; the largest deviation comes first.
    kendall_tau
        Rank correlation of these latencies.
    median_ratio
        Median ratio of the latency in b to that in a.
    only_a, only_b
        Number of rows that only this table has.
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
            f"at least {FEWEST_ROWS} are needed"
        )
    frame = pd.DataFrame([(str(key), a.rows[key], b.rows[key]) for key in common], columns=["block", "a_us", "b_us"])
    ratio = frame["b_us"] / frame["a_us"]
    deviation = np.log(ratio / ratio.median())
    frame["factor"] = np.exp(deviation)
    frame["outlier"] = deviation.abs() > OUTLIER * max(1.4826 * deviation.abs().median(), LEAST_DEVIATION)
    frame = frame.loc[deviation.abs().sort_values(ascending=False).index].reset_index(drop=True)
    tau = float(kendalltau(frame["a_us"], frame["b_us"]).statistic)
    return Comparison(frame, tau, float(ratio.median()), len(a.rows.keys() - b.rows.keys()), len(b.rows.keys() - a.rows.keys()))
