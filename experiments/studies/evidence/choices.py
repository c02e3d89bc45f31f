"""Choices of a supernet within latency budgets, and the NME of these choices after training alone."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ....evaluators import Checkpoint, FaceData
from ....search_space import Architecture
from ....strategies import cost_of, decode, evolve
from ...pipeline.scoring import FACES, Scorer
from ...pipeline.supernet_search import search_supernet
from ..results import Records, digest, train_and_test
from .alone import BUDGETS, recipe_digest, recipe_of
from .supernets import KEYS, Rater, Supernet

EVALUATIONS = 2_000
"""Number of subnets scored to find the front."""

SEEDS = (0, 1)
"""Seeds for training the choices alone, the same as for the sample."""

Chooser = Callable[[Supernet, FaceData, float], Architecture]


def gumbel(supernet: Supernet, faces: FaceData, budget: float) -> Architecture:
    """The choice of logits that are trained for the budget, with the supernet's weights unchanged."""
    epochs = max(1, supernet.config.search.lengths["logits"])
    config = supernet.config.override({"search__epochs": epochs, "search__target_us": budget}, "evidence")
    folder = supernet.folder / f"gumbel-{budget:g}"
    chosen = search_supernet(config, faces, folder, supernet.seed, supernet=supernet.checkpoint)
    return supernet.architecture(tuple(chosen.choices.values()))


def decoded(supernet: Supernet, faces: FaceData, budget: float) -> Architecture:
    """The subnet within the budget with the highest sum of logits, which were trained together with the weights."""
    logits = _scorer(supernet, faces).logits
    return supernet.architecture(tuple(decode(logits, supernet.cost, budget).values()))


def on_front(supernet: Supernet, faces: FaceData, budget: float) -> Architecture:
    """The subnet with the lowest score within the budget that an evolution has found."""
    score = _scorer(supernet, faces)
    found = evolve(score, score.logits, supernet.cost, EVALUATIONS, supernet.seed)  # scores are kept, so repeating it is quick
    _, subnet = min((nme, subnet) for subnet, nme in found.items() if cost_of(supernet.cost, subnet) <= budget)
    return supernet.architecture(subnet)


CHOOSERS: Mapping[str, Mapping[str, Chooser]] = {
    "stages": {"gumbel": gumbel, "front": on_front},
    "reference": {"decoded": decoded, "front": on_front},
}
"""Method -> name -> function that chooses a subnet of such a supernet within a budget."""


def train_choices(supernet: Supernet, faces: FaceData, results: Path) -> None:
    """Train a supernet's choices within each budget alone -> choices.csv, a row per training.

    Raises
    ------
    InputError
        If the supernet is not trained, or the file has rows of this supernet with other settings.
    """
    key, recipe = supernet.key, recipe_of(supernet.space)
    setup = digest(supernet.setup, recipe_digest(recipe, supernet.cost), EVALUATIONS, FACES)
    records = Records(results / "choices.csv", *KEYS, "budget", "choice", "training_seed")
    records.check(setup=setup, **key)
    for budget in BUDGETS[supernet.space]:
        for choice, choose in CHOOSERS[supernet.method].items():
            of_choice = {**key, "budget": budget, "choice": choice}
            missing = [seed for seed in SEEDS if not records.has(**of_choice, training_seed=seed)]
            if not missing:
                continue
            chosen = choose(supernet, faces, budget)
            figures = Rater(supernet, faces)(chosen)
            for seed in missing:
                trained = train_and_test(recipe, faces, chosen, seed)
                records.add(
                    **of_choice,
                    training_seed=seed,
                    setup=setup,
                    blocks=" ".join(chosen.choices.values()),
                    us=chosen.us,
                    **figures,
                    alone_nme=trained["test_nme"],
                    seconds=trained["seconds"],
                )


def _scorer(supernet: Supernet, faces: FaceData) -> Scorer:
    """Return a scorer of subnets, as a search uses it."""
    return Scorer(Checkpoint.load(supernet.checkpoint), faces, supernet.config, supernet.seed, FACES, supernet.folder)
