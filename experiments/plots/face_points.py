"""Faces with points drawn on them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from .figure import PREDICTED, TRUE


def draw_faces(axes: Sequence[Axes], images: Tensor, truth: np.ndarray, predicted: np.ndarray, nme: np.ndarray) -> None:
    """Draw one face per axis, with true and predicted points.

    Parameters
    ----------
    images
        uint8 (N, 3, S, S), BGR.
    truth, predicted
        float (N, P, 2), normalised.
    nme
        float (N,), percent.
    """
    for axis in axes:
        axis.set_axis_off()
    for axis, image, true, guess, error in zip(axes, images, truth, predicted, nme, strict=False):
        draw_face(axis, image, {TRUE: true, PREDICTED: guess}, 2.5)
        axis.set_title(f"NME {error:.1f} %", fontsize=8)


def draw_face(axis: Axes, image: Tensor, points: Mapping[str, np.ndarray], markersize: float) -> None:
    """Draw an image, uint8 (3, S, S), BGR, with ``points``: colour -> (P, 2), normalised."""
    size = image.shape[-1]
    axis.imshow(image.flip(0).permute(1, 2, 0).numpy(), extent=(0, size, size, 0))
    for color, marks in points.items():
        axis.plot(*(marks * size).T, ".", color=color, markersize=markersize)
