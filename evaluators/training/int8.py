"""Quantisation-aware finetuning: train a network with an INT8 engine's rounding, so that it loses less accuracy.

Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 3.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, fx, nn
from torch.ao.quantization import FakeQuantize
from torch.func import functional_call
from torch.fx.node import Target
from torch.nn import functional

from ...search_space import Architecture
from ..data.dataset import LandmarkDataset
from .checkpoint import Checkpoint
from .fixed_network import finetune
from .training_options import FinetuneOptions

LEARNING_RATE = 1e-3
"""Peak of the schedule, a twentieth of finetuning's. Three epochs, 3,600 rendered faces, held-out NME of the rounded network:
a subnet reaches 4.97 % with it, 4.95 % with 3e-3 and 5.41 % with 1e-2; a subnet with channels rescaled by up to 256, which
static quantisation breaks, reaches 6.87 % with it and 7.02 % with 3e-3."""

LEVELS = 127
"""Largest integer of a weight, as in MNN's files. The ONNX files use 64; training with 64 made a network that static
quantisation breaks no better in onnxruntime (7.8 and 8.8 % instead of 8.8 and 8.5, two seeds) and worse in MNN (10.1 and 9.6
instead of 7.0 and 6.8)."""

_WEIGHTED = (nn.Conv2d, nn.Linear)
_FUSED = (nn.BatchNorm2d, nn.ReLU)  # an engine fuses them with the preceding layer, before rounding
_CHOOSING = (nn.MaxPool2d, nn.Flatten)  # their outputs are already rounded values


class _Tracer(fx.Tracer):
    traced_func_name = "forward_features"

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, _WEIGHTED) or super().is_leaf_module(module, name)

    def call_module(self, module: nn.Module, forward: Any, args: tuple, kwargs: dict) -> Any:
        # an Identity would hide the ReLU behind it
        return args[0] if isinstance(module, nn.Identity) else super().call_module(module, forward, args, kwargs)


class _Rounded(fx.Interpreter):
    """Runs a network's own modules and rounds between them."""

    def __init__(self, model: nn.Module):
        super().__init__(model, graph=_Tracer().trace(model))
        self.ranges: dict[fx.Node, FakeQuantize] = {}  # not submodules of the model, whose state dict must not change
        self.places = {
            node
            for node in self.graph.nodes
            if not isinstance(self._module(node), _CHOOSING)
            and not (len(node.users) == 1 and isinstance(self._module(next(iter(node.users))), _FUSED))
        }

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self.submodules[node.target] if node.op == "call_module" else None

    def run_node(self, node: fx.Node) -> Any:
        value = super().run_node(node)
        if node not in self.places or not isinstance(value, Tensor):
            return value
        first = node not in self.ranges
        if first:
            self.ranges[node] = FakeQuantize()
        rounding = self.ranges[node].to(value.device)
        rounding.enable_observer(first or self.module.training)
        return rounding(value)

    def call_module(self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.submodules[str(target)]
        if isinstance(module, _WEIGHTED):
            return functional_call(module, {"weight": round_weight(module.weight)}, args, kwargs)
        if isinstance(module, nn.BatchNorm2d):
            # Use constant statistics, as in an engine. A channel that is rounded to one value has no variance in a batch: its
            # running variance would vanish, and dividing by it would amplify any other rounding of the channel.
            return functional.batch_norm(
                args[0], module.running_mean, module.running_var, module.weight, module.bias, eps=module.eps
            )
        return super().call_module(target, args, kwargs)


def round_weight(weight: Tensor) -> Tensor:
    """Round a weight (out, ...) to -127..127 steps per output channel; gradients ignore the rounding.

    The step is a 127th of the channel's largest absolute value.
    """
    # A folded BatchNorm scales each channel and its step alike, so rounding before or after folding is the same.
    steps = weight.detach().flatten(1).abs().amax(1) / LEVELS
    steps = steps.clamp(min=torch.finfo(steps.dtype).tiny)  # for a channel of zeros
    return torch.fake_quantize_per_channel_affine(weight, steps, torch.zeros_like(steps, dtype=torch.int32), 0, -LEVELS, LEVELS)


@contextmanager
def int8_rounding(model: nn.Module) -> Iterator[None]:
    """Context manager in which a network rounds weights and maps like an INT8 engine, with gradients.

    It rounds the weights (:func:`round_weight`), the input, and every map that an engine stores: after a convolution with its
    BatchNorm and ReLU, a sum, a product, a concatenation. Input and maps are rounded to 256 steps between their smallest and
    largest value. These ranges are moving averages over training steps, and fixed in eval mode; a range without data is that of
    its first batch. Gradients ignore the rounding, except that values outside their map's range have no gradient. BatchNorm
    statistics do not change. The state dict always holds the same, unrounded entries.

    Parameters
    ----------
    model
        Trained subnet or baseline: a module whose ``forward`` returns the first result of ``forward_features(images)``.
    """
    vars(model)["forward_features"] = _Rounded(model).run  # hides the class's method
    try:
        yield
    finally:
        del vars(model)["forward_features"]


def train_for_int8(
    model: nn.Module,
    network: Architecture | str,
    dataset: LandmarkDataset,
    folder: str | Path,
    epochs: int,
    seed: int,
    callbacks: Sequence[pl.Callback] = (),
    eye_corners: tuple[int, int] | None = None,
) -> Checkpoint:
    """Continue to train a finetuned network with INT8 rounding; in the best epoch, the rounded network has the lowest NME.

    This recovers a part of the accuracy lost to rounding. If static quantisation loses little, the same training without
    rounding gains about as much.

    Parameters
    ----------
    model
        Network with finetuned weights; trained in place.
    network, dataset, folder, seed, callbacks, eye_corners
        As for :func:`finetune`. The seed of the finetuning holds out the same faces.
    epochs
        Length of this training; a few epochs are enough.

    Returns
    -------
    Checkpoint
        Checkpoint of the best epoch, with unrounded weights and the rounded network's metrics.

    Raises
    ------
    InputError
        As for :func:`finetune`.
    """
    options = FinetuneOptions(epochs=epochs, learning_rate=LEARNING_RATE, augment="geometry")
    with int8_rounding(model):
        return finetune(model, network, dataset, options, folder, seed, callbacks, eye_corners=eye_corners)
