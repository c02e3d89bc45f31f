"""Outputs of many subnets of one supernet, each shared beginning run once."""

from collections.abc import Iterator, Sequence
from os.path import commonprefix
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from .batch_norm import batch_statistics


class Layers(Protocol):
    """Searched layers, first to last; each gives its candidate blocks by name, as ``layers[i]["name"]``."""

    def __getitem__(self, i: int, /) -> Any: ...

    def __len__(self) -> int: ...


@runtime_checkable
class LayerSequence(Protocol):
    """A supernet whose searched layers follow each other, so that subnets can share a beginning; ``PfldSpace`` is one.

    ``eval`` and ``modules`` are those of ``torch.nn.Module``.
    """

    @property
    def layers(self) -> Layers:
        """The searched layers."""

    def begin(self, x: Tensor) -> Any:
        """Run what comes before the searched layers; a state."""

    def advance(self, i: int, block: nn.Module, state: Any) -> Any:
        """Run ``block`` in the place of searched layer ``i``; the next state. The old one stays as it was."""

    def end(self, state: Any) -> Tensor:
        """Run what comes after the searched layers; the network's output."""

    def eval(self) -> Any: ...

    def modules(self) -> Iterator[nn.Module]: ...


def outputs(supernet: LayerSequence, x: Tensor, subnets: Sequence[Sequence[str]]) -> Iterator[tuple[int, Tensor]]:
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
    # states[i] is the state before searched layer i of the subnet that ran last
    states = [supernet.begin(x)]
    previous: tuple[str, ...] = ()
    for index in sorted(range(len(subnets)), key=lambda i: tuple(subnets[i])):
        blocks = tuple(subnets[index])
        # go back to the last state that both share, then run the rest
        del states[len(commonprefix([previous, blocks])) + 1 :]
        for i in range(len(states) - 1, len(blocks)):
            states.append(supernet.advance(i, supernet.layers[i][blocks[i]], states[-1]))
        yield index, supernet.end(states[-1])
        previous = blocks


@torch.no_grad()
def sweep(supernet: LayerSequence, x: Tensor, subnets: Sequence[Sequence[str]]) -> Iterator[tuple[int, Tensor]]:
    """Run subnets as :func:`outputs` does, in eval mode and without gradients.

    BatchNorm layers use the statistics of the batch ``x``, as if each subnet had been recalibrated on ``x``. The running
    statistics stay as they are. All inputs are in memory at once, so give it a few hundred.
    """
    supernet.eval()
    with batch_statistics(supernet):
        yield from outputs(supernet, x, subnets)
