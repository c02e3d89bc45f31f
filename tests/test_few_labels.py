"""Few labelled faces: nested subsets, lengths, the last layer from another layout, and the sequence of all trainings."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import write_blobs

from fbnet_pfld.evaluators import Checkpoint, FaceData, finetune, inherit, layout_of, network_input, start_from, start_space
from fbnet_pfld.evaluators.data.layouts import facts_of
from fbnet_pfld.evaluators.data.loaders import make_loader, split_indices
from fbnet_pfld.evaluators.training.known_points import as_layout
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.experiments.studies.few_labels import __main__ as few_labels
from fbnet_pfld.experiments.studies.few_labels import few_trainings
from fbnet_pfld.experiments.studies.few_labels.few_labels_report import few_labels_table
from fbnet_pfld.experiments.studies.few_labels.few_trainings import FewFaces, epochs_for
from fbnet_pfld.experiments.studies.results import Records
from fbnet_pfld.search_space import BASELINES, Architecture, InputError, PfldSpace, SpaceSpec

PFLD = SpaceSpec.load("pfld")
CHEAP = Architecture.from_blocks(PFLD, 106, 112, ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A small data set of 68 points."""
    return write_blobs(tmp_path_factory.mktemp("photos"), 40, 8, points=68)


@pytest.fixture(scope="module")
def init(tmp_path_factory):
    """Checkpoint of a subnet of 106 points."""
    torch.manual_seed(7)  # differs from the seeds of all trainings
    path = tmp_path_factory.mktemp("init") / "init.pth"
    Checkpoint.of(CHEAP.build(), CHEAP, {"val_nme": 5.0}).save(path)
    return str(path)


# --- subsets and lengths -------------------------------------------------------------------------------------------------


def test_subsets_are_nested_and_a_seed_draws_its_own(few_blobs):
    names = {(count, seed): FewFaces(few_blobs, 106, 112, count, seed).train.names for count in (5, 12) for seed in (0, 1)}
    every = FaceData(few_blobs, 106, 112).train
    for seed in (0, 1):
        assert len(names[5, seed]) == 5
        assert set(names[5, seed]) < set(names[12, seed]) < set(every.names)
    assert names[5, 0] != names[5, 1]
    faces = FewFaces(few_blobs, 106, 112, 1_000_000, 0)
    assert faces.train.names == every.names
    assert torch.equal(faces.train.images, every.images)
    assert len(faces.test) == 8


@pytest.mark.parametrize("labelled", [20, 100, 300, 1000, 2599])
def test_every_training_has_the_same_number_of_steps(labelled):
    options = Config().finetune
    trained, _ = split_indices(labelled, options.val_fraction, 0)
    per_epoch = len(make_loader(range(labelled), trained, options.batch_size, 0))
    steps = epochs_for(labelled, Config(), 0) * per_epoch
    assert abs(steps - few_trainings.STEPS) <= per_epoch / 2


# --- the last layer ------------------------------------------------------------------------------------------------------


def networks():
    torch.manual_seed(1)
    yield Checkpoint.of(CHEAP.build(), CHEAP, {})
    yield Checkpoint.of(BASELINES["pfld_lite"](106, 112), "pfld_lite", {})


@pytest.mark.parametrize("points", [68, 98])
@pytest.mark.parametrize("trained", list(networks()), ids=["subnet", "baseline"])
def test_a_last_layer_answers_for_the_points_that_it_knows(trained, points):
    known = as_layout(trained, points)
    images = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        every, some = trained.build()(images).view(2, 106, 2), known.build()(images).view(2, points, 2)
    for i, partner in enumerate(facts_of(points)["to_106"]):
        assert torch.allclose(some[:, i], every[:, partner], atol=1e-6)
    assert known.num_points == points


def test_other_layouts_have_no_partners():
    trained = next(networks())
    few = as_layout(trained, 68)
    assert as_layout(trained, 106) is trained
    assert as_layout(trained, 21) is trained
    assert as_layout(few, 106) is few
    assert as_layout(few, 98) is few


@pytest.mark.parametrize("points", [68, 98])
def test_weights_of_106_points_start_a_network_of_points_that_it_knows(points):
    """A subnet, a baseline, a subnet of a supernet, and a search space: all weights are inherited."""
    supernet = Checkpoint.of(PfldSpace(PFLD, 106), PFLD, {})
    twin = CHEAP.build()
    inherit(twin, CHEAP, supernet)
    few = replace(CHEAP, num_points=points)
    images, partners = torch.rand(2, 3, 112, 112), facts_of(points)["to_106"]

    def answers(model):
        with torch.no_grad():
            return model.eval()(images).view(2, -1, 2)

    for trained, network, model in (
        (Checkpoint.of(twin, CHEAP, {}), few, few.build()),
        (Checkpoint.of(BASELINES["pfld_lite"](106), "pfld_lite", {}), "pfld_lite", BASELINES["pfld_lite"](points)),
    ):
        assert start_from(model, network, trained) == []
        assert torch.allclose(answers(model), answers(trained.build())[:, partners], atol=1e-6)
    inherited, space = few.build(), PfldSpace(PFLD, points)
    assert inherit(inherited, few, supernet) == start_space(space, supernet) == []
    assert torch.allclose(answers(inherited), answers(twin)[:, partners], atol=1e-6)
    rows = [2 * partner + axis for partner in partners for axis in (0, 1)]
    assert torch.equal(space.state_dict()["points.0.bias"], supernet.weights["points.0.bias"][rows])


# --- trainings -----------------------------------------------------------------------------------------------------------


