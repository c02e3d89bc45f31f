"""Knowledge distillation: a network also learns the points of a trained network."""

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
    """Add the distance to a trained network's points to a loss (Hinton et al. 2015; for coordinates, an L1 distance).

    This is not a module: the teacher's weights are neither trained nor saved with the student's.

    Parameters
    ----------
    network
        Teacher with ``forward(images) -> (N, 2P)``.
    weight
        The teacher's share of the loss, 0 to 1. The effective share differs if the loss is not a mean of distances.
    """

    def __init__(self, network: nn.Module, weight: float):
        self.network, self.weight = network.eval().requires_grad_(False), weight

    def __call__(self, loss: Tensor, predicted: Tensor, images: Tensor) -> Tensor:
        """Combine ``loss`` and the teacher's part; predicted points (N, P, 2), network inputs (N, 3, S, S)."""
        self.network.to(images.device)
        with torch.no_grad():
            points = self.network(images).view_as(predicted)
        return (1 - self.weight) * loss + self.weight * functional.l1_loss(predicted, points)


def load_teacher(path: str | Path, dataset: LandmarkDataset, weight: float) -> Teacher:
    """Load a teacher for the faces of ``dataset``: a subnet, a baseline, or a supernet's path with the most parameters.

    Raises
    ------
    InputError
        If the file is not a checkpoint, or has another number of points or input size.
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
    # build that path with the supernet's weights
    architecture = Architecture(supernet.spec, checkpoint.num_points, checkpoint.input_size, largest)
    network = architecture.build()
    inherit(network, architecture, checkpoint)
    recalibrate(network, dataset)
    return Teacher(network, weight)


def _largest_block(layer: Any) -> str:
    """Return the name of the candidate with the most parameters."""
    sizes = {name: sum(parameter.numel() for parameter in layer[name].parameters()) for name in layer.names}
    return max(sizes, key=lambda name: sizes[name])
