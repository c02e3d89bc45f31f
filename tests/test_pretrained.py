"""The pretrained networks in the package: names, files, half precision, the choice by latency."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fbnet_pfld.evaluators import Checkpoint
from fbnet_pfld.evaluators import names as evaluator_names
from fbnet_pfld.evaluators.pretrained import PREFIX, SUPERNET, names, pick, subnets
from fbnet_pfld.evaluators.pretrained import pretrained as load
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import Architecture, InputError, PfldSpace, SpaceSpec

PFLD = SpaceSpec.load("pfld")
BLOCKS = ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5")
MEGABYTE = 1e6


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Three subnets as pretrained ones: the slowest is not the most accurate."""
    monkeypatch.setattr(evaluator_names, "FOLDER", tmp_path)
    table = LookupTable.load("snapdragon625-4t")
    torch.manual_seed(0)
    latencies = {}
    for name, first, nme in (("b", "gh_k3", 7.0), ("a", "mb_k5_res", 5.0), ("c", "mb_k5_e2_res", 6.0)):
        chosen = table.annotate(Architecture.from_blocks(PFLD, 106, 112, (first, *BLOCKS[1:])))
        Checkpoint.of(chosen.build(), chosen, {"val_nme": nme}).half().save(tmp_path / f"{name}.pth")
        latencies[name] = chosen.us
    Checkpoint.of(PfldSpace("pfld"), PFLD, {}).half().save(tmp_path / "supernet.pth")
    return latencies


def test_the_package_has_a_supernet_and_subnets_of_it():
    files = sorted(evaluator_names.FOLDER.glob("*.pth"))
    assert sum(file.stat().st_size for file in files) <= 5 * MEGABYTE
    assert names() == tuple(file.stem for file in files)
    supernet = load(SUPERNET)
    space = supernet.supernet()  # raises unless every weight fits
    latencies = subnets()
    assert len(latencies) >= 4
    assert list(latencies.values()) == sorted(latencies.values())
    table = LookupTable.load("snapdragon625-4t")
    for name, us in latencies.items():
        checkpoint = load(name)
        architecture = checkpoint.architecture()
        assert architecture.space == space.spec
        assert us == pytest.approx(table.annotate(architecture).us)  # fails if the table changes
        assert name == f"front-{round(us, -1):04.0f}"
        assert checkpoint.build()(torch.zeros(1, 3, 112, 112)).isfinite().all()


def test_names_latencies_and_the_choice(own):
    assert names() == ("a", "b", "c", "supernet")
    assert list(subnets().items()) == sorted(own.items(), key=lambda item: item[1])
    assert list(subnets()) == ["b", "a", "c"]
    assert pick(None) == "a"
    assert pick(own["c"]) == "a"
    assert pick(own["a"]) == "a"
    assert pick(own["a"] - 0.1) == "b"
    with pytest.raises(InputError, match=rf"within 10 us; the fastest, b, takes {own['b']:,.0f} us"):
        pick(10)


def test_a_name_or_a_path(own, tmp_path):
    by_name, by_path = Checkpoint.load(f"{PREFIX}a"), Checkpoint.load(tmp_path / "a.pth")
    assert by_name.architecture() == by_path.architecture()
    assert Checkpoint.load(Path("pretrained:a")).path == tmp_path / "a.pth"
    with pytest.raises(InputError, match="no pretrained network is called 'd'; allowed: a, b, c, supernet"):
        Checkpoint.load("pretrained:d")
    with pytest.raises(InputError, match=r"no pretrained network is called '../a'"):
        Checkpoint.load("pretrained:../a")
    with pytest.raises(InputError, match="checkpoint cannot be read: missing.pth"):
        Checkpoint.load("missing.pth")


def test_half_precision_halves_the_file_and_is_read_as_float32(tmp_path):
    torch.manual_seed(0)
    chosen = Architecture.from_blocks(PFLD, 106, 112, BLOCKS)
    model = chosen.build()
    for module in model.modules():  # variances outside the range of half precision
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(1e5)
    whole = replace(Checkpoint.of(model, chosen, {"val_nme": 5.0}), path=tmp_path / "whole.pth")
    whole.save(tmp_path / "whole.pth")
    whole.half().save(tmp_path / "half.pth")
    assert (tmp_path / "half.pth").stat().st_size < 0.7 * (tmp_path / "whole.pth").stat().st_size
    stored = torch.load(tmp_path / "half.pth", weights_only=True)["weights"]
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16, torch.float32, torch.int64}
    loaded = Checkpoint.load(tmp_path / "half.pth")
    assert replace(loaded, weights={}) == replace(whole, weights={})
    for name, tensor in whole.weights.items():
        found = loaded.weights[name]
        assert found.dtype == tensor.dtype
        # half precision has 11 bits: rounding changes a number by at most 2 ** -11 of it, or 2 ** -25 near zero
        limit = 2**-11 * tensor.abs() + 2**-25 if tensor.dim() > 1 else 0 * tensor
        assert ((found - tensor).abs() <= limit).all(), name
    again = loaded.half()
    again.save(tmp_path / "again.pth")
    for name, tensor in Checkpoint.load(tmp_path / "again.pth").weights.items():
        assert torch.equal(tensor, loaded.weights[name])  # a second conversion changes nothing
    assert whole.weights["points.0.weight"].dtype == torch.float32  # half() does not change the original
