"""``predict --show``: frames in a window, keys that end a video, and computers without windows."""

import json
import subprocess
from pathlib import Path

import cv2
import pytest
from tiny_onnx import blob, centre_network
from tiny_video import write_video

from fbnet_pfld.experiments.predict import window

CLIP = ("predict", "clip.avi", "--model", "centre.onnx", "--box", "10,10,220,200", "--show")


@pytest.fixture
def screen(tmp_path, monkeypatch):
    """A working folder with a video of nine frames, and a display on which ``keys`` are pressed, one after each frame."""
    monkeypatch.chdir(tmp_path)
    centre_network(Path("centre.onnx"))
    write_video("clip.avi", [blob(320, 240, 60 + 10 * i, 100) for i in range(9)])
    shown, keys = [], []
    monkeypatch.setattr(window.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    monkeypatch.setattr(cv2, "imshow", lambda title, image: shown.append((title, image.shape)))
    monkeypatch.setattr(cv2, "waitKey", lambda _: keys.pop(0) if keys else -1)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: shown.append("closed"))
    return shown, keys


def frames(name="clip"):
    return len(json.loads(Path(f"output/predict/{name}.json").read_text())["frames"])


def test_every_frame_is_shown_with_its_points(screen, run):
    assert run(*CLIP) == 0
    shown, _ = screen
    assert shown == [("clip.avi", (480, 640, 3))] * 9 + ["closed"]
    assert frames() == 9


@pytest.mark.parametrize("key", [ord("q"), 27, 0x100000 + 27])
def test_a_key_ends_the_video_and_its_results_are_written(screen, run, key):
    shown, keys = screen
    keys += [-1, ord("x"), key]
    assert run(*CLIP) == 0
    assert shown[-1] == "closed"
    assert frames() == 3
    assert cv2.VideoCapture("output/predict/clip.mp4").get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_a_key_ends_one_video_of_a_folder(screen, run):
    Path("two").mkdir()
    for name in ("a", "b"):
        Path(f"two/{name}.avi").write_bytes(Path("clip.avi").read_bytes())
    screen[1].extend([-1, ord("q")])
    assert run("predict", "two", *CLIP[2:]) == 0
    assert (frames("a"), frames("b")) == (2, 9)


def test_without_a_display_one_line_says_so(screen, refused, monkeypatch):
    """OpenCV's toolkit aborts a process that opens a window without a display."""
    monkeypatch.setattr(window.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], -6))
    refused(*CLIP, words=("--show needs a display and an OpenCV with windows",))
