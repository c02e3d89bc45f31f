"""What the README says can be run: every command parses, the quick ones and the code blocks run as written."""

import re
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from emulated_core import needs_emulator

from fbnet_pfld.evaluators import Checkpoint
from fbnet_pfld.experiments.cli import app as cli
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.search_space import Architecture, PfldLite

ROOT = Path(__file__).parents[1]
NNI_JOBS = ROOT / "experiments/nni_jobs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = ROOT / "experiments/docs"
PAGES = {
    ROOT: README,
    NNI_JOBS: (NNI_JOBS / "README.md").read_text(encoding="utf-8"),
    DOCS: (DOCS / "phone_table.md").read_text(encoding="utf-8"),
}
COMMANDS = [
    shlex.split(line, comments=True)
    for page in PAGES.values()
    for line in re.findall(r"^\$ fbnet-pfld (.*)$", page, re.MULTILINE)
]
QUICK = (
    "data show",
    "evaluate",
    "export",
    "benchmark-models",
    "latency list",
    "latency show snapdragon",
    "latency compare",
    "latency fit",
)


def on_arm(words: list[str]) -> bool:
    """Whether a command runs files on the emulated core."""
    return bool({"--arm", "--check-arm"} & set(words))


def block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL).group(1)


@pytest.fixture
def users_folder(place, few_blobs, quick_exports):
    """A folder in which the README's user has come to the end of the first trainings."""
    shutil.rmtree("data")
    shutil.copytree(few_blobs, "data/106points")
    Path("ckpt_save/supernet/front").mkdir()
    shutil.copy("ckpt_save/supernet/architecture.json", "ckpt_save/supernet/front/035_2359us.json")
    torch.manual_seed(0)
    Checkpoint.of(PfldLite(), "pfld_lite", {}).save("ckpt_save/pfld_lite/checkpoint_best.pth")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_one(words):
    command, words = typer.main.get_command(cli.app), list(words)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)


def test_the_quick_commands_run(users_folder, run, capfd):
    quick = [words for words in COMMANDS if " ".join(words).startswith(QUICK) and not on_arm(words)]
    assert {next(start for start in QUICK if " ".join(words).startswith(start)) for words in quick} == set(QUICK)
    for words in quick:
        assert run(*words) == 0, words
        assert capfd.readouterr().out
    for name in (
        "output/faces.png",
        "output/subnet.onnx",
        "output/latency.png",
        "output/latency_compare.png",
        "output/latency_fit.png",
        "mine.csv",
        "mine.json",
    ):
        assert Path(name).stat().st_size > 0


@needs_emulator
@pytest.mark.slow
def test_the_commands_on_the_emulated_core_run(users_folder, run, capfd):
    commands = [words for words in COMMANDS if on_arm(words)]
    assert commands
    for words in sorted(commands, key=lambda words: words[0] != "export"):
        assert run(*words, "--arm-faces", 2) == 0, words
        assert "on an emulated Cortex-A53, 2 test faces" in capfd.readouterr().out


def test_the_config_is_valid_and_says_the_defaults(tmp_path):
    (tmp_path / "c.yaml").write_text(block("yaml"))
    assert Config.load(tmp_path / "c.yaml") == Config()


@pytest.mark.slow
def test_the_code_runs(users_folder, run):
    assert run("export", "--data_root", "data/106points") == 0
    cv2.imwrite("photo.jpg", np.zeros((400, 600, 3), np.uint8))
    names: dict = {}
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(code, names)
    assert names["points"].shape == (106, 2)
    assert Architecture.load("mine.json").choices == names["choices"]
    assert names["subnet"](torch.rand(2, 3, 112, 112)).shape == (2, 212)


def test_links_and_make_targets_are_there():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"[`$] ?make (\w+)", README):
        assert target in targets
    for folder, page in PAGES.items():
        for link in re.findall(r"\]\(([^)#]+)\)", page):
            assert (folder / link).exists(), link
        for config in re.findall(r"--config (\S+\.yml)", page):
            assert (ROOT / config).is_file(), config
