"""``data prepare``: crops match the points, and the pose is the one that generated the points."""

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from source_faces import PEOPLE, ibug, pts, view, write

from fbnet_pfld.evaluators import LandmarkDataset, layout_of
from fbnet_pfld.evaluators.data.prepare import PrepareOptions, head_pose, prepare
from fbnet_pfld.evaluators.data.prepare.checks import check
from fbnet_pfld.evaluators.data.prepare.crop import apply, cut, square, turned
from fbnet_pfld.evaluators.data.prepare.head_pose import FOCAL
from fbnet_pfld.evaluators.data.prepare.layouts3d import TO_106, average_head
from fbnet_pfld.evaluators.data.synthetic.landmarks import PARTS, face_model
from fbnet_pfld.evaluators.data.synthetic.look import random_look
from fbnet_pfld.evaluators.data.synthetic.render import Camera, pose_rotation

SIZE = 112


def dot(at, width: int, height: int, sigma: float) -> np.ndarray:
    """A picture with a soft dot at ``at``; pixel i spans i to i + 1."""
    y, x = np.mgrid[:height, :width] + 0.5
    light = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
    return np.repeat(light[..., None], 3, axis=2).round().astype(np.uint8)


def centre_of_light(image: np.ndarray) -> np.ndarray:
    light = image[..., 0].astype(float)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return np.array([(x * light).sum(), (y * light).sum()]) / light.sum()


@pytest.mark.parametrize("extent", [20.0, 61.3, 93.333, 190.0, 450.5])
@pytest.mark.parametrize("turn", [False, True])
def test_a_dot_at_a_point_is_in_the_crop_where_the_point_is(extent, turn):
    """Small faces are enlarged, large ones averaged down by 3 and by 5."""
    points = view(106, 3, (extent * 1.1 + 3.3, extent + 5.9), extent)
    matrix, angle = turned(points, SIZE, np.random.default_rng(2)) if turn else (square(points, SIZE), 0.0)
    side = int(2.2 * extent) + 10
    for index in (35, 93, 86, 60):  # away from the crop's edge, which would cut the dot
        image = cut(dot(points[index], side, side, max(1.2, extent / 40)), matrix, SIZE)
        assert image.shape == (SIZE, SIZE, 3)
        assert np.abs(centre_of_light(image) - apply(matrix, points)[index]).max() < 0.06
    assert (abs(angle) > 1) == turn


def test_a_crop_outside_of_the_picture_repeats_the_border():
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 0] = 200
    points = view(68, 0, (4.0, 20.0), 30.0)
    crop = cut(image, square(points, SIZE), SIZE)
    left_edge = apply(square(points, SIZE), np.array([[0.0, 20.0]]))[0, 0]
    assert left_edge > 30
    assert (crop[:, : int(left_edge)] == 200).all()


@pytest.mark.parametrize("seed", range(20))
def test_copies_keep_all_points_inside_and_show_them_turned(seed):
    rng = np.random.default_rng(seed)
    points = view(68, seed, rng.uniform(40, 60, 2), rng.uniform(20, 200))
    matrix, angle = turned(points, SIZE, rng)
    there = apply(matrix, points)
    assert 0 <= there.min() < there.max() <= SIZE
    assert abs(angle) <= 30
    # complex numbers with y up: the copy is the face times one number
    before, after = ((p - p.mean(axis=0)) @ (1, -1j) for p in (points, there))
    factor = np.vdot(before, after) / np.vdot(before, before)
    assert np.abs(before * factor - after).max() < 1e-9
    assert np.degrees(np.angle(factor)) == pytest.approx(angle)
    largest = np.ptp(there, axis=0).max()
    assert SIZE / 1.25 - 1e-6 <= largest <= SIZE + 1e-6


