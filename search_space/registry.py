"""One registry of everything a network of the space is made of: name -> builder.

``BLOCKS`` holds the reference's 26 candidate block types, ``STEMS`` and ``HEADS`` what may stand at the ends of the network,
``PARTS`` these and what is never searched. A name says what is inside: k = depthwise kernel, e = expansion, d = dilation,
se = eSE, res = residual where the shapes allow it, w = width of a stem, n = width of a head's neck. A block is identified by a
:class:`Signature`, which is also the key of its row in a latency table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import nn

from .blocks import (
    Conv1x1,
    DepthConv,
    Ghost,
    MBBlock,
    PeleeStem,
    PfldHead,
    PointRegressor,
    SepConv,
    SepStem,
    Skip,
    TapPool,
    out_size,
)
from .inputs import InputError, allowed

Builder = Callable[[int, int, int, int], nn.Module]


@dataclass(frozen=True, order=True)
class Signature:
    """A block in its place, as a value: what it is and which maps it sees.

    Parameters
    ----------
    op
        A name in :data:`BLOCKS` or :data:`PARTS`.
    in_channels, out_channels, stride
        Of the whole block.
    size
        Side of the square input map, in pixels.
    """

    op: str
    in_channels: int
    out_channels: int
    stride: int
    size: int

    @property
    def out_size(self) -> int:
        """Side of the output map, in pixels."""
        return out_size(self.size, self.stride)

    def __str__(self) -> str:
        return f"{self.op} {self.in_channels}->{self.out_channels} stride {self.stride} at {self.size}x{self.size}"


def _mb(kernel: int, expand: int = 1, **options: bool | int) -> Builder:
    return partial(MBBlock, kernel=kernel, expand=expand, **options)


BLOCKS: dict[str, Builder] = {
    "skip": Skip,
    "conv1x1": Conv1x1,
    "depth_conv": DepthConv,
    "sep_k3": partial(SepConv, kernel=3),
    "sep_k5": partial(SepConv, kernel=5),
    "gh_k3": partial(Ghost, kernel=3),
    "gh_k5": partial(Ghost, kernel=5),
    "mb_k3": _mb(3),
    "mb_k3_e2": _mb(3, 2),
    "mb_k3_e4": _mb(3, 4),
    "mb_k3_res": _mb(3, residual=True),
    "mb_k3_e2_res": _mb(3, 2, residual=True),
    "mb_k3_e4_res": _mb(3, 4, residual=True),
    "mb_k3_d2": _mb(3, 2, dilation=2),
    "mb_k3_d3": _mb(3, 2, dilation=3),
    "mb_k3_res_d2": _mb(3, 2, dilation=2, residual=True),
    "mb_k3_res_d3": _mb(3, 2, dilation=3, residual=True),
    "mb_k3_res_se": _mb(3, residual=True, se=True),
    "mb_k3_e2_res_se": _mb(3, 2, residual=True, se=True),
    "mb_k3_e4_res_se": _mb(3, 4, residual=True, se=True),
    "mb_k5": _mb(5),
    "mb_k5_e2": _mb(5, 2),
    "mb_k5_res": _mb(5, residual=True),
    "mb_k5_e2_res": _mb(5, 2, residual=True),
    "mb_k5_res_se": _mb(5, residual=True, se=True),
    "mb_k5_e2_res_se": _mb(5, 2, residual=True, se=True),
}

STEMS: dict[str, Builder] = {
    "pelee_stem": PeleeStem,
    **{f"sep_stem_w{width}": partial(SepStem, width=width) for width in (8, 12, 16, 24, 32)},
}

HEADS: dict[str, Builder] = {
    "pfld_head": PfldHead,
    **{f"pfld_head_n{neck}_e{expand}{'_se' if se else ''}": partial(PfldHead, neck=neck, expand=expand, se=se)
       for neck in (32, 64, 96) for expand in (1, 2, 4) for se in (False, True)},
}

PARTS: dict[str, Builder] = {**STEMS, **HEADS, "tap_pool": TapPool, "points": PointRegressor}

FAMILIES = (BLOCKS, STEMS, HEADS)
"""Blocks that may stand in each other's place."""


def check_block(name: str, where: str, family: Mapping[str, Builder] = BLOCKS) -> str:
    """Return ``name`` if it is a block of the family; ``where`` says in the error who named it."""
    if name not in family:
        raise InputError(f"{where}: unknown block {name!r}; {allowed(family)}")
    return name


def tap_stride(stem: str) -> int:
    """Side of the image over the side of the early map that the head gets of this stem."""
    builder = STEMS[stem]
    return (builder.func if isinstance(builder, partial) else builder).tap_stride


def build(signature: Signature) -> nn.Module:
    """Build the block or fixed part that ``signature`` names.

    Raises
    ------
    InputError
        If the name is in neither registry.
    """
    builder = (BLOCKS | PARTS).get(signature.op)
    if builder is None:
        raise InputError(f"unknown block {signature.op!r}; {allowed(BLOCKS | PARTS)}")
    return builder(signature.in_channels, signature.out_channels, signature.stride, signature.size)
