"""Where NNI 3.0 is broken and we depend on it: each fault, and the thin layer over it."""

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
    """Parameters under which the experiment lists this trial.

    The manager hands the next parameters to whichever trial asks first. Of several that start at once, each may so run with
    another one's, and the web UI, the data base and ``nnictl experiment export`` show every result beside wrong parameters.
    Here the trial asks (which takes a set off the manager's queue), and then uses those that it is listed with. On a remote
    machine the manager cannot be asked; what it handed out is used there.
    """
    parameters = nni.get_next_parameter()
    manager, _, _ = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", "").partition("/env/")
    if not manager or os.environ["NNI_PLATFORM"] != "local":
        return parameters
    listed = requests.get(f"{manager}/api/v1/nni/trial-jobs/{nni.get_trial_id()}", timeout=30).json()
    # results are reported under the number in this record
    nni.trial._params = json.loads(listed["hyperParameters"][0])
    return nni.trial._params["parameters"]


class TrialChannel:
    """The way from this trial to its manager, kept for reports from inside a one-shot search and after it.

    NNI's engine for one-shot searches takes the place of the process's manager while it runs, so that results never reach the
    real one, and leaves its own parameters behind, under which a later result would be filed.
    """

    def __init__(self) -> None:
        self._channel, self._parameters = get_default_trial_command_channel(), nni.trial._params

    @contextmanager
    def open(self) -> Iterator[None]:
        """What is reported within goes to the manager, under the parameters of this trial."""
        inner = get_default_trial_command_channel(), nni.trial._params
        set_default_trial_command_channel(self._channel)
        nni.trial._params = self._parameters
        try:
            yield
        finally:
            set_default_trial_command_channel(inner[0])
            nni.trial._params = inner[1]


class _TrustingSerializer(TorchSerializer):
    """Load the state of a search strategy as the pickle that it is.

    NNI loads it with torch's default, which since torch 2.6 refuses everything but weights, so no multi-trial experiment could
    be resumed. The file is one that NNI has written on this machine, in the experiment's own folder.
    """

    def load(self, path: Path) -> Any:
        return torch.load(path.with_name(path.name + self.suffix), weights_only=False)


def _receive_without_imports(self: TunerCommandChannel) -> tuple[CommandType, str] | tuple[None, None]:
    """The manager's next command, past the list of earlier and running trials that it sends when an experiment is resumed.

    NNI's NAS engine does not know these commands: its listening thread dies of them, and the experiment waits for ever.
    """
    while (command := _receive(self))[0] in (CommandType.ImportData, CommandType.AddCustomizedTrialJob):
        pass
    return command


_receive = TunerCommandChannel._receive


def let_experiments_resume() -> None:
    """Make ``NasExperiment.resume`` work for multi-trial experiments."""
    set_default_serializer(_TrustingSerializer())
    TunerCommandChannel._receive = _receive_without_imports  # type: ignore[method-assign]
