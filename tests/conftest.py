"""Tiny data sets and spaces that the tests share; a temporary HOME, because NNI writes there."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# the emulator stays where it is installed
_CACHE = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
os.environ.setdefault("FBNET_PFLD_EMULATOR", str(Path(_CACHE) / "fbnet-pfld/emulator"))
# before NNI is imported, which then decides where it writes
os.environ["HOME"] = tempfile.mkdtemp(prefix="fbnet-pfld-tests-")
atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)
os.environ["NNI_CONFIG_DIR"] = os.environ["HOME"] + "/nni-config"
# before OpenCV is imported, which then reads these; a command sets them itself
os.environ["OPENCV_LOG_LEVEL"] = "SILENT"
os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"

import sys

import cv2
import numpy as np
import pytest
import torch
from quick_exports import time_few_calls, write_graphs_once
from source_faces import contents

from fbnet_pfld.evaluators import Checkpoint
from fbnet_pfld.evaluators.data.prepare import FORMATS
from fbnet_pfld.evaluators.training.loss import LOSSES
from fbnet_pfld.experiments.cli import app as cli
from fbnet_pfld.latency import ENGINES, NETS
from fbnet_pfld.search_space import BLOCKS, Architecture, PfldSpace, SpaceSpec

torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """Put the file that waits the longest first, so that processes that share the files end together."""
    items.sort(key=lambda item: item.path.name != "test_nni_experiments.py")


def write_blobs(root: Path, train: int = 96, test: int = 32, points: int = 106, size: int = 112) -> Path:
    """A data set in the 106points layout whose points follow from the image: a grid of points around a bright blob."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(-0.2, 0.2, 11), np.linspace(-0.2, 0.2, 10)), -1).reshape(-1, 2)[:points]
    y, x = np.mgrid[:size, :size] / size
    for split, count in (("train_data", train), ("test_data", test)):
        (root / split / "imgs").mkdir(parents=True)
        lines = []
        for i in range(count):
            centre = rng.uniform(0.35, 0.65, 2)
            image = 255 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 0.02)
            name = f"{split}/imgs/{i:05d}.png"
            cv2.imwrite(str(root / name), np.repeat(image[..., None], 3, 2).astype(np.uint8))
            values = [*(grid + centre).ravel(), *rng.uniform(-20, 20, 3)]
            lines.append(" ".join([name, *(f"{v:.6f}" for v in values)]))
        (root / split / "list.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def blobs(tmp_path_factory) -> Path:
    return write_blobs(tmp_path_factory.mktemp("blobs"))


@pytest.fixture(scope="session")
def few_blobs(tmp_path_factory) -> Path:
    """For trainings that need no good result: at a batch size of 8, an epoch has three steps."""
    return write_blobs(tmp_path_factory.mktemp("few_blobs"), 32, 8)


@pytest.fixture(scope="session")
def sound_place(blobs, tmp_path_factory) -> Path:
    """A folder with valid files for all commands."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(blobs, folder / "data")
    torch.manual_seed(0)
    spec = SpaceSpec.load("pfld")
    choices = dict(zip(spec.labels, ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"), strict=True))
    chosen = Architecture(spec, 106, 112, choices)
    chosen.save(folder / "ckpt_save/supernet/architecture.json")
    weights = PfldSpace("pfld").state_dict()
    Checkpoint("supernet", spec.to_dict(), 106, 112, weights, {}).save(folder / "ckpt_save/supernet/checkpoint_best.pth")
    Checkpoint.of(chosen.build(), chosen, {}).save(folder / "ckpt_save/subnet/checkpoint_best.pth")
    few = Architecture(spec, 68, 112, choices)
    Checkpoint.of(few.build(), few, {}).save(folder / "points68.pth")
    (folder / "output").mkdir()
    (folder / "output/subnet.onnx").write_text("older file")
    (folder / "config.yaml").write_text("search: {epochs: 1, front: 0}\nfinetune: {epochs: 1, batch_size: 16}\n")
    return folder


@pytest.fixture
def place(sound_place, tmp_path, monkeypatch):
    """A copy of the sound folder as working folder; each test breaks one thing."""
    shutil.copytree(sound_place, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch):
    """Run a command in this process (its imports take seconds); returns its exit code."""

    def command(*arguments) -> int:
        monkeypatch.setattr(sys, "argv", ["fbnet-pfld", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as end:
            return 1 if isinstance(end.code, str) else int(end.code or 0)
        return 0

    return command


@pytest.fixture
def registries():
    """The test leaves them as they were."""
    before = [(registry, dict(registry)) for registry in (BLOCKS, FORMATS, NETS, ENGINES, LOSSES)]
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)


@pytest.fixture
def quick_exports(monkeypatch):
    """For tests of the use of exports: torch writes each network's graph once, and files are timed in a few calls."""
    write_graphs_once(monkeypatch)
    time_few_calls(monkeypatch)


@pytest.fixture
def refused(run, capfd, tmp_path):
    """Run a command that must end with exit code 2, one line with all ``words``, and every file as it was."""

    def command(*arguments, words) -> None:
        before = contents(tmp_path)
        assert run(*arguments) == 2
        error = capfd.readouterr().err.strip()
        assert error.startswith("fbnet-pfld: ")
        assert "\n" not in error
        for each in words:
            assert each in error
        assert contents(tmp_path) == before

    return command
