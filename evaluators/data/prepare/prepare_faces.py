"""Convert a published data set to the 106points layout."""

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ....search_space.errors import InputError
from ....search_space.text import describe
from ..folders import check_out
from ..images import decode_content
from ..listing import SPLITS
from .checks import OUTSIDE_OF_IMAGE, check, reach
from .crop import apply, cut, square, turned
from .head_pose import head_pose
from .plan import Job, make_plan
from .prepare_options import PrepareOptions
from .prepare_record import RECORD, write_record
from .source_face import LeftOut
from .source_formats import FORMATS
from .work import DONE, SETTINGS, Made, make_all

JPEG_QUALITY = 95


def prepare(
    src: str | Path,
    out: str | Path,
    options: PrepareOptions,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Read the faces of ``src`` and write ``out/{train_data,test_data}/{list.txt,imgs}``.

    The data set appears as ``out`` when it is complete. It contains ``prepared.json`` (settings, number of faces, and numbers
    of skipped faces and unused files with reasons) and ``left_out.csv`` (each skipped face, with file and line, and each unused
    file). Until then it grows in a folder beside it, ``out`` with the suffix ``.preparing``, from which the same call resumes.

    Parameters
    ----------
    src
        Folder of the published data set.
    out
        Folder to write.
    options
        Format and settings.
    workers
        Number of processes. The result does not depend on it.
    progress
        Called with the number of finished faces and of all faces, before the first and after each one.
    overwrite
        Whether to replace an existing prepared data set; nothing else is ever replaced.

    Returns
    -------
    dict
        Content of ``prepared.json``.

    Raises
    ------
    InputError
        If the source is not of the format, leaves no face for training or testing, or ``out`` cannot be written or lies inside
        the source.
    """
    src, out = Path(src), Path(out)
    check_out(out, RECORD, "prepared", overwrite)
    plan = make_plan(src, out, options)
    origin = FORMATS[options.format].origin if options.origin is None else options.origin
    settings = asdict(options) | {
        "source": str(src.resolve()),
        "points": FORMATS[options.format].points,
        "origin": origin,
        "test_list": options.test_list and str(options.test_list),
    }
    folder = out.resolve().with_name(f"{out.resolve().name}.preparing")
    try:
        made = make_all(
            plan.jobs,
            folder,
            settings | {"selection": plan.digest()},
            partial(make_face, folder=folder, options=options, origin=origin),
            workers,
            progress and (lambda done: progress(done, len(plan.jobs))),
        )
        record = write_record(folder, plan, made, settings, src)
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


def make_face(job: Job, folder: Path, options: PrepareOptions, origin: float) -> Made:
    """Write a face's crop, and rotated copies if the face is for training."""
    face = job.face
    orientation = 1
    # read the image, and check the annotation against it
    try:
        image, orientation = _decode(face.image, face.where, options.exif == "apply")
        height, width = image.shape[:2]
        points = face.points * ((width, height) if face.normalised else 1) - origin
        check(points, face.box, (width, height), face.where, {OUTSIDE_OF_IMAGE} if options.keep_outside else ())
    except LeftOut as reason:
        return Made(orientation=orientation, left_out=reason)
    # choose the crops; the copies depend only on the options and the face
    size = options.size
    crops = [(square(points, size), 0.0)]
    if job.split == "train":
        rng = np.random.default_rng([options.seed, *hashlib.sha256(face.name.encode() + face.points.tobytes()).digest()])
        crops += [turned(points, size, rng) for _ in range(options.copies)]
    # write each crop, and its line of the list
    pitch, yaw, roll = head_pose(points)
    stem = re.sub(r"[^\w.-]", "-", PurePosixPath(face.name).name)
    lines = []
    for copy, (matrix, angle) in enumerate(crops):
        name = f"{SPLITS[job.split]}/imgs/{job.number:06d}_{stem}{f'_{copy}' if copy else ''}.jpg"
        jpeg = cv2.imencode(".jpg", cut(image, matrix, size), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        (folder / name).write_bytes(jpeg.tobytes())
        # rotating the image counter-clockwise adds to the roll
        pose = (pitch, yaw, (roll + angle + 180) % 360 - 180)
        numbers = [f"{value:.6f}" for value in (apply(matrix, points) / size).ravel()] + [f"{value:.3f}" for value in pose]
        lines.append(" ".join([name, *numbers]))
    return Made(lines, orientation, reach(points, (width, height)))


def _decode(path: Path, where: str, upright: bool) -> tuple[NDArray[np.uint8], int]:
    """Read an image, uint8 (H, W, 3), and its EXIF orientation, or raise :class:`LeftOut`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LeftOut("image cannot be read", where, error.strerror or "") from None
    decoded = decode_content(content, upright)
    if decoded.image is None:
        raise LeftOut("image cannot be decoded", where, f"{path.name} is {describe(content)}")
    return decoded.image, decoded.orientation
