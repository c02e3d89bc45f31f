"""Landmark data sets, losses, metrics, the Lightning module, and training of fixed architectures."""

from .callbacks import KeepBest
from .checkpoint import Checkpoint, check_size, inherit
from .dataset import LandmarkDataset, network_input
from .finetune import BEST, evaluate, finetune, predict, score
from .int8 import int8_rounding, train_for_int8
from .layouts import groups_of, layout_of, parts_of
from .loaders import split_indices
from .metrics import normalised_errors, part_errors
from .recalibrate import recalibrate
from .training import LAST, FinetuneOptions, TrainOptions, make_evaluator

__all__ = [
    "BEST",
    "LAST",
    "Checkpoint",
    "FinetuneOptions",
    "KeepBest",
    "LandmarkDataset",
    "TrainOptions",
    "check_size",
    "evaluate",
    "finetune",
    "groups_of",
    "inherit",
    "int8_rounding",
    "layout_of",
    "make_evaluator",
    "network_input",
    "normalised_errors",
    "part_errors",
    "parts_of",
    "predict",
    "recalibrate",
    "score",
    "split_indices",
    "train_for_int8",
]
