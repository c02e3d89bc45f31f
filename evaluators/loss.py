"""Losses by name. All take predicted and true points as (N, P, 2), normalised."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class PointL1(nn.Module):
    """Mean absolute error of the coordinates."""

    needs_pose = False

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        return (predicted - true).abs().mean()


class Wing(nn.Module):
    """Wing loss (Feng et al. 2018, section 4.3): logarithmic for small errors, so that these keep their pull, linear beyond.

    ``w ln(1 + |d| / eps)`` below ``w``, ``|d| - c`` above, meeting there; ``w`` is 10 and ``eps`` 2 pixels of a face of 112.
    """

    needs_pose = False
    width, eps = 10 / 112, 2 / 112

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        distance = (predicted - true).abs()
        offset = self.width - self.width * math.log1p(self.width / self.eps)
        return torch.where(distance < self.width, self.width * torch.log1p(distance / self.eps), distance - offset).mean()


class SmoothL1(nn.Module):
    """Squared for errors below one pixel of a face of 112, absolute beyond (Girshick 2015, Fast R-CNN, section 2.3)."""

    needs_pose = False

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        return functional.smooth_l1_loss(predicted, true, beta=1 / 112)


class SquaredDistance(nn.Module):
    """Squared distances, summed over a face's points: the PFLD loss without its pose branch."""

    needs_pose = False

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        return (predicted - true).square().sum((1, 2)).mean()


class PfldLoss(nn.Module):
    """PFLD's loss (Guo et al. 2019, section 3.2): squared distances, weighted by how wrong the pose net is.

    ``mean_n( sum_k (1 - cos(angle_nk - true_nk)) * sum_p |d_np|^2 )``, angles in **radians** inside. The data have no attribute
    labels, so the paper's attribute weights are left out.
    """

    needs_pose = True

    def forward(self, predicted: Tensor, true: Tensor, angles: Tensor, true_degrees: Tensor) -> Tensor:
        """Weighted loss; ``angles`` (N, 3) from the pose net in radians, ``true_degrees`` (N, 3) as labels have them."""
        weight = (1 - torch.cos(angles - torch.deg2rad(true_degrees))).sum(1)
        return (weight * (predicted - true).square().sum((1, 2))).mean()


LOSSES: dict[str, type[nn.Module]] = {"l1": PointL1, "wing": Wing, "smooth_l1": SmoothL1, "l2": SquaredDistance,
                                      "pfld": PfldLoss}
