"""Measure a latency table: time whole subnets, solve for each block's latency, and test the table on other subnets."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...latency import ENGINES, Adb, Backend, EmulatedCore, Host, LookupTable, Phone, make_design, make_table
from ...latency.emulator.cores import A53
from ...latency.measure.measured_table import MeasuredTable
from ...latency.measure.rounds import measure
from ...search_space import Architecture, SpaceSpec
from ...search_space.errors import InputError, allowed
from ...search_space.files import check_writable, write_text
from ...search_space.progress import Track, silent
from ..deploy.onnx_file import write_onnx
from ..deploy.quantise import int8_mnn
from ..deploy.quantise_ncnn import int8_ncnn
from ..plots.latency_tables import agreement_figure

ADB = "adb"
"""Backend of a phone."""

EMULATOR = "emulator"
"""Backend of an emulated core."""

CALIBRATION = 8
"""Random images that calibrate an INT8 network when only its latency is needed."""

SUBNETS = ".subnets.csv"
"""Suffix of the file of the timed subnets, beside the table."""

FIGURE = ".png"
"""Suffix of the figure of these subnets, beside the table."""

UNFINISHED = ".measuring"
"""Suffix of the folder with the timings of an unfinished measurement."""


def check_targets(out: Path) -> None:
    """Raise :class:`InputError` unless the table ``out`` and the files beside it can be written."""
    LookupTable.check_path(out)
    for suffix in (SUBNETS, FIGURE):
        check_writable(out.with_suffix(suffix))


@dataclass(frozen=True)
class Target:
    """Options of a backend in addition to its name and threads: of a phone, or of an emulated core.

    Attributes
    ----------
    program, serial
        For a phone: its benchmark program, and its serial number if several are connected.
    cpu, engine, precision
        For an emulated core: see :class:`~fbnet_pfld.latency.EmulatedCore`.
    """

    program: Path | None = None
    serial: str | None = None
    cpu: str | None = None
    engine: str | None = None
    precision: str | None = None

    def check(self, name: str) -> None:
        """Raise :class:`InputError` if an option is given that the backend of this name does not accept."""
        for backend, taken in ((ADB, ("program", "serial")), (EMULATOR, ("cpu", "engine", "precision"))):
            given = [option for option in taken if getattr(self, option) is not None]
            if given and name != backend:
                raise InputError(f"--{given[0]} is for --backend {backend}, not for backend {name!r}")


def open_backend(name: str, threads: int, input_size: int, target: Target = Target()) -> Host | Phone | EmulatedCore:
    """Open a backend that times networks (an engine on this machine, a phone or an emulated core), as a context manager.

    Parameters
    ----------
    name
        An engine in ``ENGINES``, :data:`ADB` or :data:`EMULATOR`.

    Raises
    ------
    InputError
        If the backend is unknown, or cannot be used.
    """
    target.check(name)
    if name == EMULATOR:
        engine, precision = target.engine or "ncnn", target.precision or "fp32"
        return EmulatedCore(engine, threads, input_size, target.cpu or A53, precision, quantiser(engine, input_size))
    if name == ADB:
        program = target.program
        if program is None:
            raise InputError("--backend adb needs --program: MNN's benchmark.out or ncnn's benchncnn, built for the phone")
        Phone.digest(program)  # before connecting, so that a wrong file is reported first
        return Phone(Adb(target.serial), program, threads, input_size)
    if name not in ENGINES:
        raise InputError(f"unknown backend {name!r}; {allowed([*ENGINES, ADB, EMULATOR])}")
    return Host(name, threads)


def measure_table(
    out: Path,
    device: Backend,
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
    """Measure a table, and write it with its test subnets and a figure; an interrupted measurement resumes.

    Parameters
    ----------
    out
        The table's .csv file; a folder beside it holds the timings until the measurement is complete.
    device
        See :func:`open_backend`.
    repeats
        Number of measurements of each block in each layer.
    unseen
        Number of held-out random subnets that test the table.
    rounds
        Timings per subnet; by default, those of the device.
    backend
        Name of the backend, for the record of the measurement.

    Returns
    -------
    tuple
        The table with its test subnets, and the metrics of the test.
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


def quantiser(engine: str, input_size: int) -> Callable[[Path, Path], None]:
    """Return a function that quantises an engine's fp32 file with ranges from random images, for latencies only."""
    images = np.random.default_rng(0).integers(0, 256, (CALIBRATION, 3, input_size, input_size), np.uint8)
    if engine == "ncnn":
        return lambda source, out: int8_ncnn(source, out, images)
    return lambda source, out: int8_mnn(source, out, images, {})


def write_subnet(subnet: Architecture, path: Path) -> None:
    """Write a subnet with random weights as an ONNX file."""
    torch.manual_seed(0)
    write_onnx(subnet.build(), path, torch.rand(1, 3, subnet.input_size, subnet.input_size))
