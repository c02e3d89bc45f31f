"""Recompute the BatchNorm statistics of a network with inherited weights."""

from torch import nn
from torch.optim.swa_utils import update_bn

from ..data.dataset import LandmarkDataset, network_input

RECALIBRATION_FACES = 1024
"""Number of training faces from which BatchNorm statistics are computed."""


def recalibrate(model: nn.Module, dataset: LandmarkDataset, batch_size: int = 64) -> None:
    """Recompute a network's BatchNorm statistics from the faces of ``dataset``, in place.

    A subnet with a supernet's weights needs this, since the supernet's statistics are those of mixtures of blocks or of other
    paths.

    Parameters
    ----------
    model
        Network to recalibrate.
    dataset
        Training faces, all of which are used.
    batch_size
        Faces per forward pass.
    """
    # not channels last, which makes variances on the CPU less exact, visibly so for images with large areas of one colour
    update_bn((network_input(images).contiguous() for images in dataset.images.split(batch_size)), model)
