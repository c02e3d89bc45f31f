"""Lowering: the same layers as published layer lists, and the same counts as torch's modules."""

import random
from collections import Counter
from dataclasses import asdict

import pytest
import torch
from torch import nn
from torchvision import models

from fbnet_pfld.latency.a53_model.fit import networks
from fbnet_pfld.latency.a53_model.lower import lower
from fbnet_pfld.search_space import BASELINES, Architecture, InputError, SpaceSpec
from fbnet_pfld.search_space.counting import count_macs

SPEC = SpaceSpec.load("pfld")
COUNTS = ["kind", "macs", "elements_in", "elements_out", "weights"]


def as_counter(layers) -> Counter:
    return Counter(tuple(layer[key] for key in COUNTS) for layer in layers)


def published(name: str) -> Counter:
    layers = networks()
    return as_counter(layers[layers["network"] == name].to_dict("records"))


def lowered(module: nn.Module) -> Counter:
    return as_counter(map(asdict, lower(module, 3, 224, 224)))


@pytest.mark.parametrize(
    ("name", "builder", "ours", "theirs"),
    [
        ("efficientnet_b0", models.efficientnet_b0, 0, 0),
        ("mnasnet", models.mnasnet1_0, 0, 0),
        ("regnety_400m", models.regnet_y_400mf, 0, 0),
        ("shufflenet_v2", models.shufflenet_v2_x1_0, 0, 0),
        ("vgg16", models.vgg16, 1, 0),  # torchvision's average pool of 7x7 to 7x7
        ("mobilenet_v2", models.mobilenet_v2, 0, 1),  # the published list expands the first block, by a factor of 1
    ],
)
def test_known_networks_have_the_published_layers(name, builder, ours, theirs):
    mine, other = lowered(builder(weights=None).to("meta")), published(name)
    assert (mine - other).total() == ours
    assert (other - mine).total() == theirs


def subnets(count: int) -> list[nn.Module]:
    draw = random.Random(3)
    return [
        Architecture(SPEC, 106, 112, {label: draw.choice(names) for label, names in SPEC.candidates().items()}).build()
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    "network", [*(builder() for builder in BASELINES.values()), *subnets(5)], ids=lambda network: type(network).__name__
)
def test_macs_and_weights_are_those_of_the_modules(network):
    network.to("meta")
    layers = lower(network, 3, 112, 112)
    assert sum(layer.macs for layer in layers if layer.kind != "pool") == count_macs(network, 112)
    weights = sum(m.weight.numel() for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
    assert sum(layer.weights for layer in layers) == weights


def test_only_what_follows_a_convolution_is_folded():
    conv = nn.Conv2d(8, 8, 3, padding=1)
    both = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU())
    for folded in (nn.BatchNorm2d(8), nn.ReLU(), nn.ReLU6(inplace=True), both, nn.Sigmoid()):
        assert [layer.kind for layer in lower(nn.Sequential(conv, folded), 8, 9, 9)] == ["c3s1"]
    for kept, kind in ((nn.Hardswish(), "elt"), (nn.SiLU(), "swish"), (nn.MaxPool2d(3), "pool")):
        assert [layer.kind for layer in lower(nn.Sequential(conv, kept), 8, 9, 9)] == ["c3s1", kind]
    assert [layer.kind for layer in lower(nn.Sequential(conv, nn.ReLU(), nn.ReLU()), 8, 9, 9)] == ["c3s1", "elt"]
    assert [layer.kind for layer in lower(nn.Sequential(conv, nn.MaxPool2d(3), nn.ReLU()), 8, 9, 9)] == ["c3s1", "pool", "elt"]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"kernel_size": 1}, "pw"),
        ({"kernel_size": 3}, "c3s1"),
        ({"kernel_size": 3, "stride": 2}, "ckk"),
        ({"kernel_size": 3, "dilation": 2}, "ckk"),
        ({"kernel_size": 5}, "ckk"),
        ({"kernel_size": 3, "groups": 8}, "dw3"),
        ({"kernel_size": 1, "groups": 8, "stride": 2}, "dw3"),
        ({"kernel_size": 3, "groups": 8, "dilation": 2}, "dw5"),
        ({"kernel_size": 5, "groups": 8}, "dw5"),
        ({"kernel_size": 3, "groups": 2}, "gconv"),
    ],
)
def test_kinds_of_convolutions(options, kind):
    (layer,) = lower(nn.Conv2d(8, 8, **options), 8, 9, 9)
    assert (layer.kind, layer.kernel, layer.stride) == (kind, options["kernel_size"], options.get("stride", 1))


def test_a_module_is_left_as_it_was_and_an_identity_is_nothing():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert [layer.kind for layer in lower(module, 3, 8, 8)] == ["stem"]
    assert [part.training for part in module] == [True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert lower(nn.Dropout(), 3, 8, 8) == []


@pytest.mark.parametrize("module", [nn.Softplus(), nn.ConvTranspose2d(3, 4, 2), nn.Conv2d(3, 4, (1, 3)), nn.BatchNorm2d(3)])
def test_an_unknown_operation_is_refused(module):
    with pytest.raises(InputError, match="cannot model the latency of .*(; allowed: |; use a )"):
        lower(module, 3, 8, 8)


def test_shapes_alone_give_the_same_layers():
    with torch.device("meta"):
        shapes = lower(BASELINES["pfld_mobilenetv3"](), 3, 112, 112)
    assert shapes == lower(BASELINES["pfld_mobilenetv3"](), 3, 112, 112)
