"""Run the experiment: ``python -m fbnet_pfld.experiments.accuracy recipe --name NAME --data-root DATA``, and so on.

``recipe`` trains one subnet by several recipes, ``networks`` several networks by one recipe, ``costs`` tells what these
networks cost, and ``report`` prints the tables and draws the picture. Each writes CSV files and goes on where it was stopped.
"""

from ..quiet import quieten

quieten()

import hashlib  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated  # noqa: E402

import pandas as pd  # noqa: E402
import torch  # noqa: E402
import typer  # noqa: E402

from ...latency import LookupTable  # noqa: E402
from ...search_space import BASELINES, Architecture, InputError, PfldSpace, SpaceSpec  # noqa: E402
from ..cli import run  # noqa: E402
from ..config import Config  # noqa: E402
from ..report import Candidate  # noqa: E402
from ..study import Records, train_and_test  # noqa: E402
from .contenders import BASE, MEDIAN, RECIPES, contenders  # noqa: E402
from .costs import costs_of  # noqa: E402
from .report import costs_table, networks_table, picture, recipes_table  # noqa: E402

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, help=__doc__)
Name = Annotated[str, typer.Option(help="What the results call the data set.")]
DataRoot = Annotated[Path, typer.Option(help="Data set in the 106points layout.")]
Points = Annotated[int, typer.Option(help="Its number of landmarks.")]
Epochs = Annotated[int, typer.Option(help="Of every training.")]
Seeds = Annotated[int, typer.Option(help="Seeds 0, 1, ...")]
Arch = Annotated[Path, typer.Option(help="Architecture file of the searched subnet.")]
Supernet = Annotated[Path | None, typer.Option(help="Also finetune the searched subnet with this supernet's weights.")]
Teacher = Annotated[Path | None, typer.Option(help="Checkpoint for the recipe with distillation.")]
ConfigFile = Annotated[Path | None, typer.Option(help="YAML config whose finetune settings are the common recipe.")]
Only = Annotated[list[str], typer.Option(help="Train these alone; may be repeated.")]
Results = Annotated[Path, typer.Option(help="Folder of the CSV files.")]
RESULTS = Path(__file__).parent
TABLES = ("snapdragon625-4t", "snapdragon625-1t")
INHERITED = "searched, supernet's weights"


@app.command()
def recipe(name: Name, data_root: DataRoot, points: Points = 106, epochs: Epochs = 6, seeds: Seeds = 2,
           teacher: Teacher = None, only: Only = (), results: Results = RESULTS) -> None:
    """Train the median subnet from scratch by every recipe -> recipe.csv; without a teacher, by all but the distillation."""
    if teacher is None and "distillation" in only:
        raise InputError("the recipe with distillation needs --teacher; allowed: a checkpoint")
    records = Records(results / "recipe.csv", "data", "epochs", "recipe", "seed")
    spec = SpaceSpec.load("pfld")
    network = Architecture(spec, points, 112, dict(zip(spec.labels, MEDIAN, strict=True)))
    for seed in range(seeds):
        for arm, changes in RECIPES.items():
            if "distillation" in changes:
                if teacher is None:
                    continue
                changes = {**changes, "teacher": str(teacher)}
            if (only and arm not in only) or records.has(data=name, epochs=epochs, recipe=arm, seed=seed):
                continue
            changes = {f"finetune__{key}": value for key, value in {**BASE, **changes}.items()}
            settings = _config(None, points, epochs).override(changes, arm)
            records.add(data=name, epochs=epochs, recipe=arm, seed=seed, **train_and_test(settings, data_root, network, seed))


@app.command()
def networks(name: Name, data_root: DataRoot, arch: Arch, points: Points = 106, epochs: Epochs = 10, seeds: Seeds = 3,
             supernet: Supernet = None, config: ConfigFile = None, only: Only = (), results: Results = RESULTS) -> None:
    """Train every network from scratch by the default recipe -> networks.csv.

    With other settings or another searched subnet in the same folder, only other data or epochs are allowed.
    """
    records = Records(results / "networks.csv", "data", "epochs", "network", "seed")
    searched = Architecture.load(arch)
    settings = _config(config, points, epochs)
    setup = _setup(searched, settings, supernet)
    records.check(setup=setup, data=name, epochs=epochs)
    for seed in range(seeds):
        runs = {contender: (network, None) for contender, network in _contenders(searched, seed).items()}
        if supernet is not None:
            runs[INHERITED] = (searched, supernet)
        for contender, (network, weights) in runs.items():
            if (only and contender not in only) or records.has(data=name, epochs=epochs, network=contender, seed=seed):
                continue
            figures = train_and_test(settings, data_root, network, seed, weights)
            records.add(data=name, epochs=epochs, network=contender, seed=seed, setup=setup, **figures)


@app.command()
def costs(arch: Arch, seeds: Seeds = 3, results: Results = RESULTS) -> None:
    """Size, MACs, modelled latency, and latency on this machine in one run, of the networks -> costs.csv.

    For the random subnets, another one for each seed, the means.
    """
    searched = Architecture.load(arch)
    candidates = {}
    for seed in range(seeds):
        for contender, network in _contenders(searched, seed).items():
            torch.manual_seed(0)
            if isinstance(network, str):
                candidates[contender] = Candidate(BASELINES[network](searched.num_points, searched.input_size))
            else:
                candidates[f"{contender} {seed}" if contender == "random" else contender] = Candidate(network.build(), network)
    rows = pd.DataFrame.from_dict(costs_of(candidates, [LookupTable.load(table) for table in TABLES]), orient="index")
    means = rows.groupby([name.split(" ")[0] for name in rows.index], sort=False).mean().rename_axis("network").reset_index()
    Records(results / "costs.csv", "network").replace(means.round(1).to_dict("records"))


@app.command()
def report(results: Results = RESULTS) -> None:
    """Print the tables; draw accuracy.png."""
    recipes, trained, cost = (Records(results / f"{name}.csv").frame() for name in ("recipe", "networks", "costs"))
    for title, table in (("recipes", recipes_table(recipes)), ("networks", networks_table(trained, cost)),
                         ("costs", costs_table(cost))):
        print(f"{title}\n{table.to_string(index=False)}\n")
    picture(results / "accuracy.png", trained, cost)
    print(json.dumps({"recipes": recipes_table(recipes).to_dict("records"),
                      "networks": networks_table(trained, cost).to_dict("records")}))


def _config(file: Path | None, points: int, epochs: int) -> Config:
    return Config.load(file, points=points, finetune__epochs=epochs)


def _contenders(searched: Architecture, seed: int) -> dict[str, Architecture | str]:
    space = PfldSpace(searched.space, searched.num_points, searched.input_size)
    return contenders(searched, LookupTable.load(TABLES[0]).cost(space), seed)


def _setup(searched: Architecture, settings: Config, supernet: Path | None) -> str:
    """A short name of what the results depend on beside data and epochs."""
    weights = hashlib.sha256(supernet.read_bytes()).hexdigest() if supernet else None
    text = json.dumps([searched.space.to_dict(), searched.choices, settings.finetune.model_dump(mode="json"), weights])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


if __name__ == "__main__":
    run(app)
