"""One-shot search strategies for any NNI model space of ``LayerChoice``s."""

from .cost_term import MODES, CostTable, LatencyTerm
from .decode import NEAR, check_target, cost_range, decode, k_best, unit_hint
from .fbnet import FBNet
from .front import Subnet, cost_of, evolve, pareto_front
from .launch import run_search
from .mixture import MixtureModule
from .paths import FairPaths
from .staged import StagedFBNet
from .staged_module import StagedModule
from .stages import SHARES, STAGES, Stages, split
from .sweep import Chain, sweep
from .target import LatencyTarget

__all__ = [
    "MODES",
    "NEAR",
    "SHARES",
    "STAGES",
    "Chain",
    "CostTable",
    "FBNet",
    "LatencyTarget",
    "LatencyTerm",
    "MixtureModule",
    "StagedFBNet",
    "StagedModule",
    "Stages",
    "Subnet",
    "FairPaths",
    "split",
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
