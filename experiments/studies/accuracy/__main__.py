"""Run the experiment, such as ``python -m fbnet_pfld.experiments.studies.accuracy recipe --name NAME --data-root DATA``.

``recipe`` trains one subnet with several recipes. ``networks`` trains several networks with one recipe. ``searched`` adds the
subnets that the evidence experiment searched and finetuned. ``costs`` measures size and latency of these networks.
``headline`` finetunes the supernets' choices for comparison with ``PfldLite``. ``over-time`` trains one subnet for several
numbers of epochs. ``report`` prints the tables and draws the figures. Each command writes CSV files and resumes where it was
stopped.
"""

from ...pipeline.quiet import quieten

quieten()

import json  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated  # noqa: E402

import pandas as pd  # noqa: E402
import torch  # noqa: E402
import typer  # noqa: E402

from ....evaluators import FaceData  # noqa: E402
from ....evaluators.training.training_options import INHERITED_RATE  # noqa: E402
from ....latency import LookupTable  # noqa: E402
from ....search_space import BASELINES, Architecture, InputError, PfldSpace, SpaceSpec  # noqa: E402
from ....search_space.errors import check_name  # noqa: E402
from ...deploy.candidate import TrainedNetwork  # noqa: E402
from ...pipeline.command import make_command, run  # noqa: E402
from ...pipeline.config import Config  # noqa: E402
from ..evidence.supernets import Supernet  # noqa: E402
from ..results import Records, digest, train_and_test  # noqa: E402
from ..study_options import ALL, DataRoot, Epochs, Name, Only, Points, Results, Seeds  # noqa: E402
from .accuracy_report import BASELINE, accuracy_figure, costs_table, networks_table, recipes_table  # noqa: E402
from .contenders import BASE, MEDIAN, RECIPES, contenders  # noqa: E402
from .costs import costs_of  # noqa: E402
from .headline import AIMS, finetune_headline, headline_table  # noqa: E402
from .over_time import STARTS, over_time_figure, over_time_table, take_recorded, train_over_time  # noqa: E402

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, help=__doc__)
Teacher = Annotated[Path | None, typer.Option(help="Checkpoint for the recipe with distillation.")]
ConfigFile = Annotated[Path, typer.Option(help="YAML config with the space, and the common recipe under finetune.")]
Finetuning = Annotated[Path, typer.Option(help="finetuning.csv of the evidence experiment.")]
Seed = Annotated[int, typer.Option(help="Seed of the supernet and of the training.")]
Lengths = Annotated[list[int], typer.Option("--length", help="Epochs; may be repeated.")]
Starts = Annotated[list[str], typer.Option(help=" or ".join(STARTS) + "; may be repeated.")]
Evidence = Annotated[Path, typer.Option(help="Folder of the evidence experiment's CSV files.")]
Work = Annotated[Path, typer.Option(help="Folder of the evidence experiment's supernets.")]
ALL_STARTS = list(STARTS)
"""A list, which Typer requires as the default of a repeatable option."""

RESULTS = Path("runs/accuracy")
"""Default folder of the CSV files."""

TABLES = ("snapdragon625-4t", "snapdragon625-1t", "snapdragon625-int8-4t", "snapdragon625-int8-1t")
"""Latency tables in ``costs.csv``."""

CONFIG = Path(__file__).parent / "config.yaml"
"""Default config."""

FINETUNING = Path("runs/evidence/finetuning.csv")
"""File with the evidence experiment's finetunings."""

WORK = Path("runs/evidence")
"""Folder of the evidence experiment's supernets."""

KEYS = ("data", "epochs", "network", "seed")
"""Columns that identify a training."""

SEARCHED = "searched, at most"
"""Prefix of the searched subnets' names; the budget follows."""


