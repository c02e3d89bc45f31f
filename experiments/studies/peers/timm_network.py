"""timm's image classifiers as landmark networks: the classifier's outputs are the landmarks' coordinates."""

import copy
from typing import Any

from torch import Tensor, nn

from ....latency.engines.convert import install
from ....search_space import InputError

EARLY = 4
"""Stride of the early features that a landmark network returns."""


class TimmNetwork(nn.Module):
    """An untrained classifier of timm with ``2 * num_points`` outputs instead of classes; a ``LandmarkNetwork``.

    The network is used as timm builds it. It was designed for ImageNet's 224x224 images and strides early, so that a
    112x112 crop ends as a map of 4x4.

    Parameters
    ----------
    name
        Name of the network in timm.
    num_points
        Number of landmarks.
    input_size
        Side of the input image in pixels.

    Raises
    ------
    InputError
        If timm is not installed.
    """

    net: Any

    def __init__(self, name: str, num_points: int = 106, input_size: int = 112):
        try:
            import timm
        except ImportError:
            raise InputError(f"timm is not installed; install it with: {install('timm')}") from None
        super().__init__()
        self.num_points = num_points
        self.input_size = input_size
        self.net = timm.create_model(name, pretrained=False, num_classes=2 * num_points)
        stages = self.net.feature_info
        self._early = [stage["reduction"] for stage in stages].index(EARLY)
        self.feature_channels: int = stages[self._early]["num_chs"]

    def forward_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return landmarks (N, 2 * num_points) and features (N, feature_channels, S/4, S/4)."""
        final, (features,) = self.net.forward_intermediates(x, indices=[self._early])
        points: Tensor = self.net.forward_head(final)
        return points, features

    def forward(self, x: Tensor) -> Tensor:
        points: Tensor = self.net(x)
        return points

    def deployed(self) -> "TimmNetwork":
        """Return a copy in eval mode, with training-time branches merged into single convolutions."""
        from timm.utils.model import reparameterize_model

        merged = copy.deepcopy(self).eval()
        merged.net = reparameterize_model(merged.net)
        return merged
