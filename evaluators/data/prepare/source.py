"""A data set's folder as seen by its readers: its files, and which of them have been used."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ..images import SUFFIXES
from ..walk import Key, Tree, order
from .source_face import Array, LeftOut, SourceFace

SEVERAL = "several images with the same name"
NOT_FOUND = "image not found"
OTHER_IMAGES = (".heic", ".heif", ".jxl", ".svg", ".psd", ".ico", ".tga", ".raw", ".dng", ".cr2", ".nef", ".arw")
"""Suffixes of image formats that OpenCV does not read."""


class Source:
    """Files of a source, found by one walk. Paths are relative to the source and use ``/``; the source itself is ``""``.

    A reader calls :meth:`use` for every file that it uses or reports, and :meth:`refuse` for every file that it rejects for a
    specific reason, so that the remaining files can be counted as unused.

    Attributes
    ----------
    root
        The source's folder.
    used
        Files of used or skipped faces.
    refused
        File -> reason.
    notes
        Remarks on the whole source, each once.

    Parameters
    ----------
    tree
        Result of the walk.
    image_suffix
        The only image suffix to use, in lower case; None for all that OpenCV reads.
    """

    def __init__(self, tree: Tree, image_suffix: str | None = None):
        self.root = tree.root
        self.used: set[str] = set()
        self.refused: dict[str, str] = {}
        self.notes: dict[str, None] = {}
        self._tree = tree
        self._suffixes = (image_suffix,) if image_suffix else SUFFIXES
        # folder -> names of its files and of its folders, including links to folders
        self._files: dict[str, list[str]] = defaultdict(list)
        self._folders: dict[str, list[str]] = defaultdict(list)
        for file in tree.files:
            folder, _, name = file.rpartition("/")
            self._files[folder].append(name)
        for path in sorted({*tree.folders, *tree.same} - {""}, key=order):
            folder, _, name = path.rpartition("/")
            self._folders[folder].append(name)
        self._by_stem: dict[str, dict[str, list[str]]] = {}
        self._by_name: dict[str, list[str]] | None = None
        self._roots = (os.path.abspath(self.root), os.path.realpath(self.root))

    @property
    def files(self) -> Iterable[str]:
        """Every file, folder by folder."""
        return self._tree.files

    def path(self, file: str) -> Path:
        """Return a file's path in the file system."""
        return self.root / file

    def name(self, image: Path) -> str:
        """Return an image's path in the source without suffix; the full path if the image lies elsewhere."""
        inside = image.relative_to(self.root) if image.is_relative_to(self.root) else image
        return inside.with_suffix("").as_posix()

    def use(self, *files: str) -> None:
        """Record files as used, or as named in the reason for skipping a face."""
        self.used.update(files)

    def refuse(self, file: str, reason: str) -> None:
        """Record why a file is not used."""
        self.refused[file] = reason

    def note(self, remark: str) -> None:
        """Add a remark on the whole source; repeated remarks count once."""
        self.notes[remark] = None

    def with_suffix(self, suffix: str) -> list[str]:
        """Return the files with a suffix, ignoring case."""
        return [file for file in self.files if suffix_of(file) == suffix]

    def inside(self, folder: str, suffix: str) -> list[str]:
        """Return the files with a suffix, ignoring case, directly in a folder."""
        real = self._real(folder)
        return [join(real, name) for name in self._files.get(real, ()) if suffix_of(name) == suffix]

    def subfolder(self, folder: str, wanted: str) -> str | None:
        """Return the folder with a name, ignoring case, directly in another folder."""
        return next(iter(self.subfolders(folder, (wanted,))), None)

    def subfolders(self, folder: str, wanted: Sequence[str]) -> list[str]:
        """Return the folders with any of the names, ignoring case, directly in another folder."""
        real = self._real(folder)
        return [join(real, name) for name in self._folders.get(real, ()) if name.lower() in wanted]

    def folders_named(self, name: str) -> list[str]:
        """Return all folders with a name, ignoring case."""
        return [join(parent, each) for parent, names in self._folders.items() for each in names if each.lower() == name]

    def find(self, path: str) -> str | None:
        """Return the file at a path within the source; None if there is none."""
        folder, _, name = os.path.normpath(path).rpartition("/")
        file = join(self._real(folder), name)
        return file if file in self._tree.files else None

    def ending_in(self, parts: Sequence[str]) -> list[str]:
        """Return the file whose path ends in ``parts``, if there is exactly one."""
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for file in self.files:
                self._by_name[file.rpartition("/")[2]].append(file)
        end = "/" + "/".join(parts)
        found = [file for file in self._by_name.get(parts[-1], ()) if f"/{file}".endswith(end)]
        return found if len(found) == 1 else []

    def inside_of(self, name: str) -> str | None:
        """Return the path within the source for an absolute path inside it; None for any other path."""
        if not name.startswith("/"):
            return None
        return next((name[len(root) + 1 :] for root in self._roots if name.startswith(f"{root}/")), None)

    def image_of(self, stem: str, folders: Iterable[str], where: str, name: str = "") -> str:
        """Return the image with a stem from the first folder that has one; ``name`` is the image's full name if known.

        Call this before reading the annotation, so that the image counts as used even if the annotation is invalid.

        Raises
        ------
        LeftOut
            If there is no such image, or the folder has several.
        """
        others: list[str] = []
        for folder in folders:
            named = self._stems(folder).get(stem, [])
            images = [file for file in named if suffix_of(file) in self._suffixes]
            images = [file for file in images if PurePosixPath(file).name == name] or images
            self.use(*images)
            if len(images) > 1:
                names = " and ".join(PurePosixPath(image).name for image in images)
                raise LeftOut(SEVERAL, where, f"{names}; --image-suffix chooses one kind")
            if images:
                return images[0]
            others += [file for file in named if suffix_of(file) in (*SUFFIXES, *OTHER_IMAGES)]
        raise LeftOut(NOT_FOUND, where, f"{PurePosixPath(others[0]).name} has an unsupported format" if others else "")

    def face(
        self, image: str | LeftOut, points: Array, where: str, box: tuple[float, ...] | None = None, split: str | None = None
    ) -> SourceFace:
        """Build a face from the result of :meth:`image_of`; raise it if it is a :class:`LeftOut`."""
        if isinstance(image, LeftOut):
            raise image
        path = self.path(image)
        return SourceFace(self.name(path), path, points, where, box, split)

    def key(self, image: Path) -> Key | None:
        """Return the key of an image file, inside or outside the source; None if it does not exist."""
        try:
            return self._tree.files[image.relative_to(self.root).as_posix()]
        except (KeyError, ValueError):  # not inside the source
            try:
                status = image.stat()
            except OSError:
                return None
            return status.st_dev, status.st_ino

    def _stems(self, folder: str) -> dict[str, list[str]]:
        """Return the files of a folder by stem."""
        real = self._real(folder)
        if real not in self._by_stem:
            found: dict[str, list[str]] = defaultdict(list)
            for name in self._files.get(real, ()):
                found[os.path.splitext(name)[0]].append(join(real, name))
            self._by_stem[real] = found
        return self._by_stem[real]

    def _real(self, folder: str) -> str:
        """Return the path under which a folder was read; linked folders may have been read under another path."""
        if not self._tree.same:
            return folder
        real = ""
        for name in filter(None, folder.split("/")):
            real = join(real, name)
            real = self._tree.same.get(real, real)
        return real


def suffix_of(file: str) -> str:
    """Return a file's suffix in lower case."""
    return os.path.splitext(file)[1].lower()


def join(folder: str, name: str) -> str:
    """Return the path of a file in a folder."""
    return f"{folder}/{name}" if folder else name
