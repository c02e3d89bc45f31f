"""Accuracy of predicted landmarks as torchmetrics, in percent.

The error of a face is its mean point distance divided by the distance of its outer eye corners (NME, Sagonas et al. 2013,
300-W).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchmetrics import MeanMetric, Metric, MetricCollection

LIMIT = 0.08
"""Error above which a face counts as failed."""


def normalised_errors(predicted: Tensor, true: Tensor, eye_corners: tuple[int, int]) -> Tensor:
    """Return the normalised mean error per face.

    Parameters
    ----------
    predicted, true
        Points (N, P, 2).
    eye_corners
        Indices of the outer eye corners, whose distance normalises the error.

    Returns
    -------
    Tensor
        Errors (N,), as fractions.
    """
    return _point_errors(predicted, true, eye_corners).mean(1)


def part_errors(
    predicted: Tensor, true: Tensor, eye_corners: tuple[int, int], parts: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Return the NME of the points of each part, in percent, from points (N, P, 2).

    The whole face's eye corners normalise every part. If the parts partition all points, the mean over the parts, weighted by
    their numbers of points, is the NME.
    """
    errors = _point_errors(predicted, true, eye_corners)
    return {part: float(100 * errors[:, list(indices)].mean()) for part, indices in parts.items()}


def _point_errors(predicted: Tensor, true: Tensor, eye_corners: tuple[int, int]) -> Tensor:
    """Return the error per face and point, (N, P)."""
    eyes = (true[:, eye_corners[0]] - true[:, eye_corners[1]]).norm(dim=-1)
    return (predicted - true).norm(dim=-1) / eyes[:, None]


class NME(MeanMetric):
    """Normalised mean error, percent."""

    def __init__(self, eye_corners: tuple[int, int]):
        super().__init__()
        self.eye_corners = eye_corners

    # torchmetrics lets every metric choose the arguments of update; MeanMetric's annotation fixes them for subclasses
    def update(self, predicted: Tensor, true: Tensor) -> None:  # type: ignore[override]
        """Add faces: points (N, P, 2), predicted and true."""
        super().update(100 * self.figure(normalised_errors(predicted, true, self.eye_corners)))

    @staticmethod
    def figure(errors: Tensor) -> Tensor:
        """Return a face's contribution to the mean, given its error."""
        return errors


class FailureRate(NME):
    """Share of faces with an error above 8 %, percent (FR@8)."""

    @staticmethod
    def figure(errors: Tensor) -> Tensor:
        return (errors > LIMIT).float()


class AUC(NME):
    """Area under the cumulative error curve up to 8 %, divided by 8 %, percent (AUC@8).

    The area under a step curve with steps of 1/N at e_1 ... e_N is the mean of ``max(0, limit - e_n)``, so no histogram is
    needed.
    """

    @staticmethod
    def figure(errors: Tensor) -> Tensor:
        return torch.clamp(1 - errors / LIMIT, min=0)


def landmark_metrics(eye_corners: tuple[int, int], prefix: str = "") -> MetricCollection:
    """Return NME, FR@8 and AUC@8 under the names ``nme``, ``fr8`` and ``auc8``, each with ``prefix``."""
    metrics: dict[str, Metric | MetricCollection] = {
        "nme": NME(eye_corners),
        "fr8": FailureRate(eye_corners),
        "auc8": AUC(eye_corners),
    }
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)
