"""One-path steps: their expected gradient by enumeration, what runs, and searches that end where they should."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from test_strategies import COST, COSTS, Space, evaluator
from torch import nn

from fbnet_pfld.search_space import InputError
from fbnet_pfld.strategies import FBNet, run_search

LOGITS = {"a": [0.3, -0.4, 1.0], "b": [-0.2, 0.5]}


class Task(nn.Module):
    """Stands in for a Lightning module: its loss is the mean square of the network's output."""

    def __init__(self, model, noise=False):
        super().__init__()
        self.model, self.noise = model, noise

    def on_train_epoch_start(self):
        pass

    def training_step(self, batch, batch_idx):
        loss = self.model(batch).square().mean()
        return loss + torch.rand(()) if self.noise else loss


def search(noise=False, **options):
    torch.manual_seed(0)
    strategy = FBNet(COST, paths="one", **options)
    space = strategy.mutate_model(Space())
    module = strategy.configure_oneshot_module(Task(space, noise))
    module.manual_backward = lambda loss: loss.backward()
    optimizer = SimpleNamespace(zero_grad=lambda: module.zero_grad(), step=lambda: None)
    module.architecture_optimizers = lambda: optimizer
    with torch.no_grad():
        for label, layer in module.layers().items():
            layer._arch_alpha.copy_(torch.tensor(LOGITS[label]))
    module.tilt_to_target()
    return module.train()


def one_hot(path):
    return {label: torch.tensor([float(name == block) for name in COSTS[label]]) for label, block in path.items()}


@pytest.mark.parametrize("options", [{"mode": "mul", "alpha": 0.7, "beta": 1.5}, {"mode": "add", "alpha": 0.01, "beta": 1.0},
                                     {"target_us": 9.0}])
def test_the_expected_gradient_is_that_of_the_expected_objective(options):
    module = search(**options)
    x = torch.randn(8, 4)
    layers = module.layers()
    paths = [one_hot(dict(zip(COSTS, names, strict=True))) for names in itertools.product(*COSTS.values())]
    with torch.no_grad():
        objective = []
        for path in paths:
            module.use(path)
            objective.append(module.term(module._loss(x, 0), path))
    probability = torch.stack([module.log_probability(path).exp() for path in paths])
    assert float(probability.sum()) == pytest.approx(1.0, abs=1e-6)
    logits = [layer._arch_alpha for layer in layers.values()]
    expected = torch.autograd.grad((probability * torch.stack(objective)).sum(), logits)

    mean = [torch.zeros_like(row) for row in logits]
    p = probability.detach()
    for i, j in itertools.product(range(len(paths)), repeat=2):
        drawn = iter((paths[i], paths[j]))
        module.resample = lambda drawn=drawn: next(drawn)
        module.architecture_step(x, 0)
        for total, row in zip(mean, logits, strict=True):
            total += p[i] * p[j] * row.grad
    for total, row in zip(mean, expected, strict=True):
        assert torch.allclose(total, row, atol=1e-6), (total, row)
    assert any(row.abs().max() > 1e-3 for row in expected)


def test_paths_are_sampled_by_their_probability():
    module = search(target_us=9.0)
    counts = {label: torch.zeros(len(row)) for label, row in LOGITS.items()}
    for _ in range(4000):
        for label, sample in module.resample().items():
            counts[label] += sample
    for label, layer in module.layers().items():
        assert torch.allclose(counts[label] / 4000, layer.logits.softmax(-1), atol=0.03)


def test_paths_are_compared_under_the_same_random_numbers():
    module = search(noise=True)
    path = one_hot({"a": "mid", "b": "dear"})
    module.resample = lambda: path
    x = torch.randn(8, 4)
    before = torch.get_rng_state()
    with torch.no_grad():
        first, second = module._compare([path, path], x, 0)
    assert float(first) == float(second)
    assert not torch.equal(before, torch.get_rng_state())  # and the next step has others


def test_only_the_sampled_blocks_run_and_learn():
    module = search()
    space, ran = module.model, []
    for layer in (space.first, space.second, space.third):
        for name in layer.names:
            layer[name].register_forward_hook(lambda *_, name=name: ran.append(name))
    path = one_hot({"a": "mid", "b": "dear"})
    module.use(path)
    module._loss(torch.randn(8, 4), 0).backward()
    assert ran == ["mid", "dear", "dear"]
    assert space.first["mid"].weight.grad is not None
    assert space.first["cheap"].weight.grad is None
    assert all(row.grad is None for row in module.arch_parameters())


