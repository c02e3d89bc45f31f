"""A diverging search: the error's content, and the files that are kept."""

import pytest
import torch
from conftest import write_blobs

from fbnet_pfld.evaluators import Checkpoint
from fbnet_pfld.evaluators.training.loss import SmoothL1
from fbnet_pfld.strategies import StagedModule

SEARCH = ("search", "--data-root", "few", "--workspace", "runs", "--config", "search.yaml")

HOOKS = ("on_train_epoch_start", "training_step", "after_architecture_step")


@pytest.fixture
def four_epochs(place):
    (place / "search.yaml").write_text(
        "search: {batch_size: 16, front: 0, stages: {teacher: 1, distillation: 1, sandwich: 1, logits: 1}}\n"
    )
    write_blobs(place / "few", 48, 8)  # two steps per epoch
    return place / "runs" / "supernet"


@pytest.mark.parametrize(
    ("spoil", "epoch", "message"),
    [
        ("loss", 2, "task loss is nan in stage sandwich in epoch 2, step 0; all weights are finite: check the data"),
        ("weight", 1, "weight 'layers.3.gh_k5.primary.0.weight' is not finite at the end of epoch 1; a lower learning rate"),
        (
            "block",
            1,
            "in stage distillation, layer 'layer_3', block 'gh_k5' in epoch 1, step 0; weight "
            "'layers.3.gh_k5.primary.0.weight' is not finite: a lower",
        ),
        ("block", 2, "in stage sandwich, layer 'layer_3', block 'gh_k5' in epoch 2, step"),
        ("logits", 3, "logits of layer 'layer_3' are not finite after epoch 3, step 0"),
    ],
)
def test_a_diverged_search_names_the_place_and_keeps_the_last_good_checkpoints(
    four_epochs, run, capsys, monkeypatch, spoil, epoch, message
):
    start, step, check = (getattr(StagedModule, name) for name in HOOKS)

    def broken_start(module):
        start(module)
        if module.trainer.current_epoch == epoch:
            if spoil == "loss":
                monkeypatch.setattr(SmoothL1, "forward", lambda self, predicted, true: predicted.mean() * torch.nan)
            if spoil == "block":
                break_weight(module, torch.nan)

    def broken_check(module, batch_idx):
        if spoil == "logits":
            module.layers()["layer_3"]._arch_alpha.data[2] = torch.nan
        check(module, batch_idx)

    def broken_step(module, batch, batch_idx):
        step(module, batch, batch_idx)
        if spoil == "weight" and module.trainer.current_epoch == epoch and module.trainer.is_last_batch:
            break_weight(module, torch.inf)

    def break_weight(module, value):
        module.training_module.model.layers[3]["gh_k5"].primary[0].weight.data[0] = value

    for name, broken in zip(HOOKS, (broken_start, broken_step, broken_check), strict=True):
        monkeypatch.setattr(StagedModule, name, broken)
    assert run(*SEARCH) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in last
    assert last.endswith("the checkpoints of the last good epoch are kept")
    kept = Checkpoint.load(four_epochs / "checkpoint_best.pth")
    assert all(torch.isfinite(weight).all() for weight in kept.weights.values())
    assert torch.load(four_epochs / "last.ckpt", weights_only=True)["epoch"] == epoch - 1

    monkeypatch.undo()
    monkeypatch.chdir(four_epochs.parent.parent)
    assert run(*SEARCH, "--resume", "auto") == 0
