"""A space with searched stem, entry and head works in search, sweep, measurement and finetuning like any other."""

import numpy as np
import pytest
import torch

from fbnet_pfld.evaluators import BEST, Checkpoint, inherit
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.experiments.pipeline.finetuning import finetune_network
from fbnet_pfld.experiments.pipeline.supernet_search import search_supernet
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.latency.measure.design import make_design
from fbnet_pfld.latency.measure.solve import agreement, solve
from fbnet_pfld.search_space import Architecture, PfldSpace, SpaceSpec
from fbnet_pfld.strategies import sweep

WIDE = SpaceSpec.load("pfld-wide")
SMALL = """
name: ends
stem: {block: [sep_stem_w8, sep_stem_w16], channels: 16}
entry: {block: [sep_k3, mb_k3], channels: 32, stride: 2}
stages:
  - {layers: 1, channels: 32, candidates: [skip, mb_k3_res]}
  - {layers: 1, channels: 64, stride: 2, candidates: [gh_k5, mb_k5_res]}
head: {block: [pfld_head_n32_e1, pfld_head_n64_e2_se], channels: 128}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("method", "loss"), [("stages", "l1"), ("reference", "l1"), ("reference", "pfld")])
def test_search_chooses_the_ends_and_the_subnet_is_finetuned(few_blobs, tmp_path, method, loss):
    (tmp_path / "ends.yaml").write_text(SMALL)
    config = Config(space=str(tmp_path / "ends.yaml")).override(
        {
            "search__epochs": 4,
            "search__front": 0,
            "search__method": method,
            "search__loss": loss,
            "finetune__epochs": 1,
            "finetune__batch_size": 8,
            "search__batch_size": 8,
        },
        "test",
    )
    chosen = search_supernet(config, config.faces(few_blobs), tmp_path / "supernet")
    assert chosen.choices.keys() == {"stem", "entry", "layer_0", "layer_1", "head"}
    assert chosen.latency.us == pytest.approx(LookupTable.load(config.lut).latency_us(chosen), abs=0.1)
    best = finetune_network(config, config.faces(few_blobs), tmp_path / "subnet", chosen, tmp_path / "supernet" / BEST)
    assert np.isfinite(best.metrics["val_nme"])


def test_sweeping_a_searched_stem_equals_running_each_subnet_on_its_own(tmp_path):
    torch.manual_seed(0)
    space, images, rng = PfldSpace(WIDE), torch.rand(8, 3, 112, 112), np.random.default_rng(0)
    supernet = Checkpoint("supernet", WIDE.to_dict(), 106, 112, space.state_dict(), {})
    subnets = [tuple(str(rng.choice(names)) for names in WIDE.candidates().values()) for _ in range(4)]
    for index, output in sweep(space, images, subnets):
        architecture = Architecture(WIDE, 106, 112, dict(zip(WIDE.labels, subnets[index], strict=True)))
        model = architecture.build()
        inherit(model, architecture, supernet)
        with torch.no_grad():
            assert torch.allclose(output, model.train()(images), atol=1e-4)


def test_a_table_of_the_wide_space_is_found_from_whole_subnets():
    design = make_design(WIDE, 106, 112, 5, 10, seed=0)
    rng = np.random.default_rng(0)
    rows = {signature: us * rng.uniform(0.7, 1.3) for signature, us in LookupTable.load("snapdragon625-4t").rows.items()}

    def latencies(subnets):
        return np.array([sum(rows[signature] for signature in subnet.signatures()) for subnet in subnets])

    solution = solve(design.known, latencies(design.known), noise=0.001, threads=4)
    found = agreement(np.array([solution.us(subnet) for subnet in design.unseen]), latencies(design.unseen))
    assert found.mean_percent < 1.5
    assert found.kendall_tau > 0.9
