"""Networks to compare: trained networks and exported files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...evaluators import Checkpoint, LandmarkDataset, check_size, predict
from ...evaluators.training.typed_network import as_network
from ...latency import NETS, LookupTable, follows_model, network_name, open_net, run_each, whole_network_us
from ...search_space import BASELINES, Architecture
from ...search_space.errors import InputError


@dataclass(frozen=True)
class TrainedNetwork:
    """A network in torch, and its architecture if it is a subnet."""

    model: nn.Module
    architecture: Architecture | None = None

    @property
    def input_size(self) -> int:
        """Side of its input image, in pixels."""
        return as_network(self.model).input_size

    def predict(self, test: LandmarkDataset) -> Tensor:
        """Return the points of the faces, float32 (N, P, 2), normalised."""
        return predict(self.model, test)

    def table_us(self, table: LookupTable) -> float | None:
        """Return the latency by a table in microseconds; None if the table does not cover the network.

        Baselines have no rows: a table from an emulated core's counts lists them by name, and a table from the layer model
        is extended to them by that model.
        """
        if self.architecture is not None:
            covered = all(signature in table.rows for signature in self.architecture.signatures())
            return table.latency_us(self.architecture) if covered else None
        network = as_network(self.model)
        for name, baseline in BASELINES.items():
            known = network_name(name, network.num_points, network.input_size)
            if isinstance(self.model, baseline) and known in table.networks_us:
                return table.networks_us[known]
        if table.method != "modelled" or not follows_model(table.rows, table.threads):
            return None
        return whole_network_us(self.model, self.input_size, table.threads)


@dataclass(frozen=True)
class ExportedFile:
    """An exported file, run by its engine."""

    file: Path

    def predict(self, test: LandmarkDataset) -> Tensor:
        """Return the points of the faces, float32 (N, P, 2), normalised."""
        return torch.from_numpy(run_each(open_net(self.file), (test.images.float() / 255).numpy())).view_as(test.points)


Candidate = TrainedNetwork | ExportedFile


def size_of(path: Path) -> tuple[int, int]:
    """Return the number of points and the input size of a checkpoint or an exported file."""
    if path.suffix in NETS:
        net = open_net(path)
        return net(np.zeros(net.shape, np.float32)).size // 2, net.shape[-1]
    checkpoint = Checkpoint.load(path)
    return checkpoint.num_points, checkpoint.input_size


def load_candidate(path: Path, num_points: int, input_size: int) -> Candidate:
    """Load a checkpoint or an exported file, as the suffix tells.

    Raises
    ------
    InputError
        If it cannot be read, or has another number of points or input size.
    """
    if path.suffix in NETS:
        net = open_net(path)
        found = (net.shape, net(np.zeros(net.shape, np.float32)).shape)
        wanted = ((1, 3, input_size, input_size), (1, 2 * num_points))
        if found != wanted:
            raise InputError(
                f"{path}: input {found[0]}, output {found[1]}; expected {wanted[0]} and {wanted[1]}, for {num_points} points"
            )
        return ExportedFile(path)
    checkpoint = Checkpoint.load(path)
    checkpoint.check_points(num_points)
    check_size(checkpoint, input_size)
    return TrainedNetwork(checkpoint.build(), checkpoint.architecture() if checkpoint.kind == "subnet" else None)


def check_finite(points: Tensor, name: str) -> Tensor:
    """Return the points, or raise :class:`InputError` if they are not finite."""
    if not torch.isfinite(points).all():
        raise InputError(f"{name}: predicts points that are not finite, because its training has diverged")
    return points
