"""``fbnet-pfld latency measure``: a table for this machine or for a phone, from whole subnets timed on it."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from rich.table import Table

from ..latency import ENGINES, Adb, Host, LookupTable, Phone, make_design, make_table, measure
from ..latency.design import REPEATS, UNSEEN
from ..search_space import Architecture, InputError, SpaceSpec
from ..search_space.inputs import allowed, check_writable, write_text
from .config import Config
from .deploy.onnx_file import write_onnx
from .latency_pictures import agreement_picture
from .options import InputSize, Json, Points, Seed, Space, console, finish, to_file
from .progress import counted

ADB = "adb"

# beside the table
SUBNETS, PICTURE = ".subnets.csv", ".png"

BackendName = Annotated[str, typer.Option("--backend", help="onnxruntime or mnn on this machine, or adb: a phone.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of the engine.")]
Out = Annotated[Path, typer.Option("--out", callback=to_file,
                                    help="The table's .csv file; .json, .subnets.csv and .png go beside it.")]
Repeats = Annotated[int, typer.Option("--repeats", min=1, help="How often each block is measured in each layer.")]
Unseen = Annotated[int, typer.Option("--unseen", min=2, help="Random subnets that only test the table.")]
Rounds = Annotated[int | None, typer.Option("--rounds", min=2, help="Timings of each subnet; 60 here, 5 on a phone.")]
ProgramFile = Annotated[Path | None, typer.Option("--program", help="adb: MNN's benchmark.out or ncnn's benchncnn, "
                                                                    "built for the phone.")]
Serial = Annotated[str | None, typer.Option("--serial", help="adb: which of several phones.")]


def measure_table(
    out: Out, backend: BackendName = "onnxruntime", threads: Threads = 1, space: Space = "pfld", points: Points = None,
    input_size: InputSize = 112, repeats: Repeats = REPEATS, unseen: Unseen = UNSEEN, rounds: Rounds = None,
    program: ProgramFile = None, serial: Serial = None, seed: Seed = 0, as_json: Json = False,
) -> None:
    """Measure a table: time whole subnets in rounds, find each block's share, and test it on other subnets.

    A stopped run goes on where it was, given the same options; what it has lies in a folder beside the table until it is done.
    """
    LookupTable.check_path(out)
    for suffix in (SUBNETS, PICTURE):
        check_writable(out.with_suffix(suffix))
    spec = SpaceSpec.load(space)
    num_points = points if points is not None else Config().points
    design = make_design(spec, num_points, input_size, repeats, unseen, seed)
    folder = out.with_suffix(".measuring")
    with _open(backend, threads, input_size, program, serial) as device:
        settings = {"space": spec.to_dict(), "points": num_points, "input_size": input_size, "repeats": repeats,
                    "unseen": unseen, "seed": seed, "backend": backend, "threads": threads, "device": device.device,
                    "engine": device.engine, "identity": device.identity}
        try:
            found = measure(design.models(), write_subnet, device, rounds or device.rounds, folder, settings, _track)
        except KeyboardInterrupt:
            console.print(f"interrupted; timings are kept in {folder}, the same command goes on from there", soft_wrap=True)
            raise
        made = make_table(out.stem, design, found, device)
    made.table.save(out)
    write_text(out.with_suffix(SUBNETS), made.subnets.to_csv(index=False))
    agreement_picture(out.with_suffix(PICTURE), made.subnets, f"{made.table.device}, {made.table.engine}, {threads} thread(s)")
    shutil.rmtree(folder)
    figures = made.figures(found)
    finish({"table": str(out), "rows": len(made.table.rows), "method": made.table.method, "device": made.table.device,
            "engine": made.table.engine, **figures, "picture": str(out.with_suffix(PICTURE))}, as_json,
           _view(made.table.name, figures, made.subnets))


def _open(name: str, threads: int, input_size: int, program: Path | None, serial: str | None) -> Host | Phone:
    if name == ADB:
        if program is None:
            raise InputError("--backend adb needs --program; allowed: MNN's benchmark.out or ncnn's benchncnn, built for it")
        Phone.digest(program)  # before there is a phone: a wrong file is told first
        return Phone(Adb(serial), program, threads, input_size)
    if name not in ENGINES:
        raise InputError(f"unknown backend {name!r}; {allowed([*ENGINES, ADB])}")
    if program is not None or serial is not None:
        raise InputError(f"--program and --serial are for a phone, not for backend {name!r}; allowed: --backend adb")
    return Host(name, threads)


def write_subnet(subnet: Architecture, path: Path) -> None:
    """Write a subnet with new weights as an ONNX file."""
    torch.manual_seed(0)
    write_onnx(subnet.build(), path, torch.rand(1, 3, subnet.input_size, subnet.input_size))


def _track(items: Sequence[Any], title: str) -> Iterator[Any]:
    if items and not console.is_terminal:
        console.print(f"{title}: {len(items)}")
    return counted(items, title, console)


def _view(name: str, figures: dict[str, Any], subnets: pd.DataFrame) -> Table:
    view = Table(title=f"{name}: measured, tested on {figures['subnets']} subnets that it was not made from")
    view.add_column("check")
    view.add_column("", justify="right")
    view.add_row("subnets' latencies, us", f"{subnets.measured_us.min():.0f} to {subnets.measured_us.max():.0f}")
    view.add_row("mean error of a predicted subnet, %", f"{figures['mean_percent']:.2f}")
    view.add_row("largest error, %", f"{figures['largest_percent']:.2f}")
    view.add_row("Kendall's tau", f"{figures['kendall_tau']:.3f}")
    view.add_row("noise: standard error of a subnet's own figure, %", f"{figures['noise_percent']:.2f}")
    view.add_row("noise: spread of a single timing, %", f"{figures['spread_percent']:.2f}")
    view.add_row("noise: levels of the rounds apart by, %", f"{figures['drift_percent']:.0f}")
    return view
