"""Where a data set may be written."""

from pathlib import Path

from ...search_space.errors import InputError


def check_out(out: Path, record: str, kind: str, overwrite: bool) -> None:
    """Raise :class:`InputError` unless a data set may be made at ``out``.

    Parameters
    ----------
    record
        File by which a data set of this ``kind`` (``synthetic``, ``prepared``) is known; nothing else is ever replaced.
    overwrite
        Whether such a one may be replaced.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a new folder")
    if out.is_dir() and any(out.iterdir()):
        if not (out / record).is_file():
            raise InputError(f"{out} is not empty; give a new or empty folder, or with --overwrite a {kind} data set")
        if not overwrite:
            raise InputError(f"{out} is not empty; give a new or empty folder, or --overwrite")
