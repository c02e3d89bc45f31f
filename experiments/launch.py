"""``fbnet-pfld launch``: start NNI experiments, and make what they start from."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..evaluators import BEST
from ..search_space import SpaceSpec
from ..search_space.inputs import write_text
from .command import App
from .config import Config
from .finished_trials import read_trials
from .from_experiment import Output, as_table, remark
from .multi_trial import STRATEGIES, make_experiment, run_experiment, view_experiment
from .options import DATA_ROOT, OUTPUT, ConfigFile, DataRoot, Json, Seed, Space, finish, to_file
from .trial import SUPERNET, Budget, Epochs, Supernet
from .trial_states import counts, without_result

app = App(no_args_is_help=True)

Strategy = Annotated[str, typer.Option("--strategy", help=" or ".join(STRATEGIES))]
Trials = Annotated[int, typer.Option("--trials", min=1, help="How many subnets to rate.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65534, help="Of NNI's web UI.")]
ResumeId = Annotated[str | None, typer.Option("--resume", help="Go on with a stopped experiment of the same options.")]
Hold = Annotated[bool, typer.Option("--hold", help="Keep the web UI up at the end until Ctrl-C.")]


@app.command()
def multi_trial(data_root: DataRoot = DATA_ROOT, config: ConfigFile = None, supernet: Supernet = SUPERNET / BEST,
                strategy: Strategy = "evolution", trials: Trials = 50, budget_us: Budget = None, epochs: Epochs = 0,
                port: Port = 8080, resume: ResumeId = None, hold: Hold = False,
                output: Output = OUTPUT / "architecture.json", seed: Seed = 0, as_json: Json = False) -> None:
    """Search the subnets of a trained supernet trial by trial, with NNI's strategies and its web UI.

    Slower subnets than the budget are never tried. The best one is written as an architecture file. The web UI has no login
    and listens on every network interface.
    """
    settings = Config.load(config)
    experiment = make_experiment(settings, config, data_root, supernet, strategy, trials, budget_us, epochs, seed, resume)
    blocks = run_experiment(experiment, settings, port, resume is not None, hold, resuming(sys.argv[1:], experiment.id))
    found, others = read_trials(experiment.id, settings), without_result(experiment.id)
    best = next(trial for trial in found if trial.architecture.choices == blocks)
    best.architecture.save(output)
    remark(others)
    finish({"experiment": experiment.id, "architecture": str(output), "trials": len(found), "without_result": counts(others),
            "nme": best.nme, "latency": best.architecture.latency, "choices": best.architecture.choices}, as_json,
           as_table(found, best, output, others))


def resuming(words: list[str], experiment: str) -> str:
    """The command line that goes on with an experiment, from the words of the one that started or resumed it."""
    kept = [word for before, word in zip(["", *words], words, strict=False)
            if "--resume" not in (before, word) and not word.startswith("--resume=")]
    return shlex.join(["fbnet-pfld", *kept, "--resume", experiment])


def nni_search_space(spec: SpaceSpec) -> dict[str, dict]:
    """A space as NNI's tuners want it: label -> a choice of its candidate blocks."""
    return {label: {"_type": "choice", "_value": list(names)} for label, names in spec.candidates().items()}


@app.command()
def view(experiment: Annotated[str, typer.Argument(help="Id of a stopped experiment.")], port: Port = 8080, seed: Seed = 0,
         as_json: Json = False) -> None:
    """Show a stopped experiment, of nnictl or of launch multi-trial, in NNI's web UI until Ctrl-C; nothing here is random."""
    view_experiment(experiment, port)
    finish({"experiment": experiment}, as_json)


@app.command()
def space(out: Annotated[Path, typer.Option("--out", callback=to_file, help="The JSON file.")],
          space: Space = "pfld",
          seed: Seed = 0, as_json: Json = False) -> None:
    """Write a search space as the searchSpaceFile of an nnictl experiment (see subnets.yml); nothing here is random."""
    found = nni_search_space(SpaceSpec.load(space))
    rows = ",\n".join(f"  {json.dumps(label)}: {json.dumps(choice)}" for label, choice in found.items())
    write_text(out, f"{{\n{rows}\n}}\n")
    finish({"search_space": str(out), "layers": len(found)}, as_json)
