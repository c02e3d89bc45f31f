"""``export`` and ``benchmark-models``: the report against its parts, and faults that leave nothing half done."""

import io
import itertools
import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from source_faces import contents

from fbnet_pfld.evaluators import Checkpoint, LandmarkDataset, evaluate, predict, score
from fbnet_pfld.experiments.deploy.formats import FORMATS
from fbnet_pfld.latency import LookupTable, fastest, host_latency_us, interleave, interval, open_net, ratio, run_each
from fbnet_pfld.search_space import Architecture, InputError, PfldLite

DATA = ("--data_root", "data")
SUBNET = Path("ckpt_save/subnet/checkpoint_best.pth")
ALL = ",".join(FORMATS)


def last_line(capfd):
    return json.loads(capfd.readouterr().out.splitlines()[-1])


def save_baseline(path="ckpt_save/pfld_lite/checkpoint_best.pth"):
    torch.manual_seed(1)
    Checkpoint.of(PfldLite().eval(), "pfld_lite", {}).save(path)


@pytest.mark.slow
def test_every_figure_of_the_report_is_that_of_its_file(place, run, capfd):
    save_baseline()
    assert run("export", *DATA, "--formats", ALL, "--json") == 0
    report = last_line(capfd)
    assert json.loads(Path("output/report.json").read_text()) == report
    assert imread("output/report.png").shape[2] == 4
    test = LandmarkDataset("data", "test")
    model = Checkpoint.load(SUBNET).build("x")
    assert report["torch"]["subnet"] == pytest.approx(evaluate(model, test))
    own = {row["format"]: row for row in report["files"] if row["network"] == "subnet"}
    assert list(own) == list(FORMATS)
    for form, row in own.items():
        path = Path(report["written"][form])
        assert path == Path("output/subnet").with_suffix(FORMATS[form].suffix)
        assert row["bytes"] == path.stat().st_size
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
    baseline = [row for row in report["files"] if row["network"] == "pfld_lite"]
    assert [row["format"] for row in baseline] == list(FORMATS)
    assert all(row["of_baseline"] == {"median": 1, "low": 1, "high": 1} for row in baseline)
    assert own["onnx"]["of_baseline"]["high"] < 1  # a twelfth of the multiply-accumulates
    assert {aim["format"]: aim["reached"] for aim in report["aims"] if "difference" in aim["aim"]} == \
        {"onnx": True, "mnn": True, "torchscript": True}
    assert run("evaluate", *DATA, *itertools.chain(*(("--resume", path) for path in report["written"].values())), "--json") == 0
    for row, form in zip(last_line(capfd)["networks"], FORMATS, strict=True):  # the same files, by another command
        assert row["nme"] == pytest.approx(own[form]["accuracy"]["nme"])


def test_without_a_trained_baseline_an_untrained_one_is_timed(place, run, capfd):
    assert run("export", *DATA, "--json") == 0
    report = last_line(capfd)
    assert report["torch"]["pfld_lite"] is None
    own, baseline = report["files"]
    assert baseline["accuracy"] is None
    assert baseline["us"]["median"] > own["us"]["median"]
    assert run("export", *DATA, "--resume", "points68.pth", "--points", "106") == 2


def test_denormal_weights_are_not_in_the_file(place, run):
    loaded = Checkpoint.load(SUBNET)
    loaded.weights["layers.0.primary.0.weight"].view(-1)[0] = 1e-40
    loaded.save(SUBNET)
    assert run("export", *DATA) == 0
    import onnx
    for weight in onnx.load("output/subnet.onnx").graph.initializer:
        values = np.abs(onnx.numpy_helper.to_array(weight))
        assert not ((values > 0) & (values < 1e-38)).any()


def test_a_network_that_has_diverged_is_refused(place, refused):
    loaded = Checkpoint.load(SUBNET)
    loaded.weights["points.0.bias"][0] = float("nan")
    loaded.save(SUBNET)
    refused("export", *DATA, words=("checkpoint_best.pth: predicts points that are not finite; allowed:",))


def spoiled(content: bytes) -> dict[str, bytes]:
    """What a checkpoint may have become, or may be instead."""
    middle = len(content) // 2
    foreign, weights = io.BytesIO(), io.BytesIO()
    torch.save({"model": {"w": torch.zeros(3)}, "epoch": 3}, foreign)
    torch.save(torch.nn.Linear(2, 2), weights)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("readme.txt", "no checkpoint")
    return {"cut short": content[:middle], "empty": b"", "text": b"no checkpoint", "another program's": foreign.getvalue(),
            "a pickled module": weights.getvalue(), "another archive": archive.getvalue(),
            "bytes turned": content[:middle] + bytes(255 - byte for byte in content[middle:middle + 4096])
            + content[middle + 4096:]}


