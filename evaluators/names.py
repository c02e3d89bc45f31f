"""Names of the files that a training writes, and of the pretrained networks."""

from pathlib import Path

from ..search_space.errors import InputError, allowed

BEST = "checkpoint_best.pth"
"""Weights of the best epoch; in a search, of the last epoch."""

LAST = "last.ckpt"
"""State after the latest epoch, from which a training resumes."""

PRETRAINED = "pretrained:"
"""Prefix of a pretrained network's name, which may replace a checkpoint's path."""

FOLDER = Path(__file__).parent / "pretrained"
"""Folder of the pretrained networks."""

_SUFFIX = ".pth"


def pretrained_names() -> tuple[str, ...]:
    """Return the names of all pretrained networks, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob(f"*{_SUFFIX}")))


def checkpoint_file(path: str | Path) -> Path:
    """Return the file of ``pretrained:NAME``, or the path itself.

    Raises
    ------
    InputError
        If no pretrained network has this name; the message lists all names.
    """
    text = str(path)
    if not text.startswith(PRETRAINED):
        return Path(path)
    name = text.removeprefix(PRETRAINED)
    if name not in pretrained_names():
        raise InputError(f"no pretrained network is called {name!r}; {allowed(pretrained_names())}")
    return FOLDER / f"{name}{_SUFFIX}"
