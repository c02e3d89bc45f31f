"""The comparison with other networks: its networks, its table against brute force, and a short run of all commands."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import write_blobs
from emulated_core import needs_emulator
from torch import nn

from fbnet_pfld.evaluators import Checkpoint
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.experiments.studies.peers import __main__ as peers
from fbnet_pfld.experiments.studies.peers import our_front, peer_costs
from fbnet_pfld.experiments.studies.peers.original_pfld import OriginalPfld
from fbnet_pfld.experiments.studies.peers.peer_costs import BOARD, HOST, costs_of, networks_of
from fbnet_pfld.experiments.studies.peers.peer_networks import PEERS, TIMM, deployed
from fbnet_pfld.experiments.studies.peers.peer_trainings import KEYS, best_rate, setup_of
from fbnet_pfld.experiments.studies.peers.peers_report import compare, summarise
from fbnet_pfld.experiments.studies.results import Records
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.latency.emulator.counts import COLUMNS, Counts
from fbnet_pfld.search_space import Architecture, InputError, LandmarkNetwork, PfldSpace, SpaceSpec, count

STUDY = Path(peers.__file__).parent
SMALL = "sep_stem_w8 sep_k3 skip skip skip sep_k5 sep_k5 sep_k5 pfld_head_n32_e1"


def build(name, points=106, size=112):
    if name in TIMM:
        pytest.importorskip("timm")
    torch.manual_seed(0)
    return PEERS[name](points, size)


# --- networks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is_a_landmark_network(name):
    model = build(name, 68).eval()
    images = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        points, features = model.forward_features(images)
        assert points.shape == (2, 136)
        assert features.shape == (2, model.feature_channels, 28, 28)
        assert torch.allclose(model(images), points, atol=1e-6)
    assert isinstance(model, LandmarkNetwork)
    assert (model.num_points, model.input_size) == (68, 112)


def test_an_unknown_peer_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"'lenet'.*lcnet_035"):
        peers.train("blobs", tmp_path, only=["lenet"], results=tmp_path)


def test_without_timm_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(InputError, match=r"timm is not installed; install it with: pip install .*timm"):
        PEERS["lcnet_035"](106, 112)


def test_training_branches_are_merged_in_a_file():
    model = build("repvit_m0_9", 4)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    merged = deployed(model)
    images = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        assert torch.allclose(merged(images), model.eval()(images), atol=1e-4)
    fewer, more = (sum(isinstance(module, nn.Conv2d) for module in net.modules()) for net in (merged, model))
    assert fewer < more
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("width", [1.0, 0.25])
def test_the_original_pfld_is_its_papers_table(width):
    """Parameters and MACs, computed by hand from table 1 of the paper: convolutions, BatchNorms, last layer."""
    c64, c128, c16, c32 = (round(c * width) for c in (64, 128, 16, 32))
    parameters = macs = 0

    def convolution(inputs, outputs, kernel, side, groups=1):
        nonlocal parameters, macs
        weights = inputs // groups * outputs * kernel**2
        parameters += weights + 2 * outputs
        macs += weights * side**2

    convolution(3, c64, 3, 56)
    convolution(c64, c64, 3, 56, c64)
    # t, input and output channels, n, stride, side of the input
    for expand, inputs, outputs, repeats, stride, side in (
        (2, c64, c64, 5, 2, 56),
        (2, c64, c128, 1, 2, 28),
        (4, c128, c128, 6, 1, 14),
        (2, c128, c16, 1, 1, 14),
    ):
        for _ in range(repeats):
            convolution(inputs, expand * inputs, 1, side)
            side //= stride
            convolution(expand * inputs, expand * inputs, 3, side, expand * inputs)
            convolution(expand * inputs, outputs, 1, side)
            inputs, stride = outputs, 1
    convolution(c16, c32, 3, 7)
    # the 7x7 convolution and the last layer have a bias and no BatchNorm
    parameters += 49 * c32 * c128 + c128 + (c16 + c32 + c128) * 212 + 212
    macs += 49 * c32 * c128 + (c16 + c32 + c128) * 212
    assert count(OriginalPfld(width).eval(), 112) == (parameters, macs)


def test_the_original_pfld_refuses_sizes_that_do_not_fit():
    with pytest.raises(InputError, match="input size 100"):
        OriginalPfld(1.0, 106, 100)


# --- the table -----------------------------------------------------------------------------------------------------------


def training(network, nme, seed=0, start="scratch", rate=0.02, held_out=None, blocks="", data="faces"):
    return {
        "data": data,
        "network": network,
        "start": start,
        "epochs": 10,
        "rate": rate,
        "seed": seed,
        "setup": "1",
        "held_out_nme": nme if held_out is None else held_out,
        "test_nme": nme,
        "cpu_seconds": 60.0,
        "supernet_seconds": 600.0 if start == "supernet" else 0.0,
        "blocks": blocks,
    }


def cost(network, us, blocks=""):
    return {"network": network, "blocks": blocks, "parameters": 1000, BOARD.format(4): us, HOST: us / 8}


def test_the_rate_is_chosen_on_held_out_faces_of_the_first_seed():
    rows = [
        training("a", 5.0, rate=0.02, held_out=6.0),
        training("a", 6.0, rate=0.007, held_out=5.5),
        training("a", 4.0, rate=0.002, held_out=7.0),
        training("a", 3.0, seed=1, rate=0.02, held_out=1.0),
    ]
    assert best_rate(pd.DataFrame(rows)) == 0.007
    (row,) = summarise(pd.DataFrame(rows), pd.DataFrame([cost("a", 100.0)])).to_dict("records")
    assert (row["rate"], row["rates"], row["nme"], row["seeds"], row["minutes"]) == (0.007, 3, 6.0, 1, 1.0)


def test_peers_are_compared_with_subnets_that_were_measured():
    """Compared with brute force over all subnets, for random tables."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        ours = [(f"ours, at most {i} us", rng.uniform(100, 1000), rng.uniform(4, 8)) for i in range(4)]
        theirs = [(f"peer {i}", rng.uniform(50, 2000), rng.uniform(3, 10)) for i in range(5)]
        trainings = [training(name, round(nme, 3), start="supernet", blocks=name) for name, _, nme in ours]
        trainings += [training(name, round(nme, 3)) for name, _, nme in theirs]
        costs = [cost(name, us, name) for name, us, _ in ours] + [cost(name, us) for name, us, _ in theirs]
        table = compare(summarise(pd.DataFrame(trainings), pd.DataFrame(costs))).set_index("network")
        assert list(table.index) == [name for name, _, _ in sorted(theirs, key=lambda each: each[2])]
        for name, us, nme in theirs:
            nmes = [n for _, u, n in ours if u <= us]
            latencies = [u for _, u, n in ours if round(n, 3) <= round(nme, 3)]
            for short in ("4t", "host"):
                found = table.loc[name, [f"nme_ratio_{short}_supernet", f"latency_ratio_{short}_supernet"]].tolist()
                wanted = [nme / min(nmes) if nmes else math.nan, us / min(latencies) if latencies else math.nan]
                assert found == pytest.approx(wanted, abs=2e-3, nan_ok=True)
                assert math.isnan(table.loc[name, f"nme_ratio_{short}_scratch"])


