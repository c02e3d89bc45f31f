"""Latency target: decoding compared with brute force, the latency offset with its definition; a search stays within it."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_strategies import COST, NAMES, Space, evaluator

from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import InputError, PfldSpace
from fbnet_pfld.strategies import FBNet, LatencyTarget, LatencyTerm, cost_range, decode, k_best, run_search

LOGITS = {"a": torch.tensor([0.3, -1.0, 2.0]), "b": torch.tensor([-0.5, 0.5])}
ENTRIES = st.lists(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 100)), min_size=1, max_size=4), min_size=1, max_size=5)


def cost_of(cost, choices):
    return cost.fixed_us + sum(cost.blocks_us[label][name] for label, name in choices.items())


def made(layers):
    """Build scores and latencies from layers of (score, us)."""
    scores = {f"l{i}": {f"b{j}": score for j, (score, _) in enumerate(layer)} for i, layer in enumerate(layers)}
    blocks = {f"l{i}": {f"b{j}": us for j, (_, us) in enumerate(layer)} for i, layer in enumerate(layers)}
    return scores, SimpleNamespace(fixed_us=3.0, blocks_us=blocks)


def every(scores):
    return [dict(zip(scores, names, strict=True)) for names in itertools.product(*scores.values())]


def score_of(scores, choices):
    return sum(scores[label][name] for label, name in choices.items())


@settings(deadline=None, max_examples=200)
@given(ENTRIES, st.floats(0, 1))
def test_decoding_equals_brute_force(layers, part):
    scores, cost = made(layers)
    fastest, slowest = cost_range(cost)
    budget = fastest + part * (slowest - fastest)
    costs = [cost_of(cost, c) for c in every(scores)]
    assert (fastest, slowest) == (pytest.approx(min(costs)), pytest.approx(max(costs)))
    within = [c for c in every(scores) if cost_of(cost, c) <= budget * (1 + 1e-12)]
    near = [c for c in within if cost_of(cost, c) >= 0.98 * budget * (1 - 1e-12)]
    chosen = decode(scores, cost, budget)
    assert list(chosen) == list(scores)
    assert chosen in (near or within)
    assert score_of(scores, chosen) == pytest.approx(max(score_of(scores, c) for c in near or within))


@settings(deadline=None, max_examples=200)
@given(ENTRIES, st.floats(0, 1), st.floats(0, 1), st.integers(1, 12))
def test_k_best_equal_brute_force(layers, part, floor, k):
    scores, cost = made(layers)
    fastest, slowest = cost_range(cost)
    budget = fastest + part * (slowest - fastest)
    low = floor * budget
    between = [c for c in every(scores) if low * (1 - 1e-12) <= cost_of(cost, c) <= budget * (1 + 1e-12)]
    found = k_best(scores, cost, budget, k, low)
    assert len(found) == min(k, len(between))
    assert all(c in between for c in found)
    assert len({tuple(c.items()) for c in found}) == len(found)
    expected = sorted((score_of(scores, c) for c in between), reverse=True)[:k]
    assert [score_of(scores, c) for c in found] == pytest.approx(expected)


def best_within(scores, cost, budget):
    """Highest sum of scores within a budget, by another algorithm: sums that no faster one reaches, layer by layer."""
    front = [(cost.fixed_us, 0.0)]
    for label, row in cost.blocks_us.items():
        sums = sorted(
            (
                (spent + us, -(value + scores[label][name]))
                for spent, value in front
                for name, us in row.items()
                if spent + us <= budget
            )
        )
        front, best = [], math.inf
        for spent, negative in sums:
            if negative < best:
                best = negative
                front.append((spent, -negative))
    return max(value for _, value in front)


def test_a_space_too_large_for_exact_decoding_keeps_the_limits():
    """9 ** 22 architectures, about as many as in FBNet's own space."""
    rng = np.random.default_rng(0)
    scores, cost = made([list(zip(rng.normal(size=9), rng.uniform(10, 100, 9), strict=True)) for _ in range(22)])
    budget = 900.0
    chosen = decode(scores, cost, budget)
    assert 0.98 * budget <= cost_of(cost, chosen) <= budget
    assert score_of(scores, chosen) == pytest.approx(best_within(scores, cost, budget), abs=0.01)


