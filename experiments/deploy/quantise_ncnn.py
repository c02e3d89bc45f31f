"""INT8 files for ncnn, quantised here because ncnn's Python package lacks its quantisation tools.

Weights and the inputs of layers become integers from -127 to 127, weights per output channel, inputs by calibration images,
after :mod:`.equalise_ncnn` has made the channels more equal. A layer's output stays INT8 if only convolutions follow; this
saves 7 to 14 % of the latency and changes no output.

On x86 processors, ncnn adds products in 32 bits, with or without VNNI (its library has no instruction that does so in 16), and
nothing overflows. Dense 3 x 3 convolutions of stride 1 are the exception: ncnn computes them by Winograd's method (Lavin and
Gray 2016), whose intermediate numbers are larger. With 8-bit weights, all at the limit, results were 80 % off; with 6-bit
weights, which ncnn's own tools use there, they were exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...latency import NcnnLayer, NcnnNet, param_text, read_param, weights_beside
from ...search_space.errors import InputError
from .equalise_ncnn import CONVOLUTIONS, Factors, equalised, find_factors
from .ncnn_weights import INT8, Weights, read_weights, weights_bytes
from .quantise import Images

LEVELS = 127
"""Largest integer of a quantised input or weight."""

WINOGRAD_LEVELS = 31
"""Largest integer of a quantised weight of a dense 3 x 3 convolution without stride or dilation."""

BINS = 2048
"""Bins of a histogram of absolute values in a blob."""

THRESHOLDS = np.linspace(0.1, 1, 181)
"""Thresholds to try, as fractions of a blob's largest value."""


def int8_ncnn(source: Path, out: Path, images: Images) -> None:
    """Quantise an ncnn file: write ``out`` and the ``.bin`` file beside it, with the metadata of ``source``.

    Parameters
    ----------
    source
        A float32 file with its ``.bin`` file beside it.
    images
        Calibration faces, uint8 (N, 3, S, S), BGR.

    Raises
    ------
    InputError
        If ncnn is not installed, or ``source`` has weights that cannot be quantised.
    """
    layers, metadata = read_param(source)
    weights = read_weights(layers, weights_beside(source).read_bytes(), str(source))
    if any(own.scales is not None for own in weights.values()):
        raise InputError(f"{source}: is INT8 already; give a float32 file")
    origins = _origins(layers)
    takers = _takers(layers, origins)
    # largest values in the inputs of layers with weights, and the factors of their channels
    net, taken = NcnnNet(source), sorted({origins[layer.inputs[0]] for layer in layers if layer.name in weights})
    largest = _largest(net, images, taken)
    factors = find_factors(layers, takers, largest)
    limits = _limits(net, images, largest, factors)
    quantised_layers, quantised_weights = [], {}
    for layer in layers:
        if layer.name in weights:
            # the output stays INT8 if only convolutions follow
            entry, output = origins[layer.inputs[0]], origins[layer.outputs[0]]
            kinds = {each.kind for each in takers.get(output, ())} if layer.kind in CONVOLUTIONS else set()
            chained = bool(kinds) and kinds <= set(CONVOLUTIONS)
            reached = [limits[entry], limits[output]] if chained else [limits[entry]]
            own = equalised(layer, weights[layer.name], factors.get(entry), factors.get(output))
            quantised_weights[layer.name] = _rounded(own, _levels(layer), reached)
            term = (1 if layer.kind == "ConvolutionDepthWise" else 2) + (100 if chained else 0)
            layer = replace(layer, parameters={**layer.parameters, INT8: str(term)})
        quantised_layers.append(layer)
    weights_beside(out).write_bytes(weights_bytes(quantised_layers, quantised_weights))
    out.write_text(param_text(quantised_layers, metadata), encoding="utf-8")


