"""Record of a training run, stored in its ``last.ckpt``, so that only the same run resumes from that file.

A run resumes with the settings that it started with. Only its number of epochs may grow: an extended run follows the
schedules of the longer run from the epoch that it has reached.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from ...search_space.errors import InputError
from ...search_space.files import atomic_path, write_text
from ...search_space.text import describe
from ..data.dataset import LandmarkDataset
from ..names import BEST, LAST
from .checkpoint import KINDS
from .plain_data import read_plain, whole_archive
from .schedule import restart

RECORD = "settings.json"
EPOCHS = "epochs"
"""Last part of the only key whose value may grow."""

# removed settings of earlier versions -> value with which they had no effect
_RETIRED = {"finetune.ema": 0.0}
_LIGHTNING = {"state_dict", "loops", "callbacks", "optimizer_states", "lr_schedulers"}


class RunRecord(pl.Callback):
    """Store the record of the run in every ``last.ckpt``, and check it when a run resumes.

    Parameters
    ----------
    folder
        Folder of the run.
    resume
        None for a new run, ``auto`` to resume from ``last.ckpt`` in the folder if it exists, or the path of such a file.
    values
        Nested plain data that identify the run. A resumed run must have the same values, except for ``epochs``.

    Attributes
    ----------
    state
        File that the run resumes from, or None.

    Raises
    ------
    InputError
        If the file does not exist or is not the state of a training.
    """

    def __init__(self, folder: str | Path, resume: str | None, values: Mapping[str, Any]):
        self.folder = Path(folder)
        self.state = _state_path(self.folder, resume)
        self.values = flat(values)
        self._earlier = {} if self.state is None else _read_record(self.state)
        self._extended = False

    def check(self, **more: Any) -> None:
        """Add values, and check that the state belongs to the same run.

        Raises
        ------
        InputError
            If a value differs; the message names the first such key and both values.
        """
        self.values = flat(json.loads(json.dumps(self.values | more)))
        if self.state is None:
            return
        for key in sorted(sorted(self.values.keys() | self._earlier.keys()), key=_importance):
            before, now = self._earlier.get(key), self.values.get(key)
            if before == now:
                continue
            if key.split(".")[-1] != EPOCHS or before is None or now is None:
                raise InputError(
                    f"cannot resume from {self.state}: its run has {key} {_shown(before)}, this one {_shown(now)}; "
                    "give the same value, or start a new run without --resume"
                )
            if now < before:
                raise InputError(
                    f"cannot resume from {self.state}: its run has {key} {before}, this one {now}; a run can be "
                    "extended, not shortened"
                )
            self._extended = True

    def begin(self, results: Iterable[str] = (BEST,)) -> None:
        """Write ``settings.json``; called after the checks, before anything else is written.

        A new run removes the folder's ``last.ckpt``, so that no run resumes from another run's state. A run that resumes from
        another folder copies the results so far.

        Parameters
        ----------
        results
            Names of the files that the run has written in addition to its state.
        """
        write_text(self.folder / RECORD, json.dumps(self.values, indent=1) + "\n")
        if self.state is None:
            (self.folder / LAST).unlink(missing_ok=True)
        elif self.state.parent.resolve() != self.folder.resolve():
            for name in results:
                if (self.state.parent / name).is_file():
                    with atomic_path(self.folder / name) as temporary:
                        shutil.copyfile(self.state.parent / name, temporary)

    def state_dict(self) -> dict[str, Any]:
        return {"values": self.values}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Advance the schedules of an extended run to their step in the longer run; Lightning has restored the shorter ones."""
        if self._extended:
            module: Any = getattr(pl_module, "training_module", pl_module)  # a search wraps the module that trains the weights
            for config in trainer.lr_scheduler_configs:
                config.scheduler = restart(module.make_schedule, config.scheduler, module.learning_rate)


def data_digest(dataset: LandmarkDataset) -> str:
    """Return a short digest of a data set's labels: number of faces, and a hash of their names, points and poses."""
    digest = hashlib.sha256("\n".join(dataset.names).encode())
    for labels in (dataset.points, dataset.pose):
        digest.update(labels.numpy().tobytes())
    return f"{len(dataset)} faces, {digest.hexdigest()[:12]}"


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested plain data to one dict, with the keys of all levels joined by dots."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def _state_path(folder: Path, resume: str | None) -> Path | None:
    if resume is None:
        return None
    path = folder / LAST if resume == "auto" else Path(resume)
    if resume == "auto" and not path.exists():
        return None
    if not path.exists():
        raise InputError(f"nothing to resume from: {path} not found; give the {LAST} of a run, or auto")
    return path


def _read_record(path: Path) -> dict[str, Any]:
    """Read the record from a ``last.ckpt``."""
    wanted = f"--resume needs the {LAST} of a run"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; {wanted}") from None
    if not whole_archive(content):
        damaged = content.startswith(b"PK")
        raise InputError(f"{path} is {'damaged or incomplete' if damaged else describe(content)}; {wanted}")
    data = read_plain(content)
    if isinstance(data, dict) and data.get("kind") in KINDS:
        start = "use it with --supernet" if data["kind"] == "supernet" else "use it with --init"
        raise InputError(f"{path} is the checkpoint of a trained {data['kind']}, without training state; {wanted}; {start}")
    if not (isinstance(data, dict) and data.keys() >= _LIGHTNING):
        raise InputError(f"{path} is not a training state; {wanted}")
    kept = data["callbacks"].get(RunRecord.__qualname__)
    if kept is None:
        raise InputError(f"{path} has no record of its run: another program or an older version wrote it; {wanted}")
    return {key: value for key, value in kept["values"].items() if (key, value) not in _RETIRED.items()}


def _importance(key: str) -> tuple[bool, ...]:
    """Sort key: the network first, then the data, then the settings."""
    return key != "network.kind", not key.startswith("network"), key != "data"


def _shown(value: Any) -> str:
    return "none" if value is None else repr(value) if isinstance(value, str) else str(value)
