"""Run the experiment: ``python -m fbnet_pfld.experiments.evidence subnets --data-root DATA``, and so on.

The parts are ``subnets``, ``supernets``, ``blocks``, ``choices``, ``searches`` and ``report``. Each writes CSV files and goes
on where it was stopped; ``subnets`` and ``supernets`` may run side by side, the others need the supernets. ``alone`` trains
subnets by today's recipe, for any of the spaces in it, and needs none of these.
"""

from ..quiet import quieten

quieten()

import json  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import typer  # noqa: E402

from ...evaluators import BEST  # noqa: E402
from ...latency import LookupTable  # noqa: E402
from ...search_space import Architecture, PfldSpace, count  # noqa: E402
from ...search_space.inputs import check_name  # noqa: E402
from ...strategies import Subnet, cost_of, evolve  # noqa: E402
from ..cli import run  # noqa: E402
from ..config import Config  # noqa: E402
from ..scoring import FACES, Scorer  # noqa: E402
from ..search import ARCHITECTURE, search_supernet, with_latency  # noqa: E402
from ..study import Records, train_and_test  # noqa: E402
from .alone import BUDGETS as ALONE  # noqa: E402
from .alone import train_alone  # noqa: E402
from .report import correlations, picture, regrets, spreads, truth  # noqa: E402
from .sample import BUDGETS, sample  # noqa: E402

EPOCHS = 20
"""Of every training from scratch and every finetuning here."""

EVALUATIONS = 2_000
"""Subnets scored to choose one for each budget."""

AROUND = 8
"""Random subnets in which blocks are exchanged."""

CONFIG = Config(lut=str(Path(__file__).parent / "latency.csv")).override(
    {"finetune__batch_size": 64, "finetune__learning_rate": 2e-3, "finetune__loss": "l1", "finetune__augment": "geometry",
     "search__batch_size": 64, "search__learning_rate": 2e-3, "search__augment": "geometry"}, "evidence")
"""Table and recipe stay what they were, but for light that the augmentation changed as well: better ones would make another
sample, and the results another experiment's."""

REFERENCE = "reference"
SEARCHES = {
    REFERENCE: {"search__mode": "mul", "search__paths": "all"},
    "one_path": {"search__paths": "one", "search__epochs": 40, "search__warmup_epochs": 39},
}
"""Method -> settings of its supernet's training: the reference's own algorithm, and fair single paths for about as long."""

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, help=__doc__)
DataRoot = Annotated[Path, typer.Option(help="Data set in the 106points layout.")]
Results = Annotated[Path, typer.Option(help="Folder of the CSV files.")]
Work = Annotated[Path, typer.Option(help="Folder of the supernets.")]
Seeds = Annotated[int, typer.Option(help="Seeds 0, 1, ...")]
RESULTS, WORK = Path(__file__).parent, Path("runs/evidence")


def train(config: Config, data_root: Path, architecture: Architecture, seed: int, supernet: Path | None = None) -> dict:
    """Train a subnet by the common recipe; its NME in percent on held-out training data and on the test set."""
    figures = train_and_test(config.override({"finetune__epochs": EPOCHS}, "evidence"), data_root, architecture, seed, supernet)
    return {name: figures[name] for name in ("held_out_nme", "test_nme", "seconds")}


@app.command()
def subnets(data_root: DataRoot, results: Results = RESULTS, seeds: Seeds = 1) -> None:
    """Train the sample from scratch -> subnets.csv."""
    space, table = PfldSpace(CONFIG.space), LookupTable.load(CONFIG.lut)
    records = Records(results / "subnets.csv", "subnet", "seed")
    for seed in range(seeds):
        for i, choices in enumerate(sample(table.cost(space))):
            if records.has(subnet=i, seed=seed):
                continue
            architecture = Architecture(space.spec, CONFIG.points, CONFIG.input_size, choices)
            parameters, macs = count(architecture.build(), CONFIG.input_size)
            figures = train(CONFIG, data_root, architecture, seed)
            records.add(subnet=i, seed=seed, **choices, us=round(table.latency_us(architecture), 1), macs=macs,
                        parameters=parameters, **figures)


@app.command()
def alone(data_root: DataRoot, space: Annotated[str, typer.Option(help=" or ".join(ALONE))] = "pfld-wide",
          results: Results = RESULTS, seed: Annotated[int, typer.Option(help="Seed of the trainings.")] = 0) -> None:
    """Train a sample of a space by today's recipe and table, each subnet alone -> alone.csv."""
    train_alone(check_name(space, ALONE), data_root, results, seed)


@app.command()
def supernets(data_root: DataRoot, results: Results = RESULTS, work: Work = WORK, seeds: Seeds = 3) -> None:
    """Train a supernet by every method -> supernets.csv, and the NME of the sample's subnets with its weights -> scores.csv."""
    records, scores = Records(results / "supernets.csv", "method", "seed"), Records(results / "scores.csv", "method", "seed")
    cost = LookupTable.load(CONFIG.lut).cost(PfldSpace())
    for method, settings in SEARCHES.items():
        for seed in range(seeds):
            config, folder = CONFIG.override(settings, "evidence"), work / f"{method}-{seed}"
            if not records.has(method=method, seed=seed):
                start, start_cpu = time.perf_counter(), time.process_time()
                search_supernet(config, data_root, folder, seed)
                seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
                records.add(method=method, seed=seed, epochs=config.search.epochs, seconds=round(seconds, 1),
                            cpu_seconds=round(cpu_seconds, 1))
            if not scores.has(method=method, seed=seed):
                nmes = score_all(config, data_root, folder, seed, [tuple(choices.values()) for choices in sample(cost)])
                scores.extend([{"method": method, "seed": seed, "subnet": i, "nme": round(nme, 4)}
                               for i, nme in enumerate(nmes)])


