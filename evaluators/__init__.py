"""Landmark data sets, losses, metrics, the Lightning module, and training of fixed architectures."""

from .callbacks import KeepBest
from .checkpoint import BEST, Checkpoint, check_size, inherit, load_supernet, start_from, weights_digest
from .dataset import LandmarkDataset, network_input
from .finetune import evaluate, finetune, predict, score
from .int8 import int8_rounding, train_for_int8
from .layouts import groups_of, layout_of, parts_of
from .loaders import split_indices
from .metrics import normalised_errors, part_errors
from .recalibrate import recalibrate
from .run_record import LAST, RunRecord
from .training import FinetuneOptions, TrainOptions, make_evaluator, refuse_together

__all__ = [
    "BEST",
    "LAST",
    "Checkpoint",
    "FinetuneOptions",
    "KeepBest",
    "LandmarkDataset",
    "RunRecord",
    "TrainOptions",
    "check_size",
    "evaluate",
    "finetune",
    "groups_of",
    "inherit",
    "int8_rounding",
    "layout_of",
    "load_supernet",
    "make_evaluator",
    "network_input",
    "normalised_errors",
    "part_errors",
    "parts_of",
    "predict",
    "recalibrate",
    "refuse_together",
    "score",
    "split_indices",
    "start_from",
    "train_for_int8",
    "weights_digest",
]
