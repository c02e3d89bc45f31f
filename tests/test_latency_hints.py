"""Commands that messages suggest: pasted into the shell, they fix the reported problem."""

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fbnet_pfld.experiments.pipeline import measurement
from fbnet_pfld.experiments.pipeline.measurement import write_subnet
from fbnet_pfld.latency import Host, LookupTable, processor
from fbnet_pfld.latency.engines import convert
from fbnet_pfld.search_space import Architecture, SpaceSpec

TINY = {
    "name": "my tiny",
    "stem": 8,
    "entry": {"block": "gh_k3", "channels": 8, "stride": 2},
    "stages": [{"layers": 2, "channels": 8, "candidates": ["gh_k3", "mb_k3", "mb_k5_e2_res"]}],
    "head": 8,
}


@pytest.fixture
def paste(run, capfd):
    """Run a command that fails, then the command that its message suggests; return the latter's words."""

    def command(*failing) -> list[str]:
        assert run(*failing) == 2
        error = capfd.readouterr().err.strip()
        assert "\n" not in error
        words = shlex.split(error[error.rindex(": fbnet-pfld ") + 2 :])
        assert words[0] == "fbnet-pfld"
        assert run(*words[1:]) == 0, capfd.readouterr().err
        return words

    return command


def out_of(words: list[str]) -> str:
    return words[words.index("--out") + 1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a space whose file has a blank in its name."""
    monkeypatch.chdir(tmp_path)
    Path("my space.yaml").write_text(json.dumps(TINY))  # JSON is YAML
    return tmp_path


@pytest.mark.parametrize(
    "options",
    [("--points", 5), ("--input-size", 128), ("--space", "my space.yaml", "--points", 7)],
    ids=("points", "size", "space"),
)
@pytest.mark.parametrize("table", ["snapdragon625-1t", "snapdragon625-4t"])
def test_a_table_that_lacks_rows(folder, paste, run, table, options):
    words = paste("latency", "show", table, *options)
    assert LookupTable.load(out_of(words)).threads == LookupTable.load(table).threads
    assert run("latency", "show", out_of(words), *options) == 0


def test_no_file_is_written_over(folder, paste):
    Path("my_tiny-106-112.csv").write_text("kept")
    Path("my_tiny-106-112-2.json").write_text("kept")
    words = paste("latency", "show", "snapdragon625-1t", "--space", "my space.yaml")
    assert out_of(words) == "my_tiny-106-112-3.csv"
    assert Path("my_tiny-106-112.csv").read_text() == Path("my_tiny-106-112-2.json").read_text() == "kept"


def test_a_search_whose_table_lacks_rows(place, paste, run, capfd):
    """The space's file is named by the config, and lies elsewhere."""
    Path("spaces").mkdir()
    Path("spaces/my space.yaml").write_text(json.dumps(TINY))
    Path("spaces/own.yaml").write_text("space: my space.yaml\npoints: 106\ninput_size: 32\nsearch: {epochs: 1, front: 0}\n")
    command = ("search", "--data-root", "none", "--config", "spaces/own.yaml")
    words = paste(*command)
    # the next missing component
    assert run(*command, "--lut", out_of(words)) == 2
    assert "data root not found: none" in capfd.readouterr().err


def test_an_architectures_own_space_is_taken_from_its_file(folder, paste, run):
    """Subnets to calibrate with, of a space that exists only in their files."""
    spec = SpaceSpec.from_dict(TINY | {"name": "lost"}, "test")
    first = Architecture(spec, 5, 32, {"layer_0": "gh_k3", "layer_1": "mb_k3"})
    lines = ["architecture,latency_us"]
    for i, blocks in enumerate((("gh_k3", "mb_k3"), ("mb_k3", "mb_k3"), ("mb_k5_e2_res", "mb_k5_e2_res"))):
        replace(first, choices=dict(zip(spec.labels, blocks, strict=True))).save(f"nets/{i}.json")
        lines.append(f"nets/{i}.json,{40 + 10 * i}")
    Path("whole.csv").write_text("\n".join(lines) + "\n")
    words = paste("latency", "calibrate", "snapdragon625-1t", "--measured", "whole.csv", "--out", "new.csv")
    assert words[words.index("--space") + 1] == "nets/2.json"
    assert run("latency", "calibrate", out_of(words), "--measured", "whole.csv", "--out", "new.csv") == 0
    assert LookupTable.load("new.csv").latency_us(first) == pytest.approx(40, rel=0.5)


def test_a_space_without_a_file_has_no_command(folder, paste):
    spec = SpaceSpec.from_dict(TINY | {"name": "of a checkpoint"}, "test")
    subnet = Architecture(spec, 5, 32, {"layer_0": "gh_k3", "layer_1": "mb_k3"})
    with pytest.raises(ValueError, match="use a table made for search space 'of a checkpoint', from its .yaml file$"):
        LookupTable.load("snapdragon625-1t").latency_us(subnet)


@pytest.mark.parametrize("engine", ["onnxruntime 1.20", "MNN 3.6"])
def test_a_table_measured_on_this_machine_is_measured_again(folder, paste, run, monkeypatch, engine):
    """One network instead of all: the test only needs the command to finish."""
    monkeypatch.setattr(Host, "rounds", 2)
    spec = SpaceSpec.from_dict(TINY, "test")
    write_subnet(Architecture(spec, 5, 32, {"layer_0": "gh_k3", "layer_1": "mb_k3"}), Path("one.onnx"))
    monkeypatch.setattr(measurement, "write_subnet", lambda subnet, path: shutil.copyfile("one.onnx", path))
    Path("my space.yaml").write_text(json.dumps(TINY | {"stages": [TINY["stages"][0] | {"layers": 3}]}))
    known = LookupTable.load("snapdragon625-1t")
    known.model_copy(update={"method": "measured", "device": processor()[0], "engine": engine}).save("host.csv")
    words = paste("latency", "show", "host.csv", "--space", "my space.yaml", "--points", 5, "--input-size", 32)
    table = LookupTable.load(out_of(words))
    assert (table.method, table.engine.split()[0]) == ("measured", engine.split()[0])
    assert run("latency", "show", out_of(words), "--space", "my space.yaml", "--points", 5, "--input-size", 32) == 0


def test_a_space_too_small_to_be_measured_is_modelled(folder, paste):
    known = LookupTable.load("snapdragon625-1t")
    known.model_copy(update={"method": "measured", "device": processor()[0]}).save("host.csv")
    words = paste("latency", "show", "host.csv", "--space", "my space.yaml", "--points", 5, "--input-size", 32)
    assert words[1:3] == ["latency", "fit"]


def test_what_to_install_is_a_requirement_of_this_package(monkeypatch):
    declared = ["torch>=2", 'MNN>=3.6.1; extra == "deploy"', 'pnnx>=20261020; extra == "deploy"']
    monkeypatch.setattr(convert, "requires", lambda name: declared)
    assert shlex.split(convert.install("MNN")) == ["pip", "install", "MNN>=3.6.1"]
    assert shlex.split(convert.install("pnnx")) == ["pip", "install", "pnnx>=20261020"]


def test_a_space_is_the_same_wherever_it_was_read_from(folder):
    spec = SpaceSpec.from_dict(TINY, "test")
    read = SpaceSpec.load("my space.yaml")
    assert read == spec
    assert read.to_dict() == spec.to_dict()
    assert read.argument == spec.argument == "my space.yaml"
    assert SpaceSpec.load("pfld").argument == "pfld"
    Architecture(spec, 5, 32, {"layer_0": "gh_k3", "layer_1": "mb_k3"}).save("a.json")
    assert SpaceSpec.load("a.json") == spec
    Architecture(SpaceSpec.load("pfld"), 5, 112, dict.fromkeys(SpaceSpec.load("pfld").labels, "mb_k3_e2_res")).save("b.json")
    assert SpaceSpec.load("b.json") == SpaceSpec.load("pfld")


@pytest.mark.parametrize("content", ["[]", "{}", '{"space": 5}', '{"space": "nowhere"}'])
def test_a_file_that_is_no_architecture_is_no_space(folder, refused, content):
    Path("a.json").write_text(content)
    refused("latency", "fit", "--space", "a.json", "--out", "new.csv", words=["a.json: not an architecture file"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--report", "--space", "pfld"), "--space is for a table; add --out"),
        (("--report", "--points", "5"), "--points is for a table; add --out"),
        (("--report", "--threads", "4"), "--threads is for a table"),
        (("--out", "t.csv", "--figure", "t.png"), "--figure is for the report; add --report"),
    ],
)
def test_options_that_would_be_ignored_are_refused(folder, refused, options, message):
    refused("latency", "fit", *options, words=[message])


def test_an_int8_table_comes_from_the_emulated_core(folder):
    table = LookupTable.load("snapdragon625-int8-4t")
    with pytest.raises(ValueError, match="has no row for") as fault:
        table.cost(SpaceSpec.load("my space.yaml").layout(5, 32))
    words = shlex.split(str(fault.value).split("made by: ")[1])
    assert words[:7] == ["fbnet-pfld", "latency", "measure", "--backend", "emulator", "--precision", "int8"]
    assert words[words.index("--threads") + 1] == "4"
