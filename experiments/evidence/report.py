"""What the results say: rank correlations, regrets, and the comparison of searches, as tables and a picture."""

from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import kendalltau

from ...strategies import NEAR
from ..pictures import write_figure
from .sample import BUDGETS, PER_BUDGET


def truth(subnets: pd.DataFrame) -> pd.DataFrame:
    """A row per subnet of the sample: its NME on the test set, the mean of all seeds, and what it costs."""
    return subnets.groupby("subnet").agg({"test_nme": "mean", "us": "first", "macs": "first", "parameters": "first"})


def levels(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """The subnets of each budget: those of nearly equal cost."""
    return [frame[frame.us.between(NEAR * budget, budget)] for budget in BUDGETS]


def rank_correlation(score: pd.Series, frame: pd.DataFrame) -> dict[str, float]:
    """Kendall's tau of a score (lower is better) with the true NME: over the sample, and within each budget, on average."""
    inside = [kendalltau(score[level.index], level.test_nme).statistic for level in levels(frame)]
    return {"tau": kendalltau(score[frame.index], frame.test_nme).statistic, "tau_equal_cost": float(np.mean(inside))}


def correlations(scores: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of every supernet's score, and of what is known without any training, with the true NME."""
    rows = [{"score": f"supernet {method}", "seed": seed, **rank_correlation(part.set_index("subnet").nme, frame)}
            for (method, seed), part in scores.groupby(["method", "seed"])]
    rows += [{"score": name, "seed": "", **rank_correlation(-frame[name], frame)} for name in ("macs", "parameters", "us")]
    return pd.DataFrame(rows)


def best_of(nmes: list[float], k: int) -> float:
    """Expected lowest of ``k`` of these values, drawn without putting back: by the order statistics."""
    ordered, n = sorted(nmes), len(nmes)
    return sum(value * comb(n - 1 - i, k - 1) for i, value in enumerate(ordered)) / comb(n, k)


def regrets(choices: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Per choice: its NME from scratch less the best of the sample within its budget, and beside random subnets of its cost."""
    rows = []
    for row in choices.to_dict("records"):
        equal = frame[frame.us.between(NEAR * row["budget"], row["budget"])].test_nme.tolist()
        within = frame[frame.us <= row["budget"]].test_nme
        rows.append({"method": row["method"], "seed": row["seed"], "budget": row["budget"], "us": row["us"],
                     "nme": row["test_nme"], "regret": row["test_nme"] - within.min(),
                     **{f"random_best_of_{k}": best_of(equal, min(k, len(equal))) for k in (1, 4, PER_BUDGET)}})
    return pd.DataFrame(rows)


def spreads(blocks: pd.DataFrame) -> pd.DataFrame:
    """Standard deviation of the NME over the blocks of a layer: a row per supernet, a column per layer."""
    return blocks.groupby(["method", "seed", "layer"]).nme.std(ddof=0).unstack()


def picture(path: Path, scores: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Draw true NME against the score of each method's first supernet, and against MACs and parameters."""
    methods = list(scores.method.unique())
    figure = Figure(figsize=(3.6 * (len(methods) + 2), 3.6), layout="constrained")
    axes = figure.subplots(1, len(methods) + 2, sharey=True)
    panels: list[tuple[str, Any]] = [
        (f"NME in supernet {method}, %", scores[(scores.method == method) & (scores.seed == scores.seed.min())]
         .set_index("subnet").nme) for method in methods]
    panels += [("M MACs", frame.macs / 1e6), ("thousand parameters", frame.parameters / 1e3)]
    for axis, (name, values) in zip(axes, panels, strict=True):
        drawn = axis.scatter(values[frame.index], frame.test_nme, c=frame.us, s=18)
        axis.set_xlabel(name)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("NME from scratch, test set, %")
    figure.colorbar(drawn, ax=axes[-1], label="latency, us")
    write_figure(path, figure, 110)
