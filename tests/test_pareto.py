"""Sweep and front compared with brute force, evolution on a large space, and the ``pareto`` command."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.swa_utils import update_bn

from fbnet_pfld.evaluators import Checkpoint, LandmarkDataset, evaluate, inherit, score, split_indices
from fbnet_pfld.experiments.pipeline import front as command
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import Architecture, Latency, PfldSpace, SpaceSpec
from fbnet_pfld.strategies import cost_of, cost_range, evolve, k_best, pareto_front, sweep

SMALL = {
    "name": "small",
    "stem": 8,
    "entry": {"block": "mb_k3", "channels": 16, "stride": 2},
    "head": 16,
    "stages": [
        {"layers": 1, "channels": 16, "candidates": ["mb_k3_res", "gh_k3", "skip"]},
        {"layers": 2, "channels": 16, "stride": 2, "candidates": ["mb_k3_e2_res_se", "sep_k3"]},
    ],
}


@pytest.fixture
def small(place):
    """A supernet of 12 subnets with plausible statistics, and a table for its space."""
    torch.manual_seed(0)
    spec = SpaceSpec.from_dict(SMALL, "test")
    space = PfldSpace(spec)
    for name, weight in space.named_parameters():
        torch.nn.init.normal_(weight, 1.0 if weight.dim() == 1 and name.endswith("weight") else 0.0, 0.2)
    Checkpoint("supernet", spec.to_dict(), 106, 112, space.state_dict(), {}).save("small.pth")
    rows = dict.fromkeys(space.fixed_signatures(), 1.0)
    rng = np.random.default_rng(0)
    rows |= {signature: float(rng.uniform(1, 10)) for row in space.signatures().values() for signature in row.values()}
    LookupTable.load("snapdragon625-4t").model_copy(update={"rows": rows, "name": "made"}).save("made.csv")
    return space


def reference(spec, choices, images):
    """A separate subnet in training mode: BatchNorm uses the statistics of the batch."""
    architecture = Architecture(spec, 106, 112, choices)
    model = architecture.build()
    inherit(model, architecture, Checkpoint.load("small.pth"))
    with torch.no_grad():
        return model.train()(images)


def as_exported(spec, choices, trained, held_out):
    """NME of a subnet with the supernet's weights and BatchNorm statistics from the training faces."""
    architecture = Architecture(spec, 106, 112, choices)
    model = architecture.build()
    inherit(model, architecture, Checkpoint.load("small.pth"))
    update_bn((images.float() / 255 for images in trained.images.split(64)), model)
    return evaluate(model, held_out)["nme"]


def test_sweeping_equals_running_each_subnet_on_its_own(small):
    images = torch.rand(12, 3, 112, 112)
    before = {name: tensor.clone() for name, tensor in small.state_dict().items() if "num_batches" not in name}
    subnets = list(itertools.product(*small.spec.candidates().values()))
    np.random.default_rng(0).shuffle(subnets)
    subnets = [tuple(map(str, subnet)) for subnet in subnets[:9]]
    seen = []
    for index, output in sweep(small, images, subnets):
        expected = reference(small.spec, dict(zip(small.spec.labels, subnets[index], strict=True)), images)
        assert torch.allclose(output, expected, atol=1e-4 * float(expected.abs().max()))
        seen.append(index)
    assert sorted(seen) == list(range(9))
    assert not any(module.training for module in small.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in small.state_dict().items() if name in before)


def test_shared_beginnings_run_once(small):
    calls = []
    for i, layer in enumerate(small.layers):
        for name in layer.names:
            layer[name].register_forward_hook(lambda *_, i=i: calls.append(i))
    assert len(list(sweep(small, torch.rand(2, 3, 112, 112), list(itertools.product(*small.spec.candidates().values()))))) == 12
    assert [calls.count(i) for i in range(3)] == [3, 6, 12]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=40))
def test_front_equals_brute_force(points):
    front = pareto_front([p[0] for p in points], [p[1] for p in points])
    chosen = [points[i] for i in front]
    best = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)}
    assert set(chosen) == best
    assert chosen == sorted(best)


def test_evolution_comes_near_the_front_of_a_space_too_large_to_score():
    """Ten layers of five blocks: 9.8 million subnets, with an additive score for which k_best gives the front."""
    rng = np.random.default_rng(0)
    cost = SimpleNamespace(
        fixed_us=10.0, blocks_us={f"l{i}": {f"b{j}": float(rng.uniform(1, 20)) for j in range(5)} for i in range(10)}
    )
    gain = {label: {name: us + float(rng.normal(0, 3)) for name, us in row.items()} for label, row in cost.blocks_us.items()}
    asked = []

    def scores(subnets):
        asked.extend(subnets)
        return [200 - sum(row[name] for row, name in zip(gain.values(), subnet, strict=True)) for subnet in subnets]

    nothing = {label: dict.fromkeys(row, 0.0) for label, row in cost.blocks_us.items()}
    found = evolve(scores, nothing, cost, 3000, seed=0)
    assert len(found) == len(asked) == len(set(asked)) == 3000
    random = [tuple(str(rng.choice(list(row))) for row in cost.blocks_us.values()) for _ in range(3000)]
    misses = {"evolution": [], "random": []}
    for budget in np.linspace(*cost_range(cost), 6)[1:]:
        best = 200 - sum(gain[label][name] for label, name in k_best(gain, cost, budget, 1)[0].items())
        for name, subnets in (("evolution", list(found)), ("random", random)):
            reached = min(scores([subnet])[0] for subnet in subnets if cost_of(cost, subnet) <= budget)
            misses[name].append(reached - best)
    assert max(misses["evolution"]) < 0.2 * max(misses["random"])
    assert evolve(scores, nothing, cost, 500, seed=0) == evolve(scores, nothing, cost, 500, seed=0)


