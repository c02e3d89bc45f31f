"""The accuracy experiment's headline and training lengths: sizes, choices and walks against brute force and closed forms."""

import itertools
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.experiments.studies.accuracy import __main__ as accuracy
from fbnet_pfld.experiments.studies.accuracy import headline, over_time
from fbnet_pfld.experiments.studies.accuracy.headline import AIMS, REACHED, Baseline, Sizes, headline_table
from fbnet_pfld.experiments.studies.accuracy.over_time import BLOCKS, over_time_figure, over_time_table
from fbnet_pfld.experiments.studies.evidence.supernets import Supernet
from fbnet_pfld.experiments.studies.results import Records
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import BASELINES, Architecture, InputError, PfldSpace, SpaceSpec
from fbnet_pfld.search_space.counting import count_parameters
from fbnet_pfld.strategies import cost_of

EVIDENCE = Path(__file__).parents[1] / "experiments/studies/evidence"
FIGURES = {"held_out_nme": 5.0, "test_fr8": 1.0, "test_auc8": 40.0, "seconds": 2.0}


def supernet_of(space, work):
    """A supernet of the experiment that counts as trained but has no weights."""
    found = Supernet(space, "stages", 0, None, work)
    found.folder.mkdir(parents=True)
    (found.folder / "time.json").write_text('{"seconds": 700.0, "cpu_seconds": 600.0}')
    return found


# --- choices -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ["pfld", "pfld-wide"])
def test_sizes_are_those_of_built_subnets(space):
    spec = SpaceSpec.load(space)
    size, rng = Sizes(spec, 106, 112), np.random.default_rng(0)
    for _ in range(4):
        blocks = tuple(str(rng.choice(names)) for names in spec.candidates().values())
        assert size(blocks) == count_parameters(Architecture.from_blocks(spec, 106, 112, blocks).build())


def test_the_baseline_costs_what_the_table_and_the_network_say():
    baseline = Baseline.of(106, 112)
    assert baseline.us == pytest.approx(15_312, abs=1)
    assert baseline.parameters == count_parameters(BASELINES["pfld_lite"](106, 112)) == 265_604


class Scores:
    """Stand-in for the scorer: larger blocks score better, so that limits exclude the best subnets."""

    def __init__(self, *arguments):
        self.space = PfldSpace("pfld")
        cost = LookupTable.load(headline.TABLE).cost(self.space)
        rng = np.random.default_rng(3)
        self.logits = {
            label: {name: us / 100 + rng.normal(0, 0.3) for name, us in row.items()} for label, row in cost.blocks_us.items()
        }

    def __call__(self, subnets):
        rows = list(self.logits.values())
        return [100 - sum(row[name] for row, name in zip(rows, subnet, strict=True)) for subnet in subnets]


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """Supernet with these scores."""
    monkeypatch.setattr(headline, "Scorer", Scores)
    monkeypatch.setattr(headline.Checkpoint, "load", lambda path: None)
    return supernet_of("pfld", tmp_path)


