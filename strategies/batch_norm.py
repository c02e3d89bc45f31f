"""BatchNorm statistics in a supernet whose active blocks change."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from torch import nn


class HasModules(Protocol):
    """The part of ``torch.nn.Module`` that this module needs."""

    def modules(self) -> Iterator[nn.Module]: ...


@contextmanager
def batch_statistics(model: HasModules) -> Iterator[None]:
    """Use per-batch statistics in BatchNorm layers without updating the running ones, which average over many paths.

    On a batch of a few hundred inputs, this has the effect of recalibrating a single path.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [(module, module.momentum, module.training) for module in norms]
    for module in norms:
        module.momentum = 0.0
        module.train()
    try:
        yield
    finally:
        for module, momentum, training in before:
            module.momentum = momentum
            module.train(training)
