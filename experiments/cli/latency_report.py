"""Validation of the models behind latency tables, as a figure and as a table for the screen."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from .output import track

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMNS = (("fp32", 1), ("fp32", 4), ("int8", 1), ("int8", 4))
"""Precision and threads of the columns."""


def model_report(figure: Path) -> dict[str, Any]:
    """Validate the instruction-count model and the layer model, and draw their errors."""
    from ...latency.a53_counts.board_validation import board_report, held_out_networks, layer_model_errors
    from ..plots.latency_tables import models_figure

    found = board_report(track)
    models_figure(figure, held_out_networks(track), layer_model_errors())
    return found


def report_view(found: dict[str, Any]) -> Table:
    """Format the report as a table: errors in percent, latencies in milliseconds."""
    held_out, boards = found["held_out"], found["boards"]
    entries = [held_out[precision][threads] for precision, threads in COLUMNS]
    data = ", ".join(
        f"{precision} at {threads} thread(s): {entry['figures']} latencies of {entry['networks']} networks"
        for (precision, threads), entry in zip(COLUMNS, entries, strict=True)
    )
    view = Table(title="emulated Snapdragon 625: errors in %, latencies in ms", caption=f"fitted together: {data}")
    view.add_column("check")
    view.add_column("published", justify="right")
    for precision, threads in COLUMNS:
        view.add_column(f"{precision}, {threads} thread(s)", justify="right")
    view.add_row("held-out network, mean over its boards", "", *_percents(entry["network_percent"] for entry in entries))
    view.add_row("  layer model, same latencies", "", *_percents(e.get("layer_model_network_percent") for e in entries))
    view.add_row("held-out network, single latency", "", *_percents(entry["figure_percent"] for entry in entries))
    view.add_row("  layer model, same latencies", "", *_percents(e.get("layer_model_figure_percent") for e in entries))
    view.add_row(
        "held-out board, scale and memory known", "", *_percents(boards[precision][threads] for precision, threads in COLUMNS)
    )
    for network, errors in found["networks"].items():
        signed = [f"{errors[threads]:+.1f}" if threads in errors else "" for threads in (1, 4)]
        view.add_row(f"  {network}", "", *(["", "", *signed] if network.endswith("_int8") else [*signed, "", ""]))
    for name, entry in found["paddle"].items():
        view.add_row(f"{name}, Paddle-Lite on this chip", *_milliseconds(entry), "", "", "")
    for name in ("baseline", "subnet"):
        published, one = _milliseconds(found["reference"][1][name])
        view.add_row(
            f"the reference's {name}, not fitted", published, one, _milliseconds(found["reference"][4][name])[1], "", ""
        )
    ratios = [found["reference"][threads]["ratio"] for threads in (1, 4)]
    view.add_row(
        "  ratio of the two", f"{ratios[0]['published']:.2f}", *(f"{ratio['modelled']:.2f}" for ratio in ratios), "", ""
    )
    return view


def _percents(values: "Iterable[float | None]") -> list[str]:
    return ["" if value is None else f"{value:.1f}" for value in values]


def _milliseconds(entry: dict[str, Any]) -> tuple[str, str]:
    """Format the published latency, and the modelled one with its error."""
    import numpy as np

    published, us = entry["published_us"], np.atleast_1d(entry["modelled_us"])
    each = " to ".join(f"{value / 1e3:.2f} ({100 * (value / published - 1):+.0f})" for value in us)
    return f"{published / 1e3:.2f}", each
