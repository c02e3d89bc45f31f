"""Paint skin, eyes, brows, lips and hair on the head's texture, whose columns are angles and whose rows are ``t``."""

import cv2
import numpy as np

from .brush import blend, curve
from .head import Array
from .landmarks import PARTS, FaceModel
from .look import Look

_FRONT_SHARE = 0.75
"""Relative spacing of the texture's columns at the nose, where 1 is uniform; a lower value makes them denser."""

_TURN = np.linspace(0, 2 * np.pi, 16, endpoint=False)
BALL = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=-1)
"""Points of a unit circle."""


def columns_to_theta(u: Array) -> Array:
    """Return the angles of texture columns; ``u`` runs from 0 to 1 around the head, starting at the back."""
    v = 2 * u - 1
    return np.pi * (_FRONT_SHARE * v + (1 - _FRONT_SHARE) * v**3)


_U = np.linspace(0, 1, 513)
_THETA = columns_to_theta(_U)


def speckle(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Array:
    """Return smooth noise, float32 of ``shape``, with standard deviation about 1 and about ``cells`` spots down and across."""
    small = rng.standard_normal(cells, dtype=np.float32)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_LINEAR)


def tinted(pattern: Array, gain: Array, base: Array) -> Array:
    """Return ``base + gain * pattern``, uint8 (H, W, 3), for a float32 (H, W) pattern and colours (3,)."""
    return cv2.merge(
        [cv2.addWeighted(pattern, float(g), pattern, 0, float(b), dtype=cv2.CV_8U) for g, b in zip(gain, base, strict=True)]
    )


