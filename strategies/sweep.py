"""Outputs of many subnets of one supernet, each shared beginning run once."""

from collections.abc import Iterator, Sequence
from os.path import commonprefix
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from .batch_norm import batch_statistics


@runtime_checkable
class Chain(Protocol):
    """A supernet whose searched layers follow each other; ``PfldSpace`` is one.

    Attributes
    ----------
    layers
        Searched layers, first to last; each gives its candidate blocks by name.
    """

    layers: Sequence[Any]

    def begin(self, x: Tensor) -> Any:
        """Run what comes before the searched layers; a state."""

    def advance(self, i: int, block: nn.Module, state: Any) -> Any:
        """Run ``block`` in the place of searched layer ``i``; the next state. The old one stays as it was."""

    def end(self, state: Any) -> Tensor:
        """Run what comes after the searched layers; the network's output."""


def outputs(supernet: Chain, x: Tensor, subnets: Sequence[Sequence[str]]) -> Iterator[tuple[int, Tensor]]:
    """Run subnets with the supernet's weights, in the order of their beginnings, which run once each.

    Parameters
    ----------
    supernet
        The network with all candidates.
    x
        Inputs (N, ...).
    subnets
        Names of the blocks, first searched layer to last.

    Yields
    ------
    tuple
        Index in ``subnets``, and the output of that subnet for ``x``.
    """
    states, previous = [supernet.begin(x)], ()
    for index in sorted(range(len(subnets)), key=lambda i: tuple(subnets[i])):
        blocks = tuple(subnets[index])
        del states[len(commonprefix([previous, blocks])) + 1:]
        for i in range(len(states) - 1, len(blocks)):
            states.append(supernet.advance(i, supernet.layers[i][blocks[i]], states[-1]))
        yield index, supernet.end(states[-1])
        previous = blocks


@torch.no_grad()
def sweep(supernet: Chain, x: Tensor, subnets: Sequence[Sequence[str]]) -> Iterator[tuple[int, Tensor]]:
    """Run subnets as :func:`outputs` does, in eval mode and without gradients.

    BatchNorm layers take the statistics of the batch ``x``: those of each subnet's own blocks, as recalibrating it on ``x``
    would give them. All inputs are held at once, so there are some hundred; the running statistics stay as they are.
    """
    supernet.eval()
    with batch_statistics(supernet):
        yield from outputs(supernet, x, subnets)
