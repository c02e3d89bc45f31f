"""Figures as files."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from ...search_space.errors import InputError, allowed
from ...search_space.files import atomic_path

matplotlib.use("Agg")  # no display is needed to write a file

TRUE = "#1b9e77"
"""Colour of what is true, or of the first of two."""

PREDICTED = "#d95f02"
"""Colour of what is predicted, or of the second of two."""


def check_figure(path: Path) -> None:
    """Raise :class:`InputError` if a figure's name has a suffix that matplotlib does not write."""
    known = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in known:
        raise InputError(f"cannot write {path}: no picture's suffix; {allowed(f'.{suffix}' for suffix in known)}")


def write_figure(path: str | Path, figure: Figure, dpi: int) -> None:
    """Write a figure under its name when it is complete.

    Raises
    ------
    InputError
        If the suffix is unknown or the place cannot be written.
    """
    check_figure(Path(path))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi)
