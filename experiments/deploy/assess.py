"""Assessment of exported files: each runs on the test set in its own engine, and all are timed in turns on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...evaluators import LandmarkDataset, score
from ...latency import Interval, LookupTable, bytes_of, interleave, interval, open_net, pinned, ratio, run_each
from ...search_space.progress import Track, silent
from .candidate import TrainedNetwork, check_finite
from .file_formats import FORMATS
from .onnx_file import TOLERANCE, check_deviation, deviation

INT8 = "int8"
"""Precision of latency tables for INT8 networks."""

INT8_NME = 1.05
"""Maximum NME that we aim at for an INT8 file, as a multiple of the fp32 file's."""

INT8_BYTES = 0.30
"""Maximum size that we aim at for an INT8 file, as a fraction of the fp32 file's."""


class Accuracy(NamedTuple):
    """Accuracy on the test set, in percent."""

    nme: float
    fr8: float
    auc8: float


@dataclass(frozen=True)
class Deployed:
    """A network and its files, by format.

    ``name`` is its name in messages; ``trained`` is False if its weights are random, so that its points mean nothing.
    """

    candidate: TrainedNetwork
    files: Mapping[str, Path]
    name: str
    trained: bool = True


@dataclass(frozen=True)
class FileRow:
    """Metrics of one file.

    Attributes
    ----------
    accuracy
        Accuracy of the file in its engine; None for an untrained network.
    largest_difference
        The :func:`~.onnx_file.deviation` of its outputs from torch's.
    largest_px, mean_px
        Maximum and mean distance of a point from torch, in pixels of the network's input.
    us, p95_us
        Latency of one image in microseconds: median with its 95 % interval, and 95th percentile of the calls.
    of_baseline
        Latency relative to the baseline's file in the same format.
    table_us
        Latency by the table: of INT8 files if the table is for INT8 networks, otherwise of fp32 files; None for the others.
    """

    network: str
    format: str
    engine: str
    bytes: int
    accuracy: Accuracy | None
    largest_difference: float
    largest_px: float
    mean_px: float
    us: Interval
    p95_us: float
    of_baseline: Interval
    table_us: float | None


@dataclass(frozen=True)
class Assessment:
    """Rows of all files; network -> torch's accuracy; (network, format) -> distances from torch in pixels, (N * P,)."""

    rows: list[FileRow]
    torch: dict[str, Accuracy | None]
    distances: dict[tuple[str, str], np.ndarray]


def assess(
    networks: Mapping[str, Deployed],
    baseline: str,
    test: LandmarkDataset,
    table: LookupTable,
    threads: int = 1,
    eye_corners: tuple[int, int] | None = None,
    track: Track = silent,
) -> Assessment:
    """Run every file on every test face, and time all of them in turns.

    Parameters
    ----------
    baseline
        Name of one of the ``networks``, which has files in all formats of the others.
    track
        Shows the progress of the timing sessions.

    Raises
    ------
    InputError
        If a network predicts non-finite points, or a file cannot be run.
    ResultError
        If the :func:`~.onnx_file.deviation` of an fp32 file from torch is above ``TOLERANCE``.
    """
    size = test.images.shape[-1]
    images = (test.images.float() / 255).numpy()
    # points from torch, and from each file's own engine
    truth = {name: check_finite(deployed.candidate.predict(test), name) for name, deployed in networks.items()}
    points: dict[tuple[str, str], Tensor] = {}
    engines: dict[tuple[str, str], str] = {}
    with pinned(threads):
        for name, deployed in networks.items():
            for form, file in deployed.files.items():
                net = open_net(file, threads)
                engines[name, form] = net.engine
                found = torch.from_numpy(run_each(net, images)).view_as(test.points)
                points[name, form] = check_finite(found, f"{name}, {form}")
        us = interleave({key: networks[key[0]].files[key[1]] for key in points}, threads, track=track)

    # metrics of each file, compared with torch and with the baseline's file in the same format
    def accuracy(found: Tensor, name: str) -> Accuracy | None:
        return Accuracy(**score(found, test.points, eye_corners)) if networks[name].trained else None

    rows, distances = [], {}
    for name, form in points:
        deployed, difference = networks[name], points[name, form] - truth[name]
        outputs = points[name, form].numpy(), truth[name].numpy()
        if not FORMATS[form].of:
            check_deviation(*outputs, f"{deployed.name}: the {form} file")
        distances[name, form] = size * difference.norm(dim=-1).flatten().numpy()
        rows.append(
            FileRow(
                name,
                form,
                engines[name, form],
                bytes_of(deployed.files[form]),
                accuracy(points[name, form], name),
                deviation(*outputs),
                float(distances[name, form].max()),
                float(distances[name, form].mean()),
                interval(np.median(us[name, form], axis=(1, 2))),
                float(np.percentile(us[name, form], 95)),
                ratio(us[name, form], us[baseline, form]),
                deployed.candidate.table_us(table) if (table.precision == INT8) == bool(FORMATS[form].of) else None,
            )
        )
    return Assessment(rows, {name: accuracy(truth[name], name) for name in networks}, distances)


def of_fp32(row: FileRow, rows: Sequence[FileRow]) -> tuple[float, float | None] | None:
    """Return bytes and NME of an INT8 file relative to its engine's fp32 file; None for others (the NME: without training)."""
    fp32 = next((each for each in rows if (each.network, each.format) == (row.network, FORMATS[row.format].of)), None)
    if fp32 is None:
        return None
    if row.accuracy is None or fp32.accuracy is None:
        return row.bytes / fp32.bytes, None
    return row.bytes / fp32.bytes, row.accuracy.nme / fp32.accuracy.nme


def aims(network: str, rows: Sequence[FileRow]) -> list[dict[str, Any]]:
    """Check a network's files against our aims; return ``aim``, ``at_most``, ``figure`` and ``reached`` of each."""
    checked = []
    for row in rows:
        if row.network != network:
            continue
        pair = of_fp32(row, rows)
        figures = (
            {"difference from torch": (row.largest_difference, TOLERANCE)}
            if pair is None
            else {"bytes of fp32": (pair[0], INT8_BYTES), "NME of fp32": (pair[1], INT8_NME)}
        )
        checked += [
            {"format": row.format, "aim": what, "at_most": limit, "figure": figure, "reached": figure <= limit}
            for what, (figure, limit) in figures.items()
            if figure is not None
        ]
    return checked
