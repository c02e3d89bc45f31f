"""Building blocks of the FBNet-PFLD space, as plain ``torch.nn`` modules.

Every candidate takes ``(in_channels, out_channels, stride, size)``, where ``size`` is the side of the square input map,
and maps (N, in, size, size) to (N, out, ceil(size / stride), ceil(size / stride)). Sources: MB block, Sandler et al. 2018,
MobileNetV2, section 3; ghost module, Han et al. 2020, GhostNet, section 3.1; eSE, Lee and Park 2020, CenterMask, section 3.2
(as in the reference, a depthwise convolution replaces the pooling); PeleeNet stem, Wang et al. 2018, section 2.
"""

import torch
from torch import Tensor, nn

from .signature import out_size


class Conv(nn.Sequential):
    """Convolution without bias + BatchNorm [+ ReLU]; ``groups=in_channels`` makes it depthwise."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        dilation: int = 1,
        groups: int = 1,
        relu: bool = True,
    ):
        padding = kernel // 2 + dilation - 1
        layers = [
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class ESE(nn.Module):
    """Effective squeeze-and-excitation; a learned depthwise convolution of the map's ``size`` replaces the pooling."""

    def __init__(self, channels: int, size: int):
        super().__init__()
        self.pool = nn.Conv2d(channels, channels, size, groups=channels, bias=False)
        self.fc = nn.Conv2d(channels, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(self.fc(self.pool(x)))
        return x * gate


class MBBlock(nn.Module):
    """Inverted residual: 1x1 expand, depthwise k x k, [eSE], ReLU, 1x1 linear projection.

    The residual is added only if ``residual`` is set and the shapes allow it (stride 1, same channels).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        size: int,
        *,
        kernel: int = 3,
        expand: int = 1,
        dilation: int = 1,
        residual: bool = False,
        se: bool = False,
    ):
        super().__init__()
        middle = in_channels * expand
        self.residual = residual and stride == 1 and in_channels == out_channels
        self.expand = Conv(in_channels, middle)
        self.depthwise = Conv(middle, middle, kernel, stride, dilation=dilation, groups=middle, relu=False)
        self.se = ESE(middle, out_size(size, stride)) if se else nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        self.project = Conv(middle, out_channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.relu(self.se(self.depthwise(self.expand(x)))))
        return x + y if self.residual else y


class SepConv(nn.Sequential):
    """Depthwise-separable convolution: depthwise k x k, then 1x1, BatchNorm and ReLU after each."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, size: int, *, kernel: int = 3):
        super().__init__(
            Conv(in_channels, in_channels, kernel, stride, groups=in_channels),
            Conv(in_channels, out_channels),
        )


class Ghost(nn.Module):
    """Ghost module: half of the channels from a 1x1 convolution (with the stride), half from a cheap depthwise one."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, size: int, *, kernel: int = 3):
        super().__init__()
        half = out_channels // 2
        self.primary = Conv(in_channels, half, 1, stride)
        self.cheap = Conv(half, half, kernel, groups=half)

    def forward(self, x: Tensor) -> Tensor:
        x = self.primary(x)
        return torch.cat((x, self.cheap(x)), dim=1)


class Skip(nn.Module):
    """Identity with dropout during a search; a 1x1 convolution if the shapes change.

    The dropout (0.5) keeps the search from collapsing to the parameter-free path; a finished subnet has none.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, size: int):
        super().__init__()
        same = stride == 1 and in_channels == out_channels
        self.op = nn.Dropout(0.5) if same else Conv(in_channels, out_channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.op(x)
        return y


class Conv1x1(nn.Sequential):
    """1x1 convolution with bias and ReLU, no BatchNorm."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, size: int):
        super().__init__(nn.Conv2d(in_channels, out_channels, 1, stride), nn.ReLU(inplace=True))


class DepthConv(nn.Sequential):
    """Depthwise 3x3 and 1x1 convolution with biases and ReLUs, no BatchNorm."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, size: int):
        super().__init__(
            nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(in_channels, out_channels, 1),
            nn.ReLU(inplace=True),
        )


class PeleeStem(nn.Module):
    """PeleeNet stem: 3xSxS image to two maps (channels x S/4 x S/4, channels x S/2 x S/2); the head also sees the second."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, size: int):
        super().__init__()
        self.first = Conv(in_channels, out_channels, 3, 2)
        self.branch = nn.Sequential(
            Conv(out_channels, out_channels),
            # The reference has a 1x1 depthwise convolution here, which only subsamples; kept so that the counts match.
            Conv(out_channels, out_channels, 1, 2, groups=out_channels),
            Conv(out_channels, out_channels),
        )
        self.pool = nn.MaxPool2d(2)
        self.merge = Conv(2 * out_channels, out_channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.first(x)
        return self.merge(torch.cat((self.branch(first), self.pool(first)), dim=1)), first


class SepStem(nn.Module):
    """3x3 convolution with stride 2 to ``width`` channels, then a separable one with stride 2; returns its output twice.

    The head does not see the first convolution, so stems of different widths are interchangeable.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, size: int, *, width: int):
        super().__init__()
        self.first = Conv(in_channels, width, 3, 2)
        self.second = SepConv(width, out_channels, 2, size // 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.second(self.first(x))
        return y, y


class TapPool(nn.Conv2d):
    """Reduce a tapped feature map to the head's size with a strided depthwise convolution (a learned average pool)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, size: int):
        kernel = stride + 1 if stride > 1 else 3  # with padding 1, both give ceil(size / stride)
        super().__init__(in_channels, out_channels, kernel, stride, padding=1, groups=in_channels, bias=False)


class PfldHead(nn.Sequential):
    """Multi-scale head after the concatenation: (N, in, size, size) to (N, out, 1, 1).

    1x1 to ``neck`` channels (half of ``out_channels`` by default), MB block with residual and eSE, separable convolution,
    map-sized depthwise convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        size: int,
        *,
        neck: int | None = None,
        expand: int = 2,
        se: bool = True,
    ):
        neck = neck or out_channels // 2
        super().__init__(
            nn.Conv2d(in_channels, neck, 1, bias=False),
            MBBlock(neck, neck, 1, size, expand=expand, residual=True, se=se),
            SepConv(neck, out_channels, 1, size),
            nn.Conv2d(out_channels, out_channels, size, groups=out_channels, bias=False),
        )


class PointRegressor(nn.Sequential):
    """Map features (N, in, 1, 1) to coordinates (N, out) with a 1x1 convolution with bias."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, size: int):
        super().__init__(nn.Conv2d(in_channels, out_channels, 1), nn.Flatten())
