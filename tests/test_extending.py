"""Extensions from outside the package, each in one place: a block, a data format, an engine, a loss."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from source_faces import picture, view
from torch.nn import functional

from fbnet_pfld.evaluators import LandmarkDataset, Loss, register_loss
from fbnet_pfld.evaluators.data.prepare import FORMATS, Format, register_format
from fbnet_pfld.evaluators.data.prepare.source_face import SourceFace
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.experiments.pipeline.finetuning import finetune_network
from fbnet_pfld.latency import fit_table, open_net, table_signatures
from fbnet_pfld.latency.engines.nets import register_engine
from fbnet_pfld.search_space import Architecture, InputError, PfldSpace, SpaceSpec, register_block
from fbnet_pfld.search_space.blocks import SepConv

pytestmark = pytest.mark.usefixtures("registries")


@pytest.mark.slow
def test_a_block_is_searched_tabled_trained_and_loaded(few_blobs, tmp_path):
    register_block("sep_k7")(partial(SepConv, kernel=7))
    Path(tmp_path / "mine.yaml").write_text(
        "name: mine\nstem: 16\nentry: {block: sep_k3, channels: 16}\n"
        "stages:\n- {layers: 2, channels: 24, stride: 2, candidates: [sep_k3, sep_k7]}\nhead: 32\n"
    )
    spec = SpaceSpec.load(tmp_path / "mine.yaml")
    table = fit_table(table_signatures(spec), 4, "mine")  # the tables' model estimates the block from its parts
    cost = table.cost(spec.layout(106, 112))
    assert cost.blocks_us["layer_1"]["sep_k7"] > cost.blocks_us["layer_1"]["sep_k3"] > 0

    chosen = Architecture.from_blocks(spec, 106, 112, ["sep_k7", "sep_k7"])
    assert chosen.build().layers[1][0][0].kernel_size == (7, 7)
    chosen.save(tmp_path / "chosen.json")
    assert Architecture.load(tmp_path / "chosen.json") == chosen
    config = Config.load(None, finetune__epochs=1, finetune__batch_size=8)
    trained = finetune_network(config, config.faces(few_blobs), tmp_path / "trained", chosen)
    assert trained.build()(torch.zeros(1, 3, 112, 112)).shape == (1, 212)
    assert {name for layer in PfldSpace(spec).layers for name in layer.candidates} == {"sep_k3", "sep_k7"}


def test_a_format_is_prepared(tmp_path, run):
    def read(source):
        """Images with the points in a .npy file of the same name."""
        for file in source.with_suffix(".npy"):
            source.use(file)
            image = source.path(file.removesuffix(".npy") + ".png")
            yield SourceFace(source.name(image), image, np.load(source.path(file)).astype(np.float64), file)

    register_format("npy", Format(68, "*.npy files", read, (".npy",)))
    for i in range(12):
        picture(tmp_path / f"src/{i}.png", i)
        np.save(tmp_path / f"src/{i}.npy", view(68, i))
    words = ("--format", "npy", "--test-fraction", 0.25, "--size", 32, "--workers", 1)
    assert run("data", "prepare", tmp_path / "src", tmp_path / "out", *words) == 0
    faces = [LandmarkDataset(tmp_path / "out", split, 68, 32) for split in ("train", "test")]
    assert [len(part) for part in faces] == [9, 3]
    assert all(0 < float(part.points.min()) < float(part.points.max()) < 1 for part in faces)


def test_an_engine_opens_files_and_is_compared(tmp_path, run, capfd):
    class Constant:
        """Predicts the content of its file."""

        engine = "constant 1.0"
        shape = (1, 3, 8, 8)

        def __init__(self, path, threads=1):
            self._points = np.array(json.loads(Path(path).read_text()), np.float32)[None]

        def __call__(self, image):
            return self._points

    register_engine("constant", ".points", Constant)
    for name in ("a", "b"):
        (tmp_path / f"{name}.points").write_text("[0.25, 0.75]")
    assert open_net(tmp_path / "a.points")(np.zeros((1, 3, 8, 8), np.float32)).tolist() == [[0.25, 0.75]]
    assert run("benchmark-models", tmp_path / "a.points", tmp_path / "b.points", "--sessions", 8, "--json") == 0
    found = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert [row["engine"] for row in found["files"]] == ["constant 1.0"] * 2


@pytest.mark.slow
def test_a_loss_is_known_to_every_config(few_blobs, tmp_path):
    seen = []

    class Huber(Loss):
        def forward(self, predicted, true):
            seen.append(len(predicted))
            return functional.huber_loss(predicted, true, delta=1 / 112)

    register_loss("huber", Huber)
    (tmp_path / "c.yaml").write_text("finetune: {loss: huber, epochs: 1, batch_size: 8}\n")
    config = Config.load(tmp_path / "c.yaml")
    finetune_network(config, config.faces(few_blobs), tmp_path / "out", "pfld_lite")
    assert seen


@pytest.mark.parametrize(
    "add",
    [
        lambda: register_block("sep_k3")(SepConv),
        lambda: register_loss("l1", Loss),
        lambda: register_format("ibug", FORMATS["wflw"]),
        lambda: register_engine("onnxruntime", ".ort", None),
    ],
    ids=["block", "loss", "format", "engine"],
)
def test_a_name_that_is_taken_is_refused(add):
    with pytest.raises(InputError, match="already"):
        add()
