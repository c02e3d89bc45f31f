"""Train the supernet, choose the architecture, and find the front."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only

from ...evaluators import Checkpoint, FaceData, RunRecord, load_supernet, make_evaluator, start_space, weights_digest
from ...evaluators.names import BEST
from ...latency import LookupTable
from ...search_space import Architecture, PfldSpace, SpaceSpec
from ...search_space.files import write_text
from ...search_space.progress import Track, ignore, silent
from ...strategies import cost_of, decode, run_search
from ...strategies.search_module import SearchModule
from .config import Config
from .finetuning import tell_fresh
from .front import find_front
from .scoring import FACES, Scorer
from .workspace import ARCHITECTURE, HISTORY


class History(pl.Callback):
    """Write all validation metrics as CSV, one row per epoch; a resumed run continues after the earlier rows."""

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[dict[str, float]] = []

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # metrics of training steps arrive an epoch late here, and not at all in a resumed run's first epoch
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if not name.startswith("train_")}
        self.rows.append({"epoch": trainer.current_epoch, **figures})
        write_text(self.path, pd.DataFrame(self.rows).to_csv(index=False))

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


def search_supernet(
    config: Config,
    faces: FaceData,
    folder: Path,
    seed: int = 0,
    resume: str | None = None,
    devices: str = "",
    callbacks: Sequence[pl.Callback] = (),
    supernet: Path | None = None,
    track: Track = silent,
    init: Path | None = None,
    remark: Callable[[str], None] = ignore,
) -> Architecture:
    """Search and write ``checkpoint_best.pth`` and ``architecture.json`` of the latest epoch into ``folder``, then the front.

    The latest epoch is the best in a search: its logits were trained longest, at the lowest temperature. An earlier epoch with
    a lower NME may have a higher latency.

    Parameters
    ----------
    folder
        Folder for the results; see :class:`~.workspace.Workspace`.
    resume
        ``auto``, or the state to resume from.
    devices
        See :func:`~fbnet_pfld.evaluators.training.evaluator.make_evaluator`.
    supernet
        Checkpoint of a search in stages with this ``seed`` and ``val_fraction``, whose weights stay fixed: only the
        logits are trained, for another target or table.
    track
        Shows the progress of the scoring at the end; ``callbacks`` show that of the training.
    init
        Checkpoint of a supernet to start from, or ``pretrained:NAME``; without its last layer if that has another number of
        points. The search is then shorter, see ``SearchOptions.continuing``.
    remark
        Called with one line if the last layer is not loaded.

    Returns
    -------
    Architecture
        The chosen architecture, with its latency and its NME on the held-out faces with the supernet's weights.

    Raises
    ------
    InputError
        If any input is invalid; nothing has been written.
    """
    # the space, with the weights of a trained supernet if one is given, and the strategy
    table = LookupTable.load(config.lut)
    pl.seed_everything(seed, verbose=False)
    space = PfldSpace(config.space, config.points, config.input_size)
    trained = started = None
    if supernet is not None:
        config = config.model_copy(update={"search": config.search.logits_only()})
        trained = Checkpoint.load(supernet)
        load_supernet(space, trained)
    elif init is not None:
        config = config.model_copy(update={"search": config.search.continuing()})
        started = Checkpoint.load(init)
        tell_fresh(init, start_space(space, started), config.points, remark)
    strategy = config.search.strategy(table.cost(space))

    @rank_zero_only
    def save(trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = strategy.oneshot_module
        assert isinstance(module, SearchModule)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val_")}
        chosen = Architecture(space.spec, config.points, config.input_size, module.export(), metrics=metrics)
        Checkpoint.of(strategy.supernet, space.spec, metrics, module.stage, module.partial).save(folder / BEST)
        table.annotate(chosen).save(folder / ARCHITECTURE)

    # the training, new or resumed
    network = {"kind": "supernet", "space": space.spec.to_dict(), "num_points": config.points, "input_size": config.input_size}
    record = RunRecord(
        folder,
        resume,
        {
            "network": network,
            "seed": seed,
            "eye_corners": config.eye_corners,
            "lut": config.lut,
            "search": config.search.record(),
            "supernet": trained and weights_digest(trained),
            "init": started and weights_digest(started),
        },
    )
    own = [pl.callbacks.LambdaCallback(on_validation_end=save), History(folder / HISTORY)]
    options = config.search.model_copy(update={"epochs": config.search.total_epochs})
    evaluator = make_evaluator(
        faces.train,
        options,
        folder,
        seed,
        [*own, *callbacks],
        eye_corners=config.eye_corners,
        shuffle_val=True,
        record=record,
        devices=devices,
    )
    record.begin((BEST, ARCHITECTURE, HISTORY))
    run_search(space, evaluator, strategy)
    finish_search(config, faces, folder, seed, track)
    return Architecture.load(folder / ARCHITECTURE)


def space_of(checkpoint: Checkpoint, config: Config) -> Config:
    """Return the config with the space, points and input size of a supernet where none are configured.

    A space that is not built in must be configured.

    Raises
    ------
    InputError
        If the checkpoint is not a supernet, or its points or input size do not fit the config.
    """
    checkpoint.check_supernet()
    spec = SpaceSpec.from_dict(checkpoint.network, checkpoint.where)
    found = {"space": spec.argument, "points": checkpoint.num_points, "input_size": checkpoint.input_size}
    return config.override({key: None if config.given(key) else value for key, value in found.items()}, checkpoint.where)


@rank_zero_only
def finish_search(config: Config, faces: FaceData, folder: Path, seed: int, track: Track = silent) -> None:
    """Write the front, then the chosen subnet with its NME with the supernet's weights.

    The logits choose. After a search in stages for a latency target, the most accurate subnet of the front within the target
    replaces their choice, which is always rated for the front. This does not hold for the reference's method: NMEs of its
    mixture do not distinguish subnets.
    """
    # choose by the logits
    table, chosen = LookupTable.load(config.lut), Architecture.load(folder / ARCHITECTURE)
    scorer = Scorer(Checkpoint.load(folder / BEST), faces, config, seed, FACES, folder, track)
    options, cost = config.search, table.cost(scorer.space)
    if options.target_us is not None:  # the file may hold the front's best subnet of an earlier, finished search
        chosen = replace(chosen, choices=decode(scorer.logits, cost, options.target_us))
    subnet = tuple(chosen.choices.values())
    # find the front; its best subnet within a target replaces that choice
    if options.front:
        front = find_front(scorer, table, seed, folder, options.front, [subnet], track)
        if options.target_us is not None and options.method == "stages":
            # the front is sorted by latency, so its last subnet within the target has the lowest NME
            within = [
                row
                for row in front[[*scorer.logits]].itertuples(index=False, name=None)
                if cost_of(cost, row) <= options.target_us
            ]
            subnet = within[-1]
    # rate the chosen subnet
    chosen = replace(
        chosen, choices=dict(zip(scorer.logits, subnet, strict=True)), metrics={"val_nme": round(scorer.rate(subnet), 3)}
    )
    table.annotate(chosen).save(folder / ARCHITECTURE)
