"""The ablations: groups of networks, each the base with one design decision changed.

If a decision changes the latency by more than 7 %, other widths change to bring it within 4 % of the base's latency. The
network with only that decision is also included, with ``alone`` in its name.
"""

from dataclasses import dataclass, replace

from .variant import Variant

BASE_NAME = "base"


@dataclass(frozen=True)
class Ablation:
    """A network and its group; ``longer`` multiplies the epochs of its training, for ceilings."""

    group: str
    variant: Variant
    longer: int = 1


_BASE = Variant()
_NARROW = replace(_BASE, entry=24, widths=(24, 48))

ABLATIONS: dict[str, Ablation] = {
    BASE_NAME: Ablation("base", _BASE),
    "branches, depthwise": Ablation("branches", replace(_BASE, copies=1, depthwise_only=True)),
    "branches, all": Ablation("branches", replace(_BASE, copies=1)),
    "64 px, alone": Ablation("input", replace(_BASE, input_size=64)),
    "80 px, alone": Ablation("input", replace(_BASE, input_size=80)),
    "96 px, alone": Ablation("input", replace(_BASE, input_size=96)),
    "64 px": Ablation("input", replace(replace(_BASE, input_size=64).scaled(2.25), neck=160, head=320)),
    "80 px": Ablation("input", replace(_BASE, input_size=80).scaled(1.65)),
    "96 px": Ablation("input", replace(_BASE, input_size=96, entry=40, widths=(40, 80), neck=96, head=160)),
    "128 px": Ablation("input", replace(_NARROW, input_size=128, first=8, neck=48, head=96)),
    "hardswish": Ablation("activation", replace(_BASE, activation="hardswish")),
    "PReLU": Ablation("activation", replace(_BASE, activation="prelu")),
    "no tap of the stem": Ablation("taps", replace(_BASE, taps=(False, True))),
    "no tap of stage 1": Ablation("taps", replace(_BASE, taps=(True, False))),
    "no taps": Ablation("taps", replace(_BASE, taps=(False, False))),
    "stem of 8, alone": Ablation("stem", replace(_BASE, first=8)),
    "stem of 8": Ablation("stem", replace(_BASE, first=8, widths=(32, 80), head=160)),
    "stem of 24, alone": Ablation("stem", replace(_BASE, first=24)),
    "stem of 32, alone": Ablation("stem", replace(_BASE, first=32)),
    "depth 2": Ablation("depth", replace(_BASE, depths=(2, 2), entry=40, widths=(40, 64))),
    "depth 4": Ablation("depth", replace(_NARROW, depths=(4, 4))),
    "widths x 3": Ablation("ceiling", _BASE.scaled(3)),
    "widths x 3, 3 x epochs": Ablation("ceiling", _BASE.scaled(3), longer=3),
    "base, 3 x epochs": Ablation("ceiling", _BASE, longer=3),
}
"""Name of a network -> the network; the base comes first."""
