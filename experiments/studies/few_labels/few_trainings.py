"""Trainings on few labelled faces: one architecture, from scratch and from a checkpoint, on nested subsets."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ....evaluators import Checkpoint, FaceData, LandmarkDataset, evaluate, split_indices, weights_digest
from ....evaluators.training.known_points import as_layout
from ....search_space import Architecture
from ...pipeline.config import Config
from ...pipeline.finetuning import network_of
from ..results import Records, digest, train_and_test

STEPS = 1875
"""Steps of each training, 60,000 faces in batches of 32."""

RATES: Mapping[str, tuple[float, ...]] = {"scratch": (0.02, 0.01), "init": (0.01, 0.003)}
"""Start of a training -> peak learning rates; the NME on held-out faces with seed 0 selects one."""

KEYS = ("data", "network", "start", "faces", "seed", "rate")
"""Columns that identify a training."""


@dataclass(frozen=True)
class FewFaces(FaceData):
    """The data set with ``count`` of its training faces, or all if there are fewer.

    The subsets of one ``seed`` are nested: each has the first faces of one random order, regardless of the person.
    """

    count: int = 0
    seed: int = 0

    @cached_property
    def train(self) -> LandmarkDataset:
        """The labelled faces; a training holds out some of them to choose its best epoch."""
        every = self.some("train")
        order = np.random.default_rng(self.seed).permutation(len(every))
        return every.subset(sorted(order[: self.count].tolist()))


def epochs_for(labelled: int, config: Config, seed: int) -> int:
    """Epochs in which a training on ``labelled`` faces makes about :data:`STEPS` steps."""
    options = config.finetune
    trained, _ = split_indices(labelled, options.val_fraction, seed)
    steps = max(1, len(trained) // options.batch_size)  # a last short batch is dropped
    return max(1, round(STEPS / steps))


class FewLabels:
    """The trainings of one network on one data set, kept in few_labels.csv, a row per training.

    Parameters
    ----------
    name
        Name of the data set in the results.
    data_root
        Folder of the data set.
    init
        Checkpoint of the network, or ``pretrained:NAME``; trainings from scratch use only its architecture.
    config
        The recipe, and the landmarks of the data set.
    results
        Folder of the file.

    Raises
    ------
    InputError
        If the checkpoint is invalid, or the file has rows of this network with other settings or weights.
    """

    def __init__(self, name: str, data_root: Path, init: str, config: Config, results: Path):
        self._data_root, self._init = data_root, init
        self._checkpoint = Checkpoint.load(init)
        self._network, self._config = network_of(self._checkpoint, config)
        blocks = " ".join(self._network.choices.values()) if isinstance(self._network, Architecture) else self._network
        self._key = {"data": name, "network": blocks}
        recipe = self._config.finetune.model_dump(mode="json", exclude={"epochs", "learning_rate"})
        self._setups = {
            "scratch": digest(recipe, STEPS),
            "init": digest(recipe, STEPS, weights_digest(self._checkpoint)),
        }
        self._records = Records(results / "few_labels.csv", *KEYS)
        for start, setup in self._setups.items():
            self._records.check(setup=setup, start=start, **self._key)

    def rate_untrained(self) -> None:
        """Add a row without labelled faces, the untrained checkpoint, if its points contain those of the data set."""
        known = as_layout(self._checkpoint, self._config.points)
        key = {**self._key, "start": "init", "faces": 0, "seed": 0, "rate": 0.0}
        if known.num_points != self._config.points or self._records.has(**key):
            return
        test = self._config.faces(self._data_root).test
        figures = evaluate(known.build(), test, self._config.eye_corners)
        tested = {f"test_{metric}": round(value, 4) for metric, value in figures.items()}
        self._records.add(**key, setup=self._setups["init"], init=self._init, epochs=0, **tested)

    def train(self, start: str, count: int, seed: int) -> None:
        """Train on ``count`` faces, with all learning rates for seed 0, and with the best of them for other seeds.

        Parameters
        ----------
        start
            A key of :data:`RATES`.

        Raises
        ------
        InputError
            If the data are invalid, or seed 0 has not been trained.
        """
        faces = FewFaces(self._data_root, self._config.points, self._config.input_size, count, seed)
        labelled = len(faces.train)
        key = {**self._key, "start": start, "faces": labelled}
        for rate in RATES[start] if seed == 0 else [self._best_rate(key)]:
            if self._records.has(**key, seed=seed, rate=rate):
                continue
            epochs = epochs_for(labelled, self._config, seed)
            changes = {"finetune__learning_rate": rate, "finetune__epochs": epochs}
            init = Path(self._init) if start == "init" else None
            begin = time.process_time()
            figures = train_and_test(self._config.override(changes, "few-labels"), faces, self._network, seed, init=init)
            self._records.add(
                **key,
                seed=seed,
                rate=rate,
                setup=self._setups[start],
                init=self._init if init else None,
                epochs=epochs,
                **figures,
                cpu_seconds=round(time.process_time() - begin, 1),
            )

    def _best_rate(self, key: Mapping[str, Any]) -> float:
        """The learning rate with the lowest NME on held-out faces for seed 0."""
        rows = self._records.frame()
        same = rows[(rows[list(key)] == list(key.values())).all(axis=1) & (rows.seed == 0)]
        return float(same.sort_values("held_out_nme").rate.iloc[0])
