"""Run our FBNet strategy on a space that is unrelated to faces, with a latency target from a custom table.

python experiments/examples/fbnet_on_another_space.py
"""

from types import SimpleNamespace
from typing import Any

import torch
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import nn
from torch.utils.data import TensorDataset

from fbnet_pfld.strategies import FBNet, run_search

COST = SimpleNamespace(fixed_us=50, blocks_us={f"layer{i}": {"conv3": 30, "conv5": 70, "skip": 1} for i in range(3)})


def layer(label):
    conv3, conv5 = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 5, padding=2)
    return LayerChoice({"conv3": conv3, "conv5": conv5, "skip": nn.Identity()}, label=label)


class Digits(ModelSpace):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.layers = nn.Sequential(*(layer(label) for label in COST.blocks_us))
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.layers(self.stem(x)).mean((2, 3)))


torch.manual_seed(0)
data = TensorDataset(torch.rand(256, 1, 12, 12), torch.randint(10, (256,)))  # replace with your data
loader = DataLoader(data, batch_size=32)
quiet: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
evaluator = Classification(num_classes=10, max_epochs=3, train_dataloaders=loader, val_dataloaders=loader, **quiet)
chosen = run_search(Digits(), evaluator, FBNet(COST, target_us=150, warmup_epochs=1))
us = COST.fixed_us + sum(COST.blocks_us[label][block] for label, block in chosen.items())
print(f"{us} us:", chosen)