class Trainings:
    """Stand-in for the trainings: it records their arguments, and the rate 0.01 is the best."""

    def __init__(self, monkeypatch):
        self.done = []
        monkeypatch.setattr(few_trainings, "train_and_test", self)

    def __call__(self, config, faces, network, seed, supernet=None, init=None):
        options = config.finetune
        self.done.append((init and init.name, len(faces.train), seed, options.learning_rate, options.epochs))
        assert network.num_points == 68
        assert network.same_blocks(CHEAP)
        held_out = 5 + abs(options.learning_rate - 0.01)
        return {"held_out_nme": held_out, "test_nme": 6.0, "test_fr8": 1.0, "test_auc8": 40.0, "seconds": 2.0}


def test_the_first_seed_chooses_the_rate_and_nothing_is_trained_twice(photos, init, tmp_path, monkeypatch):
    trainings = Trainings(monkeypatch)
    monkeypatch.setattr(few_trainings, "RATES", {"scratch": (0.02, 0.01), "init": (0.01, 0.003)})
    for seeds in (1, 2, 2):
        few_labels.train("photos", photos, init, faces=[10, 10_000], seeds=seeds, results=tmp_path)
    expected = [
        (weights, count, seed, rate)
        for seed, chosen in ((0, False), (1, True))
        for count in (10, 40)
        for weights, rates in ((None, (0.02, 0.01)), ("init.pth", (0.01, 0.003)))
        for rate in rates
        if not chosen or rate == 0.01
    ]
    assert [each[:4] for each in trainings.done] == expected
    assert all(epochs == epochs_for(count, Config(), seed) for _, count, seed, _, epochs in trainings.done)
    rows = Records(tmp_path / "few_labels.csv").frame()
    assert len(rows) == len(expected) + 1  # and the untrained checkpoint


def test_without_training_the_network_is_rated_as_it_is(photos, init, tmp_path, monkeypatch):
    Trainings(monkeypatch)
    few_labels.train("photos", photos, init, faces=[10], start=["init"], seeds=1, results=tmp_path)
    rows = Records(tmp_path / "few_labels.csv").frame()
    row = rows[rows.faces == 0].iloc[0]
    test = FaceData(photos, 68, 112).test
    with torch.no_grad():
        points = Checkpoint.load(init).build()(network_input(test.images)).view(-1, 106, 2)[:, facts_of(68)["to_106"]]
    left, right = layout_of(68).eye_corners
    distance = (points - test.points).norm(dim=2).mean(1) / (test.points[:, left] - test.points[:, right]).norm(dim=1)
    assert row.test_nme == pytest.approx(100 * float(distance.mean()), abs=1e-3)


def test_rows_of_other_weights_or_recipes_are_refused(photos, init, tmp_path, monkeypatch):
    trainings = Trainings(monkeypatch)
    few_labels.train("photos", photos, init, faces=[10], seeds=1, results=tmp_path)
    config = tmp_path / "c.yaml"
    config.write_text("finetune: {augment: geometry}\n")
    count = len(trainings.done)
    with pytest.raises(InputError, match="has results of other settings"):
        few_labels.train("photos", photos, init, faces=[10], seeds=1, config=config, results=tmp_path)
    other = tmp_path / "other.pth"
    Checkpoint.of(CHEAP.build(), CHEAP, {}).save(other)
    with pytest.raises(InputError, match="has results of other settings"):
        few_labels.train("photos", photos, str(other), faces=[10], seeds=1, results=tmp_path)
    with pytest.raises(InputError, match="'scretch' is unknown"):
        few_labels.train("photos", photos, init, faces=[10], start=["scretch"], seeds=1, results=tmp_path)
    assert len(trainings.done) == count


@pytest.mark.slow
def test_a_short_run_trains_from_the_weights_and_reports(photos, init, tmp_path, monkeypatch, capsys):
    started = []

    def watched(model, *arguments, **options):
        started.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return finetune(model, *arguments, **options)

    monkeypatch.setattr("fbnet_pfld.experiments.pipeline.finetuning.finetune", watched)
    monkeypatch.setattr(few_trainings, "STEPS", 1)
    monkeypatch.setattr(few_trainings, "RATES", {"scratch": (0.01,), "init": (0.001,)})
    few_labels.train("photos", photos, init, faces=[40], seeds=1, results=tmp_path)
    first, second = started
    weights = as_layout(Checkpoint.load(init), 68).weights
    assert all(torch.equal(second[name], tensor) for name, tensor in weights.items())
    assert not all(torch.equal(first[name], tensor) for name, tensor in weights.items())
    few_labels.report(tmp_path)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {(row["start"], row["faces"]) for row in found} == {("scratch", 40), ("init", 40), ("init", 0)}
    assert all(np.isfinite(row["nme"]) for row in found)
    assert (tmp_path / "few_labels.png").stat().st_size > 10_000


def test_the_table_takes_the_rate_that_held_out_faces_choose():
    key = {"data": "d", "network": "n", "start": "scratch", "faces": 100, "epochs": 9, "test_fr8": 1.0, "cpu_seconds": 60.0}
    rows = pd.DataFrame(
        [
            {**key, "seed": 0, "rate": 0.02, "held_out_nme": 5.1, "test_nme": 7.0},
            {**key, "seed": 0, "rate": 0.01, "held_out_nme": 5.0, "test_nme": 8.0},
            {**key, "seed": 1, "rate": 0.01, "held_out_nme": 6.0, "test_nme": 8.4},
        ]
    )
    row = few_labels_table(rows).iloc[0]
    assert (row.rate, row.seeds, row.minutes) == (0.01, 2, 1)
    assert row[["nme", "spread"]].tolist() == pytest.approx([8.2, 0.4 / 2**0.5], abs=1e-3)
