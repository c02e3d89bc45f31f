"""Walk a source: find every file below a folder, following links.

Real folders come before links, so that a folder that is reachable in two ways is read under its own path. Links are followed
in the order of their paths. Each folder is read once, so circular links neither loop nor repeat files.
"""

import heapq
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

Key = tuple[int, int]
"""Device and inode, which identify a file or folder."""

BROKEN_LINK = "broken link"
SAME_FOLDER = "linked folder that is read under another path"
UNREADABLE_FOLDER = "folder that cannot be read"
NO_FILE = "not a regular file"
NO_UTF8 = "file name that is not UTF-8"


@dataclass(frozen=True)
class Tree:
    """Result of a walk. Paths are relative to the root and use ``/``; the root itself is ``""``.

    Attributes
    ----------
    root
        The folder that was walked.
    files
        Path -> key of the file. Two paths to the same file have the same key.
    folders
        Path -> key of the folder, for each folder that was read.
    same
        Path of a linked folder -> path under which that folder was read.
    unread
        (reason, path) of everything that could not be read or entered.
    """

    root: Path
    files: dict[str, Key] = field(default_factory=dict)
    folders: dict[str, Key] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    unread: list[tuple[str, str]] = field(default_factory=list)


def order(path: str) -> list[str]:
    """Sort key of a path: by folder, so that a folder's files stay together."""
    return path.split("/")


def walk(root: Path) -> Tree:
    """Find every file below ``root``.

    Raises
    ------
    OSError
        If ``root`` itself cannot be read.
    """
    tree = Tree(root)
    known: dict[Key, str] = {}
    links: list[tuple[list[str], str]] = []
    # first, read the real folders
    _read(tree, "", known, links)
    # then follow the links, whose targets may contain further links
    while links:
        _, path = heapq.heappop(links)
        try:
            status = os.stat(root / path)
        except OSError:
            tree.unread.append((BROKEN_LINK, path))
            continue
        key = (status.st_dev, status.st_ino)
        if stat.S_ISREG(status.st_mode):
            tree.files[path] = key
        elif not stat.S_ISDIR(status.st_mode):
            tree.unread.append((NO_FILE, path))
        elif key in known:
            tree.same[path] = known[key]
            tree.unread.append((SAME_FOLDER, path))
        else:
            _read(tree, path, known, links)
    files = dict(sorted(tree.files.items(), key=lambda item: order(item[0])))
    return Tree(root, files, tree.folders, tree.same, sorted(tree.unread))


def _read(tree: Tree, top: str, known: dict[Key, str], links: list[tuple[list[str], str]]) -> None:
    """Add a folder and the real folders below it; push links to the heap ``links``."""
    stack = [top]
    while stack:
        folder = stack.pop()
        try:
            status = os.stat(tree.root / folder)
            key = (status.st_dev, status.st_ino)
            if key in known:  # a link has already led here
                tree.same[folder] = known[key]
                tree.unread.append((SAME_FOLDER, folder))
                continue
            known[key] = folder
            with os.scandir(tree.root / folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError:
            if not folder:
                raise
            tree.unread.append((UNREADABLE_FOLDER, folder))
            continue
        tree.folders[folder] = key
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not _is_utf8(entry.name):
                tree.unread.append((NO_UTF8, os.fsencode(path).decode("utf-8", "backslashreplace")))
            elif entry.is_symlink():
                heapq.heappush(links, (order(path), path))
            elif entry.is_dir():
                stack.append(path)
            elif entry.is_file():
                tree.files[path] = (key[0], entry.inode())
            else:
                tree.unread.append((NO_FILE, path))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
