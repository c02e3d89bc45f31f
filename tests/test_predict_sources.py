"""Sources of ``predict``: folders with their content, cameras, streams; and paths of the results."""

import csv
import http.server
import json
import signal
import threading
from functools import partial
from pathlib import Path

import cv2
import pytest
from source_faces import contents
from tiny_onnx import blob, centre_network
from tiny_video import FakeCapture, write_video

from fbnet_pfld.evaluators.data.images import SUFFIXES
from fbnet_pfld.experiments.predict import detect
from fbnet_pfld.experiments.predict.sources import Kind, find_sources
from fbnet_pfld.search_space import InputError

MODEL = ("--model", "centre.onnx")
BOX = ("--box", "10,10,220,200")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a network and a source of images, videos, and files that are neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detect, "centerface_file", lambda: None)
    centre_network(Path("centre.onnx"))
    image("src/top.png")
    image("src/day1/a.JPG")
    image("src/day1/deep/er/a.bmp")
    write_video("src/day1/clip.avi", [blob(320, 240, 70, 60)] * 2)
    Path("src/day1/notes.txt").write_text("neither")
    Path("src/day1/no-suffix").write_bytes(b"neither")
    return tmp_path


def image(path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), blob(320, 240, 70, 60))


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def said(capfd):
    return json.loads(capfd.readouterr().out.splitlines()[-1])


NEITHER = "neither an image nor a video, by its suffix"


def test_results_mirror_the_folders_and_everything_else_is_listed(folder, run, capfd):
    assert run("predict", "src", *MODEL, "--json") == 0
    told = said(capfd)
    assert (told["images"], told["videos"], told["frames"], told["faces"]) == (3, 1, 2, 5)
    assert told["skipped"] == {"src/day1/no-suffix": NEITHER, "src/day1/notes.txt": NEITHER}
    assert files("output/predict") == [
        "day1/a.jpg",
        "day1/a.json",
        "day1/clip.json",
        "day1/clip.mp4",
        "day1/deep/er/a.jpg",
        "day1/deep/er/a.json",
        "skipped.csv",
        "top.jpg",
        "top.json",
    ]
    assert json.loads(Path("output/predict/day1/a.json").read_text())["image"] == "src/day1/a.JPG"
    with Path("output/predict/skipped.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"source": "src/day1/no-suffix", "reason": NEITHER},
            {"source": "src/day1/notes.txt", "reason": NEITHER},
        ]


def test_many_skipped_files_are_counted_on_the_screen(folder, run, capfd):
    for i in range(30):
        Path(f"src/{i:02}.txt").write_text("neither")
    assert run("predict", "src", *MODEL) == 0
    screen = capfd.readouterr().out
    assert "src/09.txt" in screen
    assert "src/10.txt" not in screen
    assert "and 22 more, see output/predict/skipped.csv" in screen


def test_links_are_followed_and_loops_end(folder, run, capfd):
    image("elsewhere/b.png")
    Path("src/linked").symlink_to("../elsewhere")
    Path("src/one.png").symlink_to("../elsewhere/b.png")
    Path("src/day1/loop").symlink_to("..")
    Path("src/nowhere.png").symlink_to("nothing")
    assert run("predict", "src", *MODEL, "--json") == 0
    told = said(capfd)
    assert told["images"] == 5
    assert {"linked/b.json", "one.json"} <= set(files("output/predict"))
    assert set(told["skipped"]) == {"src/day1/loop", "src/nowhere.png", "src/day1/notes.txt", "src/day1/no-suffix"}


def test_an_output_folder_within_the_source_is_not_read(folder, run, capfd):
    for _ in range(2):
        assert run("predict", "src", *MODEL, "--out", "src/results", "--json") == 0
        told = said(capfd)
        assert told["images"] == 3
    assert told["skipped"]["src/results/day1"] == "results, because --out is here"
    assert files("src/results") == [
        "day1/a.jpg",
        "day1/a.json",
        "day1/clip.json",
        "day1/clip.mp4",
        "day1/deep/er/a.jpg",
        "day1/deep/er/a.json",
        "skipped.csv",
        "top.jpg",
        "top.json",
    ]


def test_a_source_within_the_output_folder_is_read(folder, run):
    assert run("predict", "src/day1/deep", *MODEL, "--out", "src") == 0
    assert {"er/a.jpg", "er/a.json"} <= set(files("src"))


def test_results_never_lie_among_the_sources(folder, refused):
    """A sub-folder with the source's name: its results would replace the sources."""
    image("src/src/b.jpg")
    refused("predict", "src", *MODEL, "--out", ".", words=("--out .: results would be written to src, among the sources",))
    Path("alias").symlink_to("src")
    refused("predict", "src", *MODEL, "--out", "alias", words=("--out alias: results would be written to alias/day1, among",))


