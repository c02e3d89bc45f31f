"""``fbnet-pfld latency``: make, list, show, compare and correct latency tables."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ...search_space.errors import InputError
from ..pipeline.command import SEED, App
from .latency_emulator import app as emulator
from .latency_measure import measure_table
from .latency_report import model_report, report_view
from .options import OUTPUT, InputSize, Json, Points, Space, to_file
from .output import finish

app = App(no_args_is_help=True, help="Make, show and correct latency tables.")
SHOWN_ROWS = 5
"""Minimum number of printed rows of a comparison."""

FigureFile = Annotated[Path, typer.Option("--out", callback=to_file, help="The figure.")]
TableName = Annotated[str, typer.Argument(help="Name of a shipped table, or a .csv file.", show_default=False)]


def fit(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", callback=to_file, help="The table's .csv file; its .json file is written beside it.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", help="Threads of the modelled engine: 1 or 4.")] = 4,
    space: Annotated[
        str | None,
        typer.Option(
            "--space", help="Search space: a built-in name or a .yaml file; by default one table covers all built-in ones."
        ),
    ] = None,
    points: Points = None,
    input_size: InputSize = None,
    show_report: Annotated[
        bool, typer.Option("--report", help="Validate both latency models at 1 and 4 threads, in fp32 and INT8.")
    ] = False,
    figure: Annotated[Path, typer.Option("--figure", callback=to_file, help="Figure of the errors, for --report.")] = OUTPUT
    / "latency_fit.png",
    as_json: Json = False,
) -> None:
    """Write a latency table from the layer model of the Snapdragon 625, or validate the latency models with --report.

    The table covers every registered block at every searched position.
    Without --points, it covers 68, 98 and 106 landmarks.
    The layer model needs only the space; `latency measure --backend emulator` runs the engine's code, and supports INT8.
    """
    from ...latency import LANDMARKS, LookupTable, fit_table, report, table_signatures
    from ...search_space.spec import SpaceSpec, built_in

    if out is None and not show_report:
        raise InputError("nothing to do; give --out for a table, --report for the model's errors, or both")
    if out is None:
        _refuse(context, ("threads", "space", "points", "input_size"), "a table; add --out")
    if not show_report:
        _refuse(context, ("figure",), "the report; add --report")
    result: dict[str, Any] = {}
    if out is not None:
        LookupTable.check_path(out)
        landmarks = LANDMARKS if points is None else (points,)
        spaces = [SpaceSpec.load(name) for name in (built_in() if space is None else [space])]
        signatures = sorted({key for spec in spaces for key in table_signatures(spec, landmarks, input_size)})
        table = fit_table(signatures, threads, out.stem)
        table.save(out)
        result = {
            "table": str(out),
            "rows": len(table.rows),
            "method": table.method,
            "threads": threads,
            "left_out_percent": report(threads)["left_out_percent"],
        }
    if show_report:
        found = model_report(figure)
        result |= {"report": found, "figure": str(figure)}
    finish(result, as_json, report_view(found) if show_report else None)


def list_tables(as_json: Json = False) -> None:
    """List the shipped tables."""
    from ...latency.table import TABLES, LookupTable

    tables = [LookupTable.load(name) for name in TABLES]
    view = Table(title="latency tables")
    for heading in ("name", "device", "threads", "method", "uncertainty"):
        view.add_column(heading)
    for table in tables:
        view.add_row(table.name, table.device, str(table.threads), table.method, table.uncertainty)
    finish({"tables": [table.model_dump(exclude={"rows"}) for table in tables]}, as_json, view)


def show(
    table: TableName,
    space: Space = "pfld",
    points: Points = None,
    input_size: InputSize = None,
    out: FigureFile = OUTPUT / "latency.png",
    as_json: Json = False,
) -> None:
    """Show a table's latency of each block of a search space, as numbers and as a heat map."""
    import numpy as np
    import pandas as pd

    from ...latency.table import LookupTable
    from ...search_space.registry import BLOCKS, PARTS
    from ...search_space.spec import SpaceSpec
    from ...strategies.decoding import cost_range
    from ..plots.latency_tables import table_figure

    known = LookupTable.load(table)
    cost = known.cost(SpaceSpec.load(space).layout(106 if points is None else points, input_size))
    grid = pd.DataFrame(cost.blocks_us)
    grid = grid.loc[[block for block in BLOCKS | PARTS if block in grid.index]]
    table_figure(out, grid, f"{known.name}: {known.device}, {known.threads} thread(s), {known.method}")
    fastest, slowest = cost_range(cost)
    view = Table(
        title=f"{known.name}, us, {known.method}",
        caption=f"fixed parts {cost.fixed_us:,.1f} us; a subnet takes {fastest:,.1f} to {slowest:,.1f} us",
        caption_justify="left",
    )
    view.add_column("block")
    for label in grid.columns:
        view.add_column(label, justify="right")
    view.add_column("uncertainty %", justify="right")
    for block, row in grid.iterrows():
        cells = [*row, known.uncertainty_percent.get(block, np.nan)]
        view.add_row(block, *("" if np.isnan(cell) else f"{cell:.1f}" for cell in cells))
    finish(
        {
            "table": known.name,
            "method": known.method,
            "fixed_us": cost.fixed_us,
            "fastest_us": fastest,
            "slowest_us": slowest,
            "blocks_us": cost.blocks_us,
            "figure": str(out),
        },
        as_json,
        view,
    )


