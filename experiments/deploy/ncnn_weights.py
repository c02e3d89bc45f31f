"""ncnn's ``.bin`` files: the weights of the layers, in the order of their lines in the ``.param`` file.

A layer with weights has these entries, of 4 bytes each unless stated otherwise:

- a tag: 0 before float32 weights, ``INT8_TAG`` before int8 ones
- the weights, a row per output channel or group; int8 weights have one byte each, padded to a multiple of 4 bytes
- the bias, float32, if the layer has one
- the scales of int8 weights, float32: one per row, one for the layer's input, and one for its output if that is also int8

A scale ``s`` maps a number ``x`` to ``round(s x)``, from -127 to 127.
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
    """Names of a layer kind's parameters: the numbers of rows, outputs and weights, and whether it has a bias."""

    rows: str
    outputs: str
    weights: str
    bias: str


KINDS = {
    "Convolution": Kind("0", "0", "6", "5"),
    "ConvolutionDepthWise": Kind("7", "0", "6", "5"),
    "InnerProduct": Kind("0", "0", "2", "1"),
}
"""Kinds of layers whose weights can be read and written."""

INT8 = "8"
"""Parameter of such a layer for its INT8 mode, if it is INT8."""


@dataclass(frozen=True)
class Weights:
    """Weights of a layer: ``matrix`` (rows, n), float32 or int8; ``bias`` (outputs,); the ``scales`` of int8, in order."""

    matrix: NDArray[Any]
    bias: NDArray[np.float32] | None = None
    scales: NDArray[np.float32] | None = None


def read_weights(layers: Sequence[NcnnLayer], content: bytes, name: str) -> dict[str, Weights]:
    """Return layer name -> weights.

    Raises
    ------
    InputError
        If the content does not fit the layers. ``name`` is the file's name in messages.
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
            f"{name}: cannot read its weights; expected weights in {', '.join(KINDS)}, and none in its other layers, "
            f"{', '.join(others)}"
        ) from None
    return found


def weights_bytes(layers: Sequence[NcnnLayer], weights: Mapping[str, Weights]) -> bytes:
    """Return the content of a ``.bin`` file with the weights of these layers."""
    parts = []
    for layer in layers:
        if layer.kind not in KINDS:
            continue
        own = weights[layer.name]
        data = own.matrix.tobytes()
        parts += [struct.pack("<I", INT8_TAG if own.scales is not None else 0), data, bytes(-len(data) % 4)]
        parts += [values.astype("<f4").tobytes() for values in (own.bias, own.scales) if values is not None]
    return b"".join(parts)
