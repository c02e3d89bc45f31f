"""The evidence experiment: its files, and a short run of all commands."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
from conftest import write_blobs
from test_evidence_statistics import BUDGETS, cost_of_space

from fbnet_pfld.experiments.studies.evidence import __main__ as evidence
from fbnet_pfld.experiments.studies.evidence import alone, block_spread, choices, finetuned, supernets
from fbnet_pfld.experiments.studies.evidence import evidence_report as report
from fbnet_pfld.experiments.studies.evidence.evidence_report import write_report
from fbnet_pfld.experiments.studies.evidence.figures import minutes_figure
from fbnet_pfld.experiments.studies.evidence.sample import sample
from fbnet_pfld.experiments.studies.results import Records
from fbnet_pfld.search_space import InputError
from fbnet_pfld.strategies import cost_range

# --- files ---------------------------------------------------------------------------------------------------------------


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


def test_minutes_are_drawn_once_there_are_several_lengths(tmp_path):
    keys = [
        {"space": "pfld", "method": method, "epochs": epochs, "seed": 0}
        for method, epochs in (("stages", 13), ("stages", 26), ("reference", 20))
    ]
    trained = pd.DataFrame([{**key, "cpu_seconds": 60.0 * key["epochs"], "seconds": 70.0 * key["epochs"]} for key in keys])
    front = pd.DataFrame(
        [
            {
                **key,
                "budget": budget,
                "epochs": epochs,
                "supernet_epochs": key["epochs"],
                "test_nme": 5.0 - epochs / 10,
                "seconds": 6.0 * epochs,
            }
            for key in keys
            for budget in BUDGETS
            for epochs in (0, 10, 30)
        ]
    )
    own = pd.DataFrame(
        [
            {**keys[-1], "budget": budget, "choice": "decoded", "training_seed": 0, "alone_nme": 5.5, "seconds": 60.0}
            for budget in BUDGETS[:1]
        ]
    )
    path = tmp_path / "minutes.png"
    minutes_figure(path, {"supernets": trained, "finetuning": front[front.supernet_epochs != 26], "choices": own})
    assert not path.exists()
    minutes_figure(path, {"supernets": trained, "finetuning": front, "choices": own})
    assert path.stat().st_size > 10_000


# --- the whole -----------------------------------------------------------------------------------------------------------


def test_subnets_trained_alone_are_rows_that_are_not_trained_again(blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(alone, "RECIPE", {"finetune__epochs": 1, "finetune__batch_size": 16})
    monkeypatch.setattr(alone, "sample", lambda cost, budgets: sample(cost, budgets)[:2])
    evidence.alone(blobs, "pfld-wide", 0, tmp_path)
    rows = pd.read_csv(tmp_path / "alone.csv")
    assert list(rows.us) == pytest.approx(cost_range(cost_of_space("pfld-wide")), abs=0.1)
    assert list(rows.parameters) == [55_348, 208_580]
    before = (tmp_path / "alone.csv").read_bytes()
    evidence.alone(blobs, "pfld-wide", 0, tmp_path)
    assert (tmp_path / "alone.csv").read_bytes() == before
    monkeypatch.setattr(alone, "RECIPE", {"finetune__epochs": 2, "finetune__batch_size": 16})
    with pytest.raises(InputError, match=r"alone.csv: has results of other settings"):
        evidence.alone(blobs, "pfld-wide", 1, tmp_path)


def test_the_truth_in_the_repository_is_of_todays_recipe_and_table():
    rows = Records(Path(__file__).parents[1] / "experiments/studies/evidence/alone.csv").frame()
    for space, part in rows.groupby("space"):
        assert set(part.setup) == {alone.recipe_digest(alone.recipe_of(space), cost_of_space(space))}


class Stop(pl.Callback):
    """Stand-in for a kill between two epochs."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            raise RuntimeError("stopped")


@pytest.mark.slow
def test_a_supernet_goes_on_where_it_was_stopped(place, monkeypatch):
    supernet = supernets.Supernet("pfld", "stages", 0, 2, place / "work")
    data = supernet.config.faces(place / "data")
    search = supernets.search_supernet

    def stopping(*arguments, callbacks):
        return search(*arguments, callbacks=[*callbacks, Stop()])

    with monkeypatch.context() as patched:
        patched.setattr(supernets, "search_supernet", stopping)
        with pytest.raises(RuntimeError, match="stopped"):
            supernet.train(data)
    assert (supernet.folder / "checkpoint_best.pth").exists()
    with pytest.raises(InputError, match="no trained supernet in .*; run the `supernet` command"):
        supernet.checkpoint  # noqa: B018
    restored = []
    monkeypatch.setattr(supernets.Clock, "load_state_dict", lambda self, state: restored.append(state))
    spent = supernet.train(data)
    assert restored[0]["seconds"] > 0
    assert len(pd.read_csv(supernet.folder / "history.csv")) == 2
    assert supernet.train(data) == spent
    assert supernet.checkpoint.exists()


def test_the_clock_counts_the_time_before_an_interruption():
    clock = supernets.Clock()
    clock.load_state_dict({"seconds": 100.0, "cpu_seconds": 50.0})
    spent = clock.spent()
    assert 100 <= spent["seconds"] < 110
    assert 50 <= spent["cpu_seconds"] < 60


