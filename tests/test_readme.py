"""The README and all pages: every command parses, the quick ones and the code run as written, every link leads somewhere."""

import re
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
import yaml
from emulated_core import needs_emulator

from fbnet_pfld.evaluators import Checkpoint
from fbnet_pfld.experiments.cli import app as cli
from fbnet_pfld.experiments.pipeline.command import renamed
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.search_space import PfldLite

ROOT = Path(__file__).parents[1]
DOCS = "experiments/docs"
SITE = [
    *("README.md", "evaluators/pretrained/card.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / DOCS).rglob("*.md"))),
]
"""Pages of the site."""

PAGES = [*SITE, *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "experiments/examples").rglob("*.md")))]
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
PROSE = {page: re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL) for page, text in TEXTS.items()}
"""The pages without their blocks of code."""

QUICK = (
    "data show",
    "evaluate",
    "export",
    "benchmark-models",
    "latency list",
    "latency show snapdragon",
    "latency compare",
)
WRITTEN = (
    "faces.png",
    "subnet.onnx",
    "subnet.int8.mnn",
    "evaluate.png",
    "latency.png",
    "latency_compare.png",
)
"""Files that the quick commands leave in ``output``."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXTS[page], re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[str]:
    """Commands of a program in the pages' consoles, each once."""
    found = []
    for page in PAGES:
        for console in blocks(page, "console"):
            lines = console.replace("\\\n", " ").splitlines()
            found += [match[1] for line in lines if (match := re.match(rf"(?:\$ )?{program}(.*)", line))]
    return list(dict.fromkeys(found))


def inline(program: str) -> Iterator[str]:
    """Commands of a program within sentences and tables."""
    for text in PROSE.values():
        yield from re.findall(rf"`{program}([^`]*)`", text)


COMMANDS = [shlex.split(words, comments=True) for words in commands("fbnet-pfld ")]
STUDIES = [shlex.split(words, comments=True) for words in commands(r"python -m (?=fbnet_pfld)")]


def on_arm(words: list[str]) -> bool:
    """Whether a command runs files on the emulated core."""
    return bool({"--arm", "--check-arm"} & set(words))


def command_of(app: typer.Typer, words: list[str]) -> tuple[typer.core.TyperCommand, list[str]]:
    """The command that the words name, and the words after it."""
    command, words = typer.main.get_command(app), list(words)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    return command, words


def check_options(app: typer.Typer, words: list[str]) -> None:
    """Check that a command which is not written out in full exists and has the options it is given."""
    command, words = command_of(app, words)
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for word in renamed(words, {}):
        if word.startswith("--"):
            assert word.partition("=")[0] in known, f"{command.name} has no {word}"


def slugs(page: str) -> set[str]:
    """Anchors of a page's headings, as Git hosts make them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.*)$", PROSE[page], re.MULTILINE):
        text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(page: str) -> list[tuple[str, str]]:
    """Path and anchor of every link and image that leads into the repository."""
    found = re.findall(r"\]\(([^)\s]+)", PROSE[page]) + re.findall(r"(?:src|href)=\"([^\"]+)\"", PROSE[page])
    return [(path, anchor) for link in found if not re.match(r"[a-z]+:", link) for path, _, anchor in [link.partition("#")]]


@pytest.fixture
def users_folder(place, few_blobs, quick_exports):
    """A folder in which the pages' reader has come to the end of the first trainings."""
    shutil.rmtree("data")
    shutil.copytree(few_blobs, "data/106points")
    Path("ckpt_save/supernet/front").mkdir()
    shutil.copy("ckpt_save/supernet/architecture.json", "ckpt_save/supernet/front/035_2359us.json")
    torch.manual_seed(0)
    Checkpoint.of(PfldLite(), "pfld_lite", {}).save("ckpt_save/pfld_lite/checkpoint_best.pth")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_one(words):
    command, words = command_of(cli.app, words)
    command.make_context(command.name, words)


@pytest.mark.parametrize("words", STUDIES, ids=" ".join)
def test_every_study_is_one(words, monkeypatch):
    name, *words = words
    if find_spec(f"{name}.__main__" if find_spec(name).submodule_search_locations else name).name == name:
        module = import_module(name)
        monkeypatch.setattr(sys, "argv", [name, *words])
        assert callable(module.main)
        assert hasattr(module, "options") or not words
        if words:
            module.options()
    else:
        command, words = command_of(import_module(f"{name}.__main__").app, words)
        command.make_context(command.name, words)


