"""Faces of a data set, decoded on first use."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .dataset import LandmarkDataset


@dataclass(frozen=True)
class FaceData:
    """A data set in the 106points layout, for networks with a given number of points and input size.

    Parameters
    ----------
    root
        Folder of the data set.
    points
        Number of landmarks.
    input_size
        Side of the images in pixels.
    """

    root: Path
    points: int
    input_size: int

    @cached_property
    def train(self) -> LandmarkDataset:
        """All training faces; raises :class:`InputError` if they cannot be read."""
        return self.some("train")

    @cached_property
    def test(self) -> LandmarkDataset:
        """All test faces; raises :class:`InputError` if they cannot be read."""
        return self.some("test")

    def some(self, split: str, count: int | None = None) -> LandmarkDataset:
        """Decode ``count`` faces of a split, spread evenly over its list; all faces by default."""
        return LandmarkDataset(self.root, split, self.points, self.input_size, count)
