"""``fbnet-pfld latency``: make latency tables, and list the shipped ones."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..latency import TABLES, LookupTable, fit_table, report, table_signatures
from ..search_space import SpaceSpec
from .options import Json, Points, Seed, finish

app = typer.Typer(no_args_is_help=True, help="Make and list latency tables.")


@app.command()
def fit(
    out: Annotated[Path, typer.Option("--out", help="The table's .csv file; its .json file goes beside it.")],
    threads: Annotated[int, typer.Option("--threads", help="Threads of the modelled engine: 1 or 4.")] = 4,
    space: Annotated[str, typer.Option("--space", help="Search space: a built-in name or a .yaml file.")] = "pfld",
    points: Points = None,
    input_size: Annotated[int, typer.Option("--input-size", "--input_size", help="Side of the input image, in pixels.")] = 112,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write a modelled Snapdragon 625 table for a search space, and print how good the model is.

    The table has every registered block in every place of the space. Without --points it serves 68, 98 and 106 landmarks.
    Nothing here is random: every seed gives the same table.
    """
    spec = SpaceSpec.load(space)
    signatures = table_signatures(spec, *([(points,)] if points is not None else []), input_size=input_size)
    table = fit_table(signatures, threads, out.stem)
    table.save(out)
    found = report(threads)
    finish({"table": str(out), "rows": len(table.rows), "method": table.method, **found}, as_json, _validation(found))


@app.command(name="list")
def list_tables(seed: Seed = 0, as_json: Json = False) -> None:
    """List the shipped tables; nothing here is random."""
    tables = [LookupTable.load(name) for name in TABLES]
    view = Table(title="latency tables")
    for heading in ("name", "device", "threads", "method", "uncertainty"):
        view.add_column(heading)
    for table in tables:
        view.add_row(table.name, table.device, str(table.threads), table.method, table.uncertainty)
    finish({"tables": [table.model_dump(exclude={"rows"}) for table in tables]}, as_json, view)


def _validation(found: dict) -> Table:
    view = Table(title=f"modelled Snapdragon 625, {found['threads']} thread(s): fitted to {found['figures']} figures of "
                       f"{found['networks']} networks")
    view.add_column("check")
    for heading in ("published ms", "modelled ms", "error %"):
        view.add_column(heading, justify="right")
    view.add_row("networks left out of the fit, mean", "", "", f"{found['left_out_percent']:.1f}")
    view.add_row("the depthwise-separable of them, mean", "", "", f"{found['left_out_separable_percent']:.1f}")
    for name, entry in found["paddle"].items():
        view.add_row(f"{name}, Paddle-Lite on this chip, 1 thread", *_milliseconds(entry))
    for name, entry in found["reference"].items():
        view.add_row(f"the reference's {name}, not in the fit", *_milliseconds(entry))
    return view


def _milliseconds(entry: dict) -> tuple[str, str, str]:
    modelled = entry["modelled_us"]
    low, high = modelled if isinstance(modelled, tuple) else (modelled, modelled)
    text = f"{low / 1e3:.2f}" + (f" to {high / 1e3:.2f}" if high > low else "")
    return f"{entry['published_us'] / 1e3:.2f}", text, f"{entry['error_percent']:+.0f}" if "error_percent" in entry else ""
