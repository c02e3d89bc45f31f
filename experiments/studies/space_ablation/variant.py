"""``Variant``: a landmark network described by a few numbers, some of which no search space has."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from nni.nas.space import model_context
from torch import nn

from ....search_space import PfldSpace, SpaceSpec
from ....search_space.blocks import Conv, MBBlock, PfldHead, SepStem
from ....search_space.registry import HEADS, PARTS, STEMS, Builder
from ....search_space.space import State
from .reparameterised import reparameterise


@dataclass(frozen=True)
class Variant:
    """A network described by a few numbers; the defaults are the base, a network of the space ``pfld-wide``.

    Attributes
    ----------
    first
        Channels of the stem's first convolution, which has a stride of 2.
    stem, entry
        Channels of the maps at strides 4 and 8.
    widths, depths, blocks
        Channels, layers and block of the two stages, at strides 8 and 16.
    neck, head
        Channels of the head's neck, and of the features before the points.
    taps
        Whether the head uses the early maps of the stem and of the first stage.
    activation
        A name in :data:`ACTIVATIONS`.
    copies
        Number of parallel k x k branches in training; 0: no branches.
    depthwise_only
        Whether only depthwise convolutions have branches.
    """

    input_size: int = 112
    first: int = 16
    stem: int = 16
    entry: int = 32
    widths: tuple[int, int] = (32, 64)
    depths: tuple[int, int] = (3, 3)
    blocks: tuple[str, str] = ("mb_k3_res", "mb_k5_res")
    neck: int = 64
    head: int = 128
    taps: tuple[bool, bool] = (True, True)
    activation: str = "relu"
    copies: int = 0
    depthwise_only: bool = False

    def scaled(self, factor: float) -> "Variant":
        """Return the variant with all widths multiplied by ``factor``, in multiples of 8."""

        def times(width: int) -> int:
            return 8 * max(1, round(width * factor / 8))

        return replace(
            self,
            first=times(self.first),
            stem=times(self.stem),
            entry=times(self.entry),
            widths=(times(self.widths[0]), times(self.widths[1])),
            neck=times(self.neck),
            head=times(self.head),
        )

    def build(self, num_points: int, input_size: int) -> nn.Module:
        """Build the network with new weights."""
        with self._registered() as (stem, head):
            spec = self._spec(stem, head)
            choices = {label: blocks[0] for label, blocks in spec.candidates().items()}
            with model_context(choices):
                network = TapSpace(spec=spec, num_points=num_points, input_size=input_size)
        network.keep(self.taps)
        ACTIVATIONS[self.activation](network)
        return reparameterise(network, self.copies, self.depthwise_only) if self.copies else network

    @contextmanager
    def _registered(self) -> Iterator[tuple[str, str]]:
        """Register stem and head within the context, so that other tables and spaces do not get them; yield their names."""
        stem, head = f"sep_stem_w{self.first}", f"pfld_head_n{self.neck}_e2"
        added: list[tuple[dict[str, Builder], str]] = []
        for family, name, builder in (
            (STEMS, stem, partial(SepStem, width=self.first)),
            (HEADS, head, partial(PfldHead, neck=self.neck, expand=2, se=False)),
        ):
            if name not in family:
                family[name] = PARTS[name] = builder
                added += [(family, name), (PARTS, name)]
        try:
            yield stem, head
        finally:
            for registry, name in added:
                del registry[name]

    def _spec(self, stem: str, head: str) -> SpaceSpec:
        """Return the space whose only subnet is this network."""
        stages = [
            {"layers": depth, "channels": width, "stride": stride, "candidates": [block]}
            for depth, width, stride, block in zip(self.depths, self.widths, (1, 2), self.blocks, strict=True)
        ]
        data = {
            "name": "ablation",
            "stem": {"block": stem, "channels": self.stem},
            "entry": {"block": "mb_k3_e2", "channels": self.entry, "stride": 2},
            "stages": stages,
            "head": {"block": head, "channels": self.head},
        }
        return SpaceSpec.from_dict(data, "ablation")


class TapSpace(PfldSpace):
    """A space whose head uses only some of the taps."""

    kept: tuple[bool, ...] = (True, True)

    def keep(self, taps: tuple[bool, ...]) -> None:
        """Remove the other taps from the network."""
        self.kept = taps
        removed = 0
        for i, keep in enumerate(taps):
            if not keep:
                removed += self.layout.pools[i].out_channels
                self.pools[i] = nn.Identity()  # its output is not used
        if removed:
            head = cast(PfldHead, self.head)
            neck = cast(nn.Conv2d, head[0])
            head[0] = nn.Conv2d(neck.in_channels - removed, neck.out_channels, 1, bias=False)

    def _run(self, place: str, block: nn.Module, state: State) -> State:
        if place == "head":
            state = state._replace(pooled=tuple(y for y, keep in zip(state.pooled, self.kept, strict=True) if keep))
        return super()._run(place, block, state)


def _activate(network: nn.Module, make: Callable[[int], nn.Module]) -> None:
    """Replace every ReLU by another activation, in place; ``make`` gets the number of channels."""
    for module in list(network.modules()):
        if isinstance(module, Conv) and isinstance(module[-1], nn.ReLU):
            module[-1] = make(cast(nn.Conv2d, module[0]).out_channels)
        elif isinstance(module, MBBlock):
            module.add_module("relu", make(cast(nn.Conv2d, module.depthwise[0]).out_channels))


ACTIVATIONS: dict[str, Callable[[nn.Module], None]] = {
    "relu": lambda network: None,
    "hardswish": lambda network: _activate(network, lambda channels: nn.Hardswish(inplace=True)),
    "prelu": lambda network: _activate(network, nn.PReLU),
}
"""Activation -> function that changes a network to it, in place."""
