"""An ONNX file with CenterFace's inputs and outputs, whose faces are where the picture is bright."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STATED = [10, 3, 32, 32]
"""Shape that the published file states for its input, whatever it is run on."""


def centerface(path: Path, height: float, width: float, down: float = 0.0, right: float = 0.0) -> Path:
    """A detector whose faces' middles are in the bright cells of 4 x 4 pixels of the red channel, with the channel as score.

    Boxes have ``height`` and ``width`` pixels of the input; middles are ``down`` and ``right`` of the cells' own, in cells.
    """
    constants = {
        "red": np.array([1, 0, 0], np.float32).reshape(1, 3, 1, 1) / 255,
        "sizes": np.log(np.array([height, width], np.float32) / 4).reshape(1, 2, 1, 1),
        "shifts": np.array([down, right], np.float32).reshape(1, 2, 1, 1),
        "ten": np.zeros((1, 10, 1, 1), np.float32),
        "nil": np.zeros((1, 1, 1, 1), np.float32),
        "one": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Mul", ["input.1", "red"], ["reds"]),
        helper.make_node("ReduceSum", ["reds", "one"], ["grey"], keepdims=1),
        helper.make_node("AveragePool", ["grey"], ["537"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Mul", ["537", "nil"], ["zero"]),
        helper.make_node("Add", ["zero", "sizes"], ["538"]),
        helper.make_node("Add", ["zero", "shifts"], ["539"]),
        helper.make_node("Add", ["zero", "ten"], ["540"]),
    ]
    outputs = {"537": 1, "538": 2, "539": 2, "540": 10}
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(
        nodes,
        "tiny",
        # as in the published file, weights are inputs too
        [
            helper.make_tensor_value_info("input.1", TensorProto.FLOAT, STATED),
            *(helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)) for each in weights),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [10, count, 8, 8]) for name, count in outputs.items()],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path
