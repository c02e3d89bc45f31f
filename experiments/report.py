"""The comparison of networks: size, cost, latency and accuracy, one row each."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table
from torch import Tensor, nn

from ..evaluators import Checkpoint, LandmarkDataset, check_size, groups_of, layout_of, part_errors, predict, score
from ..latency import NETS, LookupTable, follows_model, host_latency_us, open_net, run_each, whole_network_us
from ..search_space import Architecture, InputError, count
from .deploy.onnx_file import write_onnx


@dataclass(frozen=True)
class Candidate:
    """A trained network to compare: a model, with its architecture if it is a subnet; or an exported file alone."""

    model: nn.Module | None = None
    architecture: Architecture | None = None
    file: Path | None = None


@dataclass(frozen=True)
class Row:
    """Figures of one network on the test set; None where an exported file does not tell. Of a model the file is ONNX.

    Latencies in microseconds; NME, FR@8 and AUC@8 in percent, and the NME of each part of the face.
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


def size_of(path: Path) -> tuple[int, int]:
    """Number of points and input size of a checkpoint's network or of an exported file."""
    if path.suffix in NETS:
        net = open_net(path)
        return net(np.zeros(net.shape, np.float32)).size // 2, net.shape[-1]
    checkpoint = Checkpoint.load(path)
    return checkpoint.num_points, checkpoint.input_size


def load_candidate(path: Path, num_points: int, input_size: int) -> Candidate:
    """Load a checkpoint, or an exported file (by its suffix).

    Raises
    ------
    InputError
        If it cannot be read, or is of another number of points or input size.
    """
    if path.suffix in NETS:
        net = open_net(path)
        found, wanted = (net.shape, net(np.zeros(net.shape, np.float32)).shape), ((1, 3, input_size, input_size),
                                                                                 (1, 2 * num_points))
        if found != wanted:
            raise InputError(f"{path}: input {found[0]}, output {found[1]}; allowed: {wanted[0]} and {wanted[1]}, for "
                             f"{num_points} points")
        return Candidate(file=path)
    checkpoint = Checkpoint.load(path)
    checkpoint.check_points(num_points, path)
    check_size(checkpoint.input_size, input_size, path)
    return Candidate(checkpoint.build(path), checkpoint.architecture(path) if checkpoint.kind == "subnet" else None)


def compare(candidates: Mapping[str, Candidate], test: LandmarkDataset, table: LookupTable,
            eye_corners: tuple[int, int] | None = None) -> tuple[list[Row], dict[str, Tensor]]:
    """Evaluate networks on the test set and time them on this machine, side by side.

    Latency by ``table`` is as :func:`table_us` has it.

    Returns
    -------
    tuple
        A row per network, and the points that each predicts, float32 (N, P, 2), normalised, by its name.
    """
    predicted = {name: _predict(name, candidate, test) for name, candidate in candidates.items()}
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for i, (name, candidate) in enumerate(candidates.items()):
            files[name] = candidate.file or Path(folder) / f"{i}.onnx"
            if candidate.file is None:
                write_onnx(candidate.model, files[name], torch.zeros(1, *test.images.shape[1:]), name=name)
        host = host_latency_us(files)
        rows = [_row(name, candidate, files[name], host[name], predicted[name], test, table, eye_corners)
                for name, candidate in candidates.items()]
    return rows, predicted


def _predict(name: str, candidate: Candidate, test: LandmarkDataset) -> Tensor:
    if candidate.model is not None:
        points = predict(candidate.model, test)
    else:
        points = torch.from_numpy(run_each(open_net(candidate.file), (test.images.float() / 255).numpy())).view_as(test.points)
    return check_finite(points, name)


def check_finite(points: Tensor, name: str) -> Tensor:
    """Return points, or raise :class:`InputError` if they are not finite."""
    if not torch.isfinite(points).all():
        raise InputError(f"{name}: predicts points that are not finite; allowed: a network whose training has not diverged")
    return points


def _row(name: str, candidate: Candidate, file: Path, host_us: float, predicted: Tensor, test: LandmarkDataset,
         table: LookupTable, eye_corners: tuple[int, int] | None) -> Row:
    parameters = macs = modelled_us = None
    if candidate.model is not None:
        parameters, macs = count(candidate.model, test.images.shape[-1])
        modelled_us = table_us(candidate, table)
    num_points = test.points.shape[1]
    parts = part_errors(predicted, test.points, layout_of(num_points, eye_corners).eye_corners, groups_of(num_points))
    return Row(name, file.stat().st_size, parameters, macs, modelled_us, host_us, **score(predicted, test.points, eye_corners),
               part_nme=parts)


def as_table(rows: list[Row], table: LookupTable) -> Table:
    """The rows as a table for the screen; a modelled latency is called modelled."""
    view = Table(title="test set", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left",
                 caption=f"table us: {table.name}, {table.method}; host us: this machine, one thread; a checkpoint: "
                         "as ONNX, by onnxruntime")
    for heading in ("network", "file KB", "params", "M MACs", "table us", "host us", "NME %", "FR@8", "AUC@8"):
        view.add_column(heading, justify="left" if heading == "network" else "right", overflow="fold")
    for row in rows:
        cells = ((row.file_bytes / 1000, ".0f"), (row.parameters, ",d"), (row.macs and row.macs / 1e6, ".2f"),
                 (row.table_us, ",.0f"), (row.host_us, ",.0f"), (row.nme, ".2f"), (row.fr8, ".1f"), (row.auc8, ".1f"))
        view.add_row(row.name, *("-" if value is None else format(value, form) for value, form in cells))
    return view


def as_dicts(rows: list[Row]) -> list[dict[str, Any]]:
    """The rows as plain data."""
    return [asdict(row) for row in rows]


def table_us(candidate: Candidate, table: LookupTable) -> float | None:
    """A network's latency by a table in microseconds; None for blocks that it has no rows for.

    It has none for a baseline; but to that, the model behind the shipped tables is applied.
    """
    if candidate.architecture is not None:
        covered = all(signature in table.rows for signature in candidate.architecture.signatures())
        return table.latency_us(candidate.architecture) if covered else None
    if table.method != "modelled" or not follows_model(table.rows, table.threads):
        return None
    return whole_network_us(candidate.model, candidate.model.input_size, table.threads)
