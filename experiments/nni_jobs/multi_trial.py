"""Multi-trial search as a NAS experiment of NNI: our space and supernet with NNI's strategies, manager and web UI."""

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import nni
import requests
from nni.experiment import Experiment
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.experiment import NasExperiment
from nni.nas.space import ExecutableModelSpace
from nni.nas.strategy import Random, RegularizedEvolution, Strategy
from nni.nas.strategy.middleware import Chain, Filter
from nni.tools.nnictl.config_utils import Experiments
from nni.tools.nnictl.nnictl_utils import update_experiment

from ...evaluators import Checkpoint
from ...evaluators.names import checkpoint_file
from ...latency import LookupTable
from ...search_space import Architecture, InputError, PfldSpace
from ...search_space.errors import allowed
from ...search_space.progress import ignore
from ...strategies import check_target
from ..pipeline.config import Config
from ..pipeline.rating import rate
from . import trial_channel
from .finished_trials import Trial, read_trials
from .nni_fixes import let_experiments_resume
from .trial_states import database_of, no_result


def _evolution(trials: int, layers: int, seed: int) -> Strategy:
    """Evolution with half of the trials (20 at most) as random initial population; then one block mutates on average."""
    population = max(2, min(20, trials // 2))
    return RegularizedEvolution(
        population_size=population, sample_size=max(1, population // 4), mutation_prob=1 / layers, seed=seed
    )


LAST_PORT = 65_535
"""Highest port number."""

STRATEGIES: dict[str, Callable[[int, int, int], Strategy]] = {
    "random": lambda trials, layers, seed: Random(seed=seed),
    "evolution": _evolution,
}
"""Name -> factory of a strategy, given the numbers of trials and layers, and a seed."""


def rate_trial(model: PfldSpace, data_root: str, supernet: str, config: str | None, epochs: int, seed: int) -> None:
    """Run a trial: rate its subnet, and report the negative NME, because NNI's NAS strategies maximise."""
    trial_channel.end_with_manager()
    report, settings = trial_channel.Report(maximised=True), Config.load(config)
    choices = nni.get_current_parameter().sample
    chosen = LookupTable.load(settings.lut).annotate(
        Architecture(model.spec, model.num_points, model.input_size, dict(choices))
    )
    nme = rate(chosen, Path(supernet), settings, settings.faces(data_root), trial_channel.folder(), epochs, seed, [report])
    report.final(replace(chosen, metrics={"val_nme": nme}), nme)


def make_experiment(
    config: Config,
    config_file: Path | None,
    data_root: Path,
    supernet: Path,
    strategy: str,
    trials: int,
    max_us: float | None,
    epochs: int,
    seed: int,
    resume: str | None = None,
) -> NasExperiment:
    """Make a new experiment, or load a stopped one to resume.

    Its trials run one after another: NNI 3.0 mixes up the models of trials that start at the same time.

    Raises
    ------
    InputError
        If an option or a file is invalid.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"unknown strategy {strategy!r}; {allowed(STRATEGIES)}")
    space = PfldSpace(config.space, config.points, config.input_size)
    cost = LookupTable.load(config.lut).cost(space)
    search = STRATEGIES[strategy](trials, len(space.layers), seed)
    if max_us is not None:
        check_target(cost, max_us)

        def within(model: ExecutableModelSpace) -> bool:
            sample = model.sample
            assert sample is not None  # a strategy's models have one
            return cost.fixed_us + sum(row[sample[label]] for label, row in cost.blocks_us.items()) <= max_us

        search = Chain(search, Filter(within, retain_history=False))
    Checkpoint.load(supernet).check_points(config.points)
    config.faces(data_root).some("train", 1)
    if resume is not None:
        check_stopped(resume)
    evaluator = FunctionalEvaluator(
        rate_trial,
        data_root=str(data_root.resolve()),
        supernet=str(checkpoint_file(supernet).resolve()),
        config=config_file and str(config_file.resolve()),
        epochs=epochs,
        seed=seed,
    )
    experiment = NasExperiment(space, evaluator, search, id=resume)
    experiment.config.experiment_name = f"{strategy}: subnets of one supernet"
    experiment.config.max_trial_number = trials
    experiment.config.trial_gpu_number = 0
    return experiment


def run_experiment(
    experiment: NasExperiment,
    config: Config,
    port: int,
    resume: bool,
    hold: bool,
    go_on: str,
    show: Callable[[list[Trial]], None] = lambda trials: None,
    remark: Callable[[str], None] = ignore,
) -> dict[str, str]:
    """Run a multi-trial experiment to its end and stop it; return label -> block of its best model.

    Like Ctrl-C, SIGTERM stops the manager and its trials first (NNI would leave them running).

    Parameters
    ----------
    port
        Port of the web UI.
    resume
        Whether the experiment has run before.
    hold
        Whether the web UI keeps running at the end until Ctrl-C.
    go_on
        Command that resumes the experiment, for the message of an interrupted run.
    show
        Called with the rated trials whenever another one ends.
    remark
        Called with the address of the web UI.

    Raises
    ------
    InputError
        If the port is in use, or no trial has a result; the message then includes the last error.
    SystemExit
        If the run is interrupted, or its manager ends.
    """
    check_port(port)
    let_experiments_resume()
    _silence()
    remark(f"experiment {experiment.id}: web UI at http://localhost:{port} (no login, all interfaces)")
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _watched(experiment.id, config, show):
            finished = experiment.resume(port) if resume else experiment.run(port)
        if finished is None:  # NNI has caught a KeyboardInterrupt and stopped
            raise SystemExit(f"interrupted; resume with: {go_on}")
        top = experiment.export_top_models(formatter="dict")
        if not top:  # NNI ends normally in this case
            raise InputError(no_result(experiment.id))
        if hold:
            remark("finished; the web UI stays up until Ctrl-C")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
        return dict(top[0])
    except requests.ConnectionError:
        raise SystemExit(
            f"the manager of experiment {experiment.id} has ended before its trials; resume with: {go_on}"
        ) from None
    finally:
        experiment.stop()
        signal.signal(signal.SIGTERM, before)


def check_port(port: int) -> None:
    """Raise :class:`InputError`, which names the next free port, if a port of this machine is in use."""
    if _listens(port):
        # NNI also uses the next port
        free = next((each for each in range(port + 1, LAST_PORT) if not (_listens(each) or _listens(each + 1))), port)
        raise InputError(f"port {port} is in use; give a free one, such as --port {free}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("localhost", port)) == 0


def check_stopped(experiment: str) -> None:
    """Raise :class:`InputError` unless an experiment with this id exists and is stopped."""
    database_of(experiment)
    update_experiment()  # the experiment of a killed manager is still recorded as running
    known = Experiments().get_all_experiments()
    if experiment not in known:
        raise InputError(
            f"{experiment!r} is the folder of an experiment; expected an id" + (f"; {allowed(known)}" if known else "")
        )
    if known[experiment]["status"] != "STOPPED":
        raise InputError(f"experiment {experiment} is running; stop it first with: nnictl stop {experiment}")


def view_experiment(experiment: str, port: int, remark: Callable[[str], None] = ignore) -> None:
    """Show a stopped experiment of either kind in the web UI until Ctrl-C or SIGTERM (``nnictl view`` refuses NAS experiments).

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
    remark(f"experiment {experiment}: web UI at http://localhost:{port} until Ctrl-C (no login, all interfaces)")
    viewed.view(port)


def _silence() -> None:
    """Keep NNI's messages off the screen; its experiment.log contains them."""
    nni.silence_stdout()
    logging.getLogger("nni").addHandler(logging.NullHandler())


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _watched(experiment: str, config: Config, show: Callable[[list[Trial]], None]) -> Iterator[None]:
    """Call ``show`` after every trial that ends while the block runs."""
    ended = threading.Event()

    def watch() -> None:
        known = 0
        while not ended.is_set():
            ended.wait(1)
            with contextlib.suppress(InputError):  # no database yet
                rated = read_trials(experiment, config)
                if len(rated) > known:
                    show(rated)
                    known = len(rated)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
