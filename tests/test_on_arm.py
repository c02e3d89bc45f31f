"""Exported files on the emulated core: the same figures as on this machine, and errors."""

import random

import pytest
import torch
from conftest import write_blobs
from emulated_core import needs_emulator
from test_emulator_run import TINY

from fbnet_pfld.evaluators import LandmarkDataset, predict, score
from fbnet_pfld.experiments.deploy import on_arm
from fbnet_pfld.experiments.deploy.on_arm import ArmRow, arm_data, check_arm, check_on_arm
from fbnet_pfld.experiments.deploy.onnx_file import write_onnx
from fbnet_pfld.latency import to_mnn, to_ncnn
from fbnet_pfld.search_space import Architecture, InputError, SpaceSpec

EYES = (0, 4)


@needs_emulator
def test_figures_are_those_of_the_files(tmp_path):
    test = LandmarkDataset(write_blobs(tmp_path / "data", train=1, test=4, points=5), "test", 5, 32)
    torch.manual_seed(0)
    spec = SpaceSpec.from_dict(TINY, "test")
    model = Architecture(spec, 5, 32, spec.sample(random.Random(0))).build().eval()
    onnx = tmp_path / "net.onnx"
    write_onnx(model, onnx, test.images[:1].float() / 255)
    files = {"mnn": onnx.with_suffix(".mnn"), "ncnn": onnx.with_suffix(".param"), "onnx": onnx}
    to_mnn(onnx, files["mnn"])
    to_ncnn(onnx, files["ncnn"])
    truth = predict(model, test)
    rows = {row.file: row for row in check_on_arm(files, test, truth, EYES)}
    assert rows.keys() == {"mnn", "ncnn"}
    for name, row in rows.items():
        assert row.nme == pytest.approx(score(truth, test.points, EYES)["nme"], rel=1e-4)
        assert row.x86_nme == pytest.approx(row.nme, rel=1e-4)
        assert max(row.largest_px, row.torch_largest_px) < 1e-3
        assert row.mean_px <= row.largest_px
        assert set(row.us) == ({1, 4} if name == "ncnn" else {1})
        assert all(us > 0 for us in row.us.values())
    assert rows["ncnn"].us[4] < rows["ncnn"].us[1]


def row(name: str, engine: str, int8: bool, nme: float, us: dict[int, float]) -> ArmRow:
    return ArmRow(name, engine, int8, nme, nme, 0, 0, None, None, us)


def test_int8_is_set_beside_fp32_of_its_engine():
    rows = [
        row("a", "ncnn 1", False, 4.0, {1: 100.0, 4: 40.0}),
        row("b", "ncnn 1", True, 4.2, {1: 130.0, 4: 50.0}),
        row("c", "MNN 3", True, 4.1, {1: 90.0}),
    ]
    found = arm_data(rows, 8)
    assert found["int8_over_fp32"] == {"ncnn 1": {"nme": pytest.approx(1.05), "us": {1: 1.3, 4: 1.25}}}
    assert [each["file"] for each in found["files"]] == ["a", "b", "c"]


def test_files_that_no_emulated_engine_runs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(on_arm, "find_components", lambda: None)
    with pytest.raises(InputError, match="none of onnx runs on the emulated core; expected .param or .mnn files"):
        check_arm({"onnx": tmp_path / "net.onnx"})
    mixed = {"onnx": tmp_path / "net.onnx", "int8-ncnn": tmp_path / "net.int8.param"}
    assert list(check_arm(mixed)) == ["int8-ncnn"]


def test_an_export_without_the_emulator_is_refused_before_any_work(place, run, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("FBNET_PFLD_EMULATOR", str(tmp_path / "none"))
    assert run("export", "--data_root", "data", "--formats", "onnx", "--check-arm") == 2
    assert "none of onnx runs on the emulated core" in capfd.readouterr().err
