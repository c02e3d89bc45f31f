"""Registry of all parts of a network: name -> builder.

``BLOCKS`` holds the candidate block types (the reference's 26). ``STEMS`` and ``HEADS`` hold the two ends of the network.
``PARTS`` holds stems, heads and the parts that are never searched. Names encode the block: k = depthwise kernel,
e = expansion, d = dilation, se = eSE, res = residual where the shapes allow it, w = stem width, n = width of a head's neck.

:func:`register_block` adds a custom block, which a spec can then name. The registry is data: it imports torch only when a
block is built.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from .errors import InputError, allowed
from .signature import Signature

if TYPE_CHECKING:
    from torch import nn

Builder = Callable[[int, int, int, int], "nn.Module"]
"""Builds a block from ``(in_channels, out_channels, stride, size)``; ``size`` is the side of the square input map."""

Family = Literal["block", "stem", "head"]

AnyBuilder = TypeVar("AnyBuilder", bound=Builder)


@dataclass(frozen=True)
class BuiltIn:
    """Builder of a class in :mod:`.blocks`; it imports that module only when it builds."""

    kind: str
    options: Mapping[str, int]

    def __call__(self, in_channels: int, out_channels: int, stride: int, size: int) -> "nn.Module":
        from . import blocks

        module: nn.Module = getattr(blocks, self.kind)(in_channels, out_channels, stride, size, **self.options)
        return module


def _of(kind: str, **options: int) -> Builder:
    return BuiltIn(kind, options)


def _mb(kernel: int, expand: int = 1, **options: int) -> Builder:
    return _of("MBBlock", kernel=kernel, expand=expand, **options)


BLOCKS: dict[str, Builder] = {
    "skip": _of("Skip"),
    "conv1x1": _of("Conv1x1"),
    "depth_conv": _of("DepthConv"),
    "sep_k3": _of("SepConv", kernel=3),
    "sep_k5": _of("SepConv", kernel=5),
    "gh_k3": _of("Ghost", kernel=3),
    "gh_k5": _of("Ghost", kernel=5),
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
"""Candidate blocks: name -> builder."""

STEMS: dict[str, Builder] = {
    "pelee_stem": _of("PeleeStem"),
    **{f"sep_stem_w{width}": _of("SepStem", width=width) for width in (8, 12, 16, 24, 32)},
}

HEADS: dict[str, Builder] = {
    "pfld_head": _of("PfldHead"),
    **{
        f"pfld_head_n{neck}_e{expand}{'_se' if se else ''}": _of("PfldHead", neck=neck, expand=expand, se=se)
        for neck in (32, 64, 96)
        for expand in (1, 2, 4)
        for se in (False, True)
    },
}

PARTS: dict[str, Builder] = {**STEMS, **HEADS, "tap_pool": _of("TapPool"), "points": _of("PointRegressor")}
"""Stems, heads, tap pool and point regressor: name -> builder."""

FAMILIES = (BLOCKS, STEMS, HEADS)
"""Groups of interchangeable blocks."""

STEM_STRIDE = 4
"""Image side divided by the side of a stem's output."""

_TAP_STRIDES = {"pelee_stem": 2}
"""Stem -> image side divided by the side of its early map, for stems whose early map is not their output."""


def register_block(name: str, family: Family = "block", *, tap_stride: int = STEM_STRIDE) -> Callable[[AnyBuilder], AnyBuilder]:
    """Add a block to the registry, as a decorator of its class or function or as a call::

        @register_block("my_block")
        class MyBlock(nn.Module):
            def __init__(self, in_channels: int, out_channels: int, stride: int, size: int): ...

        register_block("sep_k7")(partial(SepConv, kernel=7))

    Parameters
    ----------
    name
        Name of the block in specs, architecture files and latency tables.
    family
        ``block``: a layer or the entry; maps (N, in, size, size) to (N, out, ceil(size / stride), ceil(size / stride)).
        ``stem``: returns its output, whose side is a quarter of the image's, and an early map with as many channels, which
        the head also sees. ``head``: its ``stride`` equals ``size``; its output is (N, out, 1, 1).
    tap_stride
        For a stem: image side divided by the side of its early map.

    Returns
    -------
    callable
        Decorator that returns the builder unchanged.

    Raises
    ------
    InputError
        If the name is already registered.
    """

    def register(builder: AnyBuilder) -> AnyBuilder:
        if name in BLOCKS or name in PARTS:
            raise InputError(f"block {name!r} is already registered; choose another name")
        if family == "block":
            BLOCKS[name] = builder
            return builder
        (STEMS if family == "stem" else HEADS)[name] = PARTS[name] = builder
        if family == "stem":
            _TAP_STRIDES[name] = tap_stride
        return builder

    return register


def check_block(name: str, where: str, family: Mapping[str, Builder] = BLOCKS) -> str:
    """Return ``name`` if it is a block of the family; ``where`` names the source in the error message."""
    if name not in family:
        raise InputError(f"{where}: unknown block {name!r}; {allowed(family)}")
    return name


def tap_stride(stem: str) -> int:
    """Image side divided by the side of the early map that the head gets from this stem."""
    return _TAP_STRIDES.get(stem, STEM_STRIDE)


def build(signature: Signature) -> "nn.Module":
    """Build the block or fixed part that ``signature`` names.

    Raises
    ------
    InputError
        If the name is not registered.
    """
    builder = (BLOCKS | PARTS).get(signature.op)
    if builder is None:
        raise InputError(f"unknown block {signature.op!r}; {allowed(BLOCKS | PARTS)}")
    return builder(signature.in_channels, signature.out_channels, signature.stride, signature.size)
