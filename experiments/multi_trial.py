"""A multi-trial search as a NAS experiment of NNI: our space and supernet, its strategies, manager and web UI."""

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nni
import requests
from nni.experiment import Experiment
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.experiment import NasExperiment
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.strategy import Random, RegularizedEvolution, Strategy
from nni.nas.strategy.middleware import Chain, Filter
from nni.tools.nnictl.config_utils import Experiments
from nni.tools.nnictl.nnictl_utils import update_experiment
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..evaluators import Checkpoint, LandmarkDataset
from ..latency import LookupTable
from ..search_space import Architecture, InputError, PfldSpace
from ..search_space.inputs import allowed
from ..strategies import check_target
from . import nni_trial
from .architectures import with_latency
from .config import Config
from .finished_trials import read_trials
from .nni_fixes import let_experiments_resume
from .options import console
from .rating import rate
from .trial_states import database_of, no_result


def _evolution(trials: int, layers: int, seed: int) -> Strategy:
    """Half of the trials at random (20 at most) as the first population; then one block changes in each, on average."""
    population = max(2, min(20, trials // 2))
    return RegularizedEvolution(population_size=population, sample_size=max(1, population // 4), mutation_prob=1 / layers,
                                seed=seed)


LAST_PORT = 65_535

STRATEGIES: dict[str, Callable[[int, int, int], Strategy]] = {
    "random": lambda trials, layers, seed: Random(seed=seed),
    "evolution": _evolution,
}
"""Name -> maker of a strategy for a number of trials and layers, and a seed."""


def rate_trial(model: ModelSpace, data_root: str, supernet: str, config: str | None, epochs: int, seed: int) -> None:
    """What a trial runs: rate its subnet, and report the negative NME, since NNI's NAS strategies maximise."""
    nni_trial.end_with_manager()
    report, settings = nni_trial.Report(maximised=True), Config.load(config)
    choices = nni.get_current_parameter().sample
    chosen = with_latency(Architecture(model.spec, model.num_points, model.input_size, dict(choices)),
                          LookupTable.load(settings.lut))
    nme = rate(chosen, Path(supernet), settings, Path(data_root), nni_trial.folder(), epochs, seed, [report])
    report.final(replace(chosen, metrics={"val_nme": nme}), nme)


def make_experiment(config: Config, config_file: Path | None, data_root: Path, supernet: Path, strategy: str, trials: int,
                    budget_us: float | None, epochs: int, seed: int, resume: str | None = None) -> NasExperiment:
    """A new experiment, or a stopped one that can be resumed.

    Its trials run one after the other: NNI 3.0 mixes up which trial has which model when several start at once.

    Raises
    ------
    InputError
        If an option or a file is not as it must be.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"unknown strategy {strategy!r}; {allowed(STRATEGIES)}")
    space = PfldSpace(config.space, config.points, config.input_size)
    cost = LookupTable.load(config.lut).cost(space)
    search = STRATEGIES[strategy](trials, len(space.layers), seed)
    if budget_us is not None:
        check_target(cost, budget_us)

        def within(model: ModelSpace) -> bool:
            return cost.fixed_us + sum(row[model.sample[label]] for label, row in cost.blocks_us.items()) <= budget_us

        search = Chain(search, Filter(within, retain_history=False))
    Checkpoint.load(supernet).check_points(config.points, supernet)
    LandmarkDataset(data_root, "train", config.points, config.input_size, limit=1)
    if resume is not None:
        check_stopped(resume)
    evaluator = FunctionalEvaluator(rate_trial, data_root=str(data_root.resolve()), supernet=str(supernet.resolve()),
                                    config=config_file and str(config_file.resolve()), epochs=epochs, seed=seed)
    experiment = NasExperiment(space, evaluator, search, id=resume)
    experiment.config.experiment_name = f"{strategy}: subnets of one supernet"
    experiment.config.max_trial_number = trials
    experiment.config.trial_gpu_number = 0
    return experiment


def run_experiment(experiment: NasExperiment, config: Config, port: int, resume: bool, hold: bool, go_on: str) -> \
        dict[str, str]:
    """Run a multi-trial experiment to its end and stop it; return the blocks of its top model, label by label.

    SIGTERM, like Ctrl-C, stops the manager and its trials first (NNI would leave them running).

    Parameters
    ----------
    port
        Of the web UI.
    resume
        Whether it has run before.
    hold
        Whether the web UI stays up at the end until Ctrl-C.
    go_on
        The command that resumes it, for the message of an interrupted run.

    Raises
    ------
    InputError
        If the port is in use, or no trial has a result; the last error of one is told then.
    SystemExit
        If it was interrupted, or its manager has ended.
    """
    check_port(port)
    let_experiments_resume()
    _silence()
    console.print(f"experiment {experiment.id}: web UI at http://localhost:{port} (no login, all interfaces)", soft_wrap=True)
    before, trials = signal.signal(signal.SIGTERM, _interrupt), experiment.config.max_trial_number
    try:
        with _progress(experiment.id, config, trials):
            finished = experiment.resume(port) if resume else experiment.run(port)
        if finished is None:  # NNI has caught a KeyboardInterrupt and stopped
            raise SystemExit(f"interrupted; go on with: {go_on}")
        top = experiment.export_top_models(formatter="dict")
        if not top:  # NNI ends normally then
            raise InputError(no_result(experiment.id))
        if hold:
            console.print("finished; the web UI stays up until Ctrl-C")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
        return dict(top[0])
    except requests.ConnectionError:
        raise SystemExit(f"the manager of experiment {experiment.id} has ended before its trials; go on with: "
                         f"{go_on}") from None
    finally:
        experiment.stop()
        signal.signal(signal.SIGTERM, before)


def check_port(port: int) -> None:
    """Raise :class:`InputError` if something listens at a port of this machine; it names the next that is free."""
    if _listens(port):
        # NNI takes the port after it as well
        free = next((each for each in range(port + 1, LAST_PORT) if not (_listens(each) or _listens(each + 1))), port)
        raise InputError(f"port {port} is in use; a free one is --port {free}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("localhost", port)) == 0


def check_stopped(experiment: str) -> None:
    """Raise :class:`InputError` unless an experiment, named by its id, is there and not running."""
    database_of(experiment)
    update_experiment()  # a killed manager has left the note that it runs
    known = Experiments().get_all_experiments()
    if experiment not in known:
        raise InputError(f"{experiment!r} is the folder of an experiment; expected an id"
                         + (f"; {allowed(known)}" if known else ""))
    if known[experiment]["status"] != "STOPPED":
        raise InputError(f"experiment {experiment} is running; stop it first with: nnictl stop {experiment}")


def view_experiment(experiment: str, port: int) -> None:
    """Show a stopped experiment of either kind in the web UI until Ctrl-C or SIGTERM (``nnictl view`` refuses NAS ones).

    Raises
    ------
    InputError
        If there is no such experiment, it is running, or the port is in use.
    """
    check_stopped(experiment)
    check_port(port)
    _silence()
    if (database_of(experiment).parents[1] / "checkpoint" / "config.json").exists():
        viewed: Experiment = NasExperiment(PfldSpace(), FunctionalEvaluator(rate_trial), Random(), id=experiment)
    else:
        viewed = Experiment(None, id=experiment)
    signal.signal(signal.SIGTERM, _interrupt)
    console.print(f"experiment {experiment}: web UI at http://localhost:{port} until Ctrl-C (no login, all interfaces)",
                  soft_wrap=True)
    viewed.view(port)


def _silence() -> None:
    """Keep NNI's messages off the screen, which is for results; they are in its experiment.log."""
    nni.silence_stdout()
    logging.getLogger("nni").addHandler(logging.NullHandler())


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _progress(experiment: str, config: Config, trials: int):
    """A bar with the number of rated trials and the best of them; on a pipe, one line per trial instead."""
    columns = (TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[best]}"), TextColumn("left"),
               TimeRemainingColumn())
    bar = Progress(*columns, console=console, disable=not console.is_terminal)
    task = bar.add_task("trials", total=trials, best="")
    ended = threading.Event()

    def show() -> None:
        shown = 0
        while not ended.is_set():
            ended.wait(1)
            with contextlib.suppress(InputError):  # no data base yet
                rated = read_trials(experiment, config)
                if len(rated) > shown:
                    best = min(rated, key=lambda trial: trial.nme)
                    text = f"best {best.nme:.2f} % at {best.architecture.latency['us']:,.0f} us"
                    bar.update(task, completed=len(rated), best=text)
                    if not console.is_terminal:
                        console.print(f"trial {len(rated)}/{trials}  {text}", highlight=False, soft_wrap=True)
                    shown = len(rated)

    watcher = threading.Thread(target=show, daemon=True)
    with bar:
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
