"""Run many subnets of a supernet; layers that they share at the start run once."""

from collections.abc import Iterator, Sequence
from os.path import commonprefix
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from .batch_norm import batch_statistics


class Layers(Protocol):
    """Searched layers, first to last; ``layers[i]["name"]`` is a candidate block."""

    def __getitem__(self, i: int, /) -> Any: ...

    def __len__(self) -> int: ...


@runtime_checkable
class LayerSequence(Protocol):
    """Interface of a supernet whose searched layers form a chain, so that subnets can share their first layers.

    ``PfldSpace`` implements it. ``eval`` and ``modules`` are those of ``torch.nn.Module``.
    """

    @property
    def layers(self) -> Layers:
        """The searched layers."""

    def begin(self, x: Tensor) -> Any:
        """Run the parts before the searched layers and return a state."""

    def advance(self, i: int, block: nn.Module, state: Any) -> Any:
        """Run ``block`` as searched layer ``i`` and return the next state; the old one stays unchanged."""

    def end(self, state: Any) -> Tensor:
        """Run the parts after the searched layers and return the network's output."""

    def eval(self) -> Any: ...

    def modules(self) -> Iterator[nn.Module]: ...


def outputs(supernet: LayerSequence, x: Tensor, subnets: Sequence[Sequence[str]]) -> Iterator[tuple[int, Tensor]]:
    """Run subnets in an order that lets shared first layers run once; see :func:`sweep` for parameters and results."""
    # states[i] is the state before searched layer i of the last subnet
    states = [supernet.begin(x)]
    previous: tuple[str, ...] = ()
    for index in sorted(range(len(subnets)), key=lambda i: tuple(subnets[i])):
        blocks = tuple(subnets[index])
        # return to the last state that both subnets share, then run the rest
        del states[len(commonprefix([previous, blocks])) + 1 :]
        for i in range(len(states) - 1, len(blocks)):
            states.append(supernet.advance(i, supernet.layers[i][blocks[i]], states[-1]))
        yield index, supernet.end(states[-1])
        previous = blocks


@torch.no_grad()
def sweep(supernet: LayerSequence, x: Tensor, subnets: Sequence[Sequence[str]]) -> Iterator[tuple[int, Tensor]]:
    """Run subnets with the supernet's weights, in eval mode and without gradients; shared first layers run once.

    BatchNorm layers use the statistics of the batch ``x``, as if each subnet had been recalibrated on ``x``. The running
    statistics stay unchanged. All inputs are in memory at once, so pass a few hundred.

    Parameters
    ----------
    supernet
        Network with all candidates.
    x
        Inputs (N, ...).
    subnets
        Names of the blocks, first searched layer to last.

    Yields
    ------
    tuple
        Index in ``subnets``, and the output of that subnet for ``x``.
    """
    supernet.eval()
    with batch_statistics(supernet):
        yield from outputs(supernet, x, subnets)
