"""Surroundings of a face: the rest of the head and body, the background, and objects in front of the face."""

from collections.abc import Callable

import cv2
import numpy as np

from .brush import blend, curve, fixed
from .head import Array
from .landmarks import PARTS, FaceModel
from .look import Look
from .paint import BALL, Texture, columns_to_theta
from .raster import Surface

GRID = (72, 96)


def flat(color: Array, height: int, width: int) -> Array:
    """Return a texture with a single colour."""
    return np.broadcast_to(np.clip(color, 0, 255).astype(np.uint8), (height, width, 3))


def _nodes(count: int, length: int) -> Array:
    """Return the positions of ``count`` grid nodes along the ``length`` pixels to which OpenCV enlarges them, 0 to 1."""
    return ((np.arange(count) + 0.5) * length / count - 0.5) / (length - 1)


def head_surfaces(model: FaceModel, look: Look, texture: Texture, rotation: Array) -> list[Surface]:
    """Return face, hair, hat and ears, rotated to camera axes."""
    size = texture.skin.shape[:2]
    down, across = (_nodes(*counts) for counts in zip(GRID, size, strict=True))
    theta, t = np.meshgrid(columns_to_theta(across), down)
    grid = model.head.surface(theta, t)
    out = [Surface(grid @ rotation.T, texture.skin)]
    middle = np.array([0.0, -0.2, 0.1])
    if look.hat != "none":
        shell = middle + (grid - middle) * np.array([1.10, 1.12, 1.08])
        rows = cv2.resize((grid[..., 1] + 0.1 * np.cos(theta)).astype(np.float32), size[::-1])
        knit = np.arange(size[1]) // 3 % 2 * 14.0 if look.hat == "beanie" else np.zeros(size[1])
        cloth = np.clip(np.broadcast_to((look.cloth[None] + knit[:, None])[None], (*size, 3)), 0, 255).astype(np.uint8)
        out.append(Surface(shell @ rotation.T, cloth, rows < -0.62, gloss=0.2))
        if look.hat == "cap":
            angle, reach = np.meshgrid(np.linspace(-1.2, 1.2, 16), np.linspace(0.0, 0.75, 6))
            brim = np.stack(
                [1.1 * np.sin(angle), -0.72 + 0.12 * reach, -(1.16 * np.cos(angle) + reach * np.cos(angle) ** 0.5)], axis=-1
            )
            out.append(
                Surface(brim @ rotation.T, flat(look.cloth * 0.8, size[0] // 4, size[1] // 2), two_sided=True, gloss=0.2)
            )
    elif look.haircut != "bald":
        lift = 1 + look.volume * np.clip(1.2 - 0.5 * np.abs(grid[..., 1:2] + 0.8), 0.35, 1)
        shell = middle + (grid - middle) * lift
        out.append(Surface(shell @ rotation.T, texture.hair, texture.cover, gloss=0.5))
    if look.haircut == "long":
        out.append(_curtain(look, texture, rotation))
    out += [_ear(look, sign, rotation, size) for sign in (-1, 1)]
    return out


def _curtain(look: Look, texture: Texture, rotation: Array) -> Surface:
    """Return long hair that hangs down beside and behind the head."""
    angle, down = np.meshgrid(np.radians(np.linspace(78, 282, 40)), np.linspace(0, 1, 20))
    wide = 1.10 + look.volume + 0.12 * np.sin(np.pi * down)
    grid = np.stack([wide * np.sin(angle), -0.75 + 2.9 * down, -(wide * 1.2 * np.cos(angle) - 0.1)], axis=-1)
    height, width = texture.hair.shape[:2]
    return Surface(
        grid[:, ::-1] @ rotation.T, cv2.resize(texture.hair, (width * 3 // 4, height * 3 // 4)), two_sided=True, gloss=0.3
    )


def _ear(look: Look, sign: int, rotation: Array, size: tuple[int, int]) -> Surface:
    angle, radius = np.meshgrid(np.linspace(0, 2 * np.pi, 20), np.linspace(0.0, 1.0, 8))
    bowl = 0.10 * np.sin(radius * np.pi * 0.75) + 0.03 * radius
    grid = np.stack(
        [
            sign * (1.0 + look.shape.width + bowl + 0.10 * radius * np.maximum(-np.cos(angle), 0)),
            0.22 + radius * (0.30 - 0.06 * np.sin(angle)) * np.sin(angle),
            0.12 - 0.17 * radius * np.cos(angle),
        ],
        axis=-1,
    )
    tall, wide = max(24, size[0] // 8), max(48, size[1] // 5)
    tone = 0.62 + 0.38 * np.clip(np.linspace(-0.2, 1.5, tall), 0, 1)
    texture = np.clip(tone[:, None, None] * look.skin * (0.88, 0.88, 1.0), 0, 255).astype(np.uint8)
    return Surface(grid @ rotation.T, np.repeat(texture, wide, axis=1), two_sided=True, gloss=0.5)


def body(look: Look, rotation: Array, size: tuple[int, int]) -> Surface:
    """Return neck and shoulders; the collar is where the colour of the cloth starts."""
    angle, down = np.meshgrid(np.linspace(-np.pi, np.pi, 32), np.linspace(0, 1, 24))
    y = 0.85 + 2.6 * down
    slope = np.clip((y - 2.0) / 0.9, 0, 1) ** 1.3
    x = (0.60 + 0.04 * look.shape.jaw + 1.9 * slope) * np.sin(angle)
    out = (0.56 + 0.35 * slope) * np.cos(angle) - 0.12 + 0.1 * (y - 0.85)
    height, width = size[0] * 2 // 3, size[1] * 2 // 3
    rows = np.linspace(0.85, 3.45, height)
    shadow = 0.55 + 0.45 * np.clip((rows - 1.2) / 0.9, 0, 1)
    texture = np.where((rows < 2.25)[:, None], shadow[:, None] * look.skin, look.cloth)
    texture = np.repeat(np.clip(texture, 0, 255).astype(np.uint8)[:, None], width, axis=1)
    return Surface(np.stack([x, y, -out], axis=-1) @ rotation.T, texture, gloss=0.4)


def background(look: Look, rng: np.random.Generator, size: int) -> Array:
    """Draw a background, float32 (size, size, 3)."""
    return BACKGROUNDS[look.background](rng, size)


def _gradient(rng: np.random.Generator, size: int) -> Array:
    corners = rng.uniform(10, 245, 3) + rng.normal(0, 40, (2, 2, 3))
    return cv2.resize(np.clip(corners, 0, 255).astype(np.float32), (size, size))


def _noise(rng: np.random.Generator, size: int) -> Array:
    out = np.broadcast_to(rng.uniform(40, 215, 3).astype(np.float32), (size, size, 3)).copy()
    for cells, strength in ((4, 45), (12, 25), (size // 3, 10)):
        grain = rng.standard_normal((cells, cells, 3), dtype=np.float32) * np.float32(strength)
        out += cv2.resize(grain, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.clip(out, 0, 255)


def _clutter(rng: np.random.Generator, size: int) -> Array:
    out = _gradient(rng, size)
    for _ in range(int(rng.integers(6, 22))):
        centre, extent = rng.uniform(0, size, 2), rng.uniform(0.03, 0.3, 2) * size
        color, turn = tuple(rng.uniform(0, 255, 3)), rng.uniform(0, 180)
        if rng.random() < 0.5:
            cv2.ellipse(out, (tuple(centre), tuple(2 * extent), turn), color, -1, cv2.LINE_AA)
        else:
            cv2.fillConvexPoly(out, fixed(cv2.boxPoints((tuple(centre), tuple(2 * extent), turn))), color, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(out, (0, 0), rng.uniform(0.3, 3.5) * size / 112)


BACKGROUNDS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "gradient": _gradient,
    "noise": _noise,
    "clutter": _clutter,
}


def glasses(image: Array, look: Look, project: Callable[[Array], Array], unit: float, rng: np.random.Generator) -> None:
    """Draw glasses on an image; ``project`` maps head points (n, 3) to pixels, ``unit`` is a head unit in pixels."""
    rim = rng.uniform(0, 90, 3) if rng.random() < 0.7 else rng.uniform(80, 220, 3)
    square, thick = rng.uniform(0.5, 1.0), max(1.0, rng.uniform(0.015, 0.05) * unit)
    gap, wide, tall = 0.46 + look.shape.eye_gap, rng.uniform(0.29, 0.36), rng.uniform(0.2, 0.3)
    ring = np.sign(BALL) * np.abs(BALL) ** square * (wide, tall)
    yaw = look.pose[1]
    for sign in (-1, 1):
        x = sign * gap + ring[:, 0]
        lens = np.stack([x, 0.05 + ring[:, 1], -1.2 + 0.25 * (np.abs(x) - 0.1)], axis=-1)
        at = project(lens)
        blend(
            image, at, np.full(3, 15.0) if look.glasses == "sun" else np.full(3, 235.0), 0.9 if look.glasses == "sun" else 0.08
        )
        blend(image, np.concatenate([at, at[:1]]), rim, 0.9, line=thick)
        if yaw * sign < 12:
            arm = np.array([[sign * (gap + wide), 0.0, -1.02], [sign * 1.06, 0.0, -0.1]])
            blend(image, project(arm), rim, 0.9, line=thick)
    bridge = np.array([[wide - gap, 0.03, -1.18], [0.0, -0.02, -1.28], [gap - wide, 0.03, -1.18]])
    blend(image, project(bridge), rim, 0.9, line=thick)


def occlude(image: Array, look: Look, pixels: Array, unit: float, rng: np.random.Generator) -> None:
    """Draw an object that hides a part of the face, whose points are at ``pixels`` (106, 2)."""
    OCCLUDERS[look.occluder](image, look, pixels, unit, rng)


def _nothing(image: Array, look: Look, pixels: Array, unit: float, rng: np.random.Generator) -> None:
    pass


def _bar(image: Array, look: Look, pixels: Array, unit: float, rng: np.random.Generator) -> None:
    size, turn = image.shape[0], rng.uniform(0, np.pi)
    middle = pixels[rng.integers(len(pixels))]
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    half = rng.uniform(0.05, 0.22) * unit
    box = np.array(
        [
            middle - size * along - half * across,
            middle + size * along - half * across,
            middle + size * along + half * across,
            middle - size * along + half * across,
        ]
    )
    blend(image, box, rng.uniform(0, 255, 3))


def _blob(image: Array, look: Look, pixels: Array, unit: float, rng: np.random.Generator) -> None:
    middle = pixels[rng.integers(len(pixels))]
    ring = BALL * rng.uniform(0.2, 0.55, (len(BALL), 1)) * unit
    blend(image, curve(middle + ring), rng.uniform(0, 255, 3), 1.0, rng.uniform(0, 1.5))


def _hand(image: Array, look: Look, pixels: Array, unit: float, rng: np.random.Generator) -> None:
    """Draw a palm at the lower half of the contour, with four fingers that reach onto the face."""
    contour = pixels[PARTS["contour"]]
    root = contour[rng.integers(4, len(contour) - 4)]
    aim = pixels[PARTS["nose_bridge"][-1]] - root
    along = aim / (np.linalg.norm(aim) + 1e-6)
    across = np.array([-along[1], along[0]])
    reach, skin = rng.uniform(0.35, 0.75), look.skin * rng.uniform(0.7, 1.0)
    palm = root - 0.5 * unit * along
    blend(image, palm + unit * (BALL[:, :1] * 0.55 * along + BALL[:, 1:] * 0.42 * across), skin * 0.95, 1.0, 0.5)
    for k, length in zip((-1.5, -0.5, 0.5, 1.5), (0.75, 0.95, 1.0, 0.85), strict=True):
        start = palm + (0.3 * along + 0.2 * k * across) * unit
        tip = root + (reach * length * along + 0.2 * k * across) * unit
        line = np.array([start, tip])
        blend(image, line, skin * 0.6, 1.0, line=0.21 * unit)
        blend(image, line - 0.01 * unit, skin, 1.0, line=0.175 * unit)


def _mask(image: Array, look: Look, pixels: Array, unit: float, rng: np.random.Generator) -> None:
    """Draw a face mask from the bridge of the nose to below the chin, with straps."""
    contour = pixels[PARTS["contour"]]
    color = np.array([[225, 215, 190], [240, 240, 240], [40, 40, 40], [200, 170, 120]])[rng.integers(4)] * rng.uniform(
        0.85, 1.0
    )
    nose = (pixels[73] + pixels[74]) / 2
    left, right = contour[5], contour[-6]
    outline = np.concatenate([[nose], contour[-7:6:-1]])
    for ear, cheek in ((contour[1], left), (contour[-2], right)):
        blend(image, np.array([ear, cheek]), color * 0.9, 0.9, line=max(1.0, 0.03 * unit))
    blend(image, outline, color, 1.0, 0.6)
    for share in (0.35, 0.5, 0.65):
        ends = [
            contour[7] * (1 - share) + contour[13] * share,
            nose * (1 - share) + contour[16] * share,
            contour[-8] * (1 - share) + contour[-14] * share,
        ]
        blend(image, curve(np.array(ends), False), color * 0.75, 0.6, 0.5, max(1.0, 0.02 * unit))


OCCLUDERS: dict[str, Callable[[Array, Look, Array, float, np.random.Generator], None]] = {
    "none": _nothing,
    "bar": _bar,
    "blob": _blob,
    "hand": _hand,
    "mask": _mask,
}
