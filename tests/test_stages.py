"""Parts of a staged search: schedule, paths, and the errors of block-wise distillation."""

from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from fbnet_pfld.search_space import InputError
from fbnet_pfld.strategies import SHARES, FairPaths, Stages, split
from fbnet_pfld.strategies.block_distillation import distillation_errors, not_once
from fbnet_pfld.strategies.distances import relative_error
from fbnet_pfld.strategies.paths import branches
from fbnet_pfld.strategies.stages import RISE, one_cycle

NAMES = {"a": ["cheap", "mid", "dear"], "b": ["cheap", "dear"], "c": ["cheap", "dear"]}


# --- the schedule --------------------------------------------------------------------------------------------------------


@given(steps=st.integers(4, 60), rise=st.sampled_from(sorted(set(RISE.values()))))
def test_the_rate_is_that_of_torchs_one_cycle(steps, rise):
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=0.02)
    scheduler = OneCycleLR(optimizer, 0.02, total_steps=steps + 1, pct_start=(rise * steps + 1) / (steps + 1))
    for step in range(steps):
        rate, momentum = one_cycle(step / steps, rise)
        group = optimizer.param_groups[0]
        assert (0.02 * rate, momentum) == pytest.approx((group["lr"], group["betas"][0]), rel=1e-6)
        optimizer.step()
        scheduler.step()


@given(st.integers(1, 400))
def test_epochs_are_split_in_the_proportions(epochs):
    found = split(epochs)
    assert sum(found.values()) == epochs
    for name, share in SHARES.items():
        if name != "sandwich":
            assert abs(found[name] - epochs * share / sum(SHARES.values())) < 1
    assert sum(length == 0 for length in found.values()) == max(0, 4 - epochs)
    assert epochs < 2 or found["logits"] > 0


def test_the_default_length_is_split_into_the_default_stages():
    assert split(sum(SHARES.values())) == dict(SHARES)
    assert Stages(**split(sum(SHARES.values()))) == Stages()


def test_every_epoch_lies_in_its_stage():
    stages = Stages(2, 0, 3, 1)
    assert [tuple(stages.at(epoch)) for epoch in range(stages.epochs)] == [
        ("teacher", 0, 2),
        ("teacher", 1, 2),
        ("sandwich", 0, 3),
        ("sandwich", 1, 3),
        ("sandwich", 2, 3),
        ("logits", 0, 1),
    ]


# --- paths ---------------------------------------------------------------------------------------------------------------


def test_every_candidate_has_its_turn_before_any_has_the_next():
    torch.manual_seed(0)
    fair = FairPaths(NAMES)
    paths = [fair.draw() for _ in range(12)]
    for label, names in NAMES.items():
        for i in range(0, 12, len(names)):
            assert {path[label] for path in paths[i : i + len(names)]} == set(names)


def test_paths_are_as_frequent_as_each_other():
    torch.manual_seed(0)
    seen = Counter()
    for _ in range(2000):
        fair = FairPaths(NAMES)
        seen.update(tuple(fair.draw().values()) for _ in range(6))
    assert len(seen) == 12
    assert min(seen.values()) > 0.85 * 1000
    assert max(seen.values()) < 1.15 * 1000


def test_branches_differ_in_the_last_layer_alone():
    torch.manual_seed(0)
    names = {"a": ["x", "y"], "b": ["p", "q", "r", "s"]}
    path = {"a": "y", "b": "q"}
    firsts = Counter()
    for _ in range(600):
        found = branches(path, names, 3)
        assert found[0] == path
        assert len({each["b"] for each in found}) == 3
        assert {each["a"] for each in found} == {"y"}
        firsts.update(each["b"] for each in found[1:])
    assert firsts.keys() == {"p", "r", "s"}
    assert min(firsts.values()) > 340  # of 400
    assert branches(path, names, 9) != branches(path, names, 1) == [path]


# --- distillation -------------------------------------------------------------------------------------------------------


def test_the_error_of_a_candidate_is_relative_to_the_targets_variance():
    torch.manual_seed(0)
    target = torch.randn(6, 3)
    for scale in (1e-3, 1.0, 1e3):
        constant = torch.full_like(target, float(target.mean()))
        assert float(relative_error(scale * constant, scale * target)) == pytest.approx(17 / 18, rel=1e-4)  # biased variance
        assert float(relative_error(scale * target, scale * target)) == 0
    assert float(relative_error(torch.ones(4), torch.zeros(4))) < float("inf")


def test_a_layer_that_does_not_run_is_told():
    layers = [SimpleNamespace(label="a"), SimpleNamespace(label="b")]
    assert not_once([[0], [0]], layers) == ""
    assert not_once([[0], []], layers) == "layer 'b' runs 0 times on a path"


def test_blocks_of_other_shapes_are_named():
    layer = nn.ModuleDict({"small": nn.Linear(4, 3), "dear": nn.Linear(4, 5)})
    layer.label, layer.names = "a", ["small", "dear"]
    x = torch.zeros(2, 4)
    call = ((x,), layer["dear"](x))
    with pytest.raises(
        InputError,
        match=r"layer 'a': the output of block 'small' has shape \(2, 3\), that of the teacher's "
        r"block 'dear' has \(2, 5\); all blocks of a layer must have outputs of the same shape",
    ):
        list(distillation_errors([layer], {"a": "dear"}, [call], [call]))


def test_a_block_without_weights_learns_nothing():
    layer = nn.ModuleDict({"skip": nn.Identity(), "small": nn.Linear(4, 4), "dear": nn.Linear(4, 4)})
    layer.label, layer.names = "a", ["skip", "small", "dear"]
    x = torch.randn(2, 4)
    call = ((x,), layer["dear"](x))
    ((found, errors),) = distillation_errors([layer], {"a": "dear"}, [call], [call])
    assert found is layer
    assert list(errors) == ["small"]
    assert errors["small"].requires_grad
