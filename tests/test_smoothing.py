"""Smoothing from frame to frame: the One Euro filter against its recurrence, and tracks of crossing and vanishing faces."""

import json
from math import pi
from pathlib import Path

import numpy as np
import pytest
from tiny_onnx import blob, centre_network
from tiny_video import write_video

from fbnet_pfld.experiments.predict.one_euro import BETA, MIN_CUTOFF, SPEED_CUTOFF, OneEuro
from fbnet_pfld.experiments.predict.smoothing import Smoother
from fbnet_pfld.experiments.predict.tracking import PATIENCE, Tracker, overlaps

STEP = 1 / 25
SHAPE = np.random.default_rng(0).uniform(0, 100, (20, 2))


def filtered(points, times=None, **parameters):
    one = OneEuro(**parameters)
    steps = np.full(len(points), STEP) if times is None else np.diff(times, prepend=0)
    return np.array([one(each, step, np.ptp(each, axis=0).max()) for each, step in zip(points, steps, strict=True)])


def test_points_at_rest_stay():
    still = np.repeat(SHAPE[None], 9, axis=0)
    assert filtered(still) == pytest.approx(still)


def test_without_beta_it_is_a_low_pass_of_first_order():
    """Against the analytic response to a step: the rest shrinks by the same factor each frame."""
    cutoff = 2.0
    step = np.stack([SHAPE] + 10 * [SHAPE + 7])
    rest = 1 / (1 + 2 * pi * cutoff * STEP)
    expected = [SHAPE + 7 * (1 - rest**n) for n in range(11)]
    assert filtered(step, min_cutoff=cutoff, beta=0) == pytest.approx(np.array(expected))


def test_it_is_the_published_recurrence():
    """Casiez et al. 2012, algorithm 1, one number at a time; the face moves along x alone, as does its only moving point."""
    values = np.cumsum(np.random.default_rng(1).normal(0, 4, 30))
    points = np.repeat(np.array([[0.0, 0.0], [0.0, 200.0], [0.0, 100.0]])[None], 30, axis=0)
    points[:, 2, 0] = values
    times = np.cumsum(np.random.default_rng(2).uniform(0.02, 0.08, 30))
    smooth, speed, before = values[0], 0.0, values[0]
    expected = [smooth]
    for value, rate in zip(values[1:], 1 / np.diff(times), strict=True):
        alpha = lambda cutoff, rate=rate: 1 / (1 + rate / (2 * pi * cutoff))  # noqa: E731
        size = 200.0
        speed = alpha(SPEED_CUTOFF) * (value - before) * rate / size + (1 - alpha(SPEED_CUTOFF)) * speed
        weight = alpha(1.5 + 3.0 * abs(speed))
        smooth = weight * value + (1 - weight) * smooth
        before = value
        expected.append(smooth)
    found = filtered(points, times, min_cutoff=1.5, beta=3.0)
    assert found[:, 2, 0] == pytest.approx(np.array(expected))
    assert found[:, :2] == pytest.approx(points[:, :2])


def test_neither_the_size_of_the_face_nor_the_place_nor_the_rotation_matters():
    rng = np.random.default_rng(3)
    path = SHAPE + np.cumsum(rng.normal(0, 5, (20, 1, 2)), axis=0)
    plain = filtered(path)
    assert filtered(3 * path + 50) == pytest.approx(3 * plain + 50)
    assert filtered(path[..., ::-1]) == pytest.approx(plain[..., ::-1])


def test_it_lags_less_in_motion_than_a_low_pass_of_the_same_jitter():
    """The cutoff of a fixed low-pass is lowered until points at rest tremble as little; then both follow a fast motion."""
    rng = np.random.default_rng(4)
    rest = SHAPE + rng.normal(0, 0.5, (200, *SHAPE.shape))
    motion = SHAPE + np.linspace(0, 300, 40)[:, None, None] * (1, 0)

    def jitter(points):
        return np.abs(np.diff(points[20:], axis=0)).mean()

    def lag(**parameters):
        return np.abs(filtered(motion, **parameters) - motion)[20:, :, 0].mean()

    own = jitter(filtered(rest))
    cutoff = next(c for c in np.geomspace(20, 0.05, 200) if jitter(filtered(rest, min_cutoff=c, beta=0)) <= own)
    assert own < 0.5 * jitter(rest)
    assert lag() < 0.4 * lag(min_cutoff=cutoff, beta=0)
    assert cutoff >= MIN_CUTOFF
    assert BETA > 0


