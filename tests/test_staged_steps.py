"""Steps of a staged search on tiny spaces: what each stage trains, and its gradients compared with enumeration."""

import copy
import itertools
from types import SimpleNamespace

import pytest
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import nn

from fbnet_pfld.strategies import STAGES, LayerSequence, StagedFBNet, Stages

COSTS = {"a": {"cheap": 1.0, "mid": 3.0, "dear": 9.0}, "b": {"cheap": 2.0, "dear": 5.0}, "c": {"cheap": 1.0, "dear": 4.0}}
COST = SimpleNamespace(fixed_us=2.0, blocks_us=COSTS)
NAMES = {label: list(row) for label, row in COSTS.items()}
TEACHER = dict.fromkeys(COSTS, "dear")


class Line(ModelSpace):
    """A chain of three layers of linear blocks."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            LayerChoice({name: nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for name in row}, label=label)
            for label, row in COSTS.items()
        )
        self.last = nn.Linear(4, 2)

    def begin(self, x):
        return x

    def advance(self, i, block, state):
        return block(state)

    def end(self, state):
        return self.last(state)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.last(x)


class Task(nn.Module):
    """Stand-in for a Lightning module: a regression with random jitter of the inputs in every call."""

    def __init__(self, jitter=0.0):
        super().__init__()
        self.jitter, self.model = jitter, None

    def set_model(self, model):
        self.model = model

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_train_epoch_start(self):
        pass

    def training_step(self, batch, batch_idx):
        x, y = batch
        return (self.model(x + self.jitter * torch.randn(x.shape)) - y).square().mean()

    @staticmethod
    def distance(output, target):
        return (output - target).abs().mean()


def search(space=None, jitter=0.0, stages=None, **options):
    """Return a search module as Lightning would run it, and its supernet; gradients stay in the weights after a step."""
    torch.manual_seed(0)
    strategy = StagedFBNet(COST, stages=stages or Stages(1, 1, 1, 1), **options)
    supernet = strategy.mutate_model(space or Line())
    module = strategy.configure_oneshot_module(Task(jitter))
    module.set_model(supernet)
    optimizer = SimpleNamespace(zero_grad=module.zero_grad, step=lambda: None, param_groups=[{"lr": 0.0}])
    module.manual_backward = lambda loss: loss.backward()
    module.optimizers = lambda: [optimizer] * 3
    module.architecture_optimizers = lambda: optimizer
    module.log = lambda *_, **__: None
    return module


def at_stage(module, stage):
    epoch = [name for name in STAGES if getattr(module.stages, name)].index(stage)
    module._trainer = SimpleNamespace(current_epoch=epoch, world_size=1, num_training_batches=4)
    module.on_train_epoch_start()
    return module.train()


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(8, 4, generator=generator), torch.randn(8, 2, generator=generator)


def run(model, path, x):
    """Run a path of a supernet by hand."""
    for layer in model.layers:
        x = layer[path[layer.label]](x)
    return model.last(x)


def gradients(module):
    return {name: parameter.grad.clone() for name, parameter in module.model.named_parameters() if parameter.grad is not None}


def test_the_teacher_is_the_slowest_path():
    module = search()
    assert module.teacher == TEACHER
    assert module.fastest == dict.fromkeys(COSTS, "cheap")


# --- stages --------------------------------------------------------------------------------------------------------------


def test_the_teachers_stage_trains_the_slowest_path_alone():
    module = at_stage(search(), "teacher")
    x, y = batch()
    module.training_step({"train": (x, y), "val": None}, 0)
    found = gradients(module)
    module.zero_grad()
    (run(module.model, TEACHER, x) - y).square().mean().backward()
    expected = gradients(module)
    assert (
        found.keys()
        == expected.keys()
        == {f"layers.{i}.dear.0.{kind}" for i in range(3) for kind in ("weight", "bias")} | {"last.weight", "last.bias"}
    )
    assert all(torch.allclose(found[name], expected[name], atol=1e-7) for name in found)


def test_distillation_teaches_every_other_candidate_its_place():
    """The step's gradient equals that of one choice of inputs, from the teacher's path or a random one."""
    module = at_stage(search(), "distillation")
    drawn = {"a": "cheap", "b": "cheap", "c": "dear"}
    module._fair.draw = lambda: drawn
    x, y = batch()
    module.training_step({"train": (x, y), "val": None}, 0)
    found = gradients(module)
    assert {name.split(".")[2] for name in found} == {"cheap", "mid"}

    def inputs(path):
        states, state = [], x
        for layer in module.model.layers:
            states.append(state)
            state = layer[path[layer.label]](state)
        return states

    with torch.no_grad():
        own, other = inputs(TEACHER), inputs(drawn)
        targets = [layer["dear"](state) for layer, state in zip(module.model.layers, own, strict=True)]
    for i, (layer, target) in enumerate(zip(module.model.layers, targets, strict=True)):
        ways = []
        for state in (own[i], other[i]):
            module.zero_grad()
            others = [layer[name](state) for name in layer.names if name != "dear"]
            sum((output - target).square().mean() / target.var() for output in others).backward()
            ways.append(gradients(module))
        assert any(all(torch.allclose(found[name], way[name], atol=1e-6) for name in way) for way in ways)


def expected_sandwich(module, groups, x, y):
    """Compute the gradients of the sandwich's objective path by path, by hand."""
    module.zero_grad()
    output = run(module.model, TEACHER, x)
    soft = output.detach()
    total = (output - y).square().mean()
    for group in groups:
        for path in group:
            output = run(module.model, path, x)
            total = total + (0.5 * (output - y).square().mean() + 0.5 * (output - soft).abs().mean()) / len(group)
    total.backward()
    return gradients(module)


