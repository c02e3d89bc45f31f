"""All random parameters of a picture, drawn before painting."""

from dataclasses import dataclass, fields

import numpy as np

from .head import Array, Expression, Shape
from .photo import Photo, random_photo

# standard deviations of the deviations from the average head; those of length, nose and mouth, and the average in landmarks.py,
# follow means and spreads of 4,000 rendered faces (106 points) and 3,246 labelled photographs (68 points), corrected for pose
_SPREAD = {
    "width": 0.05,
    "length": 0.045,
    "depth": 0.05,
    "forehead": 0.08,
    "jaw": 0.05,
    "chin": 0.05,
    "cheek": 0.025,
    "brow_ridge": 0.02,
    "brow_height": 0.03,
    "brow_arch": 0.018,
    "brow_tilt": 0.06,
    "brow_width": 0.08,
    "eye_size": 0.10,
    "eye_open": 0.18,
    "eye_gap": 0.025,
    "eye_tilt": 0.09,
    "socket": 0.025,
    "nose_length": 0.045,
    "nose_width": 0.13,
    "nose_out": 0.13,
    "nose_tip": 0.035,
    "mouth_width": 0.10,
    "mouth_height": 0.02,
    "lip_upper": 0.22,
    "lip_lower": 0.22,
}
POSE_MEAN = (4.0, 0.0, 0.0)
"""Centre of pitch, yaw and roll in degrees; photographed people look down rather than up."""
POSE_RANGE = (30.0, 60.0, 30.0)
"""Largest deviation of pitch, yaw and roll from their centre, in degrees."""

# BGR
SKINS = np.array(
    [
        [164, 196, 244],
        [138, 174, 234],
        [114, 153, 220],
        [90, 130, 201],
        [68, 105, 174],
        [48, 78, 138],
        [36, 58, 106],
        [27, 43, 78],
    ],
    np.float64,
)
HAIRS = np.array(
    [[20, 18, 18], [28, 36, 50], [36, 56, 88], [60, 96, 150], [110, 160, 205], [40, 70, 150], [150, 150, 152], [205, 208, 210]],
    np.float64,
)
IRISES = np.array([[30, 45, 75], [25, 35, 55], [110, 95, 70], [150, 120, 80], [80, 120, 90], [120, 120, 110]], np.float64)
HAIRCUTS = {"bald": 0.12, "short": 0.40, "fringe": 0.18, "long": 0.30}
BEARDS = {"none": 0.72, "stubble": 0.10, "moustache": 0.06, "full": 0.12}
HATS = {"none": 0.86, "beanie": 0.07, "cap": 0.07}
GLASSES = {"none": 0.78, "clear": 0.17, "sun": 0.05}
OCCLUDERS = {"none": 0.82, "bar": 0.05, "hand": 0.06, "mask": 0.04, "blob": 0.03}
BACKGROUNDS = {"gradient": 0.3, "noise": 0.35, "clutter": 0.35}


@dataclass(frozen=True)
class Light:
    """A distant lamp plus ambient light; ``direction`` points to the lamp, in camera axes."""

    direction: Array
    ambient: float
    strength: float
    tint: Array
    gloss: float


@dataclass(frozen=True)
class Look:
    """Random parameters of a picture. Angles in degrees, colours BGR 0..255, lengths in head units unless stated otherwise.

    ``centre`` and ``extent`` frame the crop: centre and larger side of the points' bounding box, as fractions of the image.
    ``grain`` and ``blotches`` are the standard deviations of fine and coarse spots on the skin, in grey levels. ``eye_white``
    is a factor on the brightness of the eye's white. ``teeth`` is the brightness of the teeth; at 0 or less they are hidden.
    ``shadows`` is the strength of the shadows that parts of the face cast on it.
    """

    pose: Array
    shape: Shape
    expression: Expression
    skin: Array
    hair: Array
    brow: Array
    iris: Array
    lip: Array
    cloth: Array
    gaze: Array
    brow_weight: float
    make_up: float
    age: float
    blush: float
    grain: float
    blotches: float
    eye_white: float
    teeth: float
    mouth: Array
    shadows: float
    haircut: str
    hairline: float
    volume: float
    parting: float
    beard: str
    hat: str
    glasses: str
    occluder: str
    background: str
    light: Light
    centre: Array
    extent: float
    photo: Photo


def _choose(rng: np.random.Generator, odds: dict[str, float]) -> str:
    return list(odds)[int(np.searchsorted(np.cumsum(list(odds.values())), rng.random()))]


