"""Augmentation compared with closed forms, with OpenCV, and with measurements in the images."""

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
import torch

from fbnet_pfld.evaluators import layout_of
from fbnet_pfld.evaluators.data.appearance import blur, cover, grain, recolour
from fbnet_pfld.evaluators.data.augment import Augment
from fbnet_pfld.evaluators.data.synthetic.render import pose_rotation

NONE = Augment(**{field.name: 0.0 for field in fields(Augment) if field.name not in ("mirror", "share")}, share=1.0)
PARTS = {
    "degrees": 20.0,
    "scale": 0.2,
    "shift": 0.1,
    "light": 0.25,
    "cast": 0.2,
    "saturation": 0.5,
    "blur": 0.1,
    "occlusion": 0.4,
    "noise": 0.05,
}
LOOK = ("light", "cast", "saturation", "grey", "blur", "occlusion", "noise")


def faces(count=16, size=32, points=106, dtype=torch.float32):
    """Random smooth pictures, points and poses."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 6, 6, generator=generator, dtype=dtype)
    images = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear") * 0.6 + 0.2
    pose = torch.rand(count, 3, generator=generator) * 60 - 30
    return images, torch.rand(count, points, 2, generator=generator), pose


def opencv(image):
    """Convert a picture to OpenCV's layout."""
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def test_bright_dots_are_found_where_their_points_say():
    torch.manual_seed(0)
    count, size = 96, 112
    points = torch.rand(count, 1, 2) * 0.3 + 0.35
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    grid = torch.stack((x, y), -1) / size
    dots = torch.exp(-(grid - points[:, :, None]).square().sum(-1) / 0.0005)
    augment = replace(NONE, mirror=(0,), degrees=40.0, scale=0.2, shift=0.1)
    images, moved, pose = augment(dots[:, None].expand(-1, 3, -1, -1), points, torch.zeros(count, 3))
    mass = images[:, 0]
    found = (mass[..., None] * grid).sum((1, 2)) / mass.sum((1, 2))[:, None]
    assert (found - moved[:, 0]).norm(dim=1).max() * size < 0.05
    assert (moved - points).abs().max() > 0.1
    assert 30 < pose[:, 2].abs().max() <= 40


@pytest.mark.parametrize("points", [68, 98, 106])
def test_mirroring_swaps_partners_and_undoes_itself(points):
    torch.manual_seed(1)
    mirror = layout_of(points).mirror
    images, before, pose = faces(40, points=points)
    pose[:, 1] = 20.0
    augment = replace(NONE, mirror=mirror)
    once = augment(images, before, pose)
    mirrored = once[2][:, 1] < 0
    assert 10 < mirrored.sum() < 30
    assert torch.allclose(once[0][mirrored], images[mirrored].flip(3), atol=1e-5)
    expected = torch.stack([1 - before[:, list(mirror), 0], before[:, list(mirror), 1]], -1)
    assert torch.allclose(once[1][mirrored], expected[mirrored], atol=1e-6)
    assert torch.equal(once[2][mirrored], (pose * torch.tensor([1.0, -1.0, -1.0]))[mirrored])
    twice = augment(*once)
    back = mirrored & (twice[2][:, 1] > 0)
    assert back.sum() > 3
    for was, now in zip((images, before, pose), twice, strict=True):
        assert torch.allclose(was[back], now[back], atol=1e-5)


def test_augmented_points_are_the_projection_with_the_augmented_pose():
    """Project three-dimensional heads; a mirrored face is the projection of the mirrored head."""
    torch.manual_seed(2)
    rng = np.random.default_rng(0)
    heads, mirror = rng.uniform(-1, 1, (40, 106, 3)), layout_of(106).mirror
    pose = rng.uniform(-50, 50, (40, 3))

    def project(heads, pose):
        rotations = np.stack([pose_rotation(angles) for angles in pose])
        return 0.5 + 0.25 * (heads @ rotations.transpose(0, 2, 1))[..., :2]

    points, angles = (torch.from_numpy(values).float() for values in (project(heads, pose), pose))
    _, moved, turned = replace(NONE, mirror=mirror, degrees=60.0)(torch.rand(40, 3, 8, 8), points, angles)
    assert np.abs(turned[:, 2].numpy() - pose[:, 2]).max() > 40
    mirrored = np.sign(turned[:, 1].numpy()) != np.sign(pose[:, 1])
    assert 10 < mirrored.sum() < 30
    heads[mirrored] = heads[mirrored][:, mirror] * (-1, 1, 1)
    assert np.abs(moved.numpy() - project(heads, turned.numpy())).max() < 1e-5


