"""A network whose weights, images and outputs are fixed: run this file to write ``fixtures/golden.json`` anew.

Weights and images come from NumPy's generator, whose stream does not change; outputs are torch's in double precision.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fbnet_pfld.search_space import Architecture, SpaceSpec

FILE = Path(__file__).parent / "fixtures" / "golden.json"
SPEC = SpaceSpec.load("pfld")
# dilation, ghost, eSE, expansion, and convolutions without BatchNorm
ARCHITECTURE = Architecture(
    SPEC, 106, 112, dict(zip(SPEC.labels, ("mb_k3_res_d3", "gh_k5", "mb_k5_res_se", "mb_k3_e4_res", "gh_k5"), strict=True))
)


def network() -> nn.Module:
    """The network, in eval mode, float32."""
    rng = np.random.default_rng(7)
    model = ARCHITECTURE.build().eval()
    filled = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            values = rng.uniform(0.5, 1.5, tensor.shape)
        elif tensor.dim() > 1:
            values = rng.normal(0, np.sqrt(2 / tensor[0].numel()), tensor.shape)
        elif name.endswith("weight"):
            values = rng.uniform(0.5, 1.5, tensor.shape)
        else:
            values = rng.normal(0, 0.1, tensor.shape)
        filled[name] = torch.from_numpy(np.asarray(values)).to(tensor.dtype)
    model.load_state_dict(filled)
    return model


def images(count: int) -> np.ndarray:
    """Images of smooth noise, uint8 (count, 3, 112, 112)."""
    coarse = np.random.default_rng(8).integers(0, 256, (count, 3, 8, 8))
    return np.kron(coarse, np.ones((14, 14))).astype(np.uint8)


def outputs() -> list[list[float]]:
    """The golden ones."""
    return json.loads(FILE.read_text())


if __name__ == "__main__":
    with torch.no_grad():
        found = network().double()(torch.from_numpy(images(2)).double() / 255)
    FILE.write_text(json.dumps([[round(value, 7) for value in row] for row in found.tolist()]) + "\n")
