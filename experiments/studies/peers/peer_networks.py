"""The registry of peers: name -> landmark network."""

from collections.abc import Callable, Mapping
from functools import partial

from torch import nn

from ....search_space import BASELINES
from .original_pfld import OriginalPfld
from .timm_network import TimmNetwork

TIMM = (
    "lcnet_035",
    "lcnet_050",
    "mobilenetv4_conv_small_035",
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small_050",
    "mobilenetv3_small_075",
    "mobilenetv3_small_100",
    "mnasnet_small",
    "tinynet_e",
    "repvit_m0_9",
)
"""Names in timm, in the order of their training time."""

PEERS: Mapping[str, Callable[[int, int], nn.Module]] = {
    "pfld_original_025": partial(OriginalPfld, 0.25),
    **{name: partial(TimmNetwork, name) for name in TIMM},
    **BASELINES,
    "pfld_original_100": partial(OriginalPfld, 1.0),
}
"""Name -> function that builds the network for a number of points and an input size."""


def deployed(model: nn.Module) -> nn.Module:
    """Return a network in its exported form: in eval mode, with training-time branches merged."""
    return model.deployed() if isinstance(model, TimmNetwork) else model.eval()
