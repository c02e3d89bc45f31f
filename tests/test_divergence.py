"""A search that diverges: what is named, and what is kept."""

import pytest
import torch

from fbnet_pfld.evaluators import Checkpoint
from fbnet_pfld.evaluators.loss import PointL1
from fbnet_pfld.strategies.one_path import OnePathModule

SEARCH = ("search", "--data-root", "data", "--snapshot", "runs", "--config", "search.yaml")

HOOKS = ("on_train_epoch_start", "training_step", "after_architecture_step")


@pytest.fixture
def three_epochs(place):
    (place / "search.yaml").write_text("search: {epochs: 3, warmup_epochs: 1, batch_size: 32, paths: one}\n")
    return place / "runs" / "supernet"


@pytest.mark.parametrize(("spoil", "message"), [
    ("loss", "task loss is nan in epoch 2, step 0; all weights are finite: look at the data"),
    ("weight", "weight 'layers.3.gh_k5.primary.0.weight' is not finite at the end of epoch 1; a lower learning rate"),
    ("both", "task loss is nan in epoch 2, step 0; weight 'layers.3.gh_k5.primary.0.weight' is not finite: a lower"),
    ("logits", "logits of layer 'layer_3' are not finite after epoch 2, step 0"),
])
def test_a_diverged_search_names_the_place_and_keeps_the_last_good_checkpoints(three_epochs, run, capsys, monkeypatch, spoil,
                                                                               message):
    start, step, check = (getattr(OnePathModule, name) for name in HOOKS)

    def broken_start(module):
        start(module)
        if module.trainer.current_epoch == 2:
            if spoil in ("loss", "both"):
                monkeypatch.setattr(PointL1, "forward", lambda self, predicted, true: predicted.mean() * torch.nan)
            if spoil == "both":
                break_weight(module)

    def broken_check(module, batch_idx):
        if spoil == "logits" and module.trainer.current_epoch == 2:
            module.layers()["layer_3"]._arch_alpha.data[2] = torch.nan
        check(module, batch_idx)

    def broken_step(module, batch, batch_idx):
        step(module, batch, batch_idx)
        if spoil == "weight" and module.trainer.current_epoch == 1:
            break_weight(module)

    def break_weight(module):
        module.training_module.model.layers[3]["gh_k5"].primary[0].weight.data[0] = torch.inf

    for name, broken in zip(HOOKS, (broken_start, broken_step, broken_check), strict=True):
        monkeypatch.setattr(OnePathModule, name, broken)
    assert run(*SEARCH) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in last
    assert last.endswith("the checkpoints of the last good epoch are kept")
    kept = Checkpoint.load(three_epochs / "checkpoint_best.pth")
    assert all(torch.isfinite(weight).all() for weight in kept.weights.values())
    epochs = torch.load(three_epochs / "last.ckpt", weights_only=True)["epoch"]
    assert epochs == (0 if spoil == "weight" else 1)

    monkeypatch.undo()
    monkeypatch.chdir(three_epochs.parent.parent)
    assert run(*SEARCH, "--resume", "auto") == 0
