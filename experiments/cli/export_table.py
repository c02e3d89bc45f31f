"""Exported files on the test set as a table for the screen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from ...latency import LookupTable
    from ..deploy.assess import Assessment


def export_table(found: "Assessment", table: "LookupTable", threads: int) -> Table:
    """The rows as a table for the screen; a modelled latency is called modelled."""
    from ..deploy.assess import of_fp32

    engines = ", ".join(dict.fromkeys(row.engine for row in found.rows))
    view = Table(
        title="exported files on the test set",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption_justify="left",
        caption=f"px: distance of a point from torch's, largest and mean; us: this machine, {threads} thread(s), "
        f"{engines}; x: latency over the baseline's in the same format; table us: {table.name}, "
        f"{table.method}, for fp32",
    )
    for heading in (
        "network",
        "format",
        "KB",
        "of fp32",
        "NME %",
        "FR@8",
        "AUC@8",
        "max px",
        "mean px",
        "us",
        "p95 us",
        "x",
        "table us",
    ):
        view.add_column(heading, justify="left" if heading in ("network", "format") else "right", overflow="fold")
    for name, accuracy in found.torch.items():
        view.add_row(name, "torch", "", "", *_figures(accuracy), *[""] * 6)
        for row in (row for row in found.rows if row.network == name):
            smaller = of_fp32(row, found.rows)
            view.add_row(
                "",
                row.format,
                f"{row.bytes / 1000:.0f}",
                f"{100 * smaller[0]:.1f} %" if smaller else "",
                *_figures(row.accuracy),
                f"{row.largest_px:.2g}",
                f"{row.mean_px:.2g}",
                f"{row.us.median:,.0f}",
                f"{row.p95_us:,.0f}",
                f"{row.of_baseline.median:.3f}",
                "" if row.table_us is None else f"{row.table_us:,.0f}",
            )
    return view


def _figures(accuracy: Sequence[float] | None) -> list[str]:
    return ["-"] * 3 if accuracy is None else [format(value, ".2f" if i == 0 else ".1f") for i, value in enumerate(accuracy)]
