"""``predict``: points of networks whose answer is known, files written, faults told."""

import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_onnx import blob, centre_network, constant_network, yunet

from fbnet_pfld.evaluators.images import read_picture
from fbnet_pfld.experiments.annotate import annotate
from fbnet_pfld.experiments.faces import Detector, GivenBox
from fbnet_pfld.experiments.media import Video
from fbnet_pfld.runtime import square_of
from fbnet_pfld.search_space import InputError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with pictures, a video, networks and a detector."""
    monkeypatch.chdir(tmp_path)
    centre_network(Path("centre.onnx"))
    yunet(Path("yunet.onnx"), [(100, 50, 200, 260, 0.95)])
    Path("faces").mkdir()
    for name, (x, y) in {"a": (70, 60), "b": (200, 120)}.items():
        cv2.imwrite(f"faces/{name}.png", blob(320, 240, x, y))
    write_video("clip.avi", [blob(320, 240, 60 + 20 * i, 100) for i in range(5)])
    return tmp_path


def write_video(name, frames, fps=20):
    height, width = frames[0].shape[:2] if frames else (48, 64)
    writer = cv2.VideoWriter(name, cv2.VideoWriter_fourcc(*"MJPG"), fps, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()


def result(capfd):
    return json.loads(capfd.readouterr().out.splitlines()[-1])


def test_the_detector_decodes_what_the_file_says(tmp_path):
    """A picture of 1280 x 960 is seen at half its size; scores below OpenCV's threshold of 0.9 are no faces."""
    path = yunet(tmp_path / "y.onnx", [(100, 50, 200, 260, 0.95), (400, 300, 40, 50, 0.99), (20, 400, 30, 30, 0.5)])
    faces = sorted(Detector(path)(np.zeros((960, 1280, 3), np.uint8)), key=lambda face: face.box)
    assert [face.box for face in faces] == [pytest.approx((200, 100, 400, 520), rel=1e-5),
                                            pytest.approx((800, 600, 80, 100), rel=1e-5)]
    assert [face.score for face in faces] == [pytest.approx(0.95), pytest.approx(0.99)]
    assert faces[0].square == square_of(faces[0].box)
    assert [face.box for face in Detector(path)(np.zeros((360, 640, 3), np.uint8))][1] == pytest.approx((100, 50, 200, 260))
    assert Detector(yunet(tmp_path / "n.onnx", []))(np.zeros((640, 640, 3), np.uint8)) == []


def test_points_are_drawn_where_they_are():
    image = np.full((500, 700, 3), 90, np.uint8)
    points = np.random.default_rng(0).uniform(100, 400, (106, 2))
    points[0] = (50.5, 60.5)  # the middle of pixel 50, 60; of the contour
    drawn = annotate(image, [{"box": [20, 30, 600, 400], "points": points.tolist()}])
    assert (image == 90).all()
    assert drawn[60, 50].tolist() == [255, 229, 0]
    assert (drawn[29:31, 300] > 180).all()  # the line of the box, between two rows
    assert drawn[480, 680].tolist() == [90, 90, 90]
    small = annotate(image[:100, :200], [{"box": [0, 0, 200, 100], "points": [[50.5, 60.5], [150, 20]]}])
    assert small.shape == (300, 600, 3)
    assert small[181, 151].tolist() == [77, 255, 77]  # of an unknown layout one colour


def test_a_picture_gets_a_picture_and_points(folder, run, capfd):
    assert run("predict", "faces/a.png", "--model", "centre.onnx", "--box", "40,20,80,90", "--json") == 0
    said = result(capfd)
    record = json.loads(Path("output/predict/a.json").read_text())
    assert record["faces"][0]["points"][0] == pytest.approx([70, 60], abs=0.1)
    assert record["faces"][0]["box"] == [40, 20, 80, 90]
    assert (record["image"], record["model"]) == ("faces/a.png", "centre.onnx")
    assert said["faces"] == 1
    assert said["ms_per_face"] == record["ms"] >= said["ms_network"] > 0
    assert cv2.imread("output/predict/a.jpg").shape == (480, 640, 3)