def test_one_path_search_finds_the_cheapest_when_only_latency_counts():
    torch.manual_seed(0)
    strategy = FBNet(COST, paths="one", mode="add", alpha=100.0, beta=1.0, warmup_epochs=0, arc_learning_rate=0.1)
    assert run_search(Space(), evaluator(15), strategy) == {"a": "cheap", "b": "cheap"}


def test_one_path_search_keeps_what_the_task_needs_within_a_target():
    class Blind(nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 4)

    class Needs(ModelSpace):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(LayerChoice({"blind": Blind(), "seeing": nn.Linear(4, 4)}, label=f"l{i}")
                                        for i in range(2))
            self.norm, self.last = nn.BatchNorm1d(4), nn.Linear(4, 2)

        def forward(self, x):
            return self.last(self.norm(self.layers[0](x) + 0.01 * self.layers[1](x)))

    torch.manual_seed(0)
    cost = SimpleNamespace(fixed_us=10.0, blocks_us={f"l{i}": {"blind": 1.0, "seeing": 5.0} for i in range(2)})
    strategy = FBNet(cost, paths="one", target_us=16.5, warmup_epochs=2, arc_learning_rate=0.1)
    space = Needs()
    assert run_search(space, evaluator(15), strategy) == {"l0": "seeing", "l1": "blind"}
    norm = strategy.supernet.norm
    assert norm.momentum == 0.1  # as before the validations
    assert norm.running_var.min() < 0.99


def test_unknown_paths_are_refused():
    with pytest.raises(InputError, match="unknown paths 'two'; allowed: all, one"):
        FBNet(paths="two")


def test_the_warm_up_is_fair_whatever_the_logits():
    module = search(target_us=9.0, warmup_epochs=2)
    module._trainer = SimpleNamespace(current_epoch=1, world_size=1)
    module.on_train_epoch_start()
    counts = {label: torch.zeros(len(row)) for label, row in LOGITS.items()}
    orders = set()
    for _ in range(10):
        turns = [module.resample() for _ in range(6)]
        orders.add(tuple(int(turn["a"].argmax()) for turn in turns))
        for turn in turns:
            for label, sample in turn.items():
                counts[label] += sample
    assert {label: row.tolist() for label, row in counts.items()} == {"a": [20.0] * 3, "b": [30.0] * 2}
    assert len(orders) > 5
    module._trainer = SimpleNamespace(current_epoch=2, world_size=1)
    module.on_train_epoch_start()
    samples = torch.stack([module.resample()["a"] for _ in range(4000)]).mean(0)
    assert torch.allclose(samples, module.layers()["a"].logits.softmax(-1), atol=0.03)


def test_a_fair_step_trains_every_block_once_on_its_part_of_the_batch():
    module = search(warmup_epochs=1)
    module._trainer = SimpleNamespace(current_epoch=0, world_size=1)
    module.on_train_epoch_start()
    x, ran = torch.randn(9, 4), []
    for layer in module.layers().values():
        for name in layer.names:
            block = (layer.label, name)
            layer[name].register_forward_hook(lambda _, inputs, __, block=block: ran.append((block, len(inputs[0]))))
    loss = module.weight_loss(x, 0)
    # three paths of three inputs, through a block of "a" and one of "b" each
    assert sorted(ran)[:3] == [(("a", name), 3) for name in sorted(COSTS["a"])]
    assert len(ran) == 6
    loss.backward()
    assert all(module.model.first[name].weight.grad is not None for name in module.model.first.names)
    ran.clear()
    module.weight_loss(x[:3], 0)  # too few for three parts of two
    assert [count for _, count in ran] == [3, 3]


def test_the_loss_of_a_fair_step_is_the_mean_of_its_paths():
    module = search(warmup_epochs=1)
    module._trainer = SimpleNamespace(current_epoch=0, world_size=1)
    module.on_train_epoch_start()
    x, drawn = torch.randn(9, 4), []
    resample = module.resample
    module.resample = lambda: drawn.append(resample()) or drawn[-1]
    loss = float(module.weight_loss(x, 0))
    parts = []
    for path, part in zip(drawn, x.split(3), strict=True):
        module.use(path)
        parts.append(float(module._loss(part, 0)))
    assert loss == pytest.approx(sum(parts) / 3)
