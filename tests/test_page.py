"""``app``: views of pictures and frames, and the page itself in headless Chromium."""

import base64
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_onnx import blob, centre_network, yunet

from fbnet_pfld.experiments.predict.annotate import annotate
from fbnet_pfld.experiments.predict.detect import Face
from fbnet_pfld.experiments.predict.live import NO_FACE, Live
from fbnet_pfld.experiments.predict.smoothing import Smoother
from fbnet_pfld.runtime import Landmarker, square_of
from fbnet_pfld.search_space import InputError

BOXES = [(40.0, 120.0, 200.0, 250.0), (360.0, 120.0, 200.0, 250.0)]
WAIT_MS = 120_000  # of a busy machine
MS = r"(\d+\.\d\d) ms"


def two_faces(x=150) -> np.ndarray:
    """A picture of 640 x 480 pixels with a blob in each box, one at ``x``."""
    return np.maximum(blob(640, 480, x, 250), blob(640, 480, 450, 260))


def difference(picture: np.ndarray, other: np.ndarray, x: int, y: int) -> float:
    """Mean difference of two pictures around a point, in grey levels."""
    around = slice(y - 4, y + 5), slice(x - 4, x + 5)
    return float(np.abs(picture[around].astype(int) - other[around]).mean())


def find(image) -> list[Face]:
    return [Face(box, square_of(box)) for box in BOXES]


@pytest.fixture
def opened(tmp_path):
    """A live view of networks that predict the blob's centre, and the list of opened networks."""
    names = []

    def open_model(name: str) -> Landmarker:
        names.append(name)
        return Landmarker(centre_network(tmp_path / name))

    return Live(open_model, find), names


def test_a_picture_is_drawn_and_told(opened):
    live, names = opened
    image = two_faces()
    seen = live.view(image, "a.onnx", crop=False)
    places = (150, 250), (450, 260)
    faces = [{"box": box, "points": [place]} for box, place in zip(BOXES, places, strict=True)]
    expected = annotate(image, faces)
    assert seen.picture.shape == image.shape
    for x, y in (*places, (360, 200)):  # the points, and a point on the edge of a box
        assert difference(seen.picture, expected, x, y) < 5
        assert difference(expected, image, x, y) > 20
    assert seen.text.startswith("**2 faces**")
    whole, network = (float(number) for number in re.findall(MS, seen.text))
    assert whole >= network > 0
    live.view(image, "a.onnx", crop=False)
    live.view(image, "b.onnx", crop=False)
    assert names == ["a.onnx", "b.onnx"]  # opened once each


def test_a_crop_is_one_face(opened, monkeypatch):
    live, _ = opened
    monkeypatch.setattr(live, "_find", pytest.fail)
    image = blob(480, 480, 100, 300)
    seen = live.view(image, "a.onnx", crop=True)
    assert seen.text.startswith("**1 face**")
    expected = annotate(image, [{"box": [0, 0, 480, 480], "points": [[100, 300]]}])
    assert difference(seen.picture, expected, 100, 300) < 5
    assert difference(expected, image, 100, 300) > 20


def test_a_picture_without_faces_stays_as_it_is(opened, monkeypatch):
    live, _ = opened
    monkeypatch.setattr(live, "_find", lambda image: [])
    seen = live.view(two_faces(), "a.onnx", crop=False)
    assert np.array_equal(seen.picture, two_faces())
    assert seen.text == NO_FACE


def test_a_webcam_s_faces_are_followed_and_smoothed_on_demand(opened, monkeypatch):
    """Points are those of each frame or, with the toggle, those of the videos' smoother at 20 frames per second."""
    live, _ = opened
    shown = []
    monkeypatch.setattr("fbnet_pfld.experiments.predict.live.annotate", lambda image, faces: shown.append(faces) or image)
    monkeypatch.setattr(time, "monotonic", iter(np.arange(0, 100, 0.05)).__next__)
    xs = 150 + np.random.default_rng(0).normal(0, 2, 12)
    seen = {}
    for smooth in (False, True):
        stream = None
        for x in xs:
            before, stream = stream, live.stream(stream, "a.onnx", False, smooth)
            assert before in (None, stream)
            assert stream(two_faces(x)).text.startswith("**2 faces**")
        seen[smooth], shown[:] = list(shown), []
        assert live.stream(stream, "a.onnx", False, not smooth) is not stream
        assert live.stream(stream, "b.onnx", False, smooth) is not stream
    assert [[face["track"] for face in faces] for faces in seen[False]] == [[0, 1]] * len(xs)
    assert [faces[0]["points"][0][0] for faces in seen[False]] == pytest.approx(xs, abs=0.1)
    smoother = Smoother(20)
    assert seen[True] == [smoother(faces, 50 * i) for i, faces in enumerate(seen[False])]
    assert seen[True] != seen[False]


