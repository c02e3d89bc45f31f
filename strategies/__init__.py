"""One-shot search strategies for any NNI model space of ``LayerChoice``s."""

from .cost_term import MODES, LatencyTerm
from .fbnet import FBNet, FBNetModule
from .launch import run_search
from .target import LatencyTarget, check_target, cost_range, decode

__all__ = [
    "MODES",
    "FBNet",
    "FBNetModule",
    "LatencyTarget",
    "LatencyTerm",
    "check_target",
    "cost_range",
    "decode",
    "run_search",
]
