"""Exports without what takes long in them: graphs that torch has written once, and few calls to time files."""

import hashlib
from collections.abc import Hashable
from pathlib import Path

import onnx
from torch import Tensor, nn

from fbnet_pfld.experiments.deploy import onnx_file
from fbnet_pfld.latency.engines import interleave as timing

GRAPHS: dict[Hashable, bytes] = {}
"""What torch has written in this process, by what it was given."""


def _key(model: nn.Module) -> str:
    """The same of two networks only if they have the same layers and weights."""
    digest = hashlib.sha256(repr(model).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def write_graphs_once(monkeypatch) -> None:
    """Let torch, which takes seconds, write the graph of each network once; files are compared with torch as ever."""
    export = onnx_file._exported

    def exported_once(model: nn.Module, path: Path, example: Tensor, *options: int) -> onnx.ModelProto:
        key = (_key(model), tuple(example.shape), *options)
        if key not in GRAPHS:
            GRAPHS[key] = export(model, path, example, *options).SerializeToString()
        return onnx.load_from_string(GRAPHS[key])

    monkeypatch.setattr(onnx_file, "_exported", exported_once)


def time_few_calls(monkeypatch) -> None:
    """Let files be opened as often as ever, but be called 13 times instead of 108 each time."""
    monkeypatch.setattr(timing, "ROUNDS", 1)
    monkeypatch.setattr(timing, "WARM_UP", 2)
