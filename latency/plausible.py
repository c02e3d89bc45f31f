"""Are latencies those of a device at all, or are they in another unit?

A whole network's speed, in multiply-accumulates (MACs) per microsecond, tells: it differs far less than latencies do. On the
networks of this package (batch 1, float32) a Cortex-A53 has 2,300 at one thread and 4,700 at four, an x86 core of a server
27,000 (12.2 M MACs in 0.3 ms). Tables are taken from :data:`SLOWEST` to :data:`FASTEST`, which is

- up to 1,000,000: forty of those x86 cores. Small layers that wait for one another do not fill any accelerator; the fastest
  ones at hand need some microseconds a layer to start. Then the smallest subnet of ``pfld`` (5.9 M MACs) takes 5.9 us, and the
  whole of a table in milliseconds is above it if the device has 1,000 or more.
- from 5: a microcontroller of 100 MHz with an FPU has 10 or more. A Cortex-A53's nanoseconds are below it.

Figures that are right nevertheless are insisted on: ``"insist": true`` in a table's JSON file, ``--insist`` for timings.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import median

from ..search_space.errors import InputError
from ..search_space.registry import BLOCKS, PARTS
from ..search_space.signature import Signature
from .a53_model.modelled import block_layers
from .records import LATENCY, UNITS, conversion

FASTEST = 1e6
SLOWEST = 5.0
"""Limits of a network's speed, in MACs per microsecond."""

USUAL = 1e4
"""Where speeds lie; of several units that would explain a figure, the one that brings it nearest is named."""

MIXED = 30.0
"""How far the speeds of subnets of one device may be apart; blocks are within a factor of 10 of each other."""

SAMPLE = 64
"""Rows of a table that are looked at: their MACs are found by building the blocks."""

NAMES = {"s": "seconds", "ms": "milliseconds", "ns": "nanoseconds"}


def macs_of(signatures: Iterable[Signature]) -> int:
    """MACs of some blocks and fixed parts; 0 for those that are in no registry or that cannot be built."""
    return sum(map(_macs, signatures))


def _macs(signature: Signature) -> int:
    if signature.op not in BLOCKS | PARTS:
        return 0
    try:
        return sum(layer.macs for layer in block_layers(signature))
    except (ValueError, RuntimeError):  # torch's, of channels and sizes that no network has
        return 0


def unit_of(factor: float) -> str | None:
    """The unit of figures that should be ``factor`` times as large to be microseconds; None for microseconds."""
    unit = min(UNITS, key=lambda name: abs(math.log(UNITS[name] / factor)))
    return unit if unit in NAMES else None


def cause(factor: float, subject: str, pronoun: str) -> str:
    """The likely cause of figures that should be ``factor`` times as large, and what to do, in the middle of a message."""
    unit = unit_of(factor)
    if unit is None:
        return f"{LATENCY} is in microseconds"
    return f"{subject} like {NAMES[unit]}, but {LATENCY} is in microseconds: {conversion(unit, pronoun)}"


def check_speed(macs: int, us: float, where: str, insist: str) -> None:
    """Refuse a latency that no device can have.

    Parameters
    ----------
    macs, us
        Multiply-accumulates of a network or of many blocks. Without MACs there is nothing to say.
    where
        Says what the figure is, at the beginning of the message.
    insist
        How to insist, after "if the figures are right, ".

    Raises
    ------
    InputError
        If the speed is not within the limits. It names the unit that explains the figure.
    """
    if macs == 0 or SLOWEST * us <= macs <= FASTEST * us:
        return
    work = f"{macs / 1e6:.3g} M multiply-accumulates"
    fault = f"no device runs {work} in {us:.4g} us" if macs > FASTEST * us else f"no device takes {us:.4g} us for {work}"
    likely = cause(macs / USUAL / us if us else 1, "these look", "them")
    raise InputError(f"{where}: {fault}; {likely}; if the figures are right, {insist}")


def check_rows(rows: dict[Signature, float], where: str, insist: str) -> None:
    """Refuse a table whose rows no device can have, by :data:`SAMPLE` of them; see :func:`check_speed`."""
    keys = sorted(key for key in rows if key.op in BLOCKS | PARTS)
    macs, us = 0, 0.0
    for key in keys[:: len(keys) // SAMPLE + 1]:
        # rows without MACs, such as an identity's, would add their time only
        count = _macs(key)
        if count:
            macs, us = macs + count, us + rows[key]
    check_speed(macs, us, where, insist)


def check_alike(macs: Sequence[int], us: Sequence[float], wheres: Sequence[str], insist: str) -> None:
    """Refuse timings of subnets of which one is in another unit than most.

    Raises
    ------
    InputError
        Naming the first whose speed is more than :data:`MIXED` times off the median.
    """
    speeds = [count / value for count, value in zip(macs, us, strict=True)]
    usual = median(speeds)
    for where, speed, value in zip(wheres, speeds, us, strict=True):
        off = speed / usual
        if not 1 / MIXED <= off <= MIXED:
            times = f"{max(off, 1 / off):,.0f} times {'less' if off > 1 else 'more'} than the other subnets let expect"
            raise InputError(
                f"{where}: {LATENCY} is {value:g}, {times}; {cause(off, 'this looks', 'it')}; if it is right, {insist}"
            )
