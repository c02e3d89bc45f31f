"""Check whether latencies are plausible for a device, or are in another unit.

The check uses a whole network's speed in multiply-accumulates (MACs) per microsecond, which varies far less than latency. On
the networks of this package (batch 1, float32) a Cortex-A53 reaches 2,300 with one thread and 4,700 with four, an x86 server
core 27,000 (12.2 M MACs in 0.3 ms). Speeds from :data:`SLOWEST` to :data:`FASTEST` are accepted:

- up to 1,000,000, as fast as forty of those x86 cores. Small layers that wait for one another do not fill an accelerator; the
  fastest accelerators available need some microseconds to start each layer. At this limit the smallest subnet of ``pfld``
  (5.9 M MACs) takes 5.9 us. A table in milliseconds exceeds the limit if the device reaches 1,000 or more.
- from 5: a microcontroller of 100 MHz with an FPU reaches 10 or more. A Cortex-A53's latencies in nanoseconds are below it.

``"insist": true`` in a table's JSON file, or ``--insist`` for timings, accepts correct latencies outside these limits.
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
"""Limits of a network's speed in MACs per microsecond."""

USUAL = 1e4
"""Typical speed; of several units that would explain a latency, the message names the one that brings it nearest."""

MIXED = 30.0
"""Largest accepted factor between a subnet's speed and the median speed; blocks differ by a factor of up to 10."""

SAMPLE = 64
"""Number of rows of a table that are checked; counting their MACs needs their blocks to be built."""

NAMES = {"s": "seconds", "ms": "milliseconds", "ns": "nanoseconds"}


def macs_of(signatures: Iterable[Signature]) -> int:
    """MACs of blocks and fixed parts; those that are not registered or cannot be built count 0."""
    return sum(map(_macs, signatures))


def _macs(signature: Signature) -> int:
    if signature.op not in BLOCKS | PARTS:
        return 0
    try:
        return sum(layer.macs for layer in block_layers(signature))
    except (ValueError, RuntimeError):  # torch raises them for impossible channels and sizes
        return 0


def unit_of(factor: float) -> str | None:
    """Return the unit of values that must be multiplied by ``factor`` to be microseconds; None for microseconds."""
    unit = min(UNITS, key=lambda name: abs(math.log(UNITS[name] / factor)))
    return unit if unit in NAMES else None


def cause(factor: float, subject: str, pronoun: str) -> str:
    """Return the middle of a message: the likely cause of values that are too small by ``factor``, and what to do."""
    unit = unit_of(factor)
    if unit is None:
        return f"{LATENCY} is in microseconds"
    return f"{subject} like {NAMES[unit]}, but {LATENCY} is in microseconds: {conversion(unit, pronoun)}"


def check_speed(macs: int, us: float, where: str, insist: str) -> None:
    """Refuse a latency that no device can have.

    Parameters
    ----------
    macs, us
        MACs and latency of a network or of many blocks. With 0 MACs, nothing is checked.
    where
        Beginning of the message, which names the latency.
    insist
        How to accept the latency; follows "if the figures are right, ".

    Raises
    ------
    InputError
        If the speed is outside the limits. The message names the unit that would explain the latency.
    """
    if macs == 0 or SLOWEST * us <= macs <= FASTEST * us:
        return
    work = f"{macs / 1e6:.3g} M multiply-accumulates"
    fault = f"no device runs {work} in {us:.4g} us" if macs > FASTEST * us else f"no device takes {us:.4g} us for {work}"
    likely = cause(macs / USUAL / us if us else 1, "these look", "them")
    raise InputError(f"{where}: {fault}; {likely}; if the figures are right, {insist}")


def check_rows(rows: dict[Signature, float], where: str, insist: str) -> None:
    """Refuse a table that no device can have, judged by :data:`SAMPLE` of its rows; see :func:`check_speed`."""
    keys = sorted(key for key in rows if key.op in BLOCKS | PARTS)
    macs, us = 0, 0.0
    for key in keys[:: len(keys) // SAMPLE + 1]:
        # skip rows without MACs, such as an identity's: they would add latency only
        count = _macs(key)
        if count:
            macs, us = macs + count, us + rows[key]
    check_speed(macs, us, where, insist)


def check_alike(macs: Sequence[int], us: Sequence[float], wheres: Sequence[str], insist: str) -> None:
    """Refuse timings of subnets if one is in another unit than most.

    Raises
    ------
    InputError
        If a subnet's speed differs from the median by a factor of more than :data:`MIXED`. The message names the first one.
    """
    speeds = [count / value for count, value in zip(macs, us, strict=True)]
    usual = median(speeds)
    for where, speed, value in zip(wheres, speeds, us, strict=True):
        off = speed / usual
        if not 1 / MIXED <= off <= MIXED:
            times = f"{max(off, 1 / off):,.0f} times {'less' if off > 1 else 'more'} than the other subnets suggest"
            raise InputError(
                f"{where}: {LATENCY} is {value:g}, {times}; {cause(off, 'this looks', 'it')}; if it is right, {insist}"
            )
