"""Write a network as a small, checked ONNX file with metadata."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxslim
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...evaluators.runtime.landmarker import STATED
from ...latency import OnnxNet, run_each
from ...search_space.errors import InputError, ResultError
from ...search_space.files import atomic_path
from .fold import deployable

INPUT = "image"
"""Name of the file's input."""

OUTPUT = "landmarks"
"""Name of the file's output."""

TOLERANCE = 1e-4
"""Maximum :func:`deviation` from torch of an accepted fp32 file."""

OPSET = 18
"""Opset in which torch builds its graphs; other opsets are converted from it."""


def described(network: dict[str, Any] | str, num_points: int, input_size: int) -> dict[str, str]:
    """Return the metadata of a network's file: architecture or baseline, points, input size in pixels, input and output."""
    return STATED | {
        "network": json.dumps(network),
        "num_points": str(num_points),
        "input_size": str(input_size),
        "output": "x0 y0 x1 y1 ..., in parts of the crop's side",
        "producer": f"fbnet-pfld {version('fbnet-pfld')}",
    }


def write_onnx(
    model: nn.Module,
    path: str | Path,
    examples: Tensor,
    metadata: Mapping[str, str] | None = None,
    opset: int = OPSET,
    dynamic_batch: bool = False,
    name: str | None = None,
) -> None:
    """Write ``model`` with folded BatchNorms, slimmed by onnxslim; check the file, and compare it with torch.

    The file states the lowest IR version that its operators allow, so that older engines can open it.

    Parameters
    ----------
    model
        Landmark network in eval mode; it is not modified.
    path
        The file; only a checked file gets this name.
    examples
        float32 (N, 3, S, S), BGR, 0..1: images on which the file and torch are compared.
    metadata
        Metadata of the file, on its network and origin.
    opset
        ONNX opset version.
    dynamic_batch
        Whether the file accepts any batch size instead of 1.
    name
        Name of the network in messages; by default ``path``.

    Raises
    ------
    ResultError
        If the :func:`deviation` of the file's outputs from torch's is above ``TOLERANCE``. No file is written.
    InputError
        If torch or onnxruntime does not support the opset for this network, or the file cannot be written.
    """
    model = model.cpu().float().eval()
    with atomic_path(path) as temporary:
        save(slim(_exported(deployable(model), temporary, examples[:1], opset, dynamic_batch)), temporary, metadata)
        with torch.no_grad():
            expected = model(examples).numpy()
        check_deviation(run_each(_opened(temporary, opset), examples.numpy()), expected, f"{name or path}: the ONNX file")


def deviation(outputs: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest difference of a file's outputs from torch's, relative to the larger of 1 and torch's largest.

    The outputs of a network that predicts points as fractions of the crop's side are about 1 at most, so the result is the
    difference itself, as a fraction of the side. Outputs in pixels are hundreds of times larger, and so are their rounding
    errors.
    """
    return float(np.abs(outputs - expected).max() / max(1.0, float(np.abs(expected).max())))


def check_deviation(outputs: NDArray[np.float32], expected: NDArray[np.float32], what: str) -> None:
    """Raise :class:`ResultError` unless an fp32 file's outputs equal torch's within ``TOLERANCE``; ``what`` names the file."""
    if not np.isfinite(expected).all():
        raise ResultError(f"{what} cannot be compared with torch, whose outputs are not finite; the training has diverged")
    found = deviation(outputs, expected)
    if not found <= TOLERANCE:  # also true if a file's outputs are not finite
        raise ResultError(
            f"{what} differs from torch by {found:.1e} of the largest output, more than {TOLERANCE:.0e}; nothing is written"
        )


def save(model: onnx.ModelProto, path: Path, metadata: Mapping[str, str] | None) -> None:
    """Check a model and save it with ``metadata``; remove everything else beside the graph, such as paths and stack traces.

    The file states the lowest IR version that has its opsets. Exporters state their newest one, which older engines refuse
    whatever the file contains. Domains other than ONNX's, such as onnxruntime's, do not matter: only ONNX has IR versions.
    """
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import, ignore_unknown=True)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def slim(model: onnx.ModelProto) -> onnx.ModelProto:
    """Simplify a model with onnxslim, which removes duplicate constants and identical parts."""
    with quiet():
        return onnxslim.slim(model)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the exporters' warnings, which are of no use to a user."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _exported(model: nn.Module, path: Path, example: Tensor, opset: int, dynamic_batch: bool) -> onnx.ModelProto:
    shapes = None
    if dynamic_batch:
        example, shapes = example.repeat(2, 1, 1, 1), ({0: torch.export.Dim("batch")},)  # torch makes a batch of 1 constant
    with quiet():
        torch.onnx.export(
            model,
            (example,),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamo=True,
            external_data=False,
            verbose=False,
            opset_version=opset,
            dynamic_shapes=shapes,
        )
    written = onnx.load(path)
    if written.opset_import[0].version != opset:  # torch only warns
        raise InputError(
            f"opset {opset}: torch cannot write this network with it; allowed: {OPSET} to {onnx.defs.onnx_opset_version()}"
        )
    return written


def _opened(path: Path, opset: int) -> OnnxNet:
    try:
        return OnnxNet(path)
    except InputError as error:
        raise InputError(
            f"opset {opset}: {OnnxNet.engine} refuses it: {error}; give one that it supports, such as {OPSET}"
        ) from None
