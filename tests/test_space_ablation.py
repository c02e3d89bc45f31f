"""The ablation of the space: its networks, the folded branches, the table against figures by hand, and a short run."""

from collections import Counter
from dataclasses import replace

import onnx
import pandas as pd
import pytest
import torch
from emulated_core import needs_emulator
from torch import nn

from fbnet_pfld.experiments.deploy.onnx_file import write_onnx
from fbnet_pfld.experiments.studies.results import Records
from fbnet_pfld.experiments.studies.space_ablation import __main__ as study
from fbnet_pfld.experiments.studies.space_ablation.ablation_report import ablation_table
from fbnet_pfld.experiments.studies.space_ablation.ablation_training import cost_of
from fbnet_pfld.experiments.studies.space_ablation.ablations import ABLATIONS, BASE_NAME
from fbnet_pfld.experiments.studies.space_ablation.reparameterised import RepConv, fold_branches, reparameterise
from fbnet_pfld.experiments.studies.space_ablation.variant import Variant
from fbnet_pfld.latency import LookupTable, OnnxNet, run_each
from fbnet_pfld.search_space import BLOCKS, PARTS, Architecture, InputError, SpaceSpec, count

WIDE = SpaceSpec.load("pfld-wide")
CHOSEN = ("sep_stem_w16", "mb_k3_e2", *["mb_k3_res"] * 3, *["mb_k5_res"] * 3, "pfld_head_n64_e2")
IN_SPACE = Architecture.from_blocks(WIDE, 106, 112, CHOSEN)


