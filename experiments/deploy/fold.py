"""Prepare a trained network for deployment: fold BatchNorms into their convolutions, and zero denormal weights."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

DENORMAL = 1e-30
"""Smaller weights are set to zero: denormals make a CPU several times slower and change nothing."""


def deployable(model: nn.Module) -> nn.Module:
    """Return a copy of a network for inference on the CPU: folded, float32, in eval mode, without denormal weights.

    A BatchNorm that follows a convolution in an ``nn.Sequential``, like all in this package, is folded into its weights
    (Jacob et al. 2018, section 3.2).
    """
    model = copy.deepcopy(model).cpu().float().eval()
    for module in list(model.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    zero_denormals(model)
    return model


def _fold(sequence: nn.Sequential) -> None:
    layers = list(sequence.named_children())
    for (before, conv), (after, norm) in zip(layers, layers[1:], strict=False):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(sequence, before, fuse_conv_bn_eval(conv, norm))
            setattr(sequence, after, nn.Identity())


def zero_denormals(model: nn.Module) -> int:
    """Set every parameter and buffer entry with ``|w| < 1e-30`` to zero in place; return how many changed."""
    changed = 0
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tiny = (tensor.abs() < DENORMAL) & (tensor != 0)
            changed += int(tiny.sum())
            tensor[tiny] = 0.0
    return changed