def test_the_command_writes_the_front(small, run, capsys):
    assert run("pareto", "--data-root", "data", "--supernet", "small.pth", "--lut", "made.csv", "--faces", 16, "--json") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    front, scores = pd.read_csv(result["front"]), pd.read_csv("output/pareto/scores.csv")
    table = LookupTable.load("made.csv")
    labels = small.spec.labels
    assert len(scores) == 12
    every = [dict(zip(labels, row, strict=True)) for row in scores[labels].itertuples(index=False, name=None)]
    us = [table.latency_us(Architecture(small.spec, 106, 112, choices)) for choices in every]
    data = LandmarkDataset("data", "train")
    trained, held_out = split_indices(len(data), 0.15, 0)
    scored = pareto_front(us, scores["nme"].tolist())
    rated = [as_exported(small.spec, every[i], data.subset(trained), data.subset(held_out)) for i in scored]
    chosen = pareto_front([us[i] for i in scored], rated)
    assert front[labels].to_dict("records") == [every[scored[i]] for i in chosen]
    assert front["nme"].tolist() == pytest.approx([rated[i] for i in chosen], rel=2e-3)
    for row in front.to_dict("records"):
        architecture = Architecture.load(f"output/pareto/{row['file']}")
        assert architecture.choices == {label: row[label] for label in labels}
        assert architecture.latency == Latency(row["us"], "made", "emulated")
        assert architecture.metrics == {"val_nme": row["nme"]}
    part = data.subset(held_out[:16])
    alone = reference(small.spec, every[3], part.images.float() / 255).view_as(part.points)
    assert float(scores["nme"][3]) == pytest.approx(score(alone, part.points)["nme"], rel=1e-3)
    names = sorted(path.name for path in Path("output/pareto").iterdir())
    assert names == ["front", "pareto.csv", "pareto.png", "scores.csv", "scores.json"]


def test_known_scores_serve_another_table_and_a_stopped_run(small, run, monkeypatch, capsys):
    arguments = ("pareto", "--data-root", "data", "--supernet", "small.pth", "--lut", "made.csv", "--faces", 16)
    swept = []
    real = sweep

    def stopped(supernet, x, subnets):
        swept.append(len(subnets))
        for done, result in enumerate(real(supernet, x, subnets)):
            if done == 5 and len(swept) == 1:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr("fbnet_pfld.experiments.pipeline.scoring.sweep", stopped)
    assert run(*arguments) == 130
    assert len(pd.read_csv("output/pareto/scores.csv")) == 5
    assert run(*arguments) == 0
    assert run(*arguments) == 0
    assert swept == [12, 7, 0]
    assert run(*arguments[:-1], 8) == 0  # other faces: no known score is reused
    assert swept[-1] == 12


def test_a_front_point_can_be_finetuned(small, run):
    assert run("pareto", "--data-root", "data", "--supernet", "small.pth", "--lut", "made.csv", "--faces", 8) == 0
    front = pd.read_csv("output/pareto/pareto.csv")
    assert (
        run(
            "finetune",
            "--data-root",
            "data",
            "--config",
            "config.yaml",
            "--arch",
            f"output/pareto/{front['file'][0]}",
            "--supernet",
            "small.pth",
        )
        == 0
    )
    assert Checkpoint.load("ckpt_save/subnet/checkpoint_best.pth").architecture().space.name == "small"


def test_a_larger_space_is_searched_by_evolution(small, run, monkeypatch):
    monkeypatch.setattr(command, "ALL", 10)
    monkeypatch.setattr(command, "EVALUATIONS", 12)
    assert run("pareto", "--data-root", "data", "--supernet", "small.pth", "--lut", "made.csv", "--faces", 8) == 0
    assert len(pd.read_csv("output/pareto/scores.csv")) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--supernet", "ckpt_save/subnet/checkpoint_best.pth"), "a subnet; give the checkpoint of a supernet"),
        (("--supernet", "nowhere.pth"), "checkpoint cannot be read: nowhere.pth"),
        (("--lut", "nowhere.csv"), "latency table not found: nowhere.csv"),
        (("--supernet", "small.pth", "--lut", "snapdragon625-4t"), "has no row for"),
        (("--data-root", "nowhere"), "data root not found: nowhere"),
    ],
)
def test_mistakes_are_one_line(small, run, capsys, arguments, message):
    data = () if "--data-root" in arguments else ("--data-root", "data")
    assert run("pareto", *data, "--faces", 8, *arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1]
    assert not Path("output/pareto").exists()
