"""Rebuild the shipped tables, such as with ``python -m fbnet_pfld.experiments.studies.latency_tables tables --out FOLDER``.

``networks`` counts the networks with published figures, to which the cost model is fitted. ``tables`` counts every block of the
built-in spaces. ``compare`` compares the ranks of blocks and subnets in the shipped tables with the layer model's. The first
two need the emulator, take about half an hour each on two cores, and resume where they were stopped.
"""

from ...pipeline.quiet import quieten

quieten()

import json  # noqa: E402
from collections.abc import Iterable  # noqa: E402
from dataclasses import asdict  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated, TypeVar  # noqa: E402

import typer  # noqa: E402
from rich.progress import track as progress  # noqa: E402

from ....latency.a53_counts.recorded import FILE, record  # noqa: E402
from ....latency.table import SHIPPED  # noqa: E402
from ...pipeline.command import make_command, run  # noqa: E402
from .count_networks import count_networks  # noqa: E402
from .shipped_tables import count_all, shipped_tables  # noqa: E402
from .table_changes import changes  # noqa: E402

T = TypeVar("T")
app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, help=__doc__)
Work = Annotated[Path, typer.Option(help="Folder for networks and counts.")]


def track(items: Iterable[T], title: str, total: int | None = None) -> Iterable[T]:
    """Show progress."""
    return progress(items, title, total)


@app.command(cls=make_command({}))
def networks(
    models: Annotated[Path, typer.Option(help="Folder benchmark/models of ncnn's sources, with its .param files.")],
    work: Work = Path("runs/latency_tables/networks"),
    out: Annotated[Path, typer.Option(help="Output file of the counts.")] = FILE,
) -> None:
    """Count the networks with published figures."""
    found = count_networks(models, work, track)
    record(found, out)
    print(json.dumps({"counts": str(out), "networks": len({name for name, _ in found})}))


@app.command(cls=make_command({}))
def tables(
    work: Work = Path("runs/latency_tables/subnets"),
    out: Annotated[Path, typer.Option(help="Folder of the tables.")] = SHIPPED,
) -> None:
    """Count subnets of the built-in spaces with every registered block, and make the four shipped tables."""
    counted = count_all(work, track)
    for table, own in shipped_tables(counted, track):
        table.save(out / f"{table.name}.csv")
        print(json.dumps({"table": table.name, "rows": len(table.rows), **asdict(own)}))


@app.command(cls=make_command({}))
def compare(
    subnets: Annotated[int, typer.Option(help="Random subnets of each space.")] = 1000,
) -> None:
    """Compare the shipped tables with the layer model: ranks of blocks and of subnets."""
    print(json.dumps(changes(subnets), indent=1))


if __name__ == "__main__":
    run(app)
