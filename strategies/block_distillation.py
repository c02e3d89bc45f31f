"""Block-wise distillation: every candidate learns independently to reproduce the output of the teacher's block in its layer.

Sources: Li et al. 2020 (DNA), section 3.2; Moons et al. 2021 (DONNA), section 3.1. There, a block gets the teacher's input.
Here, half of the time it gets the input of a random path, as it will in a subnet.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from ..search_space.errors import InputError
from .distances import relative_error, tensors_of
from .path_layer import PathLayer

Call = tuple[tuple[Tensor, ...], object]
"""Inputs and output of a layer."""


def not_once(calls: Sequence[Sequence[Call]], layers: Sequence[PathLayer]) -> str:
    """Describe the first layer that did not run exactly once, which distillation cannot train; empty if every layer did."""
    return next(
        (
            f"layer {layer.label!r} runs {len(own)} times on a path"
            for own, layer in zip(calls, layers, strict=True)
            if len(own) != 1
        ),
        "",
    )


def distillation_errors(
    layers: Sequence[PathLayer], teacher: Mapping[str, str], taught: Sequence[Call], others: Sequence[Call]
) -> Iterator[tuple[PathLayer, dict[str, Tensor]]]:
    """Compute the errors of each layer's candidates, except the teacher's block and blocks without weights, such as a skip.

    Parameters
    ----------
    layers
        Searched layers.
    teacher
        Label -> block of the teacher.
    taught, others
        Inputs and output of each layer on the teacher's path, and on a random path.

    Yields
    ------
    tuple
        The layer, and block -> mean of :func:`relative_error` over the block's outputs, a scalar with gradient to the block.

    Raises
    ------
    InputError
        If the shape of a candidate's output differs from the teacher's.
    """
    from_others = torch.rand(len(layers)) < 0.5
    for layer, (own, target), (other, _), random in zip(layers, taught, others, from_others.tolist(), strict=True):
        errors: dict[str, Tensor] = {}
        for name in layer.names:
            if name == teacher[layer.label] or next(layer[name].parameters(), None) is None:
                continue
            outputs, targets = tensors_of(layer[name](*(other if random else own))), tensors_of(target)
            _check_shapes(layer.label, name, outputs, teacher[layer.label], targets)
            errors[name] = torch.stack([relative_error(*pair) for pair in zip(outputs, targets, strict=True)]).mean()
        yield layer, errors


def _check_shapes(label: str, name: str, outputs: list[Tensor], teacher: str, targets: list[Tensor]) -> None:
    found, wanted = ([tuple(tensor.shape) for tensor in tensors] for tensors in (outputs, targets))
    if found != wanted:
        raise InputError(
            f"layer {label!r}: the output of block {name!r} has shape {_shown(found)}, that of the teacher's "
            f"block {teacher!r} has {_shown(wanted)}; all blocks of a layer must have outputs of the same shape"
        )


def _shown(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))
