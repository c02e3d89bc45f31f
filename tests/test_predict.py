"""``predict``: points of networks with known answers, written files, reported faults; test_predict_video.py tests videos."""

import csv
import json
import struct
import zlib
from pathlib import Path

import cv2
import golden
import numpy as np
import pytest
import torch
from tiny_onnx import blob, centre_network, constant_network, yunet
from tiny_video import write_video

from fbnet_pfld.evaluators.data.images import read_picture
from fbnet_pfld.experiments.deploy.file_formats import FORMATS, Source, make_files
from fbnet_pfld.experiments.predict import detect
from fbnet_pfld.experiments.predict.annotate import annotate
from fbnet_pfld.experiments.predict.detect import Detector, GivenBox
from fbnet_pfld.latency import to_ncnn
from fbnet_pfld.runtime import square_of
from fbnet_pfld.search_space import InputError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with pictures, a video, networks and a detector; the extra ``detect`` is not installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detect, "centerface_file", lambda: None)
    centre_network(Path("centre.onnx"))
    yunet(Path("yunet.onnx"), [(100, 50, 200, 260, 0.95)])
    Path("faces").mkdir()
    for name, (x, y) in {"a": (70, 60), "b": (200, 120)}.items():
        cv2.imwrite(f"faces/{name}.png", blob(320, 240, x, y))
    write_video("clip.avi", [blob(320, 240, 60 + 20 * i, 100) for i in range(5)])
    return tmp_path


def result(capfd):
    return json.loads(capfd.readouterr().out.splitlines()[-1])


def test_the_detector_decodes_what_the_file_says(tmp_path):
    """A picture of 1280 x 960 pixels is scaled to half its size; scores below OpenCV's threshold of 0.9 are no faces."""
    path = yunet(tmp_path / "y.onnx", [(100, 50, 200, 260, 0.95), (400, 300, 40, 50, 0.99), (20, 400, 30, 30, 0.5)])
    faces = sorted(Detector(path)(np.zeros((960, 1280, 3), np.uint8)), key=lambda face: face.box)
    assert [face.box for face in faces] == [
        pytest.approx((200, 100, 400, 520), rel=1e-5),
        pytest.approx((800, 600, 80, 100), rel=1e-5),
    ]
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
    assert small[181, 151].tolist() == [77, 255, 77]  # one colour for an unknown layout


def test_an_image_gets_an_image_and_points(folder, run, capfd):
    assert run("predict", "faces/a.png", "--model", "centre.onnx", "--box", "40,20,80,90", "--json") == 0
    said = result(capfd)
    record = json.loads(Path("output/predict/a.json").read_text())
    assert record["faces"][0]["points"][0] == pytest.approx([70, 60], abs=0.1)
    assert record["faces"][0]["box"] == [40, 20, 80, 90]
    assert (record["image"], record["model"]) == ("faces/a.png", "centre.onnx")
    assert said["faces"] == 1
    assert said["ms_per_face"] == record["ms"] >= said["ms_network"] > 0
    assert cv2.imread("output/predict/a.jpg").shape == (480, 640, 3)


def test_files_of_every_engine_give_the_same_points(folder, run, tmp_path):
    forms = [name for name, form in FORMATS.items() if form.of is None]
    made = tmp_path / "made"
    made.mkdir()
    examples = torch.from_numpy(golden.images(2)).float() / 255
    source = Source(golden.network(), examples, {"num_points": "106", "input_size": "112"}, made)
    found = {}
    for name, file in make_files(forms, source, source).items():
        assert run("predict", "faces", "--model", file, "--box", "40,20,80,90", "--out", name) == 0
        found[name] = [json.loads(Path(name, f"{each}.json").read_text())["faces"][0]["points"] for each in "ab"]
    assert not np.allclose(*found["onnx"], atol=1)
    for name in forms:
        assert np.array(found[name]) == pytest.approx(np.array(found["onnx"]), abs=0.03)


def test_other_engines_files_that_predict_no_points_are_refused(folder, refused):
    to_ncnn(constant_network(Path("wide.onnx"), [[0.5, 0.5]], shape=[1, 3, 112, 96]), Path("wide.param"))
    refused("predict", "faces", "--model", "wide.param", words=("wide.param: input (1, 3, 112, 96), output (1, 2); expected",))
    refused("predict", "faces", "--model", "none.param", words=("network not found: none.param",))


