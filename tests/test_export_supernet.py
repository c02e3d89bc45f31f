"""``export --supernet``: a subnet with its weights in the supernet, and faults that leave no partial results."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from source_faces import contents
from test_export import DATA, last_line
from test_export_faults import COMPARED, ODD

from fbnet_pfld.evaluators import Checkpoint, LandmarkDataset
from fbnet_pfld.latency import LookupTable, open_net, run_each
from fbnet_pfld.search_space import Architecture, PfldSpace, SpaceSpec

pytestmark = pytest.mark.usefixtures("quick_exports")

SUPERNET, ARCH = Path("ckpt_save/supernet/checkpoint_best.pth"), Path("ckpt_save/supernet/architecture.json")
SUBNET = Path("ckpt_save/subnet/checkpoint_best.pth")
BATCH = 64
"""Number of faces per batch of the BatchNorm statistics."""


def save_supernet(path: str, space: str = "pfld", points: int = 106, size: int = 112) -> None:
    weights = PfldSpace(space, points, size).state_dict()
    Checkpoint("supernet", SpaceSpec.load(space).to_dict(), points, size, weights, {}).save(path)


def vary_images(root: Path) -> None:
    """Replace the blobs by images with more contrast; float32 rounds the blobs' statistics too much to compare them."""
    rng = np.random.default_rng(0)
    for file in root.glob("*/imgs/*.png"):
        cv2.imwrite(str(file), cv2.resize(rng.integers(0, 256, (14, 14, 3), np.uint8), (112, 112)))


def expected_model(images: torch.Tensor) -> torch.nn.Module:
    """The subnet with the supernet's weights and the mean statistics of batches of training faces, in double precision."""
    architecture, weights = Architecture.load(ARCH), Checkpoint.load(SUPERNET).weights
    model = architecture.build()
    blocks = list(architecture.choices.values())
    own = {}
    for name in model.state_dict():
        root, _, rest = name.partition(".")
        index, _, inner = rest.partition(".")
        own[name] = weights[f"layers.{index}.{blocks[int(index)]}.{inner}" if root == "layers" else name]
    model.load_state_dict(own)
    model.double()
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    seen = {norm: [] for norm in norms}
    hooks = [
        norm.register_forward_pre_hook(lambda norm, args: seen[norm].append(torch.var_mean(args[0], (0, 2, 3))))
        for norm in norms
    ]
    model.train()
    with torch.no_grad():
        for batch in images.split(BATCH):
            model(batch)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        variances, means = zip(*seen[norm], strict=True)
        norm.running_mean, norm.running_var = torch.stack(means).mean(0), torch.stack(variances).mean(0)
    return model.eval()


