"""The repository itself: folders and packages, modules that imports load, old spellings of options."""

import ast
import configparser
import json
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
import typer

from fbnet_pfld.evaluators.data.prepare import FORMATS as SOURCE_FORMATS
from fbnet_pfld.experiments.cli import app as cli
from fbnet_pfld.experiments.cli.data_prepare import FormatName
from fbnet_pfld.experiments.cli.export import Formats, Opset
from fbnet_pfld.experiments.cli.finetune import Model
from fbnet_pfld.experiments.cli.latency_measure import measure_table
from fbnet_pfld.experiments.deploy.file_formats import FORMATS
from fbnet_pfld.experiments.deploy.onnx_file import OPSET
from fbnet_pfld.experiments.pipeline.command import renamed
from fbnet_pfld.latency.measure.design import REPEATS, UNSEEN
from fbnet_pfld.search_space import BASELINES, InputError

ROOT = Path(__file__).parents[1]
FOLDERS = ("search_space", "strategies", "evaluators", "latency", "experiments")
MODULES = [path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]


def test_setup_cfg_lists_every_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {".".join(("fbnet_pfld", *path.parent.parts)) for path in MODULES if path.name == "__init__.py"}
    assert listed == found - {"fbnet_pfld.evaluators.runtime.short"} | {"fbnet_pfld.runtime"}


def test_no_two_modules_have_one_name():
    names = Counter(path.stem for path in MODULES if not path.stem.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []


def test_modules_are_short():
    assert [str(path) for path in MODULES if len((ROOT / path).read_text().splitlines()) > 300] == []


@pytest.mark.parametrize("package", FOLDERS[:-1])
def test_a_package_exports_what_its_stub_lists(package):
    stub = ast.parse((ROOT / package / "__init__.pyi").read_text())
    names = [alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    module = import_module(f"fbnet_pfld.{package}")
    assert sorted(names) == sorted(module.__all__)
    submodules = {path.stem for path in (ROOT / package).iterdir()}
    assert submodules.isdisjoint(names)  # importing a module of that name would replace the exported object
    for name in names:
        getattr(module, name)


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import fbnet_pfld.search_space.errors", "torch nni pytorch_lightning numpy pandas pydantic yaml rich typer"),
        ("import fbnet_pfld.search_space.spec", "torch nni pytorch_lightning pandas"),
        (
            "from fbnet_pfld.latency import LookupTable; LookupTable.load('snapdragon625-4t')",
            "torch nni pytorch_lightning scipy matplotlib",
        ),
        ("import fbnet_pfld.runtime", "torch nni pytorch_lightning matplotlib"),
        ("import fbnet_pfld.experiments.cli.app", "torch nni pytorch_lightning pandas scipy matplotlib cv2 onnxruntime"),
        ("from fbnet_pfld.experiments.predict import tally", "torch nni pytorch_lightning"),
        ("from fbnet_pfld.latency import interleave", "torch nni pytorch_lightning MNN ncnn"),
    ],
    ids=lambda value: value[-40:] if "import" in value else "",
)
def test_imports_are_light(code, forbidden):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(json.loads(done.stdout)).isdisjoint(forbidden.split())


def test_the_runtime_is_one_class():
    assert import_module("fbnet_pfld.runtime").Landmarker is import_module("fbnet_pfld.evaluators.runtime").Landmarker


def help_of(option: object) -> str:
    return option.__metadata__[0].help


def test_help_names_what_there_is():
    """The texts are written out, so that a command's help does not import the objects that they name."""
    assert all(name in help_of(Formats) for name in FORMATS)
    assert all(name in help_of(FormatName) for name in SOURCE_FORMATS)
    assert any(name in help_of(Model) for name in BASELINES)
    assert str(OPSET) in help_of(Opset)
    assert measure_table.__defaults__[5:7] == (REPEATS, UNSEEN)


def test_every_command_has_an_example_that_parses():
    def leaves(command, words):
        inner = getattr(command, "commands", {})
        return [leaf for name, each in inner.items() for leaf in leaves(each, [*words, name])] if inner else [(command, words)]

    for command, words in leaves(typer.main.get_command(cli.app), ["fbnet-pfld"]):
        assert command.epilog.startswith(f"Example: {' '.join(words)}")
        example = command.epilog.removeprefix("Example: ").removesuffix(" (as trialCommand)").split()
        command.make_context(command.name, example[len(words) :])


@pytest.mark.parametrize(
    ("given", "wanted", "says"),
    [
        (["--data_root", "a_b", "--seed=1"], ["--data-root", "a_b", "--seed=1"], ""),
        (["--resume", "a.pth", "--plot=b_c.png"], ["--checkpoint", "a.pth", "--out=b_c.png"], "--resume is now --checkpoint"),
        (["--gone", "1", "--gone=2", "x"], ["x"], "--gone has no effect any more"),
    ],
)
def test_old_spellings(given, wanted, says, capsys):
    assert renamed(given, {"--resume": "--checkpoint", "--plot": "--out", "--gone": None}) == wanted
    assert says in capsys.readouterr().err


def test_an_old_spelling_and_the_new_one_are_given_twice(place, run, capfd):
    assert run("evaluate", "--resume", "a.pth", "--data-root", "data", "--data_root", "data") == 2
    assert "--data-root is given twice" in capfd.readouterr().err


def test_unknown_names_of_a_package_are_refused():
    with pytest.raises(ImportError):
        exec("from fbnet_pfld.latency import no_such_name")
    assert issubclass(InputError, ValueError)
