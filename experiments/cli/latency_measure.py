"""``fbnet-pfld latency measure``: measure a table for this machine, a phone or an emulated core by timing whole subnets."""

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
    str, typer.Option("--backend", help="onnxruntime, mnn or ncnn: this machine; adb: a phone; emulator: an emulated Arm core.")
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of the engine.")]
Out = Annotated[
    Path, typer.Option("--out", callback=to_file, help="The table's .csv file; .json, .subnets.csv and .png are beside it.")
]
Repeats = Annotated[int, typer.Option("--repeats", min=1, help="Number of measurements of each block in each layer.")]
Unseen = Annotated[int, typer.Option("--unseen", min=2, help="Number of held-out random subnets that test the table.")]
Rounds = Annotated[
    int | None,
    typer.Option(
        "--rounds", min=2, help="Timings per subnet; by default 60 on this machine, 5 on a phone, 1 on an emulated core."
    ),
]
ProgramFile = Annotated[
    Path | None, typer.Option("--program", help="adb: MNN's benchmark.out or ncnn's benchncnn, built for the phone.")
]
Cpu = Annotated[str | None, typer.Option("--cpu", help="emulator: cortex-a53 (default), cortex-a35, -a57, -a72 or -a76.")]
EngineName = Annotated[str | None, typer.Option("--engine", help="emulator: ncnn (default) or mnn.")]
FilePrecision = Annotated[str | None, typer.Option("--precision", help="emulator: fp32 (default) or int8.")]
Serial = Annotated[str | None, typer.Option("--serial", help="adb: serial number, if several phones are connected.")]


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
    """Measure a latency table: time whole subnets in rounds, solve for each block's latency, and test it on other subnets.

    With the same options, an interrupted run resumes.
    Its timings are in a folder beside the table until it is complete.
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
            remark(f"interrupted; timings are kept in {out.with_suffix(UNFINISHED)}; run the same command again to resume")
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
    """Show a progress bar; on a pipe, print the number of items."""
    if isinstance(items, Collection) and len(items) and not console.is_terminal:
        console.print(f"{title}: {len(items)}")
    return track(items, title, total)


def _view(table: "LookupTable", figures: dict[str, Any], subnets: "pd.DataFrame") -> Table:
    view = Table(title=f"{table.name}: {table.method}, tested on {figures['subnets']} held-out subnets")
    view.add_column("check")
    view.add_column("", justify="right")
    view.add_row("latencies of the subnets, us", f"{subnets.measured_us.min():.0f} to {subnets.measured_us.max():.0f}")
    view.add_row("mean error of the predictions, %", f"{figures['mean_percent']:.2f}")
    view.add_row("largest error, %", f"{figures['largest_percent']:.2f}")
    view.add_row("Kendall's tau", f"{figures['kendall_tau']:.3f}")
    if table.method == "emulated":
        return view  # without noise
    view.add_row("noise: standard error of a subnet's measured latency, %", f"{figures['noise_percent']:.2f}")
    view.add_row("noise: spread of a single timing, %", f"{figures['spread_percent']:.2f}")
    view.add_row("noise: largest difference between rounds, %", f"{figures['drift_percent']:.0f}")
    return view
