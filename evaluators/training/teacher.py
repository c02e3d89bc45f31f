"""Knowledge distillation: a trained network whose points another one learns as well as the true ones."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...search_space import Architecture
from ..data.dataset import LandmarkDataset
from .checkpoint import Checkpoint, check_size
from .inherited import inherit
from .recalibrate import recalibrate


class Teacher:
    """Adds the distance to a trained network's points to a loss (Hinton et al. 2015; for coordinates, an L1 distance).

    It is no module: its weights are neither trained nor kept with those of the network that learns.

    Parameters
    ----------
    network
        ``forward(images) -> (N, 2P)``.
    weight
        The teacher's share of the loss, 0 to 1; beside a loss that is no mean of distances, it weighs differently.
    """

    def __init__(self, network: nn.Module, weight: float):
        self.network, self.weight = network.eval().requires_grad_(False), weight

    def __call__(self, loss: Tensor, predicted: Tensor, images: Tensor) -> Tensor:
        """``loss`` and the teacher's part; predicted points (N, P, 2), images (N, 3, S, S) as networks see them."""
        self.network.to(images.device)
        with torch.no_grad():
            points = self.network(images).view_as(predicted)
        return (1 - self.weight) * loss + self.weight * functional.l1_loss(predicted, points)


def load_teacher(path: str | Path, dataset: LandmarkDataset, weight: float) -> Teacher:
    """Load a subnet, a baseline, or the path of a supernet that has the most parameters, for the faces of ``dataset``.

    Raises
    ------
    InputError
        If the file is no checkpoint, or of another number of points or input size.
    """
    checkpoint = Checkpoint.load(path)
    checkpoint.check_points(dataset.points.shape[1])
    check_size(checkpoint, dataset.images.shape[-1])
    if checkpoint.kind != "supernet":
        return Teacher(checkpoint.build(), weight)
    # choose the block with the most parameters in each layer
    supernet = checkpoint.supernet()
    layers: Iterable[Any] = supernet.layers
    largest = {layer.label: _largest_block(layer) for layer in layers}
    # build that path with its weights
    architecture = Architecture(supernet.spec, checkpoint.num_points, checkpoint.input_size, largest)
    network = architecture.build()
    inherit(network, architecture, checkpoint)
    recalibrate(network, dataset)
    return Teacher(network, weight)


def _largest_block(layer: Any) -> str:
    """Name of the candidate with the most parameters."""
    sizes = {name: sum(parameter.numel() for parameter in layer[name].parameters()) for name in layer.names}
    return max(sizes, key=lambda name: sizes[name])
