"""Losses by name. All take predicted and true points as (N, P, 2), normalised.

:func:`register_loss` adds a loss, which every config can then name::

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
    """Base class of the losses: ``forward(predicted, true)`` returns a scalar for points (N, P, 2), normalised.

    Attributes
    ----------
    needs_pose
        Whether ``forward`` also takes the pose net's angles, (N, 3) in radians, and the labels' angles, (N, 3) in degrees.
    """

    needs_pose: ClassVar[bool] = False


class PointL1(Loss):
    """Mean absolute error of the coordinates."""

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        return (predicted - true).abs().mean()


class SmoothL1(Loss):
    """Smooth L1: squared for errors below one pixel of a 112x112 face, absolute above (Girshick 2015, section 2.3)."""

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        return functional.smooth_l1_loss(predicted, true, beta=1 / 112)


class SquaredDistance(Loss):
    """Squared distances, summed over a face's points: the PFLD loss without its pose branch."""

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        return (predicted - true).square().sum((1, 2)).mean()


class PfldLoss(Loss):
    """PFLD's loss (Guo et al. 2019, section 3.2): squared distances, weighted by the pose net's error.

    ``mean_n( sum_k (1 - cos(angle_nk - true_nk)) * sum_p |d_np|^2 )``, angles in **radians** inside. The data have no attribute
    labels, so the paper's attribute weights are omitted.
    """

    needs_pose = True

    def forward(self, predicted: Tensor, true: Tensor, angles: Tensor, true_degrees: Tensor) -> Tensor:
        """Return the weighted loss; ``angles`` (N, 3) are from the pose net in radians, ``true_degrees`` (N, 3) labels."""
        weight = (1 - torch.cos(angles - torch.deg2rad(true_degrees))).sum(1)
        return (weight * (predicted - true).square().sum((1, 2))).mean()


LOSSES: dict[str, type[Loss]] = {"l1": PointL1, "smooth_l1": SmoothL1, "l2": SquaredDistance, "pfld": PfldLoss}


def register_loss(name: str, loss: type[Loss]) -> None:
    """Add a loss under a new name, which configs can then use as ``loss``.

    Raises
    ------
    InputError
        If the name is taken.
    """
    if name in LOSSES:
        raise InputError(f"loss {name!r} already exists; choose another name")
    LOSSES[name] = loss