def score_all(config: Config, data_root: Path, folder: Path, seed: int, subnets: list[Subnet]) -> list[float]:
    """NME of subnets in a supernet, on all faces that it has not learnt from."""
    with tempfile.TemporaryDirectory() as kept:
        return Scorer(folder / BEST, data_root, config, seed, 0, Path(kept))(subnets)


@app.command()
def blocks(data_root: DataRoot, results: Results = RESULTS, work: Work = WORK, seeds: Seeds = 3) -> None:
    """How far each block of a layer moves the NME in each supernet, on average over some random subnets -> blocks.csv."""
    records = Records(results / "blocks.csv", "method", "seed")
    names = PfldSpace().spec.candidates()
    for method, settings in SEARCHES.items():
        for seed in range(seeds):
            if records.has(method=method, seed=seed):
                continue
            rng = np.random.default_rng(seed)
            around = [tuple(str(rng.choice(row)) for row in names.values()) for _ in range(AROUND)]
            changed = [(label, block, [(*subnet[:i], block, *subnet[i + 1:]) for subnet in around])
                       for i, (label, row) in enumerate(names.items()) for block in row]
            nmes = score_all(CONFIG.override(settings, "evidence"), data_root, work / f"{method}-{seed}", seed,
                             [subnet for _, _, subnets in changed for subnet in subnets])
            means = np.reshape(nmes, (len(changed), AROUND)).mean(1)
            records.extend([{"method": method, "seed": seed, "layer": label, "block": block, "nme": round(float(mean), 4)}
                            for (label, block, _), mean in zip(changed, means, strict=True)])


@app.command()
def choices(data_root: DataRoot, results: Results = RESULTS, work: Work = WORK, seeds: Seeds = 3) -> None:
    """Let every supernet choose within each budget, train its choices from scratch -> choices.csv."""
    records = Records(results / "choices.csv", "method", "seed", "budget")
    for method in SEARCHES:
        for seed in range(seeds):
            missing = [budget for budget in BUDGETS if not records.has(method=method, seed=seed, budget=budget)]
            for budget, chosen in choose(method, data_root, work, seed, missing).items():
                records.add(method=method, seed=seed, budget=budget, **chosen.choices, us=chosen.latency["us"],
                            **chosen.metrics, **train(CONFIG, data_root, chosen, seed))


@app.command()
def searches(data_root: DataRoot, results: Results = RESULTS, work: Work = WORK, seeds: Seeds = 3) -> None:
    """Finetune what the reference's algorithm ends with, and what each supernet chooses within that latency -> searches.csv."""
    records = Records(results / "searches.csv", "choice", "seed")
    for seed in range(seeds):
        own = Architecture.load(work / f"{REFERENCE}-{seed}" / ARCHITECTURE)
        for choice, method in ((f"{REFERENCE}, argmax", REFERENCE), *((f"{method}, front", method) for method in SEARCHES)):
            if not records.has(choice=choice, seed=seed):
                within = own.latency["us"]
                chosen = own if "argmax" in choice else choose(method, data_root, work, seed, [within])[within]
                records.add(choice=choice, seed=seed, **chosen.choices, us=chosen.latency["us"],
                            **train(CONFIG, data_root, chosen, seed, work / f"{method}-{seed}" / BEST))


def choose(method: str, data_root: Path, work: Path, seed: int, budgets: list[float]) -> dict[float, Architecture]:
    """Per budget, the subnet with the lowest NME in a supernet of all within it that an evolution has come by."""
    if not budgets:
        return {}
    config, folder = CONFIG.override(SEARCHES[method], "evidence"), work / f"{method}-{seed}"
    table, scorer = LookupTable.load(config.lut), Scorer(folder / BEST, data_root, config, seed, FACES, folder)
    space, cost = scorer.space, table.cost(scorer.space)
    found = evolve(scorer, scorer.logits, cost, EVALUATIONS, seed)  # what it scores is kept beside the supernet
    chosen = {}
    for budget in budgets:
        nme, subnet = min((nme, subnet) for subnet, nme in found.items() if cost_of(cost, subnet) <= budget)
        architecture = Architecture(space.spec, space.num_points, space.input_size,
                                    dict(zip(space.spec.labels, subnet, strict=True)), metrics={"supernet_nme": nme})
        chosen[budget] = with_latency(architecture, table)
    return chosen


@app.command()
def report(results: Results = RESULTS) -> None:
    """Print what the results say; draw correlation.png."""
    frame = truth(pd.read_csv(results / "subnets.csv"))
    scores = pd.read_csv(results / "scores.csv")
    scores = scores[scores.subnet.isin(frame.index)]
    chosen = pd.read_csv(results / "choices.csv")
    found = correlations(scores, frame)
    left = regrets(chosen, frame)
    print(f"{len(frame)} subnets from scratch; Kendall tau with their NME on the test set")
    print(found.round(3).to_string(index=False))
    print("\nchoices within budgets, trained from scratch")
    print(left.round(2).to_string(index=False))
    print("\nthe reference's choice, and those of supernets within its latency, after the same finetuning")
    print(pd.read_csv(results / "searches.csv")[["choice", "seed", "us", "test_nme"]].round(2).to_string(index=False))
    print("\nspread (standard deviation) of the NME over the blocks of a layer, in points")
    print(spreads(pd.read_csv(results / "blocks.csv")).round(3).to_string())
    times = pd.read_csv(results / "supernets.csv")
    print("\nsupernets\n" + times.to_string(index=False))
    picture(results / "correlation.png", scores, frame)
    print(json.dumps({"correlations": found.round(4).to_dict("records"), "regrets": left.round(4).to_dict("records")}))


if __name__ == "__main__":
    run(app)
