"""``export``: the report against its parts, and faults that leave nothing half done."""

import io
import itertools
import json
import resource
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import quick_exports
import torch
from matplotlib.image import imread
from source_faces import contents

from fbnet_pfld.evaluators import Checkpoint, LandmarkDataset, evaluate, predict, score
from fbnet_pfld.experiments.deploy import assess, onnx_file
from fbnet_pfld.experiments.deploy.file_formats import FORMATS
from fbnet_pfld.latency import LookupTable, open_net, run_each, to_mnn
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
    """A checkpoint of a subnet like that of the place, but for ``changes`` of its architecture file."""
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
    baseline = [row for row in report["files"] if row["network"] == "subnet (baseline)"]
    assert [row["format"] for row in baseline] == list(FORMATS)
    assert all(row["of_baseline"] == {"median": 1, "low": 1, "high": 1} for row in baseline)
    assert {aim["format"]: aim["reached"] for aim in report["aims"] if aim["aim"] == "difference from torch"} == {
        "onnx": True,
        "mnn": True,
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
    monkeypatch.setattr(quick_exports, "GRAPHS", {})  # torch writes the same file again
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
    refused("export", *DATA, words=("checkpoint_best.pth: predicts points that are not finite: its training",))


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
    assert baseline["table_us"] > 0  # the model behind the table knows every layer
    assert open_net("output/subnet.onnx").shape == (1, 3, 64, 64)
    assert "output/subnet.mnn is of an earlier export" in printed.err


def spoiled(content: bytes) -> dict[str, bytes]:
    """What a checkpoint may have become, or may be instead."""
    middle = len(content) // 2
    foreign, weights = io.BytesIO(), io.BytesIO()
    torch.save({"model": {"w": torch.zeros(3)}, "epoch": 3}, foreign)
    torch.save(torch.nn.Linear(2, 2), weights)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("readme.txt", "no checkpoint")
    return {
        "cut short": content[:middle],
        "empty": b"",
        "text": b"no checkpoint",
        "another program's": foreign.getvalue(),
        "a pickled module": weights.getvalue(),
        "another archive": archive.getvalue(),
        "bytes turned": content[:middle]
        + bytes(255 - byte for byte in content[middle : middle + 4096])
        + content[middle + 4096 :],
    }


@pytest.mark.parametrize("how", spoiled(b"0" * 10_000))
def test_spoiled_and_foreign_checkpoints_are_refused(place, refused, how):
    SUBNET.write_bytes(spoiled(SUBNET.read_bytes())[how])
    refused("export", *DATA, words=("checkpoint_best.pth", "give the checkpoint_best.pth of"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights", [torch.zeros(1)]),
        ("weights", None),
        ("weights", {"a": "b"}),
        ("weights", {3: torch.zeros(1)}),
        ("weights", {"a": torch.zeros(2).to_sparse()}),
        ("weights", {"a": torch.zeros(2, dtype=torch.complex64)}),
        ("network", "pfld_lite"),
        ("network", ["pfld_lite"]),
        ("num_points", "106"),
        ("num_points", 106.0),
        ("input_size", -112),
        ("kind", "teacher"),
        ("metrics", None),
    ],
)
def test_checkpoints_with_wrong_types_inside_are_refused(place, refused, name, value):
    torch.save(torch.load(SUBNET, weights_only=True) | {name: value}, SUBNET)
    refused("export", *DATA, words=("not a checkpoint of this package: ckpt_save/subnet/checkpoint_best.pth; give",))


FLOAT, INT = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
# name -> type and shape of each input, and of each output
FOREIGN = {
    "two inputs": ([(FLOAT, [1, 3, 112, 112]), (FLOAT, [1, 3, 112, 112])], [(FLOAT, [1, 212])]),
    "whole numbers": ([(INT, [1, 3, 112, 112])], [(INT, [1, 212])]),
    "a batch of two": ([(FLOAT, [2, 3, 112, 112])], [(FLOAT, [2, 212])]),
    "any size": ([(FLOAT, [1, 3, "h", "w"])], [(FLOAT, ["a", "b"])]),
    "no image": ([(FLOAT, [1, 212])], [(FLOAT, [1, 212])]),
    "a number": ([(FLOAT, [])], [(FLOAT, [])]),
    "two outputs": ([(FLOAT, [1, 3, 112, 112])], [(FLOAT, [1, 212]), (FLOAT, [1, 212])]),
}


def write_foreign(path, inputs, outputs):
    """A file whose outputs are constants or its first input, and whose inputs are what they should not be."""

    def values(name, side):
        return [onnx.helper.make_tensor_value_info(f"{name}{i}", *each) for i, each in enumerate(side)]

    nodes = []
    for i, (kind, shape) in enumerate(outputs):
        plain = [size for size in shape if isinstance(size, int)]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
        nodes.append(
            onnx.helper.make_node(
                "Constant",
                [],
                [f"out{i}"],
                value=onnx.numpy_helper.from_array(np.zeros(plain if len(plain) == len(shape) else [1, 212], dtype)),
            )
        )
    graph = onnx.helper.make_graph(nodes, "foreign", values("in", inputs), values("out", outputs))
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10), path)


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_onnx_files_are_refused(place, refused, name):
    write_foreign("f.onnx", *FOREIGN[name])
    words = ("f.onnx: inputs [", "allowed: one input (1, channels, height, width) and one output, both of floats")
    refused("benchmark-models", "f.onnx", words=words)
    refused("evaluate", *DATA, "--checkpoint", "f.onnx", words=words)


