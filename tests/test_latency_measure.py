"""Measuring: kept timings, errors, and this machine's engines."""

import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fbnet_pfld.experiments.deploy.onnx_file import write_onnx
from fbnet_pfld.experiments.pipeline import measurement
from fbnet_pfld.latency import Host, LookupTable, Timing, bytes_of, files_of, open_net
from fbnet_pfld.latency.engines.convert import converted, to_mnn, to_ncnn
from fbnet_pfld.latency.measure.rounds import measure, summarise
from fbnet_pfld.search_space import Architecture, InputError, SpaceSpec

TINY = {
    "name": "tiny",
    "stem": 8,
    "entry": {"block": "gh_k3", "channels": 8, "stride": 2},
    "stages": [{"layers": 2, "channels": 8, "candidates": ["gh_k3", "mb_k3", "mb_k5_e2_res"]}],
    "head": 8,
}


def test_levels_of_rounds_are_taken_out_and_noise_is_told():
    rng = np.random.default_rng(0)
    true, levels = rng.uniform(100, 200, 40), rng.uniform(1, 3, 60)
    grid = true * levels[:, None] * (1 + 0.02 * rng.standard_normal((60, 40)))
    grid[3, 5] *= 50  # somebody else's burst
    times = pd.DataFrame(
        [(i, f"m{j}", us, np.nan, np.nan) for (i, j), us in np.ndenumerate(grid)],
        columns=["round", "model", "us", "clock_mhz", "celsius"],
    )
    found = summarise(times, 60)
    ratio = np.array([found.us[f"m{j}"] for j in range(40)]) / true
    assert ratio / np.median(ratio) == pytest.approx(np.ones(40), abs=0.015)
    assert found.spread == pytest.approx(0.02, rel=0.15)
    assert found.noise == pytest.approx(1.2533 * found.spread / np.sqrt(60))
    assert found.drift == pytest.approx(levels.max() / levels.min() - 1, rel=0.05)
    assert np.std(ratio / np.median(ratio)) == pytest.approx(found.noise, rel=0.35)


class Fake:
    """A device that runs each model for the time in its file, and can fail."""

    device, clock_ghz, engine, precision, threads, rounds, identity = "fake", None, "fake", "fp32", 1, 2, "fake"

    def __init__(self, breaks_after: int = 10**6):
        self.left, self.timed = breaks_after, []

    def load(self, model, onnx):
        assert onnx.read_text() == model

    def time(self, model):
        if not self.left:
            raise InputError("the device is gone")
        self.left -= 1
        self.timed.append(model)
        return Timing(float(100 + int(model[1:])))

    def remarks(self, times):
        return ""


MODELS = {f"m{i:04d}": f"m{i:04d}" for i in range(7)}


def run_measure(folder, backend, **different):
    return measure(
        MODELS,
        lambda model, path: path.write_text(model),
        backend,
        3,
        folder,
        {"seed": 0, "backend": "fake"} | different,
        lambda items, title: iter(items),
    )


def test_a_stopped_run_goes_on(tmp_path):
    with pytest.raises(InputError, match=r"the device is gone; 10 of 21 timings are kept in .*; run the same command again"):
        run_measure(tmp_path, first := Fake(10))
    with (tmp_path / "times.csv").open("a") as file:
        file.write("2,m00")  # a kill in the middle of a line
    found = run_measure(tmp_path, second := Fake())
    assert (len(first.timed), len(second.timed)) == (10, 11)
    assert Counter(first.timed + second.timed) == dict.fromkeys(MODELS, 3)
    assert found.us == {name: 100.0 + i for i, name in enumerate(MODELS)}
    assert run_measure(tmp_path, third := Fake()).us == found.us
    assert not third.timed


def test_every_round_has_an_order_of_its_own(tmp_path):
    run_measure(tmp_path, backend := Fake())
    rounds = [backend.timed[i : i + 7] for i in (0, 7, 14)]
    assert all(sorted(order) == list(MODELS) for order in rounds)
    assert len(set(map(tuple, rounds))) == 3


