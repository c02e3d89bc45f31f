"""Workarounds for faults of NNI 3.0, each with a description of the fault."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nni
import nni.trial
import requests
import torch
from nni.nas.utils.serializer import TorchSerializer, set_default_serializer
from nni.runtime.trial_command_channel import get_default_trial_command_channel, set_default_trial_command_channel
from nni.runtime.tuner_command_channel import TunerCommandChannel
from nni.runtime.tuner_command_channel.command_type import CommandType


def listed_parameters() -> dict[str, Any]:
    """Return the parameters under which the experiment lists this trial.

    The manager gives the next parameters to the first trial that asks. Trials that start at the same time may therefore get
    each other's parameters, and the web UI, the database and ``nnictl experiment export`` show results beside wrong parameters.
    This function asks (which takes one set off the manager's queue), and then uses the parameters that the trial is listed
    with. A trial on a remote machine cannot query the manager, and uses the parameters that it received.
    """
    parameters = nni.get_next_parameter()
    manager, _, _ = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", "").partition("/env/")
    if not manager or os.environ["NNI_PLATFORM"] != "local":
        return parameters
    listed = requests.get(f"{manager}/api/v1/nni/trial-jobs/{nni.get_trial_id()}", timeout=30).json()
    # results are reported under the parameter id in this record
    nni.trial._params = json.loads(listed["hyperParameters"][0])
    return nni.trial._params["parameters"]


class TrialChannel:
    """Channel from this trial to its manager, kept for reports during and after a one-shot search.

    NNI's engine for one-shot searches replaces the process's manager while it runs, so results never reach the real one. It
    also leaves its own parameters behind, under which later results would be filed.
    """

    def __init__(self) -> None:
        self._channel, self._parameters = get_default_trial_command_channel(), nni.trial._params

    @contextmanager
    def open(self) -> Iterator[None]:
        """Send reports within the context to the manager, under the parameters of this trial."""
        inner = get_default_trial_command_channel(), nni.trial._params
        set_default_trial_command_channel(self._channel)
        nni.trial._params = self._parameters
        try:
            yield
        finally:
            set_default_trial_command_channel(inner[0])
            nni.trial._params = inner[1]


class _TrustingSerializer(TorchSerializer):
    """Load the state of a search strategy as a pickle.

    NNI loads it with torch's default, which since torch 2.6 refuses everything but weights, so multi-trial experiments could
    not be resumed. The file is safe: NNI has written it on this machine, in the experiment's folder.
    """

    def load(self, path: Path) -> Any:
        return torch.load(path.with_name(path.name + self.suffix), weights_only=False)


def _receive_without_imports(self: TunerCommandChannel) -> tuple[CommandType, str] | tuple[None, None]:
    """Return the manager's next command; skip the list of earlier and running trials that it sends to a resumed experiment.

    NNI's NAS engine does not know these commands: they end its listening thread, and the experiment waits forever.
    """
    while (command := _receive(self))[0] in (CommandType.ImportData, CommandType.AddCustomizedTrialJob):
        pass
    return command


_receive = TunerCommandChannel._receive


def let_experiments_resume() -> None:
    """Make ``NasExperiment.resume`` work for multi-trial experiments."""
    set_default_serializer(_TrustingSerializer())
    TunerCommandChannel._receive = _receive_without_imports  # type: ignore[method-assign]
