"""Check of the output folder of a data set."""

from pathlib import Path

from ...search_space.errors import InputError


def check_out(out: Path, record: str, kind: str, overwrite: bool) -> None:
    """Raise :class:`InputError` unless a data set may be written to ``out``.

    Parameters
    ----------
    record
        File that identifies a data set of this ``kind`` (``synthetic``, ``prepared``); nothing else is ever replaced.
    overwrite
        Whether to replace an existing data set of this kind.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a new folder")
    if out.is_dir() and any(out.iterdir()):
        if not (out / record).is_file():
            raise InputError(f"{out} is not empty; give a new or empty folder, or a {kind} data set with --overwrite")
        if not overwrite:
            raise InputError(f"{out} is not empty; give a new or empty folder, or add --overwrite")