def test_another_measurements_folder_is_refused(tmp_path):
    run_measure(tmp_path, Fake())
    before = (tmp_path / "times.csv").read_text()
    with pytest.raises(InputError, match=r"holds timings with another seed \(0, now 1\); use the same options"):
        run_measure(tmp_path, Fake(), seed=1)
    (tmp_path / "settings.json").write_text("[]")
    with pytest.raises(InputError, match="not a record of a measurement"):
        run_measure(tmp_path, Fake())
    (tmp_path / "settings.json").write_text('{"seed": 0, "backend": "fake"}')
    (tmp_path / "times.csv").write_text(before + "1,m0000,fast,,\n")
    with pytest.raises(InputError, match=r"times.csv:22: not a timing: '1,m0000,fast,,'"):
        run_measure(tmp_path, Fake())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backend", "tflite"), "unknown backend 'tflite'; allowed: adb, emulator, mnn, ncnn, onnxruntime"),
        (("--space", "none"), "unknown search space 'none'"),
        (("--input-size", 100), "input size 100 does not fit"),
        (("--points", 0), "points is 0; must be 1 or more"),
        (("--out", "mine.txt"), "cannot write latency table mine.txt: its name must end in .csv"),
        (("--serial", "A1"), "--serial is for --backend adb, not for backend 'onnxruntime'"),
        (("--out", "file/mine.csv"), "cannot write"),
        (("--out", "folder.csv"), "cannot write folder.csv"),
        (("--out", "mine.csv"), "cannot write mine.png"),
        (("--space", "file"), "unknown search space 'file'"),
    ],
)
def test_faults_are_one_line_and_write_nothing(tmp_path, refused, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("folder.csv").mkdir()
    Path("mine.png").mkdir()
    out = () if "--out" in arguments else ("--out", "other.csv")
    refused("latency", "measure", *out, *arguments, words=[message])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.csv", "mine.png"]


def test_an_engine_that_is_not_installed_is_told(tmp_path, run, capfd, monkeypatch):
    monkeypatch.setattr("fbnet_pfld.latency.engines.convert.version", lambda name: (_ for _ in ()).throw(_not_found(name)))
    for backend, package in {"mnn": "MNN", "ncnn": "ncnn"}.items():
        assert run("latency", "measure", "--backend", backend, "--out", tmp_path / "mine.csv") == 2
        told = rf"fbnet-pfld: {package} is not installed; install it with: pip install '{package}>=[0-9.]+'\n"
        assert re.fullmatch(told, capfd.readouterr().err)
    monkeypatch.setitem(sys.modules, "pnnx", None)
    # the suggested command names a requirement of this package that pip finds
    with pytest.raises(InputError, match="pnnx is not installed; install it with: pip install 'pnnx>=[0-9]+'$"):
        to_ncnn(tmp_path / "x.onnx", tmp_path / "x.param")


def _not_found(name):
    from importlib.metadata import PackageNotFoundError

    return PackageNotFoundError(name)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A tiny subnet and its ONNX file."""
    torch.manual_seed(0)
    subnet = Architecture(SpaceSpec.from_dict(TINY, "tiny"), 5, 32, {"layer_0": "gh_k3", "layer_1": "mb_k5_e2_res"}).build()
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    write_onnx(subnet, path, torch.rand(1, 3, 32, 32))
    return path


def test_mnn_runs_the_same_network(small):
    to_mnn(small, small.with_suffix(".mnn"))
    image = np.random.default_rng(0).random((1, 3, 32, 32), np.float32)
    assert open_net(small.with_suffix(".mnn"))(image) == pytest.approx(open_net(small)(image), abs=1e-5)


def test_ncnn_runs_the_same_network(small, tmp_path):
    to_ncnn(small, tmp_path / "small.param")
    lines = [line.split() for line in (tmp_path / "small.param").read_text().splitlines()]
    assert lines[0] == ["7767517"]
    assert [line[5:] for line in lines[2:] if line[0] == "Input"] == [["0=32", "1=32", "2=3"]]
    count = Counter(line[0] for line in lines[2:])
    assert count["Convolution"] + count["ConvolutionDepthWise"] >= 20
    image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    for view in (np.ascontiguousarray(image.transpose(0, 3, 1, 2)), image.transpose(0, 3, 1, 2)):  # however it lies in memory
        assert open_net(tmp_path / "small.param")(view) == pytest.approx(open_net(small)(view), abs=1e-5)


@pytest.mark.parametrize("suffix", [".mnn", ".param"])
def test_engines_files_are_made_once_and_complete(small, tmp_path, suffix):
    onnx = shutil.copy(small, tmp_path / "a.onnx")
    convert = {".mnn": to_mnn, ".param": to_ncnn}[suffix]
    made = converted(onnx, suffix, convert)
    assert made == tmp_path / f"a{suffix}"
    assert {path.name for path in tmp_path.iterdir()} == {"a.onnx", *(path.name for path in files_of(made))}
    assert bytes_of(made) == sum(path.stat().st_size for path in tmp_path.iterdir() if path != onnx)
    times = [path.stat().st_mtime_ns for path in files_of(made)]
    converted(onnx, suffix, convert)
    assert [path.stat().st_mtime_ns for path in files_of(made)] == times

    def fail(source, out):
        convert(source, out)
        raise InputError("stopped")

    second = shutil.copy(small, tmp_path / "second.onnx")
    with pytest.raises(InputError, match="stopped"):
        converted(second, suffix, fail)
    assert [path.name for path in tmp_path.glob("*second*")] == ["second.onnx"]


def test_damaged_ncnn_files_are_one_line(small, tmp_path):
    path = tmp_path / "small.param"
    to_ncnn(small, path)
    text, weights = path.read_text(), path.with_suffix(".bin")
    content = weights.read_bytes()
    # changed text -> expected message
    damaged = {
        text.replace("0=32 1=32 2=3", ""): r"small\.param: inputs \[\[1, 0, 0, 0\]\]",
        text.replace("0=32 1=32 2=3", "0=two"): "not a network that ncnn can run",
        text.replace("ReLU", "Unknown").replace("Convolution", "Unknown"): "not a network that ncnn can run",
        text.replace("\n3", "\n9", 1).replace("\n4", "\n9", 1).replace("\n5", "\n9", 1): "not a network that ncnn can run",
    }
    for spoiled, words in damaged.items():
        assert spoiled != text
        path.write_text(spoiled)
        with pytest.raises(InputError, match=words) as caught:
            open_net(path)
        assert "\n" not in str(caught.value)
    path.write_text(text)
    for spoiled in (content[: len(content) // 2], b""):
        weights.write_bytes(spoiled)
        with pytest.raises(InputError, match=r"not a network that ncnn can run: .*small\.param$"):
            open_net(path)
    weights.unlink()
    with pytest.raises(InputError, match=r"weights of .*small\.param not found: .*small\.bin$"):
        open_net(path)


def test_files_that_are_no_network_are_refused(tmp_path):
    (tmp_path / "x.onnx").write_text("nothing")
    for convert in (to_mnn, to_ncnn):
        with pytest.raises(InputError, match=r"cannot convert .*x\.onnx"):
            convert(tmp_path / "x.onnx", tmp_path / "x.out")
    with pytest.raises(InputError, match="not an ONNX model"):
        Host("onnxruntime").load("x", tmp_path / "x.onnx")
    with pytest.raises(InputError, match="unknown engine 'tvm'; allowed: mnn, ncnn, onnxruntime"):
        Host("tvm")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "mnn", "ncnn"])
def test_this_machine_is_measured(tmp_path, run, capfd, monkeypatch, backend):
    """The complete command on a tiny space, with a table that a search can use; its accuracy is not tested here."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(json.dumps(TINY))
    command = (
        "latency",
        "measure",
        "--backend",
        backend,
        "--space",
        "tiny.yaml",
        "--points",
        5,
        "--input-size",
        32,
        "--repeats",
        1,
        "--unseen",
        2,
        "--rounds",
        5,
        "--out",
        "mine.csv",
        "--json",
    )
    assert run(*command) == 0
    figures = json.loads(capfd.readouterr().out.splitlines()[-1])
    table = LookupTable.load("mine.csv")
    assert (table.method, table.name, table.threads) == ("measured", "mine", 1)
    assert backend in table.engine.lower()
    spec = SpaceSpec.load("tiny.yaml")
    subnets = pd.read_csv("mine.subnets.csv")
    for row in subnets[subnets["role"] == "unseen"].itertuples():
        subnet = Architecture(spec, 5, 32, {"layer_0": row.layer_0, "layer_1": row.layer_1})
        assert table.latency_us(subnet) == pytest.approx(row.predicted_us, abs=0.01)
    assert figures["subnets"] == 2
    # each has its own latency; two may coincide, because the clock has steps
    assert subnets["measured_us"].nunique() >= len(subnets) - 1
    assert not Path("mine.measuring").exists()


def test_models_are_written_by_the_exporter_of_export(tmp_path):
    subnet = Architecture(SpaceSpec.from_dict(TINY, "tiny"), 5, 32, {"layer_0": "gh_k3", "layer_1": "gh_k3"})
    measurement.write_subnet(subnet, tmp_path / "a.onnx")
    assert open_net(tmp_path / "a.onnx").shape == (1, 3, 32, 32)
