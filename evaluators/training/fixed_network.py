"""Train a fixed network, keep its best weights, and evaluate it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from ...search_space import Architecture
from ..data.dataset import LandmarkDataset, network_input
from ..data.layouts import layout_of
from ..names import BEST
from .callbacks import KeepBest
from .checkpoint import Checkpoint
from .evaluator import make_evaluator
from .metrics import landmark_metrics
from .module import LandmarkModule
from .run_record import RunRecord
from .teacher import load_teacher
from .training_options import FinetuneOptions
from .typed_network import as_network


def finetune(
    model: nn.Module,
    network: Architecture | str,
    dataset: LandmarkDataset,
    options: FinetuneOptions,
    folder: str | Path,
    seed: int = 0,
    callbacks: Sequence[pl.Callback] = (),
    *,
    eye_corners: tuple[int, int] | None = None,
    resume: str | None = None,
    devices: str = "",
) -> Checkpoint:
    """Train a fixed network and write the weights of its best epoch to ``folder/checkpoint_best.pth``.

    The best epoch is the one with the lowest NME on the held-out part of the training data.

    Parameters
    ----------
    model
        Network with new or inherited weights.
    network
        Architecture of the subnet, or name of the baseline.
    dataset, options, folder, seed, callbacks, eye_corners, devices
        As for :func:`make_evaluator`.
    resume
        As for :class:`RunRecord`.

    Returns
    -------
    Checkpoint
        Checkpoint of the best epoch.

    Raises
    ------
    InputError
        As for :func:`make_evaluator` and :class:`RunRecord`, and if a file cannot be written.
    """
    best = Path(folder) / BEST

    def save(figures: dict[str, float]) -> None:
        metrics = {name: value for name, value in figures.items() if name.startswith("val_")}
        Checkpoint.of(model, network, metrics).save(best)

    record = RunRecord(
        folder,
        resume,
        {
            "network": _identity(network, model),
            "seed": seed,
            "eye_corners": eye_corners,
            "finetune": options.model_dump(mode="json"),
        },
    )
    evaluator = make_evaluator(
        dataset, options, folder, seed, [KeepBest(save), *callbacks], eye_corners=eye_corners, record=record, devices=devices
    )
    if options.teacher:
        module = evaluator.module
        assert isinstance(module, LandmarkModule)
        module.learn_from(load_teacher(options.teacher, dataset, options.distillation))
    record.begin()
    evaluator.evaluate(model.train())  # Lightning keeps each module's mode
    return Checkpoint.load(best)


def _identity(network: Architecture | str, model: nn.Module) -> dict[str, Any]:
    """Identify a network, without its latency and metrics."""
    size = {"num_points": as_network(model).num_points, "input_size": as_network(model).input_size}
    if isinstance(network, str):
        return {"kind": "baseline", "name": network, **size}
    return {"kind": "subnet", "space": network.to_dict()["space"], "choices": network.choices, **size}


@torch.no_grad()
def predict(model: nn.Module, dataset: LandmarkDataset, batch_size: int = 128) -> Tensor:
    """Predict the points of every face.

    Parameters
    ----------
    model
        Landmark network; it is set to eval mode.
    dataset
        Faces.
    batch_size
        Faces per forward pass.

    Returns
    -------
    float32 (N, P, 2)
        Points, normalised to the crop, on the CPU.
    """
    device = next(model.parameters()).device
    model.eval()
    parts = [model(network_input(images.to(device))).cpu() for images in dataset.images.split(batch_size)]
    return torch.cat(parts).view_as(dataset.points)


def score(predicted: Tensor, true: Tensor, eye_corners: tuple[int, int] | None = None) -> dict[str, float]:
    """Return the metrics ``nme``, ``fr8`` and ``auc8``, in percent, of predicted and true points (N, P, 2).

    ``fr8`` is the share of faces with an error above 8 %; ``auc8`` is the area under the cumulative error curve up to 8 %.
    """
    metrics = landmark_metrics(layout_of(true.shape[1], eye_corners).eye_corners)
    metrics.update(predicted, true)
    return {name: float(value) for name, value in metrics.compute().items()}


def evaluate(model: nn.Module, dataset: LandmarkDataset, eye_corners: tuple[int, int] | None = None) -> dict[str, float]:
    """Return the metrics of a network on a data set, in percent; see :func:`score`."""
    return score(predict(model, dataset), dataset.points, eye_corners)
