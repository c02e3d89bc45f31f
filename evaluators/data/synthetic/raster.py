"""Draw shaded, textured surfaces by splatting: every texture pixel is a sample, and the nearest sample wins.

A surface is a coarse grid of 3-D points with a fine texture. Grid and light are enlarged to the texture's size, which yields
about one sample per image pixel; gaps between samples are closed afterwards.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .head import Array
from .look import Light

_DEPTH_RANGE = 8.0
"""Range of distinguishable depths in head units, from minus to plus half of it."""
_GAP = 0.04
"""A sample that lies further than this behind all its neighbours is visible through a gap."""


@dataclass(frozen=True)
class Surface:
    """A surface to draw.

    Attributes
    ----------
    grid
        float (h, w, 3): points in camera axes and head units; seen from outside, rows run down and columns to the right.
    texture
        uint8 (H, W, 3), BGR.
    cover
        bool (H, W): True where the surface exists; None for everywhere.
    two_sided
        Whether the inside is visible.
    gloss
        Factor on the highlights.
    """

    grid: Array
    texture: Array
    cover: Array | None = None
    two_sided: bool = False
    gloss: float = 1.0


def shade(grid: Array, light: Light, two_sided: bool, gloss: float) -> tuple[Array, Array, Array]:
    """Return facing, diffuse light and highlight of every grid point, (h, w) each; facing > 0 means visible from the front."""
    across = np.empty_like(grid)
    across[:, 1:-1] = grid[:, 2:] - grid[:, :-2]
    across[:, 0], across[:, -1] = grid[:, 1] - grid[:, 0], grid[:, -1] - grid[:, -2]
    down = np.empty_like(grid)
    down[1:-1] = grid[2:] - grid[:-2]
    down[0], down[-1] = grid[1] - grid[0], grid[-1] - grid[-2]
    normal = np.empty_like(grid)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        normal[..., i] = down[..., j] * across[..., k] - down[..., k] * across[..., j]
    normal /= np.sqrt(np.einsum("hwc,hwc->hw", normal, normal) + 1e-12)[..., None]
    facing = -normal[..., 2]
    if two_sided:
        normal *= np.sign(facing)[..., None]
    diffuse = light.ambient * (0.85 - 0.15 * normal[..., 1]) + light.strength * np.maximum(normal @ light.direction, 0)
    half = light.direction + (0, 0, -1)
    highlight = gloss * light.gloss * 150 * np.maximum(normal @ (half / np.linalg.norm(half)), 0) ** 18
    return facing, diffuse, highlight


def splat(surfaces: list[Surface], light: Light, scale: float, offset: Array, side: int) -> tuple[Array, Array]:
    """Draw surfaces along the z axis without perspective.

    Parameters
    ----------
    scale, offset
        Pixels per head unit, and the position (x, y) of the origin in the image.
    side
        Side of the square image.

    Returns
    -------
    tuple of ndarray
        float32 (side, side, 3): colours, black where no surface is. float32 (side, side): 1 where a surface is.
    """
    pixels, depths, samples, colors, lights, count = [], [], [], [], [], 0
    # turn each surface into samples: an image pixel, a depth and a colour per visible texture pixel
    for surface in surfaces:
        height, width = surface.texture.shape[:2]
        facing, *lit = shade(surface.grid, light, surface.two_sided, surface.gloss)
        x, y = surface.grid[..., 0] * scale + offset[0], surface.grid[..., 1] * scale + offset[1]
        depth = np.clip((0.5 - surface.grid[..., 2] / _DEPTH_RANGE) * 65535, 0, 65535)
        x, y, depth, facing = (_enlarge(plane, width, height) for plane in (x, y, depth, facing))
        keep = (x >= 0) & (x < side) & (y >= 0) & (y < side)
        if not surface.two_sided:
            keep &= facing > 0
        if surface.cover is not None:
            keep &= surface.cover.reshape(-1)
        kept = np.flatnonzero(keep)
        pixels.append(y[kept].astype(np.int32) * side + x[kept].astype(np.int32))
        depths.append(depth[kept].astype(np.uint16))
        samples.append(kept + count)
        colors.append(surface.texture.reshape(-1, 3))
        lights.append([_enlarge(plane, width, height) for plane in lit])
        count += height * width
    # find the nearest sample of each image pixel: samples are assigned in order of depth, and the last one wins
    depth = np.concatenate(depths)
    order = np.argsort(depth, kind="stable")
    pixel, nearest, front = np.concatenate(pixels)[order], np.full(side * side, -1), np.zeros((side, side), np.uint16)
    nearest[pixel] = np.concatenate(samples)[order]
    front.reshape(-1)[pixel] = depth[order]
    # colour the pixels that have a sample
    hit = nearest >= 0
    seen = nearest[hit]
    diffuse, highlight = (np.concatenate(plane)[seen][:, None] for plane in zip(*lights, strict=True))
    picture = np.zeros((side * side, 3), np.float32)
    picture[hit] = np.concatenate(colors)[seen] * (diffuse * light.tint.astype(np.float32)) + highlight
    return _close_gaps(picture.reshape(side, side, 3), hit.reshape(side, side), front)


def _close_gaps(picture: Array, hit: Array, front: Array) -> tuple[Array, Array]:
    """Fill pixels that lie well behind all their neighbours with the neighbours' colour."""
    closed = cv2.morphologyEx(front, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    gap = closed - front > _GAP / _DEPTH_RANGE * 65535
    sound = (hit & ~gap).astype(np.float32)
    around = cv2.blur(picture * sound[..., None], (3, 3)) / np.maximum(cv2.blur(sound, (3, 3)), 1e-3)[..., None]
    picture[gap] = around[gap]
    return picture, (hit | gap).astype(np.float32)


def _enlarge(plane: Array, width: int, height: int) -> Array:
    return cv2.resize(np.asarray(plane, np.float32), (width, height)).reshape(-1)