def test_files_of_the_browser(tmp_path):
    """Uploads arrive as files, frames as data URLs; the name of a damaged one is reported, and pictures return as JPEG."""
    page = pytest.importorskip("fbnet_pfld.experiments.predict.page", exc_type=ImportError)
    image = two_faces()
    cv2.imwrite(str(tmp_path / "a.png"), image)
    (tmp_path / "b.png").write_bytes(b"no picture")
    upload = page.picture("Picture")
    assert np.array_equal(upload.preprocess(page.ImageData(path=str(tmp_path / "a.png"), orig_name="x.png")).decode(), image)
    with pytest.raises(InputError, match="x.png cannot be decoded"):
        upload.preprocess(page.ImageData(path=str(tmp_path / "b.png"), orig_name="x.png")).decode()
    assert upload.preprocess(None) is upload.postprocess(None) is None
    back = upload.preprocess(upload.postprocess(image)).decode()
    assert back.shape == image.shape
    assert np.abs(back.astype(int) - image).mean() < 1
    assert not list(Path(page.__file__).parent.glob("*.pyi"))  # Gradio writes these for subclasses of its own classes


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A working folder with a network, a detector that finds a face in each box, a picture, and a webcam's frames."""
    monkeypatch.chdir(tmp_path)
    centre_network(tmp_path / "net.onnx")
    yunet(tmp_path / "yunet.onnx", [(*box, 0.95) for box in BOXES])
    cv2.imwrite("faces.png", two_faces())
    Path("broken.png").write_bytes(b"no picture")
    Path("webcam.mjpeg").write_bytes(cv2.imencode(".jpg", two_faces())[1].tobytes() * 2)
    return tmp_path


ARGUMENTS = ("app", "--no-open", "--model", "net.onnx", "--detector", "yunet.onnx")


def test_the_extra_is_missing(files, refused, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(*ARGUMENTS, words=["Gradio", '".[app]"'])


def test_the_port_is_taken(files, refused):
    pytest.importorskip("gradio")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(*ARGUMENTS, "--port", port, words=[f"--port {port} cannot be used", "give another port"])


@contextlib.contextmanager
def served():
    """The page's process and address, on a free port and with an unreachable proxy; Ctrl-C must end it cleanly."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    start = "import sys; from fbnet_pfld.experiments.cli.app import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", start, *ARGUMENTS, "--port", port],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"HTTP_PROXY": "http://127.0.0.1:9", "TMPDIR": str(Path.cwd())},
    ) as process:
        try:
            line = process.stdout.readline()
            assert line == f"page: http://127.0.0.1:{port}\n", process.stderr.read()
            yield line.split()[1]
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=WAIT_MS / 1000)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert not list(Path.cwd().glob("fbnet-pfld-app-*"))  # the pictures that were uploaded


@pytest.mark.slow
def test_the_page_in_a_browser(files):
    """Pictures, an invalid one and a webcam are shown with their faces; the page loads nothing from other servers."""
    pytest.importorskip("gradio")
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or pytest.skip("chromium is not installed")
    options = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        "--use-file-for-fake-video-capture=webcam.mjpeg",
    ]
    with (
        served() as address,
        playwright.sync_playwright() as driver,
        contextlib.closing(driver.chromium.launch(executable_path=chromium, args=options)) as browser,
    ):
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        upload, said, frame_said = (page.locator(part) for part in ("input[type=file]", "#picture-said", "#webcam-said"))
        drawn = page.locator("img[src^='data:image/jpeg']")

        upload.first.set_input_files("faces.png")
        said.get_by_text("2 faces").wait_for()
        assert len(re.findall(MS, said.inner_text())) == 2
        picture = shown(drawn.first)
        image = two_faces()
        for x, y in ((150, 250), (450, 260), (360, 200)):
            assert difference(picture, image, x, y) > 20
        assert np.abs(picture[:100].astype(int) - image[:100]).mean() < 2  # above the boxes

        page.get_by_label("Remove Image").first.click()
        upload.first.set_input_files("broken.png")
        said.get_by_text("broken.png cannot be decoded").wait_for()

        page.get_by_role("tab", name="Webcam").click()
        page.get_by_text("Click to Access Webcam").click()
        page.get_by_text("Record").click()
        frame_said.get_by_text("2 faces").wait_for()
        assert shown(drawn.last).shape == image.shape
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {address.split("/")[2]}


def shown(element) -> np.ndarray:
    """The picture that an element of the page shows."""
    content = base64.b64decode(element.get_attribute("src").partition(",")[2])
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
