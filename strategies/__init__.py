"""One-shot search strategies for any NNI model space of ``LayerChoice``s."""

from .all_paths import FBNetModule
from .cost_term import MODES, LatencyTerm
from .decode import NEAR, check_target, cost_range, decode, k_best
from .fbnet import FBNet
from .launch import run_search
from .target import LatencyTarget

__all__ = [
    "MODES",
    "NEAR",
    "FBNet",
    "FBNetModule",
    "LatencyTarget",
    "LatencyTerm",
    "check_target",
    "cost_range",
    "decode",
    "k_best",
    "run_search",
]
