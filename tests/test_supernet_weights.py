"""Benefits of a staged search: layers stay alive, subnets work without finetuning, another target needs no new weights."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from nni.nas.evaluator.pytorch import DataLoader, Regression
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import nn
from torch.utils.data import TensorDataset

from fbnet_pfld.evaluators import Checkpoint
from fbnet_pfld.search_space import Architecture
from fbnet_pfld.strategies import FairPaths, StagedFBNet, Stages, run_search, sweep

WIDTHS = {"narrow": 2, "middle": 8, "wide": 32}
LABELS = ("l0", "l1", "l2")
COST = SimpleNamespace(
    fixed_us=1.0, blocks_us={label: {name: float(width) for name, width in WIDTHS.items()} for label in LABELS}
)
PATHS = list(itertools.product(WIDTHS, repeat=len(LABELS)))
EPOCHS = 4


def block(width):
    return nn.Sequential(nn.Linear(8, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 8), nn.BatchNorm1d(8))


class Tapped(ModelSpace):
    """Three layers with a bypass: the head also gets the stem's output."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.layers = nn.ModuleList(
            LayerChoice({name: block(width) for name, width in WIDTHS.items()}, label=label) for label in LABELS
        )
        self.head = nn.Linear(16, 2)

    def begin(self, x):
        stem = self.stem(x)
        return stem, stem

    def advance(self, i, block, state):
        return state[0], block(state[1])

    def end(self, state):
        return self.head(torch.cat(state, 1))

    def forward(self, x):
        state = self.begin(x)
        for i, layer in enumerate(self.layers):
            state = self.advance(i, layer, state)
        return self.end(state)


def task():
    """Standardised outputs of a random network, for training and for validation."""
    torch.manual_seed(1)
    truth = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
    x = torch.randn(2048, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for weight in truth.parameters():
            weight.mul_(3)
        y = truth(x)
    y = (y - y.mean(0)) / y.std(0)
    return (x[:1536], y[:1536]), (x[1536:], y[1536:])


def spread(supernet, x, y):
    """Return the standard deviation of the loss over a layer's blocks, relative to the loss, summed over layers; mean loss."""
    losses = torch.zeros(len(PATHS))
    for index, output in sweep(supernet, x, PATHS):
        losses[index] = (output - y).square().mean()
    cube = losses.view(3, 3, 3)
    means = [cube.mean([axis for axis in range(3) if axis != i]) for i in range(3)]
    return float(sum(row.std(unbiased=False) / row.mean() for row in means)), float(losses.mean())


def test_layers_stay_alive_beside_a_way_around_them():
    train, held_out = task()

    def loader(data):
        return DataLoader(TensorDataset(*data), batch_size=32, shuffle=True, drop_last=True)

    stages = Stages(EPOCHS, EPOCHS // 2, EPOCHS, 0, teacher_rate=0.02, distillation_rate=0.02)
    torch.manual_seed(0)
    evaluator = Regression(
        learning_rate=0.01,
        max_epochs=stages.epochs,
        accelerator="cpu",
        logger=False,
        train_dataloaders=loader(train),
        val_dataloaders=loader(held_out),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    strategy = StagedFBNet(COST, stages=stages)
    run_search(Tapped(), evaluator, strategy)
    staged, _ = spread(strategy.supernet, *held_out)

    # train single paths from scratch for more steps
    torch.manual_seed(0)
    supernet = StagedFBNet(COST).mutate_model(Tapped()).train()
    weights = [weight for name, weight in supernet.named_parameters() if "alpha" not in name]
    optimizer, steps = torch.optim.Adam(weights), 4 * EPOCHS * len(train[0]) // 32
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=steps)
    fair = FairPaths({label: list(WIDTHS) for label in LABELS})
    for _ in range(steps):
        chosen = torch.randint(len(train[0]), (32,))
        for layer, name in zip(supernet.layers, fair.draw().values(), strict=True):
            layer.block = name
        optimizer.zero_grad()
        (supernet(train[0][chosen]) - train[1][chosen]).square().mean().backward()
        optimizer.step()
        schedule.step()
    single, _ = spread(supernet, *held_out)
    assert staged > 0.04
    assert single < 0.02


@pytest.mark.slow
def test_another_target_needs_no_new_weights(place, run, capsys):
    Path("config.yaml").write_text("search: {epochs: 1, front: 10}\n")
    search = ("search", "--data-root", "data", "--config", "config.yaml", "--json")
    assert run(*search) == 0
    first = Checkpoint.load("ckpt_save/supernet/checkpoint_best.pth")
    assert first.stage == "sandwich"
    capsys.readouterr()
    other = (*search, "--supernet", "ckpt_save/supernet/checkpoint_best.pth", "--workspace", "other", "--target-us", "2100")
    assert run(*other, "--epochs", "2") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    second = Checkpoint.load("other/supernet/checkpoint_best.pth")
    assert second.stage == "logits"
    for name, tensor in second.weights.items():
        if "num_batches" in name:
            continue
        assert torch.equal(tensor, first.weights[name]) == ("alpha" not in name), name
    chosen = Architecture.load("other/supernet/architecture.json")
    assert chosen.latency.us <= 2100
    assert chosen.metrics["val_nme"] == found["val_nme"]
    assert Path(found["front"]).is_file()
    assert run(*other, "--epochs", "3", "--resume", "auto") == 0  # extended
    assert torch.load("other/supernet/last.ckpt", weights_only=True)["epoch"] == 2
    assert run(*other, "--epochs", "1", "--resume", "auto") == 2
    assert "search.epochs 3, this one 1; a run can be extended, not shortened" in capsys.readouterr().err
    # the supernet is part of the run's record
    first.weights["points.0.weight"].mul_(2)
    first.save("ckpt_save/supernet/checkpoint_best.pth")
    assert run(*other, "--epochs", "3", "--resume", "auto") == 2
    assert "its run has supernet" in capsys.readouterr().err
