"""The accuracy experiment: its networks, its tables against brute force, and a short run of all commands."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest

from fbnet_pfld.evaluators.training.loss import LOSSES
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.experiments.studies.accuracy import __main__ as accuracy
from fbnet_pfld.experiments.studies.accuracy.accuracy_report import costs_table, networks_table, recipes_table
from fbnet_pfld.experiments.studies.accuracy.contenders import BASE, MEDIAN, RECIPES, contenders
from fbnet_pfld.experiments.studies.results import Records
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import BASELINES, Architecture, InputError, PfldSpace, SpaceSpec, count

PFLD = SpaceSpec.load("pfld")
CHEAP = ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5")
MIDDLE = Architecture(PFLD, 106, 112, dict(zip(PFLD.labels, MEDIAN, strict=True)))


def test_contenders_are_what_they_are_called():
    space = PfldSpace()
    cost = LookupTable.load("snapdragon625-4t").cost(space)
    every = sorted(sum(us) for us in itertools.product(*(row.values() for row in cost.blocks_us.values())))
    found = contenders(space, cost)

    def us(name):
        return sum(cost.blocks_us[label][block] for label, block in found[name].choices.items())

    assert found.keys() == {"smallest", "median", "largest", *BASELINES}
    assert us("smallest") == pytest.approx(every[0])
    assert us("largest") == pytest.approx(every[-1])
    assert every[int(0.45 * len(every))] < us("median") < every[int(0.55 * len(every))]


def test_the_recipes_subnet_is_near_the_middle_of_its_space():
    macs = count(MIDDLE.build())[1]
    assert 0.4 < (macs - 5_830_224) / (12_135_152 - 5_830_224) < 0.6


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES)
def test_recipes_are_options_that_exist_and_differ_from_the_base(changes):
    if "distillation" in changes:  # the command adds the teacher
        changes = {**changes, "teacher": "teacher.pth"}
    base, changed = (
        Config().override({f"finetune__{key}": value for key, value in each.items()}, "test").finetune
        for each in (BASE, {**BASE, **changes})
    )
    differing = {key for key, value in changed.model_dump().items() if value != base.model_dump()[key]}
    assert differing == changes.keys() - {"distillation"}
    assert changed.loss in LOSSES


def test_tables_are_means_spreads_and_ratios():
    found = {"base": (5.0, 5.2), "wing": (4.9, 5.4)}
    recipes = pd.DataFrame(
        [
            {"data": "d", "epochs": 6, "recipe": recipe, "seed": seed, "test_nme": nme, "held_out_nme": 1, "seconds": 9}
            for recipe, nmes in found.items()
            for seed, nme in enumerate(nmes)
        ]
    )
    row = recipes_table(recipes).set_index("recipe").loc["wing"]
    assert row[["nme", "spread", "paired"]].tolist() == pytest.approx([5.15, 0.5 / math.sqrt(2), 0.05], abs=1e-3)
    assert row.standard_error == pytest.approx(0.15, abs=1e-3)  # for the differences -0.1 and 0.2
    networks = pd.DataFrame(
        [
            {"data": "d", "network": name, "seed": seed, "epochs": 3, "test_nme": nme, "test_fr8": 1.0, "test_auc8": 50.0}
            for name, nmes in (("pfld_lite", (6.0, 6.4)), ("searched", (4.9, 5.1)))
            for seed, nme in enumerate(nmes)
        ]
    )
    costs = pd.DataFrame(
        {
            "network": ["pfld_lite", "searched"],
            "onnx_bytes": [1000, 600],
            "parameters": [250, 150],
            "snapdragon625-4t": [100.0, 20.0],
            "host_us": [8.0, 2.0],
        }
    )
    row = networks_table(networks, costs).set_index("network").loc["searched"]
    assert (row.seeds, row.parameters) == (2, 150)
    assert row.nme_over_baseline == pytest.approx(5.0 / 6.2, abs=1e-3)
    row = costs_table(costs).set_index("network").loc["searched"]
    assert row[["size_ratio", "snapdragon625-4t_faster", "host_us_faster"]].tolist() == [0.6, 5.0, 4.0]


def test_the_report_needs_results(tmp_path):
    with pytest.raises(InputError, match=r"recipe\.csv not found"):
        accuracy.report(tmp_path)


@pytest.mark.slow
def test_all_parts_run_and_go_on(place, few_blobs, quick_exports, monkeypatch, capsys):
    monkeypatch.setattr(accuracy, "RECIPES", {name: RECIPES[name] for name in ("base", "smooth L1", "distillation")})
    config, results, supernet = place / "c.yaml", place / "results", place / "ckpt_save/supernet/checkpoint_best.pth"
    config.write_text("space: pfld\nfinetune: {batch_size: 16}\n")
    finetuned = Records(place / "finetuning.csv")
    row = {
        "space": "pfld",
        "method": "stages",
        "supernet_epochs": Config().search.total_epochs,
        "budget": 2350.0,
        "epochs": 1,
        "setup": "1e5",
        "test_nme": 5.0,
        "test_fr8": 1.0,
        "test_auc8": 50.0,
        "seconds": 1.0,
    }
    finetuned.extend(
        [
            {**row, "seed": 0, "blocks": " ".join(MEDIAN)},
            {**row, "seed": 1, "blocks": " ".join(CHEAP)},
            {**row, "seed": 0, "blocks": "", "epochs": 3},
        ]
    )
    kept = []
    for _ in range(2):
        accuracy.recipe("blobs", few_blobs, 106, 1, 1, supernet, (), results)
        accuracy.networks("blobs", few_blobs, 106, 1, 1, config, ("smallest", "pfld_lite"), results)
        accuracy.searched("blobs", finetuned.path, 1, config, results)
        kept.append({path.name: path.stat().st_mtime_ns for path in results.glob("*.csv")})
    assert kept[0] == kept[1]
    config.write_text("space: pfld\nfinetune: {batch_size: 8}\n")
    with pytest.raises(InputError, match="has results of other settings"):
        accuracy.networks("blobs", few_blobs, 106, 1, 1, config, ("smallest",), results)
    accuracy.costs(106, config, results)
    costs = pd.read_csv(results / "costs.csv").set_index("network")
    searched = "searched, at most 2,350 us"
    assert list(costs.index) == ["smallest", "median", "largest", *BASELINES, searched]
    cheap = Architecture(PFLD, 106, 112, dict(zip(PFLD.labels, CHEAP, strict=True)))
    assert costs.macs[searched] == (count(MIDDLE.build())[1] + count(cheap.build())[1]) / 2
    capsys.readouterr()
    accuracy.report(results)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["seeds"] for row in found["recipes"]] == [1, 1, 1]
    assert {row["network"]: row["seeds"] for row in found["networks"]} == {"smallest": 1, "pfld_lite": 1, searched: 2}
    assert all(np.isfinite(row["nme"]) for row in found["networks"])
    assert (results / "accuracy.png").stat().st_size > 10_000
