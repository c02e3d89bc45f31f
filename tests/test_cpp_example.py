"""The C++ example and its script for a phone: built and run where MNN's headers are, and with stand-ins for NDK and phone."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import cv2
import fake_adb
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_onnx import blob, centre_network, constant_network

from fbnet_pfld.latency.engines.convert import to_mnn
from fbnet_pfld.runtime import Landmarker, square_of, square_of_crop

FOLDER = Path(__file__).parents[1] / "experiments/examples/mnn"
SCRIPT = FOLDER / "android.sh"
INCLUDE = os.environ.get("MNN_INCLUDE", "")
LIBPYTHON = Path(sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("LDLIBRARY") or "")


def why_not_built() -> str | None:
    """What the build lacks on this machine."""
    if not Path(INCLUDE, "MNN/Interpreter.hpp").is_file():
        return "MNN_INCLUDE names no folder with MNN/Interpreter.hpp; MNN's wheel has no headers"
    if importlib.util.find_spec("_mnncengine") is None:
        return "MNN is not installed"
    if LIBPYTHON.suffix != ".so" or not LIBPYTHON.is_file():
        return "this Python has no shared library, which MNN's extension module needs"
    return None if shutil.which("cmake") and shutil.which("c++") else "no cmake, or no C++ compiler"


def echo_network(path: Path, size: int = 112) -> Path:
    """A network whose points are its input's numbers."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])
    landmarks = helper.make_tensor_value_info("landmarks", TensorProto.FLOAT, [1, 3 * size * size])
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("Mul", ["flat", "one"], ["landmarks"])]
    graph = helper.make_graph(nodes, "echo", [image], [landmarks], [numpy_helper.from_array(np.float32([1]), "one")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with the program and with tiny networks, as ONNX files and as MNN's."""
    if reason := why_not_built():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("built")
    module = Path(importlib.util.find_spec("_mnncengine").origin)
    (folder / "libMNN.so").symlink_to(module)
    (folder / "mnn.libs").symlink_to(module.parent / "mnn.libs")  # where the module looks for its OpenMP
    subprocess.run(
        [
            "cmake",
            "-S",
            FOLDER,
            "-B",
            folder,
            f"-DMNN_INCLUDE={Path(INCLUDE).absolute()}",
            f"-DMNN_LIBRARY={folder}/libMNN.so;{LIBPYTHON}",
            "-DCMAKE_CXX_FLAGS=-D_GLIBCXX_USE_CXX11_ABI=0",
        ],
        check=True,
        capture_output=True,
    )
    subprocess.run(["cmake", "--build", folder], check=True, capture_output=True)
    echo_network(folder / "echo.onnx")
    centre_network(folder / "centre.onnx", 96)
    constant_network(folder / "wide.onnx", [(0, 0)], shape=[1, 3, 112, 96])
    constant_network(folder / "nan.onnx", [(0, np.nan)])
    for path in folder.glob("*.onnx"):
        to_mnn(path, path.with_suffix(".mnn"))
    return folder


@pytest.fixture
def place(built, tmp_path, monkeypatch):
    """A working folder with a picture of a blob, for the program in its folder."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("blob.ppm", blob(300, 200, 71.3, 58.9))
    return built


def landmarks(place, *words):
    return subprocess.run([place / "landmarks", *map(str, words)], capture_output=True, text=True)


def points(done):
    assert done.returncode == 0, done.stderr
    return np.array([[float(number) for number in line.split(" ")] for line in done.stdout.splitlines()])


@pytest.mark.parametrize("box", ["20,10,100,120", "-30,-40,200,160", "12.3,4.56,90,80", "40,30,61.7,70", "-200,-150,580,400"])
def test_a_blob_is_found_where_it_is_by_whatever_box(place, box):
    found = points(landmarks(place, place / "centre.mnn", "blob.ppm", box))
    assert found == pytest.approx(np.array([[71.3, 58.9]]), abs=0.3)
    expected = Landmarker(place / "centre.onnx")(cv2.imread("blob.ppm"), [float(number) for number in box.split(",")])
    assert found == pytest.approx(expected, abs=0.01)


def test_a_picture_of_the_networks_size_is_seen_as_it_is(place):
    """All values of its pixels, blue first; a comment in the file's head, as some programs write, is passed over."""
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    Path("a.ppm").write_bytes(b"P6\n# a comment\n112 112 # and one more\n255\n" + image.tobytes())  # red first
    seen = points(landmarks(place, place / "echo.mnn", "a.ppm")).ravel() / 112 * 255
    assert seen == pytest.approx(image[:, :, ::-1].transpose(2, 0, 1).ravel(), abs=0.01)


@pytest.mark.parametrize("box", [None, "100.3,50.7,56,70", "100,50,100,90", "-40,-30,120,130", "300,200,150,140"])
def test_a_crop_is_that_of_the_python_package_to_a_grey_level(place, box):
    """Enlarged, of whole and broken multiples of the network's size, over the border; and the middle of a wide picture."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX)
    cv2.imwrite("a.ppm", image)
    numbers = [float(number) for number in box.split(",")] if box else None
    side = (square_of(numbers) if box else square_of_crop(image))[2]
    found = points(landmarks(place, place / "echo.mnn", "a.ppm", *([box] if box else [])))
    difference = np.abs(found - Landmarker(place / "echo.onnx")(image, numbers)) * 255 / side
    assert difference.max() < 1.1
    assert difference.mean() < 0.15


def test_a_large_face_is_averaged(place):
    """Of stripes of which every third is white, a sample in the middle of three would see one colour only."""
    image = np.zeros((336, 336, 3), np.uint8)
    image[:, 1::3] = 255
    cv2.imwrite("a.ppm", image)
    assert points(landmarks(place, place / "echo.mnn", "a.ppm")).ravel() == pytest.approx(336 / 3, abs=0.01)


def test_the_time_is_told_apart_from_the_points(place):
    one, two = (landmarks(place, place / "centre.mnn", "blob.ppm", *words) for words in ((), ("--threads", "2")))
    assert one.stderr.startswith("median of 100 runs: ")
    assert one.stderr.endswith(" us, 1 thread(s)\n")
    assert two.stderr.endswith(" us, 2 thread(s)\n")
    assert one.stdout == two.stdout


USAGE = "wrong arguments; allowed: MODEL.mnn PICTURE.ppm"
# name -> model, other words, what the one line must name
PROGRAM_FAULTS = {
    "no picture given": ("centre.mnn", (), USAGE),
    "too many": ("centre.mnn", ("blob.ppm", "1,2,3,4", "5"), USAGE),
    "no threads": ("centre.mnn", ("blob.ppm", "--threads", "0"), "N from 1"),
    "threads of words": ("centre.mnn", ("blob.ppm", "--threads", "many"), "N from 1"),
    "no model": ("none.mnn", ("blob.ppm",), "none.mnn: not a readable model"),
    "model that is none": ("centre.onnx", ("blob.ppm",), "centre.onnx: not a readable model"),
    "half a model": ("half.mnn", ("blob.ppm",), "half.mnn: not a readable model"),
    "model of a wide picture": ("wide.mnn", ("blob.ppm",), "wide.mnn: not a landmark network; allowed: a float input 1 x 3"),
    "model that has diverged": ("nan.mnn", ("blob.ppm",), "nan.mnn: predicts points that are not finite"),
    "no picture": ("centre.mnn", ("none.ppm",), "none.ppm: not a readable image; give a binary PPM"),
    "folder": ("centre.mnn", (".",), ".: not a readable image"),
    "picture that is none": ("centre.mnn", ("a.png",), "a.png: not a readable image"),
    "grey picture": ("centre.mnn", ("grey.pgm",), "grey.pgm: not a readable image"),
    "half a picture": ("centre.mnn", ("half.ppm",), "half.ppm: not a readable image"),
    "picture of 16 bits": ("centre.mnn", ("deep.ppm",), "deep.ppm: not a readable image"),
    "head alone": ("centre.mnn", ("head.ppm",), "head.ppm: not a readable image"),
    "box of three numbers": ("centre.mnn", ("blob.ppm", "1,2,3"), "box 1,2,3: not a box; give X,Y,W,H"),
    "box of five": ("centre.mnn", ("blob.ppm", "1,2,3,4,5"), "box 1,2,3,4,5: not a box"),
    "box of no width": ("centre.mnn", ("blob.ppm", "1,2,0,4"), "W and H above 0"),
    "box that is not finite": ("centre.mnn", ("blob.ppm", "1,nan,3,4"), "box 1,nan,3,4: not a box"),
    "box outside": ("centre.mnn", ("blob.ppm", "300,1,3,4"), "box 300,1,3,4 in a picture of 300 x 200 pixels; allowed:"),
    "box without end": ("centre.mnn", ("blob.ppm", "0,0,1e9,4"), "at most twice its size"),
}


@pytest.mark.parametrize("fault", PROGRAM_FAULTS)
def test_faults_are_one_line(place, tmp_path, fault):
    model, words, named = PROGRAM_FAULTS[fault]
    picture = np.zeros((20, 30, 3), np.uint8)
    cv2.imwrite("a.png", picture)
    cv2.imwrite("grey.pgm", picture[:, :, 0])
    cv2.imwrite("deep.ppm", picture.astype(np.uint16))
    Path("half.ppm").write_bytes(Path("blob.ppm").read_bytes()[:-1])
    Path("head.ppm").write_bytes(b"P6 30 20 255")
    (tmp_path / "half.mnn").write_bytes((place / "centre.mnn").read_bytes()[:3000])
    done = landmarks(place, tmp_path / model if model == "half.mnn" else place / model, *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("landmarks: ")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr


@pytest.mark.skipif(not shutil.which("cmake") or not shutil.which("c++"), reason="no cmake, or no C++ compiler")
def test_cmake_says_what_it_needs(tmp_path):
    done = subprocess.run(["cmake", "-S", FOLDER, "-B", tmp_path], capture_output=True, text=True)
    assert done.returncode
    assert "needed: -DMNN_INCLUDE=FOLDER" in done.stderr


ADB = """#!/bin/sh
exec {python} -S {fake} {root} -s FAKE01 "$@"
"""
CMAKE = """#!/bin/sh
echo "$*" >> {root}/cmake_words
[ "$1" = --build ] || exit 0
cp {root}/program "$2/landmarks"
"""
PROGRAM = """#!/bin/sh
[ "$LD_LIBRARY_PATH" = . ] || exit 9
cat libMNN.so model.mnn picture.ppm
echo "$*"
exit {code}
"""


@pytest.fixture
def phone(tmp_path, monkeypatch):
    """A stand-in for a phone, an NDK, cmake and MNN; returns the phone's folder for programs."""
    root = fake_adb.install(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    # the script leaves the choice of the phone to adb
    fake_adb.script(tmp_path / "tools/adb", ADB.format(python=sys.executable, fake=fake_adb.__file__, root=root))
    fake_adb.script(tmp_path / "tools/cmake", CMAKE.format(root=tmp_path))
    fake_adb.script(tmp_path / "program", PROGRAM.format(code=0))
    for name in ("ndk/build/cmake/android.toolchain.cmake", "include/MNN/Interpreter.hpp", "libMNN.so", "a.mnn", "a.ppm"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(f"content of {name}\n")
    for name, value in {"ANDROID_NDK": "ndk", "MNN_INCLUDE": "include", "MNN_LIBRARY": "libMNN.so"}.items():
        monkeypatch.setenv(name, value)
    return root / "data/local/tmp"


def android(*words):
    return subprocess.run(["/bin/sh", SCRIPT, *words], capture_output=True, text=True)


def test_the_script_can_be_started():
    assert os.access(SCRIPT, os.X_OK)
    subprocess.run(["/bin/sh", "-n", SCRIPT], check=True)


def test_the_phone_gets_the_files_runs_the_program_and_is_left_as_it_was(phone, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "builds"))
    Path("builds").mkdir()
    done = android("a.mnn", "a.ppm", "-1.5,2,3,4e1", "--threads", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "content of libMNN.so",
        "content of a.mnn",
        "content of a.ppm",
        "model.mnn picture.ppm -1.5,2,3,4e1 --threads 2",
    ]
    configured, built = Path("cmake_words").read_text().splitlines()
    for word in (
        f"-S {FOLDER}",
        "ndk/build/cmake/android.toolchain.cmake",
        "-DANDROID_ABI=arm64-v8a",
        "-DMNN_INCLUDE=include",
        "-DMNN_LIBRARY=libMNN.so",
    ):
        assert word in configured
    assert built.startswith("--build ")
    assert not list(phone.iterdir())
    assert not list(Path("builds").iterdir())


def test_the_programs_exit_code_is_the_scripts(phone, tmp_path):
    fake_adb.script(tmp_path / "program", PROGRAM.format(code=2))
    assert android("a.mnn", "a.ppm").returncode == 2
    assert not list(phone.iterdir())


def test_a_phone_that_goes_away_is_told(phone):
    (phone.parents[2] / "plan.json").write_text('{"dies_after": 0}')
    done = android("a.mnn", "a.ppm")
    assert done.returncode
    assert done.stdout == ""
    assert "device 'FAKE01' not found" in done.stderr


# name -> environment that is spoiled, words, what the one line must name
SCRIPT_FAULTS = {
    "no picture given": ({}, ("a.mnn",), "wrong arguments; allowed: MODEL.mnn PICTURE.ppm"),
    "no model": ({}, ("none.mnn", "a.ppm"), "none.mnn not found"),
    "no picture": ({}, ("a.mnn", "none.ppm"), "none.ppm not found"),
    "words for the phone": ({}, ("a.mnn", "a.ppm", "1;reboot"), "1;reboot; allowed: X,Y,W,H and --threads N"),
    "NDK not named": ({"ANDROID_NDK": None}, ("a.mnn", "a.ppm"), "no NDK in ANDROID_NDK=''"),
    "no NDK": ({"ANDROID_NDK": "include"}, ("a.mnn", "a.ppm"), "no NDK in ANDROID_NDK='include'"),
    "headers not named": ({"MNN_INCLUDE": None}, ("a.mnn", "a.ppm"), "no headers in MNN_INCLUDE=''"),
    "no library": ({"MNN_LIBRARY": "none.so"}, ("a.mnn", "a.ppm"), "no library in MNN_LIBRARY='none.so'"),
    "no adb": ({"PATH": "only"}, ("a.mnn", "a.ppm"), "adb not found; put"),
    "no cmake": ({"PATH": "none"}, ("a.mnn", "a.ppm"), "cmake not found; put"),
}


@pytest.mark.parametrize("fault", SCRIPT_FAULTS)
def test_faults_of_the_script_are_one_line_and_nothing_is_built(phone, monkeypatch, fault):
    environment, words, named = SCRIPT_FAULTS[fault]
    fake_adb.script(Path("only/cmake"), "#!/bin/sh\n")
    for name, value in environment.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    done = android(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("android.sh: ")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not Path("cmake_words").exists()
    assert not list(phone.iterdir())
