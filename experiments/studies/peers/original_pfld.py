"""The original PFLD (Guo et al. 2019, "PFLD: A Practical Facial Landmark Detector"), rebuilt from its table 1."""

import torch
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual

from ....search_space.blocks import Conv
from ....search_space.errors import InputError

STRIDE = 16
"""Stride of the backbone's last map (S/16), which the last convolution's kernel covers completely."""


class OriginalPfld(nn.Module):
    """The backbone of the original PFLD with its multi-scale fully connected layer; a ``LandmarkNetwork``.

    It has MobileNetV2's bottlenecks (Sandler et al. 2018, section 3) with the expansions, channels, repeats and strides of the
    paper's table 1. It does not include the paper's auxiliary branch, which predicts head angles during training only. Scales
    S1 and S2 reach the last layer as means over their maps; the paper does not specify this step.

    Parameters
    ----------
    width
        Factor of all channels: 1 for the paper's PFLD 1X, 0.25 for its PFLD 0.25X.
    num_points
        Number of landmarks.
    input_size
        Side of the input image in pixels.

    Raises
    ------
    InputError
        If ``input_size`` is not a multiple of 32.
    """

    def __init__(self, width: float = 1.0, num_points: int = 106, input_size: int = 112):
        super().__init__()
        if input_size % STRIDE or input_size < 2 * STRIDE:
            raise InputError(f"input size {input_size} does not fit PFLD; give a multiple of {STRIDE} from {2 * STRIDE}")
        self.num_points = num_points
        self.input_size = input_size
        self.feature_channels = round(64 * width)
        first, middle, scale1, scale2, scale3 = (round(channels * width) for channels in (64, 128, 16, 32, 128))
        # 3 x S x S -> 64 x S/4 x S/4
        self.shallow = nn.Sequential(
            Conv(3, first, 3, 2),
            Conv(first, first, 3, groups=first),
            *_bottlenecks(first, first, expand=2, repeats=5, stride=2),
        )
        # -> 16 x S/8 x S/8, scale S1
        self.deep = nn.Sequential(
            *_bottlenecks(first, middle, expand=2, repeats=1, stride=2),
            *_bottlenecks(middle, middle, expand=4, repeats=6, stride=1),
            *_bottlenecks(middle, scale1, expand=2, repeats=1, stride=1),
        )
        # -> 32 x S/16 x S/16, scale S2
        self.scale2 = Conv(scale1, scale2, 3, 2)
        # -> 128 x 1 x 1, scale S3: the kernel is the whole map
        self.scale3 = nn.Sequential(nn.Conv2d(scale2, scale3, input_size // STRIDE), nn.ReLU(inplace=True))
        self.points = nn.Linear(scale1 + scale2 + scale3, 2 * num_points)

    def forward_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return landmarks (N, 2 * num_points) and features (N, feature_channels, S/4, S/4)."""
        features: Tensor = self.shallow(x)
        scale1 = self.deep(features)
        scale2 = self.scale2(scale1)
        scales = (scale1.mean((2, 3)), scale2.mean((2, 3)), self.scale3(scale2).flatten(1))
        points: Tensor = self.points(torch.cat(scales, dim=1))
        return points, features

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x)[0]


def _bottlenecks(inputs: int, outputs: int, expand: int, repeats: int, stride: int) -> list[nn.Module]:
    """Make a row of table 1: the first bottleneck has the stride and changes the channels, the others keep both."""
    first = InvertedResidual(inputs, outputs, stride, expand)
    return [first, *(InvertedResidual(outputs, outputs, 1, expand) for _ in range(repeats - 1))]