def test_commands_within_sentences_exist():
    for words in inline("fbnet-pfld "):
        check_options(cli.app, shlex.split(words))
    for words in inline(r"python -m (?=fbnet_pfld)"):
        name, *words = shlex.split(words)
        if find_spec(name).submodule_search_locations:
            check_options(import_module(f"{name}.__main__").app, words)


def test_the_quick_commands_run(users_folder, run, capfd):
    quick = [words for words in COMMANDS if " ".join(words).startswith(QUICK) and not on_arm(words)]
    assert {next(start for start in QUICK if " ".join(words).startswith(start)) for words in quick} == set(QUICK)
    for words in sorted(quick, key=lambda words: words[0] != "export"):
        assert run(*words) == 0, words
        assert capfd.readouterr().out
    for name in WRITTEN:
        assert Path("output", name).stat().st_size > 0, name


@needs_emulator
@pytest.mark.slow
def test_the_commands_on_the_emulated_core_run(users_folder, run, capfd):
    commands = [words for words in COMMANDS if on_arm(words)]
    assert commands
    for words in sorted(commands, key=lambda words: words[0] != "export"):
        assert run(*words, "--arm-faces", 2) == 0, words
        assert "on an emulated Cortex-A53, 2 test faces" in capfd.readouterr().out


def test_the_config_is_valid_and_says_the_defaults(tmp_path):
    configs = [
        block for page in PAGES for block in blocks(page, "yaml") if set(yaml.safe_load(block)) <= set(Config.model_fields)
    ]
    assert configs
    for block in configs:
        (tmp_path / "c.yaml").write_text(block)
        assert Config.load(tmp_path / "c.yaml") == Config()


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_code_runs(page, users_folder, registries, run):
    cv2.imwrite("photo.jpg", np.zeros((400, 600, 3), np.uint8))
    if "output/subnet.onnx" in "".join(blocks(page, "python")):
        assert run("export", "--data_root", "data/106points") == 0
    names: dict = {}
    for language, code in re.findall(r"^```(python|yaml)\n(.*?)^```$", TEXTS[page], re.MULTILINE | re.DOTALL):
        if language == "yaml":
            # the reader saves it under the name that the page says before it
            before = TEXTS[page].partition(code)[0]
            for name in re.findall(r"`(\w+\.yaml)`", before)[-1:]:
                Path(name).write_text(code)
        else:
            exec(code, names)
    if "points" in names:
        assert names["points"].shape == (106, 2)
    if "subnet" in names:
        assert names["subnet"](torch.rand(2, 3, 112, 112)).shape == (2, 212)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    folder = (ROOT / page).parent
    for path, anchor in links(page):
        target = (folder / path).resolve() if path else ROOT / page
        assert target.exists(), path
        assert target.is_relative_to(ROOT), path
        # names of the reference are anchors on the site alone
        if anchor and not anchor.startswith("fbnet_pfld."):
            assert anchor in slugs(target.relative_to(ROOT).as_posix()), f"{path}#{anchor}"
    for config in re.findall(r"--config (\S+\.yml)", TEXTS[page]):
        assert (ROOT / config).is_file(), config


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_are_there(page):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"(?:`|^\$ )make (\w+)", TEXTS[page], re.MULTILINE):
        assert target in targets


@pytest.mark.parametrize("page", SITE)
def test_a_list_begins_after_an_empty_line(page):
    """A Git host makes a list of it anyway, the site does not."""
    lines = PROSE[page].splitlines()
    item = re.compile(r"\s*([-*]|\d+\.) ")
    for before, line in zip(lines, lines[1:], strict=False):
        if item.match(line) and not item.match(before):
            assert not before.strip() or before.startswith((" ", "<!--")), line


def test_every_page_is_in_the_navigation():
    def leaves(node: object) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        else:
            for below in node.values() if isinstance(node, dict) else node:
                yield from leaves(below)

    listed = list(leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(listed) == sorted(SITE)


def test_every_figure_is_on_a_page():
    used = {((ROOT / page).parent / path).resolve() for page in PAGES for path, _ in links(page)}
    figures = {path for folder in ("figures", "screenshots") for path in (ROOT / DOCS / folder).iterdir()}
    assert {path.name for path in figures - used} == set()
