"""Head pose from landmarks: perspective-n-point on the average head.

Points and camera are in pixels. The camera is unknown, and the picture may be part of a larger one. The camera's axis is
therefore assumed to pass through the centre of the face, with a focal length of :data:`FOCAL` times the side of the face's
crop. :data:`FOCAL` and :data:`RIGID` were chosen on 1,500 rendered faces with exact pose (up to 43, 93 and 42 degrees): mean
error 2.1, 1.7 and 0.9 degrees in pitch, yaw and roll, correlation 0.980, 0.995 and 0.995. With a focal length of 3 sides, the
errors are 2.3, 2.3 and 0.9 degrees; with 10 sides, 2.2, 1.9 and 0.9. Without the ends of the brows, they are 2.9, 2.0 and 1.2;
with the corners of the mouth, 2.2, 1.8 and 1.1. Contour points would help on these faces, but manual labels place them on the
visible edge of a turned face.
"""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .crop import apply as to_crop
from .crop import square
from .layouts3d import TO_106, average_head
from .source_face import Array

FOCAL = 5.0
"""Focal length of the assumed camera, in sides of the face's crop."""
RIGID = (35, 39, 89, 93, 43, 50, 102, 101, 72, 73, 74, 86, 78, 79, 80, 85, 84, 0)
"""Indices of the 106 points that move little on the head: corners of the eyes, ends of the brows, nose, chin."""


@cache
def _rigid(num_points: int) -> list[int]:
    return [TO_106[num_points].index(i) for i in RIGID]


def angles(rotation: NDArray[Any]) -> Array:
    """Return pitch, yaw and roll in degrees, float64 (3,), of a rotation (3, 3); inverse of ``pose_rotation``."""
    yaw, pitch, roll = Rotation.from_matrix(rotation).as_euler("yxz", degrees=True)
    return np.array([pitch, -yaw, -roll])


def scaled_orthographic(points: Array, head: Array) -> tuple[Array, float, float]:
    """Fit head points (n, 3) to picture points (n, 2) by least squares; return rotation, scale and unexplained variance.

    The rotation is (3, 3), and the scale in pixels per unit. The unexplained variance is the share of the points' variance, 0
    to 1, that no view of the head explains, including stretched views.
    """
    flat, solid = points - points.mean(axis=0), head - head.mean(axis=0)
    affine = np.linalg.lstsq(solid, flat, rcond=None)[0].T
    unexplained = ((flat - solid @ affine.T) ** 2).sum() / (flat**2).sum()
    u, stretch, v = np.linalg.svd(affine, full_matrices=False)
    rows = u @ v
    return np.vstack([rows, np.cross(*rows)]), float(stretch.mean()), float(unexplained)


def head_pose(points: Array) -> Array:
    """Estimate the head pose from landmarks.

    Parameters
    ----------
    points
        Landmarks (P, 2) in pixels; P is 68, 98 or 106.

    Returns
    -------
    float64 (3,)
        Pitch, yaw and roll in degrees; signs as in ``synthetic.render.pose_rotation``.
    """
    # map the points that move little into the face's crop, and centre the head on them
    indices = _rigid(len(points))
    size = 112  # arbitrary: the camera is defined relative to the crop
    flat = to_crop(square(points, size), points)[indices]
    head = average_head(len(points))[indices]
    head = head - head.mean(axis=0)
    # start from the pose without perspective
    rotation, scale, _ = scaled_orthographic(flat, head)
    middle, focal = size / 2, FOCAL * size
    camera = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
    at = np.append((flat.mean(axis=0) - middle) / scale, focal / scale)
    # refine it with a camera whose axis passes through the crop's centre
    turn, _ = cv2.Rodrigues(rotation)
    _, turn, _ = cv2.solvePnP(head, flat, camera, None, turn, at[:, None], useExtrinsicGuess=True, flags=cv2.SOLVEPNP_ITERATIVE)
    return angles(cv2.Rodrigues(turn)[0])
