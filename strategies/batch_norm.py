"""BatchNorm in a network whose blocks come and go."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Let BatchNorm layers take the statistics of each batch, and leave their running ones, those of many paths, as they are.

    A batch of some hundred inputs gives what recalibrating a single path on them would.
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
