"""Quantisation-aware finetuning: train a network as an INT8 engine will run it, so that rounding costs it less.

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
a subnet has 4.97 % with it, 4.95 % with 3e-3 and 5.41 % with 1e-2; one with channels rescaled by up to 256, which static
quantisation breaks, 6.87 % with it and 7.02 % with 3e-3."""

LEVELS = 127
"""Largest integer of a weight, as in MNN's files. In the ONNX files it is 64; trained with that, a network that static
quantisation breaks was no better in onnxruntime (7.8 and 8.8 % in place of 8.8 and 8.5, two seeds) and worse in MNN (10.1
and 9.6 in place of 7.0 and 6.8)."""

_WEIGHTED = (nn.Conv2d, nn.Linear)
_FUSED = (nn.BatchNorm2d, nn.ReLU)  # an engine computes them with what they follow, before it rounds
_CHOOSING = (nn.MaxPool2d, nn.Flatten)  # their outputs are values that have been rounded


class _Tracer(fx.Tracer):
    traced_func_name = "forward_features"

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, _WEIGHTED) or super().is_leaf_module(module, name)

    def call_module(self, module: nn.Module, forward: Any, args: tuple, kwargs: dict) -> Any:
        # an Identity would hide the ReLU behind it
        return args[0] if isinstance(module, nn.Identity) else super().call_module(module, forward, args, kwargs)


class _Rounded(fx.Interpreter):
    """Runs a network's own modules, and rounds between them."""

    def __init__(self, model: nn.Module):
        super().__init__(model, graph=_Tracer().trace(model))
        self.ranges: dict[fx.Node, FakeQuantize] = {}  # not the model's modules: its state dict stays as it is
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
            # Constants, as in an engine. A channel that is rounded to one value has no variance in a batch: its running
            # variance would vanish, and where it is rounded less or otherwise, a division by that blows it up.
            return functional.batch_norm(
                args[0], module.running_mean, module.running_var, module.weight, module.bias, eps=module.eps
            )
        return super().call_module(target, args, kwargs)


def round_weight(weight: Tensor) -> Tensor:
    """Round a weight (out, ...) to -127..127 steps per output channel; gradients pass as if it had not been rounded.

    The step is a 127th of the channel's largest absolute value.
    """
    # A BatchNorm that is folded into the weight scales each channel, and its step alike: rounding before or after is the same.
    steps = weight.detach().flatten(1).abs().amax(1) / LEVELS
    steps = steps.clamp(min=torch.finfo(steps.dtype).tiny)  # of a channel of zeros
    return torch.fake_quantize_per_channel_affine(weight, steps, torch.zeros_like(steps, dtype=torch.int32), 0, -LEVELS, LEVELS)


@contextmanager
def int8_rounding(model: nn.Module) -> Iterator[None]:
    """Within it, the network computes with weights and maps rounded as an INT8 engine has them, with gradients.

    Rounded are the weights (:func:`round_weight`) and, to 256 steps between their smallest and largest value, the input and
    every map that an engine keeps: after a convolution with its BatchNorm and ReLU, a sum, a product, a concatenation. These
    ranges are moving averages over training steps, and stay in eval mode. One that has seen nothing takes its first batch's.
    Gradients pass as if nothing were rounded, except that a value out of its map's range has none. BatchNorms keep their
    statistics. The state dict has the same entries all the time, unrounded.

    Parameters
    ----------
    model
        A trained subnet or baseline: a module whose ``forward`` returns the first of its ``forward_features(images)``.
    """
    vars(model)["forward_features"] = _Rounded(model).run  # hides the class's own
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
    """Train a finetuned network on with INT8 rounding; the best epoch is the one whose rounded network has the lowest NME.

    It repairs a part of what rounding breaks. Where static quantisation costs little, the same training without rounding gains
    about as much.

    Parameters
    ----------
    model
        The network with finetuned weights; trained in place.
    network, dataset, folder, seed, callbacks, eye_corners
        As for :func:`finetune`. With the finetuning's seed, the same faces are held out.
    epochs
        Length of this training; a few are enough.

    Returns
    -------
    Checkpoint
        The best epoch's, with unrounded weights and the rounded network's figures.

    Raises
    ------
    InputError
        As :func:`finetune`.
    """
    options = FinetuneOptions(epochs=epochs, learning_rate=LEARNING_RATE, augment="geometry")
    with int8_rounding(model):
        return finetune(model, network, dataset, options, folder, seed, callbacks, eye_corners=eye_corners)
