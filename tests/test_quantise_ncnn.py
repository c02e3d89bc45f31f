"""INT8 files for ncnn: ncnn's outputs against integers in numpy, thresholds, and refused files."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from fbnet_pfld.experiments.deploy.equalise_ncnn import equalised, find_factors
from fbnet_pfld.experiments.deploy.ncnn_weights import Weights, read_weights, weights_bytes
from fbnet_pfld.experiments.deploy.quantise_ncnn import best_threshold, int8_ncnn
from fbnet_pfld.latency import NcnnLayer, NcnnNet, open_net, param_text, read_param
from fbnet_pfld.search_space import InputError

SIDE = 9


def convolution(inputs, outputs, kernel=3, stride=1, dilation=1, groups=1, bias=True, relu=True, blobs=("a", "b")):
    """A layer as ncnn's files have it."""
    numbers = {
        0: outputs,
        1: kernel,
        2: dilation,
        3: stride,
        4: dilation * (kernel // 2),
        5: int(bias),
        6: outputs * inputs // groups * kernel**2,
    }
    if groups > 1:
        numbers[7] = groups
    if relu:
        numbers[9] = 1
    kind = "ConvolutionDepthWise" if groups > 1 else "Convolution"
    return NcnnLayer(kind, f"to_{blobs[1]}", blobs[:1], blobs[1:], {str(key): str(value) for key, value in numbers.items()})


def write(path: Path, layers, weights, channels: int, metadata=None) -> Path:
    """A float32 file with a hand-written ``.bin``: a tag of 0, weights, and the bias if the layer has one."""
    sides = {"0": str(SIDE), "1": str(SIDE), "2": str(channels)}
    path.write_text(param_text([NcnnLayer("Input", "in", (), ("a",), sides), *layers], metadata or {}))
    content = b""
    for layer in layers:
        if layer.name in weights:
            matrix, bias = weights[layer.name]
            content += bytes(4) + matrix.astype("<f4").tobytes() + (b"" if bias is None else bias.astype("<f4").tobytes())
    path.with_suffix(".bin").write_bytes(content)
    return path


def random_weights(rng, layers, decades=0):
    """Layer -> weights and bias, with channel sizes that span several orders of magnitude."""
    found = {}
    for layer in layers:
        if "Convolution" in layer.kind:
            outputs = layer.number("0")
            matrix = rng.normal(0, 1, (outputs, layer.number("6") // outputs)) * np.logspace(0, decades, outputs)[:, None]
            found[layer.name] = (matrix, rng.normal(0, 1, outputs) if layer.number("5") else None)
    return found


def int8_by_hand(layer, whole, steps, bias, x, limit):
    """The layer in integers, and their values: its weights have a step per row, its input has one step."""
    kernel, groups = layer.number("1"), layer.number("7", 1)
    inputs = torch.from_numpy(np.clip(np.round(x * 127 / limit), -127, 127)).double()
    total = functional.conv2d(
        inputs[None],
        torch.tensor(whole, dtype=torch.float64).view(len(whole), -1, kernel, kernel),
        None,
        layer.number("3"),
        layer.number("4"),
        layer.number("2"),
        groups,
    )[0].numpy()
    result = total * (steps * limit / 127)[:, None, None]
    if bias is not None:
        result = result + bias[:, None, None]
    return np.maximum(result, 0) if layer.number("9") else result


# name -> the layer, and the largest integer of its weights; ncnn computes the first two in Winograd form
LAYERS = {
    "3 x 3": (convolution(16, 24), 31),
    "3 x 3, not by 4": (convolution(3, 5), 31),
    "3 x 3, stride": (convolution(16, 24, stride=2), 127),
    "3 x 3, dilation": (convolution(16, 24, dilation=2), 127),
    "1 x 1": (convolution(16, 24, kernel=1), 127),
    "1 x 1, no bias, no ReLU": (convolution(7, 9, kernel=1, bias=False, relu=False), 127),
    "7 x 7": (convolution(4, 6, kernel=7), 127),
    "depthwise": (convolution(16, 16, groups=16), 127),
    "depthwise, not by 4": (convolution(5, 5, kernel=5, groups=5, bias=False), 127),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_whole_numbers_as_by_hand(tmp_path, name):
    layer, levels = LAYERS[name]
    rng = np.random.default_rng(0)
    channels = layer.number("6") // layer.number("0") // layer.number("1") ** 2 * layer.number("7", 1)
    weights = random_weights(rng, [layer], 3)
    source = write(tmp_path / "f.param", [layer], weights, channels)
    images = rng.integers(0, 256, (8, channels, SIDE, SIDE), np.uint8)
    images[:, 0, 0, 0] = 255  # numbers are uniform up to 1: the threshold is the largest or slightly less
    out = tmp_path / "q.int8.param"
    int8_ncnn(source, out, images)
    content = out.with_suffix(".bin").read_bytes()
    (limit,) = 127 / np.frombuffer(content, "<f4", 1, len(content) - 4)  # the last number is the input's scale
    assert 0.98 < limit <= 1.0001
    x = rng.random((channels, SIDE, SIDE), np.float32)
    matrix, bias = weights[layer.name]
    steps = np.abs(matrix).max(axis=1) / levels
    expected = int8_by_hand(layer, np.round(matrix / steps[:, None]), steps, bias, x, limit)
    (found,) = NcnnNet(out).blobs(x[None], ["b"])
    # ncnn has an approximate reciprocal in depthwise layers
    assert np.abs(found - expected).max() < (3e-4 if "Depth" in layer.kind else 1e-5) * np.abs(expected).max()
    (exact,) = NcnnNet(source).blobs(x[None], ["b"])
    assert 1e-4 < np.abs(found - exact).mean() / np.abs(exact).mean() < 5 / levels


def test_weights_at_the_limit_do_not_overflow(tmp_path):
    """All weights and inputs at their maximum, in the form in which ncnn's numbers grow most."""
    layer = convolution(64, 8, bias=False)
    source = write(tmp_path / "f.param", [layer], {"to_b": (np.full((8, 64 * 9), 0.1), None)}, 64)
    int8_ncnn(source, tmp_path / "q.param", np.full((1, 64, SIDE, SIDE), 255, np.uint8))
    (found,) = NcnnNet(tmp_path / "q.param").blobs(np.ones((1, 64, SIDE, SIDE), np.float32), ["b"])
    assert found[:, 1:-1, 1:-1] == pytest.approx(0.1 * 64 * 9, rel=1e-5)


def test_an_inner_product_is_whole_numbers_as_by_hand(tmp_path):
    rng = np.random.default_rng(1)
    matrix, bias = rng.normal(0, 1, (10, 3 * SIDE**2)), rng.normal(0, 1, 10)
    layer = NcnnLayer("InnerProduct", "to_b", ("a",), ("b",), {"0": "10", "1": "1", "2": str(matrix.size)})
    source = write(tmp_path / "f.param", [layer], {"to_b": (matrix, bias)}, 3)
    images = rng.integers(0, 256, (8, 3, SIDE, SIDE), np.uint8)
    int8_ncnn(source, tmp_path / "q.param", images)
    content = (tmp_path / "q.bin").read_bytes()
    scale = np.frombuffer(content, "<f4", 1, len(content) - 4).astype(float)
    steps = np.abs(matrix).max(axis=1) / 127
    x = rng.random((3, SIDE, SIDE), np.float32)
    expected = np.round(matrix / steps[:, None]) @ np.clip(np.round(x.ravel() * scale), -127, 127) * steps / scale + bias
    assert open_net(tmp_path / "q.param")(x[None])[0] == pytest.approx(expected, abs=1e-5 * np.abs(expected).max())


def chain():
    """Three layers: the first feeds only the second, the second also feeds a sum."""
    return [
        convolution(4, 8, kernel=1, blobs=("a", "b")),
        convolution(8, 8, groups=8, blobs=("b", "c")),
        NcnnLayer("Split", "copies", ("c",), ("c1", "c2"), {}),
        convolution(8, 8, kernel=1, blobs=("c1", "d")),
        NcnnLayer("BinaryOp", "sum", ("c2", "d"), ("e",), {"0": "0"}),
    ]


def test_a_layers_output_stays_int8_before_convolutions_alone(tmp_path):
    rng, layers = np.random.default_rng(2), chain()
    source = write(tmp_path / "f.param", layers, random_weights(rng, layers), 4, {"network": "a chain", "of": "ümlauts"})
    int8_ncnn(source, tmp_path / "q.param", rng.integers(0, 256, (4, 4, SIDE, SIDE), np.uint8))
    quantised, metadata = read_param(tmp_path / "q.param")
    assert [layer.parameters.get("8") for layer in quantised if "Convolution" in layer.kind] == ["102", "1", "2"]
    assert metadata == {"network": "a chain", "of": "ümlauts"}
    # the scale of the first layer's output is that of the second layer's input
    weights = read_weights(quantised, (tmp_path / "q.bin").read_bytes(), "q")
    assert weights["to_b"].scales[-1] == weights["to_c"].scales[-1]
    assert [len(weights[name].scales) for name in ("to_b", "to_c", "to_d")] == [8 + 2, 8 + 1, 8 + 1]
    x = rng.random((1, 4, SIDE, SIDE), np.float32)
    found, exact = (NcnnNet(tmp_path / name).blobs(x, ["e"])[0] for name in ("q.param", "f.param"))
    assert np.abs(found - exact).mean() < 0.05 * np.abs(exact).mean()
    # by hand, layer by layer: rounding the first layer's output means rounding the second layer's input
    blobs = {"a": x[0]}
    for layer in (layers[0], layers[1], layers[3]):
        own, taken = weights[layer.name], blobs[layer.inputs[0].removesuffix("1")]
        *rows, scale = own.scales[: len(own.matrix) + 1].astype(float)
        blobs[layer.outputs[0]] = int8_by_hand(layer, own.matrix, 1 / np.array(rows), own.bias, taken, 127 / scale)
    by_hand = blobs["c"] + blobs["d"]
    assert np.abs(found - by_hand).mean() < 1e-3 * np.abs(by_hand).mean()


@pytest.mark.parametrize("decades", [0, 1])
def test_equal_channels_leave_the_network_what_it_is(tmp_path, decades):
    """ncnn's float32 outputs from the weights with factors against those from the weights without."""
    layers = [
        convolution(4, 8, blobs=("a", "b")),  # only to a depthwise convolution
        convolution(8, 8, groups=8, relu=False, blobs=("b", "c")),  # only to dense convolutions, through copies
        NcnnLayer("Split", "copies", ("c",), ("c1", "c2"), {}),
        convolution(8, 6, kernel=1, bias=False, blobs=("c1", "d")),  # to a sum
        convolution(8, 6, blobs=("c2", "e")),
        NcnnLayer("BinaryOp", "sum", ("d", "e"), ("f",), {"0": "0"}),
    ]
    rng = np.random.default_rng(6)
    source = write(tmp_path / "f.param", layers, random_weights(rng, layers, decades), 4)
    x = rng.random((1, 4, SIDE, SIDE), np.float32)
    net, names = NcnnNet(source), ["b", "c", "d", "f"]
    before = dict(zip(names, net.blobs(x, names), strict=True))
    largest = {name: np.abs(before[name]).max(axis=(1, 2)) for name in ("b", "c", "d")}
    takers = {"a": layers[:1], "b": layers[1:2], "c": layers[3:5], "d": layers[5:], "e": layers[5:]}
    factors = find_factors(layers, takers, largest)
    assert set(factors) == {"b", "c"}
    weights = read_weights(layers, source.with_suffix(".bin").read_bytes(), "f")
    taken = {layer.name: factors.get(layer.inputs[0][0]) for layer in layers}
    given = {layer.name: factors.get(layer.outputs[0]) for layer in layers}
    changed = {
        layer.name: equalised(layer, weights[layer.name], taken[layer.name], given[layer.name])
        for layer in layers
        if layer.name in weights
    }
    source.with_suffix(".bin").write_bytes(weights_bytes(layers, changed))
    after = dict(zip(names, NcnnNet(source).blobs(x, names), strict=True))
    assert after["f"] == pytest.approx(before["f"], abs=1e-5 * float(np.abs(before["f"]).max()))
    sizes = {name: np.abs(after[name]).max(axis=(1, 2)) for name in ("b", "c")}
    assert sizes["b"] == pytest.approx(np.full(8, sizes["b"].mean()), rel=1e-4)
    assert sizes["c"].max() / sizes["c"].min() == pytest.approx((largest["c"].max() / largest["c"].min()) ** 0.5, rel=1e-4)


# name -> a layer and its successor, one of which does not let factors pass
AFTER = {"blobs": ("b", "c")}
UNEQUAL = {
    "another activation": (convolution(4, 8), convolution(8, 8, groups=8, **AFTER), {"9": "3"}),
    "two channels to a group": (convolution(4, 8), convolution(8, 8, groups=4, **AFTER), {}),
    "two channels of a group": (convolution(8, 8, groups=4), convolution(8, 8, kernel=1, **AFTER), {}),
    "no convolution": (convolution(4, 8), NcnnLayer("InnerProduct", "last", ("b",), ("c",), {"0": "2"}), {}),
}


@pytest.mark.parametrize("name", UNEQUAL)
def test_channels_stay_as_they_are_where_factors_do_not_pass(name):
    first, second, changes = UNEQUAL[name]
    first = replace(first, parameters={**first.parameters, **changes})
    assert find_factors([first, second], {"b": [second]}, {"b": np.arange(8, dtype=np.float32)}) == {}


def test_weights_are_read_and_written_as_they_are(tmp_path):
    rng, layers = np.random.default_rng(3), chain()
    source = write(tmp_path / "f.param", layers, random_weights(rng, layers), 4)
    int8_ncnn(source, tmp_path / "q.param", rng.integers(0, 256, (2, 4, SIDE, SIDE), np.uint8))
    for name in ("f", "q"):
        content = (tmp_path / f"{name}.bin").read_bytes()
        read, _ = read_param(tmp_path / f"{name}.param")
        assert weights_bytes(read, read_weights(read, content, name)) == content


def test_int8_weights_have_ncnns_layout():
    """A tag, one byte per weight padded to a multiple of 4, then the bias and the scales in 4 bytes each."""
    layer = convolution(1, 2, kernel=1)
    weights = Weights(np.array([[3], [-127]], np.int8), np.array([1.5, 2.5], np.float32), np.array([4, 5, 6], np.float32))
    layout = struct.pack("<Ibb2x5f", 0x000D4B38, 3, -127, 1.5, 2.5, 4, 5, 6)
    assert weights_bytes([layer], {"to_b": weights}) == layout


def test_channels_and_blobs_of_zeros_stay_zeros(tmp_path):
    layers = [convolution(3, 4, kernel=1, bias=False), convolution(4, 4, kernel=1, bias=False, blobs=("b", "c"))]
    zeros = {"to_b": (np.zeros((4, 3)), None), "to_c": (np.eye(4), None)}
    source = write(tmp_path / "f.param", layers, zeros, 3)
    int8_ncnn(source, tmp_path / "q.param", np.full((2, 3, SIDE, SIDE), 200, np.uint8))
    assert not open_net(tmp_path / "q.param")(np.ones((1, 3, SIDE, SIDE), np.float32)).any()


@pytest.mark.parametrize("kind", ["even", "normal", "outlier"])
def test_the_threshold_makes_the_least_error(kind):
    """Against the error of rounding the numbers themselves; the histogram only knows their bins."""
    rng = np.random.default_rng(4)
    values = {
        "even": rng.random(20000),
        "normal": np.abs(rng.normal(0, 1, 20000)),
        "outlier": np.append(np.abs(rng.normal(0, 1, 20000)), 30),
    }[kind]
    largest = values.max()

    def error(limit):
        step = limit / 127
        return np.mean((np.minimum(np.round(values / step), 127) * step - values) ** 2)

    found = best_threshold(np.histogram(values, 2048, (0, largest))[0].astype(float), largest)
    assert error(found) <= 1.02 * min(error(part * largest) for part in np.linspace(0.05, 1, 191))
    assert (found > 0.98 * largest) == (kind == "even")


def test_weights_of_other_layers_are_refused(tmp_path):
    layers = [convolution(3, 4, kernel=1), NcnnLayer("PReLU", "slopes", ("b",), ("c",), {"0": "4"})]
    source = write(tmp_path / "f.param", layers, random_weights(np.random.default_rng(5), layers), 3)
    source.with_suffix(".bin").write_bytes(source.with_suffix(".bin").read_bytes() + np.ones(4, "<f4").tobytes())
    NcnnNet(source)  # a valid file
    images = np.zeros((1, 3, SIDE, SIDE), np.uint8)
    with pytest.raises(InputError, match=r"f\.param: cannot read its weights; expected weights in Convolution, .*PReLU$"):
        int8_ncnn(source, tmp_path / "q.param", images)
    assert not (tmp_path / "q.param").exists()
    source = write(tmp_path / "g.param", layers[:1], random_weights(np.random.default_rng(5), layers[:1]), 3)
    int8_ncnn(source, tmp_path / "q.param", images)
    with pytest.raises(InputError, match=r"q\.param: is INT8 already"):
        int8_ncnn(tmp_path / "q.param", tmp_path / "r.param", images)
