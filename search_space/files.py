"""Read input files and write output files.

Files are written under a temporary name and renamed. A killed or failed command therefore never leaves a partial file and
never destroys the old one.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from .errors import InputError, WriteError
from .text import NotText, decode


def read_text(path: str | Path, what: str) -> str:
    """Read a text file, see :func:`~fbnet_pfld.search_space.text.decode`; ``what`` names its role in the error message.

    Raises
    ------
    InputError
        If the file is missing, unreadable or not text.
    """
    try:
        return decode(Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{what} not found: {path}") from None
    except NotText as error:
        raise InputError(f"{what} cannot be read: {path} is {error}") from None
    except (OSError, ValueError) as error:  # ValueError: an invalid file name
        raise InputError(f"{what} cannot be read: {path}: {getattr(error, 'strerror', None) or error}") from None


def read_json(path: str | Path, what: str) -> Any:
    """Read a JSON file, or raise :class:`InputError` that names the file and the line or the duplicate key."""
    text = read_text(path, what)
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise InputError(f"{what} is not valid JSON: {path}:{error.lineno}: {error.msg}") from None
    except InputError as error:
        raise InputError(f"{what} is not valid: {path}: {error}") from None
    except RecursionError:
        raise InputError(f"{what} is not valid JSON: {path}: nested too deeply") from None


def read_yaml(path: str | Path, what: str) -> Any:
    """Read a YAML file with a safe loader, or raise :class:`InputError` that names file and line; duplicate keys are errors."""
    text = read_text(path, what)
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise InputError(f"{what} is not valid YAML: {path}{line}: {problem}") from None
    except RecursionError:
        raise InputError(f"{what} is not valid YAML: {path}: nested too deeply") from None
    except ValueError as error:  # such as an invalid date
        raise InputError(f"{what} is not valid YAML: {path}: {error}") from None


class _Loader(yaml.SafeLoader):
    """Safe loader that also rejects duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                problem = f"key {key.value!r} is given twice"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; reject duplicate keys."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise InputError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return found


def check_same(record: Path, settings: dict[str, Any], work: str, what: str) -> None:
    """Raise :class:`InputError` unless the ``record`` of an earlier run has the same settings.

    Parameters
    ----------
    record
        JSON file with the settings of the earlier run.
    settings
        Settings of this run.
    work, what
        Names for the messages: of the recorded work, such as ``a measurement``, and of the folder's content, such as
        ``timings``.
    """
    before = read_json(record, f"record of {work}")
    if not isinstance(before, dict):
        raise InputError(f"{record}: not a record of {work}; choose another output path, or remove that folder")
    for key, value in settings.items():
        if before.get(key) != value:
            raise InputError(
                f"{record.parent} holds {what} with another {key} ({before.get(key)!r}, now {value!r}); use the "
                "same options, choose another output path, or remove that folder"
            )


def read_whole_lines(file: Path, what: str) -> list[str]:
    """Read the lines of a file that grows line by line; an incomplete last line is dropped, also from the file."""
    text = read_text(file, what) if file.is_file() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(file, whole)
    return whole.splitlines()


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and rename it to ``path`` if the block succeeds.

    Raises
    ------
    WriteError
        If ``path`` cannot be written; an existing file stays unchanged.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a directory")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from None
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path, folder: bool = False) -> None:
    """Raise :class:`WriteError` unless a file, or a folder with files, can be written at ``path``; create nothing.

    Commands call this before they start to work, so that a mistyped path fails early.
    """
    try:
        if folder and path.exists() and not path.is_dir():
            raise WriteError(f"cannot write into {path}: it is a file, but a folder is needed")
        if not folder and path.is_dir():
            raise WriteError(f"cannot write {path}: it is a folder, but a file is needed")
        # find the nearest existing folder; missing ones would be created in it
        place = path if folder else path.parent
        while not place.exists() and place != place.parent:
            place = place.parent
    except OSError as error:  # such as a name that is too long
        raise WriteError(f"cannot write {path}: {error.strerror}") from None
    if not place.is_dir():
        raise WriteError(f"cannot write {path}: {place} is a file, not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise WriteError(f"cannot write {path}: no permission to write into {place}")


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, through a temporary file."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def user_cache(name: str) -> Path:
    """Folder ``name`` of this package in the user's cache (XDG base directory specification); it need not exist."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "fbnet-pfld" / name
