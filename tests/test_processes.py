"""Several processes (gloo, on the CPU) and mixed precision."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fbnet_pfld.evaluators import BEST, Checkpoint, LandmarkDataset
from fbnet_pfld.evaluators.data.loaders import make_loader

SEARCH = """
import json
import torch
torch.set_num_threads(1)
from fbnet_pfld.evaluators import LandmarkDataset, TrainOptions, make_evaluator
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import PfldSpace
from fbnet_pfld.strategies import FBNet, StagedFBNet, Stages, run_search
from fbnet_pfld.strategies.paths import FairPaths
from fbnet_pfld.strategies.search_module import SearchModule

faces, samples, paths = [], [], []
resample, loss, draw = SearchModule.resample, SearchModule.task_loss, FairPaths.draw

def recorded(module):
    torch.rand(module.trainer.global_rank)  # processes whose random numbers have drifted apart
    sample = resample(module)
    samples.append({label: row.tolist() for label, row in sample.items()})
    return sample

def seen(module, batch, batch_idx):
    faces.extend(batch["points"][:, 0, 0].tolist())
    return loss(module, batch, batch_idx)

def drawn(fair):
    paths.append(draw(fair))
    return paths[-1]

SearchModule.resample, SearchModule.task_loss, FairPaths.draw = recorded, seen, drawn
METHODS = {  # epochs, strategy, its options
    "reference": (2, FBNet, {"warmup_epochs": 1}),
    "stages": (4, StagedFBNet, {"stages": Stages(1, 1, 1, 1)}),
}
data, table = LandmarkDataset("data", limit=48), LookupTable.load("snapdragon625-4t")
for method, (epochs, kind, options) in METHODS.items():
    for record in (faces, samples, paths):
        record.clear()
    space = PfldSpace()
    strategy = kind(table.cost(space), target_us=2000, arc_learning_rate=0.3, **options)
    train = TrainOptions(epochs=epochs, batch_size=8, val_fraction=0.33)
    evaluator = make_evaluator(data, train, f"runs/{method}", 0, shuffle_val=True, devices="cpu:2")
    choices = run_search(space, evaluator, strategy)
    module = strategy.oneshot_module
    with open(f"{method}{evaluator.trainer.global_rank}.json", "w") as file:
        json.dump({"choices": choices, "samples": samples, "paths": paths, "faces": faces,
                   "nme": float(evaluator.trainer.callback_metrics["val_nme"]),
                   "logits": {label: layer._arch_alpha.tolist() for label, layer in module.layers().items()},
                   "weights": [float(weight.double().abs().sum()) for weight in module.training_module.parameters()]}, file)
"""

COMMAND = str(Path(sys.executable).with_name("fbnet-pfld"))


def launch(*arguments, folder: Path | None = None) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def searched(sound_place, tmp_path_factory) -> Path:
    """A folder in which two processes have searched with both methods, one after the other, because starting them is slow."""
    folder = tmp_path_factory.mktemp("searched")
    shutil.copytree(sound_place / "data", folder / "data")
    (folder / "search.py").write_text(SEARCH)
    launch("search.py", folder=folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("method", ["stages", "reference"])
def test_two_processes_sample_alike_and_end_alike_on_different_faces(searched, method):
    first, second = (json.loads((searched / f"{method}{rank}.json").read_text()) for rank in range(2))
    for name in ("choices", "samples", "paths", "logits", "weights", "nme"):
        assert first[name] == second[name], name
    assert len(first["samples"]) >= 2
    assert len(first["paths"]) >= 4 * (method == "stages")
    assert any(abs(logit) > 0.1 for row in first["logits"].values() for logit in row)
    assert not set(first["faces"][:8]) & set(second["faces"][:8])


@pytest.mark.slow
def test_finetune_runs_in_two_processes_and_prints_once(place):
    (place / "two.yaml").write_text("finetune: {epochs: 2, batch_size: 16}\n")
    out = launch(COMMAND, "finetune", "--data-root", "data", "--config", "two.yaml", "--dev_id", "cpu:2", "--json")
    assert out.count('"val_nme"') == 1
    assert Checkpoint.load(f"ckpt_save/subnet/{BEST}").metrics["val_nme"] > 0


def test_processes_share_the_faces_out(place):
    data = LandmarkDataset("data", limit=21)
    seen = []
    for rank in range(2):
        loader = make_loader(data, list(range(20)), 4, 0, 2, rank)
        seen.append({float(x) for batch in loader for x in batch["points"][:, 0, 0]})
    assert not seen[0] & seen[1]
    assert [len(part) for part in seen] == [8, 8]  # ten each, without the last incomplete batch
    loader = make_loader(data, list(range(21)), 4, None, 2, 1)
    assert sum(len(batch["points"]) for batch in loader) == 11


def test_mixed_precision_trains_and_validates_in_full_precision(place, run, capsys):
    arguments = ("finetune", "--data-root", "data", "--config", "config.yaml", "--from-scratch", "--json")
    assert run(*arguments, "--precision", "bf16-mixed") == 0
    mixed = json.loads(capsys.readouterr().out.splitlines()[-1])["val_nme"]
    assert run(*arguments, "--precision", "32-true") == 0
    full = json.loads(capsys.readouterr().out.splitlines()[-1])["val_nme"]
    assert mixed != full
    assert mixed == pytest.approx(full, rel=0.2)
    saved = Checkpoint.load("ckpt_save/subnet/checkpoint_best.pth")
    assert all(weight.dtype in (torch.float32, torch.int64) for weight in saved.weights.values())
    assert run("search", "--data-root", "data", "--config", "config.yaml", "--precision", "bf16-mixed") == 0


def test_wrong_devices_and_precisions_are_refused(place, run, capsys):
    assert run("finetune", "--data-root", "data", "--config", "config.yaml", "--precision", "8") == 2
    assert "precision" in capsys.readouterr().err
