"""The evidence experiment: its sample, its figures against brute force, and a short run of all its parts."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from fbnet_pfld.experiments.evidence import __main__ as evidence
from fbnet_pfld.experiments.evidence import alone
from fbnet_pfld.experiments.evidence.report import best_of, rank_correlation, regrets, spreads
from fbnet_pfld.experiments.evidence.sample import BUDGETS, PER_BUDGET, sample
from fbnet_pfld.experiments.study import Records
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import InputError, PfldSpace
from fbnet_pfld.strategies import cost_of, cost_range


def frame_of(us, nme):
    index = pd.Index(range(len(us)), name="subnet")
    return pd.DataFrame({"us": us, "test_nme": nme, "macs": us, "parameters": us}, index=index)


def test_the_sample_covers_the_space_and_is_always_the_same():
    cost = LookupTable.load(evidence.CONFIG.lut).cost(PfldSpace())
    subnets = sample(cost)
    us = np.array([cost_of(cost, tuple(choices.values())) for choices in subnets])
    assert (us[0], us[1]) == pytest.approx(cost_range(cost))
    assert len({tuple(choices.items()) for choices in subnets}) == len(subnets) == 2 + PER_BUDGET * len(BUDGETS) >= 24
    for budget in BUDGETS:
        assert ((us >= 0.98 * budget) & (us <= budget)).sum() == PER_BUDGET
    assert sample(cost) == subnets


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_expected_best_of_k_is_that_of_all_draws(k):
    values = [3.0, 1.0, 4.0, 1.5, 9.0]
    draws = [min(draw) for draw in itertools.combinations(values, k)]
    assert best_of(values, k) == pytest.approx(sum(draws) / len(draws))


def test_rank_correlation_is_one_for_the_truth_and_counts_pairs_within_a_budget():
    us = [0.99 * budget + i for budget in BUDGETS for i in range(4)]
    frame = frame_of(us, np.random.default_rng(0).permutation(12).astype(float))
    assert rank_correlation(frame.test_nme, frame) == {"tau": pytest.approx(1), "tau_equal_cost": pytest.approx(1)}
    assert rank_correlation(-frame.test_nme, frame)["tau"] == pytest.approx(-1)
    score = pd.Series(np.random.default_rng(1).normal(size=12), index=frame.index)

    def tau(rows):
        pairs = [np.sign(score[i] - score[j]) * np.sign(frame.test_nme[i] - frame.test_nme[j])
                 for i, j in itertools.combinations(rows, 2)]
        return sum(pairs) / len(pairs)

    expected = {"tau": tau(range(12)), "tau_equal_cost": np.mean([tau(range(k, k + 4)) for k in (0, 4, 8)])}
    assert rank_correlation(score, frame) == pytest.approx(expected)


def test_regret_is_measured_against_what_fits_into_the_budget():
    us = [0.99 * BUDGETS[0]] * 8 + [2 * BUDGETS[0]]
    frame = frame_of(us, [6.0, 7.0, 8.0, 6.5, 7.5, 8.5, 9.0, 6.2, 1.0])
    choices = pd.DataFrame([{"method": "m", "seed": 0, "budget": BUDGETS[0], "us": 1890.0, "test_nme": 6.3}])
    row = regrets(choices, frame).to_dict("records")[0]
    assert row["regret"] == pytest.approx(0.3)
    assert row["random_best_of_1"] == pytest.approx(np.mean(frame.test_nme[:8]))
    assert row["random_best_of_8"] == 6.0


def test_records_survive_and_know_their_keys(tmp_path):
    records = Records(tmp_path / "some" / "rows.csv", "method", "seed")
    assert not records.has(method="a", seed=0)
    records.add(method="a", seed=0, nme=1.5)
    records.extend([{"method": "b", "seed": 1, "nme": 2.5}])
    again = Records(tmp_path / "some" / "rows.csv", "method", "seed")
    assert again.has(method="b", seed=1)
    assert not again.has(method="a", seed=1)
    assert pd.read_csv(again.path).nme.tolist() == [1.5, 2.5]


@pytest.mark.parametrize("text", ["53237869", "0300", "1e5", "nan"])
def test_text_that_looks_like_a_number_stays_text(tmp_path, text):
    records = Records(tmp_path / "rows.csv", "data", "seed")
    records.add(data=text, seed=0, setup=text)
    assert records.has(data=text, seed=0)
    records.check(setup=text, data=text)
    with pytest.raises(InputError, match="other settings"):
        records.check(setup="1", data=text)


@pytest.mark.slow
def test_all_parts_run_and_go_on(place, monkeypatch, capsys):
    monkeypatch.setattr(evidence, "EPOCHS", 1)
    monkeypatch.setattr(evidence, "EVALUATIONS", 400)
    monkeypatch.setattr(evidence, "AROUND", 1)
    monkeypatch.setattr(evidence, "SEARCHES", {name: {**settings, "search__epochs": 1, "search__warmup_epochs": 0}
                                               for name, settings in evidence.SEARCHES.items()})
    small = sample(LookupTable.load("snapdragon625-4t").cost(PfldSpace()))
    monkeypatch.setattr(evidence, "sample", lambda cost: small[2:26:4])
    data, results, work = place / "data", place / "results", place / "work"

    def written():
        return {path.name: path.stat().st_mtime_ns for path in results.glob("*.csv")}

    kept = []
    for _ in range(2):
        evidence.subnets(data, results, 1)
        evidence.supernets(data, results, work, 1)
        evidence.blocks(data, results, work, 1)
        evidence.choices(data, results, work, 1)
        evidence.searches(data, results, work, 1)
        kept.append(written())
    assert kept[0] == kept[1]
    assert len(kept[0]) == 6
    blocks = pd.read_csv(results / "blocks.csv")
    assert set(blocks.groupby(["method", "layer"]).size()) == {9}
    assert (spreads(blocks) > 0).all(axis=None)
    capsys.readouterr()
    evidence.report(results)
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(pd.read_csv(results / "subnets.csv")) == 6
    methods = len(evidence.SEARCHES)
    assert len(result["correlations"]) == methods + 3
    assert len(result["regrets"]) == 3 * methods
    assert (results / "correlation.png").stat().st_size > 10_000


def test_subnets_trained_alone_are_rows_that_are_not_trained_again(blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(alone, "RECIPE", {"finetune__epochs": 1, "finetune__batch_size": 16})
    monkeypatch.setattr(alone, "sample", lambda cost, budgets: sample(cost, budgets)[:2])
    alone.train_alone("pfld-wide", blobs, tmp_path, 0)
    rows = pd.read_csv(tmp_path / "alone.csv")
    cost = LookupTable.load("snapdragon625-4t").cost(PfldSpace("pfld-wide"))
    assert list(rows.us) == pytest.approx(cost_range(cost), abs=0.1)
    assert list(rows.parameters) == [55_348, 208_580]
    before = (tmp_path / "alone.csv").read_bytes()
    alone.train_alone("pfld-wide", blobs, tmp_path, 0)
    assert (tmp_path / "alone.csv").read_bytes() == before
    monkeypatch.setattr(alone, "RECIPE", {"finetune__epochs": 2, "finetune__batch_size": 16})
    with pytest.raises(InputError, match="alone.csv: results with other settings"):
        alone.train_alone("pfld-wide", blobs, tmp_path, 1)


@pytest.mark.parametrize("space", alone.BUDGETS)
def test_the_samples_of_both_spaces_cover_their_budgets(space):
    cost = LookupTable.load("snapdragon625-4t").cost(PfldSpace(space))
    us = np.array([cost_of(cost, tuple(choices.values())) for choices in sample(cost, alone.BUDGETS[space])])
    assert (us[0], us[1]) == pytest.approx(cost_range(cost))
    for budget in alone.BUDGETS[space]:
        assert ((us >= 0.98 * budget) & (us <= budget)).sum() == PER_BUDGET
