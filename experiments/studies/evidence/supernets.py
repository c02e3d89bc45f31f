"""Supernets, and the NME of subnets with a supernet's weights."""

import json
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from ....evaluators import BEST, Checkpoint, FaceData, as_it_is, evaluate, split_indices
from ....evaluators.training.recalibrate import RECALIBRATION_FACES
from ....latency import LookupTable
from ....search_space import Architecture, InputError, PfldSpace
from ....search_space.errors import check_name
from ....search_space.files import read_json, write_text
from ...pipeline.config import Config
from ...pipeline.supernet_search import search_supernet
from ...pipeline.training_progress import TrainingProgress
from ..results import Records, digest
from .alone import BUDGETS, LUT
from .sample import sample, spread

METHODS: Mapping[str, Mapping[str, Any]] = {
    "stages": {"search__augment": "geometry"},
    "reference": {"search__method": "reference", "search__augment": "geometry", "search__val_fraction": 0.3},
}
"""Method -> settings of its search that differ from the defaults. The reference gets more held-out faces, because its logits
learn from them in every epoch."""

TIME = "time.json"
"""File with the duration of a finished training, in the supernet's folder."""

KEYS = ("space", "method", "epochs", "seed")
"""Columns that identify a supernet."""


class Supernet:
    """A supernet of the experiment: its settings, its folder, and its key.

    Parameters
    ----------
    space, method
        A key of ``BUDGETS``, and a key of ``METHODS``.
    seed
        Seed of its training.
    epochs
        Epochs of all stages together; None for the default.
    work
        Folder of the supernets.

    Raises
    ------
    InputError
        If space, method or epochs are invalid.
    """

    def __init__(self, space: str, method: str, seed: int, epochs: int | None, work: Path):
        settings = {"lut": LUT, "search__front": 0, **METHODS[check_name(method, METHODS)], "search__epochs": epochs}
        self.config = Config.load(None, space=check_name(space, BUDGETS)).override(settings, "evidence")
        self.space, self.method, self.seed = space, method, seed
        self.table = LookupTable.load(self.config.lut)
        self.model = PfldSpace(space, self.config.points, self.config.input_size)
        self.cost = self.table.cost(self.model)
        search = self.config.search
        self.setup = digest(search.model_dump(mode="json"), search.lengths, self.cost.blocks_us, self.cost.fixed_us)
        self.key = dict(zip(KEYS, (space, method, search.total_epochs, seed), strict=True))
        self.folder = work / f"{space}-{method}-{search.total_epochs}-{self.setup}-{seed}"

    def train(self, faces: FaceData) -> dict[str, float]:
        """Train it, or resume an unfinished training; return the total ``seconds`` and ``cpu_seconds``."""
        if not (self.folder / TIME).exists():
            clock = Clock()
            search_supernet(self.config, faces, self.folder, self.seed, "auto", callbacks=[clock, TrainingProgress("search")])
            write_text(self.folder / TIME, json.dumps(clock.spent()) + "\n")
        return read_json(self.folder / TIME, "time of a training")

    @cached_property
    def checkpoint(self) -> Path:
        """File of the trained weights.

        Raises
        ------
        InputError
            If the training is unfinished, so that the file has the weights of an earlier epoch.
        """
        if not (self.folder / TIME).exists():
            raise InputError(f"no trained supernet in {self.folder}; run the `supernet` command with the same options first")
        return self.folder / BEST

    @property
    def seconds(self) -> float:
        """Seconds of its finished training on one core; for an early record, wall-clock time of an idle machine."""
        spent = read_json(self.folder / TIME, "time of a training")
        return float(spent["cpu_seconds"] or spent["seconds"])

    def architecture(self, blocks: Sequence[str]) -> Architecture:
        """Return the subnet with these blocks and its latency."""
        return self.table.annotate(
            Architecture.from_blocks(self.model.spec, self.config.points, self.config.input_size, blocks)
        )


class Clock(pl.Callback):
    """Measure the duration of a training, including the time before an interruption."""

    def __init__(self) -> None:
        self._earlier = {"seconds": 0.0, "cpu_seconds": 0.0}
        self._start = time.perf_counter(), time.process_time()

    def spent(self) -> dict[str, float]:
        """``seconds`` and ``cpu_seconds`` so far."""
        now = time.perf_counter(), time.process_time()
        return {
            name: round(self._earlier[name] + end - start, 1)
            for name, start, end in zip(self._earlier, self._start, now, strict=True)
        }

    def state_dict(self) -> dict[str, float]:
        return self.spent()

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self._earlier = state_dict


class Rater:
    """Rates subnets with a supernet's weights, not finetuned, as they would be exported.

    BatchNorm statistics come from training faces. ``held_out_nme`` uses the held-out faces, which a search sees; ``test_nme``
    uses the test set, which no search sees. Both are in percent.
    """

    def __init__(self, supernet: Supernet, faces: FaceData):
        config = supernet.config
        self._eye_corners = config.eye_corners
        self._weights = Checkpoint.load(supernet.checkpoint)
        trained, held_out = split_indices(len(faces.train), config.search.val_fraction, supernet.seed)
        self._trained = faces.train.subset(trained[:RECALIBRATION_FACES])
        self._rated = {"held_out_nme": faces.train.subset(held_out), "test_nme": faces.test}

    def __call__(self, architecture: Architecture) -> dict[str, float]:
        """Rate a subnet."""
        model = as_it_is(architecture, self._weights, self._trained)
        return {name: round(evaluate(model, rated, self._eye_corners)["nme"], 4) for name, rated in self._rated.items()}


def subnets_of(supernet: Supernet) -> dict[str, list[dict[str, str]]]:
    """Part -> subnets that every supernet rates: the sample that is trained alone, and subnets spread over the space."""
    return {"sample": sample(supernet.cost, BUDGETS[supernet.space]), "spread": spread(supernet.cost)}


def train_and_score(supernet: Supernet, faces: FaceData, results: Path) -> None:
    """Train a supernet -> supernets.csv, and rate subnets with its weights -> scores.csv.

    Raises
    ------
    InputError
        If a file has rows of this supernet with other settings or another table.
    """
    key, setup = supernet.key, supernet.setup
    # refuse files with rows of this supernet with other settings
    trained, scores = Records(results / "supernets.csv", *KEYS), Records(results / "scores.csv", *KEYS, "part", "subnet")
    for records in (trained, scores):
        records.check(setup=setup, **key)
    # train the supernet
    spent = supernet.train(faces)
    if not trained.has(**key):
        trained.add(**key, setup=setup, **spent)
    # rate the remaining subnets
    missing = [
        (part, i, subnet)
        for part, subnets in subnets_of(supernet).items()
        for i, subnet in enumerate(subnets)
        if not scores.has(**key, part=part, subnet=i)
    ]
    if not missing:
        return
    rate = Rater(supernet, faces)
    for part, i, subnet in missing:
        architecture = supernet.architecture(tuple(subnet.values()))
        scores.add(
            **key,
            part=part,
            subnet=i,
            setup=setup,
            blocks=" ".join(subnet.values()),
            us=architecture.us,
            **rate(architecture),
        )
