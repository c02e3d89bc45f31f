"""``fbnet-pfld search``: train the supernet, choose the architecture."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pytorch_lightning as pl
import typer
from pytorch_lightning.utilities import rank_zero_only

from ..evaluators import BEST, Checkpoint, LandmarkDataset, RunRecord, load_supernet, make_evaluator, weights_digest
from ..latency import LookupTable
from ..search_space import Architecture, InputError, PfldSpace
from ..search_space.inputs import only_one, write_text
from ..strategies import cost_of, decode, run_search
from .architectures import with_latency
from .config import Config
from .front import PARETO, find_front
from .options import (
    DATA_ROOT,
    SNAPSHOT,
    ConfigFile,
    DataRoot,
    DevId,
    Epochs,
    Json,
    Lut,
    Points,
    Precision,
    Resume,
    Seed,
    Snapshot,
    finish,
    remark_device,
    remark_resume,
)
from .progress import TrainingProgress
from .scoring import FACES, Scorer

ARCHITECTURE, HISTORY = "architecture.json", "history.csv"


class History(pl.Callback):
    """Write every figure of the validations, one row per epoch, as CSV; a resumed run goes on with the rows before it."""

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[dict[str, float]] = []

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # what training steps log comes an epoch late here, and not at all in a resumed run's first epoch
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if not name.startswith("train_")}
        self.rows.append({"epoch": trainer.current_epoch, **figures})
        write_text(self.path, pd.DataFrame(self.rows).to_csv(index=False))

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


def search_supernet(config: Config, data_root: Path, folder: Path, seed: int = 0, resume: str | None = None,
                    devices: str = "", callbacks: Sequence[pl.Callback] = (), supernet: Path | None = None) -> Architecture:
    """Search and write ``checkpoint_best.pth`` and ``architecture.json`` of the latest epoch into ``folder``, then the front.

    The latest, and at the end the last, is the best in a search: its logits have learnt longest, under the lowest temperature.
    An epoch with a lower NME may be one whose latency had yet to fall.

    Parameters
    ----------
    supernet
        Checkpoint of a search in stages with this ``seed`` and ``val_fraction``, whose weights stay as they are: only the
        logits learn, for another target or table.

    Returns
    -------
    Architecture
        The chosen one, with latency and the NME that it has with the supernet's weights on the held-out faces.

    Raises
    ------
    InputError
        If any input is invalid; nothing has been written.
    """
    table = LookupTable.load(config.lut)
    pl.seed_everything(seed, verbose=False)
    space, trained = PfldSpace(config.space, config.points, config.input_size), None
    if supernet is not None:
        config = config.model_copy(update={"search": config.search.logits_only()})
        trained = Checkpoint.load(supernet)
        load_supernet(space, trained, supernet)
    strategy = config.search.strategy(table.cost(space))
    data = LandmarkDataset(data_root, "train", config.points, config.input_size)

    @rank_zero_only
    def save(trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val_")}
        chosen = Architecture(space.spec, config.points, config.input_size, strategy.oneshot_module.export(), metrics=metrics)
        module = strategy.oneshot_module
        Checkpoint.of(strategy.supernet, space.spec, metrics, module.stage, module.partial).save(folder / BEST)
        with_latency(chosen, table).save(folder / ARCHITECTURE)

    network = {"kind": "supernet", "space": space.spec.to_dict(), "num_points": config.points, "input_size": config.input_size}
    record = RunRecord(folder, resume, {"network": network, "seed": seed, "eye_corners": config.eye_corners, "lut": config.lut,
                                        "search": config.search.record(),
                                        "supernet": trained and weights_digest(trained)})
    own = [pl.callbacks.LambdaCallback(on_validation_end=save), History(folder / HISTORY), TrainingProgress("search")]
    options = config.search.model_copy(update={"epochs": config.search.total_epochs})
    evaluator = make_evaluator(data, options, folder, seed, [*own, *callbacks], eye_corners=config.eye_corners,
                               shuffle_val=True, record=record, devices=devices)
    record.begin((BEST, ARCHITECTURE, HISTORY))
    run_search(space, evaluator, strategy)
    finish_search(config, data_root, folder, seed)
    return Architecture.load(folder / ARCHITECTURE)


@rank_zero_only
def finish_search(config: Config, data_root: Path, folder: Path, seed: int) -> None:
    """Write the front, and at last the chosen subnet with the NME that it has with the supernet's weights.

    The logits choose. After a search in stages around a latency target, the front's best within the target takes the place of
    their choice, which is rated for the front in any case: NMEs of the reference's mixture do not tell subnets apart.
    """
    table, chosen = LookupTable.load(config.lut), Architecture.load(folder / ARCHITECTURE)
    scorer, options = Scorer(folder / BEST, data_root, config, seed, FACES, folder), config.search
    cost = table.cost(scorer.space)
    if options.target_us is not None:  # the file may have the front's best, of a search that has ended before
        chosen = replace(chosen, choices=decode(scorer.logits, cost, options.target_us))
    subnet = tuple(chosen.choices.values())
    if options.front:
        front = find_front(scorer, table, seed, folder, options.front, [subnet])
        if options.target_us is not None and options.method == "stages":
            within = [row for row in front[[*scorer.logits]].itertuples(index=False, name=None)
                      if cost_of(cost, row) <= options.target_us]
            subnet = within[-1]  # the slowest has the lowest NME
    chosen = replace(chosen, choices=dict(zip(scorer.logits, subnet, strict=True)),
                     metrics={"val_nme": round(scorer.rate(subnet), 3)})
    with_latency(chosen, table).save(folder / ARCHITECTURE)


TargetUs = Annotated[float | None, typer.Option("--target-us", "--target_us", help="Latency target in microseconds.")]
TargetMs = Annotated[float | None, typer.Option("--target-ms", "--target_ms", help="The same in milliseconds.")]
Supernet = Annotated[Path | None, typer.Option("--supernet", help="Keep the weights of this trained supernet, and let the "
                                                                  "logits alone learn: for another target or table.")]


def search(data_root: DataRoot = DATA_ROOT, snapshot: Snapshot = SNAPSHOT, dev_id: DevId = "", config: ConfigFile = None,
           points: Points = None, lut: Lut = None, target_us: TargetUs = None, target_ms: TargetMs = None,
           supernet: Supernet = None, epochs: Epochs = None, precision: Precision = None, resume: Resume = None, seed: Seed = 0,
           as_json: Json = False) -> None:
    """Train the supernet, choose the architecture with the latency table in the loss or around a target, and find the front.

    Writes SNAPSHOT/supernet/checkpoint_best.pth, architecture.json, pareto.csv, pareto.png, front/*.json, history.csv and
    TensorBoard logs. NMEs are those of subnets with the supernet's weights, not finetuned, on held-out training faces.
    """
    only_one({"--target-us": target_us, "--target-ms": target_ms})
    if target_ms is not None:
        target_us = 1000 * target_ms
    settings = Config.load(config, points=points, lut=lut, search__epochs=epochs, search__target_us=target_us,
                           search__precision=precision)
    folder = snapshot / "supernet"
    if supernet is not None and supernet.resolve() == (folder / BEST).resolve():
        raise InputError(f"--supernet {supernet} is the file that this search writes; give another --snapshot")
    remark_device(dev_id)
    remark_resume(resume, folder)
    chosen = search_supernet(settings, data_root, folder, seed, resume, dev_id, supernet=supernet)
    finish({"architecture": str(folder / ARCHITECTURE), "checkpoint": str(folder / BEST), "choices": chosen.choices,
            "latency": chosen.latency, **chosen.metrics,
            "front": str(folder / PARETO) if settings.search.front else None}, as_json)
