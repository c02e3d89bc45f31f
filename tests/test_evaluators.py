"""Data, losses and metrics compared with closed forms and other libraries; a tiny training end to end."""

import numpy as np
import pytest
import torch
from conftest import write_blobs
from hypothesis import given, settings
from hypothesis import strategies as st

from fbnet_pfld.evaluators import (
    Checkpoint,
    FinetuneOptions,
    LandmarkDataset,
    evaluate,
    finetune,
    inherit,
    layout_of,
    predict,
    score,
)
from fbnet_pfld.evaluators.data.loaders import make_loader, split_indices
from fbnet_pfld.evaluators.training.loss import PfldLoss, PointL1
from fbnet_pfld.search_space import Architecture, InputError, PfldLite, PfldSpace, SpaceSpec

PFLD = SpaceSpec.load("pfld")
SMALL = Architecture(PFLD, 106, 112, dict(zip(PFLD.labels, ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"), strict=True)))


@pytest.mark.parametrize("points", [68, 98, 106])
def test_mirroring_is_its_own_inverse_and_swaps_the_eyes(points):
    layout = layout_of(points)
    assert [layout.mirror[i] for i in layout.mirror] == list(range(points))
    assert layout.mirror[layout.eye_corners[0]] == layout.eye_corners[1]


def test_unknown_layouts_need_eye_corners():
    with pytest.raises(InputError, match="no eye corners known for 5 points"):
        layout_of(5)
    assert layout_of(5, (0, 1)).eye_corners == (0, 1)
    with pytest.raises(InputError, match="0, 5 do not fit 5 points"):
        layout_of(5, (0, 5))


def test_data_set_reads_what_was_written(blobs):
    data = LandmarkDataset(blobs, "test")
    tokens = (blobs / "test_data" / "list.txt").read_text().splitlines()[3].split()
    item = data[3]
    assert data.names[3] == tokens[0]
    assert item["images"].dtype == torch.uint8
    assert item["images"].shape == (3, 112, 112)
    assert np.allclose(item["points"].flatten(), np.float32(tokens[1:-3]))
    assert np.allclose(item["pose"], np.float32(tokens[-3:]))
    assert LandmarkDataset(blobs, "train", limit=1000).names == LandmarkDataset(blobs, "train").names
    names = LandmarkDataset(blobs, "train").names  # 96
    for limit in (1, 7, 50, 95):
        places = [names.index(name) for name in LandmarkDataset(blobs, "train", limit=limit).names]
        assert len(places) == limit
        assert places[0] == 0
        assert np.ptp(np.diff([*places, 96])) <= 1 if limit == 1 else np.ptp(np.diff(places)) <= 1  # evenly
        assert limit == 1 or places[-1] == 95
    assert LandmarkDataset(blobs, "test", size=64, limit=2).images.shape == (2, 3, 64, 64)


def edit(blobs, tmp_path, change):
    root = write_blobs(tmp_path / "d", 3, 1)
    listing = root / "train_data" / "list.txt"
    lines = listing.read_text().splitlines()
    change(root, lines)
    listing.write_text("\n".join(lines))
    return root


def shorten(root, lines):
    lines[1] = lines[1].rsplit(" ", 1)[0]


def to_nan(root, lines):
    lines[2] = lines[2].replace(lines[2].split()[5], "nan")


def to_word(root, lines):
    lines[0] = lines[0].replace(lines[0].split()[5], "left")


def remove_image(root, lines):
    (root / lines[1].split()[0]).unlink()


def spoil_image(root, lines):
    (root / lines[1].split()[0]).write_bytes(b"no image")


def empty_image(root, lines):
    (root / lines[1].split()[0]).write_bytes(b"")


def no_lines(root, lines):
    lines.clear()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shorten, "list.txt:2: 215 fields, but 106 points need 216"),
        (to_nan, "list.txt:3: field 6 is 'nan'; it must be a finite number"),
        (to_word, "list.txt:1: could not convert string to float"),
        (remove_image, "list.txt:2: image "),
        (spoil_image, "cannot be decoded"),
        (empty_image, "cannot be decoded"),
        (no_lines, "list.txt: no faces"),
    ],
)
def test_faults_of_a_data_set_name_file_and_line(blobs, tmp_path, change, message):
    with pytest.raises(InputError) as caught:
        LandmarkDataset(edit(blobs, tmp_path, change), "train")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_data_root_and_unknown_split(tmp_path, blobs):
    with pytest.raises(InputError, match="data root not found"):
        LandmarkDataset(tmp_path / "none")
    with pytest.raises(InputError, match="unknown split 'val'; allowed: test, train"):
        LandmarkDataset(blobs, "val")


@given(st.integers(2, 300), st.floats(0.05, 0.9), st.integers(0, 99))
def test_split_is_a_partition(count, fraction, seed):
    if max(1, round(count * fraction)) >= count:
        return
    first, second = split_indices(count, fraction, seed)
    assert sorted(first + second) == list(range(count))
    assert split_indices(count, fraction, seed) == (first, second)


def test_loader_order_is_a_function_of_seed_and_epoch(blobs):
    data = LandmarkDataset(blobs, "train")

    def order(seed, epoch):
        loader = make_loader(data, list(range(len(data))), 32, seed)
        loader.sampler.set_epoch(epoch)
        return torch.cat([batch["pose"][:, 0] for batch in loader])

    assert torch.equal(order(0, 3), order(0, 3))
    assert not torch.equal(order(0, 3), order(0, 4))
    assert torch.equal(order(0, 3).sort().values, order(1, 0).sort().values)


