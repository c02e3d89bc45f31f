"""Train the pretrained networks on this package's synthetic faces: a supernet, and finetuned subnets of its front."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ....evaluators import BEST, Checkpoint, FaceData, evaluate
from ....evaluators.data.synthetic.generation import RECORD, generate
from ....evaluators.pretrained import METRIC, SUPERNET
from ....search_space import Architecture, count
from ....search_space.errors import ResultError
from ....search_space.files import check_same, read_json, write_text
from ....search_space.progress import Track, silent
from ....strategies.stages import split
from ...pipeline.config import Config
from ...pipeline.finetuning import finetune_network
from ...pipeline.front import best_within
from ...pipeline.supernet_search import search_supernet
from ...pipeline.training_progress import TrainingProgress
from ...pipeline.workspace import PARETO
from ..evidence.supernets import Clock

SPACE = "pfld-wide"
"""The space of the supernet."""

BUDGETS_US = (900, 1200, 1600, 2200, 3000)
"""Latency budgets in microseconds; the best subnet within each one is finetuned."""

TEST_FACES = 500
"""Number of synthetic test faces."""

SIZE = 112
"""Side of the faces in pixels."""

HELD_OUT = 0.05
"""Share of the training faces that the search holds out; with many faces, a small share is enough to rank subnets."""

TOLERANCE = 0.01
"""Limit of the change of a subnet's NME by half precision, in percentage points."""

SETTINGS = "settings.json"
"""File with the settings that made a folder's networks."""

FIGURES = "figures.json"
"""Figures of the training."""

WORK = "work"
"""Folder of the trainings, inside the folder of the networks."""


def make(config: Config, data: Path, out: Path, faces: int, seed: int, track: Track = silent) -> dict[str, Any]:
    """Render faces, train the supernet, finetune subnets of its front, and write all in half precision.

    A repeated call skips finished steps and resumes an interrupted one.

    Parameters
    ----------
    config
        Space, search and finetuning; see :func:`config_of`.
    data
        Folder of the faces; existing ones are used if they were rendered with the same numbers and seed.
    out
        Output folder: ``supernet.pth``, ``front-NNNN.pth`` with NNNN the latency in microseconds rounded to 10,
        ``settings.json``, ``figures.json``, and ``work/`` with the trainings.
    faces
        Number of training faces.
    seed
        Random seed of the faces and of every training.

    Returns
    -------
    dict
        The content of ``figures.json``.

    Raises
    ------
    InputError
        If ``data`` or ``out`` has results of other settings.
    ResultError
        If half precision changes the NME of a subnet by :data:`TOLERANCE` or more.
    """
    rendered = {"train": faces, "test": TEST_FACES, "size": SIZE, "seed": seed}
    settings = {
        "faces": rendered,
        "space": config.space,
        "lut": config.lut,
        "budgets_us": list(BUDGETS_US),
        "seed": seed,
        "search": config.search.record(),
        "finetune": config.finetune.model_dump(mode="json"),
    }
    # refuse folders of other settings before writing anything
    if (out / SETTINGS).exists():
        check_same(out / SETTINGS, settings, "a making of pretrained networks", "networks")
    if (data / RECORD).exists():
        check_same(data / RECORD, rendered, "a synthetic data set", "faces")
    else:
        generate(data, faces, TEST_FACES, SIZE, seed)
    write_text(out / SETTINGS, json.dumps(settings, indent=1) + "\n")
    # the supernet and its front
    figures = read_json(out / FIGURES, "figures") if (out / FIGURES).exists() else {"subnets": {}}
    dataset = config.faces(data)
    supernet = out / WORK / SUPERNET
    if "supernet" not in figures:
        clock = Clock()
        search_supernet(config, dataset, supernet, seed, "auto", callbacks=[clock, TrainingProgress(SUPERNET)], track=track)
        Checkpoint.load(supernet / BEST).half().save(out / f"{SUPERNET}.pth")
        figures["supernet"] = clock.spent() | {"bytes": (out / f"{SUPERNET}.pth").stat().st_size}
        write_text(out / FIGURES, json.dumps(figures, indent=1) + "\n")
    # the subnets
    for architecture in choices_of(supernet):
        name = f"front-{round(architecture.us, -1):04.0f}"
        if name not in figures["subnets"]:
            figures["subnets"][name] = _finetuned(name, architecture, config, dataset, out, seed)
            write_text(out / FIGURES, json.dumps(figures, indent=1) + "\n")
    return figures


def config_of(epochs: int, finetune_epochs: int) -> Config:
    """Return the default settings, with all of the search's ``epochs`` for the weights.

    The front is found by scores of subnets. It does not use the logits, so their stage is skipped.
    """
    lengths = split(epochs)
    stages = {**lengths, "sandwich": lengths["sandwich"] + lengths["logits"], "logits": 0}
    values: Mapping[str, Any] = {
        "space": SPACE,
        "search__stages": stages,
        "search__val_fraction": HELD_OUT,
        "finetune__epochs": finetune_epochs,
    }
    return Config().override(values, "pretrained")


def choices_of(supernet: Path) -> list[Architecture]:
    """The most accurate subnet of a search's front within each of :data:`BUDGETS_US`, fastest first, without duplicates."""
    front = pd.read_csv(supernet / PARETO)
    best = [best_within(front, supernet, budget) for budget in BUDGETS_US]
    # two neighbouring budgets may have the same subnet
    return [subnet for i, subnet in enumerate(best) if subnet is not None and subnet not in best[:i]]


def _finetuned(name: str, architecture: Architecture, config: Config, faces: FaceData, out: Path, seed: int) -> dict[str, Any]:
    """Finetune one subnet, write its file, and return its figures."""
    clock = Clock()
    best = finetune_network(
        config,
        faces,
        out / WORK / name,
        architecture,
        out / WORK / SUPERNET / BEST,
        seed,
        "auto",
        callbacks=[clock, TrainingProgress(name)],
    )
    # half precision must not cost accuracy
    file = out / f"{name}.pth"
    best.half().save(file)
    whole, half = (evaluate(checkpoint.build(), faces.test)["nme"] for checkpoint in (best, Checkpoint.load(file)))
    change = abs(half - whole)
    if change >= TOLERANCE:
        file.unlink()
        raise ResultError(f"{file}: half precision changes the NME from {whole:.3f} to {half:.3f} %; nothing is written")
    parameters, macs = count(best.build(), SIZE)
    return {
        "us": architecture.us,
        "parameters": parameters,
        "macs": macs,
        "bytes": file.stat().st_size,
        "inherited_nme": architecture.metrics[METRIC],
        "held_out_nme": round(best.metrics[METRIC], 3),
        "half_precision_changes": round(change, 5),
        "blocks": " ".join(architecture.choices.values()),
        **clock.spent(),
    }
