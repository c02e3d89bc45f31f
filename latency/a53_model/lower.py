"""A network as the list of layers that an inference engine runs.

An engine such as ncnn folds BatchNorm and the simple activations into the convolution before them, and reads views of a map
at no cost. The remaining layers are described as in ``networks.csv``, one row per layer:

===== ================================================================================================
kind  layer
===== ================================================================================================
stem  convolution of the image (3 or 4 input channels)
c3s1  3x3 convolution with stride 1, which engines run with Winograd's method
ckk   any other full convolution larger than 1x1
pw    1x1 convolution
gconv grouped, but not depthwise, convolution
dw3   depthwise convolution up to 3x3
dw5   larger or dilated depthwise convolution, for which engines have less tuned code
fc    linear layer, or 1x1 convolution of a 1x1 map
pool  pooling; its ``macs`` are the elements read
elt   sum, product or simple activation, element by element
swish activation with an exponential in it
mov   concatenation, split or reordering in memory
===== ================================================================================================
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ...search_space.errors import InputError

aten = torch.ops.aten

IMAGE_CHANNELS = (3, 4)


@dataclass(frozen=True)
class Layer:
    """One layer of an engine's graph, for one image."""

    kind: str
    macs: int
    elements_in: int
    elements_out: int
    weights: int = 0
    kernel: int | None = None
    stride: int | None = None
    dilation: int | None = None
    in_channels: int | None = None
    out_channels: int | None = None


def _numel(value: Any) -> int:
    tensors = value if isinstance(value, (list, tuple)) else [value]
    return sum(t.numel() for t in tensors if isinstance(t, Tensor))


def _convolution(
    out: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> Layer:
    out_channels, in_group, kernel, kernel_x = weight.shape
    if transposed or kernel != kernel_x:
        raise InputError("cannot model the latency of a transposed or non-square convolution; use a square Conv2d")
    in_channels, macs = in_group * groups, weight.numel() * out.shape[2] * out.shape[3]
    counts = {"macs": macs, "elements_in": x.numel(), "elements_out": out.numel(), "weights": weight.numel()}
    if kernel == 1 and x.shape[2:].numel() == 1:
        return Layer("fc", **counts)
    if groups > 1:
        depthwise = "dw3" if kernel <= 3 and dilation[0] == 1 else "dw5"
        kind = depthwise if groups == in_channels == out_channels else "gconv"
    elif in_channels in IMAGE_CHANNELS:
        kind = "stem"
    else:
        kind = "pw" if kernel == 1 else "c3s1" if (kernel, stride[0], dilation[0]) == (3, 1, 1) else "ckk"
    return Layer(
        kind,
        **counts,
        kernel=kernel,
        stride=stride[0],
        dilation=dilation[0],
        in_channels=in_channels,
        out_channels=out_channels,
    )


def _linear(out: Tensor, bias: Tensor, x: Tensor, weight: Tensor, **_: Any) -> Layer:
    return Layer("fc", weight.numel(), x.numel(), out.numel(), weight.numel())


def _window_pool(out: Any, x: Tensor, kernel: list[int], *_: Any) -> Layer:
    elements = _numel(out[0] if isinstance(out, tuple) else out)
    return Layer("pool", elements * prod(kernel if len(kernel) > 1 else kernel * 2), x.numel(), elements)


def _global_pool(out: Tensor, x: Tensor, *_: Any, **__: Any) -> Layer:
    return Layer("pool", x.numel(), x.numel(), out.numel())


def _plain(kind: str) -> Callable[..., Layer]:
    def layer(out: Any, *inputs: Any, **_: Any) -> Layer:
        return Layer(kind, 0, sum(_numel(x) for x in inputs), _numel(out))

    return layer


_LAYERS: dict[Any, Callable[..., Layer]] = {
    aten.convolution: _convolution,
    aten.addmm: _linear,
    aten.max_pool2d_with_indices: _window_pool,
    aten.avg_pool2d: _window_pool,
    aten.mean: _global_pool,
    aten._adaptive_avg_pool2d: _global_pool,
    **dict.fromkeys(
        (
            aten.add,
            aten.add_,
            aten.mul,
            aten.mul_,
            aten.relu,
            aten.relu_,
            aten.hardtanh,
            aten.hardtanh_,
            aten.hardswish,
            aten.hardswish_,
            aten.hardsigmoid,
            aten.hardsigmoid_,
        ),
        _plain("elt"),
    ),
    **dict.fromkeys((aten.silu, aten.silu_, aten.sigmoid, aten.sigmoid_), _plain("swish")),
    **dict.fromkeys((aten.cat, aten.split, aten.clone), _plain("mov")),
}
_NORM = {aten.native_batch_norm, aten._native_batch_norm_legit_no_training, aten._batch_norm_with_update, aten.cudnn_batch_norm}
_FOLDED = {aten.relu, aten.relu_, aten.hardtanh, aten.hardtanh_, aten.sigmoid, aten.sigmoid_}
_WEIGHTED = {aten.convolution, aten.addmm}


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives this class no types
    """Records the layers that a network runs, below all of Python's control flow."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layers: list[Layer] = []
        self._open: list[Tensor] = []  # outputs of weighted layers that can still take in a BatchNorm or an activation

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        op = func.overloadpacket
        # a BatchNorm or activation right after a weighted layer is folded into it
        if op in _NORM or op in _FOLDED:
            position = next((i for i, tensor in enumerate(self._open) if tensor is args[0]), None)
            if position is not None:
                del self._open[position]
                if op in _NORM:
                    self._open.append(out[0])
                return out
        # any other operation is a layer, unless it only reads a view of a map
        if op in _LAYERS:
            self.layers.append(_LAYERS[op](out, *args, **(kwargs or {})))
            if op in _WEIGHTED:
                self._open.append(out)
        elif not func.is_view and any(isinstance(arg, Tensor) for arg in args):
            raise InputError(
                f"cannot model the latency of operation {func}; allowed: {', '.join(sorted({str(known) for known in _LAYERS}))}"
            )
        return out


@torch.no_grad()
def lower(module: nn.Module, *shape: int) -> list[Layer]:
    """Return the engine's layers of ``module`` for one input of ``shape`` (channels, height, width).

    Raises
    ------
    InputError
        If the module has an operation that the latency model does not know.
    """
    parameter = next(module.parameters(), torch.empty(0))
    x = torch.zeros(1, *shape, dtype=parameter.dtype, device=parameter.device)
    training = {part: part.training for part in module.modules()}
    recorder = _Recorder()
    try:
        module.eval()
        with recorder:
            module(x)
    finally:
        for part, mode in training.items():
            part.training = mode
    return recorder.layers
