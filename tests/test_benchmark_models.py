"""``benchmark-models``, and the interleaved timing that it shares with ``export``: intervals, ratios, winners."""

import itertools
import json
import os
from statistics import median

import golden
import numpy as np
import pytest
import torch

from fbnet_pfld.experiments.deploy.onnx_file import write_onnx
from fbnet_pfld.latency import fastest, host_latency_us, interleave, interval, ratio
from fbnet_pfld.latency.engines.interleave import _order
from fbnet_pfld.search_space import InputError, PfldLite


def figures(capfd):
    return json.loads(capfd.readouterr().out.splitlines()[-1])


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two ONNX files; the second has twelve times the multiply-accumulates of the first."""
    folder = tmp_path_factory.mktemp("pair")
    for name, model in (("small", golden.network()), ("large", PfldLite().eval())):
        write_onnx(model, folder / f"{name}.onnx", torch.rand(1, 3, 112, 112))
    return folder / "small.onnx", folder / "large.onnx"


def test_a_clear_winner_is_named(pair, run, capfd):
    small, large = pair
    cores = os.sched_getaffinity(0)
    assert run("benchmark-models", large, small, "--json") == 0
    assert os.sched_getaffinity(0) == cores
    result = figures(capfd)
    assert result["fastest"] == str(small)
    first, second = result["files"]
    assert first["of_first"]["median"] == 1
    assert second["of_first"]["high"] < 1
    assert run("benchmark-models", large, small) == 0
    assert f"fastest: {small}" in capfd.readouterr().out.replace("\n", "")
    assert run("benchmark-models", large) == 0
    assert "fastest" not in capfd.readouterr().out


def test_a_file_against_itself_has_no_winner_but_by_chance(pair, run, capfd):
    """One run in a hundred has a winner by chance; three in a row do not."""

    def winner():
        assert run("benchmark-models", pair[0], pair[0], "--json") == 0
        return figures(capfd)["fastest"]

    assert any(winner() is None for _ in range(3))


def test_host_latency_tells_a_large_network_from_a_small_one(pair):
    small, large = pair
    times = host_latency_us({"large": large, "small": small})
    assert times["large"] > times["small"] > 0


@pytest.mark.parametrize(("count", "level"), [(6, 0.95), (11, 0.95), (12, 0.95), (8, 0.99), (12, 0.99), (12, 0.9975)])
def test_the_interval_covers_the_median_as_often_as_it_says_and_no_wider(count, level):
    """By enumeration: each value is below or above the true median with equal probability."""
    found = interval(np.arange(count), level)
    assert found.median == median(range(count))

    def missed(low, high):  # with this many values below the median, it is not between the two
        below = (sum(each) for each in itertools.product((0, 1), repeat=count))
        return sum(number <= low or number > high for number in below) / 2**count

    assert missed(found.low, found.high) <= 1 - level < missed(found.low + 1, found.high - 1)


@pytest.mark.parametrize(("count", "level"), [(5, 0.95), (7, 0.99), (1, 0.95)])
def test_of_too_few_values_there_is_no_interval(count, level):
    assert interval(np.arange(count), level)[1:] == (-np.inf, np.inf)


def test_ratios_are_of_bursts_of_one_round():
    """Noise that both share, however large, does not affect the ratio."""
    level = np.random.default_rng(0).uniform(1, 50, (12, 8, 1)) * np.ones((12, 8, 10))
    assert ratio(101 * level, 100 * level) == pytest.approx((1.01, 1.01, 1.01))


def test_a_winner_needs_the_more_sessions_the_more_it_has_beaten():
    def slower(by, wins=12):
        """Slower by a factor in ``wins`` of 12 sessions, faster in the others."""
        return np.concatenate([np.full((wins, 8, 10), by), np.full((12 - wins, 8, 10), 1 / by)])

    best = np.ones((12, 8, 10))
    assert fastest({"a": best, "b": slower(1.01)}) == "a"
    assert fastest({"b": slower(1.01, 11), "a": best}) == "a"  # 2 * (1 + 12) / 2 ** 12 is less than 0.01
    assert fastest({"a": best, "b": slower(1.01, 10)}) is None
    assert fastest({"a": best, "b": slower(1.01, 11), "c": slower(2), "d": slower(3)}) is None
    assert fastest({name: us[:7] for name, us in {"a": best, "b": slower(1.01)}.items()}) is None
    assert fastest({"a": best}) is None


def test_equals_have_a_winner_as_seldom_as_it_says():
    rng = np.random.default_rng(3)
    wins = sum(fastest({name: rng.normal(100, 1, (12, 8, 10)) for name in "abc"}) is not None for _ in range(1000))
    assert wins <= 20


@pytest.mark.parametrize("names", ["ab", "abc", "abcde"])
def test_files_are_opened_in_a_balanced_order(names):
    orders = [_order(list(names), session) for session in range(2 * len(names))]
    for first, second in itertools.combinations(names, 2):
        assert sum(order.index(first) < order.index(second) for order in orders) == len(names)
    for place in range(len(names)):
        assert sorted(order[place] for order in orders) == sorted(2 * names)


def test_faults_of_a_measurement_leave_the_cores_alone(pair, tmp_path):
    cores = os.sched_getaffinity(0)
    with pytest.raises(InputError, match="not found"):
        interleave({"a": pair[0], "b": tmp_path / "none.onnx"})
    assert os.sched_getaffinity(0) == cores