def test_our_subnets_differ_from_seed_to_seed_and_are_means():
    rows = [training("ours, at most 900 us", 5.0 + seed, seed, "supernet", blocks=f"b{seed}") for seed in (0, 1)]
    costs = [cost("ours, at most 900 us", 800.0 + 100 * seed, f"b{seed}") for seed in (0, 1)]
    (row,) = summarise(pd.DataFrame(rows), pd.DataFrame(costs)).to_dict("records")
    assert (row["nme"], row["seeds"], row[BOARD.format(4)], row["supernet_minutes"]) == (5.5, 2, 850.0, 10.0)
    assert row["spread"] == pytest.approx(math.sqrt(0.5), abs=1e-3)


def test_results_in_the_repository_are_whole_and_of_todays_recipe():
    trainings, costs = (Records(STUDY / file).frame() for file in ("trainings.csv", "costs.csv"))
    known = set(costs.fillna({"blocks": ""})[["network", "blocks"]].itertuples(index=False, name=None))
    assert known == set(trainings.fillna({"blocks": ""})[["network", "blocks"]].itertuples(index=False, name=None))
    theirs = trainings[trainings.network.isin(PEERS)]
    for epochs, part in theirs.groupby("epochs"):
        assert set(part.setup) == {setup_of(Config.load(None, finetune__epochs=epochs, **peers.RECIPE))}
    assert not trainings.duplicated(list(KEYS)).any()
    spec = SpaceSpec.load("pfld-wide")
    for row in costs.dropna(subset="blocks").to_dict("records"):
        subnet = Architecture.from_blocks(spec, 106, 112, row["blocks"].split())
        assert row["parameters"] == count(subnet.build(), 112)[0]


# --- the whole -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """Trainings of one tiny batch, few scores, and a stand-in for the emulator that counts a million of everything."""
    monkeypatch.setattr(peers, "RECIPE", {"finetune__augment": "geometry", "finetune__batch_size": 16})
    monkeypatch.setattr(our_front, "EVALUATIONS", 30)
    monkeypatch.setattr(peer_costs, "find_components", lambda: None)
    parts = np.full((1, len(COLUMNS)), 1e6)
    monkeypatch.setattr(peer_costs, "counted", lambda components, file, shape, threads: Counts(parts / threads))


