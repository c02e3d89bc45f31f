"""Start real NNI experiments from tests: the shipped YAML files with a few changes, a free port, nothing left behind."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import yaml
from nni.experiment import Experiment

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
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
    """Copy a shipped YAML file into ./experiments, with top-level keys changed; return the copy."""
    folder = Path("experiments")
    folder.mkdir(exist_ok=True)
    shutil.copy(EXPERIMENTS / "subnets_space.json", folder)
    config = yaml.safe_load((EXPERIMENTS / f"{name}.yml").read_text()) | changes
    (folder / f"{name}.yml").write_text(yaml.safe_dump(config))
    return folder / f"{name}.yml"


def run(*command, timeout: float = 240) -> subprocess.CompletedProcess:
    return subprocess.run([str(part) for part in command], env=ENV, capture_output=True, text=True, timeout=timeout)


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
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE \
                    and any(experiment in word for word in words):
                found.append(process)
    return found


def manager_of(experiment: str) -> psutil.Process:
    return next(process for process in processes_of(experiment) if process.name() == "node")


def ended(experiment: Experiment) -> bool:
    status = experiment.get_status()
    assert status != "ERROR"
    return status == "DONE"


@contextlib.contextmanager
def nnictl(*command, stopped: str = "Stop experiment success"):
    """``nnictl create`` or ``resume`` as a user runs it; gives the connected experiment, and stops it as a user does."""
    port = free_port()
    done = run("nnictl", *command, "--port", port)
    assert done.returncode == 0, done.stdout + done.stderr
    experiment = Experiment.connect(port)
    try:
        yield experiment
    finally:
        stop = run("nnictl", "stop", "--port", port)
        left = processes_of(experiment.id)
        for process in left:
            process.kill()
    assert stopped in stop.stdout + stop.stderr
    assert left == []


@contextlib.contextmanager
def background(*command):
    """A command in the background, its error output as lines; ended if it has not by itself."""
    # a shell that starts a job in the background makes it ignore SIGINT, and with it everything below
    process = subprocess.Popen([str(part) for part in command], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
