"""Lists of a prepared data set, and the record of its preparation."""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....search_space.errors import InputError
from ....search_space.files import atomic_path, write_text
from ..listing import SPLITS
from .plan import Job, Plan
from .summary import of_faces, of_files, reasons
from .work import Made

RECORD = "prepared.json"
LEFT_OUT = "left_out.csv"
LYING = 60.0
"""Roll in degrees from which a face counts as lying on its side or upside down."""
UPRIGHT = 30.0
"""Roll in degrees up to which a face counts as upright."""


def write_record(folder: Path, plan: Plan, made: Mapping[int, Made], settings: Mapping[str, Any], src: Path) -> dict[str, Any]:
    """Write the lists, ``prepared.json`` and ``left_out.csv``; return the content of ``prepared.json``.

    Raises
    ------
    InputError
        If no face remains for training or testing.
    """
    skipped = plan.left_out | {number: face.left_out for number, face in made.items() if face.left_out}
    left_out = [entry for _, entry in sorted(skipped.items())]
    record = dict(settings) | {"split": plan.split}
    for split, name in SPLITS.items():
        jobs = [job for job in plan.jobs if job.split == split and not made[job.number].left_out]
        if not jobs:
            if all(face.left_out for face in made.values()):
                shutil.rmtree(folder)  # otherwise the finished faces stay, since the user may repair images
            raise InputError(f"{src}: no face remains for {split}ing: {reasons(left_out)}")
        lines = [line for job in jobs for line in made[job.number].lines]
        write_text(folder / name / "list.txt", "\n".join(lines) + "\n")
        record[split] = {"faces": len(jobs), "identities": len({job.identity for job in jobs}), "pictures": len(lines)}
    record["left_out"] = of_faces(left_out)
    record["unused"] = of_files(plan.unused)
    record["notes"] = [*plan.notes, *_exif_notes(plan.jobs, made, settings["exif"]), *_outside_notes(made)]
    rows = [
        *(("face", entry.reason, entry.where, entry.detail) for entry in left_out),
        *(("file", entry.reason, entry.path, "") for entry in plan.unused),
    ]
    with atomic_path(folder / LEFT_OUT) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("what", "reason", "where", "detail"), *rows])
    write_text(folder / RECORD, json.dumps(record, indent=2) + "\n")
    return record


def _exif_notes(jobs: Sequence[Job], made: Mapping[int, Made], rule: str) -> list[str]:
    """Count the images with an EXIF orientation, and say if the points suggest the other rule."""
    turned = [job for job in jobs if made[job.number].orientation != 1]
    if not turned:
        return []
    images = {job.face.image for job in turned}
    applied = rule == "apply"
    done = "applied" if applied else "ignored"
    note = f"images with an EXIF orientation, which is {done}: {len(images)}, such as {turned[0].face.image}"
    # the last number of a line is the roll; it is uninformative for a mirrored image (orientation 2)
    rolls = [
        abs(float(made[job.number].lines[0].split()[-1]))
        for job in turned
        if made[job.number].lines and made[job.number].orientation != 2
    ]
    wrong = sum(roll > LYING if applied else roll < UPRIGHT for roll in rolls)
    other = "ignore" if applied else "apply"
    if wrong > len(rolls) / 2:
        posture = "lie on their side or upside down" if applied else "are upright in rotated images"
        return [f"{note}; the points of {wrong} of their {len(rolls)} faces {posture}, so --exif {other} is probably right"]
    return [f"{note}; if their points do not fit, try --exif {other}"]


def _outside_notes(made: Mapping[int, Made]) -> list[str]:
    reaches = [face.reach for face in made.values() if face.reach and not face.left_out]
    if not reaches:
        return []
    farthest = 100 * max(reaches)
    return [f"faces with points outside their image: {len(reaches)}, by up to {farthest:.0f} % of the points' extent"]
