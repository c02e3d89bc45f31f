"""Run the comparison, such as ``python -m fbnet_pfld.experiments.studies.peers train --name NAME --data-root DATA``.

``train`` trains peers from scratch at several learning rates. ``baselines`` copies the accuracy experiment's trainings.
``ours`` trains the subnets that a supernet chooses. ``costs`` measures size and latency of all networks. ``report`` prints the
table and draws the figure. Each command writes CSV files and resumes where it was stopped. ``costs`` needs the emulator and the
extra ``deploy``.
"""

from ...pipeline.quiet import quieten

quieten()

import json  # noqa: E402
from collections.abc import Iterable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated, Any, TypeVar  # noqa: E402

import pandas as pd  # noqa: E402
import typer  # noqa: E402
from rich.progress import track as progress  # noqa: E402

from ....evaluators import Checkpoint  # noqa: E402
from ....search_space.errors import check_name  # noqa: E402
from ...pipeline.command import make_command, run  # noqa: E402
from ...pipeline.config import Config  # noqa: E402
from ..results import Records  # noqa: E402
from ..study_options import ALL, DataRoot, Epochs, Name, Only, Points, Results, Seeds  # noqa: E402
from .our_front import train_ours  # noqa: E402
from .peer_costs import costs_of, networks_of  # noqa: E402
from .peer_networks import PEERS  # noqa: E402
from .peer_trainings import KEYS, take_baselines, train_peers  # noqa: E402
from .peers_figure import peers_figure  # noqa: E402
from .peers_report import compare, of_ours, summarise  # noqa: E402

T = TypeVar("T")
app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, help=__doc__)
Rates = Annotated[list[float], typer.Option("--rate", help="Peak learning rate for seed 0 to try; may be repeated.")]
Supernet = Annotated[Path, typer.Option(help="Checkpoint of a search with the same --seed.")]
Seed = Annotated[int, typer.Option(help="Seed of the search and of the trainings.")]
Budgets = Annotated[list[float], typer.Option("--budget", help="Latency budget in microseconds; may be repeated.")]
Networks = Annotated[Path, typer.Option(help="networks.csv of the accuracy experiment.")]
Space = Annotated[str, typer.Option(help="Search space of our subnets.")]
Work = Annotated[Path, typer.Option(help="Folder for fronts, files and counts.")]
RATES = [0.02, 0.007, 0.002]
"""Default learning rates of the peers."""

RESULTS = Path("runs/peers")
"""Default folder of the CSV files and of intermediate results."""

ACCURACY = Path(__file__).parents[1] / "accuracy"
"""Folder of the accuracy experiment, with its config and results."""

TRAININGS, COSTS = "trainings.csv", "costs.csv"
"""Result files."""

BUDGETS = [800.0, 900.0, 1100.0, 1400.0, 1800.0, 2300.0, 3000.0]
"""Default latency budgets of our front in microseconds."""

RECIPE: dict[str, Any] = {"finetune__augment": "geometry"}
"""Settings of all trainings that differ from the defaults."""


def track(items: Iterable[T], title: str, total: int | None = None) -> Iterable[T]:
    """Show progress."""
    return progress(items, title, total)


@app.command(cls=make_command({}))
def train(
    name: Name,
    data_root: DataRoot,
    points: Points = 106,
    epochs: Epochs = 10,
    seeds: Seeds = 1,
    rate: Rates = RATES,
    only: Only = ALL,
    results: Results = RESULTS,
) -> None:
    """Train peers from scratch, seed 0 at several learning rates, further seeds at the best one -> trainings.csv."""
    networks = [check_name(each, PEERS) for each in only or PEERS]
    config = Config.load(None, points=points, finetune__epochs=epochs, **RECIPE)
    records = Records(results / TRAININGS, *KEYS)
    train_peers(config, name, config.faces(data_root), networks, rate, seeds, records)


@app.command(cls=make_command({}))
def baselines(name: Name, networks: Networks = ACCURACY / "networks.csv", results: Results = RESULTS) -> None:
    """Copy the accuracy experiment's trainings of the baselines, with the same recipe -> trainings.csv."""
    config = Config.load(ACCURACY / "config.yaml")
    take_baselines(Records(networks).frame(), config, name, Records(results / TRAININGS, *KEYS))


@app.command(cls=make_command({}))
def ours(
    name: Name,
    data_root: DataRoot,
    supernet: Supernet,
    seed: Seed = 0,
    epochs: Epochs = 10,
    budget: Budgets = BUDGETS,
    results: Results = RESULTS,
    work: Work = RESULTS,
) -> None:
    """Train a supernet's choices within latency budgets, from its weights and from scratch, with its seed -> trainings.csv."""
    trained = Checkpoint.load(supernet)
    sizes = {"points": trained.num_points, "input_size": trained.input_size}
    config = Config.load(None, finetune__epochs=epochs, **sizes, **RECIPE)
    records = Records(results / TRAININGS, *KEYS)
    train_ours(config, name, config.faces(data_root), supernet, seed, budget, records, work / f"front-{seed}", track)


@app.command(cls=make_command({}))
def costs(points: Points = 106, space: Space = "pfld-wide", results: Results = RESULTS, work: Work = RESULTS) -> None:
    """Size, MACs, and latency on the emulated Snapdragon 625 and on this machine, for all trained networks -> costs.csv."""
    config = Config.load(None, points=points)
    trainings = Records(results / TRAININGS).frame()
    networks = networks_of(trainings, config.points, config.input_size, space)
    Records(results / COSTS).replace(costs_of(networks, config.input_size, work / "files", track))


@app.command(cls=make_command({}))
def report(results: Results = RESULTS) -> None:
    """Print every peer compared with our front; draw peers.png."""
    trainings, cost = (Records(results / file).frame() for file in (TRAININGS, COSTS))
    summary = summarise(trainings, cost)
    table = compare(summary)
    print(f"our front\n{of_ours(summary).to_string(index=False)}\n\npeers\n{table.to_string(index=False)}\n")
    peers_figure(results / "peers.png", summary)
    print(json.dumps({"ours": rows(of_ours(summary)), "peers": rows(table)}))


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table for JSON, without missing values."""
    return [{str(name): value for name, value in row.items() if not pd.isna(value)} for row in table.to_dict("records")]


if __name__ == "__main__":
    run(app)