@app.command(cls=make_command({}))
def recipe(
    name: Name,
    data_root: DataRoot,
    points: Points = 106,
    epochs: Epochs = 6,
    seeds: Seeds = 2,
    teacher: Teacher = None,
    only: Only = ALL,
    results: Results = RESULTS,
) -> None:
    """Train the median subnet from scratch with every recipe -> recipe.csv; distillation only with a teacher."""
    if teacher is None and "distillation" in only:
        raise InputError("the recipe with distillation needs a teacher; give a checkpoint as --teacher")
    records = Records(results / "recipe.csv", "data", "epochs", "recipe", "seed")
    spec = SpaceSpec.load("pfld")
    network = Architecture.from_blocks(spec, points, 112, MEDIAN)
    faces = FaceData(data_root, points, 112)
    for seed in range(seeds):
        for arm, changes in RECIPES.items():
            if "distillation" in changes:
                if teacher is None:
                    continue
                changes = {**changes, "teacher": str(teacher)}
            if (only and arm not in only) or records.has(data=name, epochs=epochs, recipe=arm, seed=seed):
                continue
            changes = {f"finetune__{key}": value for key, value in {**BASE, **changes}.items()}
            settings = Config.load(None, points=points, finetune__epochs=epochs).override(changes, arm)
            records.add(data=name, epochs=epochs, recipe=arm, seed=seed, **train_and_test(settings, faces, network, seed))


@app.command(cls=make_command({}))
def networks(
    name: Name,
    data_root: DataRoot,
    points: Points = 106,
    epochs: Epochs = 10,
    seeds: Seeds = 3,
    config: ConfigFile = CONFIG,
    only: Only = ALL,
    results: Results = RESULTS,
) -> None:
    """Train every network from scratch with one recipe -> networks.csv."""
    records = Records(results / "networks.csv", *KEYS)
    settings = Config.load(config, points=points, finetune__epochs=epochs)
    faces = settings.faces(data_root)
    setup = digest(SpaceSpec.load(settings.space).to_dict(), settings.finetune.model_dump(mode="json"))
    for seed in range(seeds):
        for network, architecture in _contenders(settings).items():
            if only and network not in only:
                continue
            key = {"data": name, "epochs": epochs, "network": network}
            records.check(setup=setup, **key)
            if not records.has(**key, seed=seed):
                records.add(**key, seed=seed, setup=setup, **train_and_test(settings, faces, architecture, seed))


@app.command(cls=make_command({}))
def searched(
    name: Name,
    finetuning: Finetuning = FINETUNING,
    epochs: Epochs = 10,
    config: ConfigFile = CONFIG,
    results: Results = RESULTS,
) -> None:
    """Copy the subnets that the evidence experiment searched and finetuned into networks.csv."""
    records = Records(results / "networks.csv", *KEYS)
    settings = Config.load(config)
    wanted = {"space": settings.space, "method": "stages", "supernet_epochs": settings.search.total_epochs, "epochs": epochs}
    for row in Records(finetuning).frame().to_dict("records"):
        if any(row[column] != value for column, value in wanted.items()):
            continue
        key = {"data": name, "epochs": epochs, "network": f"{SEARCHED} {row['budget']:,.0f} us"}
        records.check(setup=row["setup"], **key)
        if not records.has(**key, seed=row["seed"]):
            figures = {column: row[column] for column in ("setup", "test_nme", "test_fr8", "test_auc8", "seconds", "blocks")}
            records.add(**key, seed=row["seed"], **figures)


