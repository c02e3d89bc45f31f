"""INT8 files for ncnn, quantised here: ncnn's Python package lacks the tools that do it.

Weights and the inputs of layers become whole numbers from -127 to 127, weights by output channel, inputs by calibration images,
after :mod:`.equalise_ncnn` has made channels more equal.
A layer's output stays INT8 if only convolutions take it; this saves 7 to 14 % of the time and changes no output.

On x86 processors ncnn adds up products in 32 bits, with VNNI or without (its library has no instruction that does so in 16),
and nothing overflows. Dense 3 x 3 convolutions of stride 1 are the exception: it computes them by Winograd's method (Lavin and
Gray 2016), whose numbers are larger. With weights of 8 bits, all at the limit, results were 80 % off; with weights of 6 bits,
which ncnn's own tools take there, they were exact.
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
"""Largest whole number that an input or a weight becomes."""

WINOGRAD_LEVELS = 31
"""The same of weights of dense 3 x 3 convolutions without stride or dilation."""

BINS = 2048
"""Bins of a histogram of absolute numbers in a blob."""

THRESHOLDS = np.linspace(0.1, 1, 181)
"""Parts of a blob's largest number that are tried as its threshold."""


def int8_ncnn(source: Path, out: Path, images: Images) -> None:
    """Quantise a ncnn file: ``out`` and the ``.bin`` file beside, with the metadata of ``source``.

    Parameters
    ----------
    source
        A float32 file with its ``.bin`` file beside.
    images
        Faces that show the numbers in each blob, uint8 (N, 3, S, S), BGR.

    Raises
    ------
    InputError
        If ncnn is not installed, or ``source`` has weights that cannot be quantised.
    """
    layers, metadata = read_param(source)
    weights = read_weights(layers, weights_beside(source).read_bytes(), str(source))
    if any(own.scales is not None for own in weights.values()):
        raise InputError(f"{source}: INT8 already; allowed: a float32 file")
    origins = _origins(layers)
    takers = _takers(layers, origins)
    # what the images show of the blobs that layers with weights take, and what divides their channels
    net, taken = NcnnNet(source), sorted({origins[layer.inputs[0]] for layer in layers if layer.name in weights})
    largest = _largest(net, images, taken)
    factors = find_factors(layers, takers, largest)
    limits = _limits(net, images, largest, factors)
    quantised_layers, quantised_weights = [], {}
    for layer in layers:
        if layer.name in weights:
            # the output stays INT8 if there are convolutions after it and nothing else
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
    """The number beyond which others are cut off, so that rounding to ``LEVELS`` makes the least mean squared error.

    Four trained networks, whose float32 files had an NME of 4.5 to 19 %, were quantised with four kinds of thresholds, each by
    two sets of 256 faces. By comparison with the float32 files, this was the NME, and so many pixels away were the points:

    =====================================================  ============  ============
    the least squared error by image, as here              1.00 to 1.01  0.21 to 0.79
    the least squared error                                1.00 to 1.04  0.21 to 1.98
    the largest number                                     1.00 to 1.06  0.22 to 2.51
    the least KL divergence, as ncnn's own tools have it   1.00 to 1.09  0.26 to 3.00
    =====================================================  ============  ============

    Parameters
    ----------
    counts
        Histogram of absolute numbers from 0 to ``largest``, zeros left out; those of an image over the sum of its squares.
    """
    middles = (np.arange(len(counts)) + 0.5) * largest / len(counts)
    limits = largest * THRESHOLDS
    # what rounding makes of the middle of each bin, for each threshold: (thresholds, bins)
    steps = limits[:, None] / LEVELS
    rounded = np.minimum(np.round(middles / steps), LEVELS) * steps
    errors = (rounded - middles) ** 2 @ counts
    return float(limits[errors.argmin()])


def _largest(net: NcnnNet, images: Images, blobs: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Blob -> largest absolute number in each channel, over all images."""
    found: dict[str, NDArray[np.float32]] = {}
    for image in images:
        for blob, values in zip(blobs, _values(net, image, blobs), strict=True):
            channels = values.reshape(len(values), -1).max(axis=1)
            found[blob] = np.maximum(found.get(blob, channels), channels)
    return found


def _limits(net: NcnnNet, images: Images, largest: Mapping[str, NDArray[np.float32]], factors: Factors) -> dict[str, float]:
    """Threshold of each blob after division by its factors."""
    ends = {blob: float((channels / factors.get(blob, 1)).max()) for blob, channels in largest.items()}
    counts = {blob: np.zeros(BINS) for blob in largest}
    for image in images:
        for blob, values in zip(largest, _values(net, image, list(largest)), strict=True):
            equal = values.astype(float)
            if blob in factors:
                equal /= factors[blob].reshape(-1, *[1] * (values.ndim - 1))
            # an image counts by its share of error: the numbers of some are many times those of others
            power = float((equal**2).sum())
            if power:
                counts[blob] += np.histogram(equal[equal > 0], BINS, (0, ends[blob]))[0] / power
    return {blob: best_threshold(counts[blob], end) if end else 0.0 for blob, end in ends.items()}


def _values(net: NcnnNet, image: NDArray[np.uint8], blobs: Sequence[str]) -> list[NDArray[np.float32]]:
    """Absolute numbers in the blobs of an image."""
    return [np.abs(values) for values in net.blobs(image[None] / np.float32(255), blobs)]


def _origins(layers: Sequence[NcnnLayer]) -> dict[str, str]:
    """Blob -> itself, or the one that it is a copy of."""
    origins: dict[str, str] = {}
    for layer in layers:
        for blob in layer.outputs:
            origins[blob] = origins[layer.inputs[0]] if layer.kind == "Split" else blob
    return origins


def _takers(layers: Sequence[NcnnLayer], origins: Mapping[str, str]) -> dict[str, list[NcnnLayer]]:
    """Blob -> layers that take it, copies of it included."""
    takers: dict[str, list[NcnnLayer]] = {}
    for layer in layers:
        for blob in layer.inputs if layer.kind != "Split" else ():
            takers.setdefault(origins[blob], []).append(layer)
    return takers


def _levels(layer: NcnnLayer) -> int:
    """Largest whole number for weights of a layer."""
    # kernel, dilation and stride, of which the vertical ones are left out where they are equal to the horizontal ones
    across = layer.number("1"), layer.number("2", 1), layer.number("3", 1)
    down = tuple(layer.number(key, same) for key, same in zip(("11", "12", "13"), across, strict=True))
    return WINOGRAD_LEVELS if layer.kind == "Convolution" and across == down == (3, 1, 1) else LEVELS


def _rounded(weights: Weights, levels: int, limits: Sequence[float]) -> Weights:
    """Weights as whole numbers; ``limits`` are those of the input and, if it stays INT8, of the output."""
    rows = np.array([_scale(levels, float(limit)) for limit in np.abs(weights.matrix).max(axis=1)], np.float32)
    matrix = np.clip(np.round(weights.matrix * rows[:, None]), -levels, levels).astype(np.int8)
    return Weights(matrix, weights.bias, np.array([*rows, *(_scale(LEVELS, limit) for limit in limits)], np.float32))


def _scale(levels: int, limit: float) -> float:
    """Scale that maps ``limit`` to ``levels``; any will do where all numbers are zero."""
    return levels / limit if limit else 1.0
