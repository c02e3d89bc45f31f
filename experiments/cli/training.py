"""Remarks of the training commands before they start."""

from pathlib import Path

import torch

from ...evaluators.names import LAST
from .output import remark


def announce(dev_id: str, resume: str | None, folder: Path) -> None:
    """Remark on ``--dev-id`` without a GPU, and on ``--resume auto`` without a state to resume from."""
    if dev_id and not dev_id.startswith("cpu") and not torch.cuda.is_available():
        remark(f"no GPU found: --dev-id {dev_id} is ignored, and the training runs on the CPU")
    if resume == "auto" and not (folder / LAST).exists():
        remark(f"no {folder / LAST} to resume from; starting a new run")
