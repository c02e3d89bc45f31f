"""Distance between network outputs."""

from typing import Any

from torch import Tensor
from torch.nn import functional


def relative_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over the variance of ``target``, a scalar; 1 if ``output`` is the target's mean everywhere."""
    output, target = output.float(), target.float()
    return functional.mse_loss(output, target) / target.var().clamp_min(1e-12)


def tensors_of(output: Any) -> list[Tensor]:
    """Return a block's output, a tensor or a tuple of tensors, as a list."""
    return list(output) if isinstance(output, (tuple, list)) else [output]
