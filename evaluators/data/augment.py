"""Random augmentation of whole batches of faces, on their device.

torchvision's transforms, including version 2, draw their parameters once per call: all faces of a batch would be rotated,
coloured and covered alike, and a call per face takes longer than the network's training step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .appearance import blur, cover, grain, recolour

CPU_FACES = 8
"""Faces warped at a time on a CPU: they fit in its cache, so that reading pixels in rotated order is as fast as in order."""


@dataclass(frozen=True)
class Augment:
    """Random mirroring, rotation, scale, shift, colours, blur, occlusion and noise, drawn separately for every face.

    A strength of zero disables that part. The parameters are drawn on the CPU, so that a seed gives the same parameters on
    every device, without synchronising with a GPU.

    Parameters
    ----------
    mirror
        Index of every point's partner in the mirrored face; half of the faces are then mirrored. None for no mirroring.
    degrees
        Largest rotation in either direction, in degrees.
    scale
        Largest relative change of size.
    shift
        Largest shift, as a fraction of the image's side.
    light
        Largest relative change of contrast; half of it is the largest change of brightness, as a fraction of the full range.
    cast
        Largest relative change of a colour channel.
    saturation
        Largest relative change of the distance from grey.
    grey
        Share of the faces that lose their colours.
    share
        Share of the faces that are blurred; also of those that are partly covered, and of those that get noise.
    blur
        Largest standard deviation of the blur, as a fraction of the image's side.
    occlusion
        Longest side of the covering rectangle, as a fraction of the image's side.
    noise
        Largest standard deviation of the noise, as a fraction of the full range.
    """

    mirror: tuple[int, ...] | None = None
    degrees: float = 15.0
    scale: float = 0.1
    shift: float = 0.05
    light: float = 0.25
    cast: float = 0.1
    saturation: float = 0.3
    grey: float = 0.05
    share: float = 0.2
    blur: float = 0.015
    occlusion: float = 0.4
    noise: float = 0.04

    def __call__(self, images: Tensor, points: Tensor, pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Augment images (N, 3, S, S), points (N, P, 2), normalised, and pose (N, 3), degrees; return all three.

        Images are BGR, as uint8, 0..255, or float, 0..1; the returned images are float. Mirroring negates yaw and roll;
        rotating the image counter-clockwise adds to roll, the last of the three rotations of a pose. Uncovered corners repeat
        the border. The arguments are not modified.
        """
        with torch.autocast(images.device.type, enabled=False):  # half precision would quantise the colours
            images, points, pose = self._move(images, points, pose)
            return self._change_look(images), points, pose

    def _move(self, images: Tensor, points: Tensor, pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n = len(images)
        # draw the parameters
        angle, scale, *directions = (2 * torch.rand(4, n) - 1).to(images.device).unbind()
        angle, scale = torch.deg2rad(angle * self.degrees), 1 + scale * self.scale
        shift = torch.stack(directions, dim=1) * self.shift
        flip = (torch.rand(n) < (0.5 if self.mirror else 0.0)).to(images.device)
        sign = 1 - 2 * flip.float()
        cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
        # new = matrix @ (old - centre) + centre + shift, after mirroring
        matrix = torch.stack((torch.stack((cos * sign, -sin), 1), torch.stack((sin * sign, cos), 1)), 1)
        inverse = matrix.transpose(1, 2) / scale[:, None, None] ** 2
        # look up the pixels through the inverse
        few = CPU_FACES if images.device.type == "cpu" else n
        parts = zip(images.split(few), inverse.split(few), shift.split(few), strict=True)
        images = torch.cat([_warp(*part) for part in parts])
        # transform the points and the pose in the same way
        points = (matrix[:, None] * (points - 0.5)[:, :, None]).sum(-1) + 0.5 + shift[:, None]
        if self.mirror:
            points = torch.where(flip[:, None, None], points[:, list(self.mirror)], points)
        pose = torch.stack((pose[:, 0], pose[:, 1] * sign, pose[:, 2] * sign - torch.rad2deg(angle)), dim=1)
        return images, points, pose

    def _change_look(self, images: Tensor) -> Tensor:
        """Change colours, occlusion, blur and noise in place; new memory for every part would take longer than the part."""
        n = len(images)
        if self.occlusion:
            self._change_some(images, self._covered)
        if self.blur:
            self._change_some(images, self._blurred)
        light, brightness, saturation, *cast = (2 * torch.rand(6, n) - 1).to(images).unbind()
        gain = (1 + light * self.light)[:, None] * (1 + torch.stack(cast, dim=1) * self.cast)
        coloured = (torch.rand(n) >= self.grey).to(images)
        recolour(images, gain, coloured * (1 + saturation * self.saturation), brightness * self.light / 2)
        if self.noise:
            self._change_some(images, self._noisy)
        return images.clamp_(0, 1)

    def _change_some(self, images: Tensor, change: Callable[[Tensor], Tensor]) -> None:
        chosen = (torch.rand(len(images)) < self.share).nonzero()[:, 0]
        if len(chosen):
            chosen = chosen.to(images.device)
            images.index_copy_(0, chosen, change(images.index_select(0, chosen)))

    def _covered(self, faces: Tensor) -> Tensor:
        """Cover faces with a rectangle, each side at least a quarter of the longest, its centre anywhere."""
        sides, centre, colour = torch.rand(len(faces), 7).to(faces).split((2, 2, 3), dim=1)
        half = (1 + 3 * sides) / 8 * self.occlusion
        return cover(faces, torch.cat((centre - half, centre + half), dim=1), colour)

    def _blurred(self, faces: Tensor) -> Tensor:
        largest = self.blur * faces.shape[-1]
        return blur(faces, torch.rand(len(faces)).to(faces) * largest, math.ceil(3 * largest))

    def _noisy(self, faces: Tensor) -> Tensor:
        return torch.addcmul(faces, grain(faces), torch.rand(len(faces), 1, 1, 1).to(faces) * self.noise)


def _warp(images: Tensor, inverse: Tensor, shift: Tensor) -> Tensor:
    """Sample each pixel from ``inverse @ (pixel - shift)``, relative to the centre, in units of the image's side."""
    side = images.shape[-1]
    images = images if images.is_floating_point() else images.float().mul_(1 / 255)
    # grid_sample expects -1..1; affine_grid takes fifty times as long on a CPU
    pixels = (2 * torch.arange(side, device=images.device, dtype=images.dtype) + 1) / side - 1
    across, down = (pixels - 2 * shift[:, :, None])[:, :, None].unbind(1)
    grid = (inverse[:, :, :1] * across)[:, :, None] + (inverse[:, :, 1:] * down)[:, :, :, None]
    return functional.grid_sample(images, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)


def _geometry(mirror: tuple[int, ...] | None) -> Augment:
    return Augment(mirror, light=0, cast=0, saturation=0, grey=0, blur=0, occlusion=0, noise=0)


AUGMENTS: dict[str, Callable[[tuple[int, ...] | None], Augment | None]] = {
    "full": Augment,
    "geometry": _geometry,
    "none": lambda mirror: None,
}
"""Name -> function from the mirror partners to the augmentation, or None for no augmentation."""
