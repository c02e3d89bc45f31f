"""Accuracy of pretrained subnets on other kinds of faces than their training faces."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from ....evaluators import Checkpoint, LandmarkDataset, network_input, score
from ....evaluators.data.layouts import facts_of
from ....search_space.errors import InputError
from ....search_space.files import write_text

RATINGS = "figures.csv"
"""Results of the subnets, beside their files."""

FIGURES = ("nme", "fr8")
"""Columns of a data set, after its name."""


def rate(folder: Path, synthetic: Path, rendered: Path, photos: Path) -> pd.DataFrame:
    """Rate every ``front-*.pth`` of a folder on the test faces of three data sets -> figures.csv.

    Parameters
    ----------
    synthetic, rendered
        Data sets with 106 points.
    photos
        Data set with 68 points, which are compared with the predicted points of the same meaning.

    Returns
    -------
    DataFrame
        A row per subnet, fastest first: ``name``, ``us``, ``bytes``, and NME and FR@8 in percent on each data set.

    Raises
    ------
    InputError
        If the folder has no subnets, or a data set cannot be read.
    """
    files = sorted(folder.glob("front-*.pth"))
    if not files:
        raise InputError(f"{folder}: no front-*.pth; run the make command first")
    # the checkpoint of each file; all have the same image size
    subnets = {file: Checkpoint.load(file) for file in files}
    (size,) = {subnet.input_size for subnet in subnets.values()}
    faces: Mapping[str, LandmarkDataset] = {
        "synthetic": LandmarkDataset(synthetic, "test", 106, size),
        "rendered": LandmarkDataset(rendered, "test", 106, size),
        "photos": LandmarkDataset(photos, "test", 68, size),
    }
    rows = []
    for file, subnet in subnets.items():
        model = subnet.build()
        row: dict[str, object] = {"name": file.stem, "us": subnet.architecture().us, "bytes": file.stat().st_size}
        for name, dataset in faces.items():
            figures = score(as_layout(points_of(model, dataset.images), dataset.points.shape[1]), dataset.points)
            row |= {f"{name}_{figure}": round(figures[figure], 3) for figure in FIGURES}
        rows.append(row)
    table = pd.DataFrame(rows).sort_values("us")
    write_text(folder / RATINGS, table.to_csv(index=False))
    return table


@torch.no_grad()
def points_of(model: nn.Module, images: Tensor, batch_size: int = 128) -> Tensor:
    """All predicted points of a network, float32 (N, P, 2), for images uint8 (N, 3, S, S)."""
    parts = [model(network_input(batch)) for batch in images.split(batch_size)]
    return torch.cat(parts).view(len(images), -1, 2)


def as_layout(points: Tensor, num_points: int) -> Tensor:
    """Convert 106 points (N, 106, 2) to a layout of ``num_points``: the points of the same meaning, in its order."""
    return points if num_points == points.shape[1] else points[:, facts_of(num_points)["to_106"]]