def compare_tables(a: TableName, b: TableName, out: FigureFile = OUTPUT / "latency_compare.png", as_json: Json = False) -> None:
    """Compare how two tables rank the blocks, and list the blocks on which they disagree most."""
    from ...latency import LookupTable, compare
    from ..plots.latency_tables import comparison_figure

    first, second = LookupTable.load(a), LookupTable.load(b)
    found = compare(first, second)
    comparison_figure(out, found, first.name, second.name)
    view = Table(
        title=f"{len(found.rows)} rows in common, Kendall's tau {found.kendall_tau:.3f}; {second.name} is "
        f"{found.median_ratio:.3g} times {first.name} in the median; factor: deviation from that"
    )
    view.add_column("largest deviations")
    for heading in (f"{first.name} us", f"{second.name} us", "factor", "outlier"):
        view.add_column(heading, justify="right")
    outliers = int(found.rows["outlier"].sum())
    for row in found.rows.head(max(SHOWN_ROWS, outliers)).itertuples():
        view.add_row(row.block, f"{row.a_us:.1f}", f"{row.b_us:.1f}", f"{row.factor:.2f}", "yes" if row.outlier else "")
    finish(
        {
            "rows": len(found.rows),
            "kendall_tau": found.kendall_tau,
            "median_ratio": found.median_ratio,
            "only_a": found.only_a,
            "only_b": found.only_b,
            "outliers": found.rows[found.rows["outlier"]].to_dict("records"),
            "figure": str(out),
        },
        as_json,
        view,
    )


def calibrate_table(
    table: TableName,
    measured: Annotated[
        Path, typer.Option("--measured", help="CSV file of 3 or more rows: architecture (JSON file), latency_us.")
    ],
    out: Annotated[Path, typer.Option("--out", callback=to_file, help="The corrected table's .csv file.")],
    device: Annotated[str | None, typer.Option("--device", help="Measured device, if it is not the table's.")] = None,
    insist: Annotated[bool, typer.Option("--insist", help="Accept timings and a scale that suggest another unit.")] = False,
    as_json: Json = False,
) -> None:
    """Correct a table's scale and offset with a few whole subnets timed on the device.

    Timings in another unit than microseconds are refused; --insist accepts them unchanged.
    """
    from ...latency import LookupTable, calibrate, read_measured

    LookupTable.check_path(out)
    found = calibrate(LookupTable.load(table), read_measured(measured, insist), out.stem, device, insist)
    found.table.save(out)
    finish({"table": str(out), **{key: value for key, value in asdict(found).items() if key != "table"}}, as_json)


def _refuse(context: typer.Context, names: tuple[str, ...], purpose: str) -> None:
    """Refuse options that would be ignored; ``purpose`` names what they are for."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"--{name.replace('_', '-')} is for {purpose}")


app.add_typer(emulator, name="emulator")
app.add(list_tables, "fbnet-pfld latency list", name="list", aliases=SEED)
app.add(show, "fbnet-pfld latency show snapdragon625-4t --space pfld-wide", aliases=SEED | {"--picture": "--out"})
app.add(measure_table, "fbnet-pfld latency measure --backend mnn --threads 1 --out laptop.csv", name="measure")
app.add(
    calibrate_table,
    "fbnet-pfld latency calibrate snapdragon625-4t --measured phone.csv --out phone_table.csv",
    name="calibrate",
    aliases=SEED,
)
app.add(
    compare_tables,
    "fbnet-pfld latency compare snapdragon625-4t laptop.csv",
    name="compare",
    aliases=SEED | {"--picture": "--out"},
)
app.add(fit, "fbnet-pfld latency fit --space my_space.yaml --out my_table.csv", aliases=SEED | {"--picture": "--figure"})
