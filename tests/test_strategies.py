"""The strategy on tiny spaces unrelated to landmarks: gradients compared with closed forms, searches with known optima."""

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.mutable import MutableExpression
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.oneshot.pytorch.profiler import ExpectationProfilerPenalty
from nni.nas.profiler import ExpressionProfiler
from torch import nn
from torch.utils.data import TensorDataset

from fbnet_pfld.search_space import InputError
from fbnet_pfld.strategies import FBNet, LatencyTerm, MixtureModule, run_search

COSTS = {"a": {"cheap": 1.0, "mid": 3.0, "dear": 9.0}, "b": {"cheap": 2.0, "dear": 5.0}}
COST = SimpleNamespace(fixed_us=2.0, blocks_us=COSTS)
NAMES = {label: list(row) for label, row in COSTS.items()}


class Space(ModelSpace):
    """Two labels, of which the second is used twice."""

    def __init__(self):
        super().__init__()
        self.first = LayerChoice({name: nn.Linear(4, 4) for name in COSTS["a"]}, label="a")
        self.second = LayerChoice({name: nn.Linear(4, 4) for name in COSTS["b"]}, label="b")
        self.third = LayerChoice({name: nn.Linear(4, 4) for name in COSTS["b"]}, label="b")
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.third(torch.relu(self.second(torch.relu(self.first(x))))))


def supernet(**options):
    strategy = FBNet(COST, **options)
    space = strategy.mutate_model(Space())
    module = MixtureModule(SimpleNamespaceModule(space), strategy._term, 5.0, 0.9, 0, 0.01, 0.0, None)
    return strategy, space, module


class SimpleNamespaceModule(nn.Module):
    """Stand-in for a Lightning module that holds the model."""

    def __init__(self, model):
        super().__init__()
        self.model = model


