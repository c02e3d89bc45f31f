"""Latencies from the fitted model: of a block, of a plain network, and of all rows of a table."""

from collections.abc import Mapping
from functools import cache

import pandas as pd
import torch
from torch import nn

from ...search_space.registry import BLOCKS, FAMILIES, HEADS, PARTS, build
from ...search_space.signature import Signature
from ...search_space.spec import SpaceSpec
from .fit import THREADS, fit, work_of
from .kept import cached_copies
from .lower import Layer, lower

LANDMARKS = (68, 98, 106)
"""Default landmark counts of :func:`table_signatures`."""

ROUNDING_US = 1e-3
"""Largest difference by rounding between a row and the model, in microseconds."""


@cache
def block_layers(signature: Signature) -> tuple[Layer, ...]:
    """The engine's layers of a block or fixed part.

    Raises
    ------
    InputError
        If the signature's block is not in the registry or cannot be built.
    """
    size = signature.size
    with torch.device("meta"):  # shapes are enough
        layers = lower(build(signature), signature.in_channels, size, size)
    if signature.op in HEADS:  # the network concatenates their input; that belongs to their row
        elements = signature.in_channels * size * size
        layers = [Layer("mov", 0, elements, elements), *layers]
    return tuple(layers)


@cached_copies
def block_work(signature: Signature) -> pd.Series:
    """Sum of the features of a block's layers, see :func:`~fbnet_pfld.latency.a53_model.fit.features`."""
    return work_of(block_layers(signature))


def block_us(signature: Signature, threads: int) -> float:
    """Modelled latency of a block or fixed part, in microseconds."""
    return fit(threads).us_of_work(block_work(signature))


def whole_network_us(module: nn.Module, input_size: int, threads: int) -> float:
    """Modelled Snapdragon 625 latency of a plain network for one image, in microseconds.

    The model is additive: a built subnet takes the sum of its rows in a table of the same fit.

    Parameters
    ----------
    module
        Maps float (1, 3, input_size, input_size) to anything.
    input_size
        Side of the image, in pixels.
    threads
        1 or 4.

    Raises
    ------
    InputError
        If the network has an operation that the model does not know, or ``threads`` is neither 1 nor 4.
    """
    return fit(threads).us(lower(module, 3, input_size, input_size))


def follows_model(rows: Mapping[Signature, float], threads: int) -> bool:
    """Whether a table's rows are those of the fitted model at ``threads`` threads, so that the two are comparable."""
    known = threads in THREADS and all(key.op in BLOCKS | PARTS for key in rows)
    return known and bool(rows) and all(abs(block_us(key, threads) - us) <= ROUNDING_US for key, us in rows.items())


def table_signatures(
    space: SpaceSpec, landmarks: tuple[int, ...] = LANDMARKS, input_size: int | None = None
) -> list[Signature]:
    """Every registered block at every position that ``space`` searches, and its fixed parts for each landmark count, sorted.

    Raises
    ------
    InputError
        If the number of landmarks is below 1, or the input size does not fit the space.
    """
    found: set[Signature] = set()
    for count in landmarks:
        layout = space.layout(count, input_size)
        found.update(layout.fixed())
        for candidates in layout.layers.values():
            place = next(iter(candidates.values()))
            family = next(family for family in FAMILIES if place.op in family)
            found.update(Signature(op, place.in_channels, place.out_channels, place.stride, place.size) for op in family)
    return sorted(found)
