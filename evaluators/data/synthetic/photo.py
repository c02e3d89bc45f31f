"""Effects of light, lens, sensor and file format, applied to the drawn scene."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .head import Array

FIELD_CELLS = 4
"""Number of nodes of the uneven light along a side of the picture."""

UNCOMPRESSED = 100
"""Quality that stands for no JPEG compression."""

SMALLEST = 40
"""Smallest side, in pixels, of a reduced picture before it is enlarged."""


@dataclass(frozen=True)
class Photo:
    """Random parameters of light, lens, sensor and file; grey levels are 0..255, lengths are fractions of the image's side.

    The defaults leave the scene unchanged.

    Attributes
    ----------
    uneven
        Standard deviation of the logarithm of the light across the picture; it varies in colour by a third of this.
    shade, shade_at, shade_turn
        Fraction of the light that a straight shadow removes, a point on its edge, and the angle of the edge in radians.
    blur, motion, motion_turn
        Standard deviation of the lens blur; length and angle (radians) of the camera's motion.
    detail
        Side of the picture before it was enlarged, as a fraction of its size; 1 for no enlargement.
    noise
        Standard deviation of the sensor's noise.
    contrast, brightness, gamma, cast, saturation
        Tones: factor around middle grey, offset, exponent, factors on blue, green and red, factor on the distance from grey.
    quality
        JPEG quality, 1..100; 100 skips compression.
    """

    uneven: float = 0.0
    shade: float = 0.0
    shade_at: tuple[float, float] = (0.5, 0.5)
    shade_turn: float = 0.0
    blur: float = 0.0
    motion: float = 0.0
    motion_turn: float = 0.0
    detail: float = 1.0
    noise: float = 0.0
    contrast: float = 1.0
    brightness: float = 0.0
    gamma: float = 1.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    saturation: float = 1.0
    quality: int = UNCOMPRESSED


def random_photo(rng: np.random.Generator) -> Photo:
    """Draw the parameters of a photograph from ``rng``."""
    uneven, shade, motion, detail, grey, quality = rng.random(6)
    blue, green, red = np.clip(rng.normal(1, 0.08, 3), 0.75, 1.25)
    return Photo(
        uneven=rng.uniform(0.05, 0.35) if uneven < 0.6 else 0.0,
        shade=rng.uniform(0.2, 0.75) if shade < 0.2 else 0.0,
        shade_at=(rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8)),
        shade_turn=rng.uniform(0, 2 * np.pi),
        blur=max(0.0, rng.normal(0.002, 0.006)),
        motion=rng.uniform(0.01, 0.06) if motion < 0.1 else 0.0,
        motion_turn=rng.uniform(0, np.pi),
        detail=rng.uniform(0.4, 0.9) if detail < 0.45 else 1.0,
        noise=max(0.0, rng.normal(2, 4)),
        contrast=rng.uniform(0.75, 1.35),
        brightness=rng.normal(12, 18),
        gamma=float(np.exp(rng.normal(-0.25, 0.25))),
        cast=(blue, green, red),
        saturation=rng.uniform(0.0, 0.3) if grey < 0.1 else rng.uniform(0.7, 1.5),
        quality=int(rng.integers(25, 95)) if quality < 0.5 else UNCOMPRESSED,
    )


def photograph(image: NDArray[np.uint8], photo: Photo, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Photograph a drawn scene, both uint8 (size, size, 3); ``rng`` draws the uneven light and the noise."""
    out = _lit(image.astype(np.float32), photo, rng)
    out = _blurred(out, photo)
    # tones: colours first, then the curve
    grey = cv2.cvtColor(out, cv2.COLOR_BGR2GRAY)[..., None]
    out = grey + np.float32(photo.saturation) * (out - grey)
    out = (out - 128) * (np.float32(photo.contrast) * np.array(photo.cast, np.float32)) + np.float32(128 + photo.brightness)
    if photo.noise > 0:
        out += rng.standard_normal(out.shape, dtype=np.float32) * np.float32(photo.noise)
    curve = np.rint(255 * np.linspace(0, 1, 256) ** photo.gamma).astype(np.uint8)
    return _filed(cv2.LUT(np.clip(np.rint(out), 0, 255).astype(np.uint8), curve), photo)


def _lit(image: Array, photo: Photo, rng: np.random.Generator) -> Array:
    """Apply uneven light and a shadow with a straight edge."""
    size = image.shape[0]
    if photo.uneven > 0:
        common = rng.normal(0, photo.uneven, (FIELD_CELLS, FIELD_CELLS, 1))
        own = rng.normal(0, photo.uneven / 3, (FIELD_CELLS, FIELD_CELLS, 3))
        image = image * cv2.resize(np.exp(common + own).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    if photo.shade > 0:
        at = (np.arange(size, dtype=np.float32) + 0.5) / size
        across = np.float32(np.cos(photo.shade_turn)) * (at - photo.shade_at[0])
        down = np.float32(np.sin(photo.shade_turn)) * (at - photo.shade_at[1])
        inside = np.clip(0.5 + 20 * (across[None] + down[:, None]), 0, 1)
        image = image * (1 - np.float32(photo.shade) * inside)[..., None].astype(np.float32)
    return image


def _blurred(image: Array, photo: Photo) -> Array:
    """Apply lens blur, motion blur and enlargement from a smaller picture."""
    size = image.shape[0]
    if photo.blur > 0:
        image = cv2.GaussianBlur(image, (0, 0), photo.blur * size)
    if photo.motion > 0:
        reach = max(1, round(photo.motion * size / 2))
        kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
        along = reach * np.array([np.cos(photo.motion_turn), np.sin(photo.motion_turn)])
        ends = [tuple(int(v) for v in np.round(reach + sign * along)) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        image = cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    if photo.detail < 1:
        side = max(SMALLEST, round(photo.detail * size))
        image = cv2.resize(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), (size, size))
    return image


def _filed(image: Array, photo: Photo) -> NDArray[np.uint8]:
    if photo.quality == UNCOMPRESSED:
        return image
    file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, photo.quality])[1]
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)
