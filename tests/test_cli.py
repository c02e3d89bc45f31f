"""The command line: a user's mistake prints one line, exits with code 2, and changes no file."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from budgets import FASTEST_US

from fbnet_pfld.evaluators import Checkpoint, LandmarkDataset, evaluate
from fbnet_pfld.experiments.cli import app as cli
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import PfldSpace, SpaceSpec

PFLD = SpaceSpec.load("pfld")


def edit_line(root: Path, number: int, change) -> None:
    listing = root / "train_data" / "list.txt"
    lines = listing.read_text().splitlines()
    lines[number - 1] = " ".join(change(lines[number - 1].split()))
    listing.write_text("\n".join(lines) + "\n")


def in_pixels(tokens):
    return [tokens[0], *(str(112 * float(token)) for token in tokens[1:-3]), *tokens[-3:]]


def spoil_json(change):
    def spoil():
        path = Path("ckpt_save/supernet/architecture.json")
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return spoil


def drop_a_row():
    table = LookupTable.load("snapdragon625-4t")
    some = next(iter(PfldSpace().signatures()["layer_2"].values()))
    table.model_copy(update={"rows": {key: us for key, us in table.rows.items() if key != some}}).save("short.csv")


def in_first_stage():
    path = Path("ckpt_save/supernet/checkpoint_best.pth")
    replace(Checkpoint.load(path), stage="teacher", partial=True).save(path)


def other_space(data):
    data["space"] = PFLD.to_dict() | {"name": "mine", "head": 128}


SEARCH, FINETUNE = ("search", "--config", "config.yaml"), ("finetune", "--config", "config.yaml")
DATA = ("--data_root", "data")
# name -> what is broken, the command, words that its one line must contain
FAULTS = {
    "no data root": (lambda: None, (*SEARCH, "--data_root", "none"), ("data root not found: none", "give a folder with")),
    "no data root for finetuning": (lambda: None, (*FINETUNE, "--data-root", "none"), ("data root not found: none",)),
    "215 tokens": (
        lambda: edit_line(Path("data"), 7, lambda tokens: tokens[:-1]),
        (*SEARCH, *DATA),
        ("list.txt:7: 215 fields, but 106 points need 216 (image path, 212 coordinates",),
    ),
    "missing image": (
        lambda: Path("data/train_data/imgs/00002.png").unlink(),
        (*SEARCH, *DATA),
        ("list.txt:3", "00002.png cannot be read: No such file"),
    ),
    "unreadable image": (
        lambda: Path("data/train_data/imgs/00002.png").write_bytes(b"no image"),
        (*FINETUNE, *DATA),
        ("list.txt:3", "00002.png cannot be decoded; give an image that OpenCV can read"),
    ),
    "coordinate not finite": (
        lambda: edit_line(Path("data"), 5, lambda tokens: [*tokens[:4], "nan", *tokens[5:]]),
        (*SEARCH, *DATA),
        ("list.txt:5: field 5 is 'nan'; it must be a finite number",),
    ),
    "word for a coordinate": (
        lambda: edit_line(Path("data"), 5, lambda tokens: [*tokens[:4], "left", *tokens[5:]]),
        (*SEARCH, *DATA),
        ("list.txt:5", "'left'"),
    ),
    "unknown block": (
        spoil_json(lambda data: data["choices"].update(layer_1="mb_k9")),
        (*FINETUNE, *DATA),
        ("architecture.json", "layer_1", "'mb_k9'", "allowed: gh_k3"),
    ),
    "unknown layer": (
        spoil_json(lambda data: data["choices"].update(layer_9="gh_k3")),
        (*FINETUNE, *DATA),
        ("architecture.json", "layer_9", "allowed:"),
    ),
    "no JSON": (
        lambda: Path("ckpt_save/supernet/architecture.json").write_text("{"),
        (*FINETUNE, *DATA),
        ("architecture.json",),
    ),
    "architecture of another space": (
        spoil_json(other_space),
        (*FINETUNE, *DATA),
        ("checkpoint_best.pth: supernet of another search space; expected 'mine'",),
    ),
    "table without a needed row": (
        drop_a_row,
        (*SEARCH, *DATA, "--lut", "short.csv"),
        ("short.csv has no row for", "32->64 stride 2 at 14x14"),
    ),
    "unknown table": (lambda: None, (*SEARCH, *DATA, "--lut", "snapdragon"), ("snapdragon", "allowed:", "snapdragon625-1t")),
    "subnet of 68 points": (
        lambda: None,
        ("evaluate", *DATA, "--points", "106", "--checkpoint", "points68.pth"),
        ("points68.pth: the checkpoint has 68 points, but 106 are needed",),
    ),
    "subnet of 68 points on data of 106": (
        lambda: None,
        ("evaluate", *DATA, "--checkpoint", "points68.pth"),
        ("list.txt:1: 216 fields, but 68 points need 140", "have 106 points: --points 106"),
    ),
    "subnets of 106 and 68 points": (
        lambda: None,
        ("evaluate", *DATA, "--checkpoint", "ckpt_save/subnet/checkpoint_best.pth", "--checkpoint", "points68.pth"),
        ("points68.pth: the checkpoint has 68 points, but 106 are needed",),
    ),
    "network of another input size": (
        lambda: Path("config.yaml").write_text("input_size: 96\n"),
        ("evaluate", *DATA, "--config", "config.yaml"),
        ("checkpoint_best.pth: the network has input size 112, not 96",),
    ),
    "export of 68 points": (
        lambda: None,
        ("export", *DATA, "--checkpoint", "points68.pth", "--points", "106"),
        ("points68.pth: the checkpoint has 68 points, but 106",),
    ),
    "data of other points": (
        lambda: None,
        ("export", *DATA, "--checkpoint", "points68.pth", "--baseline", "points68.pth"),
        ("list.txt:1: 216 fields, but 68 points need 140", "have 106 points: --points 106"),
    ),
    "export of another architecture": (
        spoil_json(lambda data: data["choices"].update(layer_1="gh_k5")),
        ("export", *DATA, "--arch", "ckpt_save/supernet/architecture.json"),
        ("checkpoint_best.pth: checkpoint of another architecture; its blocks are gh_k3",),
    ),
    "export in no format": (
        lambda: None,
        ("export", *DATA, "--formats", "onnx,tflite"),
        ("--formats: unknown format 'tflite'; allowed: int8-mnn, int8-ncnn, int8-onnx, mnn, ncnn, onnx, torchscript",),
    ),
    "export with no such opset": (
        lambda: None,
        ("export", *DATA, "--opset", "99"),
        ("opset 99: torch cannot write this network with it; allowed: 18 to",),
    ),
    "export beside a baseline of other points": (
        lambda: None,
        ("export", *DATA, "--baseline", "points68.pth"),
        ("points68.pth: the checkpoint has 68 points, but 106",),
    ),
    "export to no ONNX file": (
        lambda: None,
        ("export", *DATA, "--out", "subnet.mnn"),
        ("--out subnet.mnn: the name of the ONNX file must end with .onnx",),
    ),
    "export of a supernet": (
        lambda: None,
        ("export", *DATA, "--checkpoint", "ckpt_save/supernet/checkpoint_best.pth"),
        ("supernet/checkpoint_best.pth: a supernet; give the checkpoint of a subnet or a baseline",),
    ),
    "export on too many cores": (lambda: None, ("export", *DATA, "--threads", "999"), ("--threads 999: this machine has",)),
    "benchmark of no file": (lambda: None, ("benchmark-models", "none.onnx"), ("network not found: none.onnx",)),
    "benchmark of a checkpoint": (
        lambda: None,
        ("benchmark-models", "points68.pth"),
        ("points68.pth: unknown suffix '.pth'; allowed: .mnn, .onnx, .param, .pt",),
    ),
    "checkpoint that is none": (
        lambda: None,
        ("evaluate", *DATA, "--checkpoint", "config.yaml"),
        ("not a checkpoint of this package: config.yaml; give",),
    ),
    "unknown key": (
        lambda: Path("config.yaml").write_text("search: {epoch: 3}\n"),
        (*SEARCH, *DATA),
        ("config.yaml: unknown key 'search.epoch'; allowed: ",),
    ),
    "unwritable checkpoint folder": (
        lambda: None,
        (*SEARCH, *DATA, "--workspace", "config.yaml/x"),
        ("cannot write config.yaml/x",),
    ),
    "unwritable finetuning folder": (
        lambda: None,
        (*FINETUNE, *DATA, "--model", "pfld_lite", "--workspace", "config.yaml/x"),
        ("cannot write config.yaml/x",),
    ),
    "unwritable ONNX file": (lambda: None, ("export", *DATA, "--out", "config.yaml/s.onnx"), ("cannot write config.yaml",)),
    "unknown baseline": (
        lambda: None,
        (*FINETUNE, *DATA, "--model", "resnet"),
        ("unknown baseline 'resnet'; allowed: pfld_lite, pfld_mobilenetv3",),
    ),
    "target that nothing meets": (
        lambda: None,
        (*SEARCH, *DATA, "--target-us", "1700"),
        (f"no architecture within 1700 us; the fastest takes {FASTEST_US:.1f} us, the slowest",),
    ),
    "target in milliseconds": (lambda: None, (*SEARCH, *DATA, "--target-ms", "1.7"), ("no architecture within 1700 us",)),
    "supernet of another space": (
        lambda: Path("config.yaml").write_text("space: pfld-wide\n"),
        (*SEARCH, *DATA, "--supernet", "ckpt_save/supernet/checkpoint_best.pth", "--workspace", "runs"),
        ("checkpoint_best.pth: supernet of another search space; expected 'pfld-wide'",),
    ),
    "supernet that the search writes": (
        lambda: None,
        (*SEARCH, *DATA, "--supernet", "ckpt_save/supernet/checkpoint_best.pth"),
        ("--supernet ckpt_save/supernet/checkpoint_best.pth is the file that this search",),
    ),
    "supernet for the reference": (
        lambda: Path("config.yaml").write_text("search: {method: reference}\n"),
        (*SEARCH, *DATA, "--supernet", "ckpt_save/supernet/checkpoint_best.pth", "--workspace", "runs"),
        ("--supernet is for method: stages",),
    ),
    "supernet in its first stage": (
        in_first_stage,
        ("pareto", *DATA),
        (
            "checkpoint_best.pth: the search of this supernet stopped in its first stage, teacher, "
            "which trains only one subnet; finish it with search --resume auto",
        ),
    ),
    "two targets": (
        lambda: None,
        (*SEARCH, *DATA, "--target-us", "2000", "--target-ms", "2"),
        ("--target-us and --target-ms are both given; give only one of them",),
    ),
    "target of nothing": (
        lambda: None,
        (*SEARCH, *DATA, "--target-us", "-1"),
        ("command line: search.target_us: input should be greater than 0",),
    ),
    "nothing to resume": (
        lambda: None,
        (*SEARCH, *DATA, "--resume", "last.ckpt"),
        ("nothing to resume from: last.ckpt not found; give the last.ckpt of a run, or auto",),
    ),
    "list in pixels": (
        lambda: edit_line(Path("data"), 3, in_pixels),
        (*SEARCH, *DATA),
        (
            "list.txt:3: coordinates from ",
            "they must be fractions of the crop's side, 0 to 1",
            "if these are pixels: fbnet-pfld data prepare --format pixels106 data data-106points",
        ),
    ),
    "angle that is none": (
        lambda: edit_line(Path("data"), 3, lambda tokens: [*tokens[:-1], "1000"]),
        (*SEARCH, *DATA),
        ("list.txt:3: angles ", " 1000; pitch, yaw and roll must be degrees from -360 to 360"),
    ),
    "WFLW of another repository": (
        lambda: edit_line(Path("data"), 1, lambda tokens: [*tokens[:197], *["0"] * 6, *tokens[-3:]]),
        (*SEARCH, *DATA, "--points", "98"),
        ("list.txt:1: 206 fields, but 98 points need 200", "fbnet-pfld data prepare --format pfld98 data data-106points"),
    ),
    "list that is an image": (
        lambda: shutil.copy("data/train_data/imgs/00000.png", "data/train_data/list.txt"),
        (*SEARCH, *DATA),
        ("landmark list cannot be read: data/train_data/list.txt is a PNG image",),
    ),
    "option given twice": (lambda: None, (*SEARCH, *DATA, "--epochs", "3", "--epochs", "5"), ("--epochs is given twice",)),
    "option given under two names": (lambda: None, (*SEARCH, *DATA, "--data-root", "other"), ("--data-root is given twice",)),
    "demo where other data are": (lambda: None, ("demo", "--data-root", "data"), ("data is not empty; give",)),
    "data set in the way": (
        lambda: None,
        ("data", "synth", "--out", "data", "--train", "1", "--test", "1"),
        ("data is not empty; give",),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line_and_change_nothing(place, refused, fault):
    spoil, command, named = FAULTS[fault]
    spoil()
    refused(*command, words=named)


def test_the_sound_place_is_sound(place, run, capfd):
    """The place before a fault works, so that each fault is the only one; the last line is JSON."""
    assert run(*FINETUNE, *DATA, "--json") == 0
    finetuned = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert finetuned["checkpoint"] == "ckpt_save/subnet/checkpoint_best.pth"
    assert run("evaluate", *DATA, "--json") == 0
    row = json.loads(capfd.readouterr().out.splitlines()[-1])["networks"][0]
    network = Checkpoint.load(finetuned["checkpoint"]).build()
    assert row["nme"] == pytest.approx(evaluate(network, LandmarkDataset("data", "test"))["nme"])
    assert run("data", "show", "--data-root", "data", "--count", "4", "--json") == 0
    assert Path(json.loads(capfd.readouterr().out.splitlines()[-1])["figure"]).stat().st_size > 10_000


def test_options_can_be_written_with_underscores(place, run, capfd):
    """Option names as the reference writes them."""
    assert run("data", "synth", "--out=new", "--train", "1", "--test", "1", "--size", "32") == 0
    assert run("search", "--data_root", "none", "--target_us=2000", "--dev_id", "cpu") == 2
    assert "data root not found: none" in capfd.readouterr().err


def test_every_command_but_the_one_that_serves_a_page_takes_json():
    def leaves(command):
        inner = getattr(command, "commands", {})
        return [leaf for each in inner.values() for leaf in leaves(each)] if inner else [command]

    for command in leaves(typer.main.get_command(cli.app)):
        names = {name for parameter in command.params for name in parameter.opts}
        assert ("--json" in names) == (command.name != "app"), command.name


def test_the_installed_command_runs():
    script = Path(sys.executable).parent / "fbnet-pfld"
    done = subprocess.run([script, "search", "--data_root", "none"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert (
        done.stderr == "fbnet-pfld: data root not found: none; give a folder with train_data/list.txt and test_data/list.txt\n"
    )
    assert done.stdout == ""
