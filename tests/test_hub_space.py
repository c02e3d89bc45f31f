"""The unchanged strategy on a space from NNI's hub, with multiply-accumulates as cost."""

from types import SimpleNamespace

import pytest
import torch
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.hub.pytorch import ProxylessNAS
from nni.nas.nn.pytorch import LayerChoice, Repeat
from nni.nas.profiler.pytorch.flops import FlopsProfiler
from torch import nn
from torch.utils.data import TensorDataset

from fbnet_pfld.search_space import InputError
from fbnet_pfld.strategies import FBNet, StagedFBNet, Stages, cost_range, run_search

SIZE = 64


class Reduced(ProxylessNAS):
    """ProxylessNAS with narrow stages of fixed depth: six searched layers of six blocks each."""

    def __init__(self):
        super().__init__(num_labels=4, base_widths=(8, 8, 8, 8, 16, 16, 24, 24, 32))
        self.blocks = nn.Sequential(*(block.blocks[0] if isinstance(block, Repeat) else block for block in self.blocks))


def table_of_macs(space):
    """Cost of the space in thousands of multiply-accumulates, counted as the convolutions run."""
    counted = []

    def count(module, inputs, output):
        counted.append(output.numel() * module.weight[0].numel() / 1000)

    for module in space.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)

    def run(module, x):
        counted.clear()
        return module(x), sum(counted)

    with torch.no_grad():
        space.eval()
        x, fixed = run(space.stem, torch.zeros(1, 3, SIZE, SIZE))
        rows = {}
        for block in space.blocks:
            if isinstance(block, LayerChoice):
                runs = {name: run(block[name], x) for name in block.names}
                rows[block.label] = {name: macs for name, (_, macs) in runs.items()}
                x = next(iter(runs.values()))[0]
            else:
                x, macs = run(block, x)
                fixed += macs
        x, macs = run(space.feature_mix_layer, x)
        fixed += macs + run(space.classifier, x.mean((2, 3)))[1]
    for module in space.modules():
        module._forward_hooks.clear()
    return SimpleNamespace(fixed_us=fixed, blocks_us=rows)


def evaluator(epochs):
    torch.manual_seed(0)
    x, y = torch.randn(48, 3, SIZE, SIZE), torch.randint(4, (48,))
    loader = DataLoader(TensorDataset(x, y), batch_size=16)
    return Classification(
        train_dataloaders=loader,
        val_dataloaders=loader,
        num_classes=4,
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )


@pytest.mark.parametrize("method", ["stages", "reference"])
def test_proxylessnas_within_a_budget_of_macs(method):
    space = Reduced()
    cost = table_of_macs(Reduced())
    assert {len(row) for row in cost.blocks_us.values()} == {6}
    fastest, slowest = cost_range(cost)
    budget = (fastest + slowest) / 2
    if method == "stages":
        strategy = StagedFBNet(cost, target_us=budget, stages=Stages(1, 1, 1, 1))
    else:
        strategy = FBNet(cost, target_us=budget, warmup_epochs=1)
    chosen = run_search(space, evaluator(4), strategy)
    # NNI's own counter agrees on the chosen architecture
    nnis = FlopsProfiler(
        Reduced(), torch.zeros(1, 3, SIZE, SIZE), count_bias=False, count_normalization=False, count_activation=False
    )
    total = cost.fixed_us + sum(cost.blocks_us[label][name] for label, name in chosen.items())
    assert total == pytest.approx(nnis.profile(chosen) / 1000, rel=1e-6)
    assert 0.98 * budget <= total <= budget
    assert Reduced().freeze(chosen)(torch.zeros(2, 3, SIZE, SIZE)).shape == (2, 4)


def test_choices_of_another_kind_are_refused():
    with pytest.raises(
        InputError, match="choice 's._depth' of the space is not a LayerChoice; only LayerChoices can be searched"
    ):
        FBNet().mutate_model(ProxylessNAS(num_labels=4))
