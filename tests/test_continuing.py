"""Trainings that resume, are extended, or start from trained weights; and files that they refuse."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import write_blobs
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from fbnet_pfld.evaluators import Checkpoint, FinetuneOptions, LandmarkDataset, finetune, start_from
from fbnet_pfld.evaluators.training.module import LandmarkModule
from fbnet_pfld.evaluators.training.run_record import RunRecord, flat
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.experiments.pipeline.finetuning import finetune_network
from fbnet_pfld.experiments.pipeline.supernet_search import search_supernet
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import BASELINES, Architecture, InputError, PfldSpace, SpaceSpec

PFLD = SpaceSpec.load("pfld")
SMALL = Architecture(PFLD, 106, 112, dict(zip(PFLD.labels, ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"), strict=True)))
FINETUNE = ("finetune", "--config", "config.yaml", "--data-root", "data")
SEARCH = ("search", "--config", "config.yaml", "--data-root", "data")


@pytest.fixture(scope="module")
def states(tmp_path_factory, blobs):
    """Folder with ``last.ckpt`` of tiny runs of one epoch: a subnet, a baseline and a search."""
    folder = tmp_path_factory.mktemp("states")
    config = Config.load(
        None, finetune__epochs=1, finetune__batch_size=16, search__epochs=1, search__method="reference", search__front=0
    )
    search_supernet(config, config.faces(blobs), folder / "supernet")
    finetune_network(config, config.faces(blobs), folder / "subnet", SMALL, folder / "supernet" / "checkpoint_best.pth")
    finetune_network(config, config.faces(blobs), folder / "pfld_lite", "pfld_lite")
    return folder


@pytest.fixture
def at(place, states):
    """The working folder with these states as ``subnet.ckpt``, ``pfld_lite.ckpt`` and ``supernet.ckpt``."""
    for name in ("subnet", "pfld_lite", "supernet"):
        shutil.copy(states / name / "last.ckpt", f"{name}.ckpt")
    return place


def cut(path: str, share: float) -> None:
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: int(share * len(content))])


def flip(path: str) -> None:
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 255
    Path(path).write_bytes(content)


WANTED = "--resume needs the last.ckpt of a run"
# name -> preparation, the command, words of its one line
REFUSED = {
    "weights of a subnet": (
        lambda: None,
        (*FINETUNE, "--resume", "ckpt_save/subnet/checkpoint_best.pth"),
        f"checkpoint_best.pth is the checkpoint of a trained subnet, without training state; {WANTED}; use it with --init",
    ),
    "weights of a supernet": (
        lambda: None,
        (*SEARCH, "--resume", "ckpt_save/supernet/checkpoint_best.pth"),
        "is the checkpoint of a trained supernet, without training state",
    ),
    "text": (lambda: None, (*FINETUNE, "--resume", "config.yaml"), f"config.yaml is a text file; {WANTED}"),
    "nothing": (lambda: None, (*SEARCH, "--resume", "none.ckpt"), "nothing to resume from: none.ckpt not found"),
    "folder": (lambda: None, (*FINETUNE, "--resume", "data"), f"data cannot be read: Is a directory; {WANTED}"),
    "empty file": (lambda: Path("empty").touch(), (*FINETUNE, "--resume", "empty"), f"empty is an empty file; {WANTED}"),
    "image": (lambda: None, (*FINETUNE, "--resume", "data/train_data/imgs/00000.png"), f"is a PNG image; {WANTED}"),
    "truncated file": (
        lambda: cut("subnet.ckpt", 0.7),
        (*FINETUNE, "--resume", "subnet.ckpt"),
        f"subnet.ckpt is damaged or incomplete; {WANTED}",
    ),
    "damaged file": (lambda: flip("subnet.ckpt"), (*FINETUNE, "--resume", "subnet.ckpt"), "is damaged or incomplete"),
    "truncated file, auto": (
        lambda: (shutil.copy("subnet.ckpt", "ckpt_save/subnet/last.ckpt"), cut("ckpt_save/subnet/last.ckpt", 0.5)),
        (*FINETUNE, "--resume", "auto"),
        f"ckpt_save/subnet/last.ckpt is damaged or incomplete; {WANTED}",
    ),
    "another program's file": (
        lambda: torch.save({"epoch": 3}, "other.pt"),
        (*FINETUNE, "--resume", "other.pt"),
        f"other.pt is not a training state; {WANTED}",
    ),
    "a search's state": (
        lambda: None,
        (*FINETUNE, "--resume", "supernet.ckpt"),
        "supernet.ckpt: its run has network.kind 'supernet', this one 'subnet'; give the same value",
    ),
    "a finetuning's state": (
        lambda: None,
        (*SEARCH, "--resume", "subnet.ckpt"),
        "its run has network.kind 'subnet', this one 'supernet'",
    ),
    "a baseline's state": (
        lambda: None,
        (*FINETUNE, "--resume", "pfld_lite.ckpt"),
        "its run has network.kind 'baseline', this one 'subnet'",
    ),
    "another baseline": (
        lambda: None,
        (*FINETUNE, "--model", "pfld_mobilenetv3", "--resume", "pfld_lite.ckpt"),
        "network.name 'pfld_lite', this one 'pfld_mobilenetv3'",
    ),
    "another subnet": (
        lambda: replace(SMALL, choices=SMALL.choices | {"layer_2": "mb_k5_res"}).save("other.json"),
        (*FINETUNE, "--arch", "other.json", "--resume", "subnet.ckpt"),
        "network.choices.layer_2 'gh_k5', this one 'mb_k5_res'",
    ),
    "another seed": (lambda: None, (*FINETUNE, "--resume", "subnet.ckpt", "--seed", "3"), "its run has seed 0, this one 3"),
    "another setting": (
        lambda: Path("config.yaml").write_text("finetune: {batch_size: 16, learning_rate: 0.5}\n"),
        (*FINETUNE, "--resume", "subnet.ckpt"),
        "finetune.learning_rate 0.005, this one 0.5",
    ),
    "other data": (
        lambda: shutil.copy("data/test_data/list.txt", "data/train_data/list.txt"),
        (*FINETUNE, "--resume", "subnet.ckpt"),
        "its run has data '96 faces, ",
    ),
    "other processes": (
        lambda: None,
        (*FINETUNE, "--resume", "subnet.ckpt", "--dev-id", "cpu:2"),
        "its run has processes 1, this one 2",
    ),
    "fewer epochs": (
        lambda: spoil_epochs("subnet.ckpt", 9),
        (*FINETUNE, "--resume", "subnet.ckpt"),
        "its run has finetune.epochs 9, this one 1; a run can be extended, not shortened",
    ),
    "a record that is missing": (
        lambda: spoil_record("subnet.ckpt"),
        (*FINETUNE, "--resume", "subnet.ckpt"),
        "subnet.ckpt has no record of its run: another program or an older version",
    ),
    "init from a state": (
        lambda: None,
        (*FINETUNE, "--init", "subnet.ckpt"),
        "not a checkpoint of this package: subnet.ckpt; give the checkpoint_best.pth",
    ),
    "init from a supernet": (
        lambda: None,
        (*FINETUNE, "--arch", "ckpt_save/supernet/architecture.json", "--init", "ckpt_save/supernet/checkpoint_best.pth"),
        "a supernet; use --supernet to inherit its weights",
    ),
    "init from another network": (
        lambda: None,
        (*FINETUNE, "--model", "pfld_lite", "--init", "ckpt_save/subnet/checkpoint_best.pth"),
        "weights of another network, gh_k3 gh_k3 gh_k5 gh_k5 gh_k5; expected pfld_lite",
    ),
    "init from what is written": (
        lambda: None,
        (*FINETUNE, "--init", "ckpt_save/subnet/checkpoint_best.pth"),
        "--init ckpt_save/subnet/checkpoint_best.pth is the file that this training writes",
    ),
    "init and supernet": (lambda: None, (*FINETUNE, "--init", "a", "--supernet", "b"), "--supernet and --init are both given"),
    "supernet for a baseline": (
        lambda: None,
        (*FINETUNE, "--model", "pfld_lite", "--supernet", "b"),
        "--supernet and --model are both given",
    ),
    "other points than the architecture's": (
        lambda: None,
        (*FINETUNE, "--points", "68"),
        "architecture of points 106, but points 68 is configured",
    ),
}


def spoil_epochs(path: str, epochs: int) -> None:
    state = torch.load(path, weights_only=True)
    state["callbacks"]["RunRecord"]["values"]["finetune.epochs"] = epochs
    torch.save(state, path)


def spoil_record(path: str) -> None:
    state = torch.load(path, weights_only=True)
    del state["callbacks"]["RunRecord"]
    torch.save(state, path)


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_go_on_is_told_in_one_line_and_changes_nothing(at, refused, fault):
    spoil, command, named = REFUSED[fault]
    spoil()
    refused(*command, words=(named,))


def test_a_baseline_is_given_no_supernet_by_code_either(place):
    supernet = Path("ckpt_save/supernet/checkpoint_best.pth")
    with pytest.raises(InputError, match="the baseline pfld_lite cannot inherit from a supernet"):
        finetune_network(Config(), Config().faces("data"), Path("out"), "pfld_lite", supernet)


@pytest.fixture
def rates(monkeypatch):
    """Learning rate of every step of the weights."""
    seen, step = [], LandmarkModule.training_step

    def watched(module, batch, batch_idx):
        optimizers = module.trainer.optimizers
        seen.append(next(o for o in optimizers if isinstance(o, torch.optim.AdamW)).param_groups[0]["lr"])
        return step(module, batch, batch_idx)

    monkeypatch.setattr(LandmarkModule, "training_step", watched)
    return seen


def one_cycle(peak: float, steps: int) -> list[float]:
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=peak)
    schedule, rates = OneCycleLR(optimizer, peak, total_steps=steps), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [2, 3])
def test_an_extended_training_goes_on_along_the_longer_schedule(blobs, states, tmp_path, rates, epochs):
    """From the state of one epoch, in its own folder or another; a killed and resumed run ends in the same bits."""
    config = Config.load(None, finetune__epochs=epochs, finetune__batch_size=16, finetune__learning_rate=0.005)
    shutil.copytree(states / "subnet", tmp_path / "own")
    faces, state = config.faces(blobs), str(states / "subnet" / "last.ckpt")
    extended = finetune_network(config, faces, tmp_path / "own", SMALL, resume="auto")
    steps = len(rates) // (epochs - 1)
    assert rates == pytest.approx(one_cycle(0.005, epochs * steps)[steps:])
    assert torch.load(tmp_path / "own" / "last.ckpt", weights_only=True)["epoch"] == epochs - 1

    def killed(module, *_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LandmarkModule, "on_validation_epoch_end", killed)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            finetune_network(config, faces, tmp_path / "other", SMALL, resume=state)
    again = finetune_network(config, faces, tmp_path / "other", SMALL, resume=state)
    assert again.metrics == extended.metrics
    assert all(torch.equal(again.weights[name], tensor) for name, tensor in extended.weights.items())


@pytest.mark.slow
def test_an_extended_search_goes_on_along_the_longer_schedule(blobs, states, tmp_path, rates):
    shutil.copytree(states / "supernet", tmp_path / "s")
    config = Config.load(None, search__epochs=3, search__method="reference", search__front=0)
    search_supernet(config, config.faces(blobs), tmp_path / "s", resume="auto")
    weights = [rate for i, rate in enumerate(rates) if i == 0 or rate != rates[i - 1]]  # steps of the logits change nothing
    steps = len(weights) // 2
    assert weights == pytest.approx(one_cycle(config.search.learning_rate, 3 * steps)[steps:])


@pytest.mark.slow
def test_a_finished_run_resumed_alike_stays_as_it_is(place, states, run):
    shutil.copytree(states / "subnet", "ckpt_save/subnet", dirs_exist_ok=True)
    Path("config.yaml").write_text("finetune: {epochs: 1, batch_size: 16}\n")
    before = Path("ckpt_save/subnet/checkpoint_best.pth").read_bytes()
    assert run(*FINETUNE, "--resume", "auto") == 0
    assert Path("ckpt_save/subnet/checkpoint_best.pth").read_bytes() == before


def test_nested_values_are_told_by_keys_with_dots():
    assert flat({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}


def test_a_new_run_removes_the_state_of_the_one_before(tmp_path):
    (tmp_path / "last.ckpt").write_text("state of another run")
    record = RunRecord(tmp_path, None, {"seed": 0})
    record.check()
    record.begin()
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("network", [SMALL, "pfld_lite", "pfld_mobilenetv3"], ids=["subnet", "lite", "v3"])
@pytest.mark.parametrize("points", [106, 21])
def test_a_network_starts_with_trained_weights(network, points):
    def built(number):
        if isinstance(network, Architecture):
            return replace(network, num_points=number).build()
        return BASELINES[network](number)

    torch.manual_seed(0)
    trained, model = built(106), built(points)
    new = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fresh = start_from(model, network, Checkpoint.of(trained, network, {}))
    if points == 106:
        assert fresh == []
        images = torch.rand(2, 3, 112, 112)
        assert torch.equal(model.eval()(images), trained.eval()(images))
        return
    # the last layer is a 1x1 convolution or a linear layer, with a bias
    assert {tuple(model.state_dict()[name].shape)[0] for name in fresh} == {2 * points}
    assert len(fresh) == 2
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, new[name] if name in fresh else trained.state_dict()[name]), name


@pytest.mark.slow
def test_finetuning_starts_from_a_checkpoint_also_with_other_points(place, run, capfd, tmp_path):
    """The architecture comes from the checkpoint; no other file of a search is needed."""
    write_blobs(tmp_path / "data21", 32, 8, points=21)
    shutil.rmtree("ckpt_save/supernet")
    Path("c.yaml").write_text("finetune: {epochs: 1, batch_size: 16, learning_rate: 1.0e-9}\n")
    start = ("finetune", "--config", "c.yaml", "--init", "ckpt_save/subnet/checkpoint_best.pth", "--workspace", "runs")
    before = Checkpoint.load("ckpt_save/subnet/checkpoint_best.pth")
    assert run(*start, "--data-root", "data") == 0
    after = Checkpoint.load("runs/subnet/checkpoint_best.pth")
    assert after.architecture().same_blocks(before.architecture())
    for name, parameter in before.build().named_parameters():
        assert torch.allclose(after.weights[name], parameter, atol=1e-6), name
    capfd.readouterr()
    Path("c.yaml").write_text(Path("c.yaml").read_text() + "eye_corners: [0, 10]\n")
    assert run(*start, "--data-root", "data21", "--points", "21") == 0
    assert "checkpoint_best.pth: all weights are loaded except the last layer's, points." in capfd.readouterr().err
    few = Checkpoint.load("runs/subnet/checkpoint_best.pth")
    assert few.num_points == 21
    for name, parameter in before.build().named_parameters():
        if few.weights[name].shape == parameter.shape:
            assert torch.allclose(few.weights[name], parameter, atol=1e-6), name


@pytest.mark.parametrize("epochs", range(1, 41))
def test_the_warm_up_follows_the_epochs(epochs):
    options = Config.load(None, search__epochs=epochs, search__method="reference").search
    warmup = options.strategy(LookupTable.load("snapdragon625-4t").cost(PfldSpace())).warmup_epochs
    assert warmup == epochs // 4
    assert warmup < epochs


def test_weights_are_kept_where_no_epoch_after_was_better(blobs, states, tmp_path):
    """A run that resumes in another folder ends with the best epoch of the whole run, even if it was in the first folder."""
    options = FinetuneOptions(epochs=1, batch_size=16, learning_rate=0.005)
    best = finetune(
        SMALL.build(),
        SMALL,
        LandmarkDataset(blobs, "train"),
        options,
        tmp_path / "new",
        resume=str(states / "subnet" / "last.ckpt"),
    )
    assert best.metrics == Checkpoint.load(states / "subnet" / "checkpoint_best.pth").metrics
