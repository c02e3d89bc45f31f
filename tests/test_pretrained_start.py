"""Searches and finetunings from the weights of a trained supernet or subnet, also with other landmarks."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import write_blobs

from fbnet_pfld.evaluators import Checkpoint, as_it_is, inherit, start_space
from fbnet_pfld.evaluators import names as evaluator_names
from fbnet_pfld.experiments.pipeline import supernet_search
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.search_space import Architecture, InputError, PfldSpace, SpaceSpec

PFLD = SpaceSpec.load("pfld")
BLOCKS = ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5")
SMALL = Architecture.from_blocks(PFLD, 106, 112, BLOCKS)
SEARCH = ("search", "--data-root", "data", "--init", "pretrained:supernet", "--config", "c.yaml")


@pytest.fixture
def shipped(place, monkeypatch):
    """The fixture ``place`` with its checkpoints as pretrained ones, and a config of quick trainings."""
    (place / "shipped").mkdir()
    shutil.copy("ckpt_save/supernet/checkpoint_best.pth", "shipped/supernet.pth")
    shutil.copy("ckpt_save/subnet/checkpoint_best.pth", "shipped/front-1200.pth")
    shutil.rmtree("ckpt_save")
    monkeypatch.setattr(evaluator_names, "FOLDER", place / "shipped")
    Path("c.yaml").write_text("search: {front: 0}\nfinetune: {epochs: 1, batch_size: 16, learning_rate: 1.0e-9}\n")
    return place


@pytest.fixture
def begun(monkeypatch):
    """Stop every search before its first step; returns the spaces that it would have trained."""
    spaces = []

    def stop(space, evaluator, strategy):
        spaces.append((space, strategy))
        raise InputError("stopped before the first step")

    monkeypatch.setattr(supernet_search, "run_search", stop)
    return spaces


@pytest.mark.parametrize("points", [106, 21])
def test_a_space_starts_with_all_weights_that_fit(points):
    torch.manual_seed(0)
    trained, space = PfldSpace("pfld", 106), PfldSpace("pfld", points)
    new = {name: tensor.clone() for name, tensor in space.state_dict().items()}
    fresh = start_space(space, Checkpoint.of(trained, PFLD, {}))
    assert fresh == ([] if points == 106 else ["points.0.weight", "points.0.bias"])
    weights = trained.state_dict()
    assert not torch.equal(new["points.0.bias"][:9], weights["points.0.bias"][:9])
    for name, tensor in space.state_dict().items():
        assert torch.equal(tensor, new[name] if name in fresh else weights[name]), name


def test_a_subnet_inherits_all_but_the_last_layer_of_a_supernet_of_other_points():
    torch.manual_seed(0)
    supernet = PfldSpace("pfld", 106)
    few = replace(SMALL, num_points=21)
    subnet, twin = few.build(), SMALL.build()
    new = {name: tensor.clone() for name, tensor in subnet.state_dict().items()}
    checkpoint = Checkpoint.of(supernet, PFLD, {})
    fresh = inherit(subnet, few, checkpoint)
    assert inherit(twin, SMALL, checkpoint) == []
    assert {new[name].shape[0] for name in fresh} == {42}
    weights = twin.state_dict()
    for name, tensor in subnet.state_dict().items():
        assert torch.equal(tensor, new[name] if name in fresh else weights[name]), name
    with pytest.raises(InputError, match="the checkpoint has 106 points, but 21 are needed"):
        as_it_is(few, checkpoint, None)


@pytest.mark.parametrize(
    ("given", "lengths"),
    [
        ({}, (0, 0, 18, 2)),
        ({"epochs": 10}, (0, 0, 9, 1)),
        ({"epochs": 2}, (0, 0, 1, 1)),
        ({"epochs": 1}, (0, 0, 1, 0)),
        ({"stages": {"teacher": 3}}, (3, 0, 18, 2)),
        ({"stages": {"sandwich": 5, "logits": 0}}, (0, 0, 5, 0)),
        ({"stages": {"sandwich_rate": 0.001}}, (0, 0, 18, 2)),
    ],
    ids=str,
)
def test_a_search_from_trained_weights_is_shorter_unless_stages_are_set(given, lengths):
    search = Config().override({f"search__{key}": value for key, value in given.items()}, "test").search.continuing()
    assert tuple(search.lengths.values()) == lengths
    assert search.total_epochs == sum(lengths)
    assert search.strategy(None).stages.sandwich_rate == given.get("stages", {}).get("sandwich_rate", 0.01)


@pytest.mark.parametrize("points", [106, 68])
def test_a_search_starts_with_these_weights(shipped, run, begun, capfd, points):
    if points != 106:
        Checkpoint.of(PfldSpace("pfld", points), PFLD, {}).save("shipped/supernet.pth")
    assert run(*SEARCH, "--points", 106) == 2
    error = capfd.readouterr().err
    assert "stopped before the first step" in error
    assert ("all weights are loaded except the last layer's, points.0.weight, points.0.bias" in error) == (points != 106)
    ((space, strategy),) = begun
    assert (strategy.stages.teacher, strategy.stages.sandwich, strategy.stages.logits) == (0, 18, 2)
    assert space.num_points == 106
    trained = Checkpoint.load("shipped/supernet.pth").weights
    for name, tensor in space.state_dict().items():
        assert torch.equal(tensor, trained[name]) or (points != 106 and name.startswith("points.")), name


def test_space_points_and_size_come_from_the_supernet_unless_configured(shipped, run, begun, refused, capfd):
    wide = PfldSpace("pfld-wide", 98)
    Checkpoint.of(wide, wide.spec, {}).save("shipped/supernet.pth")
    shutil.rmtree("data")
    write_blobs(Path("data"), 32, 8, points=98)
    assert run(*SEARCH) == 2
    ((space, _),) = begun
    assert (space.spec.name, space.num_points, space.input_size) == ("pfld-wide", 98, 112)
    capfd.readouterr()
    Path("c.yaml").write_text("space: pfld\n")
    refused(*SEARCH, words=["supernet.pth: supernet of another search space; expected 'pfld'"])
    small = PfldSpace("pfld", 106, 96)
    Checkpoint.of(small, PFLD, {}).save("shipped/supernet.pth")
    Path("c.yaml").write_text("input_size: 112\n")
    refused(*SEARCH, words=["supernet.pth: the network has input size 96, not 112"])


FAULTS = {
    "a subnet": (("--init", "pretrained:front-1200"), "front-1200.pth: a subnet; give the checkpoint of a supernet"),
    "no such name": (("--init", "pretrained:front"), "'front'; allowed: front-1200, supernet"),
    "supernet too": (("--init", "pretrained:supernet", "--supernet", "shipped/supernet.pth"), "are both given"),
    "no file": (("--init", "missing.pth"), "checkpoint cannot be read: missing.pth"),
}


@pytest.mark.parametrize(("options", "says"), FAULTS.values(), ids=FAULTS)
def test_what_no_search_starts_from_is_refused(shipped, refused, options, says):
    refused("search", "--data-root", "data", "--config", "c.yaml", *options, words=[says])


def test_the_reference_and_the_own_output_are_refused(shipped, refused):
    Path("r.yaml").write_text("search: {method: reference}\n")
    refused(*SEARCH[:-1], "r.yaml", words=["--init is for method: stages"])
    Path("runs/supernet").mkdir(parents=True)
    shutil.copy("shipped/supernet.pth", "runs/supernet/checkpoint_best.pth")
    own = ("search", "--data-root", "data", "--workspace", "runs", "--init", "runs/supernet/checkpoint_best.pth")
    refused(*own, words=["--init runs/supernet/checkpoint_best.pth is the file that this search writes"])


@pytest.mark.slow
def test_a_search_from_pretrained_weights_runs_and_resumes(shipped, run, capfd):
    search = (*SEARCH, "--json", "--epochs")
    assert run(*search, 2) == 0
    found = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert Checkpoint.load("ckpt_save/supernet/checkpoint_best.pth").stage == "logits"
    assert Architecture.load("ckpt_save/supernet/architecture.json").metrics["val_nme"] == found["val_nme"]
    assert run(*search, 3, "--resume", "auto") == 0
    assert torch.load("ckpt_save/supernet/last.ckpt", weights_only=True)["epoch"] == 2
    # the initial weights are part of a run's identity
    assert run(*SEARCH[:3], "--config", "c.yaml", "--epochs", 60, "--resume", "auto") == 2
    assert "init" in capfd.readouterr().err
    spoilt = Checkpoint.load("shipped/supernet.pth")
    spoilt.weights["points.0.weight"].mul_(2)
    spoilt.save("shipped/supernet.pth")
    assert run(*search, 3, "--resume", "auto") == 2
    assert "its run has init" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("points", [106, 21])
def test_finetuning_starts_from_a_pretrained_subnet_or_supernet(shipped, run, capfd, points):
    if points != 106:
        shutil.rmtree("data")
        write_blobs(Path("data"), 32, 8, points=points)
        Path("c.yaml").write_text(Path("c.yaml").read_text() + "eye_corners: [0, 10]\n")
    replace(SMALL, num_points=points).save("small.json")
    options = ("finetune", "--data-root", "data", "--config", "c.yaml", "--points", points)
    starts = {
        "subnet": (("--init", "pretrained:front-1200"), Checkpoint.load("shipped/front-1200.pth").weights),
        "supernet": (("--arch", "small.json", "--supernet", "pretrained:supernet"), None),
    }
    for workspace, (start, weights) in starts.items():
        assert run(*options, *start, "--workspace", workspace) == 0
        assert ("the last layer's, points." in capfd.readouterr().err) == (points != 106)
        trained = Checkpoint.load(f"{workspace}/subnet/checkpoint_best.pth")
        assert trained.num_points == points
        if weights is None:
            twin = SMALL.build()
            inherit(twin, SMALL, Checkpoint.load("shipped/supernet.pth"))
            weights = twin.state_dict()
        # a negligible learning rate
        for name, parameter in SMALL.build().named_parameters():
            if trained.weights[name].shape == parameter.shape:
                assert torch.allclose(trained.weights[name], weights[name], atol=1e-6), name


def test_commands_take_a_name_for_a_checkpoint(shipped, run, capfd):
    assert run("evaluate", "--data-root", "data", "--checkpoint", "pretrained:front-1200", "--json") == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])
    assert run("evaluate", "--data-root", "data", "--checkpoint", "pretrained:front-9") == 2
    assert "no pretrained network is called 'front-9'; allowed: front-1200, supernet" in capfd.readouterr().err
