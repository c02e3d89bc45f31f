"""All path options of all commands with inputs that people give by mistake: never a traceback.

The options come from the commands themselves; a new one must be added to ``ROLES``.
"""

import os
import shutil
import sys
import typing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from source_faces import ibug

from fbnet_pfld.evaluators import Checkpoint
from fbnet_pfld.experiments.cli import app as cli
from fbnet_pfld.experiments.deploy.onnx_file import write_onnx
from fbnet_pfld.experiments.nni_jobs import trial_channel
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import Architecture

FILE, FOLDER, OUT_FILE, OUT_FOLDER = "a file", "a folder", "a file to write", "a folder to write"

# parameter, or command and parameter -> kind of its path, and suffix
ROLES = {
    "config": (FILE, ".yaml"),
    "lut": (FILE, ".csv"),
    "supernet": (FILE, ".pth"),
    "arch": (FILE, ".json"),
    "init": (FILE, ".pth"),
    "baseline": (FILE, ".pth"),
    "resume": (FILE, ".ckpt"),
    "files": (FILE, ".onnx"),
    "model": (FILE, ".onnx"),
    "detector": (FILE, ".onnx"),
    "space": (FILE, ".yaml"),
    "table": (FILE, ".csv"),
    "a": (FILE, ".csv"),
    "b": (FILE, ".csv"),
    "measured": (FILE, ".csv"),
    "program": (FILE, ".out"),
    "test_list": (FILE, ".txt"),
    "data_root": (FOLDER, ""),
    "workspace": (OUT_FOLDER, ""),
    "checkpoint": (FILE, ".pth"),
    "out": (OUT_FILE, ".csv"),
    "figure": (OUT_FILE, ".png"),
    "evaluate out": (OUT_FILE, ".png"),
    "latency show out": (OUT_FILE, ".png"),
    "latency compare out": (OUT_FILE, ".png"),
    "from-experiment out": (OUT_FILE, ".json"),
    "launch multi-trial out": (OUT_FILE, ".json"),
    "predict source": (FILE, ".jpg"),
    "from-experiment source": (FILE, ".json"),
    "data prepare source": (FOLDER, ""),
    "export out": (OUT_FILE, ".onnx"),
    "pareto out": (OUT_FOLDER, ""),
    "demo out": (OUT_FOLDER, ""),
    "demo data_root": (OUT_FOLDER, ""),
    "predict out": (OUT_FOLDER, ""),
    "data prepare out": (OUT_FOLDER, ""),
    "data synth out": (OUT_FOLDER, ""),
    "data show out": (OUT_FILE, ".png"),
    "launch space out": (OUT_FILE, ".json"),
}
NO_PATHS = {
    "dev_id",
    "precision",
    "box",
    "formats",
    "model",
    "trial",
    "format_name",
    "identity",
    "split",
    "strategy",
    "experiment",
    "backend",
    "serial",
    "cpu",
    "engine",
    "device",
    "exif",
    "image_suffix",
    "launch multi-trial resume",
}

# no fault: an image is recognised by its content
SOUND = {("predict", "source", "image")}
# further arguments that a command needs, all valid
DATA, CONFIG = ("--data-root", "data"), ("--config", "config.yaml")
NEEDS = {
    "search": (*DATA, *CONFIG),
    "pareto": (*DATA, *CONFIG),
    "finetune": (*DATA, *CONFIG),
    "evaluate": (*DATA, *CONFIG),
    "export": (*DATA, *CONFIG),
    "benchmark-models": (),
    "predict": ("--model", "net.onnx"),
    "app": ("--no-open", "--model", "net.onnx"),
    "demo": (),
    "from-experiment": (),
    "data prepare": ("--format", "ibug"),
    "data synth": ("--train", "1", "--test", "1"),
    "data show": DATA,
    "launch multi-trial": (*DATA, "--trials", "1"),
    "launch space": (),
    "trial search": (*DATA, *CONFIG),
    "trial subnet": (*DATA, *CONFIG),
    "trial finetune": (*DATA, *CONFIG),
    "latency measure": ("--unseen", "2", "--rounds", "2"),
    "latency emulator install": (),
    "latency fit": ("--space", "pfld"),
    "latency show": (),
    "latency compare": (),
    "latency calibrate": (),
}
ARGUMENTS = {
    "benchmark-models": {"files": "net.onnx"},
    "predict": {"source": "photo.jpg"},
    "from-experiment": {"source": "trials.json"},
    "data prepare": {"source": "ibug", "out": "new"},
    "latency show": {"table": "mine.csv"},
    "latency compare": {"a": "mine.csv", "b": "mine.csv"},
    "latency calibrate": {"table": "mine.csv"},
}
OPTIONS = {
    "latency calibrate": {"measured": "measured.csv", "out": "new.csv"},
    "latency measure": {"out": "new.csv"},
    "latency fit": {"out": "new.csv"},
    "launch space": {"out": "new.json"},
}


def commands(app=cli.app, path=()) -> Iterator[tuple[str, typing.Any]]:
    for info in app.registered_commands:
        yield " ".join((*path, info.name or info.callback.__name__.replace("_", "-"))), info.callback
    for group in app.registered_groups:
        yield from commands(group.typer_instance, (*path, group.name))


