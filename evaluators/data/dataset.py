"""Data sets in the 106points layout: ``{train_data,test_data}/list.txt`` and ``imgs``, decoded once and kept as uint8."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import cv2
import nni
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ...search_space.errors import InputError, allowed
from .images import read_picture
from .listing import SPLITS, read_listing

Batch = TypeVar("Batch")


@nni.trace
class LandmarkDataset(Dataset[dict[str, Tensor]]):
    """Face crops with landmarks and head pose.

    A line of ``list.txt`` contains an image path relative to ``data_root``, then x0 y0 x1 y1 ... normalised to the crop (0..1),
    then pitch, yaw and roll in degrees: 1 + 2 * num_points + 3 fields. Every image is decoded once, resized if necessary, and
    kept in memory as uint8: 38 KB each at 112x112.

    Attributes
    ----------
    images : uint8 (N, 3, size, size), BGR
    points : float32 (N, num_points, 2), normalised
    pose : float32 (N, 3), pitch, yaw, roll in degrees
    names : list of the N image paths as written in ``list.txt``

    Parameters
    ----------
    data_root
        Folder with ``train_data`` and ``test_data``.
    split
        ``train`` or ``test``.
    num_points
        Landmarks per face.
    size
        Side of the images, in pixels.
    limit
        Read at most this many faces, spread evenly over the list.

    Raises
    ------
    InputError
        If a file is missing or unreadable, or a line is invalid, see :func:`read_listing`; the message names file and line.
    """

    def __init__(
        self, data_root: str | Path, split: str = "train", num_points: int = 106, size: int = 112, limit: int | None = None
    ):
        if split not in SPLITS:
            raise InputError(f"unknown split {split!r}; {allowed(SPLITS)}")
        root = Path(data_root)
        if not root.is_dir():
            raise InputError(f"data root not found: {root}; give a folder with train_data/list.txt and test_data/list.txt")
        faces = read_listing(root / SPLITS[split] / "list.txt", num_points)
        if limit is not None:
            spread = np.linspace(0, len(faces) - 1, min(limit, len(faces)))
            faces = [faces[round(position)] for position in spread]
        self.names = [face.image for face in faces]
        self.points = torch.from_numpy(np.stack([face.points for face in faces]))
        self.pose = torch.from_numpy(np.stack([face.pose for face in faces]))
        self.images = torch.empty(len(faces), 3, size, size, dtype=torch.uint8)
        for k, face in enumerate(faces):
            image = _decode(root / face.image, size, face.where)
            self.images[k] = torch.from_numpy(image).permute(2, 0, 1)

    def subset(self, indices: Sequence[int]) -> "LandmarkDataset":
        """Return a data set of the same kind with only the faces ``indices``."""
        part, indices = copy.copy(self), list(indices)
        part.names = [self.names[i] for i in indices]
        part.images, part.points, part.pose = self.images[indices], self.points[indices], self.pose[indices]
        return part

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"images": self.images[index], "points": self.points[index], "pose": self.pose[index]}

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        """Return a whole batch with one selection per tensor; a loader then needs ``collate_fn=as_batch``."""
        chosen = torch.as_tensor(indices)  # index_select takes a twentieth of the time of indexing by a tensor
        return {
            "images": self.images.index_select(0, chosen),
            "points": self.points.index_select(0, chosen),
            "pose": self.pose.index_select(0, chosen),
        }


def network_input(images: Tensor) -> Tensor:
    """Convert images (N, 3, S, S) to a network's input: uint8, 0..255, becomes float, 0..1; float stays unchanged.

    The memory format is channels last, with which a training step on a CPU takes two thirds of the time of the default.
    """
    images = images if images.is_floating_point() else images.float() / 255
    return images.contiguous(memory_format=torch.channels_last)


def as_batch(batch: Batch) -> Batch:
    """Collate function for data sets whose ``__getitems__`` returns a complete batch."""
    return batch


def _decode(path: Path, size: int, where: str) -> NDArray[np.uint8]:
    """Read an image as uint8 (size, size, 3), BGR."""
    image: NDArray[Any] = read_picture(path, f"{where}: ")
    if image.shape[:2] != (size, size):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return image