def evaluator(epochs=2, folder=None, **options):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=generator)
    data = TensorDataset(x, (x[:, 0] > 0).long())
    return Classification(
        num_classes=2,
        learning_rate=0.01,
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        train_dataloaders=DataLoader(data, batch_size=16),
        val_dataloaders=DataLoader(data, batch_size=16),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


class TableProfiler(ExpressionProfiler):
    """The latencies of this file in the form that NNI's own penalty expects."""

    def __init__(self, space):
        super().__init__(space)
        mutables = space.simplify()
        first, second = (MutableExpression.switch_case(mutables[label], row) for label, row in COSTS.items())
        self.expression = first + second


def softmax_gradient(logits, values):
    """Closed form of d(sum p v)/d logits = p * (v - sum p v)."""
    p = torch.softmax(logits, -1)
    return p * (values - (p * values).sum())


@settings(deadline=None)
@given(
    st.lists(st.floats(-3, 3), min_size=5, max_size=5), st.sampled_from(["mul", "add"]), st.floats(0.1, 2), st.floats(0.2, 2)
)
def test_gradient_of_the_latency_term_equals_the_closed_form(values, mode, alpha, beta):
    logits = {
        "a": torch.tensor(values[:3], dtype=torch.float64, requires_grad=True),
        "b": torch.tensor(values[3:], dtype=torch.float64, requires_grad=True),
    }
    term = LatencyTerm(COST, NAMES, mode, alpha, beta)
    weights = {label: torch.softmax(row, -1) for label, row in logits.items()}
    loss = torch.tensor(0.7, dtype=torch.float64)
    term(loss, weights).backward()
    cost = 2.0 + sum(
        p * us for label, row in weights.items() for p, us in zip(row.tolist(), COSTS[label].values(), strict=True)
    )
    outer = 0.7 * alpha * beta * math.log(cost) ** (beta - 1) / cost if mode == "mul" else alpha * beta * cost ** (beta - 1)
    for label, row in logits.items():
        table = torch.tensor(list(COSTS[label].values()), dtype=torch.float64)
        assert torch.allclose(row.grad, outer * softmax_gradient(row.detach(), table), rtol=1e-6, atol=1e-12)


def test_latency_alone_moves_probability_to_cheaper_blocks_through_the_gumbel_sample():
    torch.manual_seed(0)
    _, space, module = supernet()
    optimizer = torch.optim.Adam(module.arch_parameters(), 0.05)
    before = module.export_probs()
    for _ in range(300):
        optimizer.zero_grad()
        module.term(torch.tensor(1.0), module.resample()).backward()
        optimizer.step()
    after = module.export_probs()
    assert all(after[label]["cheap"] > 0.8 > before[label]["cheap"] for label in COSTS)
    assert module.export() == {"a": "cheap", "b": "cheap"}


def test_same_check_fails_on_the_penalty_that_nni_ships():
    """NNI 3.0 hands its penalty probabilities as Python floats (``export_probs`` ends in ``tolist``): the penalty carries no
    gradient to the logits, so the check above cannot pass with it. Therefore the package has its own latency term."""
    space = Space()
    penalty = ExpectationProfilerPenalty(TableProfiler(space), baseline=5.0)
    _, _, module = supernet()
    objective, details = penalty(torch.tensor(1.0, requires_grad=True) * 1.0, module.export_probs())
    assert isinstance(details["penalty"], float)
    assert details["penalty"] != 0.0
    gradients = torch.autograd.grad(objective, module.arch_parameters(), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


def test_forward_and_latency_see_the_same_sample_and_shared_labels_one_choice():
    _, space, module = supernet()
    weights = module.resample()
    assert set(weights) == {"a", "b"}
    assert space.second.sample is weights["b"] is space.third.sample
    assert len(module.arch_parameters()) == 2
    x = torch.rand(3, 4)
    by_hand = sum(w * space.first[name](x) for w, name in zip(weights["a"], space.first.names, strict=True))
    assert torch.allclose(space.first(x), by_hand, atol=1e-6)
    again = module.resample()
    assert not torch.equal(again["a"], weights["a"])


def test_eval_mode_weighs_without_noise_and_becomes_the_frozen_choice_when_that_is_certain():
    _, space, module = supernet()
    space.eval()
    x = torch.rand(5, 4)
    with torch.no_grad():
        space.first._arch_alpha.copy_(torch.tensor([0.3, -1.2, 2.0]))
    space.first.temperature = 2.0
    p = torch.softmax(space.first._arch_alpha / 2, -1)
    by_hand = sum(w * space.first[name](x) for w, name in zip(p, space.first.names, strict=True))
    assert torch.allclose(space.first(x), by_hand, atol=1e-6)
    with torch.no_grad():
        for i, logits in enumerate(module.arch_parameters()):
            logits[i] = 100.0
    assert module.export() == {"a": "cheap", "b": "dear"}
    assert torch.allclose(space(x), space.freeze(module.export()).eval()(x), atol=1e-6)


def test_warm_up_leaves_the_logits_alone_and_the_temperature_falls_after_it():
    strategy = FBNet(COST, warmup_epochs=2, anneal=0.5)
    run_search(Space(), evaluator(2), strategy)
    module = strategy.oneshot_module
    assert all(torch.equal(p, p[:1].expand(len(p))) or float(p.detach().abs().max()) < 0.01 for p in module.arch_parameters())
    assert [module.temperature(epoch) for epoch in range(5)] == [5.0, 5.0, 5.0, 2.5, 1.25]


def test_search_finds_the_fastest_when_only_latency_counts():
    torch.manual_seed(0)
    strategy = FBNet(COST, mode="add", alpha=100.0, beta=1.0, warmup_epochs=0, arc_learning_rate=0.1)
    assert run_search(Space(), evaluator(10), strategy) == {"a": "cheap", "b": "cheap"}


def test_search_keeps_what_the_task_needs():
    class Needs(ModelSpace):
        def __init__(self):
            super().__init__()
            self.choice = LayerChoice({"blind": Blind(), "seeing": nn.Linear(4, 2)}, label="a")

        def forward(self, x):
            return self.choice(x)

    class Blind(nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 2)

    torch.manual_seed(0)
    cost = SimpleNamespace(fixed_us=10.0, blocks_us={"a": {"blind": 1.0, "seeing": 2.0}})
    assert run_search(Needs(), evaluator(15), FBNet(cost, warmup_epochs=1, arc_learning_rate=0.1)) == {"a": "seeing"}


def test_a_loss_that_is_not_finite_is_an_error_that_names_epoch_and_step():
    class Broken(Space):
        def forward(self, x):
            return super().forward(x) * float("nan")

    with pytest.raises(FloatingPointError, match="epoch 0, step 0"):
        run_search(Broken(), evaluator(1), FBNet(COST))


@pytest.mark.parametrize(
    ("cost", "mode", "message"),
    [
        ({"a": COSTS["a"]}, "mul", "layer 'b' is only in the search space"),
        ({**COSTS, "c": {}}, "mul", "layer 'c' is only in the latency table"),
        ({**COSTS, "a": {"cheap": 1.0}}, "mul", "no latency for block 'mid' of layer 'a'"),
        ({**COSTS, "b": {"cheap": math.nan, "dear": 1.0}}, "mul", "latency of block 'cheap' of layer 'b' is nan"),
        (COSTS, "max", "unknown mode 'max' of the latency term; allowed: add, mul"),
    ],
)
def test_faults_of_a_cost_are_named(cost, mode, message):
    with pytest.raises(InputError, match=message):
        FBNet(SimpleNamespace(fixed_us=1.0, blocks_us=cost), mode=mode).mutate_model(Space())


def test_a_cost_of_one_microsecond_is_refused_where_its_logarithm_is_needed():
    tiny = SimpleNamespace(fixed_us=0.0, blocks_us={label: dict.fromkeys(row, 0.1) for label, row in COSTS.items()})
    with pytest.raises(InputError, match="more than 1 us"):
        LatencyTerm(tiny, NAMES, "mul")
