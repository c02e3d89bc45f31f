"""Modules as the landmark networks that they are."""

from typing import cast

from torch import nn

from ...search_space.network import LandmarkNetwork


def as_network(model: nn.Module) -> LandmarkNetwork:
    """The same object, typed by what ``nn.Module`` does not declare: number of points, input size, features."""
    return cast(LandmarkNetwork, model)