def test_sources_that_differ_in_their_suffix_alone_are_told_apart(folder, run):
    image("src/day1/clip.png")
    image("src/day1/Clip.tif")
    assert run("predict", "src/day1", *MODEL, "--out", "out") == 0
    assert files("out") == [
        "Clip.tif.jpg",
        "Clip.tif.json",
        "a.jpg",
        "a.json",
        "clip.avi.json",
        "clip.avi.mp4",
        "clip.png.jpg",
        "clip.png.json",
        "deep/er/a.jpg",
        "deep/er/a.json",
        "skipped.csv",
    ]


def test_sources_that_cannot_be_told_apart_are_refused(folder, refused):
    for name in ("a.png", "a.jpg", "a.png.bmp"):
        image(f"clash/{name}")
    refused("predict", "clash", *MODEL, words=("a.png and a.png.bmp: both would write their results to a.png.json; rename",))


def test_a_fault_of_one_source_costs_that_one(folder, run, capfd):
    Path("src/day1/bad.mp4").write_bytes(b"no video")
    Path("src/bad.png").symlink_to("/proc/self/mem")
    assert run("predict", "src", *MODEL, "--json") == 0
    told = said(capfd)
    assert (told["images"], told["videos"]) == (3, 1)
    assert told["skipped"]["src/day1/bad.mp4"].startswith("src/day1/bad.mp4 is neither an image nor a video with frames")
    assert told["skipped"]["src/bad.png"] == "image src/bad.png cannot be read: Input/output error"


