"""How a picture looks, with other parameters for every face of a batch: covered parts, blur, colour, noise.

Images are float (N, 3, S, S) in blue, green, red; parameters are tensors of length N on the same device. Points and pose stay.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

LUMINANCE = (0.114, 0.587, 0.299)
"""Shares of blue, green and red in the brightness (ITU-R BT.601)."""


def cover(images: Tensor, boxes: Tensor, colours: Tensor) -> Tensor:
    """Paint a rectangle over every face: boxes (N, 4) left, top, right, bottom over the side; colours (N, 3)."""
    centres = (torch.arange(images.shape[-1], device=images.device) + 0.5) / images.shape[-1]
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    inside = ((top <= centres) & (centres < bottom))[:, :, None] & ((left <= centres) & (centres < right))[:, None]
    return torch.where(inside[:, None], colours[:, :, None, None], images)


def blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Gaussian blur by sigma (N,) pixels with kernels of 2 * radius + 1 pixels; beyond the picture its border repeats.

    Two convolutions, one across and one down, in which every channel of every face is a group with a kernel of its own.
    """
    n, channels, side, _ = images.shape
    distance = torch.arange(-radius, radius + 1, device=images.device)
    kernels = torch.exp(-0.5 * (distance / sigma.clamp(min=0.01)[:, None]) ** 2)
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)[:, None, None]
    planes = functional.pad(images, (radius,) * 4, mode="replicate").reshape(1, n * channels, side + 2 * radius, -1)
    planes = functional.conv2d(planes, kernels, groups=n * channels)
    return functional.conv2d(planes, kernels.transpose(2, 3), groups=n * channels).view_as(images)


def recolour(images: Tensor, gain: Tensor, saturation: Tensor, brightness: Tensor) -> Tensor:
    """Multiply the channels by gain (N, 3), then the distance from grey by saturation (N,), then add brightness (N,); in place.

    Memory is what this costs: one plane per face, the same for all channels, holds what grey and brightness add.
    """
    luminance = torch.tensor(LUMINANCE, dtype=images.dtype).to(images.device)
    to_grey = ((1 - saturation)[:, None] * luminance * gain)[:, None]
    plane = torch.baddbmm(brightness[:, None, None], to_grey, images.flatten(2))
    return images.mul_((saturation[:, None] * gain)[:, :, None, None]).add_(plane.view(len(images), 1, *images.shape[2:]))


def grain(images: Tensor) -> Tensor:
    """Noise of mean 0 and deviation 1 in the shape of ``images``, evenly distributed.

    Made from random bytes, eight at a time: normally distributed numbers take several times as long on a CPU.
    """
    words = torch.empty((images.numel() + 7) // 8, dtype=torch.int64, device=images.device).random_(-(2**63), None)
    noise = words.view(torch.uint8)[:images.numel()].view(images.shape).to(images.dtype)
    return noise.sub_(127.5).div_(math.sqrt((256**2 - 1) / 12))
