"""Networks on the emulated core: equal counts in every run, the outputs of x86, and one-line errors."""

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from emulated_core import needs_emulator
from tiny_onnx import centre_network

from fbnet_pfld.experiments.pipeline.measurement import write_subnet
from fbnet_pfld.latency import LookupTable, open_net, run_each, to_mnn, to_ncnn
from fbnet_pfld.latency.emulator import components as parts
from fbnet_pfld.latency.emulator.components import VARIABLE, Components, find_components, home
from fbnet_pfld.latency.emulator.counts import counted, read_counts
from fbnet_pfld.latency.emulator.runner import _reason, count, outputs
from fbnet_pfld.search_space import Architecture, InputError, SpaceSpec

SHAPE = (3, 32, 32)
TINY = {
    "name": "my tiny",
    "stem": 8,
    "entry": {"block": "gh_k3", "channels": 8, "stride": 2},
    "stages": [{"layers": 3, "channels": 8, "candidates": ["gh_k3", "mb_k3", "mb_k5_e2_res"]}],
    "head": 8,
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A tiny subnet as the files of both engines."""
    spec = SpaceSpec.from_dict(TINY, "test")
    onnx = tmp_path_factory.mktemp("network") / "net.onnx"
    write_subnet(Architecture(spec, 5, 32, spec.sample(random.Random(0))), onnx)
    to_mnn(onnx, onnx.with_suffix(".mnn"))
    to_ncnn(onnx, onnx.with_suffix(".param"))
    return onnx


@needs_emulator
@pytest.mark.parametrize(("suffix", "threads"), [(".param", 1), (".param", 4), (".mnn", 1)])
def test_two_runs_count_the_same(network, suffix, threads):
    components = find_components()
    each = [read_counts(count(components, network.with_suffix(suffix), SHAPE, threads)).frame() for _ in range(2)]
    assert each[0].equals(each[1])
    assert each[0].instructions.sum() > 1e5


@needs_emulator
def test_threads_share_the_work(network):
    """The critical path of four threads is shorter than that of one, and not by more than four times."""
    components = find_components()
    one, four = (counted(components, network.with_suffix(".param"), SHAPE, threads) for threads in (1, 4))
    assert 1 < one.instructions / four.instructions < 4
    # counts are kept and read again
    assert np.array_equal(counted(components, network.with_suffix(".param"), SHAPE, 4).parts, four.parts)
    assert len(list(network.parent.glob("net.param.*.npy"))) == 2


@needs_emulator
@pytest.mark.parametrize("suffix", [".param", ".mnn"])
def test_outputs_are_those_of_this_machine(network, suffix):
    images = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(1)).numpy()
    file = network.with_suffix(suffix)
    found = outputs(find_components(), file, images)
    assert found.shape == (3, 10)
    assert found == pytest.approx(run_each(open_net(file), images), abs=1e-5)


@needs_emulator
@pytest.mark.slow
def test_a_table_is_the_same_again_after_an_interruption(tmp_path, monkeypatch, run):
    """A run that was killed and resumed gives the same bytes as a run elsewhere."""
    from fbnet_pfld.latency.measure.emulated import EmulatedCore

    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(json.dumps(TINY))
    command = ["latency", "measure", "--backend", "emulator", "--threads", "4", "--space", "tiny.yaml", "--points", "5"]
    command += ["--input-size", "32", "--repeats", "1", "--unseen", "2"]
    Path("a").mkdir()
    Path("b").mkdir()
    assert run(*command, "--out", "a/mine.csv") == 0
    real, calls = EmulatedCore.time, []

    def interrupted(self, model):
        calls.append(model)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(self, model)

    monkeypatch.setattr(EmulatedCore, "time", interrupted)
    assert run(*command, "--out", "b/mine.csv") != 0
    assert not Path("b/mine.csv").exists()
    monkeypatch.setattr(EmulatedCore, "time", real)
    assert run(*command, "--out", "b/mine.csv") == 0
    for name in ("mine.csv", "mine.json", "mine.subnets.csv"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes(), name
    table = LookupTable.load("a/mine.csv")
    assert (table.method, table.threads, table.engine.split()[0]) == ("emulated", 4, "ncnn")


@needs_emulator
def test_another_core_gives_instructions(tmp_path, network):
    from fbnet_pfld.latency import EmulatedCore

    with EmulatedCore("ncnn", 1, 32, "cortex-a72") as core:
        assert core.us(network) == pytest.approx(core.count(core.file(network)).instructions / 1000)
        assert core.clock_ghz is None
        assert "not scaled" in core.remarks(None)


@needs_emulator
def test_an_engine_that_cannot_run_a_file_says_so(tmp_path):
    components = find_components()
    unknown = tmp_path / "unknown.param"
    unknown.write_text("7767517\n2 2\nInput in 0 1 data 0=32 1=32 2=3\nNoSuchLayer x 1 1 data out\n")
    with pytest.raises(InputError, match=r"unknown.param: ncnn cannot load the network: it has an operation .* cortex-a53"):
        count(components, unknown, SHAPE)
    broken = tmp_path / "broken.mnn"
    broken.write_bytes(b"not a network")
    with pytest.raises(InputError, match="broken.mnn: .*cortex-a53"):
        count(components, broken, SHAPE)
    with pytest.raises(InputError, match="no engine runs it on the emulated core"):
        count(components, centre_network(tmp_path / "net.onnx"), SHAPE)


def folder_with_root(tmp_path, monkeypatch, *missing):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    root = tmp_path / "root"
    for name in (parts.PYTHON, "usr/lib/engine.so"):
        if name not in missing:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("")
    root.mkdir(exist_ok=True)
    (root / "manifest.json").write_text(json.dumps({"versions": {"ncnn": "1"}, "files": ["usr/lib/engine.so"]}))


def test_every_missing_component_is_named_with_its_remedy(tmp_path, monkeypatch):
    real = shutil.which
    there = {"qemu-aarch64", "setarch", "gcc", "cc", "clang", "aarch64-linux-gnu-gcc"}
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in there else real(name))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(InputError, match="no arm64 system in .*none.root; make it with: fbnet-pfld latency emulator install"):
        find_components()
    folder_with_root(tmp_path, monkeypatch, "usr/lib/engine.so")
    with pytest.raises(InputError, match="lacks usr/lib/engine.so; make it again with: fbnet-pfld latency emulator install"):
        find_components()
    folder_with_root(tmp_path, monkeypatch)
    for name, remedy in (
        ("aarch64-linux-gnu-gcc", "apt-get install gcc-aarch64-linux-gnu"),
        ("qemu-aarch64", "apt-get install qemu-user"),
    ):
        monkeypatch.setattr(shutil, "which", lambda wanted, gone=name: None if wanted == gone else real(wanted) or "/bin/true")
        monkeypatch.setattr(parts, "_build", parts._build if "gcc" in name else None)
        with pytest.raises(InputError, match=f"{name}.*install (it|one) with: {remedy}"):
            find_components()


def test_a_compiler_that_fails_says_what_it_said(tmp_path, monkeypatch):
    folder_with_root(tmp_path, monkeypatch)
    source = tmp_path / "broken.c"
    source.write_text("int main( {")
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    with pytest.raises(InputError, match="gcc cannot compile broken.c: .*error"):
        parts._build(tmp_path, source, ("gcc",), "", [])
    assert not list((tmp_path / "built").glob("*.so"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cpu", "cortex-m4"), "unknown core 'cortex-m4'; allowed: cortex-a35"),
        (("--engine", "tflite"), "--engine is 'tflite'; allowed: mnn, ncnn"),
        (("--precision", "fp16"), "--precision is 'fp16'; allowed: fp32, int8"),
        (("--threads", "3"), "--threads is 3; allowed: 1, 4"),
    ],
)
def test_what_cannot_be_emulated_is_refused_before_any_work(tmp_path, monkeypatch, run, capfd, options, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    assert run("latency", "measure", "--backend", "emulator", "--out", "mine.csv", *options) == 2
    assert words in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_options_of_the_emulator_are_refused_elsewhere(tmp_path, monkeypatch, run, capfd):
    monkeypatch.chdir(tmp_path)
    assert run("latency", "measure", "--backend", "mnn", "--cpu", "cortex-a53", "--out", "mine.csv") == 2
    assert "--cpu is for --backend emulator, not for backend 'mnn'" in capfd.readouterr().err


def test_the_folder_is_the_variables_or_the_caches(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert home() == tmp_path
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert home() == tmp_path / "fbnet-pfld" / "emulator"


@pytest.mark.parametrize(
    ("code", "said", "words"),
    [
        (-11, "", "ncnn crashed on the emulated cortex-a53: SIGSEGV"),
        (139, "qemu: uncaught target signal 11", "ncnn crashed on the emulated cortex-a53: SIGSEGV"),
        (
            1,
            "qemu-aarch64: Could not load plugin x.so",
            "QEMU cannot load the counting plugin: .* such as Debian's qemu-user 7.2",
        ),
        (
            1,
            "a\nncnn cannot run the network: code -100\n",
            "ncnn cannot run the network: code -100 .on the emulated cortex-a53.",
        ),
        (3, "", "exit code 3 .on the emulated cortex-a53."),
    ],
)
def test_what_qemu_ends_with_is_told_in_a_line(tmp_path, code, said, words):
    components = Components("qemu", "setarch", tmp_path, tmp_path, tmp_path, "cortex-a53", {})
    done = subprocess.CompletedProcess([], code, "", said)
    assert re.fullmatch(words, _reason("ncnn", components, done))