def test_the_space_of_the_package_is_decoded_near_every_target():
    space = PfldSpace()
    cost = LookupTable.load("snapdragon625-4t").cost(space)
    rng = np.random.default_rng(0)
    scores = {label: dict(zip(row, rng.normal(size=len(row)), strict=True)) for label, row in cost.blocks_us.items()}
    for target in np.linspace(*cost_range(cost), 8):
        assert 0.98 * target <= cost_of(cost, decode(scores, cost, target)) <= target * (1 + 1e-9)


def test_a_target_below_the_fastest_is_refused_with_the_range():
    message = r"no architecture within 4 us; the fastest takes 5.0 us, the slowest 16.0 us"
    for refuse in (lambda: decode({}, COST, 4), lambda: LatencyTarget(COST, NAMES, 4), lambda: FBNet(COST, target_us=4)):
        with pytest.raises(InputError, match=message):
            refuse()
    with pytest.raises(InputError, match="target_us is given without cost"):
        FBNet(target_us=4)
    with pytest.raises(InputError, match="no architecture within nan us"):
        FBNet(COST, target_us=math.nan)


@pytest.mark.parametrize("target", [5.5, 8.0, 11.0, 15.5])
def test_the_tilted_distribution_costs_the_target_on_average(target):
    target_of = LatencyTarget(COST, NAMES, target)
    tilt = target_of.tilt(LOGITS)
    weights = {label: (row - tilt[label]).softmax(-1) for label, row in LOGITS.items()}
    assert float(target_of.cost_us(weights)) == pytest.approx(target, abs=1e-3)
    # one strength for all: the offset is proportional to the latency
    strengths = [float(tilt[label][i] / target_of.tables[label][i]) for label in NAMES for i in range(len(NAMES[label]))]
    assert max(strengths) == pytest.approx(min(strengths), rel=1e-5)
    # so the mean latency of hard Gumbel samples is also the target
    torch.manual_seed(0)
    samples = {
        label: torch.nn.functional.gumbel_softmax((row - tilt[label]).expand(40_000, -1), hard=True).mean(0)
        for label, row in LOGITS.items()
    }
    assert float(target_of.cost_us(samples)) == pytest.approx(target, abs=0.15)


def test_closed_form_of_the_tilt_of_two_candidates():
    """p = sigmoid(-strength * difference) for equal logits, so strength = log((1 - p) / p) / difference."""
    cost = SimpleNamespace(fixed_us=1.0, blocks_us={"a": {"slow": 30.0, "fast": 10.0}})
    tilt = LatencyTarget(cost, {"a": ["slow", "fast"]}, 1 + 10 + 0.2 * 20).tilt({"a": torch.zeros(2)})["a"]
    assert float(tilt[0] - tilt[1]) == pytest.approx(math.log(0.8 / 0.2), rel=1e-5)


def test_a_target_that_everything_meets_tilts_nothing():
    assert all(not tilt.any() for tilt in LatencyTarget(COST, NAMES, 100.0).tilt(LOGITS).values())


def test_at_the_fastest_only_the_fastest_is_sampled_and_decoded():
    target = LatencyTarget(COST, NAMES, cost_range(COST)[0])
    tilt = target.tilt(LOGITS)
    assert all(float((LOGITS[label] - tilt[label]).softmax(-1)[0]) > 0.999 for label in NAMES)
    scores = {label: dict(zip(NAMES[label], row.tolist(), strict=True)) for label, row in LOGITS.items()}
    assert target.decode(scores) == {"a": "cheap", "b": "cheap"}


def test_the_loss_is_left_alone():
    loss = torch.tensor(0.7)
    assert LatencyTarget(COST, NAMES, 8.0)(loss, LOGITS) is loss
    assert not isinstance(LatencyTarget(COST, NAMES, 8.0), LatencyTerm)


@pytest.mark.parametrize("target", [6.0, 9.0, 13.0])
def test_a_search_stays_on_the_target_and_chooses_within_it(target):
    torch.manual_seed(0)
    strategy = FBNet(COST, target_us=target, warmup_epochs=1, arc_learning_rate=0.3)
    chosen = run_search(Space(), evaluator(4), strategy)
    assert cost_of(COST, chosen) <= target
    module = strategy.oneshot_module
    assert module.figures()["arch/expected_us"] == pytest.approx(target, abs=1e-3)
    assert module.figures()["arch/decoded_us"] == cost_of(COST, chosen)
    scores = {
        label: dict(zip(layer.names, layer._arch_alpha.tolist(), strict=True)) for label, layer in module.layers().items()
    }
    assert chosen == decode(scores, COST, target)
    assert any(abs(logit) > 0.1 for row in scores.values() for logit in row.values())  # the logits have learnt