@app.command(cls=make_command({}))
def costs(points: Points = 106, config: ConfigFile = CONFIG, results: Results = RESULTS) -> None:
    """Size, MACs, modelled latency and latency on this machine of all networks, in one run -> costs.csv.

    A searched subnet differs from seed to seed, so its figures are means.
    """
    settings = Config.load(config, points=points)
    # name and seed -> network: the compared networks, and the searched ones
    networks: dict[tuple[str, int], Architecture | str] = {(name, 0): each for name, each in _contenders(settings).items()}
    spec = SpaceSpec.load(settings.space)
    for row in Records(results / "networks.csv").frame().query(f"network.str.startswith('{SEARCHED}')").to_dict("records"):
        networks[row["network"], row["seed"]] = Architecture.from_blocks(
            spec, points, settings.input_size, row["blocks"].split()
        )
    candidates = {}
    for (name, seed), network in networks.items():
        torch.manual_seed(0)
        if isinstance(network, str):
            candidate = TrainedNetwork(BASELINES[network](points, settings.input_size))
        else:
            candidate = TrainedNetwork(network.build(), network)
        candidates[f"{name}, seed {seed}"] = candidate
    # measure them in one run, and take the means over the seeds
    rows = pd.DataFrame(costs_of(candidates, [LookupTable.load(table) for table in TABLES]).values())
    means = rows.groupby([name for name, _ in networks], sort=False).mean().rename_axis("network").reset_index()
    Records(results / "costs.csv", "network").replace(means.round(1).to_dict("records"))


@app.command(cls=make_command({}))
def headline(
    name: Name,
    data_root: DataRoot,
    epochs: Epochs = 20,
    seed: Seed = 0,
    config: ConfigFile = CONFIG,
    only: Only = ALL,
    results: Results = RESULTS,
    work: Work = WORK,
) -> None:
    """Finetune the choice of the evidence experiment's supernet for each aim -> headline.csv."""
    settings = Config.load(config, finetune__epochs=epochs, finetune__learning_rate=INHERITED_RATE)
    supernet = Supernet(settings.space, "stages", seed, None, work)
    trained = Records(results / "networks.csv").frame()
    to_reach = trained[(trained.data == name) & (trained.network == BASELINE)].groupby("epochs").test_nme.mean().iloc[0]
    for aim in AIMS:
        if not only or aim in only:
            finetune_headline(name, settings.faces(data_root), supernet, settings, aim, to_reach, results)


@app.command(cls=make_command({}))
def over_time(
    name: Name,
    data_root: DataRoot,
    length: Lengths,
    start: Starts = ALL_STARTS,
    seed: Seed = 0,
    config: ConfigFile = CONFIG,
    results: Results = RESULTS,
    evidence: Evidence = WORK,
    work: Work = WORK,
) -> None:
    """Train the searched subnet for several lengths, from scratch and from the supernet of seed 0 -> over_time.csv.

    Trainings of the evidence experiment are reused.
    """
    for each in start:
        check_name(each, STARTS)
    settings = Config.load(config)
    supernet = Supernet(settings.space, "stages", 0, None, work)
    faces = settings.faces(data_root)
    take_recorded(name, supernet, evidence, results)
    for each in start:
        for epochs in length:
            train_over_time(name, faces, supernet, settings, each, epochs, seed, results)


@app.command(cls=make_command({}))
def report(results: Results = RESULTS) -> None:
    """Print the tables; draw accuracy.png, and over_time.png if over_time.csv exists."""
    recipes, trained, cost = (Records(results / f"{name}.csv").frame() for name in ("recipe", "networks", "costs"))
    tables = {"recipes": recipes_table(recipes), "networks": networks_table(trained, cost), "costs": costs_table(cost)}
    accuracy_figure(results / "accuracy.png", trained, cost)
    # optional files
    if (results / "headline.csv").exists():
        tables["headline"] = headline_table(Records(results / "headline.csv").frame(), trained)
    if (results / "over_time.csv").exists():
        tables["over_time"] = over_time_table(Records(results / "over_time.csv").frame(), trained)
        over_time_figure(results / "over_time.png", tables["over_time"])
    for title, table in tables.items():
        print(f"{title}\n{table.to_string(index=False)}\n")
    print(json.dumps({title: table.to_dict("records") for title, table in tables.items() if title != "costs"}))


def _contenders(settings: Config) -> dict[str, Architecture | str]:
    space = PfldSpace(settings.space, settings.points, settings.input_size)
    return contenders(space, LookupTable.load(settings.lut).cost(space))


if __name__ == "__main__":
    run(app)
