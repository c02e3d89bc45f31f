"""Losses, schedules and distillation against closed forms and plain loops."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fbnet_pfld.evaluators import BEST, Checkpoint, FinetuneOptions, LandmarkDataset, finetune, network_input
from fbnet_pfld.evaluators.training.loss import LOSSES, SmoothL1
from fbnet_pfld.evaluators.training.schedule import SCHEDULES
from fbnet_pfld.evaluators.training.teacher import Teacher, load_teacher
from fbnet_pfld.search_space import Architecture, InputError, PfldSpace, SpaceSpec

PFLD = SpaceSpec.load("pfld")
SMALL = Architecture(PFLD, 106, 112, dict(zip(PFLD.labels, ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"), strict=True)))


def column(*errors):
    """Points (1, P, 2) that are ``errors`` off zero in both coordinates."""
    return torch.tensor(errors, dtype=torch.float64)[None, :, None].expand(1, -1, 2)


@given(st.floats(-0.5, 0.5))
def test_smooth_l1_is_its_formula(d):
    beta = 1 / 112
    expected = d * d / (2 * beta) if abs(d) < beta else abs(d) - beta / 2
    assert float(SmoothL1()(column(d), column(0.0))) == pytest.approx(expected, abs=1e-12)


def test_a_supernets_weights_learn_slower_unless_a_rate_is_set():
    assert (FinetuneOptions().learning_rate, FinetuneOptions().inheriting().learning_rate) == (0.02, 0.005)
    assert FinetuneOptions(epochs=3).inheriting().epochs == 3
    assert FinetuneOptions(learning_rate=0.02).inheriting().learning_rate == 0.02


@pytest.mark.parametrize("name", ["l1", "smooth_l1"])
def test_losses_of_points_are_means_over_faces_and_points(name):
    predicted, true = torch.rand(2, 3, 5, 2)
    single = [LOSSES[name]()(predicted[n : n + 1, p : p + 1], true[n : n + 1, p : p + 1]) for n in range(3) for p in range(5)]
    assert torch.allclose(LOSSES[name]()(predicted, true), torch.stack(single).mean())


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_come_to_their_peak_and_end_near_zero(name):
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=0.01)
    schedule, rates = SCHEDULES[name](optimizer, 0.01, 200), []
    for _ in range(200):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(0.01)
    assert rates[0] <= 0.001
    assert rates[-1] < 1e-5
    peak = rates.index(max(rates))
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_unknown_schedule_is_named():
    with pytest.raises(ValueError, match="'steps' is unknown; allowed: one_cycle"):
        FinetuneOptions(schedule="steps")


def test_a_teacher_is_a_part_of_the_loss_and_does_not_learn():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 6))
    images, predicted = torch.rand(4, 3, 2, 2), torch.rand(4, 3, 2, requires_grad=True)
    loss = Teacher(network, 0.25)(torch.tensor(2.0), predicted, images)
    distance = (predicted - network(images).view(4, 3, 2)).abs().mean()
    assert torch.allclose(loss, 0.75 * 2.0 + 0.25 * distance)
    loss.backward()
    assert predicted.grad is not None
    assert all(p.grad is None for p in network.parameters())


def test_a_supernets_largest_path_teaches(blobs, tmp_path):
    torch.manual_seed(0)
    Checkpoint.of(PfldSpace(), PFLD, {}).save(tmp_path / "supernet.pth")
    teacher = load_teacher(tmp_path / "supernet.pth", LandmarkDataset(blobs, "train"), 0.5)
    expected = Architecture(PFLD, 106, 112, dict(zip(PFLD.labels, ["mb_k5_e2_res"] * 2 + ["mb_k5_e2_res_se"] * 3, strict=True)))
    assert teacher.network.state_dict().keys() == expected.build().state_dict().keys()
    assert not teacher.network.training


@pytest.mark.slow
def test_a_network_comes_nearer_to_its_teacher_than_to_the_truth(blobs, tmp_path):
    data = LandmarkDataset(blobs, "train")
    torch.manual_seed(0)
    teacher = SMALL.build()
    Checkpoint.of(teacher, SMALL, {}).save(tmp_path / BEST)
    options = FinetuneOptions(epochs=8, batch_size=8, learning_rate=5e-3, teacher=str(tmp_path / BEST), distillation=1.0)
    network = finetune(SMALL.build(), SMALL, data, options, tmp_path / "student").build()
    images = network_input(data.images)
    with torch.no_grad():
        student, taught = network(images).view_as(data.points), teacher.eval()(images).view_as(data.points)
    assert (student - taught).abs().mean() < 0.1 * (student - data.points).abs().mean()


@pytest.mark.parametrize(("points", "size", "message"), [(68, 112, "checkpoint has 68 points"), (106, 96, "input size 96")])
def test_a_teacher_of_other_points_or_size_is_refused(blobs, tmp_path, points, size, message):
    other = Architecture(PFLD, points, size, SMALL.choices)
    Checkpoint.of(other.build(), other, {}).save(tmp_path / "other.pth")
    with pytest.raises(InputError, match=message):
        load_teacher(tmp_path / "other.pth", LandmarkDataset(blobs, "train"), 0.5)


@pytest.mark.slow
def test_a_refused_teacher_changes_nothing_and_a_new_run_goes_on_from_no_other(place, run, capfd):
    start = ("finetune", "--data-root", "data", "--config")
    assert run(*start, "config.yaml") == 0
    before = {path.name: path.read_bytes() for path in Path("ckpt_save/subnet").iterdir() if path.is_file()}
    Path("taught.yaml").write_text("finetune: {epochs: 1, batch_size: 16, teacher: nope.pth}\n")
    assert run(*start, "taught.yaml") == 2
    assert "checkpoint cannot be read: nope.pth" in capfd.readouterr().err
    assert {path.name: path.read_bytes() for path in Path("ckpt_save/subnet").iterdir() if path.is_file()} == before
    Path("nope.pth").write_bytes(Path("ckpt_save/subnet/checkpoint_best.pth").read_bytes())
    assert run(*start, "taught.yaml", "--resume", "auto") == 2
    assert "its run has finetune.teacher none, this one 'nope.pth'" in capfd.readouterr().err
