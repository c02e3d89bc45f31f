"""``predict`` on videos: rates, damage, sizes and faults of the drawn video, none of which loses a frame's points."""

import json
import math
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest
from source_faces import contents
from tiny_onnx import blob, centre_network
from tiny_video import FakeCapture, damage, state_rate, write_video

from fbnet_pfld.experiments.predict import detect, mp4
from fbnet_pfld.experiments.predict.mp4 import Mp4, container_rate, fitted

CLIP = ("predict", "clip.avi", "--model", "centre.onnx", "--box", "10,10,220,200", "--no-smooth")
RECORD = Path("output/predict/clip.json")
DRAWN = Path("output/predict/clip.mp4")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a network and a video of five frames, in which a blob moves to the right."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detect, "centerface_file", lambda: None)
    centre_network(Path("centre.onnx"))
    write_video("clip.avi", moving(5))
    return tmp_path


def moving(count):
    return [blob(320, 240, 60 + 160 * i / max(4, count - 1), 100) for i in range(count)]


def points(record):
    return [frame["faces"][0]["points"][0] for frame in record["frames"]]


def drawn_frames(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while (frame := capture.read())[0]:
        frames.append(frame[1])
    return frames, capture.get(cv2.CAP_PROP_FPS)


def test_a_video_gets_a_video_and_the_points_of_its_frames(folder, run, capfd):
    assert run(*CLIP, "--json") == 0
    said = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (said["videos"], said["frames"], said["unread_frames"], said["skipped"], said["not_drawn"]) == (1, 5, 0, {}, {})
    record = json.loads(RECORD.read_text())
    assert points(record) == [pytest.approx([60 + 40 * i, 100], abs=1) for i in range(5)]
    assert [frame["time_ms"] for frame in record["frames"]] == [0, 50, 100, 150, 200]
    assert {key: record[key] for key in ("video", "fps", "source_fps", "size", "unread_frames", "drawn", "error")} == {
        "video": "clip.avi",
        "fps": 20,
        "source_fps": 20,
        "size": [320, 240],
        "unread_frames": 0,
        "drawn": "output/predict/clip.mp4",
        "error": None,
    }
    frames, rate = drawn_frames(DRAWN)
    assert (len(frames), rate, frames[0].shape) == (5, 20, (480, 640, 3))
    assert not list(DRAWN.parent.glob(".*"))


# stated rate -> rate of the drawn video: a decimal fraction with at most 65535 units per second, or 25
RATES = {
    7.5: 7.5,
    15: 15,
    23.976: 23.976,
    24000 / 1001: 23.976,
    29.97: 29.97,
    59.94: 59.94,
    66.667: 66.67,
    119.88: 119.88,
    120.123: 120.12,
    1000 / 7: 142.86,
    240: 240,
    999.999: 1000,
    0.5: 0.5,
    65.5351: 65.535,
    65.5361: 65.54,
    14.9992: 15,
    0: 25,
    math.nan: 25,
    math.inf: 25,
    -1: 25,
    0.001: 25,
    90000: 25,
    1e6: 25,
}


@pytest.mark.parametrize("stated", RATES)
def test_a_rate_becomes_one_that_the_container_takes(tmp_path, stated):
    rate = container_rate(stated)
    assert rate == pytest.approx(RATES[stated], abs=1e-9)
    writer = Mp4(tmp_path / "v.mp4", rate)
    for _ in range(3):
        writer.add(np.zeros((48, 64, 3), np.uint8))
    assert writer.finish() is None
    assert cv2.VideoCapture(str(tmp_path / "v.mp4")).get(cv2.CAP_PROP_FPS) == pytest.approx(rate, abs=1e-6)


def test_every_rate_can_be_written(tmp_path):
    """OpenCV and FFmpeg round rates in steps; none of 200 rates between the steps is refused or written as another."""
    for stated in np.concatenate([np.geomspace(0.1, 1000, 100), np.random.default_rng(0).uniform(10, 130, 100)]):
        rate = container_rate(stated)
        assert rate == pytest.approx(stated, abs=0.051, rel=0.02)
        writer = Mp4(tmp_path / "v.mp4", rate)
        writer.add(np.zeros((16, 16, 3), np.uint8))
        assert writer.finish() is None, stated
        assert cv2.VideoCapture(str(tmp_path / "v.mp4")).get(cv2.CAP_PROP_FPS) == pytest.approx(rate, abs=1e-6)


@pytest.mark.parametrize(
    ("numerator", "denominator", "written"), [(66667, 1000, 66.67), (120123, 1000, 120.12), (90000, 1, 25)]
)
def test_both_rates_are_in_the_json_file(folder, run, numerator, denominator, written):
    state_rate("clip.avi", numerator, denominator)
    assert run(*CLIP) == 0
    record = json.loads(RECORD.read_text())
    assert (record["fps"], record["source_fps"]) == (written, pytest.approx(numerator / denominator))
    assert [frame["time_ms"] for frame in record["frames"]] == pytest.approx(
        [1000 * i * denominator / numerator for i in range(5)], abs=1e-3
    )
    assert drawn_frames(DRAWN)[1] == written


@pytest.mark.parametrize("stated", [math.nan, 0, -1])
def test_a_rate_that_is_none_is_null(folder, run, monkeypatch, stated):
    capture = FakeCapture(moving(2), {cv2.CAP_PROP_FPS: stated, cv2.CAP_PROP_FRAME_COUNT: -192153584101141.0})
    only_for(monkeypatch, "clip.avi", capture)
    assert run(*CLIP) == 0
    assert capture.released
    record = json.loads(RECORD.read_text())
    assert (record["fps"], record["source_fps"], record["unread_frames"], len(record["frames"])) == (25, None, 0, 2)


def only_for(monkeypatch, name, capture):
    """Open ``capture`` in place of the source ``name``, and other sources as usual."""
    opened = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda what: capture if str(what).endswith(name) else opened(what))


