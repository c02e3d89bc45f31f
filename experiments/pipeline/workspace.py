"""Folder layout of a search and the steps after it."""

from dataclasses import dataclass
from pathlib import Path

from ...evaluators.names import BEST

ARCHITECTURE = "architecture.json"
HISTORY = "history.csv"
PARETO = "pareto.csv"


@dataclass(frozen=True)
class Workspace:
    """The folder of a search: ``supernet/`` with its results, ``subnet/`` with the finetuned choice, and the baselines.

    Parameters
    ----------
    root
        The folder; it need not exist.
    """

    root: Path = Path("ckpt_save")

    @property
    def search(self) -> Path:
        """Folder of the search."""
        return self.root / "supernet"

    @property
    def supernet(self) -> Path:
        """Checkpoint of the trained supernet."""
        return self.search / BEST

    @property
    def architecture(self) -> Path:
        """The chosen architecture."""
        return self.search / ARCHITECTURE

    def trained(self, name: str = "subnet") -> Path:
        """Folder of the finetuned subnet, or of the baseline of this name."""
        return self.root / name

    def checkpoint(self, name: str = "subnet") -> Path:
        """Checkpoint of the finetuned subnet, or of the baseline of this name."""
        return self.trained(name) / BEST
