"""Run the experiment: ``python -m fbnet_pfld.experiments.studies.few_labels train --name NAME --photos DATA --init FILE``.

``train`` trains the network of a checkpoint on few labelled faces, from scratch and from its weights. ``report`` prints the
table and draws the figure. Results are rows of a CSV file; ``train`` resumes where it was stopped.
"""

from ...pipeline.quiet import quieten

quieten()

from pathlib import Path  # noqa: E402
from typing import Annotated  # noqa: E402

import typer  # noqa: E402

from ....search_space.errors import check_name  # noqa: E402
from ...pipeline.command import make_command, run  # noqa: E402
from ...pipeline.config import Config  # noqa: E402
from ..results import Records  # noqa: E402
from ..study_options import Name, Seeds  # noqa: E402
from .few_labels_report import few_labels_figure, few_labels_table  # noqa: E402
from .few_trainings import RATES, FewLabels  # noqa: E402

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, help=__doc__)
Photos = Annotated[Path, typer.Option(help="Data set in the 106points layout; train and test must not share people.")]
Init = Annotated[str, typer.Option(help="Checkpoint of the network, or pretrained:NAME.")]
Points = Annotated[int, typer.Option(help="Landmarks of the data set.")]
Faces = Annotated[list[int], typer.Option(help="Number of labelled faces, at most all; may be repeated.")]
Starts = Annotated[list[str], typer.Option("--start", help=" or ".join(RATES) + "; may be repeated.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML config with the recipe.")]
Results = Annotated[Path, typer.Option(help="Folder of the CSV file.")]

RESULTS = Path("runs/few_labels")
"""Default folder of the CSV file."""

COUNTS = [100, 300, 1_000, 1_000_000]
"""Default numbers of labelled faces; the last one means all."""

STARTS = list(RATES)
"""A list, which Typer requires as the default of a repeatable option."""


@app.command(cls=make_command({}))
def train(
    name: Name,
    photos: Photos,
    init: Init,
    points: Points = 68,
    faces: Faces = COUNTS,
    start: Starts = STARTS,
    seeds: Seeds = 2,
    config: ConfigFile = None,
    results: Results = RESULTS,
) -> None:
    """Train on few labelled faces, from scratch and from a checkpoint -> few_labels.csv."""
    study = FewLabels(name, photos, init, Config.load(config, points=points), results)
    for each in start:
        check_name(each, RATES)
    if "init" in start:
        study.rate_untrained()
    for seed in range(seeds):
        for count in faces:
            for each in start:
                study.train(each, count, seed)


@app.command(cls=make_command({}))
def report(results: Results = RESULTS) -> None:
    """Print the table; draw few_labels.png."""
    table = few_labels_table(Records(results / "few_labels.csv").frame())
    print(f"{table.to_string(index=False)}\n")
    few_labels_figure(results / "few_labels.png", table)
    print(table.to_json(orient="records"))


if __name__ == "__main__":
    run(app)