@pytest.mark.parametrize("how", spoiled(b"0" * 10_000))
def test_spoiled_and_foreign_checkpoints_are_refused(place, refused, how):
    SUBNET.write_bytes(spoiled(SUBNET.read_bytes())[how])
    refused("export", *DATA, words=("checkpoint_best.pth", "allowed:"))


@pytest.mark.parametrize("limit", [40_000, 150_000, 480_000])
def test_a_full_disk_leaves_everything_as_it_was(place, limit):
    """No file may grow beyond some size: what a full disk does, wherever it hits."""
    before = contents(place)

    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [Path(sys.executable).parent / "fbnet-pfld", "export", *DATA, "--formats", "onnx,int8-mnn,torchscript"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=small_disk)
    assert done.returncode == 2, done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("fbnet-pfld: ")
    assert "Traceback" not in done.stderr
    assert contents(place) == before


def test_several_files_get_their_names_together(place, run):
    """A directory in the way of the last one: the first ones are not written either."""
    Path("output/report.png").mkdir()
    assert run("export", *DATA) == 2
    assert Path("output/subnet.onnx").read_text() == "older file"
    assert not Path("output/report.json").exists()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two ONNX files, of which the second has twelve times the multiply-accumulates of the first."""
    import golden

    from fbnet_pfld.experiments.deploy.onnx_file import write_onnx
    folder = tmp_path_factory.mktemp("pair")
    for name, model in (("small", golden.network()), ("large", PfldLite().eval())):
        write_onnx(model, folder / f"{name}.onnx", torch.rand(1, 3, 112, 112))
    return folder / "small.onnx", folder / "large.onnx"


def test_a_clear_winner_is_named(pair, run, capfd):
    small, large = pair
    cores = os.sched_getaffinity(0)
    assert run("benchmark-models", large, small, "--json") == 0
    assert os.sched_getaffinity(0) == cores
    result = last_line(capfd)
    assert result["fastest"] == str(small)
    first, second = result["files"]
    assert first["of_first"]["median"] == 1
    assert second["of_first"]["high"] < 1
    assert run("benchmark-models", large, small) == 0
    assert f"fastest: {small}" in capfd.readouterr().out.replace("\n", "")


def test_a_file_against_itself_has_no_winner_but_by_chance(pair, run, capfd):
    """Once in 2,048 runs there is one by chance; three times in a row, never."""
    def winner():
        assert run("benchmark-models", pair[0], pair[0], "--json") == 0
        return last_line(capfd)["fastest"]
    assert any(winner() is None for _ in range(3))


def test_host_latency_tells_a_large_network_from_a_small_one(pair):
    small, large = pair
    times = host_latency_us({"large": large, "small": small})
    assert times["large"] > times["small"] > 0


@pytest.mark.parametrize("count", [6, 7, 11, 12])
def test_the_interval_covers_the_median_as_often_as_it_says(count):
    """By enumeration: each of the values is below or above the true median with even chances."""
    low, high = (interval(np.arange(count))[i] for i in (1, 2))
    outside = 0
    for above in itertools.product((False, True), repeat=count):
        below = count - sum(above)  # the values with the ranks 0 ... below - 1 are below the median
        outside += below <= low or below > high
    assert outside / 2**count <= 0.05
    narrower = sum(below <= low + 1 or below > high - 1 for below in (count - sum(a) for a in
                                                                      itertools.product((False, True), repeat=count)))
    assert narrower / 2**count > 0.05
    assert interval(np.arange(count)).median == median(range(count))


def test_ratios_are_of_bursts_of_one_round():
    """Noise that both share, however large, is no noise of the ratio."""
    rng = np.random.default_rng(0)
    level = rng.uniform(1, 50, (12, 8, 1)) * np.ones((12, 8, 10))
    us = {"a": 100 * level, "b": 101 * level}
    assert ratio(us["b"], us["a"]) == pytest.approx((1.01, 1.01, 1.01))
    assert fastest(us) == "a"
    us["b"][3] = 99 * level[3]  # in one session it was the other way round
    assert fastest(us) is None
    assert fastest({"a": us["a"]}) == "a"


def test_faults_of_a_measurement_leave_the_cores_alone(pair, tmp_path):
    cores = os.sched_getaffinity(0)
    with pytest.raises(InputError, match="not found"):
        interleave({"a": pair[0], "b": tmp_path / "none.onnx"})
    assert os.sched_getaffinity(0) == cores
