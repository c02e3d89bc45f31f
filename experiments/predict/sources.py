"""What ``predict`` reads, by the text that the user gives: and where the results of each source go.

* Digits are a camera's number, as OpenCV counts them; ``./0`` is a file of that name.
* Text with ``://`` is a stream's address (``rtsp://``, ``http://`` ...).
* Anything else is a path: of an image (by its suffix, or its content), of a video (any other file), of a camera
  (``/dev/video0``), or of a folder.

A folder is read with all folders beneath it, links followed, each folder once; images and videos are known by their suffixes.
Results mirror its sub-folders, under the sources' names without suffix. Sources of one folder that differ in the suffix alone
keep it, so that their results are told apart. Whatever is not used is listed with a reason.
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
"""OpenCV counts cameras from 0; from here on a number means something else to it."""

WANTED = "it may be an image, a video, a folder, a camera's number or a stream's address"
"""What messages say of the text that names a source."""


class Kind(Enum):
    """How a source is read; a live one ends when it is told to."""

    IMAGE = auto()
    VIDEO = auto()
    LIVE = auto()


@dataclass(frozen=True)
class Source:
    """Something to find faces in.

    Attributes
    ----------
    name
        What messages and results call it; of a stream without user and password.
    address
        What OpenCV opens.
    target
        Path of its results within the output folder, without suffix.
    """

    kind: Kind
    name: str
    address: Path | int | str
    target: PurePosixPath

    @property
    def path(self) -> Path:
        """Its path; a camera's number and a stream's address have none."""
        assert isinstance(self.address, Path)
        return self.address


@dataclass(frozen=True)
class Found:
    """The sources, in order; and of a folder what is not used, its path -> the reason.

    ``folder`` tells whether they are a folder's.
    """

    sources: Sequence[Source]
    skipped: dict[str, str] = field(default_factory=dict)
    folder: bool = False


def find_sources(text: str, out: Path) -> Found:
    """Find what a user means by ``text``, see the top of this file. What is in the folder ``out`` is no source.

    Raises
    ------
    InputError
        If there is no such thing, a folder has neither images nor videos, or results would lie among the sources.
    """
    if re.fullmatch("[0-9]+", text):
        return Found([_camera(int(text))])
    if re.match("[A-Za-z][A-Za-z0-9+.-]*://", text):
        return Found([_stream(text)])
    path = Path(text)
    if not text:
        raise InputError(f"SOURCE is empty text; {WANTED}")
    if not os.path.exists(path):
        raise InputError(f"{text} not found; {WANTED}")
    if not _is_utf8(text):
        raise InputError(f"{os.fsencode(text)!r}: a file name that is not UTF-8, which OpenCV cannot open")
    found = _of_folder(path, out) if path.is_dir() else Found([_of_file(path)])
    _check_apart(found.sources, out)
    return found


def _camera(number: int) -> Source:
    if number >= CAMERAS:
        raise InputError(f"camera {number}: cameras have numbers from 0 to {CAMERAS - 1}; ./{number} is a file of that name")
    return Source(Kind.LIVE, f"camera {number}", number, PurePosixPath(f"camera{number}"))


def _stream(address: str) -> Source:
    shown = re.sub("(?<=://)[^/?#]*@", "", address)
    parts = urlsplit(shown)
    # the last part of the path tells streams of one host apart, the host stands where there is none
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
    if "" not in own:  # otherwise the folder lies within --out, and is no result
        skipped |= {str(folder / each): "results, for --out is here" for each in own}
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
        raise InputError(f"no image and no video in {folder}; their suffixes are {' '.join((*SUFFIXES, *VIDEOS))}")
    targets = _targets(kinds)
    sources = [Source(kind, str(folder / path), folder / path, targets[path]) for path, kind in kinds.items()]
    return Found(sources, dict(sorted(skipped.items())), folder=True)


def _targets(paths: Iterable[str]) -> dict[str, PurePosixPath]:
    """Where the results of each path go: a name for each that no other has, whether or not case matters."""
    stems = {path: PurePosixPath(path).with_suffix("") for path in paths}
    shared = Counter(_folded(stem) for stem in stems.values())
    targets = {path: PurePosixPath(path) if shared[_folded(stem)] > 1 else stem for path, stem in stems.items()}
    owners: dict[str, str] = {}
    for path, target in targets.items():
        if (other := owners.setdefault(_folded(target), path)) != path:
            raise InputError(f"{other} and {path}: both would have their results in {target}.json; rename one of them")
    return targets


def _folded(path: PurePosixPath) -> str:
    return str(path).casefold()


def _check_apart(sources: Sequence[Source], out: Path) -> None:
    """Refuse results in a folder that sources are in: they have the sources' names."""
    folders = {_real(source.path.parent) for source in sources}
    for source in sources:
        if _real(folder := (out / source.target).parent) in folders:
            raise InputError(
                f"--out {out}: results would lie in {folder}, among the sources, whose names they have; give another folder"
            )


def _real(path: Path) -> Path:
    """Without links; unlike ``Path.resolve``, whatever they do."""
    return Path(os.path.realpath(path))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
