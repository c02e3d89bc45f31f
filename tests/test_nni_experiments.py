"""Experiments as users launch them: nnictl with the shipped YAML files, and NasExperiment; and their results."""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import onnx
import onnxruntime
import pytest
import requests
import torch
import yaml
from budgets import HARDLY_ANY_US, SLOWEST_US
from nni_tools import (
    BIN,
    CONFIGS,
    ENV,
    answers,
    background,
    ended,
    execute,
    free_port,
    manager_of,
    nnictl,
    processes_of,
    shipped,
    wait_for,
)

from fbnet_pfld.experiments.nni_jobs.finished_trials import read_trials
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import Architecture

pytestmark = pytest.mark.slow

DATA = "--data-root ../../../data"
STATUS = "http://localhost:{}/api/v1/nni/check-status"
TRIALS = "http://localhost:{}/api/v1/nni/trial-jobs"
FILE = "http://localhost:{}/api/v1/nni/trial-file/{}/model.onnx"
"""Path that the web UI requests for a trial's Visualization tab."""
SUBNET = f"timeout 100s fbnet-pfld trial subnet {DATA} --supernet ../../../ckpt_save/supernet/checkpoint_best.pth --max-us 2550"
FAST = SUBNET.replace("2550", str(HARDLY_ANY_US))
"""For tests that need no ratings: nearly all subnets are over this budget, and are reported without being rated."""
CRASHING = SUBNET.replace("--max-us 2550", f"--max-us {int(SLOWEST_US) + 10}").replace("../../../data", "../../../none")
"""Rates any subnet, so it fails on the missing data."""


def finals(experiment) -> dict[str, dict]:
    """Trial -> final result, by NNI's REST interface."""
    return {
        trial: json.loads(json.loads(metric.data)) if isinstance(metric.data, str) else metric.data
        for trial, metrics in experiment.get_job_metrics().items()
        for metric in metrics
        if metric.type == "FINAL"
    }


def test_subnets_from_nnictl_to_a_network(place, run):
    """As shipped, except for three trials and a budget that nearly all random subnets meet."""
    Path("data").rename("moved")
    Path("data").mkdir()
    Path("moved").rename("data/106points")
    command = yaml.safe_load((CONFIGS / "subnets.yml").read_text())["trialCommand"]
    config = shipped("subnets", maxTrialNumber=3, trialCommand=command.replace("--max-us 2450", "--max-us 2550"))
    with nnictl("create", "--config", config) as experiment:
        wait_for(lambda: ended(experiment))
        results, trials = finals(experiment), experiment.list_trial_jobs()
        assert [trial.status for trial in trials] == ["SUCCEEDED"] * 3
        table, spec = LookupTable.load("snapdragon625-4t"), Config().space
        for trial in trials:
            listed, result = trial.hyperParameters[0].parameters, results[trial.trialJobId]
            # at two trials at a time, NNI alone would mix these up
            assert {label: result[label] for label in listed} == listed
            chosen = Architecture.from_dict(
                {"schema": 1, "space": spec, "num_points": 106, "input_size": 112, "choices": listed}, "x"
            )
            assert result["latency_us"] == pytest.approx(table.latency_us(chosen), abs=0.06)
            assert result["over_budget"] == (result["latency_us"] > 2550)
        for kind in ("json", "csv"):
            execute("nnictl", "experiment", "export", experiment.id, "--filename", f"out.{kind}", "--type", kind)
        done = execute("fbnet-pfld", "from-experiment", experiment.id, "--out", "running.json")
        assert done.returncode == 0, done.stderr
    best = min((result for result in results.values() if result["latency_us"] <= 2550), key=lambda result: result["default"])
    for source, output in ((experiment.id, "stopped.json"), ("out.json", "exported.json"), ("out.csv", "table.json")):
        assert run("from-experiment", source, "--out", output) == 0
    for name in ("running.json", "stopped.json", "exported.json", "table.json"):
        network = Architecture.load(name)
        assert {label: best[label] for label in network.choices} == network.choices
    assert network.build()(torch.rand(2, 3, 112, 112)).shape == (2, 212)
    with open("out.csv") as file:
        assert len(list(csv.DictReader(file))) == 3


