"""Structural re-parameterisation: parallel branches in training, one convolution in the exported file.

Source: Ding et al. 2021, RepVGG, section 3.3; Vasu et al. 2023, MobileOne, section 3.2.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ....search_space.blocks import Conv


class RepConv(nn.Module):
    """Sum of parallel linear branches with a BatchNorm each, which folds into one convolution after the training.

    The branches are ``copies`` k x k convolutions, a 1 x 1 convolution if k > 1, and the input itself if the shapes allow it.

    Parameters
    ----------
    conv
        The convolution to replace, without bias or dilation; its kernel is odd and its padding keeps the size.
    copies
        Number of k x k branches.
    """

    def __init__(self, conv: nn.Conv2d, copies: int):
        super().__init__()
        width, out = conv.in_channels, conv.out_channels
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        self.kernel = kernel
        kernels = [kernel] * copies + ([1] if kernel > 1 else [])
        self.branches = nn.ModuleList(Conv(width, out, k, stride, groups=conv.groups, relu=False) for k in kernels)
        self.identity = nn.BatchNorm2d(out) if stride == 1 and width == out else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, S, S) to (N, out, ceil(S / stride), ceil(S / stride))."""
        y: Tensor = sum((branch(x) for branch in self.branches[1:]), self.branches[0](x))
        return y if self.identity is None else y + self.identity(x)

    def folded(self) -> nn.Conv2d:
        """Return the convolution, with bias, that computes the same as the branches in eval mode."""
        # fold each BatchNorm into its convolution; the identity is a 1 x 1 convolution by the unit matrix
        pairs = [(cast(Conv, branch)[0], cast(Conv, branch)[1]) for branch in self.branches.eval()]
        fused = [fuse_conv_bn_eval(cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, norm)) for conv, norm in pairs]
        first = fused[0]
        if self.identity is not None:
            unit = nn.Conv2d(first.in_channels, first.out_channels, 1, groups=first.groups, bias=False)
            nn.init.dirac_(unit.weight, first.groups)
            fused.append(fuse_conv_bn_eval(unit.eval(), self.identity.eval()))
        # pad the small kernels to the large one, and add up
        weights = [F.pad(each.weight, [(self.kernel - each.kernel_size[0]) // 2] * 4) for each in fused]
        result = nn.Conv2d(
            first.in_channels, first.out_channels, self.kernel, first.stride[0], self.kernel // 2, groups=first.groups
        )
        result.weight = nn.Parameter(torch.stack(weights).sum(0).detach())
        result.bias = nn.Parameter(torch.stack([cast(Tensor, each.bias) for each in fused]).sum(0).detach())
        return result


def reparameterise(model: nn.Module, copies: int, depthwise_only: bool = False) -> nn.Module:
    """Replace every convolution with BatchNorm by a :class:`RepConv`, in place; return ``model``.

    Dilated convolutions are not replaced.
    """
    for module in list(model.modules()):
        if not isinstance(module, Conv):
            continue
        conv = module[0]
        assert isinstance(conv, nn.Conv2d)
        if conv.dilation == (1, 1) and (conv.groups > 1 or not depthwise_only):
            module[0], module[1] = RepConv(conv, copies), nn.Identity()
    return model


def fold_branches(model: nn.Module) -> nn.Module:
    """Replace every :class:`RepConv` by its folded convolution, in place; return ``model``."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, RepConv):
                setattr(module, name, child.folded())
    return model
