"""Samples and figures of the evidence experiment, against brute force and closed forms."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from fbnet_pfld.experiments.studies.evidence import alone, statistics
from fbnet_pfld.experiments.studies.evidence.evidence_report import beside_random, other_seeds_best
from fbnet_pfld.experiments.studies.evidence.sample import PER_BUDGET, SPREAD, sample, spread
from fbnet_pfld.experiments.studies.evidence.statistics import best_of, ceiling, rank_correlation, taus
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import InputError, PfldSpace
from fbnet_pfld.strategies import cost_of, cost_range

BUDGETS = (1900.0, 2100.0, 2300.0)


def cost_of_space(space):
    return LookupTable.load(alone.LUT).cost(PfldSpace(space))


def frame_of(us, nme):
    index = pd.Index(range(len(us)), name="subnet")
    return pd.DataFrame({"us": us, "test_nme": nme, "macs": us, "parameters": us}, index=index)


def levelled(per_budget=4, seed=0):
    us = [0.99 * budget + i for budget in BUDGETS for i in range(per_budget)]
    return frame_of(us, np.random.default_rng(seed).permutation(len(us)).astype(float))


# --- samples -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", alone.BUDGETS)
def test_the_sample_covers_its_budgets_and_is_always_the_same(space):
    cost = cost_of_space(space)
    subnets = sample(cost, alone.BUDGETS[space])
    us = np.array([cost_of(cost, tuple(subnet.values())) for subnet in subnets])
    assert (us[0], us[1]) == pytest.approx(cost_range(cost))
    assert len({tuple(subnet.items()) for subnet in subnets}) == len(subnets) == 2 + PER_BUDGET * 3 >= 24
    for budget in alone.BUDGETS[space]:
        assert ((us >= 0.98 * budget) & (us <= budget)).sum() == PER_BUDGET
    assert sample(cost, alone.BUDGETS[space]) == subnets


def test_a_budget_outside_the_space_is_refused():
    with pytest.raises(InputError, match="no subnets at 1000.0 us"):
        sample(cost_of_space("pfld"), (1000.0,))


def test_the_spread_goes_over_all_latencies_and_is_always_the_same():
    cost = cost_of_space("pfld")
    subnets = spread(cost)
    us = np.array([cost_of(cost, tuple(subnet.values())) for subnet in subnets])
    assert len({tuple(subnet.items()) for subnet in subnets}) == len(subnets) == SPREAD >= 60
    budgets = np.linspace(*cost_range(cost), SPREAD)
    assert (us <= budgets * (1 + 1e-9)).all()
    assert (us >= 0.98 * budgets).all()
    assert us[0] == pytest.approx(budgets[0])
    assert spread(cost) == subnets != spread(cost, seed=1)
    blocks_used = [{subnet[label] for subnet in subnets} for label in cost.blocks_us]
    assert min(map(len, blocks_used)) >= 7  # of nine


def test_the_spread_covers_the_wide_space_too():
    cost = cost_of_space("pfld-wide")
    budgets = np.linspace(*cost_range(cost), 5)
    us = np.array([cost_of(cost, tuple(subnet.values())) for subnet in spread(cost, 5)])
    assert us == pytest.approx(budgets, rel=0.02)


def test_a_latency_without_subnets_near_it_gets_a_faster_one_and_none_comes_twice():
    class Cost:
        fixed_us = 100.0
        blocks_us = {"a": {"x": 0.0, "y": 100.0}, "b": {"x": 0.0, "y": 1.0}}

    # 100, 133.7, 167.3 and 201 us: the second gets the subnet of 101 us, and the third finds no new one
    *fast, slow = [tuple(subnet.values()) for subnet in spread(Cost(), 4)]
    assert fast == [("x", "x"), ("x", "y")]
    assert slow[0] == "y"


# --- statistics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_expected_best_of_k_is_that_of_all_draws(k):
    values = [3.0, 1.0, 4.0, 1.5, 9.0]
    draws = [min(draw) for draw in itertools.combinations(values, k)]
    assert best_of(values, k) == pytest.approx(sum(draws) / len(draws))


def test_rank_correlation_is_one_for_the_truth_and_counts_pairs_within_a_budget():
    frame = levelled()
    perfect = rank_correlation(frame.test_nme, frame, BUDGETS)
    assert perfect == pytest.approx(dict.fromkeys(perfect, 1))
    assert set(perfect) == {"tau", "tau_low", "tau_high", "tau_equal", "tau_equal_low", "tau_equal_high"}
    assert rank_correlation(-frame.test_nme, frame, BUDGETS)["tau"] == pytest.approx(-1)
    score = pd.Series(np.random.default_rng(1).normal(size=12), index=frame.index)

    def tau(rows):
        pairs = [
            np.sign(score[i] - score[j]) * np.sign(frame.test_nme[i] - frame.test_nme[j])
            for i, j in itertools.combinations(rows, 2)
        ]
        return sum(pairs) / len(pairs)

    found = rank_correlation(score, frame, BUDGETS)
    assert found["tau"] == pytest.approx(tau(range(12)))
    assert found["tau_equal"] == pytest.approx(np.mean([tau(range(k, k + 4)) for k in (0, 4, 8)]))


def test_weighted_tau_is_that_of_repeated_subnets():
    rng = np.random.default_rng(0)
    first, second = rng.integers(5, size=9), rng.normal(size=9)  # the first with ties
    weights = rng.multinomial(9, np.full(9, 1 / 9), 30)
    expected = [kendalltau(first.repeat(row), second.repeat(row)).statistic for row in weights]
    assert taus(first, second, weights) == pytest.approx(expected)
    assert np.isnan(taus(first, second, np.eye(9)[:1])).all()


def test_intervals_are_those_of_a_bootstrap_by_hand(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 200)
    frame = levelled(per_budget=5)
    score = frame.test_nme + pd.Series(np.random.default_rng(2).normal(0, 4, 15), index=frame.index)
    rng = np.random.default_rng(0)

    def resampled(rows):
        return [
            kendalltau(score[rows].repeat(counts), frame.test_nme[rows].repeat(counts)).statistic
            for counts in rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), 200)
        ]

    over_all = resampled(range(15))
    within = np.mean([resampled(range(k, k + 5)) for k in (0, 5, 10)], axis=0)
    found = rank_correlation(score, frame, BUDGETS)
    assert (found["tau_low"], found["tau_high"]) == pytest.approx(np.nanpercentile(over_all, [2.5, 97.5]))
    assert (found["tau_equal_low"], found["tau_equal_high"]) == pytest.approx(
        np.nanpercentile(within[np.isfinite(within)], [2.5, 97.5])
    )
    assert found["tau_low"] < found["tau"] < found["tau_high"]


def test_levels_of_one_subnet_say_nothing():
    found = rank_correlation(pd.Series([1.0, 2.0]), frame_of([1890.0, 2090.0], [5.0, 6.0]), BUDGETS)
    assert found["tau"] == 1
    assert np.isnan(found["tau_equal"])


def test_the_ceiling_is_what_a_perfect_score_has_with_noisy_truth():
    rng = np.random.default_rng(0)
    expected = rng.normal(size=3000)
    first, second = expected + rng.normal(0, 0.7, (2, 3000))
    between = kendalltau(first, second).statistic
    assert ceiling(between) == pytest.approx(kendalltau(expected, (first + second) / 2).statistic, abs=0.02)
    assert ceiling(1.0) == pytest.approx(1)
    assert ceiling(-0.1) == 0


def test_regret_is_measured_against_what_fits_into_the_budget():
    us = [0.99 * BUDGETS[0]] * 8 + [2 * BUDGETS[0]]
    frame = frame_of(us, [6.0, 7.0, 8.0, 6.5, 7.5, 8.5, 9.0, 6.2, 1.0])
    found = beside_random(6.3, frame, BUDGETS[0])
    assert found["regret"] == pytest.approx(0.3)
    assert found["random"] == pytest.approx(np.mean(frame.test_nme[:8]))
    assert found["random_best_of_8"] == 6.0


def test_the_best_by_one_seed_is_read_from_the_other():
    rows = [
        {"subnet": i, "seed": seed, "us": 1890.0, "macs": 1, "parameters": 1, "test_nme": nme}
        for seed, nmes in enumerate(([5.0, 6.0, 7.0], [6.5, 5.5, 7.0]))
        for i, nme in enumerate(nmes)
    ]
    assert other_seeds_best(pd.DataFrame(rows), BUDGETS[0]) == pytest.approx((6.5 + 6.0) / 2)
    assert np.isnan(other_seeds_best(pd.DataFrame(rows[:3]), BUDGETS[0]))
