"""``export``: the report against its parts."""

import itertools
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import quick_exports
import torch
from matplotlib.image import imread

from fbnet_pfld.evaluators import Checkpoint, LandmarkDataset, evaluate, predict, score
from fbnet_pfld.experiments.deploy.file_formats import FORMATS
from fbnet_pfld.latency import LookupTable, files_of, open_net, run_each
from fbnet_pfld.search_space import Architecture, PfldLite

pytestmark = pytest.mark.usefixtures("quick_exports")

DATA = ("--data_root", "data")
SUBNET = Path("ckpt_save/subnet/checkpoint_best.pth")
ALL = ",".join(FORMATS)


def last_line(capfd):
    return json.loads(capfd.readouterr().out.splitlines()[-1])


ITSELF = ("--baseline", SUBNET)
"""The fewest files to time."""


def save_baseline(path="ckpt_save/pfld_lite/checkpoint_best.pth"):
    torch.manual_seed(1)
    Checkpoint.of(PfldLite().eval(), "pfld_lite", {}).save(path)


def save_another(path, **changes):
    """A checkpoint of a subnet like the place's, with ``changes`` of its architecture file."""
    torch.manual_seed(1)
    data = json.loads(Path("ckpt_save/supernet/architecture.json").read_text())
    other = Architecture.from_dict(data | changes | {"choices": data["choices"] | changes.get("choices", {})}, "")
    Checkpoint.of(other.build(), other, {}).save(path)


@pytest.mark.slow
def test_every_figure_of_the_report_is_that_of_its_file(place, run, capfd):
    save_another("other.pth", choices={"layer_0": "mb_k5_e2_res"})
    assert run("export", *DATA, "--formats", ALL, "--baseline", "other.pth", "--json") == 0
    report = last_line(capfd)
    assert json.loads(Path("output/report.json").read_text()) == report
    assert imread("output/report.png").shape[2] == 4
    test = LandmarkDataset("data", "test")
    model = Checkpoint.load(SUBNET).build()
    assert report["torch"]["subnet"] == pytest.approx(evaluate(model, test))
    own = {row["format"]: row for row in report["files"] if row["network"] == "subnet"}
    assert list(own) == list(FORMATS)
    for form, row in own.items():
        path = Path(report["written"][form])
        assert path == Path("output/subnet").with_suffix(FORMATS[form].suffix)
        assert row["bytes"] == sum(file.stat().st_size for file in files_of(path))
        points = torch.from_numpy(run_each(open_net(path), (test.images.float() / 255).numpy())).view_as(test.points)
        assert row["accuracy"] == pytest.approx(score(points, test.points))
        distance = 112 * (points - predict(model, test)).norm(dim=-1)
        assert (row["largest_px"], row["mean_px"]) == pytest.approx((float(distance.max()), float(distance.mean())), rel=1e-4)
        assert 0 < row["us"]["low"] <= row["us"]["median"] <= row["us"]["high"]
        assert row["us"]["median"] <= row["p95_us"]
    table = LookupTable.load("snapdragon625-4t")
    assert own["mnn"]["table_us"] == table.latency_us(Architecture.load("ckpt_save/supernet/architecture.json"))
    assert own["int8-mnn"]["table_us"] is None
    assert own["int8-mnn"]["bytes_of_fp32"] == own["int8-mnn"]["bytes"] / own["mnn"]["bytes"]
    assert own["int8-onnx"]["nme_of_fp32"] == own["int8-onnx"]["accuracy"]["nme"] / own["onnx"]["accuracy"]["nme"]
    baseline = [row for row in report["files"] if row["network"] == "subnet (baseline)"]
    assert [row["format"] for row in baseline] == list(FORMATS)
    assert all(row["of_baseline"] == {"median": 1, "low": 1, "high": 1} for row in baseline)
    assert {aim["format"]: aim["reached"] for aim in report["aims"] if aim["aim"] == "difference from torch"} == {
        "onnx": True,
        "mnn": True,
        "ncnn": True,
        "torchscript": True,
    }
    files = itertools.chain(*(("--checkpoint", path) for path in report["written"].values()))
    assert run("evaluate", *DATA, *files, "--json") == 0
    for row, form in zip(last_line(capfd)["networks"], FORMATS, strict=True):  # the same files, by another command
        assert row["nme"] == pytest.approx(own[form]["accuracy"]["nme"])