def test_a_folder_leaves_out_what_cannot_be_read(folder, run, capfd):
    Path("faces/c.jpg").write_bytes(b"no image")
    Path("faces/d.png").write_bytes(b"")
    Path("faces/list.txt").write_text("no picture at all")
    assert run("predict", "faces", "--model", "centre.onnx", "--out", "out", "--json") == 0
    said = result(capfd)
    assert said["pictures"] == said["faces"] == 2
    assert set(said["left_out"]) == {"c.jpg", "d.png"}
    assert "faces/c.jpg cannot be decoded" in said["left_out"]["c.jpg"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.jpg", "a.json", "b.jpg", "b.json"]
    assert json.loads(Path("out/b.json").read_text())["faces"][0]["points"][0] == pytest.approx([200, 120], abs=0.3)


def test_a_folder_leaves_out_pictures_whose_points_are_not_finite(folder, run, capfd):
    """The middle of the light where there is none."""
    cv2.imwrite("faces/black.png", np.zeros((50, 50, 3), np.uint8))
    assert run("predict", "faces", "--model", "centre.onnx", "--json") == 0
    said = result(capfd)
    assert said["pictures"] == 2
    assert list(said["left_out"]) == ["black.png"]
    assert "centre.onnx: points that are not finite" in said["left_out"]["black.png"]
    assert not Path("output/predict/black.json").exists()


@pytest.mark.parametrize("options", [("--detector", "yunet.onnx"), ()])
def test_faces_are_found_by_the_file_that_is_given_or_at_hand(folder, run, capfd, options):
    if not options:
        Path("yunet.onnx").rename("face_detection_yunet_2023mar.onnx")
    assert run("predict", "faces", "--model", "centre.onnx", *options) == 0
    face, = json.loads(Path("output/predict/b.json").read_text())["faces"]
    assert face["box"] == pytest.approx([100, 50, 200, 260], abs=0.01)
    assert face["score"] == pytest.approx(0.95)
    assert face["points"][0] == pytest.approx([200, 120], abs=0.3)


def test_pictures_without_a_face_say_so(folder, run, capfd):
    yunet(Path("none.onnx"), [])
    assert run("predict", "faces/a.png", "--model", "centre.onnx", "--detector", "none.onnx", "--json") == 0
    assert result(capfd)["ms_per_face"] is None
    record = json.loads(Path("output/predict/a.json").read_text())
    assert record["faces"] == []
    assert record["ms"] is None


def test_a_video_gets_a_video_and_the_points_of_its_frames(folder, run, capfd):
    assert run("predict", "clip.avi", "--model", "centre.onnx", "--box", "10,10,220,200", "--json") == 0
    assert result(capfd)["frames"] == 5
    record = json.loads(Path("output/predict/clip.json").read_text())
    found = [frame["faces"][0]["points"][0] for frame in record["frames"]]
    assert found == [pytest.approx([60 + 20 * i, 100], abs=1) for i in range(5)]
    drawn = Video(Path("output/predict/clip.mp4"))
    assert drawn.fps == record["fps"] == 20
    frames = list(drawn)
    assert len(frames) == 5
    assert frames[0].shape == (480, 640, 3)
    assert not list(Path("output/predict").glob(".*"))


def test_results_of_the_same_name_are_replaced(folder, run):
    for box, expected in (("40,20,80,90", [40, 20, 80, 90]), ("30,20,100,90", [30, 20, 100, 90])):
        assert run("predict", "faces/a.png", "--model", "centre.onnx", "--box", box) == 0
        assert json.loads(Path("output/predict/a.json").read_text())["faces"][0]["box"] == expected


def no_numbers():
    constant_network(Path("nan.onnx"), [(np.nan, 0)])


def nothing():
    pass


A = ("predict", "faces/a.png", "--model", "centre.onnx")
# name -> what is spoiled, the command, what its one line must name
FAULTS = {
    "no source": (nothing, ("predict", "none.png", *A[2:]), ("none.png not found; allowed: a picture, a folder",)),
    "no model": (nothing, (*A[:2], "--model", "none.onnx"), ("none.onnx: no such file; allowed: an ONNX file",)),
    "detector for a model": (nothing, (*A[:2], "--model", "yunet.onnx"), ("yunet.onnx: inputs", "allowed: one float input")),
    "model that has diverged": (no_numbers, (*A[:2], "--model", "nan.onnx"), ("nan.onnx: points that are not finite",)),
    "box outside": (nothing, (*A, "--box", "320,10,50,50"), ("--box 320,10,50,50 in a picture of 320 x 240", "allowed:")),
    "box outside of all pictures": (nothing, ("predict", "faces", *A[2:], "--box", "0,-90,50,50"), ("--box 0,-90,50,50",)),
    "box outside of a video": (nothing, ("predict", "clip.avi", *A[2:], "--box", "0,240,50,50"), ("--box 0,240,50,50",)),
    "box without end": (nothing, (*A, "--box", "0,0,1e9,50"), ("--box 0,0,1e9,50", "at most twice its size")),
    "box of three numbers": (nothing, (*A, "--box", "1,2,3"), ("--box 1,2,3: no box; allowed: x,y,w,h",)),
    "box of words": (nothing, (*A, "--box", "a,b,c,d"), ("--box a,b,c,d: no box",)),
    "box of no width": (nothing, (*A, "--box", "1,2,0,3"), ("--box 1,2,0,3: no box", "above 0")),
    "box that is not finite": (nothing, (*A, "--box", "nan,2,3,3"), ("--box nan,2,3,3: no box",)),
    "box and detector": (nothing, (*A, "--box", "1,2,3,4", "--detector", "yunet.onnx"), ("allowed: one of them",)),
    "no detector": (nothing, (*A, "--detector", "none.onnx"), ("face detector not found: none.onnx",)),
    "detector that is none": (nothing, (*A, "--detector", "faces/a.png"), ("faces/a.png: no face detector",)),
    "network for a detector": (nothing, (*A, "--detector", "centre.onnx"), ("centre.onnx: no face detector",)),
    "empty folder": (lambda: Path("empty").mkdir(), ("predict", "empty", *A[2:]), ("no picture in empty; allowed: .bmp",)),
    "two of one name": (lambda: Path("faces/a.jpg").write_bytes(b""), ("predict", "faces", *A[2:]),
                        ("faces/a.jpg and a.png: two pictures of one name",)),
    "unreadable picture": (lambda: Path("faces/a.png").write_bytes(b"no image"), A, ("faces/a.png cannot be decoded",)),
    "folder of unreadable pictures": (lambda: [path.write_bytes(b"x") for path in Path("faces").iterdir()],
                                      ("predict", "faces", *A[2:]), ("faces/a.png cannot be decoded",)),
    "video without frames": (lambda: write_video("clip.avi", []), ("predict", "clip.avi", *A[2:]), ("clip.avi: no picture",)),
    "video that is none": (lambda: Path("clip.mp4").write_bytes(b"nonsense" * 99), ("predict", "clip.mp4", *A[2:]),
                           ("clip.mp4: no picture, and no video",)),
    "text for a video": (lambda: Path("a.txt").write_text("a"), ("predict", "a.txt", *A[2:]), ("a.txt: no picture",)),
    "out that is the source's folder": (nothing, (*A, "--out", "faces"), ("--out faces is the source's folder; allowed:",)),
    "out that is a file": (nothing, (*A, "--out", "centre.onnx"), ("cannot write centre.onnx/a.jpg",)),
    "video's out that is a file": (nothing, ("predict", "clip.avi", *A[2:], "--out", "centre.onnx"),
                                   ("cannot write centre.onnx/clip.mp4",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line_and_write_nothing(folder, refused, fault):
    spoil, command, named = FAULTS[fault]
    spoil()
    refused(*command, words=named)


def test_a_box_that_two_sides_share_with_the_picture_is_one():
    """Half out of the picture is allowed, to touch it from outside is not."""
    image = np.zeros((100, 100, 3), np.uint8)
    assert GivenBox("-50,-50,100,100")(image)[0].box == (-50, -50, 100, 100)
    with pytest.raises(ValueError, match="overlaps"):
        GivenBox("-100,0,100,100")(image)


def test_a_picture_of_too_many_pixels_is_left_out(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b""))
                                      + chunk(b"IEND", b""))
    with pytest.raises(InputError, match=r"huge\.png cannot be decoded"):
        read_picture(tmp_path / "huge.png")