@pytest.mark.slow
def test_all_parts_run_and_go_on(tmp_path, monkeypatch, capsys):
    space, budget = "pfld", 2350.0
    two = sample(cost_of_space(space), [budget])[2:4]
    monkeypatch.setitem(alone.BUDGETS, space, (budget,))
    monkeypatch.setattr(alone, "RECIPE", {"finetune__epochs": 1})
    monkeypatch.setattr(alone, "sample", lambda cost, budgets: two)
    monkeypatch.setattr(supernets, "subnets_of", lambda supernet: {"sample": two, "spread": two[:1]})
    monkeypatch.setattr(block_spread, "AROUND", 1)
    monkeypatch.setattr(choices, "EVALUATIONS", 20)
    monkeypatch.setattr(choices, "SEEDS", (0,))
    monkeypatch.setattr(finetuned, "EPOCHS", 1)
    monkeypatch.setattr(report, "EPOCHS", 1)
    monkeypatch.setattr(finetuned, "subnets_of", lambda supernet: {"sample": two})
    monkeypatch.setitem(finetuned.BUDGETS, space, (budget,))
    data, results, work = write_blobs(tmp_path / "data", 40, 8), tmp_path / "results", tmp_path / "work"

    def written():
        return {path: path.stat().st_mtime_ns for folder in (results, work) for path in folder.rglob("*")}

    kept = []
    for _ in range(2):
        for seed in (0, 1):
            evidence.alone(data, space, seed, results)
        for method in supernets.METHODS:
            evidence.supernet(data, space, method, 2, 0, results, work)
            evidence.choices(data, space, method, 2, 0, results, work)
        evidence.blocks(data, space, "stages", 2, 0, results, work)
        evidence.finetuning(data, space, "stages", 2, 0, (0, 1), results, work)
        evidence.inherited(data, space, "stages", 2, 0, results, work)
        kept.append(written())
    assert kept[0] == kept[1]
    rows = {path.stem: Records(path).frame() for path in results.glob("*.csv")}
    assert {name: len(frame) for name, frame in rows.items()} == {
        "alone": 4,
        "supernets": 2,
        "scores": 6,
        "choices": 4,
        "blocks": 45,
        "finetuning": 2,
        "inherited": 2,
    }
    assert (rows["choices"].us <= budget).all()
    assert list(rows["choices"].choice) == ["gumbel", "front", "decoded", "front"]
    assert np.isfinite(rows["scores"][["us", "held_out_nme", "test_nme"]]).all(axis=None)
    assert rows["scores"].groupby("method").us.nunique().eq(2).all()
    assert rows["finetuning"].test_nme.nunique() == 2
    # the front's choice before finetuning has the same NME in both files
    as_it_is = rows["choices"].query("method == 'stages' and choice == 'front'").test_nme.item()
    assert rows["finetuning"].query("epochs == 0").test_nme.item() == as_it_is

    capsys.readouterr()
    evidence.report(space, results)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {name: len(table) for name, table in found.items()} == {
        "noise": 1,
        "correlations": 6,
        "inherited": 5,
        "ratios": 2,
        "regrets": 4,
        "regrets_as_they_are": 4,
        "regrets_finetuned": 1,
        "finetuning": 1,
        "spreads": 1,
        "supernets": 2,
    }
    tuned = found["regrets_finetuned"][0]
    assert tuned["nme"] == rows["finetuning"].query("epochs == 1").test_nme.item()
    assert tuned["random"] == pytest.approx(rows["inherited"].test_nme.mean(), abs=1e-3)
    sampled = rows["scores"].query("method == 'stages' and part == 'sample'").test_nme.mean()
    ratio = next(row["ratio"] for row in found["ratios"] if row["method"] == "stages")
    assert ratio == pytest.approx(sampled / rows["alone"].test_nme.mean(), abs=1e-3)
    assert min(value for name, value in found["spreads"][0].items() if name.startswith("layer")) > 0
    assert (results / "correlation.png").stat().st_size > 10_000

    # rows of other settings are refused, and nothing is trained
    monkeypatch.setitem(supernets.METHODS, "stages", {"search__augment": "full"})
    monkeypatch.setattr(alone, "RECIPE", {"finetune__epochs": 2})
    for name in ("supernet", "choices", "blocks", "finetuning", "inherited"):
        with pytest.raises(InputError, match=rf"{name}s?.csv: has results of other settings"):
            getattr(evidence, name)(data, space, "stages", 2, 0, results=results, work=work)
    assert {path: time for path, time in written().items() if path.suffix != ".png"} == kept[1]


def test_a_report_names_what_is_not_there(tmp_path, capsys):
    write_report("pfld", tmp_path)
    printed = capsys.readouterr().out.splitlines()
    assert sum("no rows of pfld yet" in line for line in printed) == 7
    assert json.loads(printed[-1]) == {}
    with pytest.raises(InputError, match="'pfld-huge' is unknown; allowed: pfld, pfld-wide"):
        write_report("pfld-huge", tmp_path)


@pytest.mark.parametrize(("option", "value"), [("space", "pfld-huge"), ("method", "one_path"), ("epochs", 0)])
def test_a_supernet_that_there_is_not_is_refused(tmp_path, option, value):
    given = {"space": "pfld", "method": "stages", "epochs": 2, option: value}
    with pytest.raises(InputError, match=r"is unknown|greater than or equal to 1"):
        supernets.Supernet(given["space"], given["method"], 0, given["epochs"], tmp_path)