def outputs_of(model: torch.nn.Module, images: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return model(images).numpy()


def test_the_file_is_the_subnet_with_new_statistics(place, run, capfd):
    vary_images(place / "data")
    assert run("export", *DATA, "--arch", ARCH, "--supernet", SUPERNET, "--baseline", SUBNET, "--json") == 0
    printed = capfd.readouterr()
    report = json.loads(printed.out.splitlines()[-1])
    assert (
        "output/subnet.pth: the subnet with the weights of ckpt_save/supernet/checkpoint_best.pth, not finetuned; its "
        "BatchNorm statistics come from 96 training faces"
    ) in printed.err
    faces, test = (LandmarkDataset("data", split).images.double() / 255 for split in ("train", "test"))
    expected = outputs_of(expected_model(faces), test)
    exported = run_each(open_net("output/subnet.onnx"), test.float().numpy())
    saved = Checkpoint.load("output/subnet.pth")
    assert saved.kind == "subnet"
    assert outputs_of(saved.build().double(), test) == pytest.approx(exported, abs=1e-5)
    assert exported == pytest.approx(expected, abs=2e-3)
    for norm in (model := saved.build()).modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.reset_running_stats()  # those of the supernet, which is untrained here
    assert np.abs(outputs_of(model.double(), test) - expected).max() > 0.1
    own, _ = report["files"]
    assert own["network"] == "subnet"
    assert own["table_us"] == LookupTable.load("snapdragon625-4t").latency_us(Architecture.load(ARCH))
    assert report == json.loads(Path("output/report.json").read_text())
    assert (report["checkpoint"], report["supernet"], report["batch_norm_faces"]) == ("output/subnet.pth", str(SUPERNET), 96)
    assert run("evaluate", *DATA, "--checkpoint", "output/subnet.pth", "--checkpoint", "output/subnet.onnx", "--json") == 0
    for row in last_line(capfd)["networks"]:  # the same network, by another command
        assert row["nme"] == pytest.approx(own["accuracy"]["nme"], rel=1e-4)


def test_a_checkpoint_is_exported_as_before(place, run, capfd):
    assert run("export", *DATA, "--arch", ARCH, "--baseline", SUBNET, "--json") == 0
    assert not last_line(capfd).keys() & {"checkpoint", "supernet", "batch_norm_faces"}
    assert not list(Path("output").glob("*.pth"))


@pytest.mark.slow
def test_finetune_and_predict_take_what_is_written(place, run):
    assert run("export", *DATA, "--arch", ARCH, "--supernet", SUPERNET, "--baseline", SUBNET) == 0
    assert run("finetune", *DATA, "--config", "config.yaml", "--init", "output/subnet.pth", "--workspace", "new") == 0
    image = next(Path("data/test_data/imgs").iterdir())
    assert run("predict", image, "--model", "output/subnet.onnx", "--out", "drawn") == 0
    assert len(list(Path("drawn").iterdir())) == 2


def test_supernet_needs_an_architecture_and_no_checkpoint(place, refused):
    refused(
        "export",
        *DATA,
        "--supernet",
        SUPERNET,
        words=("--supernet ckpt_save/supernet/checkpoint_best.pth needs the architecture file", "--arch"),
    )
    refused(
        "export",
        *DATA,
        "--arch",
        ARCH,
        "--supernet",
        SUPERNET,
        "--checkpoint",
        SUBNET,
        words=("--supernet and --checkpoint are both given; give only one of them",),
    )


# how a supernet may differ from the architecture -> words of the message
OTHERS = {
    "space": ({"space": "pfld-wide"}, "other.pth: supernet of another search space; "),
    "points": ({"points": 68}, "other.pth: the checkpoint has 68 points, but 106 are needed"),
    "size": ({"size": 64}, "other.pth: the network has input size 64, not 112"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_supernet_of_another_kind_is_refused(place, refused, what):
    given, words = OTHERS[what]
    save_supernet("other.pth", **given)
    data = DATA if what != "points" else ("--data_root", "few")
    if what == "points":
        shorten("few", 68)
    refused("export", *data, "--arch", ARCH, "--supernet", "other.pth", words=(words,))


def shorten(root: str, points: int) -> None:
    """A copy of the data set with only the first points of each face."""
    Path(root).symlink_to("data")
    for file in Path("data").glob("*/list.txt"):
        lines = [line.split() for line in file.read_text().splitlines()]
        file.write_text("".join(" ".join((*words[: 1 + 2 * points], *words[-3:])) + "\n" for words in lines))


def test_what_is_no_supernet_is_refused(place, refused):
    refused("export", *DATA, "--arch", ARCH, "--supernet", SUBNET, words=(f"{SUBNET}: a subnet; ", "checkpoint of a supernet"))
    refused(
        "export",
        *DATA,
        "--arch",
        ARCH,
        "--supernet",
        SUPERNET,
        "--baseline",
        SUPERNET,
        words=(f"{SUPERNET}: a supernet; ", "checkpoint of a subnet or a baseline"),
    )


@pytest.mark.parametrize("kind", ODD)
def test_odd_supernets_are_named(place, refused, kind):
    ODD[kind](Path("odd.pth"))
    refused("export", *DATA, "--arch", ARCH, "--supernet", "odd.pth", words=("odd.pth",))


def test_an_output_that_cannot_be_written_is_refused(place, refused):
    Path("output/subnet.pth").mkdir()
    refused(
        "export",
        *DATA,
        "--arch",
        ARCH,
        "--supernet",
        SUPERNET,
        words=("cannot write output/subnet.pth: it is a folder, but a file is needed",),
    )
    refused(
        "export",
        *DATA,
        "--arch",
        ARCH,
        "--supernet",
        SUPERNET,
        "--out",
        "config.yaml/n.onnx",
        words=("cannot write config.yaml/n.onnx: ",),
    )


def test_the_checkpoint_replaces_no_input(place, refused):
    refused(
        "export",
        *DATA,
        "--arch",
        ARCH,
        "--supernet",
        SUPERNET,
        "--out",
        SUPERNET.with_suffix(".onnx"),
        words=(f"--out {SUPERNET.with_suffix('.onnx')}: the subnet's checkpoint would replace {SUPERNET}, an input;",),
    )
    refused(
        "export",
        *DATA,
        "--arch",
        ARCH,
        "--supernet",
        SUPERNET,
        "--out",
        SUBNET.with_suffix(".onnx"),
        "--baseline",
        SUBNET,
        words=(f"would replace {SUBNET}, an input; choose another name",),
    )


@pytest.mark.parametrize("where", COMPARED)
def test_after_a_fault_nothing_is_written(place, run, capfd, monkeypatch, where):
    module, words = COMPARED[where]
    monkeypatch.setattr(module, "run_each", lambda net, images: 1.01 * run_each(net, images))
    before = contents(place)
    command = ("export", *DATA, "--arch", ARCH, "--supernet", SUPERNET, "--baseline", SUBNET, "--out", "new/subnet.onnx")
    assert run(*command) == 1
    error = capfd.readouterr().err.strip()
    assert error.startswith(f"fbnet-pfld: {SUPERNET} for new/subnet.onnx: {words} differs from torch by ")
    assert "\n" not in error
    assert contents(place) == before
    assert not Path("new").exists()


def test_a_supernet_that_has_diverged_is_refused(place, refused):
    loaded = Checkpoint.load(SUPERNET)
    loaded.weights["points.0.bias"][0] = float("nan")
    loaded.save(SUPERNET)
    refused(
        "export",
        *DATA,
        "--arch",
        ARCH,
        "--supernet",
        SUPERNET,
        words=(f"{SUPERNET}: predicts points that are not finite, because its training",),
    )


def test_figures_of_the_architecture_file_stay_in_the_checkpoint(place, run):
    replace(Architecture.load(ARCH), metrics={"val_nme": 5.0}).save(ARCH)
    assert run("export", *DATA, "--arch", ARCH, "--supernet", SUPERNET, "--baseline", SUBNET) == 0
    saved = Checkpoint.load("output/subnet.pth")
    assert saved.architecture() == Architecture.load(ARCH)
    assert saved.metrics == {}
