"""Trials one by one, without a manager; reading them back; what the YAML files and commands say."""

import json
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import nni
import pytest
import typer
import yaml
from nni.experiment.config import ExperimentConfig
from nni_tools import BIN, ENV, EXPERIMENTS, answers, free_port, shipped, wait_for

from fbnet_pfld.experiments import cli, nni_trial
from fbnet_pfld.experiments.config import Config
from fbnet_pfld.experiments.finished_trials import read_trials
from fbnet_pfld.experiments.launch import nni_search_space
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import Architecture, InputError, PfldSpace, SpaceSpec

PFLD = SpaceSpec.load("pfld")
SMALL = dict(zip(PFLD.labels, ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"), strict=True))
LARGE = dict(zip(PFLD.labels, ("mb_k5_e2_res", "mb_k5_e2_res", *["mb_k3_e4_res"] * 3), strict=True))
YAMLS = sorted(path.stem for path in EXPERIMENTS.glob("*.yml"))


@pytest.fixture
def trial(place, run, monkeypatch):
    """Run a trial command in this process with given parameters; returns exit code, intermediate results, final result."""
    def command(parameters, *arguments):
        steps, finals = [], []
        monkeypatch.setenv("NNI_OUTPUT_DIR", str(place / "trial"))
        monkeypatch.setattr(nni_trial, "begin", lambda: (parameters, nni_trial.Report()))
        monkeypatch.setattr(nni, "report_intermediate_result", steps.append)
        monkeypatch.setattr(nni, "report_final_result", finals.append)
        return run("trial", *arguments, "--data-root", "data", "--config", "config.yaml"), steps, finals
    return command


def test_search_space_file_is_that_of_the_model_space(tmp_path, run):
    file = json.loads((EXPERIMENTS / "subnets_space.json").read_text())
    assert file == nni_search_space(PFLD)
    assert {label: row["_value"] for label, row in file.items()} == \
        {label: list(mutable.values) for label, mutable in PfldSpace().simplify().items()}
    assert run("launch", "space", "--out", tmp_path / "s.json") == 0
    assert (tmp_path / "s.json").read_text() == (EXPERIMENTS / "subnets_space.json").read_text()


@pytest.mark.parametrize("name", YAMLS)
def test_yaml_files_are_configs_of_nni_whose_commands_parse(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = yaml.safe_load((EXPERIMENTS / f"{name}.yml").read_text())
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
    code, steps, (final,) = trial(SMALL, "subnet", "--budget-us", 2000)
    assert (code, steps) == (0, [])
    small = Architecture(PFLD, 106, 112, SMALL)
    assert final == {"default": final["default"], "latency_us": round(table.latency_us(small), 1), "over_budget": 0, **SMALL}
    assert Architecture.load("trial/architecture.json").choices == SMALL
    assert Path("trial/model.onnx").stat().st_size > 100_000
    Path("trial/model.onnx").unlink()
    code, steps, (final,) = trial(LARGE, "subnet", "--budget-us", 2000, "--supernet", "none.pth")  # not even looked at
    assert (code, final["over_budget"]) == (0, 1)
    assert final["default"] == pytest.approx(table.latency_us(Architecture(PFLD, 106, 112, LARGE)) / 20, abs=0.01)
    assert not Path("trial/model.onnx").exists()


def test_a_subnet_can_be_finetuned_before_it_is_rated(trial):
    code, steps, (final,) = trial(SMALL, "subnet", "--epochs", 2)
    assert code == 0
    assert len(steps) == 2
    assert final["default"] == pytest.approx(min(step["default"] for step in steps), abs=1e-3)


def test_a_trial_that_has_diverged_fails_and_reports_nothing(trial, monkeypatch, capfd):
    monkeypatch.setattr("fbnet_pfld.experiments.trial.rate", lambda *_, **__: float("nan"))
    code, _, finals = trial(SMALL, "subnet")
    assert (code, finals) == (1, [])


@pytest.mark.parametrize(("parameters", "command", "message"), [
    ({**SMALL, "layer_0": "mb_k9"}, ["subnet"], "layer_0: block 'mb_k9' is not a candidate"),
    ({"search.beat": 1}, ["search"], "parameters of the trial: unknown key 'search.beat'; allowed: "),
    ({"seach.beta": 1}, ["search"], "parameters of the trial: unknown key 'seach'; allowed: "),
    ({"points.x": 1}, ["search"], "parameters of the trial: 'points' has no keys, but 'points.x' is given"),
    ({"search.target_us": 1000}, ["search"], "no architecture within 1000 us; allowed: from 1870.5 us, the cheapest"),
    ({}, ["finetune", "--arch", "none.json"], "architecture file not found: none.json"),
    (SMALL, ["subnet", "--supernet", "none.pth"], "checkpoint cannot be read: none.pth"),
])
def test_faults_of_a_trial_are_one_line(trial, capfd, parameters, command, message):
    code, _, finals = trial(parameters, *command)
    assert (code, finals) == (2, [])
    error = capfd.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_a_trial_by_hand_is_told_what_it_is_for(place, run, capfd):
    assert run("trial", "subnet") == 2
    assert "not started by an NNI experiment" in capfd.readouterr().err


def make_database(folder: Path, trials: list[tuple[str, int, dict, dict]]) -> None:
    (folder / "db").mkdir(parents=True)
    with sqlite3.connect(folder / "db" / "nni.sqlite") as connection:
        connection.execute("create table TrialJobEvent (trialJobId text, event text, data text, logPath text)")
        connection.execute("create table MetricData (timestamp integer, trialJobId text, parameterId text, type text, "
                           "data text)")
        for i, (trial, parameter, parameters, final) in enumerate(trials):
            record = json.dumps({"parameter_id": i, "parameters": parameters})
            connection.execute("insert into TrialJobEvent values (?, 'WAITING', ?, ?)", (trial, record, f"/trials/{trial}"))
            connection.execute("insert into TrialJobEvent values (?, 'SUCCEEDED', '', null)", (trial,))
            connection.execute("insert into MetricData values (?, ?, ?, 'FINAL', ?)",
                               (i, trial, str(parameter), json.dumps(json.dumps(final))))


def test_results_are_read_under_the_parameters_that_the_trial_had(tmp_path):
    """Two trials listed under each other's parameters, as NNI does it; one of them reported twice."""
    make_database(tmp_path / "e", [("a", 1, {"x.y": 0}, {"default": 9.0, **SMALL}),
                                   ("b", 0, {"x.y": 1}, {"default": 5.0, **LARGE}),
                                   ("a", 1, {"x.y": 0}, {"default": -8.0, **SMALL})])
    a, b = read_trials(str(tmp_path / "e"), Config())
    assert (a.id, a.nme, a.parameters, a.architecture.choices, a.folder) == ("a", 8.0, {"x.y": 1}, SMALL, "/trials/a")
    assert (b.id, b.nme, b.parameters, b.architecture.choices) == ("b", 5.0, {"x.y": 0}, LARGE)
    assert b.architecture.latency["us"] > a.architecture.latency["us"]


def test_the_best_within_a_latency_or_a_named_trial(tmp_path, run, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    over = {"default": 130.0, "over_budget": 1, **LARGE}
    make_database(tmp_path / "e", [("a", 0, {}, {"default": 9.0, **SMALL}), ("b", 1, {}, {"default": 5.0, **LARGE}),
                                   ("c", 2, {}, over)])

    def found(*options):
        assert run("from-experiment", "e", "--json", *options) == 0
        return json.loads(capfd.readouterr().out.splitlines()[-1])["trial"]

    assert (found(), found("--max-us", 2000), found("--trial", "c")) == ("b", "a", "c")
    assert Architecture.load("output/architecture.json").metrics == {}
    before = Path("output/architecture.json").read_bytes()
    for options, message in ((("--max-us", 100), "no trial within 100 us; allowed: from 1870.5 us"),
                             (("--trial", "d"), "no finished trial 'd'; allowed: a, b, c")):
        assert run("from-experiment", "e", *options) == 2
        assert message in capfd.readouterr().err
    assert Path("output/architecture.json").read_bytes() == before


@pytest.mark.parametrize(("name", "content", "message"), [
    ("none", None, "no NNI experiment 'none'"),
    ("e.json", None, "exported trials not found: e.json"),
    ("e.json", "{", "exported trials is not valid JSON: e.json:1"),
    ("e.json", '[{"a": 1}]', "e.json: not a file that nnictl experiment export has written"),
    ("e.csv", "a,b\n1,2\n", "e.csv:1: column 'trialJobId' is missing; wanted: trialJobId"),
    ("e.csv", "trialJobId,reward\nx,2\n", "trial x has not reported a block for each of layer_0"),
    ("e.json", '[{"trialJobId": "x", "parameter": {}, "value": "0.5"}]', "trial x has not reported a block for each"),
    ("e.json", "[]", "e.json: no trial in it has a result; give the experiment's id instead of the file to see why"),
])
def test_sources_that_are_none_are_told(tmp_path, monkeypatch, run, capfd, name, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_text(content)
    assert run("from-experiment", name) == 2
    error = capfd.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not Path("output").exists()


def add_trials(folder: Path, states: dict[str, tuple[str, str | None]]) -> None:
    """Trials without a result: name -> NNI's state, and what it wrote to its error output."""
    with sqlite3.connect(folder / "db" / "nni.sqlite") as connection:
        for i, (trial, (state, said)) in enumerate(states.items()):
            place = folder.resolve() / "trials" / trial
            place.mkdir(parents=True)
            if said is not None:
                (place / "trial.stderr").write_text(said)
            record = json.dumps({"parameter_id": 100 + i, "parameters": {}})
            for event, data in (("WAITING", record), (state, "")):
                connection.execute("insert into TrialJobEvent values (?, ?, ?, ?)", (trial, event, data, str(place)))


FAILURES = {
    "command not on the PATH": ({"a": ("FAILED", "timeout: failed to run command 'fbnet-pfld': No such file or directory\n"),
                                 "b": ("FAILED", "timeout: failed to run command 'fbnet-pfld': No such file or directory\n")},
                                ("2 failed", "trial b ended with \"timeout: failed to run command 'fbnet-pfld'",
                                 "trials/b/trial.stderr",
                                 "not on the PATH of the trials; before nnictl create, run: export PATH=")),
    "a mistake of the user": ({"a": ("FAILED", "bar 10 %\rbar 20 %\n\nfbnet-pfld: data root not found: data\n\n")},
                              ("1 failed", "trial a ended with 'fbnet-pfld: data root not found: data'")),
    "some still run": ({"a": ("FAILED", "oops\n"), "b": ("RUNNING", ""), "c": ("WAITING", None)},
                       ("1 failed, 1 running, 1 waiting", "trial a ended with 'oops'")),
    "all run": ({"a": ("RUNNING", "")}, ("no trial has a result: 1 running",)),
    "a killed one says nothing": ({"a": ("FAILED", "")}, ("nothing is in", "trials/a/trial.stderr of trial a")),
    "none has begun": ({}, ("no trial of the experiment has begun; NNI's log is ",)),
}


@pytest.mark.parametrize("name", FAILURES)
def test_an_experiment_without_a_result_says_why(tmp_path, monkeypatch, run, capfd, name):
    monkeypatch.chdir(tmp_path)
    states, words = FAILURES[name]
    make_database(Path("e"), [])
    add_trials(Path("e"), states)
    assert run("from-experiment", "e") == 2
    error = capfd.readouterr().err.strip()
    assert error.startswith("fbnet-pfld: e: no trial ")
    assert "\n" not in error
    for word in words:
        assert word in error
    assert not Path("output").exists()


def test_trials_that_failed_beside_good_ones_are_told(tmp_path, monkeypatch, run, capfd):
    monkeypatch.chdir(tmp_path)
    make_database(Path("e"), [("good", 0, {}, {"default": 9.0, **SMALL})])
    add_trials(Path("e"), {"bad": ("FAILED", "Traceback\nValueError: no\n"), "late": ("RUNNING", "")})
    assert run("from-experiment", "e", "--json") == 0
    captured = capfd.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    assert (found["trial"], found["trials"], found["without_result"]) == ("good", 1, {"failed": 1, "running": 1})
    assert "trials without a result: 1 failed, 1 running; trial bad ended with 'ValueError: no'" in captured.err


def test_a_database_that_is_none_is_told(tmp_path):
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "nni.sqlite").write_text("no data base, though long enough to be one")
    with pytest.raises(InputError, match="cannot be read"):
        read_trials(str(tmp_path), Config())


LAUNCH = ("launch", "multi-trial", "--data-root", "data")


@pytest.mark.parametrize(("options", "message"), [
    (("--strategy", "best"), "unknown strategy 'best'; allowed: evolution, random"),
    (("--budget-us", "1000"), "no architecture within 1000 us; allowed: from 1870.5 us, the cheapest (the dearest costs"),
    (("--supernet", "none.pth"), "checkpoint cannot be read: none.pth"),
    (("--data-root", "none"), "data root not found: none"),
    (("--resume", "none"), "no NNI experiment 'none'"),
])
def test_faults_of_a_launch_start_nothing(place, run, capfd, options, message):
    assert run(*(LAUNCH[:2] if "--data-root" in options else LAUNCH), *options, "--port", free_port()) == 2
    assert message in capfd.readouterr().err
    assert not Path("output/architecture.json").exists()


def test_a_port_in_use_is_told(place, run, capfd):
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "http.server", str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: answers(port), 20)
            assert run(*LAUNCH, "--port", port) == 2
        finally:
            server.terminate()
    free = re.search(rf"port {port} is in use; a free one is --port (\d+)", capfd.readouterr().err)
    assert not answers(int(free[1]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evolution_on_pfld", "fbnet_on_another_space"])
def test_examples_of_reuse_run(name, blobs, tmp_path):
    script = EXPERIMENTS / "examples" / f"{name}.py"
    assert 20 <= len(script.read_text().splitlines()) <= 40
    done = subprocess.run([BIN / "python", script, blobs], cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    if name == "evolution_on_pfld":
        evolved = Architecture.load(tmp_path / "output" / "evolved.json")
        assert LookupTable.load("snapdragon625-4t").latency_us(evolved) <= 2000
    else:
        us = float(re.search(r"^([\d.]+) us: ", done.stdout, re.MULTILINE).group(1))
        assert 53 <= us <= 150

