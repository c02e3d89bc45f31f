"""NME of many subnets with the weights of one supernet, kept in a file so that no subnet is scored twice."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import torch

from ...evaluators import (
    Checkpoint,
    FaceData,
    as_it_is,
    evaluate,
    layout_of,
    network_input,
    normalised_errors,
    split_indices,
)
from ...evaluators.training.recalibrate import RECALIBRATION_FACES
from ...search_space import Architecture
from ...search_space.errors import InputError
from ...search_space.files import write_text
from ...search_space.progress import Track, silent
from ...strategies import Subnet, sweep
from .config import Config

FACES = 256
"""Default number of faces to score on; BatchNorm statistics are also those of these faces."""

LOGITS = "layers.{}._arch_alpha"
"""NNI's name of a layer's logits among a supernet's weights."""

SAVED_EVERY = 2000
"""Number of new scores after which the file is rewritten."""


class Scorer:
    """Score subnets of a supernet on training faces that the search held out.

    Parameters
    ----------
    supernet
        Checkpoint of a search with this ``config`` and ``seed``, which determine the held-out faces.
    faces
        The data set.
    count
        Number of held-out faces to score on; 0 for all.
    folder
        Folder of ``scores.csv``; scores of an earlier run are reused if supernet and faces are the same.

    Attributes
    ----------
    space, logits
        The supernet, and label -> block -> logit of its search.
    known
        Subnet -> NME in percent, of all scored subnets.
    scored_before
        Number of scores that are reused from an earlier run.

    Raises
    ------
    InputError
        If the supernet or the data is invalid.
    """

    def __init__(
        self, supernet: Checkpoint, faces: FaceData, config: Config, seed: int, count: int, folder: Path, track: Track = silent
    ):
        if supernet.path is None:
            raise InputError("the supernet has no file, whose content identifies its scores; save and load it first")
        self._checkpoint, self._track = supernet, track
        self.space = supernet.supernet()
        self.logits = {
            label: dict(zip(names, supernet.weights.get(LOGITS.format(i), torch.zeros(len(names))).tolist(), strict=True))
            for i, (label, names) in enumerate(self.space.spec.candidates().items())
        }
        # the faces that the search held out, and an evenly spaced part of them for the scores
        data = faces.train
        trained, held_out = split_indices(len(data), config.search.val_fraction, seed)
        self._trained, self._held_out = data.subset(trained[:RECALIBRATION_FACES]), data.subset(held_out)
        data = data.subset(held_out[:: max(1, len(held_out) // (count or len(held_out)))][: count or None])
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.space.to(self._device)
        self._images, self._points = network_input(data.images.to(self._device)), data.points.to(self._device)
        self._eye_corners = layout_of(self.space.num_points, config.eye_corners).eye_corners
        # the scores of an earlier run with the same supernet and faces
        self._file, self._record = folder / "scores.csv", folder / "scores.json"
        digest = hashlib.sha256(supernet.path.read_bytes() + data.images.numpy().tobytes() + data.points.numpy().tobytes())
        self._settings = json.dumps({"faces": len(data), "supernet_and_faces_sha256": digest.hexdigest()}) + "\n"
        self.known = self._read()
        self.scored_before = len(self.known)
        self._rated: dict[Subnet, float] = {}

    def _read(self) -> dict[Subnet, float]:
        if not (self._file.is_file() and self._record.is_file() and self._record.read_text("utf-8") == self._settings):
            return {}
        frame = pd.read_csv(self._file)
        return {tuple(row[:-1]): row[-1] for row in frame.itertuples(index=False, name=None)}

    def _save(self) -> None:
        frame = pd.DataFrame([(*subnet, nme) for subnet, nme in self.known.items()], columns=[*self.logits, "nme"])
        write_text(self._file, frame.to_csv(index=False))
        write_text(self._record, self._settings)

    def __call__(self, subnets: list[Subnet]) -> list[float]:
        """Return the NME of each subnet in percent."""
        new = [subnet for subnet in subnets if subnet not in self.known]
        found = sweep(self.space, self._images, new)
        try:
            for done, (index, output) in enumerate(self._track(found, "subnets", len(new)), 1):
                errors = normalised_errors(output.view_as(self._points), self._points, self._eye_corners)
                self.known[new[index]] = round(100 * float(errors.mean()), 4)  # rounded as in the file
                if done % SAVED_EVERY == 0:
                    self._save()
        finally:
            self._save()
        return [self.known[subnet] for subnet in subnets]

    def rate(self, subnet: Subnet) -> float:
        """Return the NME in percent of a subnet as it would be exported without finetuning, on all held-out faces."""
        if subnet not in self._rated:
            architecture = Architecture.from_blocks(self.space.spec, self.space.num_points, self.space.input_size, subnet)
            model = as_it_is(architecture, self._checkpoint, self._trained).to(self._device)
            self._rated[subnet] = evaluate(model, self._held_out, self._eye_corners)["nme"]
        return self._rated[subnet]