def test_results_that_cannot_be_written_end_the_run(folder, run, capfd):
    """Write errors are not a source's fault, so it is not skipped: a full disk is not reported for every file."""
    Path("output/predict/day1/a.jpg").mkdir(parents=True)
    assert run("predict", "src", *MODEL) == 2
    assert (
        capfd.readouterr().err.strip()
        == "fbnet-pfld: cannot write output/predict/day1/a.jpg: output/predict/day1/a.jpg is a directory"
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_of_images_is_read(tmp_path, suffix):
    """By content, because OpenCV cannot write all of them."""
    (tmp_path / f"a{suffix.upper()}").write_bytes(cv2.imencode(".png", blob(64, 48, 30, 20))[1].tobytes())
    assert [source.kind for source in find_sources(str(tmp_path), tmp_path / "out").sources] == [Kind.IMAGE]


def test_a_file_given_by_name_is_what_its_content_is(folder, run, capfd):
    image("src/top.png")
    Path("src/top.png").rename("picture.bin")
    write_video("clip.avi", [blob(320, 240, 70, 60)] * 2)
    Path("clip.avi").rename("odd:name")
    for name, kind in (("picture.bin", "images"), ("odd:name", "videos")):
        assert run("predict", name, *MODEL, "--json") == 0
        assert said(capfd)[kind] == 1


# text -> name, address for OpenCV, name of the results
LIVE = {
    "0": ("camera 0", 0, "camera0"),
    "12": ("camera 12", 12, "camera12"),
    "rtsp://10.0.0.2/live": ("rtsp://10.0.0.2/live", "rtsp://10.0.0.2/live", "live"),
    "rtsp://me:se@cret@10.0.0.2:554/cam/1?a=b/c@d": (
        "rtsp://10.0.0.2:554/cam/1?a=b/c@d",
        "rtsp://me:se@cret@10.0.0.2:554/cam/1?a=b/c@d",
        "1",
    ),
    "http://host:8000/": ("http://host:8000/", "http://host:8000/", "host_8000"),
    "udp://@:1234": ("udp://:1234", "udp://@:1234", "1234"),
    "HTTP://host/%2e%2e/..%2fx y.mp4": ("HTTP://host/%2e%2e/..%2fx y.mp4", "HTTP://host/%2e%2e/..%2fx y.mp4", "2fx_y"),
    "http://host/..": ("http://host/..", "http://host/..", "stream"),
}


@pytest.mark.parametrize("text", LIVE)
def test_numbers_are_cameras_and_addresses_are_streams(tmp_path, text):
    (source,) = find_sources(text, tmp_path).sources
    assert (source.kind, source.name, source.address, str(source.target).strip("_")) == (Kind.LIVE, *LIVE[text])


def test_a_number_beyond_all_cameras_is_none(tmp_path):
    """In OpenCV, 700 is the first camera of another system."""
    with pytest.raises(InputError, match=r"^camera 700: camera numbers are 0 to 99; for a file of that name, give \./700$"):
        find_sources("700", tmp_path)


def test_files_named_like_cameras_are_given_by_a_path(folder, run, capfd):
    image("src/top.png")
    Path("src/top.png").rename("0")
    assert run("predict", "./0", *MODEL, "--json") == 0
    assert said(capfd)["images"] == 1
    assert Path("output/predict/0.json").is_file()


def camera(monkeypatch, capture):
    opened, asked = cv2.VideoCapture, []

    def open_(address):
        if isinstance(address, int):
            asked.append(address)
            return capture
        return opened(address)

    monkeypatch.setattr(cv2, "VideoCapture", open_)
    return asked


def interrupt():
    signal.raise_signal(signal.SIGINT)  # in this thread, so that it arrives at once: elsewhere, two signals may count as one


def test_ctrl_c_ends_a_camera_and_its_results_are_written(folder, run, capfd, monkeypatch):
    capture = FakeCapture([blob(320, 240, 70, 60)] * 99, after={4: interrupt})
    asked = camera(monkeypatch, capture)
    before = signal.getsignal(signal.SIGINT)
    assert run("predict", "3", *MODEL, *BOX, "--json") == 0
    assert asked == [3]
    assert capture.released
    assert signal.getsignal(signal.SIGINT) is before
    printed = capfd.readouterr()
    assert "camera 3: press Ctrl-C to stop; the results so far will be written" in printed.err
    assert json.loads(printed.out.splitlines()[-1])["frames"] == 4
    record = json.loads(Path("output/predict/camera3.json").read_text())
    assert (record["video"], record["fps"], record["source_fps"], record["unread_frames"]) == ("camera 3", 25, None, 0)
    assert [frame["faces"][0]["points"][0] for frame in record["frames"]] == [pytest.approx([70, 60], abs=0.3)] * 4
    assert cv2.VideoCapture("output/predict/camera3.mp4").get(cv2.CAP_PROP_FRAME_COUNT) == 4


def test_a_second_ctrl_c_leaves_nothing(folder, run, monkeypatch):
    def twice():
        interrupt()
        interrupt()

    camera(monkeypatch, FakeCapture([blob(320, 240, 70, 60)] * 99, after={4: twice}))
    # a shell starts its background jobs without
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run("predict", "0", *MODEL, *BOX) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert files("output") == []


def test_frames_end_a_camera(folder, run, monkeypatch):
    capture = FakeCapture([blob(320, 240, 70, 60)] * 99)
    camera(monkeypatch, capture)
    assert run("predict", "0", *MODEL, *BOX, "--frames", "5") == 0
    assert len(json.loads(Path("output/predict/camera0.json").read_text())["frames"]) == capture.shown == 5


@pytest.mark.parametrize("frames", [[], [blob(320, 240, 70, 60)]])
def test_a_camera_that_gives_no_frame_or_goes_away(folder, run, refused, monkeypatch, frames):
    camera(monkeypatch, FakeCapture(frames))
    if frames:
        assert run("predict", "0", *MODEL, *BOX) == 0
        assert len(json.loads(Path("output/predict/camera0.json").read_text())["frames"]) == 1
    else:
        refused("predict", "0", *MODEL, words=("camera 0 cannot be opened by OpenCV, or gives no frames",))


@pytest.mark.parametrize(
    "address",
    ["57", "rtsp://me:secret@127.0.0.1:1/cam", "http://127.0.0.1:1/x.avi", "file:///nowhere.avi", "nothing://x", "/dev/null"],
)
def test_what_cannot_be_opened_is_one_line_without_its_password(folder, run, capfd, address):
    before = contents(folder)
    assert run("predict", address, *MODEL) == 2
    error = capfd.readouterr().err.strip()
    shown = {"57": "camera 57"}.get(address, address.replace("me:secret@", ""))
    assert error == f"fbnet-pfld: {shown} cannot be opened by OpenCV, or gives no frames"
    assert contents(folder) == before


@pytest.fixture
def server(folder):
    """An HTTP server for the working folder, on this machine alone."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def test_a_stream_is_read_by_its_address(folder, server, run, capfd):
    assert run("predict", f"{server}/src/day1/clip.avi", *MODEL, *BOX, "--json") == 0
    told = said(capfd)
    assert (told["videos"], told["frames"]) == (1, 2)
    record = json.loads(Path("output/predict/clip.json").read_text())
    assert record["video"] == f"{server}/src/day1/clip.avi"
    assert [frame["faces"][0]["points"][0] for frame in record["frames"]] == [pytest.approx([70, 60], abs=0.5)] * 2


def test_a_file_is_read_by_its_address(folder, run):
    assert run("predict", f"file://{folder}/src/day1/clip.avi", *MODEL, *BOX, "--frames", "1") == 0
    assert len(json.loads(Path("output/predict/clip.json").read_text())["frames"]) == 1
