"""Blocks, the registry of candidates, the space, the baselines and the architecture file."""

from .architecture import Architecture
from .baselines import BASELINES, PfldLite, PfldMobileNetV3
from .count import count
from .inputs import InputError
from .pose import PoseNet
from .registry import BLOCKS, PARTS, Signature, build
from .space import PfldSpace
from .spec import SpaceSpec

__all__ = [
    "BASELINES",
    "BLOCKS",
    "PARTS",
    "Architecture",
    "InputError",
    "PfldLite",
    "PfldMobileNetV3",
    "PfldSpace",
    "PoseNet",
    "Signature",
    "SpaceSpec",
    "build",
    "count",
]
