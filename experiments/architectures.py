"""Architectures with what is known of them: a latency by a table, and the network with a supernet's weights."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from ..evaluators import Checkpoint, LandmarkDataset, inherit, recalibrate
from ..latency import LookupTable
from ..search_space import Architecture

RECALIBRATION_FACES = 1024
"""Training faces of which BatchNorm statistics are taken."""


def with_latency(architecture: Architecture, table: LookupTable) -> Architecture:
    """The same architecture, with its latency by a table noted in it."""
    return replace(architecture, latency={"us": round(table.latency_us(architecture), 1), "table": table.name,
                                          "method": table.method})


def as_it_is(architecture: Architecture, supernet: Checkpoint, where: Path, faces: LandmarkDataset) -> nn.Module:
    """The subnet with a supernet's weights, in eval mode, its BatchNorm statistics those of training ``faces``.

    Of more than :data:`RECALIBRATION_FACES`, the first are taken.

    Raises
    ------
    InputError
        If the supernet is of another space, number of points or input size; ``where`` names its file.
    """
    model = architecture.build()
    inherit(model, architecture, supernet, where)
    recalibrate(model, faces.subset(range(min(RECALIBRATION_FACES, len(faces)))))
    return model.eval()
