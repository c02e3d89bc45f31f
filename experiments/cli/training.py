"""What the commands that train say before they begin."""

from pathlib import Path

import torch

from ...evaluators.names import LAST
from .output import remark


def announce(dev_id: str, resume: str | None, folder: Path) -> None:
    """Remark that ``--dev-id`` names GPUs where there are none, and that ``--resume auto`` finds no state."""
    if dev_id and not dev_id.startswith("cpu") and not torch.cuda.is_available():
        remark(f"no GPU here: --dev-id {dev_id} is not used, the training runs on the CPU")
    if resume == "auto" and not (folder / LAST).exists():
        remark(f"no {folder / LAST} to go on from: a new run starts")