def disturb(model: nn.Module) -> nn.Module:
    """Give every BatchNorm non-trivial statistics and weights; return the model in eval mode."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 2.0),
            ):
                tensor.data.uniform_(low, high, generator=generator)
    return model.eval()


def test_the_base_is_a_subnet_of_the_recommended_space():
    base, subnet = Variant().build(106, 112), IN_SPACE.build()
    # the space searches stem, entry and head as well: there, all are in one list
    names = ["stem", "entry", *(f"layers.{i}" for i in range(6)), "head"]
    places = {f"layers.{i}.": f"{name}." for i, name in enumerate(names)}
    weights = {}
    for key, tensor in disturb(subnet).state_dict().items():
        old = next((prefix for prefix in places if key.startswith(prefix)), "")
        weights[places.get(old, "") + key.removeprefix(old)] = tensor
    base.load_state_dict(weights)
    image = torch.rand(2, 3, 112, 112)
    assert torch.equal(base.eval()(image), subnet(image))


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_network_finds_points(name):
    variant = ABLATIONS[name].variant
    before = list(BLOCKS | PARTS)
    network = variant.build(68, variant.input_size)
    assert list(BLOCKS | PARTS) == before  # additional stems and heads would be missing in every table
    assert network(torch.rand(2, 3, variant.input_size, variant.input_size)).shape == (2, 136)


def test_a_tap_that_is_removed_takes_its_pool_and_its_part_of_the_neck_along():
    # taps of 16 channels at 28 x 28 and of 32 at 14 x 14, pooled to 7 x 7 by depthwise kernels of 5 and 3
    full = count(Variant().build(106, 112))[0]
    for taps, removed in (
        ((False, True), 16 * (25 + 64)),
        ((True, False), 32 * (9 + 64)),
        ((False, False), 16 * 89 + 32 * 73),
    ):
        assert count(Variant(taps=taps).build(106, 112))[0] == full - removed


@pytest.mark.parametrize(("activation", "kind"), [("hardswish", nn.Hardswish), ("prelu", nn.PReLU)])
def test_an_activation_stands_in_every_place(activation, kind):
    base, changed = (Counter(map(type, Variant(activation=name).build(106, 112).modules())) for name in ("relu", activation))
    assert changed[nn.ReLU] == 0
    assert changed[kind] == base[nn.ReLU] > 20


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("copies", [1, 3])
def test_branches_fold_into_one_convolution(stride, groups, kernel, copies):
    torch.manual_seed(0)
    plain = nn.Conv2d(8, 8, kernel, stride, kernel // 2, groups=groups, bias=False)
    trained = disturb(RepConv(plain, copies))
    # all branches exist: k x k, 1 x 1 beside larger ones, and the input itself where the size stays
    assert len(trained.branches) == copies + (kernel > 1)
    assert (trained.identity is not None) == (stride == 1)
    image = torch.randn(4, 8, 13, 13)
    folded = trained.folded()
    assert folded.weight.shape == plain.weight.shape
    assert torch.allclose(folded(image), trained(image), atol=1e-5, rtol=0)


@pytest.mark.parametrize("depthwise_only", [True, False])
def test_a_network_with_branches_is_its_plain_twin_in_the_file(depthwise_only, tmp_path):
    torch.manual_seed(0)
    variant = Variant(copies=2, depthwise_only=depthwise_only)
    network = disturb(variant.build(106, 112))
    assert count(network)[0] > count(Variant().build(106, 112))[0]
    images = torch.rand(3, 3, 112, 112)
    with torch.no_grad():
        expected = network(images)
    write_onnx(fold_branches(network), tmp_path / "folded.onnx", images)
    found = torch.from_numpy(run_each(OnnxNet(tmp_path / "folded.onnx"), images.numpy()))
    assert (found - expected).abs().max() < 1e-5 * max(1.0, float(expected.abs().max()))
    write_onnx(disturb(Variant().build(106, 112)), tmp_path / "plain.onnx", images)
    folded, plain = (onnx.load(tmp_path / f"{name}.onnx").graph for name in ("folded", "plain"))
    assert Counter(node.op_type for node in folded.node) == Counter(node.op_type for node in plain.node)
    assert sorted(tuple(w.dims) for w in folded.initializer) == sorted(tuple(w.dims) for w in plain.initializer)


def test_dilated_convolutions_stay_as_they_are():
    network = replace(Variant(), blocks=("mb_k3_res_d3", "mb_k5_res")).build(106, 112)
    reparameterise(network, 1)
    kept = [module for module in network.modules() if isinstance(module, nn.Conv2d) and module.dilation != (1, 1)]
    assert len(kept) == 3
    assert sum(isinstance(module, RepConv) for module in network.modules()) > 20


@pytest.mark.slow
@needs_emulator
def test_costs_are_those_of_the_deployed_network():
    plain, branched = (cost_of(variant, 106) for variant in (Variant(), Variant(copies=1)))
    assert branched == plain | {"parameters": branched["parameters"]}
    # the sum of single blocks, as in the table, is close to the latency of the whole network
    assert plain["us_4t"] == pytest.approx(LookupTable.load("snapdragon625-4t").latency_us(IN_SPACE), rel=0.1)


def test_the_table_has_means_and_differences_by_seed():
    nme = {BASE_NAME: (5.0, 5.4), "96 px": (4.9, 5.2), "base, 3 x epochs": (4.0,)}
    trained = pd.DataFrame(
        [
            {"data": "d", "network": name, "epochs": 30 if "3 x" in name else 10, "seed": seed, "test_nme": value}
            | {"train_nme": value - 1, "held_out_nme": value, "seconds": 9.0}
            for name, values in nme.items()
            for seed, value in enumerate(values)
        ]
    )
    costs = pd.DataFrame({"network": list(nme), "us_4t": [100.0, 98.0, 100.0], "parameters": [1, 2, 1], "macs": [3, 4, 3]})
    table = ablation_table(trained, costs)
    assert table.network.tolist() == list(nme)
    row = table.set_index("network").loc["96 px"]
    assert row[["test_nme", "difference", "least", "most", "latency"]].tolist() == pytest.approx(
        [5.05, -0.15, -0.2, -0.1, 0.98]
    )
    # other epochs than the base's: no comparison
    assert pd.isna(table.set_index("network").loc["base, 3 x epochs"].difference)


def test_a_network_that_is_none_of_them_is_refused(few_blobs, tmp_path):
    with pytest.raises(InputError, match="'nothing'"):
        study.train("blobs", few_blobs, 106, 1, 1, ["nothing"], tmp_path)


@pytest.mark.slow
def test_all_parts_run_and_go_on(few_blobs, tmp_path, capsys):
    chosen = [BASE_NAME, "branches, depthwise"]
    kept = []
    for _ in range(2):
        study.train("blobs", few_blobs, 106, 1, 1, chosen, tmp_path)
        kept.append((tmp_path / "trainings.csv").stat().st_mtime_ns)
    assert kept[0] == kept[1]
    trained = Records(tmp_path / "trainings.csv").frame()
    assert trained.network.tolist() == chosen
    assert (trained.test_nme > 0).all()
    costs = [{"network": name, "us_4t": 1668.0, "parameters": 103_812, "macs": 6_707_600} for name in chosen]
    Records(tmp_path / "costs.csv", "network").extend(costs)
    study.report(tmp_path)
    assert "branches, depthwise" in capsys.readouterr().out
    assert (tmp_path / "space_ablation.png").stat().st_size > 10_000
    Records(tmp_path / "trainings.csv").replace(trained.assign(setup="0" * 8).to_dict("records"))
    with pytest.raises(InputError, match="other settings"):
        study.train("blobs", few_blobs, 106, 1, 1, chosen, tmp_path)
