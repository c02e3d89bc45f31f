"""Run the experiment, such as ``python -m fbnet_pfld.experiments.studies.evidence alone --data-root DATA``.

``alone`` trains a sample of a space's subnets from scratch, as the ground truth. ``supernet`` trains a supernet and rates
subnets with its weights; ``blocks``, ``choices``, ``finetuning`` and ``inherited`` examine that supernet, given the same
options. Each command writes CSV files and resumes where it was stopped. It runs one seed, so that calls with different
--results folders can run in parallel. ``report`` prints tables and draws figures of the available results.
"""

from ...pipeline.quiet import quieten

quieten()

from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated  # noqa: E402

import typer  # noqa: E402

from ....evaluators import FaceData  # noqa: E402
from ....search_space.errors import check_name  # noqa: E402
from ...pipeline.command import make_command, run  # noqa: E402
from ..study_options import DataRoot, Results  # noqa: E402
from .alone import BUDGETS, recipe_of, train_alone  # noqa: E402
from .block_spread import score_blocks  # noqa: E402
from .choices import train_choices  # noqa: E402
from .evidence_report import write_report  # noqa: E402
from .finetuned import LENGTHS, finetune_choices, finetune_sample  # noqa: E402
from .supernets import METHODS, Supernet, train_and_score  # noqa: E402

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, help=__doc__)
Space = Annotated[str, typer.Option(help=" or ".join(BUDGETS))]
Method = Annotated[str, typer.Option(help="How the supernet is trained: " + " or ".join(METHODS))]
Epochs = Annotated[int | None, typer.Option(help="Epochs of the supernet's training; the default depends on the method.")]
Lengths = Annotated[list[int], typer.Option("--length", help="Epochs of finetuning; may be repeated.")]
Seed = Annotated[int, typer.Option(help="Seed of the training.")]
Work = Annotated[Path, typer.Option(help="Folder of the supernets.")]
ALL_LENGTHS = list(LENGTHS)
"""A list, which Typer requires as the default of a repeatable option."""

RESULTS = Path("runs/evidence")
"""Default folder of the CSV files."""

WORK = Path("runs/evidence")
"""Default folder of the supernets."""

SPACE = "pfld-wide"
"""Default space."""

METHOD = "stages"
"""Default method."""


@app.command(cls=make_command({}))
def alone(data_root: DataRoot, space: Space = SPACE, seed: Seed = 0, results: Results = RESULTS) -> None:
    """Train a sample of a space's subnets from scratch -> alone.csv."""
    train_alone(check_name(space, BUDGETS), recipe_of(space).faces(data_root), results, seed)


def _about_a_supernet(name: str, text: str, study: Callable[[Supernet, FaceData, Path], None]) -> Callable[..., None]:
    """Add a command that examines one supernet."""

    @app.command(name, help=text, cls=make_command({}))
    def command(
        data_root: DataRoot,
        space: Space = SPACE,
        method: Method = METHOD,
        epochs: Epochs = None,
        seed: Seed = 0,
        results: Results = RESULTS,
        work: Work = WORK,
    ) -> None:
        studied = Supernet(space, method, seed, epochs, work)
        study(studied, studied.config.faces(data_root), results)

    return command


supernet = _about_a_supernet(
    "supernet",
    "Train a supernet -> supernets.csv, and rate with it the sample and subnets spread over the space -> scores.csv.",
    train_and_score,
)
blocks = _about_a_supernet(
    "blocks", "Measure how much each block of a layer changes the NME in a supernet -> blocks.csv.", score_blocks
)
choices = _about_a_supernet(
    "choices", "Train a supernet's choices within latency budgets from scratch -> choices.csv.", train_choices
)
inherited = _about_a_supernet(
    "inherited",
    "Finetune the sample from a supernet, with its seed and the epochs of training alone -> inherited.csv.",
    finetune_sample,
)


@app.command(cls=make_command({}))
def finetuning(
    data_root: DataRoot,
    space: Space = SPACE,
    method: Method = METHOD,
    epochs: Epochs = None,
    seed: Seed = 0,
    length: Lengths = ALL_LENGTHS,
    results: Results = RESULTS,
    work: Work = WORK,
) -> None:
    """Finetune a supernet's choices for several numbers of epochs, with the supernet's seed -> finetuning.csv."""
    studied = Supernet(space, method, seed, epochs, work)
    finetune_choices(studied, studied.config.faces(data_root), results, length)


@app.command(cls=make_command({}))
def report(space: Space = SPACE, results: Results = RESULTS) -> None:
    """Print tables of the results; draw correlation.png, and minutes.png if supernets were trained for different times."""
    write_report(space, results)


if __name__ == "__main__":
    run(app)
