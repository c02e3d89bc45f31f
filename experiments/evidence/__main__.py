"""Run the experiment: ``python -m fbnet_pfld.experiments.evidence subnets --data-root DATA``, and so on."""

from ..quiet import quieten

quieten()

import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated  # noqa: E402

import typer  # noqa: E402

from ...evaluators import BEST, LandmarkDataset, evaluate  # noqa: E402
from ...latency import LookupTable  # noqa: E402
from ...search_space import Architecture, PfldSpace, count  # noqa: E402
from ..config import Config  # noqa: E402
from ..finetune import finetune_network  # noqa: E402
from .records import Records  # noqa: E402
from .sample import sample  # noqa: E402

EPOCHS = 20
"""Of every training from scratch and every finetuning here."""

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, help=__doc__)
DataRoot = Annotated[Path, typer.Option(help="Data set in the 106points layout.")]
Results = Annotated[Path, typer.Option(help="Folder of the CSV files.")]
RESULTS = Path(__file__).parent


def train(config: Config, data_root: Path, architecture: Architecture, seed: int, supernet: Path | None = None) -> dict:
    """Train a subnet by the common recipe; its NME in percent on held-out training data and on the test set."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = config.override({"finetune__epochs": EPOCHS}, "evidence")
        best = finetune_network(settings, data_root, Path(folder), architecture, supernet, seed)
        network = best.build(Path(folder) / BEST)
    test = LandmarkDataset(data_root, "test", config.points, config.input_size)
    return {"held_out_nme": best.metrics["val_nme"], "test_nme": evaluate(network, test, config.eye_corners)["nme"],
            "seconds": round(time.perf_counter() - start, 1)}


@app.callback()
def main() -> None:
    """Train, score and compare subnets."""


@app.command()
def subnets(data_root: DataRoot, results: Results = RESULTS, seeds: int = 2) -> None:
    """Train the sample from scratch -> subnets.csv; goes on where it was stopped."""
    config = Config()
    space, table = PfldSpace(config.space), LookupTable.load(config.lut)
    records = Records(results / "subnets.csv", "subnet", "seed")
    for seed in range(seeds):
        for i, choices in enumerate(sample(table.cost(space))):
            if records.has(subnet=i, seed=seed):
                continue
            architecture = Architecture(space.spec, config.points, config.input_size, choices)
            parameters, macs = count(architecture.build(), config.input_size)
            figures = train(config, data_root, architecture, seed)
            records.add(subnet=i, seed=seed, **choices, us=round(table.latency_us(architecture), 1), macs=macs,
                        parameters=parameters, **figures)


if __name__ == "__main__":
    app()