def test_frames_that_cannot_be_read_in_the_middle_are_counted_and_those_behind_them_are_not_lost(folder, run, capfd):
    write_video("clip.mp4", moving(40), codec="mp4v")
    damage("clip.mp4", 0.4, 0.6)
    assert run("predict", "clip.mp4", *CLIP[2:], "--json") == 0
    said = json.loads(capfd.readouterr().out.splitlines()[-1])
    record = json.loads(RECORD.read_text())
    lost = 40 - len(record["frames"])
    assert 4 <= lost <= 16
    assert (said["frames"], said["unread_frames"], record["unread_frames"]) == (40 - lost, lost, lost)
    assert said["skipped"] == {"clip.mp4": f"{lost} of 40 frames cannot be read"}
    times = [frame["time_ms"] for frame in record["frames"]]
    assert times[-1] == pytest.approx(1950)  # the last one
    assert points(record)[0] == pytest.approx([60, 100], abs=1)
    assert points(record)[-1] == pytest.approx([220, 100], abs=30)  # of a frame that depends on lost ones


def test_a_video_that_is_cut_short_says_what_is_missing(folder, run, capfd):
    write_video("clip.avi", moving(40))
    content = Path("clip.avi").read_bytes()
    Path("clip.avi").write_bytes(content[: len(content) // 2])
    assert run(*CLIP, "--json") == 0
    said = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert said["frames"] + said["unread_frames"] == 40
    assert 10 < said["frames"] < 30
    assert said["skipped"] == {"clip.avi": f"{said['unread_frames']} of 40 frames cannot be read"}


def test_more_frames_than_the_file_states_are_read(folder, run, monkeypatch):
    only_for(monkeypatch, "clip.avi", FakeCapture(moving(5), {cv2.CAP_PROP_FRAME_COUNT: 3}))
    assert run(*CLIP) == 0
    record = json.loads(RECORD.read_text())
    assert (len(record["frames"]), record["unread_frames"]) == (5, 0)


def test_the_end_of_a_file_that_states_too_much_is_found(folder, run, monkeypatch):
    only_for(monkeypatch, "clip.avi", FakeCapture(moving(5), {cv2.CAP_PROP_FRAME_COUNT: 1e12}))
    assert run(*CLIP) == 0
    record = json.loads(RECORD.read_text())
    assert (len(record["frames"]), record["unread_frames"]) == (5, 10**12 - 5)


def test_frames_of_other_sizes_keep_their_points_and_fit_into_the_video(folder, run, monkeypatch):
    frames = [blob(320, 240, 60, 100), blob(640, 480, 400, 100), blob(160, 600, 60, 100)]
    only_for(monkeypatch, "clip.avi", FakeCapture(frames))
    assert run("predict", "clip.avi", "--model", "centre.onnx", "--no-smooth") == 0
    record = json.loads(RECORD.read_text())
    assert points(record) == [pytest.approx(each, abs=2) for each in ([60, 100], [400, 100], [60, 100])]
    assert [frame.get("size") for frame in record["frames"]] == [None, [640, 480], [160, 600]]
    assert [frame.shape for frame in drawn_frames(DRAWN)[0]] == [(480, 640, 3)] * 3


def test_a_frame_is_fitted_by_reducing_and_padding():
    bright = np.full((10, 20, 3), 200, np.uint8)
    for size, inside in (((20, 10), (10, 20)), ((24, 12), (10, 20)), ((10, 12), (5, 10)), ((40, 4), (4, 8))):
        found = fitted(bright, size)
        assert found.shape == (size[1], size[0], 3)
        assert (found[: inside[0], : inside[1]] == 200).all()
        assert found.sum() == 200 * 3 * inside[0] * inside[1]


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(1, 1, (2, 2)), (3, 5, (4, 6)), (9001, 33, (8190, 30)), (17, 8191, (16, 8190)), (70000, 1, (8190, 2))],
)
def test_every_size_can_be_written(tmp_path, width, height, expected):
    writer = Mp4(tmp_path / "v.mp4", 25)
    writer.add(np.zeros((height, width, 3), np.uint8))
    assert writer.finish() is None
    (frame,) = drawn_frames(tmp_path / "v.mp4")[0]
    assert frame.shape[1::-1] == expected


