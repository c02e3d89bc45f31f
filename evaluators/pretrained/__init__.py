"""Pretrained networks in the package: a supernet, and subnets from its front; ``card.md`` describes them.

Use ``pretrained:NAME`` in place of a checkpoint's path.
"""

from ...search_space.errors import InputError
from ..names import PRETRAINED as PREFIX
from ..names import pretrained_names as names
from ..training.checkpoint import Checkpoint

SUPERNET = "supernet"
"""Name of the supernet; all others are subnets."""

METRIC = "val_nme"
"""Metric by which :func:`pick` ranks subnets: NME in percent on held-out synthetic faces."""


def subnets() -> dict[str, float]:
    """Return name -> latency in microseconds of every subnet, fastest first; each architecture names the latency table."""
    found = {name: pretrained(name).architecture().us for name in names() if name != SUPERNET}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def pretrained(name: str) -> Checkpoint:
    """Load a pretrained network with float32 weights.

    Raises
    ------
    InputError
        If no network has this name; the message lists all names.
    """
    return Checkpoint.load(f"{PREFIX}{name}")


def pick(max_us: float | None) -> str:
    """Return the name of the subnet with the lowest NME (:data:`METRIC`) within ``max_us`` microseconds; None for no limit.

    Raises
    ------
    InputError
        If no subnet is that fast; the message names the fastest.
    """
    latencies = subnets()
    within = [name for name, us in latencies.items() if max_us is None or us <= max_us]
    if not within:
        fastest, us = next(iter(latencies.items()))
        raise InputError(f"no pretrained subnet runs within {max_us:,.0f} us; the fastest, {fastest}, takes {us:,.0f} us")
    return min(within, key=lambda name: pretrained(name).metrics[METRIC])
