"""Figures of a data set's faces, with points coloured by face part and axes of the head pose."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ...evaluators import LandmarkDataset, parts_of
from ...evaluators.data.synthetic.render import pose_rotation
from .face_points import draw_face
from .figure import write_figure
from .part_colors import PART_COLORS

AXES = {"x: right": "#ff0000", "y: down": "#00b300", "z: to the viewer": "#0000ff"}
COLUMNS = 8
LENGTH = 0.45
"""Length of a pose axis parallel to the image, as a fraction of the points' extent."""


def pose_axes(pose: NDArray) -> NDArray[np.float64]:
    """Return the directions (3, 2) in the image of the head's axes: to the right as seen, down, and out of the face.

    ``pose`` is pitch, yaw and roll in degrees, with the signs of ``synthetic.render.pose_rotation``. At zero pose they are
    (1, 0), (0, 1) and (0, 0), because the third axis points straight out of the image.
    """
    return (pose_rotation(pose) * (1, 1, -1))[:2].T


def contact_sheet(data: LandmarkDataset, path: str | Path) -> None:
    """Write the faces of a data set as one figure, with points and, if any face has a non-zero pose, its axes.

    Raises
    ------
    InputError
        If the figure cannot be written.
    """
    rows = math.ceil(len(data) / COLUMNS)
    parts = parts_of(data.points.shape[1])
    legend = [Line2D([], [], marker=".", linestyle="", color=PART_COLORS[part], label=part) for part in parts]
    posed = bool(data.pose.any())
    if posed:
        legend += [Line2D([], [], linewidth=2, color=color, label=label) for label, color in AXES.items()]
    figure = Figure(figsize=(2 * COLUMNS, 2 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, image, points, pose in zip(axes, data.images, data.points.numpy(), data.pose.numpy(), strict=False):
        draw_face(axis, image, {PART_COLORS[part]: points[list(indices)] for part, indices in parts.items()}, 2)
        if posed:
            _draw_pose(axis, points * image.shape[-1], pose)
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), facecolor="0.4", labelcolor="white")
    write_figure(path, figure, 110)


def _draw_pose(axis: Axes, points: NDArray, pose: NDArray) -> None:
    low, high = points.min(axis=0), points.max(axis=0)
    centre = (low + high) / 2
    axis.autoscale(False)  # an axis may leave the image
    for direction, color in zip(pose_axes(pose), AXES.values(), strict=True):
        axis.plot(*np.stack([centre, centre + LENGTH * (high - low).max() * direction]).T, color=color, linewidth=1.5)
