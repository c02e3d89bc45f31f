"""Subnets trained alone, each from scratch with one recipe: the ground truth for a supernet's scores.

Two seeds of each show how repeatable training itself is: no score can rank subnets better than their second training does.
"""

from collections.abc import Mapping
from pathlib import Path

from ....evaluators import FaceData
from ....latency import Cost, LookupTable
from ....search_space import Architecture, PfldSpace, count
from ...pipeline.config import Config
from ..results import Records, digest, train_and_test
from .sample import sample

EPOCHS = 10
"""Epochs of each training."""

RECIPE = {"finetune__epochs": EPOCHS, "finetune__augment": "geometry"}
"""The recipe of the accuracy experiment; all other settings have their defaults."""

BUDGETS: Mapping[str, tuple[float, ...]] = {
    "pfld": (2100.0, 2350.0, 2550.0),
    "pfld-wide": (1000.0, 1600.0, 2550.0),
}
"""Latency budgets of each space in microseconds, by :data:`LUT`."""

LUT = str(Path(__file__).parents[1] / "accuracy" / "layers-4t.csv")
"""The layer model's table, which gave the budgets and choices of the recorded results."""


def recipe_of(space: str) -> Config:
    """Return the settings for training subnets of a space alone."""
    return Config.load(None, space=space).override(RECIPE | {"lut": LUT}, "evidence")


def recipe_digest(config: Config, cost: Cost) -> str:
    """Return the ``setup`` of trainings with ``config``, for subnets with these latencies."""
    return digest(config.finetune.model_dump(mode="json"), cost.blocks_us, cost.fixed_us)


def train_alone(space: str, faces: FaceData, results: Path, seed: int) -> None:
    """Train the sample of a space with one seed -> alone.csv, a row per training; resume where it was stopped.

    Raises
    ------
    InputError
        If the file has rows of another recipe or table for this space.
    """
    config = recipe_of(space)
    table = LookupTable.load(config.lut)
    model = PfldSpace(config.space, config.points, config.input_size)
    cost = table.cost(model)
    setup = recipe_digest(config, cost)
    records = Records(results / "alone.csv", "space", "subnet", "seed")
    records.check(setup=setup, space=space)
    for i, choices in enumerate(sample(cost, BUDGETS[space])):
        if records.has(space=space, subnet=i, seed=seed):
            continue
        architecture = Architecture(model.spec, config.points, config.input_size, choices)
        parameters, macs = count(architecture.build(), config.input_size)
        figures = train_and_test(config, faces, architecture, seed)
        us = round(table.latency_us(architecture), 1)
        records.add(
            space=space,
            subnet=i,
            seed=seed,
            blocks=" ".join(choices.values()),
            us=us,
            macs=macs,
            parameters=parameters,
            setup=setup,
            **figures,
        )
