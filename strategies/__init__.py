"""One-shot search strategies for any NNI model space of ``LayerChoice``s."""

from .cost_term import MODES, LatencyTerm
from .fbnet import FBNet, FBNetModule
from .launch import run_search

__all__ = ["MODES", "FBNet", "FBNetModule", "LatencyTerm", "run_search"]
