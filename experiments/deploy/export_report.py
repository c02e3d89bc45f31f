"""The report on exported files, as data and as a figure."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..plots.figure import write_figure
from .assess import Assessment, FileRow, aims, of_fp32
from .file_formats import FORMATS

COLOURS = ("#d95f02", "#1b9e77")
"""Colours of the exported network and of the baseline."""

MARKS = dict(zip(FORMATS, "osPD^v<", strict=True))
"""Format -> marker in the scatter plot."""


def as_data(found: Assessment, exported: str, baseline: str) -> dict[str, Any]:
    """Return the report as plain data, for ``report.json``."""
    rows = []
    for row in found.rows:
        smaller = of_fp32(row, found.rows) or (None, None)
        data = asdict(row) | {"bytes_of_fp32": smaller[0], "nme_of_fp32": smaller[1]}
        data |= {
            key: value and value._asdict()
            for key, value in (("accuracy", row.accuracy), ("us", row.us), ("of_baseline", row.of_baseline))
        }
        rows.append(data)
    return {
        "network": exported,
        "baseline": baseline,
        "files": rows,
        "aims": aims(exported, found.rows),
        "torch": {name: accuracy and accuracy._asdict() for name, accuracy in found.torch.items()},
    }


def report_figure(path: str | Path, found: Assessment) -> None:
    """Draw accuracy against latency, the files' sizes, and the distances of points from torch.

    Raises
    ------
    InputError
        If the figure cannot be written.
    """
    colours = dict(zip(found.torch, COLOURS, strict=False))
    figure = Figure(figsize=(10, 8), layout="constrained")
    axes = figure.subplot_mosaic([["scatter", "curves"], ["bars", "bars"]])
    _draw_scatter(axes["scatter"], found.rows, colours)
    _draw_sizes(axes["bars"], found.rows, colours)
    curves = axes["curves"]
    for row in found.rows:
        pixels = np.maximum(found.distances[row.network, row.format], 1e-7)
        curves.ecdf(
            pixels,
            label=f"{row.network} {row.format}",
            color=colours[row.network],
            linestyle="--" if FORMATS[row.format].of else "-",
        )
    curves.set_xscale("log")
    curves.set_xlabel("distance of a point from torch, pixels (dashed: INT8)")
    curves.set_ylabel("share of points")
    curves.grid(alpha=0.3)
    write_figure(path, figure, 100)


def _draw_scatter(axis: Axes, rows: Sequence[FileRow], colours: dict[str, str]) -> None:
    for row in rows:
        if row.accuracy:
            axis.errorbar(
                row.us.median,
                row.accuracy.nme,
                xerr=[[row.us.median - row.us.low], [row.us.high - row.us.median]],
                fmt=MARKS[row.format],
                color=colours[row.network],
                markersize=8,
                fillstyle="none" if FORMATS[row.format].of else "full",
                label=f"{row.network} {row.format}",
            )
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("latency on this machine, us (median, 95 % interval)")
    axis.set_ylabel("NME on the test set, %")
    axis.legend(fontsize=7)
    axis.grid(alpha=0.3)


def _draw_sizes(axis: Axes, rows: Sequence[FileRow], colours: dict[str, str]) -> None:
    bars = axis.barh(
        [f"{row.network} {row.format}" for row in rows],
        [row.bytes / 1000 for row in rows],
        color=[colours[row.network] for row in rows],
    )
    axis.bar_label(bars, fmt="%.0f", fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.12)  # room for the labels
    axis.tick_params(labelsize=8)
    axis.set_xlabel("file size, KB")
