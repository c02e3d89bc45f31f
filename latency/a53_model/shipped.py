"""Latency tables from the fitted layer model."""

from collections.abc import Iterable
from importlib.metadata import version

from ...search_space.signature import Signature
from ..table import LookupTable
from .fit import CLOCK_GHZ, DEVICE, ENGINE, PRECISION, SIBLING, fit_data
from .modelled import block_us
from .uncertainty import uncertainty_percent
from .validate import report

DATE = "2026-11-24"
"""Date on which the figures behind the model were collected; tables made later from the same figures keep it."""


def fit_table(signatures: Iterable[Signature], threads: int, name: str) -> LookupTable:
    """Make a modelled Snapdragon 625 table with a row for each of ``signatures``, rounded to the nanosecond.

    Raises
    ------
    InputError
        If a block is not in the registry, or ``threads`` is neither 1 nor 4.
    """
    rows = {signature: round(block_us(signature, threads), 3) for signature in signatures}
    return LookupTable(
        name=name,
        device=DEVICE,
        clock_ghz=CLOCK_GHZ,
        engine=ENGINE,
        threads=threads,
        precision=PRECISION,
        method="modelled",
        sources=sorted(fit_data(threads)["url"].unique()),
        uncertainty=uncertainty(threads),
        uncertainty_percent=uncertainty_percent(rows, threads),
        date=DATE,
        version=version("fbnet-pfld"),
        rows=rows,
    )


def uncertainty(threads: int) -> str:
    """Summarise :func:`report` in a sentence."""
    found = report(threads)
    errors = {name: entry["error_percent"] for name, entry in found["paddle"].items()}
    low, high = min(errors, key=errors.__getitem__), max(errors, key=errors.__getitem__)
    return (
        f"not measured: fitted to {found['figures']} published figures of other Cortex-A53 boards; mean error on a held-out "
        f"network {found['left_out_percent']:.1f} % (depthwise-separable ones "
        f"{found['left_out_separable_percent']:.1f} %), by which the model was chosen; the chip's own scale is that of the "
        f"{SIBLING}, and held-out boards are missed by {found['left_out_board_percent']:.0f} % "
        f"({found['left_out_board_scaled_percent']:.0f} % once their scale is known); "
        f"Paddle-Lite's single-thread figures for this chip, known when that board was chosen, are missed "
        f"by {errors[low]:+.0f} % ({low}) to {errors[high]:+.0f} % ({high})"
    )
