"""``export`` and ``benchmark-models`` with damaged, foreign or odd files: one line, and no partial results."""

import io
import resource
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import quick_exports
import torch
from source_faces import contents
from test_export import DATA, ITSELF, SUBNET

from fbnet_pfld.evaluators import Checkpoint
from fbnet_pfld.experiments.deploy import assess, onnx_file
from fbnet_pfld.latency import run_each, to_mnn

pytestmark = pytest.mark.usefixtures("quick_exports")


def spoiled(content: bytes) -> dict[str, bytes]:
    """Damaged and foreign files in place of a checkpoint."""
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
    """A file whose outputs are constants or its first input, with invalid inputs."""

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
    words = ("f.onnx: inputs [", "expected one input (1, channels, height, width) and one output, both of floats")
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
        words=(f"f.onnx: input {tuple(shape)}, output (1, 212); expected (1, 3, 112, 112) and (1, 212), for 106 points",),
    )


def test_a_foreign_mnn_file_is_refused(place, refused):
    write_foreign("f.onnx", [(FLOAT, [1, 3, "h", "w"])], [(FLOAT, ["a", "b"])])
    model = onnx.load("f.onnx")
    model.graph.node[0].CopyFrom(onnx.helper.make_node("Relu", ["in0"], ["out0"]))
    onnx.save(model, "f.onnx")
    to_mnn(Path("f.onnx"), Path("f.mnn"))
    refused("benchmark-models", "f.mnn", words=("f.mnn: inputs [", "expected one input"))


@pytest.mark.parametrize("limit", [40_000, 150_000, 480_000])
def test_a_full_disk_leaves_everything_as_it_was(place, refused, monkeypatch, limit):
    """Like a full disk: no file, including those of other programs, may grow beyond some size."""
    monkeypatch.setattr(quick_exports, "GRAPHS", {})  # torch also writes a file
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        refused("export", *DATA, *ITSELF, "--formats", "onnx,int8-mnn,int8-ncnn,torchscript", words=())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_several_files_get_their_names_together(place, run):
    """A directory at the path of the last file: the first files are not written either."""
    Path("output/report.png").mkdir()
    assert run("export", *DATA, *ITSELF) == 2
    assert Path("output/subnet.onnx").read_text() == "older file"
    assert not Path("output/report.json").exists()


# where a file's outputs are compared with torch's, and the file's name in the message
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
    """Trained on lists in pixels: the rounding errors are a hundred times larger, like the outputs."""
    loaded = Checkpoint.load(SUBNET)
    for name in ("points.0.weight", "points.0.bias"):
        loaded.weights[name] *= 1e4
    loaded.save(SUBNET)
    assert run("export", *DATA, *ITSELF) == 0
    assert onnx.load("output/subnet.onnx").ir_version == 8


def link_to_unreadable(path):
    """A file whose reading fails, even for the superuser."""
    path.symlink_to("/proc/self/mem")


# kind of file that an option gets -> how it is made
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
        ("folder.onnx", "cannot write folder.onnx: it is a folder, but a file is needed"),
        ("config.yaml/n.onnx", "cannot write config.yaml/n.onnx: "),
        ("output", "cannot write output: it is a folder, but a file is needed"),
        ("n.tflite", "--out n.tflite: the name of the ONNX file must end with .onnx"),
        (f"{300 * 'n'}.onnx", "n.onnx: File name too long"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(place, refused, name, words):
    Path("folder.onnx").mkdir()
    refused("export", *DATA, *ITSELF, "--out", name, words=(words,))


@pytest.mark.parametrize("suffix", [".onnx", ".mnn", ".param", ".pt", ".zip"])
@pytest.mark.parametrize("kind", ODD)
def test_odd_files_of_benchmark_models_are_named(place, refused, suffix, kind):
    ODD[kind](Path(f"odd{suffix}"))
    refused("benchmark-models", f"odd{suffix}", words=(f"odd{suffix}",))
