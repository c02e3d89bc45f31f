"""Light augmentation of whole batches, on the device where they are.

Written on batches because a call per face, as torchvision's transforms have it, costs more than the network's own step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augment:
    """Random mirroring, rotation, scale, shift, and light per face.

    Parameters
    ----------
    mirror
        Index of every point's partner in the mirrored face; None for no mirroring.
    degrees
        Largest rotation either way.
    scale
        Largest relative change of size.
    shift
        Largest shift, in parts of the image's side.
    light
        Largest relative change of contrast and, in parts of the full range, half of it of brightness.
    """

    mirror: tuple[int, ...] | None = None
    degrees: float = 15.0
    scale: float = 0.1
    shift: float = 0.05
    light: float = 0.25

    def __call__(self, images: Tensor, points: Tensor, pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Augment float images (N, 3, S, S) 0..1, points (N, P, 2) normalised, and pose (N, 3) in degrees.

        Mirroring negates yaw and roll; turning the image counter-clockwise adds to roll, which is the last of the three
        rotations of a pose. Uncovered corners repeat the border.
        """
        n, device = len(images), images.device
        angle, scale, shift_x, shift_y, gain, bias = (2 * torch.rand(6, n, device=device) - 1).unbind()
        angle = torch.deg2rad(angle * self.degrees)
        scale = 1 + scale * self.scale
        flip = torch.rand(n, device=device) < (0.5 if self.mirror else 0.0)
        sign = 1.0 - 2.0 * flip.float()
        cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
        shift = torch.stack((shift_x, shift_y), dim=1) * self.shift
        # new = matrix @ (old - centre) + centre + shift, the mirroring first; coordinates in -1..1 around the centre
        matrix = torch.stack((torch.stack((cos * sign, -sin), 1), torch.stack((sin * sign, cos), 1)), 1)
        inverse = torch.linalg.inv(matrix)
        back = torch.cat((inverse, -inverse @ (2 * shift)[:, :, None]), dim=2)
        grid = functional.affine_grid(back, list(images.shape), align_corners=False)
        images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        images = images * (1 + gain * self.light)[:, None, None, None] + (bias * self.light / 2)[:, None, None, None]
        points = (points - 0.5) @ matrix.transpose(1, 2) + 0.5 + shift[:, None]
        if self.mirror:
            points = torch.where(flip[:, None, None], points[:, list(self.mirror)], points)
        pose = torch.stack((pose[:, 0], pose[:, 1] * sign, pose[:, 2] * sign - torch.rad2deg(angle)), dim=1)
        return images.clamp(0, 1), points, pose
