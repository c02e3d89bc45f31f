"""``fbnet-pfld latency measure``: a table for this machine, a phone or an emulated core, from whole subnets timed on it."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.table import Table

from .options import InputSize, Json, Points, Seed, Space, to_file
from .output import console, finish, remark, track

if TYPE_CHECKING:
    import pandas as pd

    from ...latency import LookupTable

T = TypeVar("T")

BackendName = Annotated[
    str, typer.Option("--backend", help="onnxruntime, mnn or ncnn on this machine; adb, a phone; emulator, an Arm core.")
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of the engine.")]
Out = Annotated[
    Path, typer.Option("--out", callback=to_file, help="The table's .csv file; .json, .subnets.csv and .png go beside it.")
]
Repeats = Annotated[int, typer.Option("--repeats", min=1, help="How often each block is measured in each layer.")]
Unseen = Annotated[int, typer.Option("--unseen", min=2, help="Random subnets that only test the table.")]
Rounds = Annotated[
    int | None, typer.Option("--rounds", min=2, help="Timings of each subnet; 60 here, 5 on a phone, 1 on an emulated core.")
]
ProgramFile = Annotated[
    Path | None, typer.Option("--program", help="adb: MNN's benchmark.out or ncnn's benchncnn, built for the phone.")
]
Cpu = Annotated[str | None, typer.Option("--cpu", help="emulator: cortex-a53, the default, or cortex-a35, -a57, -a72, -a76.")]
EngineName = Annotated[str | None, typer.Option("--engine", help="emulator: ncnn, the default, or mnn.")]
FilePrecision = Annotated[str | None, typer.Option("--precision", help="emulator: fp32, the default, or int8.")]
Serial = Annotated[str | None, typer.Option("--serial", help="adb: which of several phones.")]


def measure_table(
    out: Out,
    backend: BackendName = "onnxruntime",
    threads: Threads = 1,
    space: Space = "pfld",
    points: Points = None,
    input_size: InputSize = None,
    repeats: Repeats = 5,
    unseen: Unseen = 50,
    rounds: Rounds = None,
    program: ProgramFile = None,
    serial: Serial = None,
    cpu: Cpu = None,
    engine: EngineName = None,
    precision: FilePrecision = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure a table: time whole subnets in rounds, find each block's share, and test it on other subnets.

    A stopped run goes on where it was, given the same options; what it has lies in a folder beside the table until it is done.
    """
    from ...search_space.spec import SpaceSpec
    from ..pipeline.config import Config
    from ..pipeline.measurement import FIGURE, UNFINISHED, Target, check_targets, measure_table, open_backend

    check_targets(out)
    spec, num_points = SpaceSpec.load(space), Config().points if points is None else points
    input_size = spec.side if input_size is None else input_size
    spec.layout(num_points, input_size)
    with open_backend(backend, threads, input_size, Target(program, serial, cpu, engine, precision)) as device:
        try:
            made, figures = measure_table(
                out, device, spec, num_points, input_size, repeats, unseen, rounds, seed, backend, _track
            )
        except KeyboardInterrupt:
            remark(f"interrupted; timings are kept in {out.with_suffix(UNFINISHED)}, the same command goes on from there")
            raise
    finish(
        {
            "table": str(out),
            "rows": len(made.table.rows),
            "method": made.table.method,
            "device": made.table.device,
            "engine": made.table.engine,
            **figures,
            "figure": str(out.with_suffix(FIGURE)),
        },
        as_json,
        _view(made.table, figures, made.subnets),
    )


def _track(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """Show progress; on a pipe, say how many items there are."""
    if isinstance(items, Collection) and len(items) and not console.is_terminal:
        console.print(f"{title}: {len(items)}")
    return track(items, title, total)


def _view(table: "LookupTable", figures: dict[str, Any], subnets: "pd.DataFrame") -> Table:
    view = Table(title=f"{table.name}: {table.method}, tested on {figures['subnets']} subnets that it was not made from")
    view.add_column("check")
    view.add_column("", justify="right")
    view.add_row("subnets' latencies, us", f"{subnets.measured_us.min():.0f} to {subnets.measured_us.max():.0f}")
    view.add_row("mean error of a predicted subnet, %", f"{figures['mean_percent']:.2f}")
    view.add_row("largest error, %", f"{figures['largest_percent']:.2f}")
    view.add_row("Kendall's tau", f"{figures['kendall_tau']:.3f}")
    if table.method == "emulated":
        return view  # without noise
    view.add_row("noise: standard error of a subnet's own figure, %", f"{figures['noise_percent']:.2f}")
    view.add_row("noise: spread of a single timing, %", f"{figures['spread_percent']:.2f}")
    view.add_row("noise: levels of the rounds apart by, %", f"{figures['drift_percent']:.0f}")
    return view
