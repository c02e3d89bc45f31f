"""BatchNorm statistics of a network that has another one's weights."""

from torch import nn
from torch.optim.swa_utils import update_bn

from ..data.dataset import LandmarkDataset, network_input

RECALIBRATION_FACES = 1024
"""Training faces that BatchNorm statistics are taken from."""


def recalibrate(model: nn.Module, dataset: LandmarkDataset, batch_size: int = 64) -> None:
    """Take a network's BatchNorm statistics anew from the faces of ``dataset``, in place.

    A subnet with a supernet's weights needs it: the supernet's statistics are those of mixtures of blocks, or of other paths.
    """
    # not channels last: the CPU's variances are less exact then, and an image with much of one colour shows it
    update_bn((network_input(images).contiguous() for images in dataset.images.split(batch_size)), model)