def test_a_folder_skips_and_lists_what_cannot_be_used(folder, run, capfd):
    Path("faces/c.jpg").write_bytes(b"no image")
    Path("faces/d.png").write_bytes(b"")
    Path("faces/list.txt").write_text("no picture at all")
    assert run("predict", "faces", "--model", "centre.onnx", "--out", "out", "--json") == 0
    said = result(capfd)
    assert said["images"] == said["faces"] == 2
    assert list(said["skipped"]) == ["faces/list.txt", "faces/c.jpg", "faces/d.png"]
    assert "faces/c.jpg cannot be decoded" in said["skipped"]["faces/c.jpg"]
    assert said["skipped"]["faces/list.txt"] == "neither an image nor a video, by its suffix"
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.jpg", "a.json", "b.jpg", "b.json", "skipped.csv"]
    with Path("out/skipped.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["source", "reason"], *map(list, said["skipped"].items())]
    assert json.loads(Path("out/b.json").read_text())["faces"][0]["points"][0] == pytest.approx([200, 120], abs=0.3)


def test_a_folder_skips_images_whose_points_are_not_finite(folder, run, capfd):
    """A black image has no centre of light."""
    cv2.imwrite("faces/black.png", np.zeros((50, 50, 3), np.uint8))
    assert run("predict", "faces", "--model", "centre.onnx", "--json") == 0
    said = result(capfd)
    assert said["images"] == 2
    assert list(said["skipped"]) == ["faces/black.png"]
    assert "centre.onnx: predicted points are not finite" in said["skipped"]["faces/black.png"]
    assert not Path("output/predict/black.json").exists()


@pytest.mark.parametrize("options", [("--detector", "yunet.onnx"), ()])
def test_faces_are_found_by_the_file_that_is_given_or_at_hand(folder, run, capfd, options):
    if not options:
        Path("yunet.onnx").rename("face_detection_yunet_2023mar.onnx")
    assert run("predict", "faces", "--model", "centre.onnx", *options) == 0
    (face,) = json.loads(Path("output/predict/b.json").read_text())["faces"]
    assert face["box"] == pytest.approx([100, 50, 200, 260], abs=0.01)
    assert face["score"] == pytest.approx(0.95)
    assert face["points"][0] == pytest.approx([200, 120], abs=0.3)


def test_images_without_a_face_say_so(folder, run, capfd):
    yunet(Path("none.onnx"), [])
    assert run("predict", "faces/a.png", "--model", "centre.onnx", "--detector", "none.onnx", "--json") == 0
    said = result(capfd)
    assert (said["images"], said["faces"], said["ms_per_face"]) == (1, 0, None)
    assert said["skipped"] == {"faces/a.png": "no face found; if the image is one face's crop, give --crop"}
    record = json.loads(Path("output/predict/a.json").read_text())
    assert record["faces"] == []
    assert record["ms"] is None
    assert record["ms_detector"] == said["ms_detector"] > 0
    assert run("predict", "faces", "--model", "centre.onnx", "--detector", "none.onnx") == 0
    assert Path("output/predict/skipped.csv").read_text().count("no face found") == 2


def test_points_are_of_the_upright_image(folder, run):
    """A file whose pixels are stored sideways, with the EXIF orientation."""
    jpeg = cv2.imencode(".jpg", np.rot90(blob(320, 240, 70, 60)))[1].tobytes()
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    Path("lying.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
    assert run("predict", "lying.jpg", "--model", "centre.onnx", "--box", "40,20,80,90") == 0
    record = json.loads(Path("output/predict/lying.json").read_text())
    assert record["size"] == [320, 240]
    assert record["faces"][0]["points"][0] == pytest.approx([70, 60], abs=0.2)


def test_an_image_beyond_jpegs_size_is_drawn_smaller(folder, run):
    cv2.imwrite("long.png", np.full((3, 70000, 3), 90, np.uint8))
    constant_network(Path("fixed.onnx"), [(0.5, 0.5)])
    assert run("predict", "long.png", "--model", "fixed.onnx") == 0
    assert cv2.imread("output/predict/long.jpg").shape[1] == 65500
    assert json.loads(Path("output/predict/long.json").read_text())["size"] == [70000, 3]


def test_further_frames_of_an_image_are_told(folder, run, capfd):
    assert cv2.imwritemulti("pages.tiff", [blob(320, 240, 70, 60), blob(320, 240, 200, 60)])
    assert run("predict", "pages.tiff", "--model", "centre.onnx", "--json") == 0
    assert result(capfd)["skipped"] == {"pages.tiff": "only the first of the image's 2 frames is used"}
    (face,) = json.loads(Path("output/predict/pages.json").read_text())["faces"]
    assert face["points"][0] == pytest.approx([70, 60], abs=0.3)


def test_results_of_the_same_name_are_replaced(folder, run):
    for box, expected in (("40,20,80,90", [40, 20, 80, 90]), ("30,20,100,90", [30, 20, 100, 90])):
        assert run("predict", "faces/a.png", "--model", "centre.onnx", "--box", box) == 0
        assert json.loads(Path("output/predict/a.json").read_text())["faces"][0]["box"] == expected


def no_numbers():
    constant_network(Path("nan.onnx"), [(np.nan, 0)])


def nothing():
    pass


def unreadable(path):
    """A file whose reading fails, even for the superuser."""
    Path(path).unlink(missing_ok=True)
    Path(path).symlink_to("/proc/self/mem")


A = ("predict", "faces/a.png", "--model", "centre.onnx")
# name -> what is broken, the command, words that its one line must contain
FAULTS = {
    "no source": (nothing, ("predict", "none.png", *A[2:]), ("none.png not found; give an image, a video, a folder,",)),
    "empty source": (nothing, ("predict", "", *A[2:]), ("SOURCE is empty; give",)),
    "source of too long a name": (nothing, ("predict", 300 * "n", *A[2:]), ("nnn not found; give",)),
    "link that leads nowhere": (lambda: Path("l.png").symlink_to("l.png"), ("predict", "l.png", *A[2:]), ("l.png not found",)),
    "no model": (nothing, (*A[:2], "--model", "none.onnx"), ("none.onnx: No such file or directory; give an ONNX file",)),
    "model of too long a name": (nothing, (*A[:2], "--model", 300 * "n"), ("nnn: File name too long; give an ONNX file",)),
    "folder for a model": (nothing, (*A[:2], "--model", "faces"), ("faces: Is a directory; give an ONNX file",)),
    "unreadable model": (lambda: unreadable("m.onnx"), (*A[:2], "--model", "m.onnx"), ("m.onnx: Input/output error",)),
    "empty model": (
        lambda: Path("m.onnx").touch(),
        (*A[:2], "--model", "m.onnx"),
        ("m.onnx: onnxruntime cannot run this model",),
    ),
    "detector for a model": (nothing, (*A[:2], "--model", "yunet.onnx"), ("yunet.onnx: inputs", "must have one float input")),
    "model that has diverged": (no_numbers, (*A[:2], "--model", "nan.onnx"), ("nan.onnx: predicted points are not finite",)),
    "box outside": (nothing, (*A, "--box", "320,10,50,50"), ("--box 320,10,50,50 must overlap the image of 320 x 240 pixels",)),
    "box outside of all images": (nothing, ("predict", "faces", *A[2:], "--box", "0,-90,50,50"), ("--box 0,-90,50,50",)),
    "box outside of a video": (nothing, ("predict", "clip.avi", *A[2:], "--box", "0,240,50,50"), ("--box 0,240,50,50",)),
    "box without end": (nothing, (*A, "--box", "0,0,1e9,50"), ("--box 0,0,1e9,50", "at most twice its size")),
    "box of three numbers": (nothing, (*A, "--box", "1,2,3"), ("--box 1,2,3 is not a box; a box is x,y,w,h",)),
    "box of words": (nothing, (*A, "--box", "a,b,c,d"), ("--box a,b,c,d is not a box",)),
    "box of no width": (nothing, (*A, "--box", "1,2,0,3"), ("--box 1,2,0,3 is not a box", "above 0")),
    "box that is not finite": (nothing, (*A, "--box", "nan,2,3,3"), ("--box nan,2,3,3 is not a box",)),
    "box and detector": (nothing, (*A, "--box", "1,2,3,4", "--detector", "yunet.onnx"), ("give only one of them",)),
    "crop and detector": (nothing, (*A, "--crop", "--detector", "yunet.onnx"), ("--detector and --crop are both given",)),
    "window for an image": (nothing, (*A, "--show"), ("--show: faces/a.png contains no video",)),
    "no detector": (nothing, (*A, "--detector", "none.onnx"), ("face detector not found: none.onnx",)),
    "folder for a detector": (nothing, (*A, "--detector", "faces"), ("face detector not found: faces",)),
    "detector of too long a name": (nothing, (*A, "--detector", 300 * "n"), ("face detector not found: nnn",)),
    "detector that is none": (nothing, (*A, "--detector", "faces/a.png"), ("faces/a.png is not a face detector",)),
    "empty detector": (lambda: Path("d.onnx").touch(), (*A, "--detector", "d.onnx"), ("d.onnx is not a face detector",)),
    "unreadable detector": (lambda: unreadable("d.onnx"), (*A, "--detector", "d.onnx"), ("d.onnx is not a face detector",)),
    "network for a detector": (nothing, (*A, "--detector", "centre.onnx"), ("centre.onnx is not a face detector",)),
    "empty folder": (
        lambda: Path("empty").mkdir(),
        ("predict", "empty", *A[2:]),
        ("no image and no video in empty; known suffixes: .jpg",),
    ),
    "image that cannot be decoded": (
        lambda: Path("faces/a.png").write_bytes(b"no image"),
        A,
        ("faces/a.png cannot be decoded",),
    ),
    "unreadable image": (lambda: unreadable("faces/a.png"), A, ("image faces/a.png cannot be read: Input/output error",)),
    "folder of images that cannot be decoded": (
        lambda: [path.write_bytes(b"x") for path in Path("faces").iterdir()],
        ("predict", "faces", *A[2:]),
        ("faces/a.png cannot be decoded",),
    ),
    "video without frames": (lambda: write_video("clip.avi", []), ("predict", "clip.avi", *A[2:]), ("clip.avi is neither",)),
    "video that is none": (
        lambda: Path("clip.mp4").write_bytes(b"nonsense" * 99),
        ("predict", "clip.mp4", *A[2:]),
        ("clip.mp4 is neither an image nor a video with frames that OpenCV can read",),
    ),
    "empty video": (lambda: Path("clip.mp4").touch(), ("predict", "clip.mp4", *A[2:]), ("clip.mp4 is an empty file",)),
    "unreadable video": (
        lambda: unreadable("clip.mp4"),
        ("predict", "clip.mp4", *A[2:]),
        ("clip.mp4 cannot be read: Input/output error",),
    ),
    "text for a video": (lambda: Path("a.txt").write_text("a"), ("predict", "a.txt", *A[2:]), ("a.txt is neither",)),
    "frames of an image": (nothing, (*A, "--frames", "3"), ("--frames 3: faces/a.png contains no video",)),
    "out that is the source's folder": (nothing, (*A, "--out", "faces"), ("--out faces: results would be written to faces",)),
    "out that is the folder given": (
        nothing,
        ("predict", "faces", *A[2:], "--out", "faces"),
        ("results would be written to faces",),
    ),
    "out that is a file": (nothing, (*A, "--out", "centre.onnx"), ("cannot write into centre.onnx: it is a file",)),
    "out within a file": (nothing, (*A, "--out", "centre.onnx/x"), ("cannot write centre.onnx/x: centre.onnx is a file",)),
    "out of too long a name": (nothing, (*A, "--out", 300 * "n"), ("nnn: File name too long",)),
    "out that is an unreadable file": (lambda: unreadable("o"), (*A, "--out", "o"), ("cannot write into o: it is a file",)),
    "out that is a link to itself": (lambda: Path("o").symlink_to("o"), (*A, "--out", "o"), ("cannot write o/a.jpg: ",)),
    "video's out that is a link to itself": (
        lambda: Path("o").symlink_to("o"),
        ("predict", "clip.avi", *A[2:], "--out", "o"),
        ("cannot write o/clip.json: ",),
    ),
    "result that is a folder": (
        lambda: Path("out/a.jpg").mkdir(parents=True),
        (*A, "--out", "out"),
        ("cannot write out/a.jpg: out/a.jpg is a directory",),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line_and_write_nothing(folder, refused, fault):
    spoil, command, named = FAULTS[fault]
    spoil()
    refused(*command, words=named)


def test_a_box_may_reach_out_of_the_image():
    """A box may be half outside the image, but not touch it from outside."""
    image = np.zeros((100, 100, 3), np.uint8)
    assert GivenBox("-50,-50,100,100")(image)[0].box == (-50, -50, 100, 100)
    with pytest.raises(ValueError, match="must overlap"):
        GivenBox("-100,0,100,100")(image)


def test_an_image_of_too_many_pixels_is_no_image(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    (tmp_path / "huge.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    with pytest.raises(InputError, match=r"huge\.png cannot be decoded"):
        read_picture(tmp_path / "huge.png")
