"""A data set's folder as its readers see it: where its files are, and which of them have been used."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ..images import SUFFIXES
from ..walk import Key, Tree, order
from .source_face import Array, LeftOut, SourceFace

SEVERAL = "several images of one name"
NOT_FOUND = "image not found"
OTHER_IMAGES = (".heic", ".heif", ".jxl", ".svg", ".psd", ".ico", ".tga", ".raw", ".dng", ".cr2", ".nef", ".arw")
"""Suffixes of images that OpenCV does not read."""


class Source:
    """The files of a source, found by one walk. Paths are within the source, with ``/``, the source itself is ``""``.

    A reader calls :meth:`use` for every file that it uses or reports, and :meth:`refuse` for one that it passes over for a
    reason of its own; so whatever nobody has asked for can be counted.

    Attributes
    ----------
    root
        The source's folder.
    used
        Files that a face, or a skipped face, has come from.
    refused
        File -> reason.
    notes
        Remarks on the whole source, each once.

    Parameters
    ----------
    tree
        What the walk found.
    image_suffix
        The one suffix of images to be used, in lower case; None for all that OpenCV reads.
    """

    def __init__(self, tree: Tree, image_suffix: str | None = None):
        self.root = tree.root
        self.used: set[str] = set()
        self.refused: dict[str, str] = {}
        self.notes: dict[str, None] = {}
        self._tree = tree
        self._suffixes = (image_suffix,) if image_suffix else SUFFIXES
        # folder -> names of its files and of its folders, links to folders included
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
        """A file's path outside of the source."""
        return self.root / file

    def name(self, image: Path) -> str:
        """An image's path in the source without its suffix; of one elsewhere its whole path."""
        inside = image.relative_to(self.root) if image.is_relative_to(self.root) else image
        return inside.with_suffix("").as_posix()

    def use(self, *files: str) -> None:
        """Note that files are used, or are named where a face is skipped."""
        self.used.update(files)

    def refuse(self, file: str, reason: str) -> None:
        """Note why a file is passed over."""
        self.refused[file] = reason

    def note(self, remark: str) -> None:
        """Remark on the whole source; a remark counts once."""
        self.notes[remark] = None

    def with_suffix(self, suffix: str) -> list[str]:
        """The files of a suffix, whatever its case."""
        return [file for file in self.files if suffix_of(file) == suffix]

    def inside(self, folder: str, suffix: str) -> list[str]:
        """The files of a suffix, whatever its case, directly in a folder."""
        real = self._real(folder)
        return [join(real, name) for name in self._files.get(real, ()) if suffix_of(name) == suffix]

    def subfolder(self, folder: str, wanted: str) -> str | None:
        """The folder of a name, whatever its case, directly in another one."""
        return next(iter(self.subfolders(folder, (wanted,))), None)

    def subfolders(self, folder: str, wanted: Sequence[str]) -> list[str]:
        """The folders of some names, whatever their case, directly in another one."""
        real = self._real(folder)
        return [join(real, name) for name in self._folders.get(real, ()) if name.lower() in wanted]

    def folders_named(self, name: str) -> list[str]:
        """The folders of a name, whatever its case, anywhere."""
        return [join(parent, each) for parent, names in self._folders.items() for each in names if each.lower() == name]

    def find(self, path: str) -> str | None:
        """The file that a path within the source leads to; None if there is none."""
        folder, _, name = os.path.normpath(path).rpartition("/")
        file = join(self._real(folder), name)
        return file if file in self._tree.files else None

    def ending_in(self, parts: Sequence[str]) -> list[str]:
        """The file whose path ends in ``parts``, if there is exactly one."""
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for file in self.files:
                self._by_name[file.rpartition("/")[2]].append(file)
        end = "/" + "/".join(parts)
        found = [file for file in self._by_name.get(parts[-1], ()) if f"/{file}".endswith(end)]
        return found if len(found) == 1 else []

    def inside_of(self, name: str) -> str | None:
        """The path within the source of an absolute path that lies there; None of any other path."""
        if not name.startswith("/"):
            return None
        return next((name[len(root) + 1 :] for root in self._roots if name.startswith(f"{root}/")), None)

    def image_of(self, stem: str, folders: Iterable[str], where: str, name: str = "") -> str:
        """The image of a stem in the first of the folders that has one; ``name`` is that of the image if it is known.

        Called before the annotation is read, so that the image counts as used whatever is wrong there.

        Raises
        ------
        LeftOut
            If there is none, or that folder has several.
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
        raise LeftOut(NOT_FOUND, where, f"{PurePosixPath(others[0]).name} is of a kind that is not read" if others else "")

    def face(
        self, image: str | LeftOut, points: Array, where: str, box: tuple[float, ...] | None = None, split: str | None = None
    ) -> SourceFace:
        """A face in an image that :meth:`image_of` has found, or not."""
        if isinstance(image, LeftOut):
            raise image
        path = self.path(image)
        return SourceFace(self.name(path), path, points, where, box, split)

    def key(self, image: Path) -> Key | None:
        """What file an image is, wherever it is; None if it is nowhere."""
        try:
            return self._tree.files[image.relative_to(self.root).as_posix()]
        except (KeyError, ValueError):  # not beneath the source
            try:
                status = image.stat()
            except OSError:
                return None
            return status.st_dev, status.st_ino

    def _stems(self, folder: str) -> dict[str, list[str]]:
        """The files of a folder by stem."""
        real = self._real(folder)
        if real not in self._by_stem:
            found: dict[str, list[str]] = defaultdict(list)
            for name in self._files.get(real, ()):
                found[os.path.splitext(name)[0]].append(join(real, name))
            self._by_stem[real] = found
        return self._by_stem[real]

    def _real(self, folder: str) -> str:
        """The path under which a folder has been read: linked folders may have been read under another one."""
        if not self._tree.same:
            return folder
        real = ""
        for name in filter(None, folder.split("/")):
            real = join(real, name)
            real = self._tree.same.get(real, real)
        return real


def suffix_of(file: str) -> str:
    """A file's suffix, in lower case."""
    return os.path.splitext(file)[1].lower()


def join(folder: str, name: str) -> str:
    """Path of a file in a folder."""
    return f"{folder}/{name}" if folder else name