def test_the_choice_is_among_the_best_within_both_limits(scored, monkeypatch):
    # limits inside the space, so that each excludes a part of it
    limits = headline.Limits(15_312 / 2_300, 0.5)
    monkeypatch.setattr(headline, "AIMS", {"fast": limits})
    (chosen,) = headline.candidates(scored, None, "fast")
    cost, size, score = LookupTable.load(headline.TABLE).cost(PfldSpace("pfld")), Sizes(scored.model.spec, 106, 112), Scores()
    baseline = Baseline.of(106, 112)
    every = list(itertools.product(*cost.blocks_us.values()))
    fast = {subnet for subnet in every if cost_of(cost, subnet) <= baseline.us / limits.faster}
    small = {subnet for subnet in every if size(subnet) <= limits.size * baseline.parameters}
    assert len(fast & small) < min(len(fast), len(small))
    within = sorted(score(list(fast & small)))
    blocks = tuple(chosen.choices.values())
    assert blocks in fast & small
    assert score([blocks])[0] <= within[len(within) // 1000]
    assert chosen.us == pytest.approx(cost_of(cost, blocks), abs=0.1)


def test_the_walk_begins_with_the_fastest_subnet_and_each_is_better_than_the_last(scored):
    walk = list(headline.candidates(scored, None, REACHED))
    cost = LookupTable.load(headline.TABLE).cost(PfldSpace("pfld"))
    every = itertools.product(*cost.blocks_us.values())
    assert walk[0].us == pytest.approx(min(cost_of(cost, subnet) for subnet in every), abs=0.1)
    scores = Scores()([tuple(each.choices.values()) for each in walk])
    us = [each.us for each in walk]
    assert us[0] == us[1]  # first without scores, then on the front
    assert sorted(us) == us
    assert sorted(scores[1:], reverse=True) == scores[1:]
    assert len(walk) > 10


# --- trainings -----------------------------------------------------------------------------------------------------------


def test_the_walk_ends_where_the_baseline_is_reached_and_goes_on_there(tmp_path, monkeypatch):
    spec = SpaceSpec.load("pfld")
    rows = [("gh_k3", "gh_k3", "gh_k5", "gh_k5", last) for last in ("gh_k5", "mb_k3_res_d3", "mb_k5_res", "mb_k3_e4_res")]
    table = LookupTable.load(headline.TABLE)
    walk = [table.annotate(Architecture.from_blocks(spec, 106, 112, blocks)) for blocks in rows]
    errors, trained = dict(zip(rows, (6.0, 5.6, 5.5, 5.0), strict=True)), []

    def training(config, faces, network, seed, supernet):
        trained.append(tuple(network.choices.values()))
        assert supernet == "weights"
        return {**FIGURES, "test_nme": errors[trained[-1]]}

    monkeypatch.setattr(headline, "train_and_test", training)
    monkeypatch.setattr(headline, "candidates", lambda supernet, faces, aim: iter(walk))
    supernet = SimpleNamespace(setup="s", seed=0, checkpoint="weights")
    for _ in range(2):
        headline.finetune_headline("d", None, supernet, Config(), REACHED, 5.55, tmp_path)
        assert trained == rows[:3]
    headline.finetune_headline("d", None, supernet, Config(), REACHED, 5.2, tmp_path)
    assert trained == rows
    supernet.setup = "another"
    with pytest.raises(InputError, match=r"headline\.csv: has results of other settings"):
        headline.finetune_headline("d", None, supernet, Config(), REACHED, 5.2, tmp_path)


def test_the_headline_compares_with_short_and_long_trainings_of_the_baseline():
    runs = [
        ("fast and small", 0, 4.0, 2_000),
        ("fast and small", 1, 4.2, 2_500),
        (REACHED, 0, 6.5, 800),
        (REACHED, 0, 5.5, 900),
    ]
    rows = pd.DataFrame(
        [
            {
                "data": "d",
                "aim": aim,
                "epochs": 20,
                "seed": seed,
                "test_nme": nme,
                "us": us,
                "parameters": 100,
                "cpu_seconds": 90,
            }
            for aim, seed, nme, us in runs
        ]
    )
    rows["faster"], rows["size_ratio"] = 10_000 / rows.us, 0.5
    lite = [(10, 0, 5.0), (10, 1, 6.0), (28, 0, 4.0)]
    networks = pd.DataFrame(
        [{"data": "d", "network": "pfld_lite", "epochs": epochs, "seed": seed, "test_nme": nme} for epochs, seed, nme in lite]
    )
    found = headline_table(rows, networks).set_index("aim")
    first = found.loc["fast and small"]
    assert first[["seeds", "nme", "us"]].tolist() == pytest.approx([2, 4.1, 2250])
    assert first[["faster", "least_faster"]].tolist() == pytest.approx([4.5, 4.0])
    assert first[["nme_ratio", "nme_ratio_long"]].tolist() == pytest.approx([4.1 / 5.5, 4.1 / 4.0], abs=1e-3)
    assert found.loc[REACHED, ["seeds", "nme", "us"]].tolist() == [1, 5.5, 900]  # the last of the walk


def test_a_start_has_its_rate_and_its_weights(tmp_path, monkeypatch):
    given = []

    def training(config, faces, network, seed, supernet):
        assert tuple(network.choices.values()) == BLOCKS
        given.append((config.finetune.epochs, config.finetune.learning_rate, seed, supernet))
        return {**FIGURES, "test_nme": 5.0}

    monkeypatch.setattr(over_time, "train_and_test", training)
    supernet = supernet_of("pfld-wide", tmp_path / "work")
    recipe = Config.load(None, space="pfld-wide", finetune__augment="geometry")
    for _ in range(2):
        over_time.train_over_time("d", None, supernet, recipe, "scratch", 30, 1, tmp_path)
        over_time.train_over_time("d", None, supernet, recipe, "supernet", 5, 0, tmp_path)
    assert given == [(30, 0.02, 1, None), (5, 0.005, 0, supernet.folder / "checkpoint_best.pth")]
    rows = Records(tmp_path / "over_time.csv").frame().set_index("start")
    assert rows.supernet_seconds["supernet"] == 600
    assert math.isnan(rows.supernet_seconds["scratch"])


def test_recorded_trainings_of_the_subnet_are_taken_over_once(tmp_path):
    supernet = supernet_of("pfld-wide", tmp_path / "work")
    for _ in range(2):
        over_time.take_recorded("d", supernet, EVIDENCE, tmp_path)
    found = Records(tmp_path / "over_time.csv").frame().set_index(["start", "epochs", "seed"]).test_nme.to_dict()
    alone, tuned = (pd.read_csv(EVIDENCE / f"{name}.csv") for name in ("choices", "finetuning"))
    of_supernet = f"blocks == '{' '.join(BLOCKS)}' and seed == 0"
    expected = {
        ("scratch", 10, row.training_seed): row.alone_nme
        for row in alone.query(f"{of_supernet} and epochs == 60 and choice == 'front'").itertuples()
    } | {
        ("supernet", row.epochs, 0): row.test_nme
        for row in tuned.query(f"{of_supernet} and supernet_epochs == 60 and epochs > 0").itertuples()
    }
    assert found == expected
    assert len(expected) == 5


def test_minutes_are_those_of_one_core_where_they_are_known(tmp_path):
    keys = {"data": "d", "network": over_time.SUBNET, "setup": "1"}
    rows = pd.DataFrame(
        [
            {**keys, "start": start, "epochs": epochs, "seed": seed, "test_nme": nme, "seconds": 600.0, "cpu_seconds": cpu}
            | {"supernet_seconds": 2_400.0 if start == "supernet" else None}
            for start, epochs, seed, nme, cpu in [
                ("scratch", 10, 0, 5.0, 120.0),
                ("scratch", 10, 1, 5.4, None),
                ("supernet", 10, 0, 4.0, 60.0),
                ("supernet", 20, 0, 3.8, 120.0),
            ]
        ]
    )
    lite = {"data": "d", "network": "pfld_lite", "seed": 0, "seconds": 900.0}
    networks = pd.DataFrame([{**lite, "epochs": 10, "test_nme": 5.5}, {**lite, "epochs": 28, "test_nme": 3.8}])
    table = over_time_table(rows, networks)
    found = table.set_index(["network", "start", "epochs"])
    assert found.loc[(over_time.SUBNET, "scratch", 10), ["seeds", "nme", "minutes"]].tolist() == pytest.approx([2, 5.2, 6.0])
    assert found.loc[(over_time.SUBNET, "supernet", 20), ["minutes", "supernet_minutes"]].tolist() == [2.0, 40.0]
    assert found.loc[("pfld_lite", "scratch", 28), ["nme", "minutes"]].tolist() == [3.8, 15.0]
    over_time_figure(tmp_path / "over_time.png", table)
    assert (tmp_path / "over_time.png").stat().st_size > 10_000


def test_the_commands_go_through_aims_and_lengths(tmp_path, monkeypatch, capsys):
    done = []
    monkeypatch.setattr(accuracy, "finetune_headline", lambda *given: done.append((given[4], given[5])))
    monkeypatch.setattr(accuracy, "take_recorded", lambda *given: None)
    monkeypatch.setattr(accuracy, "train_over_time", lambda *given: done.append(given[4:7]))
    committed = EVIDENCE.parent / "accuracy/networks.csv"
    (tmp_path / "networks.csv").write_bytes(committed.read_bytes())
    accuracy.headline("rendered106", tmp_path, only=[], results=tmp_path, work=tmp_path)
    lite = pd.read_csv(committed).query("network == 'pfld_lite' and epochs == 10").test_nme.mean()
    assert done == [(aim, pytest.approx(lite)) for aim in AIMS]
    accuracy.over_time("d", tmp_path, [2, 5], ["scratch", "supernet"], results=tmp_path, work=tmp_path)
    assert done[2:] == [("scratch", 2, 0), ("scratch", 5, 0), ("supernet", 2, 0), ("supernet", 5, 0)]
    with pytest.raises(InputError, match="'scretch' is unknown"):
        accuracy.over_time("d", tmp_path, [2], ["scretch"], results=tmp_path, work=tmp_path)


def test_the_report_prints_what_there_is(tmp_path, capsys):
    committed = EVIDENCE.parent / "accuracy"
    for name in ("recipe", "networks", "costs"):
        (tmp_path / f"{name}.csv").write_bytes((committed / f"{name}.csv").read_bytes())
    accuracy.report(tmp_path)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found.keys() == {"recipes", "networks"}
    over_time.take_recorded("rendered106", supernet_of("pfld-wide", tmp_path / "work"), EVIDENCE, tmp_path)
    accuracy.report(tmp_path)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {row["network"] for row in found["over_time"]} == {over_time.SUBNET, "pfld_lite"}
    assert (tmp_path / "over_time.png").exists()
