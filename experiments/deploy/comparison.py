"""Comparison of networks by size, MACs, latency and accuracy, one row each."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...evaluators import LandmarkDataset, groups_of, layout_of, part_errors, score
from ...latency import LookupTable, bytes_of, host_latency_us
from ...search_space import count
from .candidate import Candidate, ExportedFile, TrainedNetwork, check_finite
from .onnx_file import write_onnx


@dataclass(frozen=True)
class Row:
    """Metrics of one network on the test set; None where an exported file does not provide them.

    The file of a torch model is ONNX. Latencies are in microseconds; NME, FR@8, AUC@8 and the NME of each face part are in
    percent.
    """

    name: str
    file_bytes: int
    parameters: int | None
    macs: int | None
    table_us: float | None
    host_us: float
    nme: float
    fr8: float
    auc8: float
    part_nme: dict[str, float]


def compare(
    candidates: Mapping[str, Candidate], test: LandmarkDataset, table: LookupTable, eye_corners: tuple[int, int] | None = None
) -> tuple[list[Row], dict[str, Tensor]]:
    """Evaluate networks on the test set and time them on this machine, side by side.

    The latency by ``table`` is that of :meth:`TrainedNetwork.table_us`.

    Returns
    -------
    tuple
        A row per network, and name -> predicted points, float32 (N, P, 2), normalised.
    """
    predicted = {name: check_finite(candidate.predict(test), name) for name, candidate in candidates.items()}
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for i, (name, candidate) in enumerate(candidates.items()):
            if isinstance(candidate, ExportedFile):
                files[name] = candidate.file
            else:
                files[name] = Path(folder) / f"{i}.onnx"
                write_onnx(candidate.model, files[name], torch.zeros(1, *test.images.shape[1:]), name=name)
        host = host_latency_us(files)
        rows = [
            _row(name, candidate, files[name], host[name], predicted[name], test, table, eye_corners)
            for name, candidate in candidates.items()
        ]
    return rows, predicted


def _row(
    name: str,
    candidate: Candidate,
    file: Path,
    host_us: float,
    predicted: Tensor,
    test: LandmarkDataset,
    table: LookupTable,
    eye_corners: tuple[int, int] | None,
) -> Row:
    parameters = macs = modelled_us = None
    if isinstance(candidate, TrainedNetwork):
        parameters, macs = count(candidate.model, test.images.shape[-1])
        modelled_us = candidate.table_us(table)
    num_points = test.points.shape[1]
    parts = part_errors(predicted, test.points, layout_of(num_points, eye_corners).eye_corners, groups_of(num_points))
    return Row(
        name,
        bytes_of(file),
        parameters,
        macs,
        modelled_us,
        host_us,
        **score(predicted, test.points, eye_corners),
        part_nme=parts,
    )
