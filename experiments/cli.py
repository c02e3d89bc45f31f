"""The ``fbnet-pfld`` command."""

import sys

from .quiet import quieten

quieten()

import typer  # noqa: E402

from ..runtime import ModelError  # noqa: E402
from ..search_space.errors import ResultError  # noqa: E402
from ..search_space.inputs import InputError  # noqa: E402
from . import data_commands, latency_commands, launch, trial  # noqa: E402
from .benchmark_models import benchmark_models  # noqa: E402
from .command import App  # noqa: E402
from .demo import demo  # noqa: E402
from .evaluate import evaluate  # noqa: E402
from .export import export  # noqa: E402
from .finetune import finetune  # noqa: E402
from .from_experiment import from_experiment  # noqa: E402
from .pareto import pareto  # noqa: E402
from .predict import predict  # noqa: E402
from .search import search  # noqa: E402

app = App(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Search, finetune and export face-landmark networks inside a device's latency budget.")
for command in (search, pareto, finetune, evaluate, export, benchmark_models, predict, demo, from_experiment):
    app.command()(command)
app.add_typer(data_commands.app, name="data", help="Synthetic data sets, and a look at any data set.")
app.add_typer(launch.app, name="launch", help="Multi-trial experiments with NNI's web UI.")
app.add_typer(trial.app, name="trial", help="One trial of an NNI experiment; NNI runs it.")
app.add_typer(latency_commands.app, name="latency", help="Latency look-up tables.")


def run(commands: typer.Typer) -> None:
    """Run a command line; a user's mistake is one line on standard error and exit code 2.

    A result that could not be made, and a training that has diverged, are one line too, and exit code 1.
    """
    try:
        commands()
    except (InputError, ModelError) as error:
        print(f"fbnet-pfld: {error}", file=sys.stderr)
        sys.exit(2)
    except ResultError as error:
        print(f"fbnet-pfld: {error}", file=sys.stderr)
        sys.exit(1)
    except FloatingPointError as error:
        print(f"fbnet-pfld: {error}; the checkpoints of the last good epoch are kept", file=sys.stderr)
        sys.exit(1)


def main() -> None:
    """Run the ``fbnet-pfld`` command."""
    run(app)
