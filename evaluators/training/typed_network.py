"""Type modules as landmark networks."""

from typing import cast

from torch import nn

from ...search_space.network import LandmarkNetwork


def as_network(model: nn.Module) -> LandmarkNetwork:
    """Return the same object, typed with what ``nn.Module`` does not declare: number of points, input size, features."""
    return cast(LandmarkNetwork, model)