class Texture:
    """Texture of a painted head.

    Attributes
    ----------
    skin
        uint8 (H, W, 3), BGR.
    hair
        uint8 (H, W, 3), BGR: colour of the hair's outer shell.
    cover
        bool (H, W): True where the hair's shell exists.
    """

    def __init__(self, model: FaceModel, look: Look, rng: np.random.Generator, height: int, width: int):
        self.model, self.look, self.size = model, look, (height, width)
        self.points = self.place(model.theta, model.t)
        px = self.points
        self.unit = float(np.linalg.norm(px[89] - px[39]) / np.linalg.norm(model.points[89] - model.points[39]))
        tone = (
            speckle(rng, self.size, (24, 36)) * look.blotches + speckle(rng, self.size, (height // 2, width // 2)) * look.grain
        )
        self.skin = tinted(tone, np.ones(3), look.skin)
        self._complexion()
        self._shadows()
        self._beard()
        for eye in ("left", "right"):
            self._eye(eye)
            self._brow(eye)
        self._mouth()
        self._nostrils()
        self.cover = self._hair_cover(rng)
        self.hair = self._strands(rng)

    def place(self, theta: Array, t: Array) -> Array:
        """Map surface coordinates to texture pixels (n, 2)."""
        height, width = self.size
        return np.stack([np.interp(theta, _THETA, _U) * (width - 1), t * (height - 1)], axis=-1)

    def front(self, points: Array) -> Array:
        """Map front-view positions to texture pixels (n, 2)."""
        head = self.model.head
        return self.place(*head.locate(head.straight(np.asarray(points, np.float64))))

    def _complexion(self) -> None:
        look, p, u = self.look, self.model.points[:, :2], self.unit
        dark = look.skin * (0.72, 0.74, 0.82)
        for sign in (-1, 1):
            blend(
                self.skin,
                self.front((sign * 0.58, 0.5) + BALL * (0.2, 0.15)),
                look.skin * (0.8, 0.8, 1.06),
                look.blush + 0.1,
                0.08 * u,
            )
            centre = p[38 if sign < 0 else 92]
            blend(self.skin, self.front(centre + (0, 0.01) + BALL * (0.24, 0.13)), dark, 0.25 + 0.3 * look.make_up, 0.05 * u)
            lid = centre + np.array([[-0.2, 0.1], [-0.08, 0.16], [0.08, 0.16], [0.2, 0.1]]) * (sign, 1)
            blend(self.skin, curve(self.front(lid), False), dark, 0.25 + 0.3 * min(look.age, 1), 0.012 * u, 0.02 * u)
            corner = p[52 if sign < 0 else 61]
            wing = p[77 if sign < 0 else 83]
            fold = np.array(
                [wing + (0.05 * sign, -0.02), (wing + corner) / 2 + (0.12 * sign, -0.02), corner + (0.11 * sign, 0.02)]
            )
            blend(self.skin, curve(self.front(fold), False), dark, 0.2 + 0.5 * min(look.age, 1), 0.014 * u, 0.025 * u)
        if look.age > 0.4:
            for y in (-0.62, -0.75, -0.88):
                row = np.array([[-0.35, y + 0.02], [0.0, y], [0.35, y + 0.02]])
                blend(self.skin, curve(self.front(row), False), dark, 0.35 * min(look.age, 1), 0.012 * u, 0.018 * u)
        blend(self.skin, self.front(p[80] + (0, -0.01) + BALL * (0.17, 0.04)), dark, 0.5, 0.02 * u)
        blend(self.skin, self.front(p[53] + (0, 0.07) + BALL * (0.16, 0.03)), dark, 0.35, 0.025 * u)

    def _shadows(self) -> None:
        """Paint the shadows that nose, brows and lower lip cast away from the lamp."""
        look, p, u = self.look, self.model.points[:, :2], self.unit
        dark = look.skin * 0.35
        # direction of the shadows in front view: opposite to the lamp, corrected for the head's yaw
        side = -look.light.direction[0] + np.sin(np.radians(look.pose[1])) * -look.light.direction[2]
        down = -look.light.direction[1]
        away = np.array([np.clip(side, -1, 1) * 0.3, np.clip(down, 0, 1) * 0.3])
        strength = look.shadows * min(1.0, float(np.hypot(*away)) / 0.2)
        nose = np.array([p[73], p[74] + (0.06, 0), p[83], p[80], p[77], p[74] - (0.06, 0)])
        nose[2:5] += away
        blend(self.skin, curve(self.front(nose)), dark, strength, 0.02 * u)
        for sign in (-1, 1):
            centre = p[38 if sign < 0 else 92] + (-0.06 * sign, -0.1) + away * (0.4, 0.3)
            blend(self.skin, self.front(centre + BALL * (0.26, 0.15)), dark, 0.7 * look.shadows, 0.05 * u)
        blend(self.skin, self.front(p[53] + (0, 0.05) + away * 0.3 + BALL * (0.18, 0.06)), dark, 0.6 * strength, 0.03 * u)

    def _beard(self) -> None:
        look, px, u = self.look, self.points, self.unit
        if look.beard == "none":
            return
        strength = 0.3 if look.beard == "stubble" else 0.85
        lip = self.model.points[PARTS["outer_lip"], :2]
        top = np.array([(-0.1, -0.04), (0.0, -0.05), (0.1, -0.04)]) + (0, lip[3, 1])
        corners = [
            lip[0] + (-0.06, 0.03),
            lip[0] + (-0.02, -0.06),
            *top,
            lip[6] + (0.02, -0.06),
            lip[6] + (0.06, 0.03),
            (0.0, lip[3, 1] + 0.02),
        ]
        blend(self.skin, self.front(np.array(corners)), look.brow, strength, 0.02 * u)
        if look.beard == "moustache":
            return
        outline = px[PARTS["contour"]]
        low = outline + (0, 0.16 * u)
        cheek = self.front(
            np.array(
                [
                    (0.82, 0.62),
                    (0.62, 0.9),
                    lip[6] + (0.08, 0.02),
                    lip[9] + (0.16, 0.02),
                    lip[9] + (0, 0.0),
                    lip[9] + (-0.16, 0.02),
                    lip[0] + (-0.08, 0.02),
                    (-0.62, 0.9),
                    (-0.82, 0.62),
                ]
            )
        )
        blend(self.skin, np.concatenate([low[5:-5], cheek]), look.brow, strength, 0.03 * u)

    def _eye(self, side: str) -> None:
        look, px, u = self.look, self.points, self.unit
        ring = px[PARTS[f"{side}_eye"]]
        lids = curve(ring)
        upper, lower = lids[:17], lids[16:]
        centre = px[PARTS[f"{side}_eye_centre"][1]]
        opening = np.ptp(lids[:, 1])
        blend(self.skin, curve(ring[:5] + (0, -0.05 * u - 0.1 * opening), False), look.skin * 0.55, 0.55, 0.012 * u, 0.022 * u)
        blend(self.skin, lids, np.minimum(look.skin * 0.5 + 125, 232) * look.eye_white)
        at = centre + look.gaze * (0.06 * u, 0.02 * u) - (0, 0.008 * u)
        if opening > 0.03 * u:
            for radius, color in ((0.088, look.iris * 0.45), (0.076, look.iris), (0.038, np.full(3, 8.0))):
                blend(self.skin, at + radius * u * BALL, color, clip=lids)
            blend(self.skin, at + (-0.025 * u, -0.03 * u) + 0.016 * u * BALL, np.full(3, 245.0), 0.9, clip=lids)
            blend(self.skin, upper + (0, 0.012 * u), np.full(3, 20.0), 0.45, 0.012 * u, 0.035 * u, clip=lids)
        dark = 0.75 + 0.25 * look.make_up
        blend(self.skin, upper, np.minimum(look.skin * 0.25, 45), dark, 0.0, (0.022 + 0.025 * look.make_up) * u)
        blend(self.skin, lower, look.skin * 0.5, 0.5 + 0.3 * look.make_up, 0.006 * u, 0.014 * u)

    def _brow(self, side: str) -> None:
        ring = self.points[np.concatenate([PARTS[f"{side}_brow_upper"], PARTS[f"{side}_brow_lower"][::-1]])]
        blend(self.skin, curve(ring), self.look.brow, self.look.brow_weight, 0.016 * self.unit)

    def _mouth(self) -> None:
        look, px, u = self.look, self.points, self.unit
        outer, inner = curve(px[PARTS["outer_lip"]]), curve(px[PARTS["inner_lip"]])
        blend(self.skin, outer, look.lip, 1.0, 0.008 * u)
        blend(
            self.skin,
            curve((px[[64, 63, 71, 67, 68]] + px[[66, 66, 62, 70, 70]]) / 2, False),
            look.lip * 0.75,
            0.5,
            0.02 * u,
            0.05 * u,
        )
        blend(
            self.skin,
            curve((px[[56, 53, 59]] + px[[54, 60, 57]]) / 2, False),
            np.minimum(look.lip * 1.2 + 15, 250),
            0.5,
            0.02 * u,
            0.04 * u,
        )
        gap = px[60, 1] - px[62, 1]
        if gap > 0.03 * u:
            blend(self.skin, inner, look.mouth)
            edge = curve(px[[65, 66, 62, 70, 69]], False)
            teeth = min(0.5 * gap, 0.11 * u)
            blend(
                self.skin,
                np.concatenate([edge, edge[::-1] + (0, teeth)]),
                np.array([205.0, 218.0, 226.0]) * (0.6 + 0.4 * look.teeth),
                0.95 * (look.teeth > 0),
                0.006 * u,
                clip=inner,
            )
            if gap > 0.12 * u:
                blend(
                    self.skin, px[60] + BALL * (0.2 * u, 0.35 * gap), np.array([88.0, 80.0, 165.0]), 0.9, 0.015 * u, clip=inner
                )
        else:
            blend(self.skin, curve(px[[65, 66, 62, 70, 69]], False), look.lip * 0.35, 0.8, 0.006 * u, 0.022 * u)
        for corner in (52, 61):
            at = px[corner]
            blend(
                self.skin,
                np.array([at - (0.02 * u, 0), at + (0.02 * u, 0.005 * u)]),
                look.skin * 0.45,
                0.5,
                0.012 * u,
                0.03 * u,
            )

    def _nostrils(self) -> None:
        p, u = self.model.points, self.unit
        for at in ((p[79, :2] + p[78, :2]) / 2, (p[85, :2] + p[84, :2]) / 2):
            blend(
                self.skin,
                self.front(at + (0.02 * -np.sign(at[0]), -0.035) + BALL * (0.062, 0.03)),
                self.look.skin * 0.22,
                0.85,
                0.008 * u,
            )
        for chain in ((76, 77, 78), (82, 83, 84)):
            blend(self.skin, curve(self.points[list(chain)], False), self.look.skin * 0.5, 0.5, 0.014 * u, 0.03 * u)

    def _hair_cover(self, rng: np.random.Generator) -> Array:
        """Return the mask where hair grows: above a line over the forehead and around the ears."""
        look, head = self.look, self.model.head
        height, width = self.size
        theta = columns_to_theta(np.linspace(0, 1, width))
        angle = np.abs(np.degrees(theta))
        front = -0.92 - look.hairline + 0.10 * np.sin(3 * theta + look.parting)
        if look.haircut == "fringe":
            front = -0.58 - look.hairline + 0.30 * np.abs(theta - look.parting) * (np.abs(theta) < 0.9)
        side = 0.05 if look.haircut == "short" else 0.45
        line = np.interp(angle, [0, 45, 62, 72, 100, 130, 180], [0, 0.08, 0.42, 1.0, 1.0, 1.0, 1.0])
        line = front * (1 - line) + line * side
        line = np.where(angle > 115, 0.75, line) + 0.03 * speckle(rng, (1, width), (1, max(8, width // 4)))[0]
        heights = head.y[:, None] - head.lift[:, None] * (1 - np.cos(theta))
        rows = np.interp(np.linspace(0, 1, height), np.linspace(0, 1, len(heights)), np.arange(len(heights))).astype(int)
        return heights[rows] < line

    def _strands(self, rng: np.random.Generator) -> Array:
        height, width = self.size
        streaks = speckle(rng, self.size, (6, width // 2)) * 0.14 + speckle(rng, self.size, (8, 12)) * 0.08
        return tinted(streaks, self.look.hair, self.look.hair + 6)
