"""Single trials without a manager, and the content of the YAML files and commands."""

import json
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import nni
import pytest
import typer
import yaml
from budgets import FASTEST_US, SLOWEST_US
from nni.experiment.config import ExperimentConfig
from nni_tools import BIN, CONFIGS, ENV, answers, free_port, make_database, shipped, wait_for

from fbnet_pfld.experiments.cli import app as cli
from fbnet_pfld.experiments.cli.launch import nni_search_space, resuming
from fbnet_pfld.experiments.nni_jobs import trial_channel
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import Architecture, PfldSpace, SpaceSpec

PFLD = SpaceSpec.load("pfld")
SMALL = dict(zip(PFLD.labels, ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"), strict=True))
LARGE = dict(zip(PFLD.labels, ("mb_k5_e2_res", "mb_k5_e2_res", *["mb_k3_e4_res"] * 3), strict=True))
YAMLS = sorted(path.stem for path in CONFIGS.glob("*.yml"))


@pytest.fixture
def trial(place, run, monkeypatch):
    """Run a trial command in this process with given parameters; returns exit code, intermediate results, final result."""

    def command(parameters, *arguments):
        steps, finals = [], []
        monkeypatch.setenv("NNI_OUTPUT_DIR", str(place / "trial"))
        monkeypatch.setattr(trial_channel, "begin", lambda: (parameters, trial_channel.Report()))
        monkeypatch.setattr(nni, "report_intermediate_result", steps.append)
        monkeypatch.setattr(nni, "report_final_result", finals.append)
        return run("trial", *arguments, "--data-root", "data", "--config", "config.yaml"), steps, finals

    return command


def test_search_space_file_is_that_of_the_model_space(tmp_path, run):
    file = json.loads((CONFIGS / "subnets_space.json").read_text())
    assert file == nni_search_space(PFLD)
    assert {label: row["_value"] for label, row in file.items()} == {
        label: list(mutable.values) for label, mutable in PfldSpace().simplify().items()
    }
    assert run("launch", "space", "--out", tmp_path / "s.json") == 0
    assert (tmp_path / "s.json").read_text() == (CONFIGS / "subnets_space.json").read_text()


@pytest.mark.parametrize("name", YAMLS)
def test_yaml_files_are_configs_of_nni_whose_commands_parse(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = yaml.safe_load((CONFIGS / f"{name}.yml").read_text())
    for machine in data["trainingService"].get("machineList", ()):
        (tmp_path / "key").touch()
        machine["sshKeyFile"] = str(tmp_path / "key")
    config = ExperimentConfig.load(shipped(name, **data))
    config.validate()
    commands = [str(value) for value in re.findall(r"fbnet-pfld [^'\"]*", json.dumps(config.json()))]
    assert commands
    for words in map(shlex.split, commands):
        command = typer.main.get_command(cli.app)
        for word in words[1:3]:
            command = command.commands[word]
        command.make_context(command.name, [*words[3:]])
    for parameter in config.search_space or ():
        if "." in parameter:  # is a key of the config file
            value = config.search_space[parameter]["_value"][0]
            Config().override({parameter.replace(".", "__"): value}, "test")


def test_subnets_within_the_budget_are_rated_and_others_cost_nothing(trial, place):
    table = LookupTable.load("snapdragon625-4t")
    code, steps, (final,) = trial(SMALL, "subnet", "--max-us", 2000)
    assert (code, steps) == (0, [])
    small = Architecture(PFLD, 106, 112, SMALL)
    assert final == {"default": final["default"], "latency_us": round(table.latency_us(small), 1), "over_budget": 0, **SMALL}
    assert Architecture.load("trial/architecture.json").choices == SMALL
    assert Path("trial/model.onnx").stat().st_size > 100_000
    Path("trial/model.onnx").unlink()
    code, steps, (final,) = trial(LARGE, "subnet", "--max-us", 2000, "--supernet", "none.pth")  # not even looked at
    assert (code, final["over_budget"]) == (0, 1)
    assert final["default"] == pytest.approx(table.latency_us(Architecture(PFLD, 106, 112, LARGE)) / 20, abs=0.01)
    assert not Path("trial/model.onnx").exists()


def test_a_subnet_can_be_finetuned_before_it_is_rated(trial):
    code, steps, (final,) = trial(SMALL, "subnet", "--finetune-epochs", 2)
    assert code == 0
    assert len(steps) == 2
    assert final["default"] == pytest.approx(min(step["default"] for step in steps), abs=1e-3)


def test_a_trial_that_has_diverged_fails_and_reports_nothing(trial, monkeypatch, capfd):
    monkeypatch.setattr("fbnet_pfld.experiments.pipeline.rating.rate", lambda *_, **__: float("nan"))
    code, _, finals = trial(SMALL, "subnet")
    assert (code, finals) == (1, [])


@pytest.mark.parametrize(
    ("parameters", "command", "message"),
    [
        ({**SMALL, "layer_0": "mb_k9"}, ["subnet"], "layer_0: block 'mb_k9' is not a candidate"),
        ({"search.beat": 1}, ["search"], "parameters of the trial: unknown key 'search.beat'; allowed: "),
        ({"seach.beta": 1}, ["search"], "parameters of the trial: unknown key 'seach'; allowed: "),
        ({"points.x": 1}, ["search"], "parameters of the trial: 'points' has no keys, but 'points.x' is given"),
        (
            {"search.target_us": 1000},
            ["search"],
            f"within 1000 us; the fastest takes {FASTEST_US:.1f} us",
        ),
        ({}, ["finetune", "--arch", "none.json"], "architecture file not found: none.json"),
        (SMALL, ["subnet", "--supernet", "none.pth"], "checkpoint cannot be read: none.pth"),
        (
            SMALL,
            ["subnet", "--max-us", "2"],
            f"no architecture within 2 us; the fastest takes {FASTEST_US:.1f} us, the slowest "
            f"{SLOWEST_US:.1f} us; did you mean 2 ms, which is 2000 us?",
        ),
    ],
)
def test_faults_of_a_trial_are_one_line(trial, capfd, parameters, command, message):
    code, _, finals = trial(parameters, *command)
    assert (code, finals) == (2, [])
    error = capfd.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_a_trial_by_hand_is_told_what_it_is_for(place, run, capfd):
    assert run("trial", "subnet") == 2
    assert "not started by an NNI experiment" in capfd.readouterr().err


LAUNCH = ("launch", "multi-trial", "--data-root", "data")


@pytest.mark.parametrize("before", [[], ["--resume", "old"], ["--resume=old"]])
def test_an_interrupted_launch_names_the_whole_command(before):
    words = ["launch", "multi-trial", "--data-root", "my data", *before, "--trials", "4"]
    assert shlex.split(resuming(words, "new")) == [
        "fbnet-pfld",
        "launch",
        "multi-trial",
        "--data-root",
        "my data",
        "--trials",
        "4",
        "--resume",
        "new",
    ]


def test_only_an_id_can_be_viewed_or_resumed(place, refused):
    make_database(place / "e", [])
    for command in (("launch", "view", "e"), (*LAUNCH, "--resume", "e")):
        refused(*command, words=["'e' is the folder of an experiment; expected an id"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--strategy", "best"), "unknown strategy 'best'; allowed: evolution, random"),
        (
            ("--max-us", "1000"),
            f"within 1000 us; the fastest takes {FASTEST_US:.1f} us, the slowest",
        ),
        (("--supernet", "none.pth"), "checkpoint cannot be read: none.pth"),
        (("--data-root", "none"), "data root not found: none"),
        (("--resume", "none"), "no NNI experiment 'none'"),
    ],
)
def test_faults_of_a_launch_start_nothing(place, refused, options, message):
    command = LAUNCH[:2] if "--data-root" in options else LAUNCH
    refused(*command, *options, "--port", free_port(), words=[message])


def test_a_port_in_use_is_told(place, run, capfd):
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "http.server", str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: answers(port), 20)
            assert run(*LAUNCH, "--port", port) == 2
        finally:
            server.terminate()
    free = re.search(rf"port {port} is in use; give a free one, such as --port (\d+)$", capfd.readouterr().err.strip())
    assert int(free[1]) > port
    assert not answers(int(free[1]))
    assert not answers(int(free[1]) + 1)  # NNI also uses it


def example(name: str) -> Path:
    """The script, which is as short as an example should be."""
    script = CONFIGS.parents[1] / "examples" / f"{name}.py"
    assert 20 <= len(script.read_text().splitlines()) <= 45
    return script


@pytest.mark.slow
def test_the_example_of_evolution_runs(blobs, tmp_path):
    script = example("evolution_on_pfld")
    done = subprocess.run([BIN / "python", script, blobs], cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    evolved = Architecture.load(tmp_path / "output" / "evolved.json")
    assert LookupTable.load("snapdragon625-4t").latency_us(evolved) <= 2200


@pytest.mark.slow
def test_the_example_of_another_space_runs(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(example("fbnet_on_another_space")), run_name="__main__")
    us = float(re.search(r"^([\d.]+) us: ", capfd.readouterr().out, re.MULTILINE).group(1))
    assert 53 <= us <= 150
