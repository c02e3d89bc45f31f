"""Synthetic faces: points match the painted features, the pose matches the points, and files are reproducible."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from fbnet_pfld.evaluators import LandmarkDataset
from fbnet_pfld.evaluators.data.augment import Augment
from fbnet_pfld.evaluators.data.layouts import layout_of
from fbnet_pfld.evaluators.data.synthetic import generate, render_face
from fbnet_pfld.evaluators.data.synthetic.generation import encode
from fbnet_pfld.evaluators.data.synthetic.head import Expression
from fbnet_pfld.evaluators.data.synthetic.landmarks import PARTS, face_model
from fbnet_pfld.evaluators.data.synthetic.look import random_look
from fbnet_pfld.evaluators.data.synthetic.paint import Texture
from fbnet_pfld.evaluators.data.synthetic.photo import Photo
from fbnet_pfld.evaluators.data.synthetic.render import render_look
from fbnet_pfld.evaluators.data.synthetic.scene import head_surfaces
from fbnet_pfld.search_space import InputError

SIZE = 112
MIRROR = list(layout_of(106).mirror)


def plain(index: int, **changes):
    """A face without occlusion, blur and noise."""
    look = random_look(np.random.default_rng([7, index]))
    return replace(
        look,
        **{
            "glasses": "none",
            "occluder": "none",
            "beard": "none",
            "hat": "none",
            "haircut": "bald",
            "photo": Photo(),
            **changes,
        },
    )


def render(look):
    return render_look(look, np.random.default_rng(0), SIZE)


def rotation_by_hand(pitch, yaw, roll):
    """Rotate first to the side, then up and down, then in the image plane; x right, y down, z away from the viewer."""
    (sp, sy, sr), (cp, cy, cr) = np.sin(np.radians([pitch, yaw, roll])), np.cos(np.radians([pitch, yaw, roll]))
    side = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    turn = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return turn @ nod @ side


def rotation_from_points(points, model):
    """Fit the rotation (3, 3) from model points to picture points with a scaled orthographic camera, by least squares."""
    affine = np.linalg.lstsq(model - model.mean(0), points - points.mean(0), rcond=None)[0].T
    u, _, v = np.linalg.svd(affine, full_matrices=False)
    rows = u @ v
    return np.vstack([rows, np.cross(*rows)])


def degrees_between(a, b):
    return np.degrees(np.arccos(np.clip((np.trace(a @ b.T) - 1) / 2, -1, 1)))


def test_a_face_depends_on_seed_split_and_index_alone(tmp_path):
    assert generate(tmp_path / "a", 4, 2, SIZE, seed=3) == {"train": 4, "test": 2, "size": SIZE, "seed": 3}
    generate(tmp_path / "b", 2, 1, SIZE, seed=3)
    generate(tmp_path / "c", 2, 1, SIZE, seed=4)
    for split, count in (("train_data", 2), ("test_data", 1)):
        longer = (tmp_path / "a" / split / "list.txt").read_text().splitlines()
        shorter = (tmp_path / "b" / split / "list.txt").read_text().splitlines()
        assert longer[:count] == shorter
        assert shorter != (tmp_path / "c" / split / "list.txt").read_text().splitlines()
        for name in (line.split()[0] for line in shorter):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
            assert (tmp_path / "a" / name).read_bytes() != (tmp_path / "c" / name).read_bytes()
    train, test = ((tmp_path / "a" / split / "list.txt").read_text().split() for split in ("train_data", "test_data"))
    assert train[1:216] != test[1:216]


def test_the_files_are_in_the_106points_layout(tmp_path):
    generate(tmp_path / "d", 2, 3, 96, seed=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d"]
    for line in (tmp_path / "d" / "test_data" / "list.txt").read_text().splitlines():
        assert len(line.split()) == 216
        assert cv2.imread(str(tmp_path / "d" / line.split()[0])).shape == (96, 96, 3)
    data = LandmarkDataset(tmp_path / "d", "test", 106, 96)
    face = render_face(np.random.default_rng([0, 1, 2]), 96)
    assert np.abs(data.points[2].numpy() - face.points).max() < 1e-6
    assert np.abs(data.pose[2].numpy() - face.pose).max() < 1e-3
    stored = data.images[2].permute(1, 2, 0).numpy()
    assert np.array_equal(stored, cv2.imdecode(np.frombuffer(encode(face), np.uint8), cv2.IMREAD_COLOR))
    assert np.abs(cv2.blur(stored, (4, 4)).astype(int) - cv2.blur(face.image, (4, 4))).mean() < 4


@pytest.mark.parametrize("index", range(6))
def test_pose_is_what_the_points_show(index):
    look = random_look(np.random.default_rng([1, index]))
    face = render(look)
    found = rotation_from_points(face.points.astype(np.float64), face_model(look.shape, look.expression).points)
    assert degrees_between(found, rotation_by_hand(*face.pose)) < 0.5


def test_signs_of_the_pose():
    nose, left, right = 86, PARTS["left_eye_centre"][0], PARTS["right_eye_centre"][0]
    straight = render(plain(0, pose=np.zeros(3), expression=Expression())).points
    for pose, sees in (
        ((0, 25, 0), lambda p: p[nose, 0] - p[[left, right], 0].mean() > straight[nose, 0] - straight[[left, right], 0].mean()),
        ((20, 0, 0), lambda p: p[nose, 1] - p[left, 1] > straight[nose, 1] - straight[left, 1]),
        ((0, 0, 15), lambda p: p[right, 1] < p[left, 1]),
    ):
        assert sees(render(plain(0, pose=np.array(pose, float), expression=Expression())).points)


def test_a_neutral_face_from_the_front_is_its_own_mirror_image():
    points = render(plain(1, pose=np.zeros(3), expression=Expression())).points
    middle = points[:, 0].mean()
    mirrored = np.stack([2 * middle - points[:, 0], points[:, 1]], axis=1)[MIRROR]
    assert np.abs(mirrored - points).max() < 1e-5
    left, right = points[PARTS["left_eye"], 0], points[PARTS["right_eye"], 0]
    assert left.max() < middle < right.min()


def test_eye_centres_coincide_and_all_points_lie_near_the_picture():
    for index in range(20):
        points = render_face(np.random.default_rng([2, index]), SIZE).points
        assert np.array_equal(points[34], points[38])
        assert np.array_equal(points[88], points[92])
        assert -0.25 < points.min() < points.max() < 1.25


@pytest.mark.parametrize(
    ("color", "parts"),
    [
        ("lip", [("outer_lip",)]),
        ("iris", [("left_eye",), ("right_eye",)]),
        ("brow", [("left_brow_upper", "left_brow_lower"), ("right_brow_upper", "right_brow_lower")]),
    ],
)
def test_features_are_painted_where_the_points_say(color, parts):
    """A feature in another colour changes the picture only at that feature."""
    for index in range(5):
        look = plain(
            index,
            pose=np.array([5.0, -10.0, 8.0]) * (index - 2),
            gaze=np.zeros(2),
            expression=Expression(smile=0.3, smirk=0.2, sideways=0.08),
        )
        face, other = render(look), render(replace(look, **{color: np.array([255.0, 0.0, 255.0])}))
        difference = np.abs(face.image.astype(int) - other.image).max(axis=2)
        assert difference.max() > 10
        changed = difference > 0.4 * difference.max()
        allowed = np.zeros((SIZE, SIZE), np.uint8)
        for names in parts:
            outline = np.concatenate([face.points[PARTS[name]] for name in names]) * SIZE
            hull = cv2.convexHull(outline.astype(np.float32)).round().astype(np.int32)
            only = cv2.fillConvexPoly(np.zeros_like(allowed), hull, 1)
            assert (changed & (only > 0)).any()
            allowed |= cv2.dilate(only, np.ones((5, 5), np.uint8))
        assert not (changed & (allowed == 0)).any()


@pytest.mark.parametrize("index", range(4))
def test_points_lie_on_the_surface_that_is_drawn(index):
    """The head's grid, enlarged as in drawing, has its points where the texture has them; units of half a face width."""
    look = random_look(np.random.default_rng([5, index]))
    model = face_model(look.shape, look.expression)
    texture = Texture(model, look, np.random.default_rng(0), 257, 319)
    grid = head_surfaces(model, look, texture, np.eye(3))[0].grid
    drawn = cv2.resize(grid.astype(np.float32), (319, 257))
    at = cv2.remap(drawn, *texture.points.astype(np.float32).T[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
    error = np.abs(at - model.points)
    error[[34, 38, 88, 92]] = 0  # the eyes' centres lie behind the lids
    assert error[:, :2].max() < 0.01
    assert error[:, 2].mean() < 0.01


@pytest.mark.parametrize("yaw", [-30.0, 0.0, 30.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_nose_casts_its_shadow_away_from_the_lamp(side, yaw):
    """With the lamp at the side of the head, skin beside the nose darkens on the other side, in every pose."""
    turned = np.radians(60 * side + yaw)  # the lamp keeps its position relative to the head
    lamp = np.array([np.sin(turned), -0.3, -np.cos(turned)])
    look = plain(2, pose=np.array([0.0, yaw, 0.0]), expression=Expression())
    look = replace(look, light=replace(look.light, direction=lamp / np.linalg.norm(lamp)))
    model = face_model(look.shape, look.expression)
    bright, dark = (
        Texture(model, replace(look, shadows=strength), np.random.default_rng(0), 257, 319) for strength in (0.0, 0.7)
    )
    change = bright.skin.astype(int).sum(axis=2) - dark.skin.astype(int).sum(axis=2)
    beside = {sign: bright.front(np.array([[sign * 0.3, 0.5]]))[0].round().astype(int) for sign in (-1, 1)}
    darker = {sign: change[y - 3 : y + 4, x - 3 : x + 4].mean() for sign, (x, y) in beside.items()}
    assert darker[-side] > darker[side] + 20


def test_one_sided_expressions():
    shape = random_look(np.random.default_rng([6, 0])).shape
    expressions = Expression(), Expression(sideways=0.1), Expression(smirk=0.3)
    straight, moved, smirk = (face_model(shape, expression).points for expression in expressions)
    assert abs(moved[0, 0] - straight[0, 0] - 0.1) < 1e-6
    for changed in (moved, smirk):
        assert np.abs(changed - straight)[PARTS["left_eye"]].max() < 1e-3
    left, right = 52, 61
    assert smirk[left, 1] < straight[left, 1] < smirk[right, 1]


def test_augmented_points_show_the_augmented_pose():
    torch.manual_seed(0)
    augment = Augment(layout_of(106).mirror, degrees=25.0)
    for index in range(8):
        look = plain(index, expression=Expression())
        face = render(look)
        batch = (
            torch.from_numpy(face.image).permute(2, 0, 1)[None] / 255,
            torch.from_numpy(face.points)[None],
            torch.from_numpy(face.pose)[None],
        )
        _, points, pose = augment(*batch)
        found = rotation_from_points(points[0].double().numpy(), face_model(look.shape, look.expression).points)
        assert degrees_between(found, rotation_by_hand(*pose[0].tolist())) < 0.5


def test_faces_differ_in_pose_light_and_framing():
    faces = [render_face(np.random.default_rng([3, index]), 48) for index in range(60)]
    pose = np.array([face.pose for face in faces])
    assert (pose.std(axis=0) > (5, 12, 5)).all()
    assert np.std([face.image.mean() for face in faces]) > 15
    assert np.std([np.ptp(face.points[:, 0]) for face in faces]) > 0.03


def test_a_data_set_is_replaced_only_on_request_and_whole(tmp_path, monkeypatch):
    generate(tmp_path / "d", 1, 1, 48)
    old = (tmp_path / "d" / "train_data" / "list.txt").read_text()
    with pytest.raises(InputError, match="is not empty; give .*--overwrite"):
        generate(tmp_path / "d", 2, 1, 48, seed=1)
    (tmp_path / "file").write_text("x")
    for out, message in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "d", "cannot write")):
        with pytest.raises(InputError, match=message):
            generate(out, 1, 1, 48)

    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "d", 2, 1, 48, seed=1, progress=stop, overwrite=True)
    assert (tmp_path / "d" / "train_data" / "list.txt").read_text() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "file"]
    generate(tmp_path / "d", 1, 1, 48, seed=1, overwrite=True)
    assert (tmp_path / "d" / "train_data" / "list.txt").read_text() != old


def test_a_folder_that_is_no_synthetic_set_is_never_replaced(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mine.txt").write_text("years of work")
    with pytest.raises(InputError, match="a synthetic data set with --overwrite"):
        generate(tmp_path / "d", 1, 1, 48, overwrite=True)
    assert (tmp_path / "d" / "mine.txt").read_text() == "years of work"
