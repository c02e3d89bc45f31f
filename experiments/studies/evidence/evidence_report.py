"""Tables of the evidence experiment's results."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ....search_space.errors import check_name
from ..results import Records
from .alone import BUDGETS, EPOCHS
from .figures import correlation_figure, minutes_figure
from .sample import PER_BUDGET
from .statistics import best_of, ceiling, levels, rank_correlation
from .supernets import KEYS

FILES = ("alone", "supernets", "scores", "blocks", "choices", "finetuning", "inherited")

UNTRAINED = {"MACs": "macs", "parameters": "parameters", "latency": "us"}
"""Score -> column: properties of a subnet that need no training; more counts as better."""

FASTEST = 0
"""Number of the fastest subnet in the sample."""

Frames = Mapping[str, pd.DataFrame]


def truth_of(alone: pd.DataFrame) -> pd.DataFrame:
    """A row per subnet of the sample: its NME on the test set after training alone (mean of all seeds), latency and size."""
    return alone.groupby("subnet").agg({"test_nme": "mean", "us": "first", "macs": "first", "parameters": "first"})


def noise(frames: Frames, budgets: Sequence[float]) -> pd.DataFrame:
    """Rank correlation between the two trainings of the sample's subnets; no row if there is only one seed.

    ``best_possible`` is the upper limit for a score that is compared with the mean of both.
    """
    alone = frames["alone"]
    by_seed = alone.pivot(index="subnet", columns="seed", values="test_nme").dropna()
    if by_seed.shape[1] < 2 or by_seed.empty:
        return pd.DataFrame()
    first, second = (by_seed[seed] for seed in sorted(by_seed)[:2])
    truth = truth_of(alone).loc[by_seed.index].assign(test_nme=first)
    found = rank_correlation(second, truth, budgets)
    return pd.DataFrame(
        [
            {
                "subnets": len(by_seed),
                "mean_difference": (first - second).abs().mean(),
                **found,
                "best_possible": ceiling(found["tau"]),
                "best_possible_equal": ceiling(found["tau_equal"]),
            }
        ]
    )


def correlations(frames: Frames, budgets: Sequence[float]) -> pd.DataFrame:
    """Rank correlation of every supernet's score, and of properties that need no training, with the truth."""
    truth = truth_of(frames["alone"])
    rows = [
        {"score": f"supernet, {method}", "epochs": epochs, "seed": seed, **rank_correlation(part.held_out_nme, truth, budgets)}
        for (_, method, epochs, seed), part in complete(frames)
    ]
    rows += [
        {"score": name, "epochs": "", "seed": "", **rank_correlation(-truth[column], truth, budgets)}
        for name, column in UNTRAINED.items()
    ]
    return pd.DataFrame([*rows, {"score": "random choice", "epochs": "", "seed": "", "tau": 0.0, "tau_equal": 0.0}])


def finetuned_truths(frames: Frames) -> dict[tuple, pd.DataFrame]:
    """Supernet -> a row per subnet of the sample, as in :func:`truth_of`, with its NME after finetuning from that supernet."""
    alone = truth_of(frames["alone"])
    truths = {
        key: alone.assign(test_nme=part.set_index("subnet").test_nme) for key, part in frames["inherited"].groupby(list(KEYS))
    }
    return {key: truth for key, truth in truths.items() if truth.test_nme.notna().all()}


def inherited(frames: Frames, budgets: Sequence[float]) -> pd.DataFrame:
    """Rank correlation of scores with the NME after finetuning from a supernet."""
    alone, sampled, rows = truth_of(frames["alone"]), dict(complete(frames)), []
    for key, truth in finetuned_truths(frames).items():
        scores = {"alone": alone.test_nme, **{name: -alone[column] for name, column in UNTRAINED.items()}}
        if key in sampled:
            scores = {"supernet, as it is": sampled[key].held_out_nme, **scores}
        rows += [
            {
                **dict(zip(KEYS, key, strict=True)),
                "score": name,
                "finetuned": truth.test_nme.mean(),
                **rank_correlation(score, truth, budgets),
            }
            for name, score in scores.items()
        ]
    return pd.DataFrame(rows)


