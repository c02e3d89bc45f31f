"""Parts of the face, errors per part, and the figures of faces and of an evaluation, against counts by hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy.spatial.transform import Rotation
from tiny_onnx import constant_network

from fbnet_pfld.evaluators import (
    Checkpoint,
    LandmarkDataset,
    groups_of,
    layout_of,
    normalised_errors,
    part_errors,
    parts_of,
    score,
)
from fbnet_pfld.evaluators.data.prepare.layouts3d import TO_106
from fbnet_pfld.experiments.deploy.comparison import Row
from fbnet_pfld.experiments.plots import evaluation, faces
from fbnet_pfld.experiments.plots.evaluation import draw_curves, draw_parts
from fbnet_pfld.experiments.plots.faces import AXES, PART_COLORS, contact_sheet, pose_axes

SIZES = [68, 98, 106]


@pytest.mark.parametrize("points", [*SIZES, 5])
def test_every_point_has_one_part_and_one_group(points):
    for sharing in (parts_of(points), groups_of(points)):
        assert sorted(i for indices in sharing.values() for i in indices) == list(range(points))


@pytest.mark.parametrize("points", [68, 98])
def test_parts_are_those_of_the_106_points_with_the_same_meaning(points):
    part_of = {i: part for part, indices in parts_of(106).items() for i in indices}
    for part, indices in parts_of(points).items():
        assert {part_of[TO_106[points][i]] for i in indices} == {part}


@pytest.mark.parametrize("points", SIZES)
def test_the_mirror_swaps_left_and_right_parts(points):
    mirror, parts = layout_of(points).mirror, parts_of(points)
    for part, indices in parts.items():
        other = {"left": "right", "right": "left"}.get(part.split()[0], part.split()[0])
        assert {mirror[i] for i in indices} == set(parts[" ".join([other, *part.split()[1:]])])


def test_groups_are_five_of_known_layouts():
    for points in SIZES:
        assert list(groups_of(points)) == ["contour", "brows", "nose", "eyes", "mouth"]
    assert groups_of(5) == {"points": (0, 1, 2, 3, 4)}


@pytest.mark.parametrize("points", SIZES)
@pytest.mark.parametrize("sharing", [parts_of, groups_of])
def test_errors_of_parts_have_the_total_as_their_weighted_mean(points, sharing):
    rng = torch.Generator().manual_seed(0)
    true, predicted = torch.rand(2, 20, points, 2, generator=rng)
    corners = layout_of(points).eye_corners
    found = part_errors(predicted, true, corners, sharing(points))
    weights = {part: len(indices) / points for part, indices in sharing(points).items()}
    assert sum(weights[part] * error for part, error in found.items()) == pytest.approx(score(predicted, true)["nme"], rel=1e-5)
    part, indices = list(sharing(points).items())[1]
    eyes = [np.hypot(*(face[corners[0]] - face[corners[1]]).tolist()) for face in true]
    by_hand = [np.hypot(*(predicted[n, i] - true[n, i]).tolist()) / eyes[n] for n in range(20) for i in indices]
    assert found[part] == pytest.approx(100 * np.mean(by_hand), rel=1e-5)


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def row(name, **figures):
    return Row(name, 1000, None, None, None, 1.0, **{"nme": 5.0, "fr8": 10.0, "auc8": 40.0, "part_nme": {}} | figures)


def test_the_curve_is_the_count_of_faces():
    nme = {"a": np.random.default_rng(0).uniform(2, 12, 37), "b": np.array([3.0, 3.0, 9.0])}
    axis = Figure().subplots()
    draw_curves(axis, [row("a"), row("b", auc8=12.34, fr8=33.3)], nme)
    for line, errors in zip(axis.lines, nme.values(), strict=False):
        x, y = line.get_xdata(), line.get_ydata()
        for limit in np.linspace(0.5, 9.9, 48):
            height = max(y[x <= limit], default=0)  # a curve of steps
            assert height == pytest.approx(sum(error <= limit for error in errors) / len(errors))
    assert texts(axis.get_legend()) == ["a: AUC@8 40.0, FR@8 10.0 %", "b: AUC@8 12.3, FR@8 33.3 %"]
    assert axis.get_xlim() == (0, 10)


def test_bars_are_the_parts_errors():
    axis = Figure().subplots()
    draw_parts(axis, [row("a", part_nme={"eyes": 3.0, "nose": 4.0}), row("b", part_nme={"eyes": 5.0, "nose": 6.0})])
    assert [[bar.get_height() for bar in bars] for bars in axis.containers] == [[3, 4], [5, 6]]
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for i in range(2) for bar in (bars[i] for bars in axis.containers)]
    assert all(end <= start + 1e-9 for (_, end), (start, _) in zip(edges, edges[1:], strict=False))
    assert [label.get_text() for label in axis.get_xticklabels()] == ["eyes", "nose"]


@pytest.fixture
def figures(monkeypatch):
    """The figures, captured instead of written."""
    kept = []
    for module in (faces, evaluation):
        monkeypatch.setattr(module, "write_figure", lambda path, figure, dpi: kept.append(figure))
    return kept


def test_the_worst_faces_are_the_last_networks_sixteen(blobs, figures):
    data = LandmarkDataset(blobs, "test")
    noise = torch.randn(data.points.shape, generator=torch.Generator().manual_seed(0))
    predicted = {"a": data.points, "b": data.points + torch.linspace(0.01, 0.1, 32)[:, None, None] * noise}
    evaluation.evaluation_figure("x.png", [row("a"), row("b")], predicted, data)
    drawn = figures[0].subfigs[1].axes
    errors = 100 * normalised_errors(predicted["b"], data.points, (35, 93))
    largest = sorted(errors.tolist(), reverse=True)[:16]
    assert [axis.get_title() for axis in drawn] == [f"NME {error:.1f} %" for error in largest]
    worst = int(errors.argmax())
    for line, marks in zip(drawn[0].lines, (data.points[worst], predicted["b"][worst]), strict=True):
        assert np.allclose(np.transpose(line.get_data()), 112 * marks)


@pytest.mark.parametrize(
    ("pose", "axes"),
    [
        ((0, 0, 0), [(1, 0), (0, 1), (0, 0)]),
        ((90, 0, 0), [(1, 0), (0, 0), (0, 1)]),  # looks down: the nose points down
        ((0, 90, 0), [(0, 0), (0, 1), (1, 0)]),  # looks to the right of the image
        ((0, 0, 90), [(0, -1), (1, 0), (0, 0)]),  # turned counter-clockwise: its right is up
        ((-30, 0, 0), [(1, 0), (0, np.sqrt(0.75)), (0, -0.5)]),
    ],
)
def test_pose_axes_point_where_the_words_say(pose, axes):
    assert pose_axes(np.array(pose)) == pytest.approx(np.array(axes), abs=1e-6)


def test_pose_axes_are_two_rows_of_a_rotation():
    for pose in np.random.default_rng(0).uniform(-80, 80, (20, 3)):
        right, down, out = pose_axes(pose)
        rows = np.stack([right, down, -out], axis=1)
        assert Rotation.from_matrix(np.vstack([rows, np.cross(*rows)])).as_matrix()[:2] == pytest.approx(rows)


def lines_by_color(axis):
    return {line.get_color(): np.transpose(line.get_data()) for line in axis.lines}


def test_the_contact_sheet_shows_parts_and_pose(blobs, figures):
    data = LandmarkDataset(blobs, "test", limit=3)
    contact_sheet(data, "x.png")
    axes = figures[0].axes
    assert len(axes) == 8
    drawn = lines_by_color(axes[2])
    points = 112 * data.points[2].numpy()
    for part, indices in parts_of(106).items():
        assert np.allclose(drawn[PART_COLORS[part]], points[list(indices)])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    for color, direction in zip(AXES.values(), pose_axes(data.pose[2].numpy()), strict=True):
        start, end = drawn[color]
        assert np.allclose(start, middle)
        assert np.allclose(end - start, 0.45 * np.ptp(points, axis=0).max() * direction, atol=1e-3)
    assert len(axes[3].lines) == 0
    assert texts(figures[0].legends[0]) == [*parts_of(106), *AXES]


def test_faces_without_pose_and_of_unknown_layouts_are_shown(blobs, figures):
    data = LandmarkDataset(blobs, "test", limit=9)
    data.pose.zero_()
    data.points = data.points[:, :7]
    contact_sheet(data, "x.png")
    assert len(figures[0].axes) == 16
    assert list(lines_by_color(figures[0].axes[0])) == [PART_COLORS["points"]]
    assert texts(figures[0].legends[0]) == ["points"]


def test_evaluate_draws_and_tells_the_parts(place, run, capfd):
    constant_network(Path("network.onnx"), LandmarkDataset("data", "test").points.mean(0))
    assert run("evaluate", "--data_root", "data", "--checkpoint", "network.onnx", "--out", "plots/e.png", "--json") == 0
    said = json.loads(capfd.readouterr().out.splitlines()[-1])
    (network,) = said["networks"]
    weights = {group: len(indices) / 106 for group, indices in groups_of(106).items()}
    assert sum(weights[group] * nme for group, nme in network["part_nme"].items()) == pytest.approx(network["nme"], rel=1e-4)
    assert said["figure"] == "plots/e.png"
    assert cv2.imread("plots/e.png").shape[0] > 500


@pytest.mark.parametrize("command", [("evaluate", "--out"), ("data", "show", "--out")])
def test_pictures_of_no_known_kind_are_refused(place, run, capfd, command):
    *words, option = command
    assert run(*words, "--data_root", "data", option, "out/e.xyz") == 2
    error = capfd.readouterr().err.strip()
    assert error.startswith("fbnet-pfld: cannot write out/e.xyz: unknown figure suffix; allowed: ")
    assert "\n" not in error
    assert not Path("out").exists()


def test_a_network_that_predicts_no_numbers_is_named(place, run, capfd):
    checkpoint = Checkpoint.load("ckpt_save/subnet/checkpoint_best.pth")
    checkpoint.weights["points.0.bias"][0] = float("nan")
    checkpoint.save("nan.pth")
    assert run("evaluate", "--data-root", "data", "--checkpoint", "nan.pth", "--out", "e.png") == 2
    assert "nan.pth: predicts points that are not finite" in capfd.readouterr().err
    assert not Path("e.png").exists()
