"""Making the crops of many faces: in several processes, and again from where it was.

A face is made from its annotation, its image and the options alone, so neither the number of processes nor an interruption
changes a byte. The folder of an unfinished run keeps ``settings.json``, the crops made so far, and ``done.jsonl``, a line per
finished face with what became of it.
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
"""Record of what the faces depend on."""
DONE = "done.jsonl"
"""Record of the finished faces."""


@dataclass(frozen=True)
class Made:
    """What became of a face.

    Attributes
    ----------
    lines
        Its lines of the list.
    orientation
        EXIF orientation of its image, 1 to 8; 1 is upright, or not known.
    reach
        How far points lie outside of the image, in parts of their extent.
    left_out
        Why it is skipped, if it is.
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
    """Make the faces that ``folder`` does not have yet.

    Parameters
    ----------
    settings
        What the faces depend on. Those in the folder must be of the same.
    make
        Writes a face's crops and returns what became of it.
    progress
        Called with the number of faces done, before the first and after each one.

    Returns
    -------
    dict
        What became of each face, by its number.

    Raises
    ------
    InputError
        If the folder is another run's or holds something else.
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
            if made.left_out is None:  # those that are skipped are tried again: somebody may mend them
                record.write(json.dumps([job.number, made.lines, made.orientation, made.reach]) + "\n")
                record.flush()
            count += 1
            if progress:
                progress(count)
    return done


@contextmanager
def _mapped(make: Callable[[Job], Made], jobs: list[Job], workers: int) -> Iterator[Iterable[Made]]:
    """The results in the order of the jobs; leaving early ends all processes."""
    workers = min(workers, len(jobs))
    if workers < 2:
        yield map(make, jobs)
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # here, for in the processes OpenCV would wait for threads that they do not have
    try:
        with multiprocessing.get_context("fork").Pool(workers, _start) as pool:
            yield pool.imap(make, jobs, chunksize=4)
    finally:
        cv2.setNumThreads(threads)


def _start() -> None:
    """Leave interruptions to the main process, whose end ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _open(folder: Path, settings: dict[str, Any]) -> None:
    record = folder / SETTINGS
    if record.is_file():
        check_same(record, settings, "a preparation", "an unfinished data set")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is in the way; move it, or give another OUT")
    for split in SPLITS.values():
        (folder / split / "imgs").mkdir(parents=True, exist_ok=True)
    write_text(record, json.dumps(settings, indent=2) + "\n")


def _read(file: Path) -> dict[int, Made]:
    lines = map(json.loads, read_whole_lines(file, "record of finished faces"))
    return {number: Made(*made) for number, *made in lines}
