"""The comparison of networks: size, cost, latency and accuracy, one row each."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import nn

from ..evaluators import LandmarkDataset, evaluate
from ..latency import LookupTable, whole_network_us
from ..search_space import Architecture, count
from .host_latency import host_latency_us
from .onnx_file import write_onnx


@dataclass(frozen=True)
class Candidate:
    """A trained network to compare; ``architecture`` is None for a baseline."""

    model: nn.Module
    architecture: Architecture | None = None


@dataclass(frozen=True)
class Row:
    """Figures of one network. Latencies in microseconds; NME, FR@8 and AUC@8 in percent, on the test set."""

    name: str
    onnx_bytes: int
    parameters: int
    macs: int
    table_us: float
    host_us: float
    nme: float
    fr8: float
    auc8: float


def compare(candidates: Mapping[str, Candidate], test: LandmarkDataset, table: LookupTable) -> list[Row]:
    """Evaluate networks on the test set and time them on this machine, side by side.

    A subnet's latency is the sum of its rows in ``table``; a baseline has none, so the model behind the table is applied to
    its layers.
    """
    host = host_latency_us({name: candidate.model for name, candidate in candidates.items()})
    rows = []
    for name, candidate in candidates.items():
        model = candidate.model
        parameters, macs = count(model, model.input_size)
        scores = evaluate(model, test)
        rows.append(Row(name, _onnx_bytes(model), parameters, macs, _table_us(candidate, table), host[name],
                        scores["nme"], scores["fr8"], scores["auc8"]))
    return rows


def as_table(rows: list[Row], table: LookupTable) -> Table:
    """The rows as a table for the screen; a modelled latency is called modelled."""
    view = Table(title="test set")
    device = f"{table.name}, {table.method}"
    for heading in ("network", "ONNX KB", "parameters", "M MACs", f"latency us ({device})", "latency us (this machine)",
                    "NME %", "FR@8 %", "AUC@8 %"):
        view.add_column(heading, justify="left" if heading == "network" else "right")
    for row in rows:
        view.add_row(row.name, f"{row.onnx_bytes / 1000:.0f}", f"{row.parameters:,}", f"{row.macs / 1e6:.2f}",
                     f"{row.table_us:,.0f}", f"{row.host_us:,.0f}", f"{row.nme:.2f}", f"{row.fr8:.1f}", f"{row.auc8:.1f}")
    return view


def as_dicts(rows: list[Row]) -> list[dict[str, Any]]:
    """The rows as plain data."""
    return [asdict(row) for row in rows]


def _table_us(candidate: Candidate, table: LookupTable) -> float:
    if candidate.architecture is not None:
        return table.latency_us(candidate.architecture)
    return whole_network_us(candidate.model, candidate.model.input_size, table.threads)


def _onnx_bytes(model: nn.Module) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(model, path, torch.zeros(1, 3, model.input_size, model.input_size))
        return path.stat().st_size
