"""Size, MACs, latency by tables, and latency on this machine."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ....latency import LookupTable, host_latency_us
from ....search_space import count
from ...deploy.candidate import TrainedNetwork
from ...deploy.onnx_file import write_onnx


def costs_of(candidates: Mapping[str, TrainedNetwork], tables: Sequence[LookupTable]) -> dict[str, dict[str, float | None]]:
    """Per network ``onnx_bytes``, ``parameters``, ``macs``, latency in microseconds by each table, and ``host_us``.

    None of them depends on training. All networks are timed on this machine in turns, with one thread.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{i}.onnx" for i, name in enumerate(candidates)}
        for name, file in files.items():
            size = candidates[name].input_size
            write_onnx(candidates[name].model, file, torch.zeros(1, 3, size, size))
        host = host_latency_us(files)
        rows = {}
        for name, candidate in candidates.items():
            parameters, macs = count(candidate.model, candidate.input_size)
            us = {table.name: candidate.table_us(table) for table in tables}
            rows[name] = {
                "onnx_bytes": files[name].stat().st_size,
                "parameters": parameters,
                "macs": macs,
                **{table: value and round(value, 1) for table, value in us.items()},
                "host_us": round(host[name], 1),
            }
    return rows
