"""Count the parameters and multiply-accumulates of a network."""

from typing import Any

import torch
from torch import nn


def count_parameters(model: nn.Module) -> int:
    """Number of parameters, including BatchNorm weights and biases but no buffers."""
    return sum(p.numel() for p in model.parameters())


@torch.no_grad()
def count_macs(model: nn.Module, input_size: int = 112) -> int:
    """Multiply-accumulates of the convolutions and linear layers for one 3 x input_size x input_size image."""
    total = 0

    def add(module: nn.Conv2d | nn.Linear, _inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        nonlocal total
        positions = output.shape[2] * output.shape[3] if isinstance(module, nn.Conv2d) else 1
        total += module.weight.numel() * positions

    hooks = [m.register_forward_hook(add) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    training = model.training
    try:
        parameter = next(model.parameters())
        model.eval()(torch.zeros(1, 3, input_size, input_size, dtype=parameter.dtype, device=parameter.device))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return total


def count(model: nn.Module, input_size: int = 112) -> tuple[int, int]:
    """Count the parameters and multiply-accumulates (MACs) of a network.

    Parameters
    ----------
    model
        The network.
    input_size
        Side of the input image, in pixels.

    Returns
    -------
    tuple
        Number of parameters, without buffers, and MACs of the convolutions and linear layers for one image.
    """
    return count_parameters(model), count_macs(model, input_size)
