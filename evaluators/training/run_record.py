"""The record of a training run, kept in its ``last.ckpt``, so that only the same run resumes from that file.

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

# settings of earlier versions that have gone -> the value with which they did nothing
_RETIRED = {"finetune.ema": 0.0}
_LIGHTNING = {"state_dict", "loops", "callbacks", "optimizer_states", "lr_schedulers"}


class RunRecord(pl.Callback):
    """Keep the record of the run in every ``last.ckpt``, and check it when a run resumes.

    Parameters
    ----------
    folder
        The run's folder.
    resume
        None for a new run, ``auto`` to go on from ``last.ckpt`` in the folder if it is there, or the path of such a file.
    values
        What tells the run from others: plain data, nested. A resumed run must have the same values, except for ``epochs``.

    Attributes
    ----------
    state
        The file that the run goes on from, or None.

    Raises
    ------
    InputError
        If there is no such file, or it is not the state of a training.
    """

    def __init__(self, folder: str | Path, resume: str | None, values: Mapping[str, Any]):
        self.folder = Path(folder)
        self.state = _state_path(self.folder, resume)
        self.values = flat(values)
        self._earlier = {} if self.state is None else _read_record(self.state)
        self._extended = False

    def check(self, **more: Any) -> None:
        """Complete the values, and check that the state is of the same run.

        Raises
        ------
        InputError
            Naming the first key that differs and both values.
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
                    f"cannot go on from {self.state}: its run has {key} {_shown(before)}, this one {_shown(now)}; "
                    "give the same value, or start a new run without --resume"
                )
            if now < before:
                raise InputError(
                    f"cannot go on from {self.state}: its run has {key} {before}, this one {now}; a run can be "
                    "extended, not shortened"
                )
            self._extended = True

    def begin(self, results: Iterable[str] = (BEST,)) -> None:
        """Write ``settings.json``; called after validation, before anything else is written.

        A new run removes the folder's ``last.ckpt``, so that nothing goes on from another run's. One that goes on from another
        folder brings the results so far along.

        Parameters
        ----------
        results
            Names of the files that the run has written besides its state.
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
        """Move the schedules of an extended run to their step in the longer run; Lightning has restored the shorter ones."""
        if self._extended:
            module: Any = getattr(pl_module, "training_module", pl_module)  # a search wraps the module that trains the weights
            for config in trainer.lr_scheduler_configs:
                config.scheduler = restart(module.make_schedule, config.scheduler, module.learning_rate)


def data_digest(dataset: LandmarkDataset) -> str:
    """Short name of a data set's labels: number of faces, and a digest of their names, points and poses."""
    digest = hashlib.sha256("\n".join(dataset.names).encode())
    for labels in (dataset.points, dataset.pose):
        digest.update(labels.numpy().tobytes())
    return f"{len(dataset)} faces, {digest.hexdigest()[:12]}"


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested plain data as one dict, with the keys of each level joined by dots."""
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
    wanted = f"--resume goes on from the {LAST} of a run"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; {wanted}") from None
    if not whole_archive(content):
        damaged = content.startswith(b"PK")
        raise InputError(f"{path} is {'damaged or cut short' if damaged else describe(content)}; {wanted}")
    data = read_plain(content)
    if isinstance(data, dict) and data.get("kind") in KINDS:
        start = "--supernet inherits from it" if data["kind"] == "supernet" else "--init starts from them"
        raise InputError(f"{path} has the weights of a trained {data['kind']} and no state of its training; {wanted}, {start}")
    if not (isinstance(data, dict) and data.keys() >= _LIGHTNING):
        raise InputError(f"{path} is no state of a training; {wanted}")
    kept = data["callbacks"].get(RunRecord.__qualname__)
    if kept is None:
        raise InputError(f"{path} does not say what run it is of: another program or an older version has written it; {wanted}")
    return {key: value for key, value in kept["values"].items() if (key, value) not in _RETIRED.items()}


def _importance(key: str) -> tuple[bool, ...]:
    """Sort key: the network first, then the data, then the settings."""
    return key != "network.kind", not key.startswith("network"), key != "data"


def _shown(value: Any) -> str:
    return "none" if value is None else repr(value) if isinstance(value, str) else str(value)