def test_overlaps_of_boxes():
    a = np.array([[0.0, 0, 10, 10], [20, 20, 10, 10]])
    b = np.array([[0.0, 0, 10, 10], [5, 0, 10, 10], [20, 25, 10, 20]])
    assert overlaps(a, b) == pytest.approx(np.array([[1, 50 / 150, 0], [0, 0, 50 / 250]]))


def at(x, y=0.0, side=60.0):
    return (x, y, side, side)


def test_faces_that_cross_keep_their_numbers():
    """One moves right, the other left, and they hide each other half-way, where a detector finds only one of them."""
    tracker = Tracker()
    for n in range(30):
        right, left = at(10 * n), at(290 - 10 * n, 4)
        if abs(right[0] - left[0]) < 30:
            tracker([right])
        elif n % 2:
            assert tracker([left, right]) == [1, 0], n
        else:
            assert tracker([right, left]) == [0, 1], n


def test_a_face_that_comes_back_soon_keeps_its_number_and_later_gets_a_new_one():
    for frames, number in ((1, 0), (PATIENCE, 0), (PATIENCE + 1, 1)):
        tracker = Tracker()
        for n in range(5):
            assert tracker([at(3 * n)]) == [0]
        for _ in range(frames):
            assert tracker([]) == []
        assert tracker([at(3 * (4 + frames + 1))]) == [number]
        assert tracker.followed == {number}


def test_a_face_elsewhere_is_another():
    tracker = Tracker()
    assert tracker([at(0)]) == [0]
    assert tracker([at(500), at(2)]) == [1, 0]
    assert tracker([at(502)]) == [1]


def face(x, y=0.0):
    return {"box": list(at(x, y, 100.0)), "points": (SHAPE + (x, y)).tolist(), "score": 0.9}


def test_each_face_is_smoothed_along_its_own_track():
    """Two faces in changing order give what either gives alone."""
    rng = np.random.default_rng(5)
    paths = rng.normal(0, 3, (12, 2)).cumsum(axis=0) + (0, 400)
    both, alone = Smoother(25), [Smoother(25), Smoother(25)]
    for n, places in enumerate(paths):
        order = (0, 1) if n % 3 else (1, 0)
        together = both([face(places[i]) for i in order], 40.0 * n)
        for i, found in zip(order, together, strict=True):
            (single,) = alone[i]([face(places[i])], 40.0 * n)
            assert found["points"] == single["points"]
            assert (found["score"], found["box"]) == (0.9, face(places[i])["box"])
    assert len({found["track"] for found in together}) == 2


@pytest.mark.parametrize("times", [[0.0, 0.0, 0.0, 0.0], [0.0, 40.0, 80.0, 120.0], [0.0, 40.0, 30.0, 70.0]])
def test_times_that_do_not_grow_are_replaced_by_the_rate(times):
    expected = Smoother(25)
    smoother = Smoother(25)
    for n, at_ms in enumerate(times):
        assert smoother([face(20.0 * n)], at_ms)[0]["points"] == expected([face(20.0 * n)], 40.0 * n)[0]["points"]


def test_without_smoothing_there_are_tracks_alone():
    smoother = Smoother(25, smooth=False)
    for n in range(4):
        assert smoother([face(10.0 * n)], 40.0 * n) == [face(10.0 * n) | {"track": 0}]


def test_videos_are_smoothed_unless_told_otherwise(tmp_path, run, monkeypatch):
    """A trembling light: its points tremble less, and the file is marked as smoothed."""
    monkeypatch.chdir(tmp_path)
    centre_network(Path("centre.onnx"))
    places = np.random.default_rng(6).normal(150, 2, 20)
    write_video("clip.avi", [blob(320, 240, x, 100) for x in places])
    moved = {}
    for option in ("--no-smooth", "--smooth"):
        assert run("predict", "clip.avi", "--model", "centre.onnx", "--box", "10,10,220,200", option) == 0
        record = json.loads(Path("output/predict/clip.json").read_text())
        assert record["smoothed"] is (option == "--smooth")
        assert {each["faces"][0]["track"] for each in record["frames"]} == {0}
        moved[option] = np.abs(np.diff([each["faces"][0]["points"][0][0] for each in record["frames"]])).mean()
    assert moved["--no-smooth"] == pytest.approx(np.abs(np.diff(places)).mean(), rel=0.1)
    assert moved["--smooth"] < 0.7 * moved["--no-smooth"]