def test_failed_trials_and_a_killed_manager_end_no_experiment(place):
    """The first trial takes too long, the second crashes; during the fourth, the manager is killed."""
    command = (
        f"if [ $NNI_TRIAL_SEQ_ID = 0 ]; then timeout 1s sleep 60; elif [ $NNI_TRIAL_SEQ_ID = 1 ]; "
        f"then {CRASHING}; else {FAST}; fi"
    )
    tuner = {"name": "Evolution", "classArgs": {"optimize_mode": "minimize", "population_size": 4}}
    config = shipped("subnets", maxTrialNumber=5, trialConcurrency=1, trialCommand=command, tuner=tuner)
    with nnictl("create", "--config", config, stopped="no experiments matched") as experiment:
        for status in ("SUCCEEDED", "RUNNING"):
            wait_for(lambda status=status: status in {trial.status for trial in experiment.list_trial_jobs()})
        trials = {trial.sequenceId: trial for trial in experiment.list_trial_jobs()}
        assert [trials[i].status for i in range(3)] == ["FAILED", "FAILED", "SUCCEEDED"]
        assert (
            (Path(trials[1].logPath) / "trial.stderr").read_text().strip()
            == "fbnet-pfld: data root not found: ../../../none; give a folder with train_data/list.txt and test_data/list.txt"
        )
        manager_of(experiment.id).kill()
        wait_for(lambda: processes_of(experiment.id) == [])
    with nnictl("resume", experiment.id) as resumed:
        wait_for(lambda: ended(resumed))
        assert sorted(trial.status for trial in resumed.list_trial_jobs()) == ["FAILED"] * 2 + ["SUCCEEDED"] * 3
    assert len(read_trials(experiment.id, Config())) == 3


def test_an_experiment_all_of_whose_trials_fail_says_why_and_what_mends_it(place, run, capfd):
    """Started by the path of nnictl, without the environment on the PATH, like a service; then as the message advises."""
    config = shipped("subnets", maxTrialNumber=2, trialCommand=SUBNET, tuner={"name": "Random"})
    bare = {**ENV, "PATH": os.defpath}
    with nnictl("create", "--config", config, env=bare) as experiment:
        wait_for(lambda: ended(experiment))
        exported = execute("nnictl", "experiment", "export", experiment.id, "--filename", "out.json", "--type", "json")
        assert exported.returncode == 0, exported.stderr
    capfd.readouterr()
    assert run("from-experiment", experiment.id) == 2
    said = re.fullmatch(
        rf"fbnet-pfld: {experiment.id}: no trial has a result: 2 failed; trial \w+ ended with '(.+)' \((.+)\): "
        r"the command is not on the PATH of the trials; before nnictl create, run: (.+)\n",
        capfd.readouterr().err,
    )
    assert Path(said[2]).read_text().strip() == said[1]
    assert "fbnet-pfld" in said[1]
    shell = subprocess.run(f"{said[3]}; command -v fbnet-pfld", shell=True, env=bare, capture_output=True, text=True)
    assert shell.stdout.strip() == str(BIN / "fbnet-pfld")
    assert run("from-experiment", "out.json") == 2
    assert (
        capfd.readouterr().err == "fbnet-pfld: out.json: no trial has a result; give the experiment's id instead of "
        "the file to see why\n"
    )
    assert not Path("output/architecture.json").exists()


def test_a_poor_finetuning_is_stopped_early(place, run, capfd):
    Path("experiments/nni_jobs/configs").mkdir(parents=True)
    for trial, epochs in enumerate((12, 60)):  # the second is long, because it runs until NNI has stopped it
        Path(f"experiments/nni_jobs/configs/c{trial}.yaml").write_text(f"finetune: {{epochs: {epochs}, batch_size: 16}}\n")
    space = {"finetune.learning_rate": {"_type": "choice", "_value": [0.005, 1e-9]}}
    assessor = {"name": "Medianstop", "classArgs": {"optimize_mode": "minimize", "start_step": 3}}
    command = (
        f"timeout 100s fbnet-pfld trial finetune {DATA} --config c$NNI_TRIAL_SEQ_ID.yaml --arch "
        "../../../ckpt_save/supernet/architecture.json --supernet ../../../ckpt_save/supernet/checkpoint_best.pth"
    )
    config = shipped(
        "finetune", maxTrialNumber=2, searchSpace=space, tuner={"name": "GridSearch"}, assessor=assessor, trialCommand=command
    )
    with nnictl("create", "--config", config) as experiment:
        wait_for(lambda: ended(experiment))
        status = {
            trial.hyperParameters[0].parameters["finetune.learning_rate"]: trial.status
            for trial in experiment.list_trial_jobs()
        }
        # canceled by the assessor; NNI 3.0 notes why only after it has set the status
        assert status == {0.005: "SUCCEEDED", 1e-9: "USER_CANCELED"}
    assert run("from-experiment", experiment.id, "--json") == 0
    found = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert Architecture.load(found["architecture"]).choices == Architecture.load("ckpt_save/supernet/architecture.json").choices
    assert Config.load(found["config"]).finetune.learning_rate == 0.005
    assert (Path(found["folder"]) / "checkpoint_best.pth").is_file()