def test_without_a_trained_baseline_an_untrained_one_is_timed(place, run, capfd):
    assert run("export", *DATA, "--json") == 0
    report = last_line(capfd)
    assert report["torch"]["pfld_lite (baseline)"] is None
    own, baseline = report["files"]
    assert baseline["accuracy"] is None
    assert own["of_baseline"]["high"] < 1  # a twelfth of the multiply-accumulates


def test_denormal_weights_are_not_in_the_file(place, run):
    loaded = Checkpoint.load(SUBNET)
    loaded.weights["layers.0.primary.0.weight"].view(-1)[0] = 1e-40
    loaded.save(SUBNET)
    assert run("export", *DATA, *ITSELF) == 0
    for weight in onnx.load("output/subnet.onnx").graph.initializer:
        values = np.abs(onnx.numpy_helper.to_array(weight))
        assert not ((values > 0) & (values < 1e-38)).any()


@pytest.mark.slow
def test_int8_epochs_change_the_int8_file_alone(place, run, capfd, monkeypatch):
    assert run("export", *DATA, *ITSELF, "--formats", "int8-onnx", "--json") == 0
    assert last_line(capfd)["int8_epochs"] == 0
    before = {name: Path(f"output/{name}").read_bytes() for name in ("subnet.onnx", "subnet.int8.onnx")}
    monkeypatch.setattr(quick_exports, "GRAPHS", {})  # torch writes an identical file
    assert run("export", *DATA, *ITSELF, "--formats", "int8-onnx", "--int8-epochs", "1", "--json") == 0
    report = last_line(capfd)
    assert report["int8_epochs"] == 1
    assert Path("output/subnet.onnx").read_bytes() == before["subnet.onnx"]
    assert Path("output/subnet.int8.onnx").read_bytes() != before["subnet.int8.onnx"]
    fp32, int8 = report["files"]
    assert int8["accuracy"]["nme"] < fp32["accuracy"]["nme"]  # new weights, and some training
    assert not list(Path("output").glob("*.pth"))


def test_a_network_that_has_diverged_is_refused(place, refused):
    loaded = Checkpoint.load(SUBNET)
    loaded.weights["points.0.bias"][0] = float("nan")
    loaded.save(SUBNET)
    refused("export", *DATA, words=("checkpoint_best.pth: predicts points that are not finite, because its training",))


def test_networks_of_equal_names_are_not_taken_for_one(place, run, capfd):
    """A subnet under the baseline's name beside the baseline; and another checkpoint of the baseline beside it."""
    save_baseline()
    assert run("export", *DATA, "--out", "output/pfld_lite.onnx", "--json") == 0
    first = last_line(capfd)["files"]
    assert [row["network"] for row in first] == ["pfld_lite", "pfld_lite (baseline)"]
    assert first[0]["bytes"] < first[1]["bytes"]
    save_baseline("mine.pth")
    assert run("export", *DATA, "--checkpoint", "mine.pth", "--json") == 0
    assert [row["network"] for row in last_line(capfd)["files"]] == ["pfld_lite", "pfld_lite (baseline)"]


def test_a_network_beside_itself_is_one_row(place, run, capfd):
    assert run("export", *DATA, *ITSELF, "--json") == 0
    (row,) = last_line(capfd)["files"]
    assert (row["network"], row["of_baseline"]) == ("subnet", {"median": 1, "low": 1, "high": 1})


def test_a_network_that_the_table_does_not_know_is_exported_without_its_latency(place, run, capfd):
    save_another("s64.pth", input_size=64)
    Path("output/subnet.mnn").write_text("older file")
    assert run("export", *DATA, "--checkpoint", "s64.pth", "--json") == 0
    printed = capfd.readouterr()
    own, baseline = json.loads(printed.out.splitlines()[-1])["files"]
    assert own["table_us"] is None
    assert baseline["table_us"] is None  # the table only has the baseline for images of 112 pixels
    assert open_net("output/subnet.onnx").shape == (1, 3, 64, 64)
    assert "output/subnet.mnn is from an earlier export" in printed.err
