"""ONNX files of a few nodes in place of networks and a face detector, and a picture for them: outputs known beforehand."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
SIDE = 640


def _save(path: Path, nodes, inputs, outputs, constants) -> Path:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def constant_network(path: Path, points, size: int = 112, shape=None) -> Path:
    """A network that predicts the same normalised points (P, 2) for every image."""
    shape = shape or [1, 3, size, size]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nil"], ["zero"]),
        helper.make_node("Add", ["points", "zero"], ["landmarks"]),
    ]
    values = np.asarray(points, np.float32).reshape(1, -1)
    return _save(path, nodes, {"image": shape}, {"landmarks": list(values.shape)}, {"points": values, "nil": 0.0})


def centre_network(path: Path, size: int = 112) -> Path:
    """A network that predicts one point, the centre of mass of the brightness; pixel i reaches from i to i + 1."""
    middles = (np.arange(size) + 0.5) / size
    constants = {"x": np.broadcast_to(middles, (1, 3, size, size)), "y": np.broadcast_to(middles[:, None], (1, 3, size, size))}
    nodes = [helper.make_node("ReduceSum", ["image"], ["mass"], keepdims=0)]
    for axis in "xy":
        nodes += [
            helper.make_node("Mul", ["image", axis], [f"{axis}_moments"]),
            helper.make_node("ReduceSum", [f"{axis}_moments"], [f"{axis}_moment"], keepdims=0),
            helper.make_node("Div", [f"{axis}_moment", "mass"], [f"{axis}_centre"]),
            helper.make_node("Reshape", [f"{axis}_centre", "one_by_one"], [f"{axis}_out"]),
        ]
    nodes.append(helper.make_node("Concat", ["x_out", "y_out"], ["landmarks"], axis=1))
    nodes.insert(0, helper.make_node("Constant", [], ["one_by_one"], value_ints=[1, 1]))
    return _save(path, nodes, {"image": [1, 3, size, size]}, {"landmarks": [1, 2]}, constants)


def yunet(path: Path, faces) -> Path:
    """A detector with YuNet's outputs, which finds the same boxes (x, y, w, h, score) in every 640 x 640 picture."""
    constants, outputs = {"nil": 0.0}, {}
    for stride in STRIDES:
        cells = (SIDE // stride) ** 2
        for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            constants[f"{name}_{stride}_values"] = np.zeros((1, cells, width), np.float32)
            outputs[f"{name}_{stride}"] = [1, cells, width]
    for i, (x, y, w, h, score) in enumerate(faces):
        stride = STRIDES[i % 3]
        across, down = (x + w / 2) / stride, (y + h / 2) / stride
        cell = int(down) * (SIDE // stride) + int(across)
        constants[f"cls_{stride}_values"][0, cell] = constants[f"obj_{stride}_values"][0, cell] = score
        constants[f"bbox_{stride}_values"][0, cell] = across % 1, down % 1, np.log(w / stride), np.log(h / stride)
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nil"], ["zero"]),
        *(helper.make_node("Add", [f"{name}_values", "zero"], [name]) for name in outputs),
    ]
    return _save(path, nodes, {"input": [1, 3, SIDE, SIDE]}, outputs, constants)


def blob(width, height, x, y, spread=6.0):
    """A picture, black but for a bright blob around (x, y), pixel i reaching from i to i + 1."""
    across, down = np.arange(width) + 0.5 - x, np.arange(height)[:, None] + 0.5 - y
    bright = 250 * np.exp(-(across**2 + down**2) / (2 * spread**2))
    return np.repeat(bright[..., None], 3, axis=2).round().astype(np.uint8)
