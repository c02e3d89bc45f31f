"""NNI's remote training service over ssh: remote.yml with an ssh server on the loopback interface as its one machine."""

import getpass
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from nni_tools import BIN, CONFIGS, answers, ended, free_port, nnictl, processes_of, shipped, wait_for

from fbnet_pfld.experiments.nni_jobs.finished_trials import read_trials
from fbnet_pfld.experiments.pipeline.config import Config

SSHD = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")


@pytest.fixture
def machine(tmp_path_factory):
    """An ssh server of this user with temporary keys and home, as an entry of machineList."""
    if SSHD is None or not shutil.which("ssh-keygen"):
        pytest.skip("no openssh-server on this machine")
    folder, port = tmp_path_factory.mktemp("ssh"), free_port()
    for name in ("key", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "home").mkdir()
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd, started by root, needs this folder for its privilege separation
    (folder / "config").write_text(f"""
        Port {port}
        ListenAddress 127.0.0.1
        HostKey {folder}/host
        AuthorizedKeysFile {folder}/key.pub
        PidFile none
        StrictModes no
        PasswordAuthentication no
        Subsystem sftp internal-sftp
        SetEnv HOME={folder}/home OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore PIP_NO_INDEX=1
    """)
    server = subprocess.Popen([SSHD, "-D", "-f", folder / "config", "-E", folder / "log"])
    try:
        wait_for(lambda: answers(port), 10)
        yield {
            "host": "127.0.0.1",
            "port": port,
            "user": getpass.getuser(),
            "sshKeyFile": str(folder / "key"),
            "pythonPath": str(BIN),
        }
    finally:
        server.terminate()
        server.wait(10)


def test_remote_yml_is_subnets_yml_elsewhere():
    remote, subnets = (yaml.safe_load((CONFIGS / f"{name}.yml").read_text()) for name in ("remote", "subnets"))
    different = {name for name in remote.keys() | subnets.keys() if remote.get(name) != subnets.get(name)}
    assert different == {"experimentName", "trialCommand", "trainingService", "nniManagerIp"}
    assert remote["trialCommand"].replace("/srv/fbnet-pfld/", "../../../") == subnets["trialCommand"]


@pytest.mark.slow
def test_two_trials_over_ssh(place, machine):
    command = yaml.safe_load((CONFIGS / "remote.yml").read_text())["trialCommand"]
    command = command.replace("/srv/fbnet-pfld/data/106points", str(place / "data")).replace("/srv/fbnet-pfld", str(place))
    config = shipped(
        "remote",
        maxTrialNumber=2,
        trialCommand=command.replace("--max-us 2450", ""),
        nniManagerIp="127.0.0.1",
        trainingService={"platform": "remote", "machineList": [machine]},
    )
    with nnictl("create", "--config", config) as experiment:
        wait_for(lambda: ended(experiment), 180)
        trials = experiment.list_trial_jobs()
        assert [trial.status for trial in trials] == ["SUCCEEDED"] * 2
    found = read_trials(experiment.id, Config())
    assert {trial.id for trial in found} == {trial.trialJobId for trial in trials}
    for trial in found:
        # the result is listed under the trial's parameters, also on other machines
        assert trial.parameters == trial.architecture.choices
        assert trial.nme > 0
    wait_for(lambda: processes_of(experiment.id) == [], 30)
