"""The network of ``predict``: a file, a pretrained subnet by name or by latency, and its file in the user's cache."""

import json
from pathlib import Path

import cv2
import pytest
from tiny_onnx import blob, centre_network, constant_network

from fbnet_pfld.evaluators import Checkpoint, pretrained
from fbnet_pfld.experiments.predict import model_file as module
from fbnet_pfld.experiments.predict.model_file import ModelFile, model_file, pretrained_file
from fbnet_pfld.runtime import Landmarker
from fbnet_pfld.search_space import BASELINES, InputError

OWN = Path("output/subnet.onnx")


def small(num_points):
    return Checkpoint.of(BASELINES["pfld_lite"](num_points, 64).eval(), "pfld_lite", {})


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Two pretrained subnets in place of the package's, an empty cache, and a working folder with a photo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    weights = {"quick": small(5), "good": small(6)}

    def load(name):
        if name not in weights:
            raise InputError(f"no pretrained network is called {name!r}; allowed: good, quick")
        return weights[name]

    def pick(max_us):
        if max_us is not None and max_us < 900:
            raise InputError(f"no pretrained subnet runs within {max_us:,.0f} us; the fastest, quick, takes 900 us")
        return "quick" if max_us is not None and max_us < 2000 else "good"

    monkeypatch.setattr(pretrained, "pretrained", load)
    monkeypatch.setattr(pretrained, "pick", pick)
    cv2.imwrite("a.png", blob(320, 240, 70, 60))
    return weights


@pytest.fixture
def unexported(stand_in, monkeypatch):
    """For tests of the choice, which export nothing."""
    monkeypatch.setattr(module, "pretrained_file", lambda name: Path(f"{name}.onnx"))


def test_the_prefix_is_the_packages():
    assert module.PREFIX == pretrained.PREFIX


def test_the_network_is_the_one_that_is_meant(unexported):
    quick = ModelFile(Path("quick.onnx"), "pretrained:quick")
    assert model_file("pretrained:quick", None, OWN) == model_file(Path("pretrained:quick"), None, OWN) == quick
    assert model_file(None, 1000.0, OWN) == quick
    assert model_file(None, 2500.0, OWN) == ModelFile(Path("good.onnx"), "pretrained:good")
    assert model_file("some/net.mnn", None, OWN) == ModelFile(Path("some/net.mnn"), "some/net.mnn")
    chosen = model_file(None, None, OWN)
    assert (chosen.path, chosen.name) == (Path("good.onnx"), "pretrained:good")
    assert chosen.remark.startswith("pretrained:good, the most accurate, is used, because there is no --model")
    OWN.parent.mkdir()
    OWN.touch()
    assert model_file(None, None, OWN) == ModelFile(OWN, str(OWN))
    assert model_file(None, 1000.0, OWN) == quick


def test_a_pretrained_network_is_exported_once(stand_in, monkeypatch):
    """The file belongs to these weights; others get another file."""
    first = pretrained_file("quick")
    assert first.parent == Path("cache/fbnet-pfld/pretrained").absolute()
    assert (Landmarker(first).num_points, Landmarker(first).size) == (5, 64)
    content = first.read_bytes()
    monkeypatch.setattr(module, "_export", lambda *_: pytest.fail("exported again"))
    assert pretrained_file("quick") == first
    assert first.read_bytes() == content
    stand_in["quick"] = small(5)
    with pytest.raises(pytest.fail.Exception, match="exported again"):
        pretrained_file("quick")


def test_without_a_cache_a_temporary_file_is_used(stand_in, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setattr(module.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    found = pretrained_file("quick")
    assert found.parent == tmp_path
    assert Landmarker(found).num_points == 5


def test_a_photo_is_predicted_without_any_network_of_ones_own(unexported, run, capfd):
    """The remark comes last, after the prediction."""
    centre_network(Path("good.onnx"))
    assert run("predict", "a.png", "--crop", "--json") == 0
    captured = capfd.readouterr()
    assert captured.err.strip().startswith("pretrained:good, the most accurate, is used")
    assert json.loads(captured.out.splitlines()[-1])["model"] == "pretrained:good"
    assert json.loads(Path("output/predict/a.json").read_text())["model"] == "pretrained:good"


def other_input(path):
    constant_network(Path(path), [[0.5, 0.5]], shape=[1, 3, 112, 96])


# options -> words that the one line must contain
FAULTS = {
    ("--model", "pretrained:best"): ("no pretrained network is called 'best'", "good, quick"),
    ("--max-us", "500"): ("no pretrained subnet runs within 500 us", "the fastest, quick, takes 900 us"),
    ("--max-us", "1000", "--model", "wide.onnx"): ("--model and --max-us are both given",),
    ("--model", "wide.onnx"): ("wide.onnx: inputs", "must have one float input (1, 3, S, S)"),
}


@pytest.mark.parametrize("options", FAULTS)
def test_a_wrong_network_is_one_line(stand_in, refused, options):
    other_input("wide.onnx")
    refused("predict", "a.png", "--crop", *options, words=FAULTS[options])


def test_the_supernet_is_no_network_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="a supernet; give the checkpoint of a subnet or a baseline"):
        pretrained_file("supernet")
