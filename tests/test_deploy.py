"""Exported files: the same network in every format, metadata, and INT8 numbers against a closed form."""

import json
import subprocess
import sys
from pathlib import Path

import golden
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from fbnet_pfld.experiments.deploy import onnx_file
from fbnet_pfld.experiments.deploy.file_formats import FORMATS, Source, chosen_formats, make_files
from fbnet_pfld.experiments.deploy.fold import deployable, zero_denormals
from fbnet_pfld.experiments.deploy.onnx_file import deviation, write_onnx
from fbnet_pfld.experiments.pipeline.measurement import write_subnet
from fbnet_pfld.latency import OnnxNet, bytes_of, files_of, open_net, run_each
from fbnet_pfld.latency.engines import convert
from fbnet_pfld.search_space import Architecture, InputError, PfldLite, PfldMobileNetV3, SpaceSpec
from fbnet_pfld.search_space.errors import ResultError

SAID = {"network": "golden", "num_points": "106", "input_size": "112", "colour_order": "BGR", "input_range": "0..1"}


@pytest.fixture(scope="module")
def images():
    return golden.images(34)


@pytest.fixture(scope="module")
def files(images, tmp_path_factory):
    """The golden network in every format."""
    source = Source(
        golden.network(),
        torch.from_numpy(images[:2]).float() / 255,
        SAID,
        tmp_path_factory.mktemp("files"),
        torch.from_numpy(images[2:]),
    )
    return make_files(list(FORMATS), source, source)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("onnx", 1e-5),
        ("mnn", 1e-5),
        ("ncnn", 1e-5),
        ("torchscript", 1e-5),
        ("int8-onnx", 0.25),
        ("int8-mnn", 0.25),
        ("int8-ncnn", 0.25),
    ],
)
def test_every_engine_gives_the_golden_outputs(files, images, name, tolerance):
    """Root mean square error over the outputs' spread; the golden outputs were computed in double precision."""
    expected = np.array(golden.outputs())
    got = run_each(open_net(files[name]), images[:2] / np.float32(255))
    assert np.sqrt(((got - expected) ** 2).mean()) < tolerance * expected.std()


def test_no_engine_passes_for_another_network(files, images):
    """The tolerance of the test above is strict enough: the other image's outputs are outside it."""
    expected = np.array(golden.outputs())
    assert np.sqrt(((expected[::-1] - expected) ** 2).mean()) > 0.45 * expected.std()


@pytest.mark.parametrize("model", [golden.network, PfldLite, PfldMobileNetV3])
def test_folding_leaves_no_batch_norm_and_changes_nothing(model):
    torch.manual_seed(0)
    network = model()
    with torch.no_grad():
        network.train()(torch.rand(4, 3, 112, 112))  # so that the statistics are not the initial ones
        before = network.eval()(images := torch.rand(2, 3, 112, 112))
        folded = deployable(network)
        assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
        assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
        assert torch.allclose(folded(images), before, atol=1e-5 * float(before.std()))
        assert torch.equal(network(images), before)


def test_zero_denormals_counts_what_it_changes():
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1e-35, 1.0], [-1e-38, 0.0]]))
    assert zero_denormals(model) == 2
    assert torch.equal(model.weight, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))


