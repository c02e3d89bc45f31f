"""Run a one-shot search as an NNI experiment in this process."""

import pytorch_lightning as pl
from nni.nas.evaluator.pytorch import Lightning
from nni.nas.experiment import NasExperiment
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.oneshot.pytorch.strategy import OneShotStrategy
from pytorch_lightning.trainer.states import TrainerStatus


def run_search(space: ModelSpace, evaluator: Lightning, strategy: OneShotStrategy) -> dict[str, str]:
    """Run a search and return the chosen architecture, label -> candidate.

    Parameters
    ----------
    space
        Space to search.
    evaluator
        Trains and validates the supernet, such as :func:`~fbnet_pfld.evaluators.make_evaluator`.
    strategy
        Search strategy, such as :class:`StagedFBNet`.

    Raises
    ------
    RuntimeError
        If the training did not finish (NNI's ``run`` returns normally in some such cases).
    """
    experiment = NasExperiment(space, evaluator, strategy)
    try:
        experiment.run()
    finally:
        experiment.stop()  # otherwise NNI does it at process exit, when its loggers can no longer write
    trainer: pl.Trainer = evaluator.trainer
    if trainer.state.status != TrainerStatus.FINISHED:
        raise RuntimeError(f"the search ended early: {trainer.state.status}")
    return strategy.oneshot_module.export()
