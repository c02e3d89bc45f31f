"""``fbnet-pfld pareto``: the front of accuracy and latency over all subnets of one trained supernet."""

import itertools
import math
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from ..evaluators import BEST
from ..latency import LookupTable
from ..search_space import Architecture
from ..search_space.count import count_parameters
from ..search_space.inputs import write_text
from ..strategies import cost_of, evolve, pareto_front
from .config import Config
from .options import DATA_ROOT, OUTPUT, SNAPSHOT, ConfigFile, DataRoot, Json, Lut, Seed, finish, to_folder
from .pictures import pareto_picture
from .scoring import FACES, Scorer
from .search import with_latency

ALL = 100_000
"""Subnets up to which a space is scored as a whole."""

EVALUATIONS = 5_000
"""Subnets that an evolution scores of a larger one."""


def find_front(scorer: Scorer, table: LookupTable, seed: int, folder: Path) -> pd.DataFrame:
    """Score subnets, and write ``pareto.csv``, ``pareto.png`` and ``front/*.json``; the front, a row per subnet.

    Raises
    ------
    InputError
        If the table lacks a block, or the folder cannot be written.
    """
    space = scorer.space
    cost = table.cost(space)
    size = math.prod(len(row) for row in cost.blocks_us.values())
    if size <= ALL:
        subnets = list(itertools.product(*cost.blocks_us.values()))
        nme = scorer(subnets)
    else:
        scores = evolve(scorer, scorer.logits, cost, EVALUATIONS, seed)
        subnets, nme = list(scores), list(scores.values())
    us = [cost_of(cost, subnet) for subnet in subnets]
    rows = []
    for i, k in enumerate(pareto_front(us, nme)):
        file = folder / "front" / f"{i:03d}_{us[k]:.0f}us.json"
        choices = dict(zip(cost.blocks_us, subnets[k], strict=True))
        chosen = Architecture(space.spec, space.num_points, space.input_size, choices,
                              metrics={"supernet_nme": round(nme[k], 3)})
        with_latency(chosen, table).save(file)
        parameters = count_parameters(chosen.build())
        rows.append({"us": round(us[k], 1), "supernet_nme": round(nme[k], 3), "parameters": parameters, **choices,
                     "file": str(file.relative_to(folder))})
    front = pd.DataFrame(rows)
    for old in set((folder / "front").glob("*us.json")) - {folder / row["file"] for row in rows}:
        old.unlink()  # of a front with another table
    write_text(folder / "pareto.csv", front.to_csv(index=False))
    pareto_picture(folder / "pareto.png", us, nme, front, f"{table.name}, {table.method}")
    return front


Supernet = Annotated[Path, typer.Option("--supernet", help="Checkpoint of a search.")]
Output = Annotated[Path, typer.Option("--output", callback=to_folder,
                                      help="Folder for pareto.csv, pareto.png, front/*.json and scores.csv.")]
Faces = Annotated[int, typer.Option("--faces", min=0, help="Held-out training faces that subnets are scored on; 0 for all.")]


def pareto(data_root: DataRoot = DATA_ROOT, supernet: Supernet = SNAPSHOT / "supernet" / BEST, config: ConfigFile = None,
           lut: Lut = None, output: Output = OUTPUT / "pareto", faces: Faces = FACES, seed: Seed = 0,
           as_json: Json = False) -> None:
    """Score the subnets of a supernet with its weights, and write every one that no other beats in accuracy and latency.

    Seed and config are those of the search, which say what faces its weights have not seen. Stopped, it goes on where it was;
    with another table the same scores give another front at once.
    """
    settings = Config.load(config, lut=lut)
    table = LookupTable.load(settings.lut)
    scorer = Scorer(supernet, data_root, settings, seed, faces, output)
    front = find_front(scorer, table, seed, output)
    finish({"front": str(output / "pareto.csv"), "subnets": len(front), "fastest_us": float(front.us.iloc[0]),
            "slowest_us": float(front.us.iloc[-1]), "picture": str(output / "pareto.png")}, as_json)