def test_files_say_what_they_are(files, tmp_path):
    for name in ("onnx", "int8-onnx"):
        assert {entry.key: entry.value for entry in onnx.load(files[name]).metadata_props} == SAID
    inside = {"metadata.json": ""}
    with pytest.warns(FutureWarning):
        torch.jit.load(files["torchscript"], _extra_files=inside)
    assert json.loads(inside["metadata.json"]) == SAID

    def told(*arguments):  # by MNN's own tool
        command = [sys.executable, "-c", convert._MNN, "mnnconvert", "-f", "MNN", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    info = told("--modelFile", files["mnn"], "--info").splitlines()
    assert {f"[Meta] {key} : {value}" for key, value in SAID.items()} <= set(info)
    told("--modelFile", files["int8-mnn"], "--JsonFile", tmp_path / "int8.json")
    assert json.loads(json.loads((tmp_path / "int8.json").read_text())["bizCode"]) == SAID
    for name in ("ncnn", "int8-ncnn"):
        assert json.loads(files[name].read_text().splitlines()[-1].removeprefix("#")) == SAID


def test_onnx_files_are_slim_and_carry_no_paths(files):
    model = onnx.load(files["onnx"])
    assert {node.op_type for node in model.graph.node} == {
        "Conv",
        "Relu",
        "Add",
        "Mul",
        "HardSigmoid",
        "MaxPool",
        "Concat",
        "Reshape",
    }
    assert model.opset_import[0].version == 18
    text = str(model.graph.node)
    assert ".py" not in text
    assert "/" not in text


def test_int8_weights_are_the_rounded_ones(files):
    """By output channel, a 64th of the largest absolute weight is the step.

    No two products of such a weight and an activation overflow 16 bits, in which some processors add them.
    """
    folded = deployable(golden.network())
    expected = folded.stem.first[0].weight.detach().numpy()
    step = np.abs(expected).max(axis=(1, 2, 3)) / 64
    graph = onnx.load(files["int8-onnx"]).graph
    first = next(node for node in graph.node if node.op_type == "QLinearConv")
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weight, scale = stored[first.input[3]], stored[first.input[4]]
    assert weight.dtype == np.int8
    assert scale == pytest.approx(step, rel=1e-4)
    assert np.abs(weight * scale[:, None, None, None] - expected).max() <= 0.501 * step.max()
    assert (np.abs(weight).max(axis=(1, 2, 3)) == 64).all()
    weights = [stored[node.input[3]].astype(int) for node in graph.node if node.op_type == "QLinearConv"]
    assert 2 * 255 * max(np.abs(each).max() for each in weights) < 2**15


def test_int8_files_are_about_a_quarter_of_the_others(files):
    for name, form in FORMATS.items():
        if form.of:
            assert 0.25 < bytes_of(files[name]) / bytes_of(files[form.of]) < 0.33


def test_a_dynamic_batch_takes_any_number_of_images(images, tmp_path):
    model, x = golden.network(), images[:5] / np.float32(255)
    write_onnx(model, tmp_path / "d.onnx", torch.from_numpy(x[:2]), SAID, dynamic_batch=True)
    net = OnnxNet(tmp_path / "d.onnx")
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy()
    assert net(x) == pytest.approx(expected, abs=1e-4)
    assert run_each(net, x) == pytest.approx(expected, abs=1e-4)
    source = Source(model, torch.from_numpy(x), SAID, tmp_path, torch.from_numpy(images), dynamic_batch=True)
    for name in ("mnn", "ncnn", "int8-onnx", "int8-mnn", "int8-ncnn"):  # made from such a file also work
        got = run_each(open_net(FORMATS[name].make(source)), x[:2])
        assert np.sqrt(((got - expected[:2]) ** 2).mean()) < 0.25 * expected.std()


def test_opsets(tmp_path):
    write_onnx(golden.network(), tmp_path / "o.onnx", torch.rand(1, 3, 112, 112), opset=20)
    assert onnx.load(tmp_path / "o.onnx").opset_import[0].version == 20
    before = (tmp_path / "o.onnx").read_bytes()
    for opset in (7, 99):
        with pytest.raises(InputError, match=f"opset {opset}: torch cannot write this network with it; allowed: 18 to"):
            write_onnx(golden.network(), tmp_path / "o.onnx", torch.rand(1, 3, 112, 112), opset=opset)
    assert (tmp_path / "o.onnx").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["o.onnx"]


def test_formats_are_chosen_with_what_they_are_compared_with():
    assert chosen_formats("onnx") == ["onnx"]
    assert chosen_formats(" int8-mnn,onnx") == ["onnx", "mnn", "int8-mnn"]
    with pytest.raises(InputError, match="unknown format 'tflite'; allowed: int8-mnn, int8-ncnn, int8-onnx, mnn, ncnn, onnx,"):
        chosen_formats("onnx,tflite")
    with pytest.raises(InputError, match="names none"):
        chosen_formats(",")


@pytest.mark.parametrize(("form", "package"), [("int8-mnn", "MNN"), ("ncnn", "ncnn"), ("int8-ncnn", "ncnn"), ("ncnn", "pnnx")])
def test_a_missing_extra_is_named_before_any_work(monkeypatch, form, package):
    def absent(name):
        if name == package:
            raise convert.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(convert, "version", absent)
    with pytest.raises(InputError, match=f"^{package} is not installed; install it with: pip install '{package}"):
        chosen_formats(f"onnx,{form}")
    assert chosen_formats("int8-onnx") == ["onnx", "int8-onnx"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "spoil", [lambda content: content[: len(content) // 2], lambda content: b"", lambda content: b"no net"]
)
def test_spoiled_files_are_refused(files, tmp_path, name, spoil):
    path = tmp_path / f"x{Path(files[name]).suffix}"
    for source, copied in zip(files_of(files[name]), files_of(path), strict=True):
        copied.write_bytes(source.read_bytes())
    path.write_bytes(spoil(files[name].read_bytes()))
    with pytest.raises(InputError) as caught:
        open_net(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_opset_that_the_engine_does_not_know_is_told(files, tmp_path):
    model = onnx.load(files["onnx"])
    model.opset_import[0].version = 99
    onnx.save(model, tmp_path / "new.onnx")
    with pytest.raises(InputError, match=r"new\.onnx.*Opset 99"):
        open_net(tmp_path / "new.onnx")


class Scaled(nn.Module):
    """A network whose outputs are in other units, such as pixels."""

    def __init__(self, factor):
        super().__init__()
        self.body, self.factor = golden.network(), factor

    def forward(self, x):
        return self.factor * self.body(x)


@pytest.mark.parametrize("factor", [1, 112, 1e6])
def test_files_are_compared_with_torch_in_the_outputs_own_range(images, tmp_path, factor):
    """Rounding errors grow with the outputs: a network in pixels is as good as one in parts of the crop."""
    write_onnx(Scaled(factor), tmp_path / "n.onnx", torch.from_numpy(images[:2]).float() / 255)
    expected = np.array(golden.outputs())
    got = run_each(open_net(tmp_path / "n.onnx"), images[:2] / np.float32(255))
    assert np.abs(got / factor - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_deviation_is_in_parts_of_the_largest_output_or_of_the_crop():
    small, large = np.array([[0.5, -0.25]], np.float32), np.array([[50.0, -200.0]], np.float32)
    assert deviation(small + np.float32(0.125), small) == 0.125
    assert deviation(large + np.float32(1), large) == pytest.approx(1 / 200)


@pytest.mark.parametrize(
    ("spoil", "words"), [(lambda outputs: outputs * 1.001, "1.0e-03"), (lambda outputs: outputs * np.nan, "nan")]
)
def test_a_file_that_is_not_the_network_is_not_written(images, tmp_path, monkeypatch, spoil, words):
    monkeypatch.setattr(onnx_file, "run_each", lambda net, images: spoil(run_each(net, images)))
    (tmp_path / "n.onnx").write_text("older file")
    with pytest.raises(ResultError) as caught:
        write_onnx(Scaled(112), tmp_path / "n.onnx", torch.from_numpy(images[:2]).float() / 255, name="mine.pth")
    assert str(caught.value) == (
        f"mine.pth: the ONNX file differs from torch by {words} of the largest output, more than 1e-04; nothing is written"
    )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("n.onnx", "older file")]


def test_a_network_whose_outputs_are_not_finite_is_not_written(tmp_path):
    with pytest.raises(ResultError, match=r"^.*n\.onnx: the ONNX file cannot be compared with torch, whose"):
        write_onnx(Scaled(float("nan")), tmp_path / "n.onnx", torch.rand(1, 3, 112, 112))
    assert list(tmp_path.iterdir()) == []


# ONNX's own table of releases: the opset -> the IR version that came with it
IR_OF_OPSET = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10}


@pytest.mark.parametrize("opset", [18, 20, 21])
def test_files_have_the_lowest_ir_version_that_has_their_opset(tmp_path, opset):
    write_onnx(golden.network(), tmp_path / "o.onnx", torch.rand(1, 3, 112, 112), opset=opset)
    model = onnx.load(tmp_path / "o.onnx")
    assert (model.opset_import[0].version, model.ir_version) == (opset, IR_OF_OPSET[opset])
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("name", ["onnx", "int8-onnx"])
def test_files_open_in_engines_of_the_opsets_time(files, name):
    """Version 8 came with opset 18; onnxruntime 1.17, which knows both, refuses version 10."""
    model = onnx.load(files[name])
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 18
    assert model.ir_version == 8
    onnx.checker.check_model(model, full_check=True)


def test_models_that_are_only_timed_have_that_version_too(tmp_path):
    spec = SpaceSpec.load("pfld")
    first = {label: next(iter(names)) for label, names in spec.candidates().items()}
    write_subnet(Architecture(spec, 106, 112, first), tmp_path / "s.onnx")
    assert onnx.load(tmp_path / "s.onnx").ir_version == 8
