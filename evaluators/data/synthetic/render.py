"""Render a random picture of a face with its points and its pose."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .head import Array
from .landmarks import FaceModel, face_model
from .look import Look, random_look
from .paint import Texture
from .photo import photograph
from .raster import splat
from .scene import background, body, glasses, head_surfaces, occlude

OVERSAMPLE = 1.25
TEXTURE = (2.3, 2.85)
"""Height and width of the head's texture, relative to the side of the picture."""


@dataclass(frozen=True)
class Face:
    """A labelled picture of a face.

    Attributes
    ----------
    image
        uint8 (size, size, 3), BGR.
    points
        float32 (106, 2): x and y as fractions of the picture's side, 0..1. Hidden points are where they would be seen through
        the head.
    pose
        float32 (3,): pitch, yaw and roll in degrees; see :func:`pose_rotation`.
    """

    image: NDArray[np.uint8]
    points: NDArray[np.float32]
    pose: NDArray[np.float32]


def pose_rotation(pose: Array) -> Array:
    """Return the rotation matrix (3, 3) of pitch, yaw and roll in degrees, in camera axes (x right, y down, z away).

    The matrix is ``Rz(-roll) Rx(pitch) Ry(-yaw)`` and applies to column vectors. With positive pitch, a face looks down; with
    positive yaw, to the right of the image; positive roll rotates it counter-clockwise as seen.
    """
    pitch, yaw, roll = pose
    return Rotation.from_euler("yxz", [-yaw, pitch, -roll], degrees=True).as_matrix()


@dataclass(frozen=True)
class Camera:
    """Scaled orthographic projection: ``scale`` pixels per head unit, the origin at ``offset``."""

    rotation: Array
    scale: float
    offset: Array

    @classmethod
    def framing(cls, points: Array, rotation: Array, centre: Array, extent: float, size: int) -> "Camera":
        """Return the camera that centres the bounding box of head points (n, 3) at ``centre``, with larger side ``extent``."""
        flat = (points @ rotation.T)[:, :2]
        low, high = flat.min(axis=0), flat.max(axis=0)
        scale = extent * size / (high - low).max()
        return cls(rotation, scale, centre * size - scale * (low + high) / 2)

    def project(self, points: Array) -> Array:
        """Project head points (n, 3) to pixels (n, 2); pixel i spans i to i + 1."""
        return (points @ self.rotation.T)[:, :2] * self.scale + self.offset


def render_face(rng: np.random.Generator, size: int) -> Face:
    """Render a random face.

    Parameters
    ----------
    rng
        Source of all random parameters.
    size
        Side of the picture, in pixels.
    """
    return render_look(random_look(rng), rng, size)


def render_look(look: Look, rng: np.random.Generator, size: int) -> Face:
    """Render the face that ``look`` describes; ``rng`` draws grain, clutter and similar details."""
    model = face_model(look.shape, look.expression)
    camera = Camera.framing(model.points, pose_rotation(look.pose), look.centre, look.extent, size)
    image = _draw(model, look, camera, rng, size)
    pixels = camera.project(model.points)
    if look.glasses != "none":
        glasses(image, look, camera.project, camera.scale, rng)
    occlude(image, look, pixels, camera.scale, rng)
    return Face(photograph(image, look.photo, rng), (pixels / size).astype(np.float32), look.pose.astype(np.float32))


def _draw(model: FaceModel, look: Look, camera: Camera, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Draw head and body in front of the background, uint8 (size, size, 3)."""
    # paint the textures; the body partly follows the head's rotation
    texture = Texture(model, look, rng, int(TEXTURE[0] * size), int(TEXTURE[1] * size))
    follow = pose_rotation(look.pose * (0.2, 0.5, 0.4))
    surfaces = [*head_surfaces(model, look, texture, camera.rotation), body(look, follow, texture.skin.shape[:2])]
    # draw at a higher resolution, then average down over the background
    side = int(OVERSAMPLE * size)
    factor = side / size
    picture, hit = splat(surfaces, look.light, camera.scale * factor, camera.offset * factor, side)
    alpha = cv2.resize(hit, (size, size), interpolation=cv2.INTER_AREA)[..., None]
    out = background(look, rng, size) * (1 - alpha) + cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return np.clip(out, 0, 255).astype(np.uint8)
