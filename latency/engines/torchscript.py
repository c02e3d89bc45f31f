"""PyTorch's runtime for TorchScript files on this machine."""

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...search_space.errors import InputError
from .tensors import METADATA


class TorchScriptNet:
    """A TorchScript file from an export, opened as :class:`~fbnet_pfld.latency.engines.nets.Net`.

    The file states its ``input_size`` in :data:`METADATA`. PyTorch has one number of threads per process: that of the net
    opened last.

    Raises
    ------
    InputError
        If PyTorch cannot run the file, or the file does not state its input size.
    """

    engine = f"torch {torch.__version__}"

    def __init__(self, path: str | Path, threads: int = 1):
        inside = {METADATA: "{}"}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # torch announces changes of this format
                net = torch.jit.load(str(path), map_location="cpu", _extra_files=inside)  # type: ignore[no-untyped-call]
                self._net: torch.jit.ScriptModule = net.eval()
            size = int(json.loads(inside[METADATA])["input_size"])
            self.shape: tuple[int, ...] = (1, 3, size, size)
            self(np.zeros(self.shape, np.float32))
        except (RuntimeError, ValueError, KeyError, TypeError):
            raise InputError(f"not a TorchScript network of this package: {path}; export writes such files") from None
        torch.set_num_threads(threads)

    @torch.inference_mode()
    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        output: Tensor = self._net(torch.from_numpy(image))
        return output.numpy()
