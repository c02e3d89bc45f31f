"""From a published data set to the 106points layout."""

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from ...search_space.inputs import InputError, atomic_path, write_text
from ..dataset import SPLITS
from ..folders import check_out
from ..images import decode
from .checks import check
from .crop import apply, cut, square, turned
from .faces import LeftOut
from .formats import FORMATS
from .options import PrepareOptions
from .plan import Job, Plan, make_plan, reasons, summary
from .pose import head_pose
from .work import DONE, SETTINGS, Made, make_all

JPEG_QUALITY = 95
RECORD, LEFT_OUT = "prepared.json", "left_out.csv"


def prepare(src: str | Path, out: str | Path, options: PrepareOptions, workers: int = 1,
            progress: Callable[[int, int], None] | None = None, overwrite: bool = False) -> dict[str, Any]:
    """Read the faces of ``src`` and write ``out/{train_data,test_data}/{list.txt,imgs}``.

    The set appears under its name when it is complete, with ``prepared.json`` (how it was made, how many faces are in it, and
    how many were left out why) and ``left_out.csv`` (each of these, with file and line). Until then it grows in a folder
    beside, ``out`` with ``.preparing`` added, from where the same call goes on.

    Parameters
    ----------
    workers
        Processes. The result does not depend on it.
    progress
        Called with the number of faces done and of all, before the first and after each one.
    overwrite
        Whether a prepared data set that is there may be replaced; nothing else is.

    Returns
    -------
    dict
        What ``prepared.json`` holds.

    Raises
    ------
    InputError
        If the source is none of the format, leaves no face for training or testing, or ``out`` may not be written.
    """
    src, out = Path(src), Path(out)
    check_out(out, RECORD, "prepared", overwrite)
    plan = make_plan(src, options)
    origin = FORMATS[options.format].origin if options.origin is None else options.origin
    settings = asdict(options) | {"source": str(src.resolve()), "points": FORMATS[options.format].points, "origin": origin,
                                  "test_list": options.test_list and str(options.test_list)}
    folder = out.resolve().with_name(f"{out.resolve().name}.preparing")
    try:
        made = make_all(plan.jobs, folder, settings | {"selection": plan.digest()},
                        partial(make_face, folder=folder, size=options.size, copies=options.copies, origin=origin,
                                seed=options.seed), workers, progress and (lambda done: progress(done, len(plan.jobs))))
        record = _finish(folder, plan, made, settings, src)
        old = folder.with_suffix(".replaced")
        if out.exists():
            out.rename(old)
        folder.rename(out)
        for name in (SETTINGS, DONE):
            (out / name).unlink()
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}") from None
    return record


def make_face(job: Job, folder: Path, size: int, copies: int, origin: float, seed: int) -> Made:
    """Write a face's crop, and its copies if it is for training; returns their lines of the list, or why it is left out."""
    face = job.face
    try:
        image = _decode(face.image, face.where)
        points = face.points - origin
        check(points, face.box, (image.shape[1], image.shape[0]), face.where)
    except LeftOut as reason:
        return reason
    crops = [(square(points, size), 0.0)]
    if job.split == "train":
        rng = np.random.default_rng([seed, *hashlib.sha256(face.name.encode() + face.points.tobytes()).digest()])
        crops += [turned(points, size, rng) for _ in range(copies)]
    pitch, yaw, roll = head_pose(points)
    stem = re.sub(r"[^\w.-]", "-", PurePosixPath(face.name).name)
    lines = []
    for copy, (matrix, angle) in enumerate(crops):
        name = f"{SPLITS[job.split]}/imgs/{job.number:06d}_{stem}{f'_{copy}' if copy else ''}.jpg"
        jpeg = cv2.imencode(".jpg", cut(image, matrix, size), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        (folder / name).write_bytes(jpeg.tobytes())
        # turning the picture counter-clockwise adds to the roll
        pose = (pitch, yaw, (roll + angle + 180) % 360 - 180)
        numbers = [f"{value:.6f}" for value in (apply(matrix, points) / size).ravel()] + [f"{value:.3f}" for value in pose]
        lines.append(" ".join([name, *numbers]))
    return lines


def _decode(path: Path, where: str) -> np.ndarray:
    """Read a picture as uint8 (H, W, 3), BGR."""
    try:
        image = decode(path)
    except OSError:
        raise LeftOut("picture cannot be read", where) from None
    if image is None:
        raise LeftOut("picture cannot be decoded", where)
    return image


def _finish(folder: Path, plan: Plan, made: dict[int, Made], settings: dict[str, Any], src: Path) -> dict[str, Any]:
    """Write the lists and the record."""
    outcome = {**plan.left_out, **made}
    left_out = [entry for _, entry in sorted(outcome.items()) if isinstance(entry, LeftOut)]
    record = dict(settings)
    for split, name in SPLITS.items():
        jobs = [job for job in plan.jobs if job.split == split and not isinstance(made[job.number], LeftOut)]
        if not jobs:
            if all(isinstance(entry, LeftOut) for entry in made.values()):
                shutil.rmtree(folder)  # else what is made waits for pictures that somebody may mend
            raise InputError(f"{src}: no face for {split}ing is left: {reasons(left_out)}")
        lines = [line for job in jobs for line in made[job.number]]
        write_text(folder / name / "list.txt", "\n".join(lines) + "\n")
        record[split] = {"faces": len(jobs), "identities": len({job.identity for job in jobs}), "pictures": len(lines)}
    record["left_out"] = summary(left_out)
    with atomic_path(folder / LEFT_OUT) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("reason", "where"), *((entry.reason, entry.where) for entry in left_out)])
    write_text(folder / RECORD, json.dumps(record, indent=2) + "\n")
    return record