class Loose(Line):
    """The same network, but not a :class:`Chain`."""

    begin = advance = end = property()


@pytest.mark.parametrize("space", [Line, Loose])
def test_the_sandwich_has_the_gradient_of_its_paths(space):
    module = at_stage(search(space()), "sandwich")
    assert isinstance(module.model, LayerSequence) == (space is Line)
    first, second = {"a": "mid", "b": "cheap", "c": "cheap"}, {"a": "cheap", "b": "dear", "c": "dear"}
    groups = [[first, first | {"c": "dear"}], [second]]
    module._draw_students = lambda: groups
    x, y = batch()
    module.training_step({"train": (x, y), "val": None}, 0)
    found, expected = gradients(module), expected_sandwich(module, groups, x, y)
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in found)


def test_the_sandwichs_mean_gradient_is_that_of_all_paths():
    """Over many draws, all paths are equally frequent, except the fastest, which has a quarter of the last path's steps."""
    module = at_stage(search(paths=1, branches=1), "sandwich")
    x, y = batch()
    every = [dict(zip(NAMES, names, strict=True)) for names in itertools.product(*NAMES.values())]
    each = [expected_sandwich(module, [[path]], x, y) for path in every]
    zero = {name: torch.zeros_like(own) for name, own in module.model.named_parameters() if "alpha" not in name}
    weights = [0.75 / 12 + 0.25 * (path == module.fastest) for path in every]
    expected = {
        name: sum(weight * own.get(name, zero[name]) for weight, own in zip(weights, each, strict=True)) for name in zero
    }
    drawn, found = 3000, {name: tensor.clone() for name, tensor in zero.items()}
    for _ in range(drawn):
        ((path,),) = module._draw_students()
        for name, gradient in each[every.index(path)].items():
            found[name] += gradient / drawn
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, atol=0.1 * float(tensor.abs().max()) + 1e-6), name


def test_all_paths_of_a_step_see_the_same_random_numbers():
    module = at_stage(search(Loose(), jitter=1.0), "sandwich")
    seen, forward = [], module._forward
    module._forward = lambda x: seen.append(x.clone()) or forward(x)
    module._draw_students = lambda: [[TEACHER], [module.fastest]]
    for step in range(2):
        module.training_step({"train": batch(), "val": None}, step)
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[3])  # the next step has other random numbers


def test_only_the_logits_learn_in_the_last_stage():
    module = at_stage(search(), "logits")
    before = copy.deepcopy(dict(module.model.state_dict()))
    x, y = batch()
    torch.manual_seed(1)
    module.training_step({"train": None, "val": (x, y)}, 0)
    assert all("alpha" in name for name in gradients(module))
    # the same objective, differentiated by hand: a mixture with the same sample, times the latency factor
    torch.manual_seed(1)
    logits = {label: torch.zeros(len(names), requires_grad=True) for label, names in NAMES.items()}
    sample = {label: nn.functional.gumbel_softmax(row, tau=5.0) for label, row in logits.items()}
    state = x
    for layer in module.model.layers:
        state = sum(weight * layer[name](state) for weight, name in zip(sample[layer.label], layer.names, strict=True))
    us = 2.0 + sum((sample[label] * torch.tensor(list(row.values()))).sum() for label, row in COSTS.items())
    ((module.model.last(state) - y).square().mean() * 0.25 * us.log() ** 0.8).backward()
    for label, layer in module.layers().items():
        assert torch.allclose(layer._arch_alpha.grad, logits[label].grad, atol=1e-6)
    for name, tensor in module.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


# --- spaces that are not a chain, and faults -----------------------------------------------------------------------------


class Twice(Line):
    """A network that runs its first layer twice."""

    begin = advance = end = property()

    def forward(self, x):
        return super().forward(self.layers[0](x))


def test_a_space_that_is_no_chain_does_without_distillation_and_says_so(caplog):
    module = at_stage(search(Twice()), "distillation")
    ran = []
    module._steps["sandwich"] = lambda batch, batch_idx: ran.append(batch_idx)
    for step in range(2):
        module.training_step({"train": batch(), "val": None}, step)
    assert ran == [0, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "layer 'a' runs 2 times on a path: the space is not a chain of layers, so the sandwich replaces block-wise distillation"
    ]
