"""Comparison of networks as a table for the screen."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from ...latency import LookupTable
    from ..deploy.comparison import Row


def comparison_table(rows: list["Row"], table: "LookupTable") -> Table:
    """Format the rows as a table for the screen; the caption names the method of the table latencies."""
    view = Table(
        title="test set",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption_justify="left",
        caption=f"table us: {table.name}, {table.method}; host us: this machine, one thread; "
        "checkpoints run as ONNX files in onnxruntime",
    )
    for heading in ("network", "file KB", "params", "M MACs", "table us", "host us", "NME %", "FR@8", "AUC@8"):
        view.add_column(heading, justify="left" if heading == "network" else "right", overflow="fold")
    for row in rows:
        cells = (
            (row.file_bytes / 1000, ".0f"),
            (row.parameters, ",d"),
            (row.macs and row.macs / 1e6, ".2f"),
            (row.table_us, ",.0f"),
            (row.host_us, ",.0f"),
            (row.nme, ".2f"),
            (row.fr8, ".1f"),
            (row.auc8, ".1f"),
        )
        view.add_row(row.name, *("-" if value is None else format(value, form) for value, form in cells))
    return view
