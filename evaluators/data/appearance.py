"""Changes of appearance with separate parameters for every face of a batch: occlusion, blur, colour, noise.

Images are float (N, 3, S, S), BGR; parameters are tensors of length N on the same device. Points and pose do not change.
"""

import math

import torch
from torch import Tensor

LUMINANCE = (0.114, 0.587, 0.299)
"""Weights of blue, green and red in the brightness (ITU-R BT.601)."""


def cover(images: Tensor, boxes: Tensor, colours: Tensor) -> Tensor:
    """Paint a rectangle over every face: boxes (N, 4), left, top, right, bottom in parts of the side; colours (N, 3)."""
    centres = (torch.arange(images.shape[-1], device=images.device) + 0.5) / images.shape[-1]
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    inside = ((top <= centres) & (centres < bottom))[:, :, None] & ((left <= centres) & (centres < right))[:, None]
    return torch.where(inside[:, None], colours[:, :, None, None], images)


def blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Blur each face with a Gaussian of sigma (N,) pixels and kernels of 2 * radius + 1 pixels; the image border repeats.

    The blur is two matrix products per face, one across and one down, where row i of the matrix holds the weights of output
    pixel i. Convolutions with a separate kernel per face take three times as long on a CPU.
    """
    side = images.shape[-1]
    distance = torch.arange(-radius, radius + 1, device=images.device)
    kernels = torch.exp(-0.5 * (distance / sigma.clamp(min=0.01)[:, None]) ** 2)
    kernels = kernels / kernels.sum(dim=1, keepdim=True)
    source = (torch.arange(side, device=images.device)[:, None] + distance).clamp(0, side - 1)
    made_of = images.new_zeros(len(images), side, side)
    made_of.scatter_add_(2, source.expand(len(images), -1, -1), kernels[:, None].expand(-1, side, -1))
    return made_of[:, None] @ images @ made_of[:, None].transpose(2, 3)


def recolour(images: Tensor, gain: Tensor, saturation: Tensor, brightness: Tensor) -> Tensor:
    """Multiply the channels by gain (N, 3), then the distance from grey by saturation (N,), then add brightness (N,); in place.

    Memory traffic dominates: a single plane per face, shared by all channels, holds the contribution of grey and brightness.
    """
    luminance = torch.tensor(LUMINANCE, dtype=images.dtype).to(images.device)
    to_grey = ((1 - saturation)[:, None] * luminance * gain)[:, None]
    plane = torch.baddbmm(brightness[:, None, None], to_grey, images.flatten(2))
    return images.mul_((saturation[:, None] * gain)[:, :, None, None]).add_(plane.view(len(images), 1, *images.shape[2:]))


def grain(images: Tensor) -> Tensor:
    """Return uniform noise with mean 0 and standard deviation 1 in the shape of ``images``.

    The noise comes from random bytes, eight at a time; normally distributed numbers take several times as long on a CPU.
    """
    words = torch.empty((images.numel() + 7) // 8, dtype=torch.int64, device=images.device).random_(-(2**63), None)
    noise = words.view(torch.uint8)[: images.numel()].view(images.shape).to(images.dtype)
    return noise.sub_(127.5).div_(math.sqrt((256**2 - 1) / 12))
