"""One walk of a source: every file beneath a folder, links followed.

Real folders come before links, so that a folder reached in two ways is read under its own path. Among links the order of
their paths decides. Each folder is read once, so links that lead back to where they are end nothing and repeat nothing.
"""

import heapq
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

Key = tuple[int, int]
"""Device and inode: what file or folder a path leads to."""

BROKEN_LINK = "link that leads nowhere"
SAME_FOLDER = "linked folder that is read under another path"
UNREADABLE_FOLDER = "folder that cannot be read"
NO_FILE = "no regular file"
NO_UTF8 = "file name that is not UTF-8"


@dataclass(frozen=True)
class Tree:
    """What a walk found. Paths are within the root, with ``/``; the root itself is ``""``.

    Attributes
    ----------
    root
        The folder that was walked.
    files
        Path -> what file it is. Two paths that lead to one file have the same key.
    folders
        Path -> what folder it is, for each folder that was read.
    same
        Path of a linked folder -> the path under which that folder is read.
    unread
        (reason, path) of what could not be read or entered.
    """

    root: Path
    files: dict[str, Key] = field(default_factory=dict)
    folders: dict[str, Key] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    unread: list[tuple[str, str]] = field(default_factory=list)


def order(path: str) -> list[str]:
    """Sort key of a path: folder by folder, so that a folder's files stay together."""
    return path.split("/")


def walk(root: Path) -> Tree:
    """Find every file beneath ``root``.

    Raises
    ------
    OSError
        If ``root`` itself cannot be read.
    """
    tree = Tree(root)
    known: dict[Key, str] = {}
    links: list[tuple[list[str], str]] = []
    # first whatever is in real folders
    _read(tree, "", known, links)
    # then what links lead to, which may hold further links
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
    """Add a folder and the real folders beneath it; put links on the heap ``links``."""
    stack = [top]
    while stack:
        folder = stack.pop()
        try:
            status = os.stat(tree.root / folder)
            key = (status.st_dev, status.st_ino)
            if key in known:  # a link has led to a part of this folder before
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
