"""The two baselines for comparison with searched subnets; both are a :class:`~.network.LandmarkNetwork`."""

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig
from torchvision.ops import Conv2dNormActivation

from .blocks import Conv, SepConv
from .errors import InputError

STRIDE = 16


def _check(num_points: int, input_size: int) -> None:
    if num_points < 1:
        raise InputError(f"num_points is {num_points}; must be 1 or more")
    if input_size < 2 * STRIDE or input_size % STRIDE:
        raise InputError(f"input size {input_size} does not fit the baseline; allowed: multiples of {STRIDE} from {2 * STRIDE}")


class PfldLite(nn.Module):
    """The small depthwise-separable PFLD that the reference calls its "MobileNet-V3 PFLD" baseline.

    Rebuilt from the published graph of the *lite* network of Hsintao/pfld_106_face_landmarks: 265,604 parameters and 77.4 M
    MACs with 106 points at 112x112.

    Parameters
    ----------
    num_points
        Number of landmarks.
    input_size
        Side of the input image, in pixels.

    Raises
    ------
    InputError
        If ``num_points`` is less than 1, or ``input_size`` is less than 32 or not a multiple of 16.
    """

    def __init__(self, num_points: int = 106, input_size: int = 112):
        super().__init__()
        _check(num_points, input_size)
        self.num_points = num_points
        self.input_size = input_size
        self.feature_channels = 64
        sep = partial(SepConv, size=0)  # a separable convolution ignores the map's size
        self.stage1 = nn.Sequential(
            Conv(3, 16, 3),
            sep(16, 32, 1),
            sep(32, 32, 2),
            sep(32, 32, 1),
            sep(32, 64, 2),
            sep(64, 64, 1),
            sep(64, 64, 1),
            sep(64, 64, 1),
        )
        self.stage2 = nn.Sequential(
            sep(64, 128, 2),
            sep(128, 128, 1),
            sep(128, 128, 1),
            sep(128, 256, 1),
            sep(256, 256, 1),
        )
        self.tap1 = nn.Conv2d(64, 16, 3, padding=1)
        self.tap2 = nn.Conv2d(256, 64, 1)
        self.tap3 = nn.Sequential(
            nn.Conv2d(256, 64, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, 3, 2, 1, groups=64),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 128, 1),
        )
        self.points = nn.Linear(16 + 64 + 128, 2 * num_points)

    def forward_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return landmarks (N, 2 * num_points) and features (N, 64, S/4, S/4)."""
        features: Tensor = self.stage1(x)
        deep = self.stage2(features)
        scales = (self.tap1(features), self.tap2(deep), self.tap3(deep))
        points: Tensor = self.points(torch.cat([scale.mean((2, 3)) for scale in scales], dim=1))
        return points, features

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x)[0]


_Rows = tuple[tuple[int, int, int, int, bool, str, int], ...]

# MobileNetV3-Large (Howard et al. 2019, table 1) up to its 160-channel layers. The second and the last downsampling
# are omitted, as PFLD does for its 112x112 inputs: maps of 28 and 14 pixels carry the points.
# input, kernel, expanded, output channels, squeeze-and-excitation, activation, stride
_V3_SHALLOW: _Rows = (
    (16, 3, 16, 16, False, "RE", 1),
    (16, 3, 64, 24, False, "RE", 2),
    (24, 3, 72, 24, False, "RE", 1),
    (24, 5, 72, 40, True, "RE", 1),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 5, 120, 40, True, "RE", 1),
)
_V3_DEEP: _Rows = (
    (40, 3, 240, 80, False, "HS", 2),
    (80, 3, 200, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 480, 112, True, "HS", 1),
    (112, 3, 672, 112, True, "HS", 1),
    (112, 5, 672, 160, True, "HS", 1),
)


def _v3(rows: _Rows) -> nn.Sequential:
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
    return nn.Sequential(*(InvertedResidual(InvertedResidualConfig(*row, dilation=1, width_mult=1.0), norm) for row in rows))


class PfldMobileNetV3(nn.Module):
    """PFLD with a real MobileNetV3 backbone, built from torchvision's blocks, and PFLD's multi-scale fully connected head.

    Parameters
    ----------
    num_points
        Number of landmarks.
    input_size
        Side of the input image, in pixels.

    Raises
    ------
    InputError
        If ``num_points`` is less than 1, or ``input_size`` is less than 32 or not a multiple of 16.
    """

    def __init__(self, num_points: int = 106, input_size: int = 112):
        super().__init__()
        _check(num_points, input_size)
        self.num_points = num_points
        self.input_size = input_size
        self.feature_channels = 40
        self.stem = Conv2dNormActivation(3, 16, stride=2, activation_layer=nn.Hardswish)
        self.shallow = _v3(_V3_SHALLOW)
        self.deep = _v3(_V3_DEEP)
        self.scale1 = Conv2dNormActivation(160, 16, 1, activation_layer=None)
        self.scale2 = Conv2dNormActivation(16, 32, 3, stride=2, activation_layer=nn.Hardswish)
        self.scale3 = nn.Sequential(nn.Conv2d(32, 128, input_size // STRIDE), nn.Hardswish())
        self.points = nn.Linear(16 + 32 + 128, 2 * num_points)

    def forward_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return landmarks (N, 2 * num_points) and features (N, 40, S/4, S/4)."""
        features: Tensor = self.shallow(self.stem(x))
        scale1 = self.scale1(self.deep(features))
        scale2 = self.scale2(scale1)
        scales = (scale1.mean((2, 3)), scale2.mean((2, 3)), self.scale3(scale2).flatten(1))
        points: Tensor = self.points(torch.cat(scales, dim=1))
        return points, features

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x)[0]


BASELINES: dict[str, type[PfldLite] | type[PfldMobileNetV3]] = {"pfld_lite": PfldLite, "pfld_mobilenetv3": PfldMobileNetV3}
"""Name of a baseline -> its class."""
