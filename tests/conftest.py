"""Tiny data sets and spaces that the tests share; a temporary HOME, because NNI writes there."""

import os
import tempfile
from pathlib import Path

# before NNI is imported, which settles then where it writes
os.environ["HOME"] = tempfile.mkdtemp(prefix="fbnet-pfld-tests-")

import cv2
import numpy as np
import pytest
import torch

torch.set_num_threads(2)


def write_blobs(root: Path, train: int = 96, test: int = 32, points: int = 106, size: int = 112) -> Path:
    """A data set in the 106points layout whose points follow from the image: a grid of points around a bright blob."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(-0.2, 0.2, 11), np.linspace(-0.2, 0.2, 10)), -1).reshape(-1, 2)[:points]
    y, x = np.mgrid[:size, :size] / size
    for split, count in (("train_data", train), ("test_data", test)):
        (root / split / "imgs").mkdir(parents=True)
        lines = []
        for i in range(count):
            centre = rng.uniform(0.35, 0.65, 2)
            image = 255 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 0.02)
            name = f"{split}/imgs/{i:05d}.png"
            cv2.imwrite(str(root / name), np.repeat(image[..., None], 3, 2).astype(np.uint8))
            values = [*(grid + centre).ravel(), *rng.uniform(-20, 20, 3)]
            lines.append(" ".join([name, *(f"{v:.6f}" for v in values)]))
        (root / split / "list.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def blobs(tmp_path_factory) -> Path:
    return write_blobs(tmp_path_factory.mktemp("blobs"))