def no_codec(monkeypatch):
    class Closed:
        def __init__(self, *_):
            pass

        isOpened = write = release = lambda *_: False  # noqa: N815  OpenCV's name

    monkeypatch.setattr(mp4.cv2, "VideoWriter", Closed)


def lost_frames(monkeypatch):
    opened = cv2.VideoWriter

    class Loses:
        """Writes every other frame."""

        def __init__(self, *arguments):
            self._writer, self._count = opened(*arguments), 0
            self.isOpened, self.release = self._writer.isOpened, self._writer.release

        def write(self, frame):
            self._count += 1
            if self._count % 2:
                self._writer.write(frame)

    monkeypatch.setattr(mp4.cv2, "VideoWriter", Loses)


def folder_in_the_way(monkeypatch):
    DRAWN.mkdir(parents=True)


FAULTS = {
    "OpenCV cannot write MPEG-4 video of 640 x 480 pixels and 20 frames per second here": no_codec,
    "the file has 3 of 5 frames": lost_frames,
    "output/predict/clip.mp4 is a directory": folder_in_the_way,
}


@pytest.mark.parametrize("reason", FAULTS)
def test_the_points_are_written_whatever_becomes_of_the_video(folder, run, capfd, monkeypatch, reason):
    FAULTS[reason](monkeypatch)
    assert run(*CLIP, "--json") == 1
    said = capfd.readouterr()
    assert json.loads(said.out.splitlines()[-1])["not_drawn"] == {"clip.avi": reason}
    assert said.err.strip() == (
        f"fbnet-pfld: no video with the points of clip.avi could be written: {reason}; the points are in its .json file"
    )
    record = json.loads(RECORD.read_text())
    assert (record["drawn"], record["error"]) == (None, reason)
    assert points(record) == [pytest.approx([60 + 40 * i, 100], abs=1) for i in range(5)]
    assert not DRAWN.is_file()
    assert not list(DRAWN.parent.glob(".*"))


def test_a_full_disk_costs_the_video_alone(folder, run, capfd):
    """No file may grow beyond some size, which is enough for the points."""
    rng = np.random.default_rng(0)
    write_video("clip.avi", [rng.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(30)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        assert run(*CLIP) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "clip.avi could be written: File too large; the points are in" in capfd.readouterr().err
    record = json.loads(RECORD.read_text())
    assert (len(record["frames"]), record["error"]) == (30, "File too large")
    assert [path.name for path in DRAWN.parent.iterdir()] == ["clip.json"]


def test_a_disk_too_full_for_the_points_is_told(folder, run, capfd):
    before, limits = contents(folder), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        assert run(*CLIP) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert capfd.readouterr().err.strip() == "fbnet-pfld: cannot write output/predict/clip.json: File too large"
    assert contents(folder) == before


def test_a_frame_without_points_costs_itself_alone(folder, run, capfd):
    """A black image has no centre of light."""
    write_video("clip.avi", [*moving(2), np.zeros((240, 320, 3), np.uint8), *moving(2)])
    assert run(*CLIP, "--json") == 0
    reason = json.loads(capfd.readouterr().out.splitlines()[-1])["skipped"]["clip.avi"]
    assert reason.startswith("1 of 5 frames have no points; first reason: centre.onnx: predicted points are not finite")
    assert [len(frame["faces"]) for frame in json.loads(RECORD.read_text())["frames"]] == [1, 1, 0, 1, 1]


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (3, 3), (99, 5)])
def test_frames_end_a_video(folder, run, limit, count):
    assert run(*CLIP, "--frames", limit) == 0
    record = json.loads(RECORD.read_text())
    assert (len(record["frames"]), record["unread_frames"]) == (count, 0)
    assert len(drawn_frames(DRAWN)[0]) == count


def test_an_interrupted_file_leaves_nothing(folder, run, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    only_for(monkeypatch, "clip.avi", FakeCapture(moving(5), after={3: interrupt}))
    before = contents(folder)
    assert run(*CLIP) == 130
    assert contents(folder) == before
    assert not list(DRAWN.parent.iterdir())