@pytest.mark.parametrize("shape", [[1, 1, 112, 112], [1, 3, 96, 112], [1, 3, 64, 64]])
def test_files_for_other_images_are_not_evaluated(place, refused, shape):
    write_foreign("f.onnx", [(FLOAT, shape)], [(FLOAT, [1, 212])])
    Path("size.yaml").write_text("input_size: 112\n")
    refused(
        "evaluate",
        *DATA,
        "--config",
        "size.yaml",
        "--checkpoint",
        "f.onnx",
        words=(f"f.onnx: input {tuple(shape)}, output (1, 212); allowed: (1, 3, 112, 112) and (1, 212), for 106 points",),
    )


def test_a_foreign_mnn_file_is_refused(place, refused):
    write_foreign("f.onnx", [(FLOAT, [1, 3, "h", "w"])], [(FLOAT, ["a", "b"])])
    model = onnx.load("f.onnx")
    model.graph.node[0].CopyFrom(onnx.helper.make_node("Relu", ["in0"], ["out0"]))
    onnx.save(model, "f.onnx")
    to_mnn(Path("f.onnx"), Path("f.mnn"))
    refused("benchmark-models", "f.mnn", words=("f.mnn: inputs [", "allowed: one input"))


@pytest.mark.parametrize("limit", [40_000, 150_000, 480_000])
def test_a_full_disk_leaves_everything_as_it_was(place, refused, monkeypatch, limit):
    """No file may grow beyond some size, those of MNN's tools neither: what a full disk does, wherever it hits."""
    monkeypatch.setattr(quick_exports, "GRAPHS", {})  # torch writes a file as well
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        refused("export", *DATA, *ITSELF, "--formats", "onnx,int8-mnn,torchscript", words=())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_several_files_get_their_names_together(place, run):
    """A directory in the way of the last one: the first ones are not written either."""
    Path("output/report.png").mkdir()
    assert run("export", *DATA, *ITSELF) == 2
    assert Path("output/subnet.onnx").read_text() == "older file"
    assert not Path("output/report.json").exists()


# where a file's outputs are compared with torch's, and what the message says of the file
COMPARED = {"as it is made": (onnx_file, "the ONNX file"), "on the test set": (assess, "the onnx file")}


@pytest.mark.parametrize("where", COMPARED)
def test_a_file_that_differs_from_torch_is_told_by_the_users_names(place, run, capfd, monkeypatch, where):
    module, words = COMPARED[where]
    monkeypatch.setattr(module, "run_each", lambda net, images: 1.01 * run_each(net, images))
    before = contents(place)
    assert run("export", *DATA, *ITSELF) == 1
    error = capfd.readouterr().err.strip()
    assert error.startswith(f"fbnet-pfld: {SUBNET} for output/subnet.onnx: {words} differs from torch by ")
    assert error.endswith(" of the largest output, more than 1e-04; nothing is written")
    assert "\n" not in error
    assert contents(place) == before


def test_a_network_in_pixels_is_exported(place, run):
    """Trained on lists in pixels: the outputs' rounding errors are a hundred times larger, as the outputs are."""
    loaded = Checkpoint.load(SUBNET)
    for name in ("points.0.weight", "points.0.bias"):
        loaded.weights[name] *= 1e4
    loaded.save(SUBNET)
    assert run("export", *DATA, *ITSELF) == 0
    assert onnx.load("output/subnet.onnx").ir_version == 8


def link_to_unreadable(path):
    """A file whose reading fails, even for the superuser."""
    path.symlink_to("/proc/self/mem")


# kind of file that an option is given -> how it is made
ODD = {
    "missing": lambda path: None,
    "empty": Path.touch,
    "directory": Path.mkdir,
    "unreadable": link_to_unreadable,
    "text": lambda path: path.write_text("a text\n"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize(("option", "name"), [("--checkpoint", "odd.pth"), ("--baseline", "odd.pth"), ("--arch", "odd.json")])
def test_odd_files_of_export_are_named(place, refused, option, name, kind):
    ODD[kind](Path(name))
    refused("export", *DATA, option, name, words=(name,))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("folder.onnx", "cannot write folder.onnx: it is a folder, where a file is wanted"),
        ("config.yaml/n.onnx", "cannot write config.yaml/n.onnx: "),
        ("output", "cannot write output: it is a folder, where a file is wanted"),
        ("n.tflite", "--out n.tflite: the name of the ONNX file must end with .onnx"),
        (f"{300 * 'n'}.onnx", "n.onnx: File name too long"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(place, refused, name, words):
    Path("folder.onnx").mkdir()
    refused("export", *DATA, *ITSELF, "--out", name, words=(words,))


@pytest.mark.parametrize("suffix", [".onnx", ".mnn", ".pt", ".zip"])
@pytest.mark.parametrize("kind", ODD)
def test_odd_files_of_benchmark_models_are_named(place, refused, suffix, kind):
    ODD[kind](Path(f"odd{suffix}"))
    refused("benchmark-models", f"odd{suffix}", words=(f"odd{suffix}",))
