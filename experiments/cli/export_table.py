"""Tables for the screen on exported files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from ...latency import LookupTable
    from ..deploy.assess import Assessment


def export_table(found: "Assessment", table: "LookupTable", threads: int) -> Table:
    """Format the rows as a table for the screen; the caption names the method of the table latencies."""
    from ..deploy.assess import of_fp32

    engines = ", ".join(dict.fromkeys(row.engine for row in found.rows))
    view = Table(
        title="exported files on the test set",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption_justify="left",
        caption=f"px: distance of a point from torch, maximum and mean; us: this machine, {threads} thread(s), "
        f"{engines}; x: latency relative to the baseline in the same format; table us: {table.name}, "
        f"{table.method}, for {table.precision}",
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


def arm_table(data: dict[str, Any]) -> Table:
    """Format the point errors on the emulated core, and the modelled latencies, as a table for the screen."""
    view = Table(
        title=f"on an emulated Cortex-A53, {data['faces']} test faces",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption_justify="left",
        caption="; ".join(
            [
                "px: distance of a point on the emulated core from x86 and from torch, maximum and mean; "
                "ms: Snapdragon 625, modelled from counts, at 1 and 4 threads",
                *(
                    f"INT8 over fp32 in {engine}: latency "
                    + ", ".join(f"{part:.2f} at {threads} thread(s)" for threads, part in ratio["us"].items())
                    + f", NME {ratio['nme']:.3f}"
                    for engine, ratio in data["int8_over_fp32"].items()
                ),
            ]
        ),
    )
    headings = ("file", "engine", "NME %", "on x86", "max px", "mean px", "torch max", "torch mean", "ms, 1", "ms, 4")
    for heading in headings:
        view.add_column(heading, justify="left" if heading in ("file", "engine") else "right", overflow="fold")
    for row in data["files"]:
        pixels = [row[name] for name in ("largest_px", "mean_px", "torch_largest_px", "torch_mean_px")]
        view.add_row(
            row["file"],
            row["engine"],
            f"{row['nme']:.2f}",
            f"{row['x86_nme']:.2f}",
            *("" if each is None else f"{each:.2g}" for each in pixels),
            *(f"{row['us'][threads] / 1e3:.2f}" if threads in row["us"] else "" for threads in (1, 4)),
        )
    return view


def _figures(accuracy: Sequence[float] | None) -> list[str]:
    return ["-"] * 3 if accuracy is None else [format(value, ".2f" if i == 0 else ".1f") for i, value in enumerate(accuracy)]
