"""Write a network as an ONNX file, and run such files with onnxruntime."""

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from ..latency import session
from ..search_space.inputs import atomic_path

INPUT, OUTPUT = "image", "landmarks"
TOLERANCE = 1e-4
"""Largest difference from torch, in normalised coordinates, at which an exported file is accepted."""

DENORMAL = 1e-30
"""Weights smaller than this are zeroed: as denormals they make a CPU several times slower and change nothing."""


def zero_denormals(model: nn.Module) -> int:
    """Set every parameter and buffer entry with ``|w| < 1e-30`` to zero in place; return how many were not zero before."""
    changed = 0
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tiny = (tensor.abs() < DENORMAL) & (tensor != 0)
            changed += int(tiny.sum())
            tensor[tiny] = 0.0
    return changed


def write_onnx(model: nn.Module, path: str | Path, examples: Tensor, metadata: dict[str, str] | None = None) -> float:
    """Write ``model`` for one image, check the file, and compare it with torch.

    Parameters
    ----------
    model
        A landmark network; its denormal weights are zeroed in place.
    path
        The file; only a checked file gets this name.
    examples
        float32 (N, 3, S, S), BGR, 0..1: the images on which file and torch are compared.
    metadata
        Written into the file's metadata, so that it can tell where it comes from.

    Returns
    -------
    float
        Largest absolute difference of an output from torch, in normalised coordinates.

    Raises
    ------
    RuntimeError
        If the file's outputs differ from torch's by more than ``TOLERANCE``.
    InputError
        If the file cannot be written.
    """
    model = model.cpu().float().eval()
    zero_denormals(model)
    with atomic_path(path) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations, of no use to a user
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            torch.onnx.export(model, (examples[:1],), temporary, input_names=[INPUT], output_names=[OUTPUT], dynamo=True,
                              external_data=False, verbose=False)
        onnx.save(_without_traces(onnx.load(temporary), metadata or {}), temporary)
        onnx.checker.check_model(str(temporary), full_check=True)
        difference = _difference(model, temporary, examples)
        if not difference <= TOLERANCE:
            raise RuntimeError(f"{path}: the ONNX file differs from torch by {difference:.2e}, more than {TOLERANCE:.0e}")
    return difference


def run_onnx(runner: onnxruntime.InferenceSession, images: Tensor) -> np.ndarray:
    """Run images float32 (N, 3, S, S), BGR, 0..1 one by one; return float32 (N, 2P), normalised."""
    name = runner.get_inputs()[0].name
    return np.concatenate([runner.run(None, {name: image[None].numpy()})[0] for image in images])


def _without_traces(model: onnx.ModelProto, metadata: dict[str, str]) -> onnx.ModelProto:
    """Drop the exporter's stack traces and shape notes, about a tenth of the file and full of local paths."""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    return model


def _difference(model: nn.Module, path: Path, examples: Tensor) -> float:
    with torch.no_grad():
        expected = model(examples).numpy()
    return float(np.abs(run_onnx(session(path), examples) - expected).max())