def best_threshold(counts: NDArray[np.float64], largest: float) -> float:
    """Return the clipping threshold with the lowest mean squared error of rounding to ``LEVELS``.

    Four trained networks, whose float32 files had an NME of 4.5 to 19 %, were quantised with four kinds of thresholds, each on
    two sets of 256 faces. The columns are the NME relative to the float32 files, and the distance from their points in pixels:

    =====================================================  ============  ============
    least squared error per image (used here)              1.00 to 1.01  0.21 to 0.79
    least squared error                                    1.00 to 1.04  0.21 to 1.98
    largest value                                          1.00 to 1.06  0.22 to 2.51
    least KL divergence (used by ncnn's own tools)         1.00 to 1.09  0.26 to 3.00
    =====================================================  ============  ============

    Parameters
    ----------
    counts
        Histogram of absolute values from 0 to ``largest`` without zeros; each image is divided by the sum of its squares.
    """
    middles = (np.arange(len(counts)) + 0.5) * largest / len(counts)
    limits = largest * THRESHOLDS
    # the rounded middle of each bin for each threshold: (thresholds, bins)
    steps = limits[:, None] / LEVELS
    rounded = np.minimum(np.round(middles / steps), LEVELS) * steps
    errors = (rounded - middles) ** 2 @ counts
    return float(limits[errors.argmin()])


def _largest(net: NcnnNet, images: Images, blobs: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Return blob -> largest absolute value in each channel, over all images."""
    found: dict[str, NDArray[np.float32]] = {}
    for image in images:
        for blob, values in zip(blobs, _values(net, image, blobs), strict=True):
            channels = values.reshape(len(values), -1).max(axis=1)
            found[blob] = np.maximum(found.get(blob, channels), channels)
    return found


def _limits(net: NcnnNet, images: Images, largest: Mapping[str, NDArray[np.float32]], factors: Factors) -> dict[str, float]:
    """Return the threshold of each blob after division by its factors."""
    ends = {blob: float((channels / factors.get(blob, 1)).max()) for blob, channels in largest.items()}
    counts = {blob: np.zeros(BINS) for blob in largest}
    for image in images:
        for blob, values in zip(largest, _values(net, image, list(largest)), strict=True):
            equal = values.astype(float)
            if blob in factors:
                equal /= factors[blob].reshape(-1, *[1] * (values.ndim - 1))
            # weight each image by its relative error: the values of some are many times those of others
            power = float((equal**2).sum())
            if power:
                counts[blob] += np.histogram(equal[equal > 0], BINS, (0, ends[blob]))[0] / power
    return {blob: best_threshold(counts[blob], end) if end else 0.0 for blob, end in ends.items()}


def _values(net: NcnnNet, image: NDArray[np.uint8], blobs: Sequence[str]) -> list[NDArray[np.float32]]:
    """Return the absolute values in the blobs of an image."""
    return [np.abs(values) for values in net.blobs(image[None] / np.float32(255), blobs)]


def _origins(layers: Sequence[NcnnLayer]) -> dict[str, str]:
    """Return blob -> the blob that it is a copy of, or itself."""
    origins: dict[str, str] = {}
    for layer in layers:
        for blob in layer.outputs:
            origins[blob] = origins[layer.inputs[0]] if layer.kind == "Split" else blob
    return origins


def _takers(layers: Sequence[NcnnLayer], origins: Mapping[str, str]) -> dict[str, list[NcnnLayer]]:
    """Return blob -> layers whose input is the blob or a copy of it."""
    takers: dict[str, list[NcnnLayer]] = {}
    for layer in layers:
        for blob in layer.inputs if layer.kind != "Split" else ():
            takers.setdefault(origins[blob], []).append(layer)
    return takers


def _levels(layer: NcnnLayer) -> int:
    """Return the largest integer for a layer's weights."""
    # kernel, dilation and stride; files omit vertical values that equal the horizontal ones
    across = layer.number("1"), layer.number("2", 1), layer.number("3", 1)
    down = tuple(layer.number(key, same) for key, same in zip(("11", "12", "13"), across, strict=True))
    return WINOGRAD_LEVELS if layer.kind == "Convolution" and across == down == (3, 1, 1) else LEVELS


def _rounded(weights: Weights, levels: int, limits: Sequence[float]) -> Weights:
    """Round weights to integers; ``limits`` are those of the input and, if it stays INT8, of the output."""
    rows = np.array([_scale(levels, float(limit)) for limit in np.abs(weights.matrix).max(axis=1)], np.float32)
    matrix = np.clip(np.round(weights.matrix * rows[:, None]), -levels, levels).astype(np.int8)
    return Weights(matrix, weights.bias, np.array([*rows, *(_scale(LEVELS, limit) for limit in limits)], np.float32))


def _scale(levels: int, limit: float) -> float:
    """Return the scale that maps ``limit`` to ``levels``; an arbitrary one if all values are zero."""
    return levels / limit if limit else 1.0
