"""The export formats, and how a network's file is made in each of them."""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...latency import METADATA, check_ncnn, mnn_version, to_mnn, to_ncnn
from ...search_space.errors import InputError, allowed
from .fold import deployable
from .onnx_file import OPSET, quiet, write_onnx
from .quantise import int8_mnn, int8_onnx
from .quantise_ncnn import int8_ncnn


@dataclass(frozen=True)
class Source:
    """A trained network to export.

    Attributes
    ----------
    model
        The network, in eval mode.
    examples
        float32 (N, 3, S, S), BGR, 0..1: faces on which ONNX files are compared with torch.
    metadata
        Metadata of the files.
    folder
        Folder for the files.
    calibration
        uint8 (N, 3, S, S), BGR: training faces, for the ranges of INT8 activations; None without INT8 files.
    name
        Name of the network in messages.
    """

    model: nn.Module
    examples: Tensor
    metadata: Mapping[str, str]
    folder: Path
    calibration: Tensor | None = None
    opset: int = OPSET
    dynamic_batch: bool = False
    name: str = "network"

    @cached_property
    def onnx(self) -> Path:
        """ONNX, fp32."""
        out = self.folder / "net.onnx"
        write_onnx(self.model, out, self.examples, self.metadata, self.opset, self.dynamic_batch, self.name)
        return out

    @cached_property
    def mnn(self) -> Path:
        """MNN, fp32."""
        out = self.folder / "net.mnn"
        to_mnn(self.onnx, out)
        return out

    @cached_property
    def ncnn(self) -> Path:
        """The .param file of ncnn, fp32; its weights are in a file beside it."""
        out = self.folder / "net.param"
        to_ncnn(self.onnx, out)
        return out

    @cached_property
    def torchscript(self) -> Path:
        """TorchScript, fp32, for libtorch, with any batch size."""
        out, buffer = self.folder / "net.pt", io.BytesIO()
        with quiet():
            traced = torch.jit.freeze(torch.jit.trace(deployable(self.model), self.examples[:1]))
            torch.jit.save(traced, buffer, _extra_files={METADATA: json.dumps(self.metadata)})
        out.write_bytes(buffer.getvalue())
        return out

    @cached_property
    def int8_onnx(self) -> Path:
        """ONNX, INT8."""
        out = self.folder / "net.int8.onnx"
        int8_onnx(self.onnx, out, self._calibrating(), self.metadata)
        return out

    @cached_property
    def int8_mnn(self) -> Path:
        """MNN, INT8."""
        out = self.folder / "net.int8.mnn"
        int8_mnn(self.mnn, out, self._calibrating(), self.metadata)
        return out

    @cached_property
    def int8_ncnn(self) -> Path:
        """The .param file of ncnn, INT8; its weights are in a file beside it."""
        out = self.folder / "net.int8.param"
        int8_ncnn(self.ncnn, out, self._calibrating())
        return out

    def _calibrating(self) -> NDArray[np.uint8]:
        """Return the faces for the ranges of INT8 activations, or raise :class:`InputError` if there are none."""
        if self.calibration is None:
            raise InputError(f"{self.name}: INT8 files need training faces for calibration")
        return self.calibration.numpy()


@dataclass(frozen=True)
class Format:
    """A format: the suffix of its file, how a source makes the file, and for INT8 the fp32 format that it quantises.

    Files that belong to it are beside it, as :func:`~fbnet_pfld.latency.files_of` names them.
    ``check`` raises :class:`InputError` if the converter is not installed.
    """

    suffix: str
    make: Callable[[Source], Path]
    of: str | None = None
    check: Callable[[], object] = lambda: None


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", lambda source: source.onnx),
    "mnn": Format(".mnn", lambda source: source.mnn, check=mnn_version),
    "ncnn": Format(".param", lambda source: source.ncnn, check=check_ncnn),
    "torchscript": Format(".pt", lambda source: source.torchscript),
    "int8-onnx": Format(".int8.onnx", lambda source: source.int8_onnx, of="onnx"),
    "int8-mnn": Format(".int8.mnn", lambda source: source.int8_mnn, of="mnn", check=mnn_version),
    "int8-ncnn": Format(".int8.param", lambda source: source.int8_ncnn, of="ncnn", check=check_ncnn),
}


def chosen_formats(text: str) -> list[str]:
    """Return the formats that ``text`` names, separated by commas, and the fp32 formats of INT8 ones, in order.

    Raises
    ------
    InputError
        If a format is unknown, or its converter is not installed.
    """
    named = [name.strip() for name in text.split(",") if name.strip()]
    for name in named:
        if name not in FORMATS:
            raise InputError(f"--formats: unknown format {name!r}; {allowed(FORMATS)}")
    if not named:
        raise InputError(f"--formats names none; {allowed(FORMATS)}")
    wanted = {*named, *(FORMATS[name].of for name in named)}
    for name in named:
        FORMATS[name].check()
    return [name for name in FORMATS if name in wanted]


def make_files(formats: Iterable[str], fp32: Source, int8: Source) -> dict[str, Path]:
    """Make a network's file in each format; INT8 files come from ``int8``, the same network or one finetuned for INT8."""
    return {name: FORMATS[name].make(int8 if FORMATS[name].of else fp32) for name in formats}
