"""Measure a latency table: time whole subnets, find each block's share, and test the table on other subnets."""

import shutil
from pathlib import Path

import torch

from ...latency import ENGINES, Adb, Host, LookupTable, Phone, make_design, make_table
from ...latency.measure.measured_table import MeasuredTable
from ...latency.measure.rounds import measure
from ...search_space import Architecture, SpaceSpec
from ...search_space.errors import InputError, allowed
from ...search_space.files import check_writable, write_text
from ...search_space.progress import Track, silent
from ..deploy.onnx_file import write_onnx
from ..plots.latency_tables import agreement_figure

ADB = "adb"
"""Backend of a phone."""

SUBNETS = ".subnets.csv"
"""Suffix of the file of the subnets that tested the table, beside the table."""

FIGURE = ".png"
"""Suffix of the figure of the same, beside the table."""

UNFINISHED = ".measuring"
"""Suffix of the folder with the timings of a measurement that has not ended."""


def check_targets(out: Path) -> None:
    """Raise :class:`InputError` unless the table ``out`` and the files beside it can be written."""
    LookupTable.check_path(out)
    for suffix in (SUBNETS, FIGURE):
        check_writable(out.with_suffix(suffix))


def open_backend(
    name: str, threads: int, input_size: int, program: Path | None = None, serial: str | None = None
) -> Host | Phone:
    """Open what times networks: an engine on this machine, or a phone; a context manager.

    Parameters
    ----------
    name
        An engine in ``ENGINES``, or :data:`ADB`.
    program, serial
        For a phone: its benchmark program, and its serial number if several are connected.

    Raises
    ------
    InputError
        If there is no such backend, or it cannot be used.
    """
    if name == ADB:
        if program is None:
            raise InputError("--backend adb needs --program: MNN's benchmark.out or ncnn's benchncnn, built for it")
        Phone.digest(program)  # before there is a phone: a wrong file is told first
        return Phone(Adb(serial), program, threads, input_size)
    if name not in ENGINES:
        raise InputError(f"unknown backend {name!r}; {allowed([*ENGINES, ADB])}")
    if program is not None or serial is not None:
        raise InputError(f"--program and --serial are for a phone, not for backend {name!r}; use --backend adb")
    return Host(name, threads)


def measure_table(
    out: Path,
    device: Host | Phone,
    spec: SpaceSpec,
    points: int,
    input_size: int,
    repeats: int,
    unseen: int,
    rounds: int | None = None,
    seed: int = 0,
    backend: str = "",
    track: Track = silent,
) -> tuple[MeasuredTable, dict[str, float]]:
    """Measure a table and write it with its figures; a stopped measurement goes on where it was.

    Parameters
    ----------
    out
        The table's .csv file; until the end, timings are in a folder beside it.
    device
        See :func:`open_backend`.
    repeats
        How often each block is measured in each layer.
    unseen
        Random subnets that only test the table.
    rounds
        Timings of each subnet; by default, those of the device.
    backend
        Its name, for the record of the measurement.

    Returns
    -------
    tuple
        The table with its test subnets, and what the test found.
    """
    design = make_design(spec, points, input_size, repeats, unseen, seed)
    settings = {
        "space": spec.to_dict(),
        "points": points,
        "input_size": input_size,
        "repeats": repeats,
        "unseen": unseen,
        "seed": seed,
        "backend": backend,
        "threads": device.threads,
        "device": device.device,
        "engine": device.engine,
        "identity": device.identity,
    }
    folder = out.with_suffix(UNFINISHED)
    found = measure(
        design.models(),
        write_subnet,
        device,
        rounds or device.rounds,
        folder,
        settings,
        track,
    )
    made = make_table(out.stem, design, found, device)
    made.table.save(out)
    write_text(out.with_suffix(SUBNETS), made.subnets.to_csv(index=False))
    agreement_figure(
        out.with_suffix(FIGURE), made.subnets, f"{made.table.device}, {made.table.engine}, {device.threads} thread(s)"
    )
    shutil.rmtree(folder)
    return made, made.figures(found)


def write_subnet(subnet: Architecture, path: Path) -> None:
    """Write a subnet with new weights as an ONNX file."""
    torch.manual_seed(0)
    write_onnx(subnet.build(), path, torch.rand(1, 3, subnet.input_size, subnet.input_size))
