"""Compare the space with the reference's published counts, and build one subnet in every possible way."""

import json
import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.nas.space import model_context

from fbnet_pfld.search_space import (
    BASELINES,
    BLOCKS,
    Architecture,
    InputError,
    Latency,
    PfldLite,
    PfldMobileNetV3,
    PfldSpace,
    PoseNet,
    Signature,
    SpaceSpec,
    build,
    count,
)

PFLD, WIDE = SpaceSpec.load("pfld"), SpaceSpec.load("pfld-wide")


def subnet(*blocks, points=106, size=112):
    return Architecture(PFLD, points, size, dict(zip(PFLD.labels, blocks, strict=True)))


SMALLEST = subnet("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5")


def choices_of(spec):
    return st.fixed_dictionaries({label: st.sampled_from(names) for label, names in spec.candidates().items()})


choices = choices_of(PFLD)


def test_there_are_26_blocks_and_59049_subnets():
    assert len(BLOCKS) == 26
    assert math.prod(len(names) for names in PFLD.candidates().values()) == 59_049


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"), (105_476, 5_830_224)),
        (("mb_k5_e2_res", "mb_k5_e2_res", "mb_k3_e4_res", "mb_k3_e4_res", "mb_k3_e4_res"), (194_692, 12_135_152)),
    ],
)
def test_counts_of_the_extreme_subnets_are_the_published_ones(blocks, expected):
    assert count(subnet(*blocks).build()) == expected


def test_counts_of_the_parts_are_the_published_ones():
    space = PfldSpace()
    fixed = sum(
        p.numel() for part in (space.stem, space.entry, space.pools, space.head, space.points) for p in part.parameters()
    )
    assert fixed == 96_132
    assert count(subnet("mb_k5_e2_res", "mb_k5_e2_res", *["mb_k5_e2_res_se"] * 3).build())[0] == 209_604
    assert sum(p.numel() for p in PoseNet(16).parameters()) == 167_491
    logits = sum(map(len, PFLD.candidates().values()))
    assert sum(p.numel() for p in PfldSpace().parameters()) + logits == 643_345
    assert count(PfldLite()) == (265_604, pytest.approx(77.4e6, rel=1e-3))


def test_smallest_subnet_is_the_smallest_by_enumeration_of_additive_counts():
    space = PfldSpace()
    per_layer = [{name: sum(p.numel() for p in layer[name].parameters()) for name in layer.names} for layer in space.layers]
    assert 96_132 + sum(min(layer.values()) for layer in per_layer) == 105_476
    assert 96_132 + sum(max(layer.values()) for layer in per_layer) == 209_604


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("signature", [(32, 32, 1, 14), (32, 64, 2, 14), (64, 64, 1, 7), (16, 24, 2, 7)])
def test_every_block_maps_what_its_signature_says(name, signature):
    key = Signature(name, *signature)
    out = build(key).eval()(torch.rand(2, key.in_channels, key.size, key.size))
    assert out.shape == (2, key.out_channels, key.out_size, key.out_size)


@pytest.mark.parametrize(("points", "size"), [(68, 112), (98, 96), (106, 112), (5, 128)])
def test_points_and_input_size_are_parameters(points, size):
    model = subnet(*SMALLEST.choices.values(), points=points, size=size).build().eval()
    assert model(torch.rand(2, 3, size, size)).shape == (2, 2 * points)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_have_the_interface_of_a_subnet(name):
    model = BASELINES[name](68).eval()
    points, features = model.forward_features(torch.rand(2, 3, 112, 112))
    assert points.shape == (2, 136)
    assert features.shape == (2, model.feature_channels, 28, 28)
    assert PoseNet(model.feature_channels)(torch.rand(2, model.feature_channels, 28, 28)).shape == (2, 3)


def test_mobilenetv3_baseline_is_of_the_published_order():
    parameters, macs = count(PfldMobileNetV3())
    assert 1.3e6 < parameters < 1.6e6
    assert macs > 150e6


