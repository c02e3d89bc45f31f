"""Losses by name. All take predicted and true points as (N, P, 2), normalised.

Another one is added by :func:`register_loss`, and is then known to every config::

    class Huber(Loss):
        def forward(self, predicted, true):
            return functional.huber_loss(predicted, true, delta=1 / 112)

    register_loss("huber", Huber)
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...search_space.errors import InputError


class Loss(nn.Module):
    """Base of the losses: ``forward(predicted, true)`` returns a scalar.

    Attributes
    ----------
    needs_pose
        Whether ``forward`` takes the angles of the pose net, (N, 3) in radians, and the labels', in degrees, as well.
    """

    needs_pose: ClassVar[bool] = False


class PointL1(Loss):
    """Mean absolute error of the coordinates."""

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        return (predicted - true).abs().mean()


class SmoothL1(Loss):
    """Squared for errors below one pixel of a face of 112, absolute beyond (Girshick 2015, Fast R-CNN, section 2.3)."""

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        return functional.smooth_l1_loss(predicted, true, beta=1 / 112)


class SquaredDistance(Loss):
    """Squared distances, summed over a face's points: the PFLD loss without its pose branch."""

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        return (predicted - true).square().sum((1, 2)).mean()


class PfldLoss(Loss):
    """PFLD's loss (Guo et al. 2019, section 3.2): squared distances, weighted by how wrong the pose net is.

    ``mean_n( sum_k (1 - cos(angle_nk - true_nk)) * sum_p |d_np|^2 )``, angles in **radians** inside. The data have no attribute
    labels, so the paper's attribute weights are omitted.
    """

    needs_pose = True

    def forward(self, predicted: Tensor, true: Tensor, angles: Tensor, true_degrees: Tensor) -> Tensor:
        """Weighted loss; ``angles`` (N, 3) from the pose net in radians, ``true_degrees`` (N, 3) as labels have them."""
        weight = (1 - torch.cos(angles - torch.deg2rad(true_degrees))).sum(1)
        return (weight * (predicted - true).square().sum((1, 2))).mean()


LOSSES: dict[str, type[Loss]] = {"l1": PointL1, "smooth_l1": SmoothL1, "l2": SquaredDistance, "pfld": PfldLoss}


def register_loss(name: str, loss: type[Loss]) -> None:
    """Add a loss under a name of its own; an :class:`InputError` if the name is taken."""
    if name in LOSSES:
        raise InputError(f"there is a loss {name!r} already; give another name")
    LOSSES[name] = loss
