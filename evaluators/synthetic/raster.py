"""Draw shaded, textured surfaces by splatting: every texture pixel is a sample, and the nearest sample wins.

A surface is a coarse grid of 3-D points with a fine texture. Grid and light are enlarged to the texture's size, which leaves
about one sample per picture element; gaps between samples are closed when the picture is scaled down.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .head import Array
from .look import Light

_DEPTH_RANGE = 8.0
"""Depths from minus to plus half of this, head units, are told apart."""


@dataclass(frozen=True)
class Surface:
    """Something to draw.

    Attributes
    ----------
    grid
        float (h, w, 3): points in camera axes, head units; rows downwards and columns to the right as seen from outside.
    texture
        uint8 (H, W, 3), BGR.
    cover
        bool (H, W): where the surface exists; None for everywhere.
    two_sided
        Whether its inside can be seen.
    gloss
        Factor on the light's highlights.
    """

    grid: Array
    texture: Array
    cover: Array | None = None
    two_sided: bool = False
    gloss: float = 1.0


def shade(grid: Array, light: Light, two_sided: bool, gloss: float) -> Array:
    """Facing, diffuse light and highlight for every grid point, float32 (h, w, 3); facing > 0 is seen from the front."""
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
    return np.stack([facing, diffuse, highlight], axis=-1).astype(np.float32)


def splat(surfaces: list[Surface], light: Light, scale: float, offset: Array, side: int) -> tuple[Array, Array]:
    """Draw surfaces as seen along the z axis without perspective.

    Parameters
    ----------
    scale, offset
        Picture elements per head unit, and the picture position (x, y) of the origin.
    side
        Size of the square picture.

    Returns
    -------
    tuple of ndarray
        float32 (side, side, 3) colours, black where nothing is, and float32 (side, side), 1 where something is.
    """
    pixels, depths, colors, lights = [], [], [], []
    for surface in surfaces:
        height, width = surface.texture.shape[:2]
        grid = np.asarray(surface.grid, np.float32)
        fine = cv2.resize(grid, (width, height)).reshape(-1, 3)
        lit = cv2.resize(shade(grid, light, surface.two_sided, surface.gloss), (width, height)).reshape(-1, 3)
        x = (fine[:, 0] * scale + offset[0]).astype(np.int32)
        y = (fine[:, 1] * scale + offset[1]).astype(np.int32)
        keep = (x >= 0) & (x < side) & (y >= 0) & (y < side)
        if not surface.two_sided:
            keep &= lit[:, 0] > 0
        if surface.cover is not None:
            keep &= surface.cover.reshape(-1)
        kept = np.flatnonzero(keep)
        pixels.append(y[kept] * side + x[kept])
        depths.append(fine[kept, 2])
        colors.append(surface.texture.reshape(-1, 3)[kept])
        lights.append(lit[kept])
    depth = np.clip((0.5 - np.concatenate(depths) / _DEPTH_RANGE) * 65535, 0, 65535).astype(np.uint16)
    order = np.argsort(depth, kind="stable")
    nearest = np.full(side * side, -1, np.int32)
    nearest[np.concatenate(pixels)[order]] = order
    hit = nearest >= 0
    seen = nearest[hit]
    lit = np.concatenate(lights)[seen]
    picture = np.zeros((side * side, 3), np.float32)
    tint = light.tint.astype(np.float32)
    picture[hit] = np.concatenate(colors)[seen] * (lit[:, 1:2] * tint) + lit[:, 2:3]
    return picture.reshape(side, side, 3), hit.reshape(side, side).astype(np.float32)
