"""INT8 rounding in training against numpy's arithmetic and a block rounded by hand."""

import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional

from fbnet_pfld.evaluators import (
    Checkpoint,
    LandmarkDataset,
    evaluate,
    int8_rounding,
    network_input,
    split_indices,
    train_for_int8,
)
from fbnet_pfld.evaluators.training.int8 import round_weight
from fbnet_pfld.search_space import Architecture, InputError, PfldLite, PfldMobileNetV3, SpaceSpec
from fbnet_pfld.search_space.blocks import Conv, MBBlock
from fbnet_pfld.search_space.registry import BLOCKS

PFLD, WIDE = SpaceSpec.load("pfld"), SpaceSpec.load("pfld-wide")
SMALL = Architecture(PFLD, 106, 112, dict(zip(PFLD.labels, ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"), strict=True)))


class Net(nn.Module):
    """A module as a network of this package."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward_features(self, x):
        y = self.body(x)
        return y, y

    def forward(self, x):
        return self.forward_features(x)[0]


def network(name):
    torch.manual_seed(0)
    if name == "subnet":
        return Architecture(PFLD, 106, 64, SMALL.choices).build()
    if name == "wide subnet":
        last = {label: list(names)[-1] for label, names in WIDE.candidates().items()}
        return Architecture(WIDE, 106, 64, last).build()
    return {"pfld_lite": PfldLite, "pfld_mobilenetv3": PfldMobileNetV3}[name](106, 32)


NETWORKS = ("subnet", "wide subnet", "pfld_lite", "pfld_mobilenetv3")


def affine(values, low=None, high=None):
    """Round to 256 steps of the range from ``low`` to ``high``, by default that of the values; both include zero."""
    x = values.detach().numpy()
    low, high = min(x.min() if low is None else low, 0), max(x.max() if high is None else high, 0)
    step = np.float32((high - low) / 255)
    zero = np.round(-low / step)
    return torch.from_numpy(((np.clip(np.round(x / step) + zero, 0, 255) - zero) * step).astype(np.float32))


def rounded_by_numpy(weight):
    """Round each output channel to multiples of a 127th of its largest absolute value."""
    w = weight.detach().numpy().reshape(len(weight), -1)
    step = np.abs(w).max(1, keepdims=True) / np.float32(127)
    step[step == 0] = 1
    return (np.round(w / step) * step).reshape(weight.shape)


@pytest.mark.parametrize("shape", [(8, 3, 3, 3), (16, 1, 5, 5), (12, 7)])
def test_weights_are_rounded_per_output_channel(shape):
    torch.manual_seed(0)
    weight = torch.randn(shape) * torch.logspace(-3, 3, shape[0]).view(-1, *[1] * (len(shape) - 1))
    weight[1] = 0
    result = round_weight(weight)
    np.testing.assert_allclose(result.numpy(), rounded_by_numpy(weight), rtol=1e-5)
    assert all(len(np.unique(np.abs(channel))) > 5 for channel in np.delete(result.numpy(), 1, 0))


def test_rounding_before_and_after_a_batchnorm_is_folded_is_the_same():
    torch.manual_seed(0)
    conv = Conv(6, 8, 3, relu=False).eval()
    norm = conv[1]
    with torch.no_grad():
        norm.weight.copy_(torch.randn(8))  # some negative
        norm.running_var.copy_(torch.rand(8) * 100)
        factor = (norm.weight / (norm.running_var + norm.eps).sqrt()).view(-1, 1, 1, 1)
        folded = torch.nn.utils.fuse_conv_bn_eval(conv[0], norm).weight
    assert torch.allclose(round_weight(folded), round_weight(conv[0].weight) * factor, rtol=1e-5)


def test_gradients_pass_the_rounding():
    torch.manual_seed(0)
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)
    pull = torch.randn(4, 3, 3, 3)
    (round_weight(weight) * pull).sum().backward()
    assert torch.equal(weight.grad, pull)
    net, images = Net(nn.Conv2d(3, 2, 1)), torch.randint(0, 256, (4, 3, 8, 8)) / 255
    images[0, :, 0, 0], images[1, :, 0, 0] = 0, 1  # rounding does not change such images
    with int8_rounding(net):
        net(images).sum().backward()
    assert torch.allclose(net.body.weight.grad, images.sum((0, 2, 3)).view(1, 3, 1, 1).expand(2, 3, 1, 1))
    assert torch.allclose(net.body.bias.grad, torch.full((2,), 4.0 * 64))


def test_a_weight_that_8_bits_cannot_hold_is_lost():
    net, images = Net(nn.Conv2d(2, 1, 1, bias=False)), torch.rand(1, 2, 4, 4)
    net.body.weight.data = torch.tensor([1.0, 1 / 300]).view(1, 2, 1, 1)
    with int8_rounding(net), torch.no_grad():
        assert torch.allclose(net(images), affine(affine(images)[:, :1]), atol=1e-6)


def test_ranges_are_the_first_batchs_then_move_in_training_alone():
    net = Net(nn.Flatten()).eval()  # its input is rounded, nothing else
    first, second = torch.linspace(-1, 2, 64).view(1, 64), torch.linspace(-3, 5, 64).view(1, 64)
    with int8_rounding(net):
        assert torch.allclose(net(first), affine(first), atol=1e-6)
        assert torch.allclose(net(second), affine(second, -1, 2), atol=1e-6)
        net.train()(second)
        assert torch.allclose(net.eval()(second), affine(second, -1.02, 2.03), atol=1e-5)  # a hundredth of the way
    with int8_rounding(net):
        assert torch.allclose(net(second), affine(second), atol=1e-6)


def test_a_block_is_rounded_where_an_engine_rounds():
    torch.manual_seed(0)
    block = MBBlock(4, 4, 1, 8, residual=True, se=True)
    net, images = Net(block), torch.randn(2, 4, 8, 8)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)

    def conv(layer, x, **options):
        return functional.conv2d(x, torch.from_numpy(rounded_by_numpy(layer.weight)), layer.bias, **options)

    with torch.no_grad():
        x = affine(images)
        y = affine(block.expand.eval()[1](conv(block.expand[0], x)).relu())
        y = affine(block.depthwise.eval()[1](conv(block.depthwise[0], y, padding=1, groups=4)))
        gate = affine(conv(block.se.pool, y, groups=4))
        gate = affine(functional.hardsigmoid(affine(conv(block.se.fc, gate))))
        y = affine((y * gate).relu())
        y = affine(block.project.eval()[1](conv(block.project[0], y)))
        expected = affine(x + y)
        with int8_rounding(net.eval()):
            result = net(images)
    step = float(expected.max() - expected.min()) / 255
    assert float((result - expected).abs().max()) < 1.5 * step  # halfway values may be rounded either way
    assert float((result - expected).abs().mean()) < 0.01 * step


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("stride", [1, 2])
def test_every_block_is_rounded_and_stays_near_itself(name, stride):
    torch.manual_seed(0)
    net, images = Net(BLOCKS[name](8, 8, stride, 8)).eval(), torch.rand(2, 8, 8, 8)
    with torch.no_grad():
        plain = net(images)
        with int8_rounding(net):
            rounded = net(images)
    assert not torch.equal(rounded, plain)
    assert float((rounded - plain).abs().max()) < 0.05 * float(plain.abs().max())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_rounded_within_and_as_before_after(name):
    net = network(name).eval()
    images, keys = torch.rand(2, 3, net.input_size, net.input_size), list(net.state_dict())
    attributes = [set(vars(module)) for module in net.modules()]
    with torch.no_grad():
        points, features = net.forward_features(images)
        with int8_rounding(net):
            assert not torch.equal(net(images), points)
            assert not torch.equal(net.forward_features(images)[1], features)
            assert list(net.state_dict()) == keys
            assert not [module for module in net.modules() if module._forward_hooks or module._forward_pre_hooks]
            unrounded = dict(net.state_dict())
        assert torch.equal(net(images), points)
        with pytest.raises(ZeroDivisionError), int8_rounding(net):
            raise ZeroDivisionError
        assert torch.equal(net(images), points)
    assert [set(vars(module)) for module in net.modules()] == attributes
    assert all(torch.equal(tensor, unrounded[key]) for key, tensor in net.state_dict().items())


def test_batchnorms_are_the_constants_in_training_that_they_are_in_an_engine():
    net = network("subnet")
    images = torch.rand(4, 3, net.input_size, net.input_size)
    recalibrated = net.train()(images)  # statistics that are not the initial ones
    before = {name: tensor.clone() for name, tensor in net.named_buffers()}
    with int8_rounding(net):
        assert torch.equal(net.eval()(images), net.train()(images))
        assert not torch.allclose(net(images), recalibrated, rtol=0.1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.named_buffers())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_of_a_network_learns(name):
    net = network(name).train()
    with int8_rounding(net):
        net(torch.rand(4, 3, net.input_size, net.input_size)).square().sum().backward()
    assert [key for key, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_training_repairs_what_rounding_breaks():
    """Many small weights beside a large one are rounded to zero, and their sum is missing."""
    torch.manual_seed(0)
    net, images = Net(nn.Conv2d(65, 1, 1)), torch.rand(64, 65, 4, 4)
    net.body.weight.data = torch.tensor([1.0] + 64 * [1 / 300]).view(1, 65, 1, 1)
    wanted = net(images).detach()
    optimizer, errors = torch.optim.Adam(net.parameters(), 0.005), []
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    with int8_rounding(net):
        for _ in range(100):
            error = (net(images) - wanted).abs().mean()
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            schedule.step()
            errors.append(error.item())
    assert errors[0] > 0.1
    assert errors[-1] < 0.03


@pytest.mark.slow
def test_what_is_kept_has_unrounded_weights_and_the_rounded_networks_figure(blobs, tmp_path):
    data, seen = LandmarkDataset(blobs, "train"), []
    held_out = data.subset(split_indices(len(data), 0.1, 3)[1])

    class Watch(pl.Callback):
        def on_validation_end(self, trainer, module):
            seen.append(evaluate(module.model, held_out)["nme"])

    torch.manual_seed(0)
    model = SMALL.build()
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    kept = train_for_int8(model, SMALL, data, tmp_path, 2, 3, [Watch()])
    built = kept.build().eval()
    assert built.state_dict().keys() == start.keys()
    assert not torch.equal(built.state_dict()["points.0.weight"], start["points.0.weight"])
    assert kept.metrics["val_nme"] == pytest.approx(min(seen), rel=1e-5)
    assert not math.isclose(evaluate(built, held_out)["nme"], min(seen), rel_tol=1e-5)
    assert Checkpoint.load(tmp_path / "checkpoint_best.pth").metrics == kept.metrics
    images = network_input(held_out.images)
    with torch.no_grad():
        assert torch.equal(model.eval()(images), model.forward_features(images)[0])
    assert "forward_features" not in vars(model)


def test_a_refused_training_leaves_the_model_as_it_was(blobs, tmp_path):
    model = SMALL.build()
    with pytest.raises(InputError, match="eye_corners"):
        train_for_int8(model, SMALL, LandmarkDataset(blobs, "train"), tmp_path, 1, 0, eye_corners=(0, 200))
    assert "forward_features" not in vars(model)