def test_the_whole_study_runs_and_goes_on(quick, quick_exports, tmp_path, capsys):
    data, results = write_blobs(tmp_path / "data", 32, 8), tmp_path / "results"
    spec = SpaceSpec.load("pfld-wide")
    torch.manual_seed(0)
    supernet = tmp_path / "supernet.pth"
    Checkpoint("supernet", spec.to_dict(), 106, 112, PfldSpace("pfld-wide").state_dict(), {}).save(supernet)
    (tmp_path / "time.json").write_text('{"seconds": 120.0, "cpu_seconds": null}')
    kept = []
    for _ in range(2):
        peers.train("blobs", data, 106, 1, 2, [0.01, 0.001], ["pfld_original_025"], results)
        peers.ours("blobs", data, supernet, 0, 1, [1000.0, 2500.0], results, results)
        kept.append((results / "trainings.csv").read_bytes())
    assert kept[0] == kept[1]
    rows = Records(results / "trainings.csv").frame()
    theirs, ours = rows[rows.network == "pfld_original_025"], rows[rows.network.str.startswith("ours")]
    # both rates with the first seed, the second seed at the one that was better on held-out faces
    assert theirs.seed.tolist() == [0, 0, 1]
    assert theirs.rate.tolist() == [0.01, 0.001, theirs.rate.iloc[theirs.held_out_nme.iloc[:2].argmin()]]
    # each subnet is the most accurate of the front within its budget
    assert ours.start.tolist() == ["supernet"] * 2 + ["scratch"] * 2
    assert ours.supernet_seconds.tolist() == [120.0] * 2 + [0.0] * 2
    front = pd.read_csv(results / "front-0/pareto.csv")
    table = LookupTable.load("snapdragon625-4t")
    for budget, blocks in zip((1000, 2500), ours.blocks, strict=False):
        chosen = Architecture.from_blocks(spec, 106, 112, blocks.split())
        within = front[front.us <= budget]
        assert table.latency_us(chosen) == pytest.approx(within.us[within.nme.idxmin()], abs=0.1)
    # costs and report
    peers.costs(106, "pfld-wide", results, results)
    costs = pd.read_csv(results / "costs.csv")
    assert costs.macs[0] == count(PEERS["pfld_original_025"](106, 112), 112)[1]
    assert (costs[HOST] > 0).all()
    capsys.readouterr()
    peers.report(results)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(row["network"], row["seeds"]) for row in found["peers"]] == [("pfld_original_025", 2)]
    assert len(found["ours"]) == 4
    assert (results / "peers.png").stat().st_size > 10_000
    # another recipe, or a budget below all subnets
    with pytest.raises(InputError, match="budget 100 us: the fastest subnet of the front takes"):
        peers.ours("blobs", data, supernet, 0, 1, [100.0], results, results)
    peers.RECIPE["finetune__batch_size"] = 8
    with pytest.raises(InputError, match=r"trainings.csv: has results of other settings"):
        peers.train("blobs", data, 106, 1, 1, [0.01], ["pfld_original_025"], results)


def test_baselines_are_taken_from_the_accuracy_experiment(tmp_path):
    networks = tmp_path / "networks.csv"
    row = {"data": "blobs", "epochs": 10, "seed": 0, "setup": "1", "held_out_nme": 5.0, "test_nme": 6.0}
    row |= {"test_fr8": 1.0, "test_auc8": 2.0, "seconds": 3.0, "blocks": "", "network": "pfld_lite"}
    others = [{"network": "median"}, {"data": "other"}, {"seed": 1, "test_nme": 7.0}, {"epochs": 20}]
    pd.DataFrame([row, *({**row, **other} for other in others)]).to_csv(networks, index=False)
    for _ in range(2):
        peers.baselines("blobs", networks, tmp_path)
    found = Records(tmp_path / "trainings.csv").frame()
    assert set(found.network) == {"pfld_lite"}
    found = found[["epochs", "seed", "test_nme", "rate"]].values.tolist()
    assert found == [[10, 0, 6.0, 0.02], [10, 1, 7.0, 0.02], [20, 0, 6.0, 0.02]]


def test_finetuning_starts_from_the_supernet(quick, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(our_front, "train_and_test", lambda *given: started.append((given[3], given[2])) or {})
    data = write_blobs(tmp_path / "data", 32, 8)
    torch.manual_seed(1)  # not the training's seed, so that inherited and new weights differ
    space = PfldSpace("pfld-wide")
    supernet = tmp_path / "supernet.pth"
    Checkpoint("supernet", space.spec.to_dict(), 106, 112, space.state_dict(), {}).save(supernet)
    peers.ours("blobs", data, supernet, 0, 1, [2500.0], tmp_path, tmp_path)
    (network, finetuned), (_, scratch) = started
    for layer, own, block in zip(space.layers, finetuned.layers, network.choices.values(), strict=True):
        wanted = dict(layer.named_children())[block].state_dict()
        assert own.state_dict().keys() == wanted.keys()
        assert all(torch.equal(own.state_dict()[name], tensor) for name, tensor in wanted.items())
    assert any(not torch.equal(a, b) for a, b in zip(finetuned.parameters(), scratch.parameters(), strict=True))


@needs_emulator
def test_costs_on_the_emulated_core_are_those_of_the_table(tmp_path):
    pytest.importorskip("pnnx")
    trainings = pd.DataFrame([training("ours", 5.0, blocks=SMALL)])
    (row,) = costs_of(networks_of(trainings, 106, 112, "pfld-wide"), 112, tmp_path)
    chosen = Architecture.from_blocks(SpaceSpec.load("pfld-wide"), 106, 112, SMALL.split())
    for threads in (1, 4):
        wanted = LookupTable.load(f"snapdragon625-{threads}t").latency_us(chosen)
        assert row[BOARD.format(threads)] == pytest.approx(wanted, rel=0.1)