def ratios(frames: Frames, budgets: Sequence[float]) -> pd.DataFrame:
    """Per supernet, the sample's NME with its weights over the NME alone, and the mean NME of subnets spread over the space."""
    truth, rows = truth_of(frames["alone"]), []
    for key, part in complete(frames):
        sampled = part.test_nme[truth.index]
        others = frames["scores"].set_index(list(KEYS)).sort_index().loc[[key]].query("part == 'spread'").test_nme
        rows.append(
            {
                **dict(zip(KEYS, key, strict=True)),
                "as_it_is": sampled.mean(),
                "alone": truth.test_nme.mean(),
                "ratio": sampled.mean() / truth.test_nme.mean(),
                "ratio_of_fastest": sampled[FASTEST] / truth.test_nme[FASTEST],
                "spread_subnets": len(others),
                "spread_as_it_is": others.mean(),
                "spread_worst": others.max(),
            }
        )
    return pd.DataFrame(rows)


def complete(frames: Frames) -> list[tuple[tuple, pd.DataFrame]]:
    """Supernets that have rated the whole sample: key, and a row per subnet."""
    if "scores" not in frames:
        return []
    wanted = set(frames["alone"].subnet)
    sampled = frames["scores"].query("part == 'sample'").groupby(list(KEYS))
    return [(key, part.set_index("subnet")) for key, part in sampled if wanted <= set(part.subnet)]


def beside_random(nme: float, frame: pd.DataFrame, budget: float) -> dict[str, float]:
    """NME of a choice, its difference from the sample's best within the budget, and the random subnets' mean and best there."""
    equal = [nme for level in levels(frame, [budget]) for nme in level.test_nme]
    found = {"nme": nme, "regret": nme - frame[frame.us <= budget].test_nme.min()}
    if equal:
        found |= {
            "random": sum(equal) / len(equal),
            f"random_best_of_{PER_BUDGET}": best_of(equal, min(PER_BUDGET, len(equal))),
        }
    return found


def other_seeds_best(alone: pd.DataFrame, budget: float) -> float:
    """NME of a budget's best random subnet, chosen by one seed's trainings and read from another's; nan with one seed.

    Noise biases the best of several figures. This figure is unbiased, so it shows the result of choosing by training.
    """
    by_seed = alone.pivot(index="subnet", columns="seed", values="test_nme").dropna()
    equal = [by_seed.loc[by_seed.index.intersection(level.index)] for level in levels(truth_of(alone), [budget])]
    read = [
        level.loc[level[chosen].idxmin(), other]
        for level in equal
        if len(level)
        for chosen in level
        for other in level
        if other != chosen
    ]
    return sum(read) / len(read) if read else float("nan")


def regrets(frames: Frames, budgets: Sequence[float]) -> pd.DataFrame:
    """Per choice, the mean NME of its trainings alone, compared with the sample's."""
    alone = frames["alone"]
    return pd.DataFrame(
        [
            {
                **choice,
                **beside_random(part.alone_nme.mean(), truth_of(alone), choice["budget"]),
                "other_seeds_best": other_seeds_best(alone, choice["budget"]),
            }
            for choice, part in chosen(frames)
        ]
    )


def regrets_as_they_are(frames: Frames, budgets: Sequence[float]) -> pd.DataFrame:
    """Per choice, its NME in its supernet, compared with the sample's there."""
    sampled = dict(complete(frames))
    return pd.DataFrame(
        [
            {**choice, **beside_random(part.test_nme.iloc[0], sampled[key], choice["budget"])}
            for choice, part in chosen(frames)
            if (key := tuple(choice[name] for name in KEYS)) in sampled
        ]
    )


def regrets_finetuned(frames: Frames, budgets: Sequence[float]) -> pd.DataFrame:
    """Per choice of a front, its NME after finetuning from its supernet, compared with the sample's."""
    truths, rows = finetuned_truths(frames), []
    trained = frames["finetuning"].rename(columns={"epochs": "length", "supernet_epochs": "epochs"})
    for row in trained[(trained.length == EPOCHS) & trained.budget.isin(budgets)].to_dict("records"):
        key = tuple(row[name] for name in KEYS)
        if key in truths:
            rows.append(
                {
                    **dict(zip(KEYS, key, strict=True)),
                    "budget": row["budget"],
                    **beside_random(row["test_nme"], truths[key], row["budget"]),
                }
            )
    return pd.DataFrame(rows)


