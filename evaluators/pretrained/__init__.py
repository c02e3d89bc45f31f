"""Networks that come trained with the package: a supernet, and subnets of its front; ``card.md`` describes them.

A name stands wherever a checkpoint may: ``pretrained:NAME``.
"""

from pathlib import Path

from ...search_space.errors import InputError, allowed
from ..names import PRETRAINED as PREFIX
from ..training.checkpoint import Checkpoint

SUPERNET = "supernet"
"""Name of the supernet; all others are subnets."""

METRIC = "val_nme"
"""Figure by which :func:`pick` tells subnets apart: NME in percent on held-out synthetic faces."""

_FOLDER = Path(__file__).parent
_SUFFIX = ".pth"


def names() -> tuple[str, ...]:
    """Names of all pretrained networks, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob(f"*{_SUFFIX}")))


def subnets() -> dict[str, float]:
    """Name -> latency in microseconds of every subnet, fastest first; the table is named in its architecture."""
    found = {name: pretrained(name).architecture().us for name in names() if name != SUPERNET}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def pretrained(name: str) -> Checkpoint:
    """Load a pretrained network, weights float32.

    Raises
    ------
    InputError
        If there is none of this name; the message lists all.
    """
    if name not in names():
        raise InputError(f"no pretrained network is called {name!r}; {allowed(names())}")
    return Checkpoint.load(_FOLDER / f"{name}{_SUFFIX}")


def checkpoint_at(text: str | Path) -> Checkpoint:
    """Load ``pretrained:NAME``, or the checkpoint at a path.

    Raises
    ------
    InputError
        If there is no such network, or the file is missing or no checkpoint of this package.
    """
    name = str(text)
    return pretrained(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else Checkpoint.load(text)


def pick(max_us: float | None) -> str:
    """Name of the subnet with the lowest NME, see :data:`METRIC`, within ``max_us`` microseconds; None for any latency.

    Raises
    ------
    InputError
        If none is so fast; the message names the fastest.
    """
    latencies = subnets()
    within = [name for name, us in latencies.items() if max_us is None or us <= max_us]
    if not within:
        fastest, us = next(iter(latencies.items()))
        raise InputError(f"no pretrained subnet runs within {max_us:,.0f} us; the fastest, {fastest}, takes {us:,.0f} us")
    return min(within, key=lambda name: pretrained(name).metrics[METRIC])
