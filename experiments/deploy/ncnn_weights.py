"""ncnn's ``.bin`` files: the weights of the layers, in the order of their lines in the ``.param`` file.

A layer with weights has these entries, of 4 bytes each unless said otherwise:

- a tag: 0 before float32 weights, ``INT8_TAG`` before int8 ones
- the weights, a row for each output channel or group; int8 ones have a byte each, filled up to a multiple of 4 bytes
- the bias, float32, if the layer has one
- the scales of int8 weights, float32: one per row, one for the layer's input, and one for its output if that is int8 as well

A scale ``s`` makes ``round(s x)`` of a number ``x``, from -127 to 127.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...latency import NcnnLayer
from ...search_space.errors import InputError

INT8_TAG = 0x000D4B38


@dataclass(frozen=True)
class Kind:
    """What a kind of layer calls its parameters: the numbers of rows, outputs and weights, and whether it has a bias."""

    rows: str
    outputs: str
    weights: str
    bias: str


KINDS = {
    "Convolution": Kind("0", "0", "6", "5"),
    "ConvolutionDepthWise": Kind("7", "0", "6", "5"),
    "InnerProduct": Kind("0", "0", "2", "1"),
}
"""The kinds of layers whose weights are known here."""

INT8 = "8"
"""Parameter of such a layer that says how its numbers are INT8, if they are."""


@dataclass(frozen=True)
class Weights:
    """Weights of a layer: ``matrix`` (rows, n), float32 or int8; ``bias`` (outputs,); the ``scales`` of int8 ones, in order."""

    matrix: NDArray[Any]
    bias: NDArray[np.float32] | None = None
    scales: NDArray[np.float32] | None = None


def read_weights(layers: Sequence[NcnnLayer], content: bytes, name: str) -> dict[str, Weights]:
    """Weights by the name of their layer.

    Raises
    ------
    InputError
        If the content is not that of such layers. ``name`` is the file in messages.
    """
    at, found = 0, {}

    def take(dtype: str, count: int) -> NDArray[Any]:
        nonlocal at
        values = np.frombuffer(content, dtype, count, at)
        at += values.nbytes + -values.nbytes % 4
        return values

    try:
        for layer in layers:
            if layer.kind not in KINDS:
                continue
            kind = KINDS[layer.kind]
            rows, term = layer.number(kind.rows), layer.number(INT8)
            if take("<u4", 1)[0] != (INT8_TAG if term else 0):
                raise ValueError
            matrix = take("<i1" if term else "<f4", layer.number(kind.weights)).reshape(rows, -1)
            bias = take("<f4", layer.number(kind.outputs)) if layer.number(kind.bias) else None
            scales = take("<f4", rows + 1 + (term > 100)) if term else None
            found[layer.name] = Weights(matrix, bias, scales)
        if at != len(content):
            raise ValueError
    except ValueError:
        others = sorted({layer.kind for layer in layers} - KINDS.keys())
        raise InputError(
            f"{name}: cannot read its weights; allowed: weights in {', '.join(KINDS)}, and none in its other layers, "
            f"{', '.join(others)}"
        ) from None
    return found


def weights_bytes(layers: Sequence[NcnnLayer], weights: Mapping[str, Weights]) -> bytes:
    """The content of a ``.bin`` file with the weights of these layers."""
    parts = []
    for layer in layers:
        if layer.kind not in KINDS:
            continue
        own = weights[layer.name]
        data = own.matrix.tobytes()
        parts += [struct.pack("<I", INT8_TAG if own.scales is not None else 0), data, bytes(-len(data) % 4)]
        parts += [values.astype("<f4").tobytes() for values in (own.bias, own.scales) if values is not None]
    return b"".join(parts)
