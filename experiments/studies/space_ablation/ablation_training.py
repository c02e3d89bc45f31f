"""Accuracy of a variant from a training, and its latency from counts on the emulated core."""

import tempfile
import time
from pathlib import Path

import pytorch_lightning as pl
import torch

from ....evaluators import FaceData, FinetuneOptions, evaluate, finetune
from ....evaluators.training.checkpoint import load_weights
from ....latency.measure.emulated import EmulatedCore
from ....search_space import count
from ...deploy.onnx_file import write_onnx
from ...pipeline.training_progress import TrainingProgress
from .reparameterised import fold_branches
from .variant import Variant


def train_variant(variant: Variant, faces: FaceData, options: FinetuneOptions, seed: int) -> dict[str, float]:
    """Train and test a network.

    Returns
    -------
    dict
        ``held_out_nme``, ``train_nme``, ``test_nme``, ``test_fr8`` and ``test_auc8`` in percent, and ``seconds``. The held-out
        faces are the part of the training data that chose the epoch. ``train_nme`` is over all training faces without
        augmentation. All but ``held_out_nme`` are for the deployed network, without branches.
    """
    start = time.perf_counter()
    pl.seed_everything(seed, verbose=False)
    model = variant.build(faces.points, faces.input_size)
    with tempfile.TemporaryDirectory() as folder:
        progress = TrainingProgress("training")
        best = finetune(model, "variant", faces.train, options, Path(folder), seed, [progress])
    load_weights(model, best.weights, "the best epoch")
    deployed = fold_branches(model.eval())
    test = {f"test_{name}": round(value, 4) for name, value in evaluate(deployed, faces.test).items()}
    return {
        "held_out_nme": round(best.metrics["val_nme"], 4),
        "train_nme": round(evaluate(deployed, faces.train)["nme"], 4),
        **test,
        "seconds": round(time.perf_counter() - start, 1),
    }


def cost_of(variant: Variant, num_points: int) -> dict[str, float]:
    """Parameters, MACs, and latency on the Snapdragon 625 in microseconds with 4 and 1 threads, of the deployed network.

    Raises
    ------
    InputError
        If a component of the emulator is missing.
    """
    torch.manual_seed(0)
    size = variant.input_size
    network = fold_branches(variant.build(num_points, size).eval())
    parameters, macs = count(network, size)
    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder) / "variant.onnx"
        write_onnx(network, onnx, torch.rand(1, 3, size, size))
        us = {}
        for threads in (4, 1):
            with EmulatedCore(threads=threads, input_size=size) as core:
                us[f"us_{threads}t"] = round(core.us(onnx), 1)
    return {"parameters": parameters, "macs": macs, **us}
