"""PFLD's auxiliary network: it predicts the head pose from early features and is used only in training."""

from torch import Tensor, nn


class PoseNet(nn.Module):
    """Predict pitch, yaw and roll from a backbone's early features (Guo et al. 2019, PFLD, section 3.3).

    Input: (N, in_channels, 28, 28), or another map side of at least 24. Output: (N, 3), in radians.

    Parameters
    ----------
    in_channels
        Channels of the features, see :attr:`LandmarkNetwork.feature_channels`.
    """

    def __init__(self, in_channels: int):
        super().__init__()
        self.features = nn.Sequential(
            _conv(in_channels, 64, 3, 2),
            _conv(64, 64, 3, 1),
            _conv(64, 32, 3, 2),
            _conv(32, 64, 7, 1),
            nn.MaxPool2d(3),
        )
        self.angles = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Linear(32, 3))

    def forward(self, features: Tensor) -> Tensor:
        angles: Tensor = self.angles(self.features(features))
        return angles


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int) -> nn.Sequential:
    """Convolution with padding 1 for every kernel size, as in the reference, + BatchNorm + ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
