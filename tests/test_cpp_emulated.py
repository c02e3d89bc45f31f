"""The C++ example on an emulated arm64 processor: points as the Python runtime's; its script, with stand-ins for the tools."""

import os
import shutil
import subprocess
from pathlib import Path

import cv2
import fake_adb
import numpy as np
import pytest
import torch
from tiny_onnx import blob, centre_network

from fbnet_pfld.experiments.deploy.onnx_file import write_onnx
from fbnet_pfld.latency.emulator.components import home
from fbnet_pfld.latency.engines.convert import to_mnn
from fbnet_pfld.runtime import Landmarker
from fbnet_pfld.search_space import Architecture, SpaceSpec

SCRIPT = Path(__file__).parents[1] / "experiments/examples/mnn/emulated.sh"
INCLUDE = Path(os.environ.get("MNN_INCLUDE", "")).absolute()
TOOLS = ("cmake", "make", "aarch64-linux-gnu-g++", "qemu-aarch64")
MODULE = "usr/lib/python3/dist-packages/_mnncengine.cpython-311-aarch64-linux-gnu.so"


def why_not_run() -> str | None:
    """What this machine lacks."""
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        return f"no {missing[0]}"
    if not (INCLUDE / "MNN/Interpreter.hpp").is_file():
        return "MNN_INCLUDE names no folder with MNN/Interpreter.hpp; MNN's wheel has no headers"
    return None if (home() / "root" / MODULE).is_file() else f"no arm64 system with MNN in {home()}"


runs = pytest.mark.skipif(bool(why_not_run()), reason=why_not_run() or "nothing is missing")


def emulated(*words):
    return subprocess.run(["/bin/sh", SCRIPT, *map(str, words)], capture_output=True, text=True)


def points(*words):
    """Those that the emulated program prints."""
    done = emulated(*words)
    assert done.returncode == 0, done.stderr
    return np.array([[float(number) for number in line.split(" ")] for line in done.stdout.splitlines()])


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with the names of this machine's headers and arm64 system."""
    monkeypatch.setenv("MNN_INCLUDE", str(INCLUDE))
    monkeypatch.setenv("FBNET_PFLD_EMULATOR", str(home()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@runs
def test_an_exported_networks_points_are_those_of_the_python_runtime(place):
    """Of a picture of the network's size, which both see as it is."""
    spec = SpaceSpec.load("pfld")
    torch.manual_seed(0)
    choices = ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5")
    model = Architecture(spec, 106, 112, dict(zip(spec.labels, choices, strict=True))).build()
    noise = np.random.default_rng(0).integers(0, 256, (8, 112, 112, 3), np.uint8)
    pictures = [cv2.normalize(cv2.GaussianBlur(one, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX) for one in noise]
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        for _ in range(30):
            model(images)  # without it, points would hardly depend on the image
    write_onnx(model, place / "subnet.onnx", images, {"maker": "a test"})
    to_mnn(place / "subnet.onnx", place / "subnet.mnn")
    cv2.imwrite("a.ppm", pictures[0])
    expected = Landmarker("subnet.onnx")(pictures[0])
    assert expected.std(0).min() > 5
    assert np.abs(points("subnet.mnn", "a.ppm") - expected).max() < 1e-3  # as printed, to within 5e-4


@runs
def test_a_box_and_threads_are_passed_on(place):
    centre_network(place / "centre.onnx", 96)
    to_mnn(place / "centre.onnx", place / "centre.mnn")
    picture = blob(300, 200, 71.3, 58.9)
    cv2.imwrite("blob.ppm", picture)
    found = points("centre.mnn", "blob.ppm", "20,10,100,120", "--threads", "2")
    assert found == pytest.approx(Landmarker("centre.onnx")(picture, (20, 10, 100, 120)), abs=0.01)


STAND_IN = """#!/bin/sh
printf '%s\\n' "{tool} $*" >> {root}/calls
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Stand-ins for the tools, which write down their words, an arm64 system and headers."""
    for tool in (*TOOLS, "aarch64-linux-gnu-nm"):
        fake_adb.script(tmp_path / "tools" / tool, STAND_IN.format(tool=tool, root=tmp_path))
    for name in (f"emulator/root/{MODULE}", "include/MNN/Interpreter.hpp", "a.mnn", "a.ppm", "builds/none"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    for name, value in {"MNN_INCLUDE": "include", "FBNET_PFLD_EMULATOR": "emulator", "TMPDIR": f"{tmp_path}/builds"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}:{os.environ['PATH']}")
    return tmp_path / "tools"


def test_the_script_can_be_started():
    assert os.access(SCRIPT, os.X_OK)
    subprocess.run(["/bin/sh", "-n", SCRIPT], check=True)


def test_the_program_is_built_for_arm64_run_on_the_emulated_core_and_removed(tools):
    done = emulated("a.mnn", "a.ppm", "-1.5,2,3,4e1", "--threads", "2")
    assert done.returncode == 0, done.stderr
    *_, configured, built, ran = Path("calls").read_text().splitlines()
    assert f"-DMNN_INCLUDE={tools.parent}/include" in configured
    assert "-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_CXX_FLAGS=-D_GLIBCXX_USE_CXX11_ABI=0" in configured
    folder = built.removeprefix("cmake --build ")
    assert ran.split(" ", 5)[:5] == ["qemu-aarch64", "-cpu", "cortex-a53", "-L", "emulator/root"]
    assert ran.endswith(f" {folder}/landmarks a.mnn a.ppm -1.5,2,3,4e1 --threads 2")
    assert [path.name for path in Path("builds").iterdir()] == ["none"]


def test_the_programs_exit_code_is_the_scripts(tools):
    fake_adb.script(tools / "qemu-aarch64", "#!/bin/sh\nexit 2\n")
    assert emulated("a.mnn", "a.ppm").returncode == 2
    assert [path.name for path in Path("builds").iterdir()] == ["none"]


# name -> environment that is spoiled, words, what the one line must name
FAULTS = {
    "no picture given": ({}, ("a.mnn",), "wrong arguments; allowed: MODEL.mnn PICTURE.ppm"),
    "no model": ({}, ("none.mnn", "a.ppm"), "none.mnn not found"),
    "no picture": ({}, ("a.mnn", "none.ppm"), "none.ppm not found"),
    "no tools": ({"PATH": "none"}, ("a.mnn", "a.ppm"), "cmake not found; install it with: apt-get install cmake"),
    "no compiler": ({"PATH": "only"}, ("a.mnn", "a.ppm"), "install it with: apt-get install g++-aarch64-linux-gnu"),
    "headers not named": ({"MNN_INCLUDE": None}, ("a.mnn", "a.ppm"), "no headers in MNN_INCLUDE=''"),
    "no system": ({"FBNET_PFLD_EMULATOR": "none"}, ("a.mnn", "a.ppm"), "no MNN in none/root; make it with: fbnet-pfld"),
    "no system in the cache": (
        {"FBNET_PFLD_EMULATOR": None, "XDG_CACHE_HOME": "none"},
        ("a.mnn", "a.ppm"),
        "no MNN in none/fbnet-pfld/emulator/root",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_the_script_are_one_line_and_nothing_is_built(tools, monkeypatch, fault):
    environment, words, named = FAULTS[fault]
    for tool in ("cmake", "make"):
        fake_adb.script(Path("only") / tool, "#!/bin/sh\n")
    for name, value in environment.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    done = emulated(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("emulated.sh: ")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not Path("calls").exists()
