"""How far one output is from another."""

from typing import Any

from torch import Tensor
from torch.nn import functional


def relative_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over the variance of ``target``, a scalar: 1 for a constant at its mean, whatever its scale."""
    output, target = output.float(), target.float()
    return functional.mse_loss(output, target) / target.var().clamp_min(1e-12)


def tensors_of(output: Any) -> list[Tensor]:
    """What a block returns, a tensor or a tuple of tensors, as a list."""
    return list(output) if isinstance(output, (tuple, list)) else [output]
