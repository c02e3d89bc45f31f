"""A small demo: its choice, and the files that it writes."""

import json
from pathlib import Path

import onnxruntime
import pandas as pd
import pytest
from PIL import Image

from fbnet_pfld.evaluators.pretrained import SUPERNET, pretrained
from fbnet_pfld.experiments.pipeline import demo_run
from fbnet_pfld.search_space import Architecture

pytestmark = pytest.mark.slow

MAX_US = 1500


@pytest.fixture
def small(monkeypatch, tmp_path, quick_exports):
    """A demo of few faces, few subnets and one epoch, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("TRAIN", 48), ("TEST", 16), ("SCORED", 5)):
        monkeypatch.setattr(demo_run, name, value)
    config = tmp_path / "small.yaml"
    config.write_text(demo_run.CONFIG.read_text().replace("epochs: 4", "epochs: 1"))
    monkeypatch.setattr(demo_run, "CONFIG", config)
    return tmp_path


def test_the_best_subnet_of_the_front_within_the_limit_is_exported(small, run, capfd):
    assert run("demo", "--max-us", MAX_US, "--json") == 0
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    # the most accurate subnet within the limit, found by brute force
    front = pd.read_csv("ckpt_save/demo/supernet/pareto.csv")
    best = front[front.us <= MAX_US].sort_values("nme").iloc[0]
    chosen = Architecture.load("ckpt_save/demo/supernet/architecture.json")
    assert result["choices"] == chosen.choices == Architecture.load(f"ckpt_save/demo/supernet/{best.file}").choices
    assert result["us"] == pytest.approx(best.us, abs=0.06)
    # one row before finetuning, one after, and the file, whose error is that of the finetuned network
    before, after, file = result["networks"]
    assert before["nme"] != after["nme"] == pytest.approx(file["nme"], abs=1e-3)
    session = onnxruntime.InferenceSession("output/subnet.onnx")
    assert session.get_outputs()[0].shape[-1] == 212
    assert Image.open("output/demo.png").size[0] > 1000
    # the pretrained supernet has not seen these faces
    settings = pretrained(SUPERNET).path.parent / "settings.json"
    assert json.loads(Path("data/demo/synthetic.json").read_text())["seed"] != json.loads(settings.read_text())["faces"]["seed"]


def test_a_limit_that_no_subnet_keeps_is_told(small, run, capfd):
    assert run("demo", "--max-us", 100) == 2
    assert "no subnet runs within 100 us; the fastest takes 786 us" in capfd.readouterr().err
    assert not (small / "output/subnet.onnx").exists()
