"""A space for images of one size: everything uses the spec's size unless another one is given."""

import pytest
import torch
import yaml

from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import Architecture, InputError, PfldSpace, SpaceSpec
from fbnet_pfld.search_space.spec import SPECS


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Write the spec of a space for images of 80 x 80 pixels."""
    monkeypatch.chdir(tmp_path)
    data = yaml.safe_load((SPECS / "pfld.yaml").read_text()) | {"name": "small", "input_size": 80}
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


def test_networks_of_the_space_see_images_of_its_size(small):
    space = PfldSpace(small)
    assert space.input_size == 80
    # strides of 4, 2 and 2 leave a map of 5 x 5, the size of the head's last kernel
    assert space.head[-1].kernel_size == (5, 5)
    assert SpaceSpec.load(small).layout(106) == SpaceSpec.load(small).layout(106, 80)
    assert PfldSpace(small, input_size=96).input_size == 96
    assert PfldSpace("pfld").input_size == SpaceSpec.load("pfld").layout(68).input_size == 112


def test_the_size_is_a_default_of_the_config(small):
    config = Config.load(None, space=str(small))
    assert config.input_size == config.faces(small.parent).input_size == 80
    assert not config.given("input_size")
    assert Config.load(None, space=str(small), input_size=96).input_size == 96
    # another space with another size, regardless of the order in the file
    assert config.override({"space": "pfld-wide"}, "test").input_size == 112
    assert config.override({"points": 68}, "test").input_size == 80
    file = small.with_name("c.yaml")
    file.write_text("space: small.yaml\nfinetune: {epochs: 3}\n")
    assert Config.load(file).input_size == 80
    assert Config.load(file).finetune.epochs == 3
    assert Config.load(file, space="pfld").input_size == 112


def test_an_architecture_keeps_the_space_with_its_size(small, tmp_path):
    spec = SpaceSpec.load(small)
    blocks = [names[0] for names in spec.candidates().values()]
    Architecture.from_blocks(spec, 68, spec.side, blocks).save(tmp_path / "a.json")
    loaded = Architecture.load(tmp_path / "a.json")
    assert (loaded.input_size, loaded.space) == (80, spec)
    assert loaded.build()(torch.rand(2, 3, 80, 80)).shape == (2, 136)
    assert SpaceSpec.load(tmp_path / "a.json").side == 80


def test_spaces_that_state_no_size_are_written_as_before():
    assert "input_size" not in SpaceSpec.load("pfld-wide").to_dict()


@pytest.mark.parametrize("size", [72, 16, 0, "wide"])
def test_a_size_that_does_not_fit_is_refused(small, size):
    small.write_text(small.read_text().replace("input_size: 80", f"input_size: {size}"))
    with pytest.raises(InputError, match=r"small\.yaml: input_size: "):
        SpaceSpec.load(small)


def test_a_table_is_made_for_the_size(small, run, capsys):
    assert run("latency", "fit", "--space", small, "--points", "106", "--out", "small.csv") == 0
    table = LookupTable.load("small.csv")
    layout = SpaceSpec.load(small).layout(106)
    assert {key.size for key in table.rows} == {80, 40, 20, 10, 5, 1}
    assert table.cost(layout).fixed_us > 0
    assert run("latency", "show", "small.csv", "--space", small, "--out", "small.png") == 0
    # the shipped tables are for 112 x 112
    with pytest.raises(InputError, match="--input-size 80"):
        LookupTable.load("snapdragon625-4t").cost(layout)
