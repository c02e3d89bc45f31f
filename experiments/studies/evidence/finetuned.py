"""Finetune subnets of a supernet: its choices for several numbers of epochs, and the sample that is trained alone."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ....evaluators import FaceData
from ....search_space.counting import count_parameters
from ...pipeline.config import Config
from ...pipeline.scoring import FACES
from ..results import Records, digest, train_and_test
from .alone import EPOCHS, LUT
from .choices import EVALUATIONS, on_front
from .supernets import KEYS, Rater, Supernet, subnets_of

LENGTHS = (0, 3, 10, 30)
"""Compared numbers of finetuning epochs; 0 keeps the supernet's weights."""

RECIPE = {"finetune__learning_rate": 0.005, "finetune__augment": "geometry"}
"""The augmentation of the trainings alone; all else, including the learning rate, is the default for a supernet's weights."""

BUDGETS: Mapping[str, tuple[float, ...]] = {
    "pfld": (1950.0, 2100.0, 2350.0, 2550.0, 2700.0),
    "pfld-wide": (800.0, 1000.0, 1600.0, 2100.0, 2550.0),
}
"""Latency budgets of each space in microseconds, by the table :data:`~.alone.LUT`."""


def finetune_choices(supernet: Supernet, faces: FaceData, results: Path, lengths: Sequence[int] = LENGTHS) -> None:
    """Finetune the front's choice within each budget, from the supernet and with its seed -> finetuning.csv.

    Parameters
    ----------
    lengths
        Epochs of finetuning.

    Raises
    ------
    InputError
        If the supernet is not trained, or the file has rows of this supernet with other settings.
    """
    recipe = _recipe(supernet)
    setup = digest(supernet.setup, recipe.finetune.model_dump(mode="json"), EVALUATIONS, FACES)
    key = {"space": supernet.space, "method": supernet.method, "supernet_epochs": supernet.key["epochs"], "seed": supernet.seed}
    records = Records(results / "finetuning.csv", *key, "budget", "epochs")
    records.check(setup=setup, **key)
    for budget in BUDGETS[supernet.space]:
        missing = [epochs for epochs in lengths if not records.has(**key, budget=budget, epochs=epochs)]
        if not missing:
            continue
        chosen = on_front(supernet, faces, budget)
        parameters = count_parameters(chosen.build())
        for epochs in missing:
            start = time.perf_counter()
            if epochs:
                config = recipe.override({"finetune__epochs": epochs}, "evidence")
                figures = train_and_test(config, faces, chosen, supernet.seed, supernet.checkpoint)
            else:
                figures = Rater(supernet, faces)(chosen)
            tested = {name: value for name, value in figures.items() if name.startswith("test_")}
            records.add(
                **key,
                budget=budget,
                epochs=epochs,
                setup=setup,
                blocks=" ".join(chosen.choices.values()),
                us=chosen.us,
                parameters=parameters,
                **tested,
                seconds=round(time.perf_counter() - start, 1),
            )


def finetune_sample(supernet: Supernet, faces: FaceData, results: Path) -> None:
    """Finetune each subnet of the sample for the epochs of training alone, from the supernet and its seed -> inherited.csv.

    Raises
    ------
    InputError
        If the supernet is not trained, or the file has rows of this supernet with other settings.
    """
    recipe = _recipe(supernet).override({"finetune__epochs": EPOCHS}, "evidence")
    setup = digest(supernet.setup, recipe.finetune.model_dump(mode="json"))
    records = Records(results / "inherited.csv", *KEYS, "subnet")
    records.check(setup=setup, **supernet.key)
    for i, subnet in enumerate(subnets_of(supernet)["sample"]):
        if records.has(**supernet.key, subnet=i):
            continue
        chosen = supernet.architecture(tuple(subnet.values()))
        figures = train_and_test(recipe, faces, chosen, supernet.seed, supernet.checkpoint)
        records.add(**supernet.key, subnet=i, setup=setup, blocks=" ".join(subnet.values()), us=chosen.us, **figures)


def _recipe(supernet: Supernet) -> Config:
    return Config.load(None, space=supernet.space).override(RECIPE | {"lut": LUT}, "evidence")
