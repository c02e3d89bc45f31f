"""Make the crops of many faces in several processes; an interrupted run can resume.

A face depends only on its annotation, its image and the options, so neither the number of processes nor an interruption changes
a byte. The folder of an unfinished run holds ``settings.json``, the finished crops, and ``done.jsonl``, with the result of one
finished face per line.
"""

import json
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2

from ....search_space.errors import InputError
from ....search_space.files import check_same, read_whole_lines, write_text
from ..listing import SPLITS
from .plan import Job
from .source_face import LeftOut

SETTINGS = "settings.json"
"""Record of the settings that the faces depend on."""
DONE = "done.jsonl"
"""Record of the finished faces."""


@dataclass(frozen=True)
class Made:
    """Result of a face.

    Attributes
    ----------
    lines
        Lines of the face for the list.
    orientation
        EXIF orientation of the image, 1 to 8; 1 is upright or unknown.
    reach
        Distance of the farthest point outside the image, relative to the points' extent.
    left_out
        Reason for skipping the face; None if it is used.
    """

    lines: list[str] = field(default_factory=list)
    orientation: int = 1
    reach: float = 0.0
    left_out: LeftOut | None = None


def make_all(
    jobs: list[Job],
    folder: Path,
    settings: dict[str, Any],
    make: Callable[[Job], Made],
    workers: int,
    progress: Callable[[int], None] | None,
) -> dict[int, Made]:
    """Make the faces that ``folder`` does not contain yet.

    Parameters
    ----------
    settings
        Settings that the faces depend on; those of the folder must be the same.
    make
        Writes a face's crops and returns the result.
    progress
        Called with the number of finished faces, before the first and after each one.

    Returns
    -------
    dict
        Number of a face -> its result.

    Raises
    ------
    InputError
        If the folder belongs to another run or holds something else.
    """
    _open(folder, settings)
    done = _read(folder / DONE)
    missing = [job for job in jobs if job.number not in done]
    count = len(jobs) - len(missing)
    with open(folder / DONE, "a", encoding="utf-8") as record, _mapped(make, missing, workers) as results:
        if progress:
            progress(count)
        for job, made in zip(missing, results, strict=True):
            done[job.number] = made
            if made.left_out is None:  # a resumed run retries skipped faces, which the user may have repaired
                record.write(json.dumps([job.number, made.lines, made.orientation, made.reach]) + "\n")
                record.flush()
            count += 1
            if progress:
                progress(count)
    return done


@contextmanager
def _mapped(make: Callable[[Job], Made], jobs: list[Job], workers: int) -> Iterator[Iterable[Made]]:
    """Yield the results in the order of the jobs; leaving the block early stops all processes."""
    workers = min(workers, len(jobs))
    if workers < 2:
        yield map(make, jobs)
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # before the fork: forked processes would wait for OpenCV threads that they lack
    try:
        with multiprocessing.get_context("fork").Pool(workers, _start) as pool:
            yield pool.imap(make, jobs, chunksize=4)
    finally:
        cv2.setNumThreads(threads)


def _start() -> None:
    """Leave interrupts to the main process, which stops this one when it exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _open(folder: Path, settings: dict[str, Any]) -> None:
    record = folder / SETTINGS
    if record.is_file():
        check_same(record, settings, "a preparation", "an unfinished data set")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} already exists; move it, or give another OUT")
    for split in SPLITS.values():
        (folder / split / "imgs").mkdir(parents=True, exist_ok=True)
    write_text(record, json.dumps(settings, indent=2) + "\n")


def _read(file: Path) -> dict[int, Made]:
    lines = map(json.loads, read_whole_lines(file, "record of finished faces"))
    return {number: Made(*made) for number, *made in lines}
