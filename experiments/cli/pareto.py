"""``fbnet-pfld pareto``: the front of accuracy and latency over all subnets of one trained supernet."""

from pathlib import Path
from typing import Annotated

import typer

from ..pipeline.workspace import PARETO, Workspace
from .options import DATA_ROOT, OUTPUT, WORKSPACE, ConfigFile, DataRoot, Json, Lut, Seed, to_folder
from .output import finish, remark, track

SUPERNET = Workspace(WORKSPACE).supernet
Supernet = Annotated[Path, typer.Option("--supernet", help="Checkpoint of a search.")]
Out = Annotated[
    Path, typer.Option("--out", callback=to_folder, help="Folder for pareto.csv, pareto.png, front/*.json and scores.csv.")
]
Faces = Annotated[
    int | None,
    typer.Option("--faces", min=0, help="Held-out training faces that subnets are scored on; 256 by default, 0 for all."),
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
    """Score the subnets of a supernet, and write the Pareto-optimal ones in accuracy and latency, with the NME of each.

    Seed and config are those of the search, which say what faces its weights have not seen. Stopped, it goes on where it was;
    with another table the same scores give another front at once.
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
        remark(f"{scorer.scored_before} subnets were scored before, in {out}")
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