@pytest.mark.parametrize("size", [32, 112])
def test_strengths_of_zero_change_nothing(size):
    before = faces(8, size)
    images, points, pose = NONE(*before)
    assert torch.allclose(images, before[0], atol=1e-5)
    assert torch.allclose(points, before[1], atol=1e-6)
    assert torch.equal(pose, before[2])


@pytest.mark.parametrize("part", LOOK)
def test_a_change_of_looks_leaves_points_and_pose(part):
    before = faces()
    images, points, pose = replace(NONE, **{part: 0.5 if part == "grey" else PARTS[part]})(*before)
    assert (images - before[0]).abs().max() > 0.02
    assert torch.allclose(points, before[1], atol=1e-6)
    assert torch.equal(pose, before[2])


@pytest.mark.parametrize("part", PARTS)
def test_every_face_of_a_batch_is_changed_in_its_own_way(part):
    torch.manual_seed(3)
    batch = [tensor.expand(8, *tensor.shape[1:]) for tensor in faces(1)]
    images = replace(NONE, **{part: PARTS[part]})(*batch)[0]
    distances = torch.pdist(images.flatten(1))
    assert (distances > 0.01).float().mean() > 0.9  # some random pairs are similar


def test_blur_is_opencvs():
    images, sigma = faces(6, 40)[0], torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
    for was, now, deviation in zip(images, blur(images, sigma, 9), sigma.tolist(), strict=True):
        expected = opencv(was)
        if deviation:
            expected = cv2.GaussianBlur(expected, (19, 19), deviation, borderType=cv2.BORDER_REPLICATE)
        assert np.abs(opencv(now) - expected).max() < 1e-5


def test_recolouring_is_what_its_parameters_say():
    images = faces(4)[0]
    gain = torch.tensor([[1.0, 1.0, 1.0], [0.8, 1.1, 1.3], [1.0, 1.0, 1.0], [0.8, 1.1, 1.3]])
    saturation, brightness = torch.tensor([1.0, 1.0, 0.0, 0.4]), torch.tensor([0.1, 0.0, 0.0, -0.1])
    changed = recolour(images.clone(), gain, saturation, brightness)
    for i in range(4):
        scaled = opencv(images[i]) * gain[i].numpy()
        grey = cv2.cvtColor(scaled.astype(np.float32), cv2.COLOR_BGR2GRAY)[..., None]
        expected = grey + float(saturation[i]) * (scaled - grey) + float(brightness[i])
        assert np.abs(opencv(changed[i]) - expected).max() < 1e-5


def test_a_share_of_the_faces_loses_its_colours():
    torch.manual_seed(4)
    images = replace(NONE, grey=0.3, cast=0.2, saturation=0.5, light=0.1)(*faces(300))[0]
    grey = (images - images.mean(dim=1, keepdim=True)).abs().amax((1, 2, 3)) < 1e-6
    assert 60 < grey.sum() < 120


def test_light_and_cast_stay_within_their_strengths():
    torch.manual_seed(5)
    flat = torch.full((500, 3, 4, 4), 0.4)
    rest = torch.rand(500, 2, 2), torch.zeros(500, 3)
    for augment, lowest, highest in (
        (replace(NONE, light=0.2), 0.4 * 0.8 - 0.1, 0.4 * 1.2 + 0.1),
        (replace(NONE, cast=0.2), 0.4 * 0.8, 0.4 * 1.2),
    ):
        images = augment(flat, *rest)[0]
        assert lowest - 1e-6 < images.min() < lowest + 0.02
        assert highest - 0.02 < images.max() < highest + 1e-6
        assert (images.std(dim=1).max() > 0.01) == bool(augment.cast)


def test_covering_paints_a_rectangle_and_nothing_else():
    images = faces(3, 20)[0]
    boxes = torch.tensor([[0.1, 0.2, 0.5, 0.35], [0.5, 0.5, 1.4, 1.2], [-0.3, 0.0, 0.05, 1.0]])
    colours = torch.rand(3, 3)
    expected = images.clone()
    for i, (left, top, right, bottom) in enumerate([(2, 4, 10, 7), (10, 10, 20, 20), (0, 0, 1, 20)]):
        expected[i, :, top:bottom, left:right] = colours[i][:, None, None]
    assert torch.equal(cover(images, boxes, colours), expected)


