"""``fbnet-pfld pareto``: the front of accuracy and latency over all subnets of one trained supernet."""

from pathlib import Path
from typing import Annotated

import typer

from ..evaluators import BEST
from ..latency import LookupTable
from .config import Config
from .front import PARETO, find_front
from .options import DATA_ROOT, OUTPUT, SNAPSHOT, ConfigFile, DataRoot, Json, Lut, Seed, finish, to_folder
from .scoring import FACES, Scorer

Supernet = Annotated[Path, typer.Option("--supernet", help="Checkpoint of a search.")]
Output = Annotated[Path, typer.Option("--output", callback=to_folder,
                                      help="Folder for pareto.csv, pareto.png, front/*.json and scores.csv.")]
Faces = Annotated[int, typer.Option("--faces", min=0, help="Held-out training faces that subnets are scored on; 0 for all.")]


def pareto(data_root: DataRoot = DATA_ROOT, supernet: Supernet = SNAPSHOT / "supernet" / BEST, config: ConfigFile = None,
           lut: Lut = None, output: Output = OUTPUT / "pareto", faces: Faces = FACES, seed: Seed = 0,
           as_json: Json = False) -> None:
    """Score the subnets of a supernet, and write every one that no other beats in accuracy and latency, with the NME it has.

    Seed and config are those of the search, which say what faces its weights have not seen. Stopped, it goes on where it was;
    with another table the same scores give another front at once.
    """
    settings = Config.load(config, lut=lut)
    table = LookupTable.load(settings.lut)
    scorer = Scorer(supernet, data_root, settings, seed, faces, output)
    front = find_front(scorer, table, seed, output)
    finish({"front": str(output / PARETO), "subnets": len(front), "fastest_us": float(front.us.iloc[0]),
            "slowest_us": float(front.us.iloc[-1]), "picture": str(output / "pareto.png")}, as_json)
