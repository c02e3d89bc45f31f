"""Run the experiment: ``python -m fbnet_pfld.experiments.studies.space_ablation train --name NAME --data-root DATA``.

``train`` trains the networks of :mod:`.ablations` with one recipe. ``costs`` counts them on the emulated core. ``report``
prints the table and draws the figure. ``train`` and ``costs`` write CSV files and resume where they were stopped.
"""

from ...pipeline.quiet import quieten

quieten()

from pathlib import Path  # noqa: E402
from typing import Annotated  # noqa: E402

import typer  # noqa: E402

from ....evaluators import FaceData  # noqa: E402
from ....search_space.errors import check_name  # noqa: E402
from ...pipeline.command import make_command, run  # noqa: E402
from ...pipeline.config import Config  # noqa: E402
from ..results import Records, digest  # noqa: E402
from ..study_options import ALL, DataRoot, Name, Only, Points, Results, Seeds  # noqa: E402
from .ablation_report import ablation_figure, ablation_table  # noqa: E402
from .ablation_training import cost_of, train_variant  # noqa: E402
from .ablations import ABLATIONS  # noqa: E402

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, help=__doc__)
Epochs = Annotated[int, typer.Option(help="Epochs of every training; some ceilings train for a multiple of them.")]
RESULTS = Path("runs/space_ablation")
"""Default folder of the CSV files."""


@app.command(cls=make_command({}))
def train(
    name: Name,
    data_root: DataRoot,
    points: Points = 106,
    epochs: Epochs = 10,
    seeds: Seeds = 2,
    only: Only = ALL,
    results: Results = RESULTS,
) -> None:
    """Train every network from scratch with one recipe -> trainings.csv."""
    records = Records(results / "trainings.csv", "data", "network", "epochs", "seed")
    for seed in range(seeds):
        for network in _chosen(only):
            ablation = ABLATIONS[network]
            size = ablation.variant.input_size
            settings = Config.load(None, points=points, input_size=size, finetune__epochs=epochs * ablation.longer)
            key = {"data": name, "network": network, "epochs": settings.finetune.epochs}
            setup = digest(repr(ablation.variant), settings.finetune.model_dump(mode="json"))
            records.check(setup=setup, **key)
            if not records.has(**key, seed=seed):
                found = train_variant(ablation.variant, FaceData(data_root, points, size), settings.finetune, seed)
                records.add(**key, seed=seed, setup=setup, **found)


@app.command(cls=make_command({}))
def costs(points: Points = 106, only: Only = ALL, results: Results = RESULTS) -> None:
    """Size, MACs, and latency on the emulated core of every network -> costs.csv."""
    records = Records(results / "costs.csv", "network")
    for network in _chosen(only):
        variant = ABLATIONS[network].variant
        setup = digest(repr(variant), points)
        records.check(setup=setup, network=network)
        if not records.has(network=network):
            records.add(network=network, setup=setup, **cost_of(variant, points))


@app.command(cls=make_command({}))
def report(results: Results = RESULTS) -> None:
    """Print the table; draw space_ablation.png."""
    trained, cost = (Records(results / f"{name}.csv").frame() for name in ("trainings", "costs"))
    table = ablation_table(trained, cost)
    print(table.to_string(index=False))
    ablation_figure(results / "space_ablation.png", table)


def _chosen(only: list[str]) -> list[str]:
    return [check_name(name, ABLATIONS) for name in only] or list(ABLATIONS)


if __name__ == "__main__":
    run(app)
