"""Losses by name. All take predicted and true points as (N, P, 2), normalised."""

import torch
from torch import Tensor, nn


class PointL1(nn.Module):
    """Mean absolute error of the coordinates."""

    needs_pose = False

    def forward(self, predicted: Tensor, true: Tensor) -> Tensor:
        return (predicted - true).abs().mean()


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


LOSSES: dict[str, type[nn.Module]] = {"l1": PointL1, "pfld": PfldLoss}
