"""Figure of an evaluation: the errors of faces and face parts, and the faces with the largest errors."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...evaluators import LandmarkDataset, layout_of, normalised_errors
from ...evaluators.training.metrics import LIMIT
from ..deploy.comparison import Row
from .face_points import draw_faces
from .figure import write_figure

BEYOND = 1.25
"""End of the curves, as a multiple of the limit."""

WORST = 16
"""Number of worst faces in the figure."""


def evaluation_figure(
    path: str | Path,
    rows: Sequence[Row],
    predicted: Mapping[str, Tensor],
    test: LandmarkDataset,
    eye_corners: tuple[int, int] | None = None,
) -> None:
    """Draw the cumulative errors and the errors of face parts of all networks, and the worst faces of the last one.

    Parameters
    ----------
    rows, predicted
        Metrics and points of the networks, as :func:`~fbnet_pfld.experiments.deploy.comparison.compare` returns them.
    eye_corners
        Outer eye corners, for a layout that is not built in.

    Raises
    ------
    InputError
        If the figure cannot be written.
    """
    corners = layout_of(test.points.shape[1], eye_corners).eye_corners
    nme = {name: 100 * normalised_errors(points, test.points, corners).numpy() for name, points in predicted.items()}
    figure = Figure(figsize=(10, 8), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(4.6, 3.4))[:, 0]
    curves, bars = upper.subplots(1, 2)
    draw_curves(curves, rows, nme)
    draw_parts(bars, rows)
    last = rows[-1].name
    worst = nme[last].argsort()[::-1][:WORST].copy()
    lower.suptitle(f"worst faces, true (green) and predicted (orange) points, of {last}", fontsize=10)
    draw_faces(
        lower.subplots(2, WORST // 2).ravel(),
        test.images[worst],
        test.points[worst].numpy(),
        predicted[last][worst].numpy(),
        nme[last][worst],
    )
    write_figure(path, figure, 110)


def draw_curves(axis: Axes, rows: Sequence[Row], nme: Mapping[str, np.ndarray]) -> None:
    """Draw each network's cumulative error distribution (CED curve), from the faces' NME in percent, (N,)."""
    for row in rows:
        axis.ecdf(nme[row.name], label=f"{row.name}: AUC@8 {row.auc8:.1f}, FR@8 {row.fr8:.1f} %")
    axis.axvline(100 * LIMIT, color="0.6", linestyle=":")
    axis.set_xlim(0, 100 * BEYOND * LIMIT)
    axis.set_ylim(0, 1)
    axis.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}")
    axis.set_xlabel("NME, %", fontsize=9)
    axis.set_ylabel("faces with at most this NME, %", fontsize=9)
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)


def draw_parts(axis: Axes, rows: Sequence[Row]) -> None:
    """Draw each network's NME of every face part as grouped bars."""
    width = 0.8 / len(rows)
    for i, row in enumerate(rows):
        places = np.arange(len(row.part_nme)) + (i - (len(rows) - 1) / 2) * width
        bars = axis.bar(places, list(row.part_nme.values()), width, label=f"{row.name}: all {row.nme:.2f} %")
        axis.bar_label(bars, fmt="%.1f", fontsize=7)
    axis.set_xticks(range(len(rows[0].part_nme)), rows[0].part_nme)
    axis.margins(y=0.3)  # room for the legend
    axis.set_ylabel("NME of the part, %", fontsize=9)
    axis.legend(fontsize=8)
