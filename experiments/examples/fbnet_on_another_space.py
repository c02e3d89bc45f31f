"""Our FBNet strategy on a space that has nothing to do with faces, with a latency target from a table of one's own.

python experiments/examples/fbnet_on_another_space.py
"""

from types import SimpleNamespace

import torch
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import nn
from torch.utils.data import TensorDataset

from fbnet_pfld.strategies import FBNet, run_search

COST = SimpleNamespace(fixed_us=50, blocks_us={f"layer{i}": {"conv3": 30, "conv5": 70, "skip": 1} for i in range(3)})


class Digits(ModelSpace):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.layers = nn.Sequential(
            *(
                LayerChoice(
                    {
                        "conv3": nn.Conv2d(8, 8, 3, padding=1),
                        "conv5": nn.Conv2d(8, 8, 5, padding=2),
                        "skip": nn.Identity(),
                    },
                    label=f"layer{i}",
                )
                for i in range(3)
            )
        )
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.layers(self.stem(x)).mean((2, 3)))


torch.manual_seed(0)
data = TensorDataset(torch.rand(256, 1, 12, 12), torch.randint(10, (256,)))  # yours goes here
evaluator = Classification(
    num_classes=10,
    max_epochs=3,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    train_dataloaders=DataLoader(data, batch_size=32),
    val_dataloaders=DataLoader(data, batch_size=32),
)
chosen = run_search(Digits(), evaluator, FBNet(COST, target_us=150, warmup_epochs=1))
us = COST.fixed_us + sum(COST.blocks_us[label][block] for label, block in chosen.items())
print(f"{us} us:", chosen)
