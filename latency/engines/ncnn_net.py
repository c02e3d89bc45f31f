"""ncnn's runtime on this machine."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...search_space.errors import InputError
from .convert import ncnn_version
from .ncnn_file import INPUT_SIDES, read_param, weights_beside
from .silence import STDERR, quietly
from .tensors import Tensor, image_shape

_SHORT_FLOATS = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage")
"""ncnn's options for 16-bit numbers, on processors that support them."""


class NcnnNet:
    """A ``.param`` file and its ``.bin`` file, opened as :class:`~fbnet_pfld.latency.engines.nets.Net`.

    The input is one image. A call copies it in, runs the network in float32 (INT8 where the file says so), and copies the
    output out.

    Raises
    ------
    InputError
        If ncnn is not installed, a file is missing or not ncnn's, or the network does not state its input size.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        self.engine = ncnn_version()
        import ncnn

        layers, _ = read_param(path)
        weights = weights_beside(path)
        if not weights.is_file():
            raise InputError(f"weights of {path} not found: {weights}")
        self._net, self._matrix = ncnn.Net(), ncnn.Mat
        self._net.opt.num_threads = threads
        for option in _SHORT_FLOATS:
            setattr(self._net.opt, option, False)
        with quietly(STDERR):
            broken = self._net.load_param(str(path)) or self._net.load_model(str(weights))
        entries = [layer for layer in layers if layer.kind == "Input"]
        try:
            inputs: list[Tensor] = [(True, [1, *(layer.number(side) for side in reversed(INPUT_SIDES))]) for layer in entries]
        except ValueError:
            broken = True
        if broken:
            raise InputError(f"not a network that ncnn can run: {path}")
        # the file does not state the length of an output
        outputs: list[Tensor] = [(True, [1, None]) for _ in self._net.output_names()]
        self.shape = image_shape(path, inputs, outputs)
        self._entry, self._exit = entries[0].outputs[0], self._net.output_names()[0]
        self(np.zeros(self.shape, np.float32))  # raises if the network does not run

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.blobs(image, [self._exit])[0].reshape(1, -1)

    def blobs(self, image: NDArray[np.float32], names: Sequence[str]) -> list[NDArray[np.float32]]:
        """Run the network on an image; return the blobs with these names."""
        # ncnn ignores strides, does not keep the array alive, and may write over it
        pixels = np.ascontiguousarray(image[0])
        copied = self._matrix(pixels).clone()
        with self._net.create_extractor() as extractor:
            extractor.set_light_mode(len(names) == 1)  # light mode drops intermediate blobs
            extractor.input(self._entry, copied)
            found = []
            for name in names:
                fault, blob = extractor.extract(name)
                if fault:
                    raise InputError(f"ncnn cannot run the network: blob {name!r}")
                found.append(np.array(blob))
        return found
