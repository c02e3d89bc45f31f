"""Start real NNI experiments from tests: the shipped YAML files with a few changes, a free port, nothing left behind."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import yaml
from nni.experiment import Experiment

CONFIGS = Path(__file__).parents[1] / "experiments/nni_jobs/configs"
BIN = Path(sys.executable).parent
ENV = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def free_port() -> int:
    """A port that is free, and so is the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("", 0))
            second.bind(("", first.getsockname()[1] + 1))
            return first.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def shipped(name: str, **changes) -> Path:
    """Copy a shipped YAML file into a folder like its own, with top-level keys changed; return the copy."""
    folder = Path("experiments/nni_jobs/configs")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(CONFIGS / "subnets_space.json", folder)
    config = yaml.safe_load((CONFIGS / f"{name}.yml").read_text()) | changes
    (folder / f"{name}.yml").write_text(yaml.safe_dump(config))
    return folder / f"{name}.yml"


def execute(*command, timeout: float = 240, env: dict[str, str] = ENV) -> subprocess.CompletedProcess:
    """A command in a process of its own, which takes seconds to begin; of our own, most can be ``run`` in this one."""
    return subprocess.run([str(part) for part in command], env=env, capture_output=True, text=True, timeout=timeout)


def wait_for(condition, timeout: float = 240, every: float = 0.5):
    """The condition's first value that is true."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(every)
    raise AssertionError(f"not within {timeout} s: {condition}")


def processes_of(experiment: str) -> list[psutil.Process]:
    """Manager, tuner and trials of an experiment that are running."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), *process.environ().values()]
            if (
                process.pid != os.getpid()
                and process.status() != psutil.STATUS_ZOMBIE
                and any(experiment in word for word in words)
            ):
                found.append(process)
    return found


def manager_of(experiment: str) -> psutil.Process:
    return next(process for process in processes_of(experiment) if process.name() == "node")


def ended(experiment: Experiment) -> bool:
    status = experiment.get_status()
    assert status != "ERROR"
    return status == "DONE"


@contextlib.contextmanager
def nnictl(*command, stopped: str = "Stop experiment success", env: dict[str, str] = ENV):
    """``nnictl create`` or ``resume`` as a user runs it; gives the connected experiment, and stops it as a user does."""
    port = free_port()
    done = execute(BIN / "nnictl", *command, "--port", port, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    experiment = Experiment.connect(port)
    try:
        yield experiment
    finally:
        stop = execute("nnictl", "stop", "--port", port)
        left = processes_of(experiment.id)
        for process in left:
            process.kill()
    assert stopped in stop.stdout + stop.stderr
    assert left == []


@contextlib.contextmanager
def background(*command):
    """A command in the background, its error output as lines; ended if it has not by itself."""
    # a shell that starts a job in the background makes it ignore SIGINT, and with it everything below
    process = subprocess.Popen(
        [str(part) for part in command],
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def make_database(folder: Path, trials: list[tuple[str, int, dict, dict]], others: dict[str, list[str]] | None = None) -> None:
    """The data base of an experiment's folder, as NNI writes it.

    ``trials``: trial, number of the parameters of its result, parameters listed with it, final result. ``others``: trial ->
    its events in turn, of those without a result; their folders are in ``trials/``.
    """
    (folder / "db").mkdir(parents=True)
    with sqlite3.connect(folder / "db" / "nni.sqlite") as connection:
        connection.execute(
            "create table TrialJobEvent (timestamp integer, trialJobId text, event text, data text, "
            "logPath text, sequenceId integer, message text, environmentId text)"
        )
        connection.execute(
            "create table MetricData (timestamp integer, trialJobId text, parameterId text, type text, "
            "sequence integer, data text)"
        )

        def note(time: int, trial: str, event: str, data: str | None, place: str) -> None:
            connection.execute(
                "insert into TrialJobEvent values (?, ?, ?, ?, ?, 0, null, 'local-env')", (time, trial, event, data, place)
            )

        for i, (trial, parameter, parameters, final) in enumerate(trials):
            note(i, trial, "RUNNING", json.dumps({"parameter_id": i, "parameters": parameters}), f"/trials/{trial}")
            note(i, trial, "SUCCEEDED", None, f"/trials/{trial}")
            connection.execute(
                "insert into MetricData values (?, ?, ?, 'FINAL', 0, ?)",
                (i, trial, str(parameter), json.dumps(json.dumps(final))),
            )
        for trial, events in (others or {}).items():
            for event in events:  # whose times are not in order, as NNI's are not
                note(-len(event), trial, event, None, str(folder.absolute() / "trials" / trial))


def stderr(folder: Path, trial: str, content: bytes) -> Path:
    """What a trial of such an experiment wrote to its error output."""
    file = folder.absolute() / "trials" / trial / "trial.stderr"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file
