"""Runtime: points compared with known squares and networks, torch, and the data preparation; standalone use in an app."""

import json
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from source_faces import PEOPLE, ibug, view
from tiny_onnx import blob, centre_network, constant_network, yunet

from fbnet_pfld import runtime
from fbnet_pfld.evaluators import LandmarkDataset
from fbnet_pfld.evaluators.data.images import read_picture
from fbnet_pfld.evaluators.data.prepare import PrepareOptions, prepare
from fbnet_pfld.evaluators.data.prepare.crop import cut, square
from fbnet_pfld.experiments.deploy.onnx_file import write_onnx
from fbnet_pfld.runtime import Landmarker, ModelError, square_of, square_of_crop
from fbnet_pfld.search_space import Architecture, SpaceSpec

SIZE = 112
CORNERS = [(0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0.5)]
numbers = st.floats(-100, 700)
sides = st.floats(1, 900)

# a minimal app, and the packages that it needs; argv: the module, the network
APP = """
import importlib, json, sys
import numpy as np
module = importlib.import_module(sys.argv[1])
points = module.Landmarker(sys.argv[2])(np.zeros((60, 80, 3), np.uint8), (10, 20, 30, 40))
print(json.dumps([points.tolist(), sorted({name.split(".")[0] for name in sys.modules})]))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {"centre": centre_network(folder / "centre.onnx"), "corners": constant_network(folder / "corners.onnx", CORNERS)}


@pytest.fixture(scope="module")
def centre(models):
    return Landmarker(models["centre"])


@pytest.fixture(scope="module")
def corners(models):
    return Landmarker(models["corners"])


@pytest.fixture(scope="module")
def faces(blobs):
    return LandmarkDataset(blobs, "test", limit=4)


@pytest.fixture(scope="module")
def subnet(faces, tmp_path_factory):
    """A small network in torch and exported; its weights are random, its statistics are computed from the faces."""
    spec = SpaceSpec.load("pfld")
    torch.manual_seed(0)
    choices = ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5")
    model = Architecture(spec, 106, SIZE, dict(zip(spec.labels, choices, strict=True))).build()
    images = faces.images.float() / 255
    with torch.no_grad():
        for _ in range(30):
            model(images)  # otherwise points would hardly depend on the image
    path = tmp_path_factory.mktemp("subnet") / "subnet.onnx"
    write_onnx(model, path, images, {"maker": "a test"})
    return model.eval(), path


def without_batch(source: Path, target: Path) -> Path:
    """The same network with a batch dimension without number and name."""
    model = onnx.load(source)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].Clear()
    onnx.save(model, target)
    return target


def saying(path: Path, **metadata: str) -> Path:
    """A network with known points whose file has these metadata."""
    model = onnx.load(constant_network(path, CORNERS))
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def app(module: str, model: Path, *flags: str) -> tuple[list, set[str]]:
    done = subprocess.run([sys.executable, *flags, module, str(model)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    points, packages = json.loads(done.stdout)
    return points, set(packages)


def test_an_app_needs_neither_torch_nor_nni(models, corners):
    points, packages = app("fbnet_pfld.runtime", models["corners"], "-c", APP)
    assert points == corners(np.zeros((60, 80, 3), np.uint8), (10, 20, 30, 40)).tolist()
    assert {"numpy", "cv2", "onnxruntime"} < packages
    assert not packages & {"torch", "torchvision", "nni", "pandas", "onnx", "pytorch_lightning", "yaml", "typer", "matplotlib"}


def test_the_file_works_alone(models, corners, tmp_path):
    """Run a copy of the module in a Python that finds neither this package nor the working folder."""
    shutil.copy(runtime.landmarker.__file__, tmp_path / "copied.py")
    places = [str(tmp_path), *{str(Path(module.__file__).parents[1]) for module in (np, cv2, onnxruntime)}]
    points, packages = app("copied", models["corners"], "-I", "-S", "-c", f"import sys; sys.path += {places}\n{APP}")
    assert points == corners(np.zeros((60, 80, 3), np.uint8), (10, 20, 30, 40)).tolist()
    assert not packages & {"fbnet_pfld", "torch", "nni"}


@given(numbers, numbers, sides, sides)
def test_the_square_of_a_box_is_a_training_square_of_its_lower_part(x, y, w, h):
    """The side is 1.2 times the larger side of the box without its upper fifth, and centred on that."""
    left, upper, side = square_of((x, y, w, h))
    assert side == pytest.approx(1.2 * max(w, 0.8 * h))
    assert left + side / 2 == pytest.approx(x + w / 2, abs=1e-6)
    assert upper + side / 2 == pytest.approx(y + 0.6 * h, abs=1e-6)


def test_a_wide_picture_is_squared_without_being_stretched():
    assert square_of_crop(np.zeros((100, 300, 3), np.uint8)) == (0, -100, 300)


@settings(max_examples=30, deadline=None)
@given(numbers, numbers, sides, sides)
def test_constant_points_come_back_on_the_square(corners, x, y, w, h):
    """Corners and centre of the crop are those of the square, inside and outside the picture."""
    side = 1.2 * max(w, 0.8 * h)
    expected = np.array([x + w / 2, y + 0.6 * h]) + side * (np.array(CORNERS) - 0.5)
    points = corners(np.zeros((60, 80, 3), np.uint8), (x, y, w, h))
    assert (points.shape, points.dtype) == ((5, 2), np.float32)
    assert points == pytest.approx(expected, abs=1e-3 + 1e-6 * side)


@pytest.mark.parametrize(
    "box", [(20, 10, 90, 110), (-30, -40, 170, 20), (12.3, 4.56, 93, 100), (40, 30, 51.4, 50), (-500, -430, 833, 900)]
)
def test_a_blob_is_found_where_it_is_by_whatever_box(centre, box):
    """With a network that returns the centre of brightness, crop and inverse cancel, to a fraction of a pixel."""
    found = centre(blob(300, 200, 71.3, 58.9), np.array(box, np.float32))
    assert found[0] == pytest.approx([71.3, 58.9], abs=0.06 + 1.2 * max(box[2:]) / 2000)


@pytest.mark.parametrize("width", [2e3, 2e5, 8e5])
def test_the_memory_for_a_crop_is_bounded(centre, width):
    """Faces and pictures of any size; the largest face is thousands of times larger than its picture."""
    image = np.full((90, 120, 3), 40, np.uint8)
    tracemalloc.start()
    crop = centre.prepare(image, square_of((0, 0, width, 1)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 255 * crop == pytest.approx(np.full((1, 3, SIZE, SIZE), 40))
    assert peak < 1.5 * 3 * (8 * SIZE) ** 2


def test_what_is_outside_of_the_picture_repeats_its_border(centre):
    image = np.zeros((50, 50, 3), np.uint8)
    image[:, 0] = (10, 20, 30)
    crop = centre.prepare(image, (-112, 0, 112))
    assert (crop.shape, crop.dtype) == ((1, 3, SIZE, SIZE), np.float32)
    assert crop[0, :, 3, 5] * 255 == pytest.approx([10, 20, 30])


@pytest.mark.parametrize("seed", range(12))
def test_an_app_sees_a_face_as_data_prepare_cuts_it(centre, seed):
    """Faces of 20 to 1,500 pixels, some beyond the picture's border: the crops are bit-identical."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (*rng.integers(100, 1800, 2), 3), np.uint8)
    points = rng.uniform(0, 1, (68, 2)) * np.geomspace(20, 1500, 12)[seed] + rng.uniform(-30, 200, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    side = 1.2 * (high - low).max()
    seen = centre.prepare(picture, (*(low + high - side) / 2, side))
    expected = cut(picture, square(points, SIZE), SIZE)
    assert np.array_equal(seen, expected.transpose(2, 0, 1)[None] / np.float32(255))


def test_an_app_sees_the_pictures_of_a_prepared_data_set(centre, tmp_path):
    """The source's picture and the square of the list's points give the bytes of the data set's file."""
    source = ibug(tmp_path / "src", PEOPLE)
    prepare(source, tmp_path / "out", PrepareOptions("ibug", test_fraction=0.5, origin=0.0))
    written = sorted((tmp_path / "out").glob("*_data/imgs/*.jpg"))
    assert len(written) == len(PEOPLE)
    for file in written:
        name = file.stem.split("_", 1)[1]
        points = view(68, PEOPLE.index(name))
        low, high = points.min(axis=0), points.max(axis=0)
        side = 1.2 * (high - low).max()
        seen = centre.prepare(read_picture(source / f"{name}.png"), (*(low + high - side) / 2, side))
        crop = (255 * seen[0].transpose(1, 2, 0)).round().astype(np.uint8)
        assert cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes() == file.read_bytes()


@pytest.mark.parametrize("threads", [1, 2])
def test_points_of_a_whole_crop_are_those_of_torch(subnet, faces, blobs, threads):
    model, path = subnet
    landmarker = Landmarker(path, threads)
    assert (landmarker.size, landmarker.num_points) == (SIZE, 106)
    assert landmarker.metadata == {"maker": "a test"}
    with torch.no_grad():
        expected = SIZE * model(faces.images.float() / 255).reshape(-1, 106, 2).numpy()
    assert np.ptp(expected, axis=0).mean() > 1
    for name, points in zip(faces.names, expected, strict=True):
        assert np.abs(landmarker(read_picture(blobs / name)) - points).max() < 1e-4 * SIZE


def test_a_batch_dimension_without_a_number_is_accepted(subnet, blobs, faces, tmp_path):
    """With a name, as written by the exporter, and without."""
    model, path = subnet
    named, nameless = tmp_path / "named.onnx", tmp_path / "nameless.onnx"
    write_onnx(model, named, faces.images.float() / 255, dynamic_batch=True)
    assert isinstance(onnxruntime.InferenceSession(named).get_inputs()[0].shape[0], str)
    assert onnxruntime.InferenceSession(without_batch(path, nameless)).get_inputs()[0].shape == [None, 3, SIZE, SIZE]
    picture = read_picture(blobs / faces.names[0])
    for other in (named, nameless):
        assert Landmarker(other)(picture) == pytest.approx(Landmarker(path)(picture), abs=1e-3)


def test_an_int8_file_is_accepted(subnet, blobs, faces, tmp_path):
    class Examples(CalibrationDataReader):
        images = iter(faces.images.float().numpy() / 255)

        def get_next(self):
            image = next(self.images, None)
            return None if image is None else {"image": image[None]}

    quantize_static(subnet[1], tmp_path / "int8.onnx", Examples())
    assert "QuantizeLinear" in {node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node}
    picture = read_picture(blobs / faces.names[0])
    image = faces.images[:1].float().numpy() / 255
    (expected,) = onnxruntime.InferenceSession(tmp_path / "int8.onnx").run(None, {"image": image})
    found = Landmarker(tmp_path / "int8.onnx")(picture)
    assert found == pytest.approx(SIZE * expected.reshape(106, 2), abs=1e-3)
    assert np.abs(found - Landmarker(subnet[1])(picture)).max() < 0.1 * SIZE


def test_metadata_are_read_and_may_say_what_is_so(corners, tmp_path):
    said = {"colour_order": "BGR", "input_range": "0..1", "network": "{}"}
    assert Landmarker(saying(tmp_path / "said.onnx", **said)).metadata == said
    assert corners.metadata == {}


REFUSED = {
    "missing": (lambda path: path, "No such file or directory; give an ONNX file"),
    "folder": (lambda path: path.mkdir(), "Is a directory; give an ONNX file"),
    "unreadable": (lambda path: path.symlink_to("/proc/self/mem"), "Input/output error; give an ONNX file"),
    "empty": (lambda path: path.write_bytes(b""), "onnxruntime cannot run this model"),
    "nonsense": (lambda path: path.write_bytes(b"nonsense\n" * 99), "onnxruntime cannot run this model"),
    "detector": (lambda path: yunet(path, []), "inputs .*; the network must have one float input"),
    "wide input": (
        lambda path: constant_network(path, CORNERS, shape=[1, 3, 112, 96]),
        "112, 96.*; the network must have one float input",
    ),
    "grey input": (
        lambda path: constant_network(path, CORNERS, shape=[1, 1, 112, 112]),
        "1, 1, 112.*; the network must have one float",
    ),
    "two at once": (
        lambda path: constant_network(path, CORNERS, shape=[2, 3, 112, 112]),
        "2, 3, 112.*; the network must have one float",
    ),
    "odd output": (lambda path: constant_network(path, [1, 2, 3]), "1, 3.*; the network must have .*2 [*] points"),
    "RGB": (lambda path: saying(path, colour_order="RGB", input_range="0..1"), "colour_order: 'RGB'; allowed: BGR"),
    "bytes": (lambda path: saying(path, input_range="0..255"), "input_range: '0..255'; allowed: 0..1"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_file_that_cannot_be_used_is_one_line_with_its_name(tmp_path, fault):
    make, words = REFUSED[fault]
    path = tmp_path / "network.onnx"
    make(path)
    with pytest.raises(ModelError, match=words) as error:
        Landmarker(path)
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value).splitlines()) == 1


def test_points_that_are_not_finite_are_refused(centre, models):
    """The centre of brightness is undefined for a black image."""
    with pytest.raises(ModelError, match="predicted points are not finite; the network has diverged") as error:
        centre(np.zeros((112, 112, 3), np.uint8))
    assert str(error.value).startswith(f"{models['centre']}: ")


@pytest.mark.parametrize(
    "picture",
    [None, np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)],
)
@pytest.mark.parametrize("box", [None, (1, 2, 3, 4)])
def test_what_is_no_picture_is_refused(centre, picture, box):
    with pytest.raises(ValueError, match=r"^not a picture; give a uint8 array \(H, W, 3\), BGR, as OpenCV reads it$"):
        centre(picture, box)


@pytest.mark.parametrize(
    "box", [(1, 2, 3), (1, 2, 0, 3), (1, 2, 3, -4), (np.nan, 2, 3, 4), (1, 2, np.inf, 4), (1, 2, 1e300, 4)]
)
def test_what_is_no_box_is_refused(centre, box):
    with pytest.raises(ValueError, match=r"^(box|square) .*; give .*above 0"):
        centre(np.zeros((112, 112, 3), np.uint8), box)
