"""Write figures to files."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from ...search_space.errors import InputError, allowed
from ...search_space.files import atomic_path

matplotlib.use("Agg")  # no display is needed to write a file

TRUE = "#1b9e77"
"""Colour of the ground truth, or of the first of two series."""

PREDICTED = "#d95f02"
"""Colour of the prediction, or of the second of two series."""


def check_figure(path: Path) -> None:
    """Raise :class:`InputError` if matplotlib does not support the suffix of a figure's name."""
    known = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in known:
        raise InputError(f"cannot write {path}: unknown figure suffix; {allowed(f'.{suffix}' for suffix in known)}")


def write_figure(path: str | Path, figure: Figure, dpi: int) -> None:
    """Write a figure; the file appears when it is complete.

    Raises
    ------
    InputError
        If the suffix is unknown or the file cannot be written.
    """
    check_figure(Path(path))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi)