def test_occlusion_is_one_rectangle_of_one_colour_per_face():
    torch.manual_seed(6)
    before = faces(100, 64)
    images = replace(NONE, occlusion=0.5)(*before)[0]
    widths, heights = [], []
    for was, now in zip(before[0], images, strict=True):
        rows, columns = torch.nonzero(((now - was).abs() > 1e-4).any(dim=0), as_tuple=True)
        if not len(rows):  # a rectangle beyond the border is possible
            continue
        inside = now[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert torch.equal(inside, inside[:, :1, :1].expand_as(inside))
        heights.append(inside.shape[1] / 64)
        widths.append(inside.shape[2] / 64)
    assert len(widths) > 90
    assert max(widths + heights) <= 0.5 + 1 / 64
    assert np.median(widths) > 0.15
    assert not np.allclose(widths, heights, atol=0.1)


def test_grain_has_mean_zero_and_deviation_one():
    torch.manual_seed(11)
    noise = grain(torch.empty(50, 3, 37, 41))
    assert noise.shape == (50, 3, 37, 41)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert torch.histc(noise, 10).min() > 0.09 * noise.numel()
    assert grain(torch.empty(1, 3, 1, 1)).unique().numel() == 3


def test_noise_has_the_deviation_asked_for():
    torch.manual_seed(7)
    flat = torch.full((300, 3, 16, 16), 0.5)
    images = replace(NONE, noise=0.06)(flat, torch.rand(300, 2, 2), torch.zeros(300, 3))[0]
    deviations = images.std(dim=(1, 2, 3))
    assert 0.055 < deviations.max() < 0.065
    assert deviations.mean() == pytest.approx(0.03, abs=0.003)
    assert (images - 0.5).mean() == pytest.approx(0, abs=1e-3)
    sample = torch.corrcoef(images[deviations > 0.03].permute(1, 0, 2, 3).flatten(1)) - torch.eye(3)
    assert sample.abs().max() < 0.05


@pytest.mark.parametrize("part", ["blur", "occlusion", "noise"])
def test_a_share_of_the_faces_is_changed(part):
    torch.manual_seed(8)
    before = faces(400, 16)
    images = replace(NONE, **{part: 0.1}, share=0.25)(*before)[0]
    changed = (images - before[0]).abs().amax((1, 2, 3)) > 1e-4
    assert 70 < changed.sum() < 130


def test_the_seed_decides_everything():
    def run(seed):
        torch.manual_seed(seed)
        return Augment(layout_of(106).mirror)(*faces())

    for once, again, other in zip(run(1), run(1), run(2), strict=True):
        assert torch.equal(once, again)
        assert not torch.allclose(once, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 5])
def test_values_stay_in_range_and_inputs_as_they_were(count, dtype):
    before = faces(count, dtype=dtype)
    kept = [tensor.clone() for tensor in before]
    augment = Augment(layout_of(106).mirror, light=1.0, noise=0.5, cast=0.5, saturation=1.0, share=0.5)
    for seed in range(10):
        torch.manual_seed(seed)
        images, points, pose = augment(*before)
        assert images.dtype == dtype
        assert images.shape == before[0].shape
        assert 0 <= images.min() <= images.max() <= 1
        assert torch.isfinite(points).all()
        assert torch.isfinite(pose).all()
    for was, now in zip(kept, before, strict=True):
        assert torch.equal(was, now)


def test_bytes_are_taken_for_what_they_mean():
    images, points, pose = faces()
    as_bytes = (images * 255).byte()
    results = []
    for given in (as_bytes, as_bytes.float() / 255):
        torch.manual_seed(10)
        results.append(Augment(layout_of(106).mirror)(given, points, pose))
    for from_bytes, from_floats in zip(*results, strict=True):
        assert torch.allclose(from_bytes, from_floats, atol=1e-6)


def test_mixed_precision_changes_nothing():
    def run(enabled):
        torch.manual_seed(9)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            return Augment(layout_of(106).mirror)(*faces())

    for exact, mixed in zip(run(False), run(True), strict=True):
        assert mixed.dtype == torch.float32
        assert torch.equal(exact, mixed)