def chosen(frames: Frames) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Choices with their keys and latencies, and a row per training of each alone."""
    names = [*KEYS, "budget", "choice"]
    return [
        ({**dict(zip(names, key, strict=True)), "us": part.us.iloc[0]}, part) for key, part in frames["choices"].groupby(names)
    ]


def finetuning(frames: Frames, budgets: Sequence[float]) -> pd.DataFrame:
    """Mean NME over seeds after each number of finetuning epochs, a row per budget."""
    index = ["space", "method", "supernet_epochs", "budget"]
    return frames["finetuning"].pivot_table(index=index, columns="epochs", values="test_nme").reset_index()


def spreads(frames: Frames, budgets: Sequence[float]) -> pd.DataFrame:
    """Standard deviation of the NME over the blocks of a layer: a row per supernet, a column per layer."""
    return frames["blocks"].groupby([*KEYS, "layer"], sort=False).nme.std(ddof=0).unstack(sort=False).reset_index()


def minutes(frames: Frames, budgets: Sequence[float]) -> pd.DataFrame:
    """Training time of each supernet."""
    trained = frames["supernets"]
    return trained[[*KEYS]].assign(minutes=trained.seconds / 60, cpu_minutes=trained.cpu_seconds / 60)


TABLES: Mapping[str, tuple[str, Sequence[str], Callable[[Frames, Sequence[float]], pd.DataFrame]]] = {
    "noise": ("subnets trained alone: Kendall tau between the NMEs of the first and of the second seed", ["alone"], noise),
    "correlations": ("Kendall tau with the NME alone, mean of the seeds", ["alone"], correlations),
    "inherited": ("Kendall tau with the NME after finetuning from the supernet", ["alone", "scores", "inherited"], inherited),
    "ratios": ("NME with the supernet's weights, not finetuned, over the NME alone", ["alone", "scores"], ratios),
    "regrets": ("choices within budgets, trained alone", ["alone", "choices"], regrets),
    "regrets_as_they_are": (
        "the same choices in their supernets, not finetuned",
        ["alone", "scores", "choices"],
        regrets_as_they_are,
    ),
    "regrets_finetuned": (
        f"the front's choices after {EPOCHS} epochs of finetuning, compared with the sample",
        ["alone", "finetuning", "inherited"],
        regrets_finetuned,
    ),
    "finetuning": ("NME by epochs of finetuning from the supernet", ["finetuning"], finetuning),
    "spreads": ("standard deviation of the NME over the blocks of a layer, in percentage points", ["blocks"], spreads),
    "supernets": ("training of the supernets", ["supernets"], minutes),
}
"""Name -> title, required files, and function that makes the table."""


def write_report(space: str, results: Path) -> None:
    """Print the tables of a space's available results, draw correlation.png and minutes.png, and print JSON last."""
    budgets, frames = BUDGETS[check_name(space, BUDGETS)], {}
    for name in FILES:
        records = Records(results / f"{name}.csv")
        rows = records.frame() if records.path.exists() else pd.DataFrame({"space": []})
        if (rows.space == space).any():
            frames[name] = rows[rows.space == space]
        else:
            print(f"{records.path} has no rows of {space} yet; tables that need it are skipped")
    tables = {
        name: table(frames, budgets).drop(columns="space", errors="ignore")
        for name, (_, files, table) in TABLES.items()
        if frames.keys() >= set(files)
    }
    for name, table in tables.items():
        print(f"\n{TABLES[name][0]}\n{table.round(3).to_string(index=False, na_rep='-') if len(table) else 'not enough yet'}")
    if "alone" in frames and complete(frames):
        correlation_figure(results / "correlation.png", truth_of(frames["alone"]), dict(complete(frames)))
    if frames.keys() >= {"supernets", "finetuning", "choices"}:
        minutes_figure(results / "minutes.png", frames)
    # pandas' JSON turns nan into null
    print(json.dumps({name: json.loads(table.to_json(orient="records", double_precision=4)) for name, table in tables.items()}))
