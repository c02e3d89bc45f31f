"""Shared by experiments that train many networks: a training with its figures, and CSV files that grow row by row."""

import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from ...evaluators import FaceData, evaluate
from ...search_space.errors import InputError
from ...search_space.files import write_text
from ..pipeline.config import Config
from ..pipeline.finetuning import Network, finetune_network
from ..pipeline.training_progress import TrainingProgress


def train_and_test(
    config: Config, faces: FaceData, network: Network, seed: int, supernet: Path | None = None, init: Path | None = None
) -> dict[str, float]:
    """Train and test a network.

    Returns
    -------
    dict
        ``held_out_nme``, ``test_nme``, ``test_fr8`` and ``test_auc8`` in percent, and ``seconds``. The held-out faces are the
        part of the training data that chose the epoch.
    """
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        shown = [TrainingProgress("training")]
        best = finetune_network(config, faces, Path(folder), network, supernet, seed, callbacks=shown, init=init)
        trained = best.build()
    figures = {f"test_{name}": round(value, 4) for name, value in evaluate(trained, faces.test, config.eye_corners).items()}
    return {"held_out_nme": round(best.metrics["val_nme"], 4), **figures, "seconds": round(time.perf_counter() - start, 1)}


def digest(*parts: Any) -> str:
    """Short digest of the plain data that results depend on."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]


_TEXT = ("data", "network", "recipe", "method", "space", "setup", "blocks", "start", "init", "aim")
"""Columns of text; without this list pandas reads a digest such as 53237869, or a data set called 300, as a number."""


class Records:
    """Rows of a CSV file.

    Parameters
    ----------
    path
        The file; the first row creates it.
    keys
        Columns that identify a result.
    """

    def __init__(self, path: Path, *keys: str):
        self.path, self.keys = path, keys

    def has(self, **key: Any) -> bool:
        """Whether there is a row with these keys."""
        return any(all(row[name] == key[name] for name in self.keys) for row in self._rows())

    def add(self, **row: Any) -> None:
        """Append a row."""
        self.extend([row])

    def extend(self, rows: list[dict[str, Any]]) -> None:
        """Append rows; the file is rewritten through a temporary one."""
        self.replace([*self._rows(), *rows])

    def check(self, setup: str, **part: Any) -> None:
        """Raise :class:`InputError` if rows with these values were made with another ``setup``."""
        for row in self._rows():
            if all(row[name] == value for name, value in part.items()) and row["setup"] != setup:
                raise InputError(f"{self.path}: has results of other settings, networks or weights; give another --results")

    def replace(self, rows: list[dict[str, Any]]) -> None:
        """Replace the content of the file by these rows."""
        write_text(self.path, pd.DataFrame(rows).to_csv(index=False))

    def frame(self) -> pd.DataFrame:
        """Return all rows.

        Raises
        ------
        InputError
            If the file does not exist yet.
        """
        if not self.path.exists():
            raise InputError(f"{self.path} not found; run the command that writes it first")
        return pd.read_csv(self.path, dtype=dict.fromkeys(_TEXT, str), keep_default_na=False, na_values=[""])

    def _rows(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [{str(name): value for name, value in row.items()} for row in self.frame().to_dict("records")]