def test_a_search_at_a_latency_target_is_one_trial(place):
    Path("experiments/nni_jobs/configs").mkdir(parents=True)
    Path("experiments/nni_jobs/configs/c.yaml").write_text("search: {epochs: 3, batch_size: 16}\n")
    space = {"search.target_us": {"_type": "choice", "_value": [2100]}}
    config = shipped(
        "search",
        maxTrialNumber=1,
        searchSpace=space,
        trialCommand=f"timeout 100s fbnet-pfld trial search {DATA} --config c.yaml "
        "--supernet ../../../ckpt_save/supernet/checkpoint_best.pth",
    )
    with nnictl("create", "--config", config) as experiment:
        wait_for(lambda: ended(experiment))
        (metrics,) = experiment.get_job_metrics().values()
        steps = [metric.data for metric in metrics if metric.type == "PERIODICAL"]
        assert len(steps) == 3
        for step in steps:
            assert set(step) == {"default", "expected_us", "chosen_us", "entropy"}
            assert step["expected_us"] == pytest.approx(2100, abs=0.5)
            assert step["chosen_us"] <= 2100
        (result,) = finals(experiment).values()
        assert result["latency_us"] <= 2100
    (trial,) = read_trials(experiment.id, Config())
    assert trial.parameters == {"search.target_us": 2100}
    assert Architecture.load(Path(trial.folder, "supernet", "architecture.json")).choices == trial.architecture.choices


def test_nas_experiment_stops_at_ctrl_c_and_resumes(place, run, capfd):
    port = free_port()
    command = (
        "fbnet-pfld",
        "launch",
        "multi-trial",
        "--data-root",
        "data",
        "--strategy",
        "evolution",
        "--trials",
        "3",
        "--max-us",
        "2200",
        "--port",
        port,
    )
    with background(*command) as launch:
        experiment = launch.stderr.readline().split()[1].rstrip(":")
        assert launch.stderr.readline().startswith("trial 1/3  best ")
        first = requests.get(TRIALS.format(port)).json()[0]["trialJobId"]
        assert onnx.load_from_string(requests.get(FILE.format(port, first)).content).graph.output[0].name == "landmarks"
        launch.send_signal(signal.SIGINT)
        _, message = launch.communicate(timeout=60)
        assert launch.returncode == 1
        hint, _, pasted = message.splitlines()[-1].partition(": ")
        assert hint == "interrupted; resume with"
        assert pasted.endswith(f" --resume {experiment}")
    assert processes_of(experiment) == []
    done = execute(*shlex.split(pasted), "--json")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    trials = read_trials(experiment, Config())
    best = min(trials, key=lambda trial: trial.nme)
    # NNI's top model, as the command exported it, is the best by the trials' own reports
    assert Architecture.load(found["architecture"]).choices == best.architecture.choices == found["choices"]
    assert len(trials) == found["trials"] == 3
    assert all(trial.architecture.latency.us <= 2200 for trial in trials)
    image = {"image": torch.rand(1, 3, 112, 112).numpy()}
    assert onnxruntime.InferenceSession(Path(best.folder) / "model.onnx").run(None, image)[0].shape == (1, 212)
    with background("fbnet-pfld", "launch", "view", experiment, "--port", port) as viewer:
        assert viewer.stderr.readline().startswith(f"experiment {experiment}: web UI at http://localhost:{port}")
        wait_for(lambda: answers(port))
        wait_for(lambda: '"VIEWED"' in requests.get(STATUS.format(port)).text)  # no JSON before the server is ready
        assert len(read_trials(experiment, Config())) == 3
        assert run("launch", "view", experiment, "--port", free_port()) == 2
        assert f"experiment {experiment} is running; stop it first with: nnictl stop {experiment}\n" in capfd.readouterr().err
        viewer.terminate()
        viewer.communicate(timeout=60)
    assert processes_of(experiment) == []