@settings(max_examples=12, deadline=None)
@given(st.one_of(choices.map(lambda chosen: (PFLD, chosen)), choices_of(WIDE).map(lambda chosen: (WIDE, chosen))))
def test_context_freeze_and_json_give_the_same_subnet(case):
    spec, chosen = case
    space = PfldSpace(spec).eval()
    frozen = space.freeze(chosen)
    with model_context(chosen):
        in_context = PfldSpace(spec)
    loaded = Architecture.from_dict(json.loads(json.dumps(Architecture(spec, 106, 112, chosen).to_dict())), "test").build()
    x = torch.rand(2, 3, 112, 112)
    for other in (in_context, loaded):
        other.load_state_dict(frozen.state_dict())
        assert torch.allclose(other.eval()(x), frozen.eval()(x), atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(choices)
def test_architecture_file_round_trip(chosen):
    architecture = Architecture(PFLD, 106, 112, chosen, Latency(1.0, "t", "modelled"), {"val_nme": 5.0})
    assert Architecture.from_dict(json.loads(json.dumps(architecture.to_dict())), "test") == architecture


def test_user_space_from_yaml(tmp_path):
    (tmp_path / "mine.yaml").write_text("""
name: mine
stem: 8
entry: {block: mb_k3, channels: 16, stride: 2}
stages:
  - {layers: 1, channels: 16, candidates: [skip, mb_k3_res]}
  - {layers: 2, channels: 24, stride: 2, candidates: [gh_k3, mb_k5]}
head: 32
""")
    space = PfldSpace(tmp_path / "mine.yaml", num_points=5, input_size=64)
    rng = random.Random(0)
    chosen = {label: rng.choice(names) for label, names in space.spec.candidates().items()}
    architecture = Architecture(space.spec, 5, 64, chosen)
    architecture.save(tmp_path / "a.json")
    assert Architecture.load(tmp_path / "a.json") == architecture
    assert architecture.build().eval()(torch.rand(1, 3, 64, 64)).shape == (1, 10)


def wide(pick):
    """Return the subnet of the wide space in which ``pick`` selects every block by its number of parameters."""
    space = PfldSpace(WIDE)
    chosen = {
        layer.label: pick(layer.names, key=lambda name, layer=layer: sum(p.numel() for p in layer[name].parameters()))
        for layer in space.layers
    }
    return Architecture(WIDE, 106, 112, chosen)


def test_the_wide_space_reaches_below_the_fixed_cost_of_the_reference_and_above_its_largest_subnet():
    assert WIDE.labels == ["stem", "entry", *(f"layer_{i}" for i in range(6)), "head"]
    assert count(wide(min).build())[1] < 5.2e6 / 2
    assert count(wide(max).build())[1] > 12_135_152
    assert [str(part).split()[0] for part in WIDE.layout(106, 112).fixed()] == ["tap_pool", "tap_pool", "points"]


def test_a_number_alone_is_the_references_stem_and_head():
    data = PFLD.to_dict()
    assert data["stem"] == {"block": ["pelee_stem"], "channels": 16}
    assert SpaceSpec.from_dict({**data, "stem": 16, "head": 128}, "test") == PFLD
    assert SpaceSpec.from_dict({**data, "stem": {"block": "pelee_stem", "channels": 16}}, "test") == PFLD


@pytest.mark.parametrize("part", ["stem", "entry", "head"])
def test_each_part_can_be_searched_alone(part):
    data = {**PFLD.to_dict(), "stem": {"block": "sep_stem_w8", "channels": 16}}
    spec = SpaceSpec.from_dict({**data, part: {**data[part], "block": WIDE.to_dict()[part]["block"]}}, "test")
    assert set(spec.labels) == {part, *PFLD.labels}
    space, x = PfldSpace(spec).eval(), torch.rand(1, 3, 112, 112)
    assert len(space.layers) == len(spec.labels)
    chosen = {label: names[-1] for label, names in spec.candidates().items()}
    state = space.begin(x)
    for i, (label, layer) in enumerate(zip(spec.labels, space.layers, strict=True)):
        state = space.advance(i, layer[chosen[label]], state)
    assert torch.allclose(space.end(state), space.freeze(chosen).eval()(x), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem": "x"}, "stem"),
        ({"stem": {"block": "mb_k3", "channels": 16}}, "stem.block: unknown block 'mb_k3'; allowed: pelee_stem, sep_stem_w12"),
        ({"stem": {"block": ["pelee_stem", "sep_stem_w8"], "channels": 16}}, "stem.block: early maps have two sizes"),
        ({"entry": {"block": [], "channels": 16}}, "entry.block"),
        ({"entry": {"block": ["mb_k3", "mb_k3"], "channels": 16}}, "entry.block: a block is listed twice"),
        ({"head": {"block": "pfld_head_n1", "channels": 128}}, "head.block: unknown block 'pfld_head_n1'"),
        ({"head": 6}, "head.channels"),
        ({"colour": 1}, "unknown key 'colour'; allowed: entry, head, input_size, name, stages, stem"),
        ({"stages": [{"layers": 1, "channels": 8, "candidates": ["mb_k9"]}]}, "unknown block 'mb_k9'; allowed: conv1x1"),
        ({"stages": [{"layers": 1, "channels": 8, "candidates": ["skip", "skip"]}]}, "twice"),
    ],
)
def test_faults_of_a_space_name_the_key(change, message):
    with pytest.raises(InputError, match="^mine.yaml: ") as caught:
        SpaceSpec.from_dict({**PFLD.to_dict(), **change}, "mine.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choices": {**SMALLEST.choices, "layer_0": "mb_k9"}}, "layer_0: block 'mb_k9' is not a candidate in search space"),
        ({"choices": {"layer_0": "gh_k3"}}, "no choice for layer 'layer_1'"),
        ({"choices": {**SMALLEST.choices, "layer_9": "gh_k3"}}, "layer 'layer_9' is not in search space 'pfld'"),
        ({"space": "other"}, "unknown search space 'other'; allowed: pfld, pfld-wide"),
        ({"schema": 9}, "schema is 9; allowed: 1"),
        ({"num_points": "x"}, "num_points is 'x'"),
        ({"extra": 1}, "unknown key 'extra'"),
    ],
)
def test_faults_of_an_architecture_file_name_file_and_key(tmp_path, change, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**SMALLEST.to_dict(), **change}))
    with pytest.raises(InputError) as caught:
        Architecture.load(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_broken_and_missing_files_are_named(tmp_path):
    (tmp_path / "a.json").write_text("{\n oops")
    with pytest.raises(InputError, match=r"a\.json:2"):
        Architecture.load(tmp_path / "a.json")
    with pytest.raises(InputError, match="not found"):
        Architecture.load(tmp_path / "none.json")
    with pytest.raises(InputError, match="input size 100"):
        PfldSpace(input_size=100)
