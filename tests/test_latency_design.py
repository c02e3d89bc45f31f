"""The choice of subnets that are timed for a table, and the solved latencies of blocks, against closed forms."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_latency_measure import TINY

from fbnet_pfld.latency import make_design
from fbnet_pfld.latency.measure.design import is_identity
from fbnet_pfld.latency.measure.solve import agreement, solve
from fbnet_pfld.search_space import InputError, Signature, SpaceSpec

PFLD = SpaceSpec.load("pfld")
OWN = SpaceSpec.from_dict(
    {  # other widths, depths, strides, and a fixed block that is a candidate as well
        "name": "own",
        "stem": 24,
        "entry": {"block": "mb_k3_e2", "channels": 24, "stride": 1},
        "stages": [
            {"layers": 3, "channels": 24, "candidates": ["mb_k3_e2", "gh_k3", "skip"]},
            {"layers": 4, "channels": 48, "stride": 2, "candidates": ["gh_k5", "mb_k3_e4_res", "mb_k5_e2_res_se"]},
        ],
        "head": 32,
    },
    "own",
)
SPACES = pytest.mark.parametrize(("space", "points", "size"), [(PFLD, 106, 112), (OWN, 68, 160)], ids=("pfld", "own"))


def truth(seed: int):
    """A latency in microseconds for every block, an identity's being 0."""
    return lambda signature: 0.0 if is_identity(signature) else random.Random(f"{seed} {signature}").uniform(5, 100)


def latencies(subnets, us) -> np.ndarray:
    return np.array([sum(map(us, subnet.signatures())) for subnet in subnets])


@SPACES
def test_every_candidate_stands_once_in_a_run_of_every_layer(space, points, size):
    repeats = 4
    design = make_design(space, points, size, repeats, 20, seed=0)
    longest = max(
        len({*names, "skip"} if "layer_2" not in label or space is OWN else names)
        for label, names in space.candidates().items()
    )
    assert len(design.known) == repeats * longest
    for label, names in space.candidates().items():
        counts = Counter(subnet.choices[label] for subnet in design.known)
        assert set(names) <= set(counts) <= {*names, "skip"}
        assert min(counts.values()) >= repeats
        for subnet in design.known:
            block = subnet.choices[label]
            place = subnet.space.layout(points, size).layers[label][block]
            assert block in names or is_identity(place)


@SPACES
def test_unseen_subnets_are_of_the_space_and_new(space, points, size):
    design = make_design(space, points, size, 3, 20, seed=1)
    known = {tuple(subnet.choices.values()) for subnet in design.known}
    unseen = {tuple(subnet.choices.values()) for subnet in design.unseen}
    assert len(unseen) == len(design.unseen) == 20
    assert not known & unseen
    assert all(subnet.space == space for subnet in design.unseen)
    assert list(design.models().values()) == [*design.known, *design.unseen]


def test_a_small_space_has_fewer_unseen_subnets():
    space = SpaceSpec.from_dict(TINY, "tiny")
    design = make_design(space, 5, 32, 1, 50, seed=0)
    known = {tuple(subnet.choices.values()) for subnet in design.known if "skip" not in subnet.choices.values()}
    assert len(design.unseen) == 9 - len(known) >= 2
    with pytest.raises(InputError, match="'tiny' has 0 subnets left to test a table on; at least 2 are needed"):
        make_design(space, 5, 32, 50, 50, seed=0)


@SPACES
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_exact_latencies_give_back_every_searched_block(space, points, size, seed):
    us = truth(seed)
    design = make_design(space, points, size, 5, 30, seed)
    solution = solve(design.known, latencies(design.known, us), noise=0.0, threads=1)
    for layer in space.layout(points, size).layers.values():
        layout = list(layer.values())
        told = any(signature.stride == 1 for signature in layout)  # by the identity; else up to what the layer always costs
        shift = 0 if told else solution.rows[layout[0]] - us(layout[0])
        for signature in layout:
            if us(signature) + shift > 5:
                assert solution.rows[signature] - shift == pytest.approx(us(signature), abs=2.0)
    predicted, real = np.array([solution.us(subnet) for subnet in design.unseen]), latencies(design.unseen, us)
    assert predicted == pytest.approx(real, rel=5e-3)
    assert agreement(predicted, real).kendall_tau > 0.97


def test_an_identity_costs_nothing_and_what_is_not_told_is_uncertain():
    design = make_design(PFLD, 106, 112, 5, 5, seed=0)
    solution = solve(design.known, latencies(design.known, truth(3)), noise=0.01, threads=4)
    assert solution.rows[Signature("skip", 32, 32, 1, 14)] == 0
    assert solution.errors[Signature("mb_k5_e2_res", 32, 32, 1, 14)] < 0.2
    assert solution.errors[Signature("tap_pool", 32, 32, 2, 14)] > 0.2
    noisy = solve(design.known, latencies(design.known, truth(3)), noise=0.1, threads=4)
    assert all(noisy.errors[key] > error for key, error in solution.errors.items() if 0 < error < 0.2)


def test_a_misfit_counts_as_uncertainty():
    """Subnets whose latency is not a sum of blocks: the reported errors are the actual ones."""
    design, us, rng = make_design(PFLD, 106, 112, 5, 5, seed=0), truth(3), np.random.default_rng(0)
    exact = latencies(design.known, us)
    solution = solve(design.known, exact * (1 + 0.01 * rng.standard_normal(len(exact))), noise=0.0005, threads=1)
    places = [signature for layer in ("layer_0", "layer_3") for signature in PFLD.layout(106, 112).layers[layer].values()]
    claimed = [solution.errors[key] for key in places]
    made = [abs(solution.rows[key] / us(key) - 1) for key in places]
    assert 0.3 < np.sqrt(np.mean((np.array(made) / claimed) ** 2)) < 2


def test_agreement_is_that_of_the_errors():
    found = agreement(np.array([1.0, 2.2, 2.7]), np.array([1.0, 2.0, 3.0]))
    assert (found.subnets, found.kendall_tau) == (3, 1)
    assert found.mean_percent == pytest.approx(20 / 3)
    assert found.largest_percent == pytest.approx(10)
