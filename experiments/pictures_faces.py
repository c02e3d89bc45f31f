"""A contact sheet of faces with their points."""

import math
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from ..search_space.inputs import atomic_path

COLUMNS = 8


def contact_sheet(images: Tensor, points: Tensor, path: str | Path) -> None:
    """Write faces uint8 (N, 3, S, S), BGR, with points (N, P, 2), normalised, as one picture."""
    rows, size = math.ceil(len(images) / COLUMNS), images.shape[-1]
    figure = Figure(figsize=(1.6 * COLUMNS, 1.6 * rows), layout="constrained")
    for axis in (axes := figure.subplots(rows, COLUMNS, squeeze=False).ravel()):
        axis.set_axis_off()
    for axis, image, marks in zip(axes, images, points, strict=False):
        axis.imshow(image.flip(0).permute(1, 2, 0).numpy(), extent=(0, size, size, 0))
        axis.plot(*(marks.numpy() * size).T, ".", color="#00e000", markersize=1.5)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