def test_pfld_loss_takes_the_cosine_of_radians():
    predicted, true = torch.rand(3, 4, 2), torch.rand(3, 4, 2)
    degrees = torch.tensor([[10.0, -50.0, 5.0]] * 3)
    loss = PfldLoss()
    assert loss(predicted, true, torch.deg2rad(degrees), degrees) == pytest.approx(0, abs=1e-6)
    off = torch.deg2rad(degrees + torch.tensor([90.0, 0.0, 60.0]))
    squares = ((predicted - true) ** 2).sum((1, 2)).mean()
    assert loss(predicted, true, off, degrees) == pytest.approx(float(1.5 * squares), rel=1e-5)
    assert PointL1()(predicted, true) == pytest.approx(float(np.abs(predicted.numpy() - true.numpy()).mean()), rel=1e-6)


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 0.3), min_size=1, max_size=20))
def test_metrics_equal_their_definitions(errors):
    """All points are off by a known share of the eye distance; AUC by numerical integration of the curve."""
    true = torch.zeros(len(errors), 68, 2)
    true[:, 45, 0] = 2.0
    predicted = true + 2.0 * torch.tensor(errors)[:, None, None] * torch.tensor([0.6, 0.8])
    result = score(predicted, true)
    e = np.array(errors)
    assert result["nme"] == pytest.approx(100 * e.mean(), rel=1e-4)
    if (np.abs(e - 0.08) > 1e-5).all():
        assert result["fr8"] == pytest.approx(100 * (e > 0.08).mean(), abs=1e-4)
    steps = np.linspace(0, 0.08, 20001)
    curve = (e[None] <= steps[:, None]).mean(1)
    assert result["auc8"] == pytest.approx(100 * np.trapezoid(curve, steps) / 0.08, abs=0.05)


def test_checkpoint_round_trip_and_its_faults(tmp_path):
    model = SMALL.build().eval()
    path = tmp_path / "c.pth"
    Checkpoint.of(model, SMALL, {"val_nme": 5.0}).save(path)
    loaded = Checkpoint.load(path)
    x = torch.rand(2, 3, 112, 112)
    assert torch.allclose(loaded.build()(x), model(x), atol=1e-5)
    assert loaded.architecture() == SMALL
    with pytest.raises(InputError, match="the checkpoint has 106 points, but 68 are needed"):
        loaded.check_points(68)
    (tmp_path / "x.pth").write_bytes(b"nonsense")
    for bad, message in ((tmp_path / "x.pth", "not a checkpoint of this package"), (tmp_path / "n.pth", "cannot be read")):
        with pytest.raises(InputError, match=message):
            Checkpoint.load(bad)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "foreign.pth")
    with pytest.raises(InputError, match="not a checkpoint of this package"):
        Checkpoint.load(tmp_path / "foreign.pth")
    del loaded.weights["points.0.bias"]
    with pytest.raises(InputError, match=r"weight 'points.0.bias' is missing"):
        loaded.build()


def test_subnet_inherits_what_freezing_the_supernet_gives(tmp_path):
    space = PfldSpace().eval()
    checkpoint = Checkpoint.of(space, PFLD, {})
    subnet = SMALL.build().eval()
    inherit(subnet, SMALL, checkpoint)
    x = torch.rand(2, 3, 112, 112)
    assert torch.allclose(subnet(x), space.freeze(SMALL.choices).eval()(x), atol=1e-6)
    with pytest.raises(InputError, match="a subnet; give the checkpoint of a supernet"):
        inherit(subnet, SMALL, Checkpoint.of(subnet, SMALL, {}))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["l1", "pfld"])
def test_training_learns_and_keeps_its_best_epoch(blobs, tmp_path, loss):
    torch.manual_seed(0)
    data = LandmarkDataset(blobs, "train")
    model = SMALL.build()
    before = evaluate(model, LandmarkDataset(blobs, "test"))["nme"]
    options = FinetuneOptions(epochs=16, batch_size=8, learning_rate=5e-3, loss=loss, val_fraction=0.25)
    best = finetune(model, SMALL, data, options, tmp_path)
    network = best.build()
    test = LandmarkDataset(blobs, "test")
    assert evaluate(network, test)["nme"] < before / 2
    _, held_out = split_indices(len(data), 0.25, 0)
    again = score(predict(network, data)[held_out], data.points[held_out])
    assert again["nme"] == pytest.approx(best.metrics["val_nme"], rel=1e-4)


@pytest.mark.slow
def test_killed_training_resumes_to_the_same_end(blobs, tmp_path):
    data, options = LandmarkDataset(blobs, "train"), FinetuneOptions(epochs=3, batch_size=16)

    class Killed(Exception):
        pass

    def kill(trainer, module):
        if trainer.current_epoch == 1:
            raise Killed

    import pytorch_lightning as pl

    torch.manual_seed(0)
    straight = finetune(SMALL.build(), SMALL, data, options, tmp_path / "a")
    torch.manual_seed(0)
    with pytest.raises(Killed):
        finetune(
            SMALL.build(),
            SMALL,
            data,
            options,
            tmp_path / "b",
            callbacks=[pl.callbacks.LambdaCallback(on_validation_start=kill)],
        )
    resumed = finetune(SMALL.build(), SMALL, data, options, tmp_path / "b", resume="auto")
    assert all(torch.equal(straight.weights[name], resumed.weights[name]) for name in straight.weights)


def test_resume_from_a_file_that_is_not_there(blobs, tmp_path):
    with pytest.raises(InputError, match=r"nothing to resume from: none\.ckpt"):
        finetune(PfldLite(), "pfld_lite", LandmarkDataset(blobs, "train"), FinetuneOptions(), tmp_path, resume="none.ckpt")
