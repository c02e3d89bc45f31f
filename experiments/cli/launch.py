"""``fbnet-pfld launch``: run and show NNI experiments, and write their search spaces."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...search_space.files import write_text
from ..pipeline.command import SEED, App
from ..pipeline.workspace import Workspace
from .options import DATA_ROOT, OUTPUT, WORKSPACE, ConfigFile, DataRoot, FinetuneEpochs, Json, MaxUs, Seed, Space, to_file
from .output import console, finish, remark
from .trials_table import remark_failures, trials_table

if TYPE_CHECKING:
    from ...search_space.spec import SpaceSpec
    from ..nni_jobs.finished_trials import Trial

app = App(no_args_is_help=True)

SUPERNET = Workspace(WORKSPACE).supernet
Supernet = Annotated[Path, typer.Option("--supernet", help="Checkpoint of the trained supernet.")]
Out = Annotated[Path, typer.Option("--out", callback=to_file, help="The architecture file.")]
Strategy = Annotated[str, typer.Option("--strategy", help="random or evolution.")]
Trials = Annotated[int, typer.Option("--trials", min=1, help="Number of subnets to rate.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65534, help="Port of NNI's web UI.")]
ResumeId = Annotated[
    str | None, typer.Option("--resume", help="Resume the stopped experiment with this id and the same options.")
]
Hold = Annotated[bool, typer.Option("--hold", help="Keep the web UI running at the end until Ctrl-C.")]


def multi_trial(
    data_root: DataRoot = DATA_ROOT,
    config: ConfigFile = None,
    supernet: Supernet = SUPERNET,
    strategy: Strategy = "evolution",
    trials: Trials = 50,
    max_us: MaxUs = None,
    finetune_epochs: FinetuneEpochs = 0,
    port: Port = 8080,
    resume: ResumeId = None,
    hold: Hold = False,
    out: Out = OUTPUT / "architecture.json",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Search the subnets of a trained supernet trial by trial, with NNI's strategies and web UI.

    Subnets slower than --max-us are never rated.
    The best subnet is written as an architecture file.
    The web UI has no login and listens on every network interface.
    """
    from ..nni_jobs.finished_trials import read_trials
    from ..nni_jobs.multi_trial import make_experiment, run_experiment
    from ..nni_jobs.trial_states import counts, without_result
    from ..pipeline.config import Config

    settings = Config.load(config)
    experiment = make_experiment(settings, config, data_root, supernet, strategy, trials, max_us, finetune_epochs, seed, resume)
    with _trial_bar(trials) as show:
        blocks = run_experiment(
            experiment, settings, port, resume is not None, hold, resuming(sys.argv[1:], experiment.id), show, remark
        )
    found, others = read_trials(experiment.id, settings), without_result(experiment.id)
    best = next(trial for trial in found if trial.architecture.choices == blocks)
    best.architecture.save(out)
    remark_failures(others)
    finish(
        {
            "experiment": experiment.id,
            "architecture": str(out),
            "trials": len(found),
            "without_result": counts(others),
            "nme": best.nme,
            "latency": best.architecture.to_dict()["latency"],
            "choices": best.architecture.choices,
        },
        as_json,
        trials_table(found, best, out, others),
    )


def resuming(words: list[str], experiment: str) -> str:
    """Return the command line that resumes an experiment, from the words of the one that started or resumed it."""
    kept = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if "--resume" not in (before, word) and not word.startswith("--resume=")
    ]
    return shlex.join(["fbnet-pfld", *kept, "--resume", experiment])


def nni_search_space(spec: "SpaceSpec") -> dict[str, dict[str, Any]]:
    """Return a search space in the format of NNI's tuners: label -> choice of candidate blocks."""
    return {label: {"_type": "choice", "_value": list(names)} for label, names in spec.candidates().items()}


def view(
    experiment: Annotated[str, typer.Argument(help="Id of a stopped experiment.")], port: Port = 8080, as_json: Json = False
) -> None:
    """Show a stopped experiment of nnictl or `launch multi-trial` in NNI's web UI until Ctrl-C."""
    from ..nni_jobs.multi_trial import view_experiment

    view_experiment(experiment, port, remark)
    finish({"experiment": experiment}, as_json)


def space(
    out: Annotated[Path, typer.Option("--out", callback=to_file, help="The JSON file.")],
    space: Space = "pfld",
    as_json: Json = False,
) -> None:
    """Write a search space as the searchSpaceFile of an nnictl experiment (see subnets.yml)."""
    from ...search_space.spec import SpaceSpec

    found = nni_search_space(SpaceSpec.load(space))
    rows = ",\n".join(f"  {json.dumps(label)}: {json.dumps(choice)}" for label, choice in found.items())
    write_text(out, f"{{\n{rows}\n}}\n")
    finish({"search_space": str(out), "layers": len(found)}, as_json)


@contextmanager
def _trial_bar(trials: int) -> Iterator[Callable[[list["Trial"]], None]]:
    """Show a progress bar with the number of rated trials and the best one; on a pipe, print one line per trial."""
    from ..nni_jobs.finished_trials import by_nme

    columns = (
        TextColumn("trials"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[best]}"),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, disable=not console.is_terminal)
    task = bar.add_task("trials", total=trials, best="")

    def show(rated: list["Trial"]) -> None:
        best = by_nme(rated)[0]
        text = f"best {best.nme:.2f} % at {best.architecture.us:,.0f} us"
        bar.update(task, completed=len(rated), best=text)
        if not console.is_terminal:
            remark(f"trial {len(rated)}/{trials}  {text}")

    with bar:
        yield show


app.add(
    multi_trial,
    "fbnet-pfld launch multi-trial --data-root data/106points --max-us 2450 --trials 50",
    name="multi-trial",
    aliases={"--budget-us": "--max-us", "--epochs": "--finetune-epochs", "--output": "--out"},
)
app.add(view, "fbnet-pfld launch view EXPERIMENT", aliases=SEED)
app.add(space, "fbnet-pfld launch space --space pfld-wide --out space.json", aliases=SEED)
