"""``fbnet-pfld pareto``: the Pareto front of accuracy and latency over the subnets of a trained supernet."""

from pathlib import Path
from typing import Annotated

import typer

from ..pipeline.workspace import PARETO, Workspace
from .options import DATA_ROOT, OUTPUT, WORKSPACE, ConfigFile, DataRoot, Json, Lut, Seed, to_folder
from .output import finish, remark, track

SUPERNET = Workspace(WORKSPACE).supernet
Supernet = Annotated[Path, typer.Option("--supernet", help="Checkpoint of the trained supernet.")]
Out = Annotated[
    Path, typer.Option("--out", callback=to_folder, help="Folder for pareto.csv, pareto.png, front/*.json and scores.csv.")
]
Faces = Annotated[
    int | None,
    typer.Option("--faces", min=0, help="Number of held-out training faces to score on; 256 by default, 0 for all."),
]


def pareto(
    data_root: DataRoot = DATA_ROOT,
    supernet: Supernet = SUPERNET,
    config: ConfigFile = None,
    lut: Lut = None,
    out: Out = OUTPUT / "pareto",
    faces: Faces = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Score the subnets of a supernet, and write those that are Pareto-optimal in accuracy and latency, with their NME.

    Give the seed and config of the search: they determine which faces it held out.
    An interrupted run resumes.
    A run with another table reuses the scores.
    """
    from ...evaluators import Checkpoint
    from ...latency import LookupTable
    from ..pipeline.config import Config
    from ..pipeline.front import find_front
    from ..pipeline.scoring import FACES, Scorer

    settings = Config.load(config, lut=lut)
    table, trained = LookupTable.load(settings.lut), Checkpoint.load(supernet)
    data = settings.override({"points": trained.num_points, "input_size": trained.input_size}, str(supernet)).faces(data_root)
    scorer = Scorer(trained, data, settings, seed, FACES if faces is None else faces, out, track)
    if scorer.scored_before:
        remark(f"reusing the scores of {scorer.scored_before} subnets in {out}")
    front = find_front(scorer, table, seed, out, track=track)
    finish(
        {
            "front": str(out / PARETO),
            "subnets": len(front),
            "fastest_us": float(front.us.iloc[0]),
            "slowest_us": float(front.us.iloc[-1]),
            "figure": str(out / "pareto.png"),
        },
        as_json,
    )