def role(command: str, name: str, annotation: str) -> tuple[str, str] | None:
    """Kind of path that a parameter takes, or None."""
    if name in NO_PATHS and "Path" not in annotation or f"{command} {name}" in NO_PATHS:
        return None
    found = ROLES.get(f"{command} {name}") or ROLES.get(name)
    assert found or not ("Path" in annotation or "str" in annotation), f"{command}: {name} has no role in this test"
    return found if "Path" in annotation or "str" in annotation else None


def walk() -> Iterator[tuple[str, str, str]]:
    for command, callback in commands():
        for name, annotation in typing.get_type_hints(callback).items():
            taken = name not in ("return", "as_json") and role(command, name, str(annotation))
            for fault in FAULTS[taken[0]] if taken else ():
                if (command, name, fault) not in SOUND:
                    yield command, name, fault


def unreadable(path: str) -> None:
    """A file that not even root can read: reading a process's memory from its start is an input/output error."""
    os.symlink("/proc/self/mem", path)


FAULTS = {
    FILE: {
        "missing": lambda path: None,
        "text": lambda path: Path(path).write_text("lorem ipsum: [\n\n3;;4 dolor\n"),
        "image": lambda path: shutil.copy("face.png", path),
        "empty": lambda path: Path(path).touch(),
        "folder": os.mkdir,
        "unreadable": unreadable,
    },
    FOLDER: {
        "missing": lambda path: None,
        "file": lambda path: Path(path).write_text("lorem ipsum\n"),
        "empty": os.mkdir,
        "unreadable": unreadable,
    },
    OUT_FILE: {"folder": os.mkdir, "under a file": lambda path: Path(path).parent.write_text("a file")},
    OUT_FOLDER: {
        "file": lambda path: Path(path).write_text("a file"),
        "under a file": lambda path: Path(path).parent.write_text("a file"),
    },
}


@pytest.fixture(scope="module")
def needed(sound_place, tmp_path_factory) -> Path:
    """Folder of the files that commands need in addition to the sound place."""
    folder = tmp_path_factory.mktemp("needed")
    cv2.imwrite(str(folder / "face.png"), np.zeros((32, 32, 3), np.uint8))
    cv2.imwrite(str(folder / "photo.jpg"), np.zeros((64, 64, 3), np.uint8))
    ibug(folder / "ibug", [f"{letter}_0" for letter in "abcdefghijkl"])
    model = Checkpoint.load(sound_place / "ckpt_save/subnet/checkpoint_best.pth").build()
    write_onnx(model, folder / "net.onnx", torch.rand(1, 3, 112, 112))
    LookupTable.load("snapdragon625-4t").save(folder / "mine.csv")
    small = Architecture.load(sound_place / "ckpt_save/supernet/architecture.json")
    for name, block in (("a", "gh_k5"), ("b", "mb_k5_res"), ("c", "mb_k3_e4_res")):
        replace(small, choices=small.choices | {"layer_3": block}).save(folder / f"{name}.json")
    (folder / "measured.csv").write_text("architecture,latency_us\na.json,1900\nb.json,2000\nc.json,2200\n")
    (folder / "trials.json").write_text("[]")
    return folder


@pytest.fixture
def sound(place, needed, monkeypatch):
    """A working folder in which every command finds what it needs."""
    shutil.copytree(needed, place, dirs_exist_ok=True)
    monkeypatch.setenv("NNI_OUTPUT_DIR", "trial")
    blocks = Architecture.load("a.json").choices
    monkeypatch.setattr(trial_channel, "begin", lambda: (blocks if "subnet" in sys.argv else {}, trial_channel.Report()))
    return place


def readable(folder: Path) -> dict[str, bytes | None]:
    """Every file of a folder; only the names of links."""
    return {
        str(path.relative_to(folder)): None if path.is_symlink() or path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


@pytest.mark.slow
@pytest.mark.parametrize(("command", "name", "fault"), list(walk()), ids=lambda part: part.replace(" ", "-"))
def test_a_wrong_path_is_one_line_that_names_it(sound, run, capfd, command, name, fault):
    kind, suffix = role(command, name, "Path str")
    path = f"blocked/wrong{suffix}" if fault == "under a file" else f"wrong{suffix}"
    FAULTS[kind][fault](path)
    words = [*command.split(), *NEEDS[command]]
    for option, value in OPTIONS.get(command, {}).items():
        if option != name:
            words += [f"--{option.replace('_', '-')}", value]
    positional = ARGUMENTS.get(command, {})
    if name not in positional:
        flag = f"--{name.replace('_', '-')}"
        if flag in words:
            at = words.index(flag)
            del words[at : at + 2]
        words += [flag, path]
        if name == "program":
            words += ["--backend", "adb"]
    words += [path if each == name else value for each, value in positional.items()]
    before = readable(sound)
    code = run(*words)
    captured = capfd.readouterr()
    assert code == 2, captured.err + captured.out
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("fbnet-pfld: ")
    assert "Traceback" not in captured.err + captured.out
    assert ("blocked" if fault == "under a file" else "wrong") in lines[0]
    assert readable(sound) == before
