"""Find the sources of ``predict`` from the text that the user gives, and the paths of their results.

* Digits are a camera's number, as OpenCV counts them; ``./0`` is a file of that name.
* Text with ``://`` is a stream's address (``rtsp://``, ``http://`` ...).
* Anything else is a path: of an image (by its suffix, or its content), of a video (any other file), of a camera
  (``/dev/video0``), or of a folder.

A folder is read with all its sub-folders, links followed, each folder once; images and videos are recognised by their suffixes.
Results mirror the sub-folders, and have the sources' names without suffix. Sources of one folder that differ only in the suffix
keep it, so that their results stay apart. Unused files are listed with a reason.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import cv2

from ...evaluators.data.images import SUFFIXES
from ...evaluators.data.walk import walk
from ...search_space.errors import InputError

VIDEOS = (
    ".3gp",
    ".asf",
    ".avi",
    ".flv",
    ".m2ts",
    ".m4v",
    ".mjpeg",
    ".mjpg",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".mxf",
    ".ogv",
    ".ts",
    ".webm",
    ".wmv",
)
"""Suffixes, in lower case, of the files that are read as videos in a folder."""

CAMERAS = 100
"""OpenCV counts cameras from 0; numbers from this one on have another meaning."""

WANTED = "give an image, a video, a folder, a camera's number or a stream's address"
"""End of messages about the text that names a source."""


class Kind(Enum):
    """Kind of a source; a live one runs until it is stopped."""

    IMAGE = auto()
    VIDEO = auto()
    LIVE = auto()


@dataclass(frozen=True)
class Source:
    """A source of images.

    Attributes
    ----------
    name
        Name in messages and results; for a stream, without user and password.
    address
        Path, camera number or stream address for OpenCV.
    target
        Path of its results within the output folder, without suffix.
    """

    kind: Kind
    name: str
    address: Path | int | str
    target: PurePosixPath

    @property
    def path(self) -> Path:
        """Path of the source; cameras and streams have none."""
        assert isinstance(self.address, Path)
        return self.address


@dataclass(frozen=True)
class Found:
    """The sources, in order; and path -> reason of the skipped files of a folder.

    ``folder`` tells whether they are from a folder.
    """

    sources: Sequence[Source]
    skipped: dict[str, str] = field(default_factory=dict)
    folder: bool = False


def find_sources(text: str, out: Path) -> Found:
    """Find the sources that ``text`` names, see the top of this file. Files in the folder ``out`` are not sources.

    Raises
    ------
    InputError
        If the source does not exist, a folder has neither images nor videos, or results would be written among the sources.
    """
    if re.fullmatch("[0-9]+", text):
        return Found([_camera(int(text))])
    if re.match("[A-Za-z][A-Za-z0-9+.-]*://", text):
        return Found([_stream(text)])
    path = Path(text)
    if not text:
        raise InputError(f"SOURCE is empty; {WANTED}")
    if not os.path.exists(path):
        raise InputError(f"{text} not found; {WANTED}")
    if not _is_utf8(text):
        raise InputError(f"{os.fsencode(text)!r}: a file name that is not UTF-8, which OpenCV cannot open; rename the file")
    found = _of_folder(path, out) if path.is_dir() else Found([_of_file(path)])
    _check_apart(found.sources, out)
    return found


def _camera(number: int) -> Source:
    if number >= CAMERAS:
        raise InputError(f"camera {number}: camera numbers are 0 to {CAMERAS - 1}; for a file of that name, give ./{number}")
    return Source(Kind.LIVE, f"camera {number}", number, PurePosixPath(f"camera{number}"))


def _stream(address: str) -> Source:
    shown = re.sub("(?<=://)[^/?#]*@", "", address)
    parts = urlsplit(shown)
    # the last part of the path distinguishes streams of one host; without a path, use the host
    last = PurePosixPath(parts.path).stem or parts.netloc
    return Source(Kind.LIVE, shown, address, PurePosixPath(re.sub(r"[^\w.-]+", "_", last).strip(".") or "stream"))


def _of_file(path: Path) -> Source:
    if path.is_char_device():
        kind = Kind.LIVE
    else:
        image = path.suffix.lower() in SUFFIXES or cv2.haveImageReader(str(path))
        kind = Kind.IMAGE if image else Kind.VIDEO
    return Source(kind, str(path), path, PurePosixPath(path.stem))


def _of_folder(folder: Path, out: Path) -> Found:
    try:
        tree = walk(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from None
    skipped = {str(folder / path): reason for reason, path in tree.unread}
    results = _real(out)
    own = {each for each in tree.folders if _real(folder / each).is_relative_to(results)}
    if "" not in own:  # otherwise the folder itself is within --out
        skipped |= {str(folder / each): "results, because --out is here" for each in own}
    kinds: dict[str, Kind] = {}
    for path in tree.files:
        if "" not in own and path.rpartition("/")[0] in own:
            continue
        if (suffix := PurePosixPath(path).suffix.lower()) in SUFFIXES:
            kinds[path] = Kind.IMAGE
        elif suffix in VIDEOS:
            kinds[path] = Kind.VIDEO
        else:
            skipped[str(folder / path)] = "neither an image nor a video, by its suffix"
    if not kinds:
        raise InputError(f"no image and no video in {folder}; known suffixes: {' '.join((*SUFFIXES, *VIDEOS))}")
    targets = _targets(kinds)
    sources = [Source(kind, str(folder / path), folder / path, targets[path]) for path, kind in kinds.items()]
    return Found(sources, dict(sorted(skipped.items())), folder=True)


def _targets(paths: Iterable[str]) -> dict[str, PurePosixPath]:
    """Return a unique result path for each source path, also on file systems that ignore case."""
    stems = {path: PurePosixPath(path).with_suffix("") for path in paths}
    shared = Counter(_folded(stem) for stem in stems.values())
    targets = {path: PurePosixPath(path) if shared[_folded(stem)] > 1 else stem for path, stem in stems.items()}
    owners: dict[str, str] = {}
    for path, target in targets.items():
        if (other := owners.setdefault(_folded(target), path)) != path:
            raise InputError(f"{other} and {path}: both would write their results to {target}.json; rename one of them")
    return targets


def _folded(path: PurePosixPath) -> str:
    return str(path).casefold()


def _check_apart(sources: Sequence[Source], out: Path) -> None:
    """Refuse results in a folder of sources, because they have the sources' names."""
    folders = {_real(source.path.parent) for source in sources}
    for source in sources:
        if _real(folder := (out / source.target).parent) in folders:
            raise InputError(
                f"--out {out}: results would be written to {folder}, among the sources of the same names; give another folder"
            )


def _real(path: Path) -> Path:
    """Resolve links; unlike ``Path.resolve``, also if they form a loop."""
    return Path(os.path.realpath(path))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
