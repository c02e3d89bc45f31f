"""Reduce a network's last layer to another layout whose points it includes."""

from dataclasses import replace

from ..data.layouts import KNOWN_POINTS, facts_of
from .checkpoint import Checkpoint


def as_layout(trained: Checkpoint, num_points: int) -> Checkpoint:
    """Select the rows of the last layer that predict the points of another layout.

    The layouts of 68 and 98 points are subsets of the 106 points (``to_106`` in their JSON files). For any other pair of
    layouts, the checkpoint is returned unchanged.
    """
    facts = facts_of(num_points) if num_points in KNOWN_POINTS else {}
    if trained.num_points == num_points or trained.num_points != 106 or "to_106" not in facts:
        return trained
    # outputs are x0 y0 x1 y1 ...: two rows per point
    rows = [2 * point + axis for point in facts["to_106"] for axis in (0, 1)]
    weights = {
        name: tensor[rows] if name.startswith("points.") and len(tensor) == 2 * trained.num_points else tensor
        for name, tensor in trained.weights.items()
    }
    network = trained.network
    if isinstance(network, dict) and "num_points" in network:
        network = network | {"num_points": num_points}
    return replace(trained, network=network, num_points=num_points, weights=weights)