def _expression(rng: np.random.Generator) -> Expression:
    mouth, eyes, brows, one_sided = rng.random(4)
    values = rng.random(4)
    is_open = values[0] ** 1.5 if mouth < 0.5 else 0.0
    smile = float(np.clip(rng.normal(0.1, 0.4), -0.7, 1.0))
    shut = 1.0 if eyes < 0.05 else 0.45 * values[1] if eyes < 0.4 else 0.0
    raised = rng.normal(0, 0.6) if brows < 0.6 else 0.0
    return Expression(
        open=is_open,
        smile=smile,
        smirk=rng.normal(0, 0.12),
        sideways=rng.normal(0, 0.04),
        pout=max(0.0, values[2] - 0.75) * 2,
        blink_left=shut,
        blink_right=shut if one_sided > 0.06 else 1.0 - shut,
        brow_left=raised,
        brow_right=raised if one_sided < 0.9 else -raised,
        frown=max(0.0, values[3] - 0.7) * 2,
    )


def _light(rng: np.random.Generator) -> Light:
    azimuth, height = np.radians(rng.uniform(-85, 85)), np.radians(rng.uniform(-15, 65))
    direction = np.array([np.sin(azimuth) * np.cos(height), -np.sin(height), -np.cos(azimuth) * np.cos(height)])
    ambient = rng.uniform(0.25, 0.65)
    return Light(
        direction, ambient, rng.uniform(0.9, 1.2) - ambient, np.clip(rng.normal(1, 0.05, 3), 0.85, 1.15), rng.uniform(0.0, 0.28)
    )


def random_look(rng: np.random.Generator) -> Look:
    """Draw the parameters of a picture from ``rng``."""
    pose = POSE_MEAN + np.array(POSE_RANGE) * (2 * rng.beta(2.3, 2.3, 3) - 1)
    shape = Shape(**{f.name: float(_SPREAD[f.name] * np.clip(rng.normal(), -2.2, 2.2)) for f in fields(Shape)})
    tone = (len(SKINS) - 1) * rng.beta(1.0, 1.3)
    skin = SKINS[int(tone)] * (1 - tone % 1) + SKINS[int(tone) + 1] * (tone % 1) + rng.normal(0, 6, 3)
    dark_hair = tone > 3.5 and rng.random() < 0.85
    hair = HAIRS[rng.integers(2) if dark_hair else rng.integers(len(HAIRS))] * rng.uniform(0.8, 1.2)
    haircut = _choose(rng, HAIRCUTS)
    beard = "none" if haircut == "long" and rng.random() < 0.9 else _choose(rng, BEARDS)
    make_up = rng.random() if beard == "none" and rng.random() < 0.35 else 0.0
    paleness = rng.uniform(0, 0.8)
    lip = skin * (np.array([0.60, 0.58, 0.86]) * (1 - paleness) + np.array([0.88, 0.86, 0.98]) * paleness)
    lip = lip * (1 - 0.7 * make_up) + 0.7 * make_up * np.array([60, 40, 175]) * rng.uniform(0.6, 1.1)
    return Look(
        pose=pose,
        shape=shape,
        expression=_expression(rng),
        skin=np.clip(skin, 20, 250),
        hair=np.clip(hair, 8, 235),
        brow=np.clip(0.75 * np.minimum(hair, skin) + 0.05 * skin, 5, 200),
        iris=IRISES[rng.integers(len(IRISES))],
        lip=np.clip(lip, 10, 245),
        cloth=rng.uniform(20, 235, 3),
        gaze=np.clip(rng.normal(0, 0.35, 2), -0.8, 0.8),
        brow_weight=rng.uniform(0.3, 1.0),
        make_up=make_up,
        age=max(0.0, rng.normal(0.35, 0.5)),
        blush=rng.uniform(0, 0.4),
        grain=2.5 * float(np.exp(rng.normal(0, 0.6))),
        blotches=4.0 * float(np.exp(rng.normal(0, 0.6))),
        eye_white=rng.uniform(0.45, 1.0),
        teeth=rng.uniform(-0.2, 1.0),
        mouth=rng.uniform(0, 255, 3) if rng.random() < 0.15 else np.array([28.0, 18.0, 48.0]) * rng.uniform(0.5, 2.0),
        shadows=rng.uniform(0.0, 0.7),
        haircut=haircut,
        hairline=rng.normal(0, 0.06),
        volume=rng.uniform(0.05, 0.16),
        parting=rng.uniform(-0.6, 0.6),
        beard=beard,
        hat=_choose(rng, HATS),
        glasses=_choose(rng, GLASSES),
        occluder=_choose(rng, OCCLUDERS),
        background=_choose(rng, BACKGROUNDS),
        light=_light(rng),
        centre=0.5 + np.clip(rng.normal(0, 0.028, 2), -0.06, 0.06),
        extent=rng.uniform(0.74, 0.88),
        photo=random_photo(rng),
    )
