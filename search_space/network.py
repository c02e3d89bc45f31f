"""``LandmarkNetwork``: the interface of a network for training, export and measurement."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class LandmarkNetwork(Protocol):
    """Interface of a landmark network: a subnet, a baseline or your own. The network must also be a ``torch.nn.Module``.

    Attributes
    ----------
    num_points
        Number of landmarks.
    input_size
        Side of the input image, in pixels.
    feature_channels
        Channels of the features that :meth:`forward_features` returns.
    """

    num_points: int
    input_size: int
    feature_channels: int

    def forward_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (N, 3, S, S) to landmarks (N, 2 * num_points) and early features (N, feature_channels, S/4, S/4).

        The features feed the pose net during training.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 3, S, S) to landmarks (N, 2 * num_points), x0 y0 x1 y1 ..., normalised to the crop."""

    def __call__(self, x: Tensor) -> Tensor:
        """Run :meth:`forward` with the hooks of ``torch.nn.Module``."""