def test_copies_differ_and_their_roll_follows(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    write(tmp_path / "list.txt", "bob\n")
    prepare(src, tmp_path / "out", PrepareOptions("ibug", copies=4, test_list=tmp_path / "list.txt"))
    data = LandmarkDataset(tmp_path / "out", "train", num_points=68)
    assert len(data) == 5 * 5
    assert len(LandmarkDataset(tmp_path / "out", "test", num_points=68)) == 1
    rolls = []
    for first in range(0, len(data), 5):
        points, pose = data.points[first : first + 5].double().numpy(), data.pose[first : first + 5].numpy()
        complexes = [(p - p.mean(axis=0)) @ (1, -1j) for p in points]
        turns = np.degrees([np.angle(np.vdot(complexes[0], other)) for other in complexes])
        assert np.abs(pose[:, 2] - pose[0, 2] - turns).max() < 0.01
        assert (pose[:, :2] == pose[0, :2]).all()
        rolls += list(turns[1:])
    assert np.std(rolls) > 8
    assert len(np.unique(np.round(rolls, 3))) == len(rolls)


def test_copies_depend_on_the_face_and_the_seed_alone(tmp_path):
    write(tmp_path / "list.txt", "bob\n")
    src = ibug(tmp_path / "src", PEOPLE)

    def made(name, seed):
        prepare(src, tmp_path / name, PrepareOptions("ibug", copies=2, test_list=tmp_path / "list.txt", seed=seed))
        lines = (tmp_path / name / "train_data" / "list.txt").read_text().splitlines()
        return {line.split()[0].split("_", 2)[2]: line.split()[1:] for line in lines}

    first, other = made("first", 0), made("other", 1)
    (src / "ann_0.pts").unlink()
    fewer = made("fewer", 0)
    assert fewer == {name: numbers for name, numbers in first.items() if not name.startswith("ann_0")}
    assert {name for name in first if first[name] != other[name]} == {name for name in first if name.count("_") == 2}


def photographed(num_points: int, pose) -> np.ndarray:
    """The average head in front of a pinhole camera with the assumed focal length, in a crop of 300 pixels, off the origin."""
    size, head = 300.0, average_head(num_points)
    solid = head @ pose_rotation(np.array(pose)).T
    at = np.array([0.0, 0.0, 2.0 * FOCAL])
    for _ in range(50):
        seen = solid + at
        flat = FOCAL * size * seen[:, :2] / seen[:, 2:]
        low, high = flat.min(axis=0), flat.max(axis=0)
        at[:2] -= (low + high) / 2 * at[2] / (FOCAL * size)
        at[2] *= 1.2 * (high - low).max() / size
    return flat + (1000.0, 400.0)


@pytest.mark.parametrize("num_points", [68, 98, 106])
@pytest.mark.parametrize("pose", [(0, 0, 0), (20, 0, 0), (0, 35, 0), (0, 0, -40), (-15, 25, 10), (10, -70, -20), (5, 10, 170)])
def test_the_pose_of_a_photographed_head_is_found(num_points, pose):
    assert np.abs(head_pose(photographed(num_points, pose)) - pose).max() < 0.05


def test_the_pose_of_other_heads_is_found_within_a_few_degrees():
    true, found = [], []
    for seed in range(80):
        look = random_look(np.random.default_rng(seed))
        head = face_model(look.shape, look.expression)
        camera = Camera.framing(head.points, pose_rotation(look.pose), look.centre, look.extent, 200)
        true.append(look.pose)
        found.append(head_pose(camera.project(head.points)))
    true, found = np.array(true), np.array(found)
    assert (np.abs(true - found).mean(axis=0) < (4, 3, 1)).all()
    assert (np.abs((true - found).mean(axis=0)) < 1).all()
    assert all(np.corrcoef(true[:, axis], found[:, axis])[0, 1] > least for axis, least in enumerate((0.92, 0.98, 0.99)))


@pytest.mark.parametrize("num_points", [68, 98, 106])
def test_the_pose_of_a_mirrored_and_of_a_turned_face(num_points):
    rng = np.random.default_rng(5)
    for seed in range(5):
        points = view(num_points, seed) + rng.normal(0, 0.5, (num_points, 2))
        pitch, yaw, roll = head_pose(points)
        mirrored = (points * (-1, 1))[list(layout_of(num_points).mirror)]
        assert np.abs(head_pose(mirrored) - (pitch, -yaw, -roll)).max() < 1e-3
        assert np.abs(head_pose(7.5 * points + (500, -20)) - (pitch, yaw, roll)).max() < 1e-3
        turn = Rotation.from_euler("z", -25, degrees=True).as_matrix()[:2, :2]  # counter-clockwise where y is down
        assert np.abs(head_pose(points @ turn.T) - (pitch, yaw, roll + 25)).max() < 1.5


def test_the_98_points_lie_where_wflw_says():
    head = average_head(98)
    assert np.abs(head[list(layout_of(98).mirror)] * (-1, 1, 1) - head).max() < 1e-9
    assert len(set(map(tuple, head.tolist()))) == 98
    places = {name: set(PARTS[name]) for name in PARTS}
    for part, indices in (
        ("contour", range(33)),
        ("left_eye", range(60, 68)),
        ("right_eye", range(68, 76)),
        ("nose_bridge", range(51, 55)),
        ("nose_base", range(55, 60)),
        ("outer_lip", range(76, 88)),
        ("inner_lip", range(88, 96)),
    ):
        assert {TO_106[98][i] for i in indices} == places[part], part
    assert head[60, 0] == head[60:68, 0].min()  # outer corners of the eyes
    assert head[72, 0] == head[68:76, 0].max()
    assert head[16, 1] == head[:33, 1].max()  # chin
    assert head[54, 2] == head[:, 2].min()  # tip of the nose


def test_true_faces_pass_in_any_pose_and_upside_down():
    for seed in range(24):
        look = random_look(np.random.default_rng([9, seed]))
        head = face_model(look.shape, look.expression)
        for pose in (look.pose, look.pose + (0, 0, 180), (0, 85, 0), (0, -85, 30)):
            flat = Camera.framing(head.points, pose_rotation(pose), np.full(2, 0.5), 0.8, 200).project(head.points)
            for indices in TO_106.values():
                check(flat[indices], (20, 20, 180, 180), (200, 200), "")


def test_a_first_pixel_at_one_is_the_default_of_ibug_alone(tmp_path):
    """The corners of a picture of 96 pixels are then at 0.5 and 96.5; a dot in its first pixel is at (1, 1)."""
    src = ibug(tmp_path / "src", ("a_0", "b_0"))
    points = view(68)
    image = dot(points[30] - 0.5, 96, 96, 1.5)
    for name in ("a_0", "b_0"):
        cv2.imwrite(str(src / f"{name}.png"), image)
        write(src / f"{name}.pts", pts(points))
    for origin, shift in ((None, 0.0), (0.5, 0.0), (0.0, 0.5)):
        out = tmp_path / str(origin)
        prepare(src, out, PrepareOptions("ibug", test_fraction=0.5, origin=origin))
        data = LandmarkDataset(out, "test", num_points=68)
        found = centre_of_light(data.images[0].permute(1, 2, 0).numpy() * (data.images[0].permute(1, 2, 0).numpy() > 20))
        expected = data.points[0, 30].numpy() * SIZE - shift * SIZE / 72
        assert np.abs(found - expected).max() < 0.1
