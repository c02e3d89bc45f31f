"""One-shot search strategies for any NNI model space of ``LayerChoice``s."""

from .all_paths import FBNetModule
from .cost_term import MODES, LatencyTerm
from .decode import NEAR, check_target, cost_range, decode, k_best, unit_hint
from .fbnet import FBNet
from .front import Subnet, cost_of, evolve, pareto_front
from .launch import run_search
from .sweep import Chain, sweep
from .target import LatencyTarget

__all__ = [
    "MODES",
    "NEAR",
    "Chain",
    "FBNet",
    "FBNetModule",
    "LatencyTarget",
    "LatencyTerm",
    "Subnet",
    "check_target",
    "cost_of",
    "cost_range",
    "decode",
    "evolve",
    "k_best",
    "pareto_front",
    "run_search",
    "sweep",
    "unit_hint",
]
