"""Accuracy of exported files on an emulated Cortex-A53, and their latency on the Snapdragon 625 modelled from its counts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...evaluators import LandmarkDataset, score
from ...latency import open_net, run_each
from ...latency.a53_counts.board_fit import board_fit
from ...latency.a53_model.fit import THREADS
from ...latency.emulator.components import Components, find_components
from ...latency.emulator.counts import read_counts
from ...latency.emulator.runner import NAMES, count, engine_of, outputs
from ...search_space.errors import InputError
from ...search_space.progress import Track, silent
from .candidate import check_finite


@dataclass(frozen=True)
class ArmRow:
    """Metrics of one file.

    Attributes
    ----------
    nme, x86_nme
        NME on the same faces in percent, by the engine's Arm code and by its code on this machine.
    largest_px, mean_px
        Maximum and mean distance of a point on the emulated core from this machine's, in pixels of the network's input.
    torch_largest_px, torch_mean_px
        Its maximum and mean distance from torch; None without the network in torch.
    us
        Threads -> modelled latency on the Snapdragon 625 in microseconds.
    """

    file: str
    engine: str
    int8: bool
    nme: float
    x86_nme: float
    largest_px: float
    mean_px: float
    torch_largest_px: float | None
    torch_mean_px: float | None
    us: dict[int, float]


def check_arm(files: Mapping[str, Path]) -> dict[str, Path]:
    """Return the files that engines on the emulated core can run, by their suffixes.

    Raises
    ------
    InputError
        If there is none, or the emulator is incomplete.
    """
    chosen = {name: file for name, file in files.items() if file.name.endswith(tuple(NAMES))}
    if not chosen:
        raise InputError(f"none of {', '.join(files)} runs on the emulated core; expected {' or '.join(NAMES)} files")
    find_components()
    return chosen


def check_on_arm(
    files: Mapping[str, Path],
    test: LandmarkDataset,
    truth: Tensor | None = None,
    eye_corners: tuple[int, int] | None = None,
    track: Track = silent,
) -> list[ArmRow]:
    """Run files on faces on the emulated core and on this machine, and count their instructions.

    Parameters
    ----------
    files
        Name in the report -> file.
    test
        The faces.
    truth
        Torch's points of the same faces, (N, P, 2).

    Raises
    ------
    InputError
        If no file can be run on the emulated core, an engine crashes on one, or the emulator is incomplete.
    """
    chosen = check_arm(files)
    components = find_components()
    images = (test.images.float() / 255).numpy()
    rows = []
    for name, file in track(chosen.items(), "on the emulated core", len(chosen)):
        here = open_net(file)
        arm, x86 = (
            check_finite(torch.from_numpy(found).view_as(test.points), name)
            for found in (outputs(components, file, images), run_each(here, images))
        )
        side = test.images.shape[-1]
        from_torch = None if truth is None else _distances(arm, truth, side)
        from_here = _distances(arm, x86, side)
        rows.append(
            ArmRow(
                name,
                here.engine,
                ".int8" in file.name,
                score(arm, test.points, eye_corners)["nme"],
                score(x86, test.points, eye_corners)["nme"],
                float(from_here.max()),
                float(from_here.mean()),
                None if from_torch is None else float(from_torch.max()),
                None if from_torch is None else float(from_torch.mean()),
                _latencies(components, file, side),
            )
        )
    return rows


def arm_data(rows: list[ArmRow], faces: int) -> dict[str, Any]:
    """Return the metrics as plain data, with each engine's ratios of INT8 to fp32."""
    found: dict[str, Any] = {"faces": faces, "files": [asdict(row) for row in rows], "int8_over_fp32": {}}
    for int8 in (row for row in rows if row.int8):
        fp32 = next((row for row in rows if row.engine == int8.engine and not row.int8), None)
        if fp32 is not None:
            found["int8_over_fp32"][int8.engine] = {
                "nme": int8.nme / fp32.nme,
                "us": {threads: us / fp32.us[threads] for threads, us in int8.us.items() if threads in fp32.us},
            }
    return found


def _distances(points: Tensor, others: Tensor, side: int) -> NDArray[np.float32]:
    distances: NDArray[np.float32] = (side * (points - others).norm(dim=-1)).numpy()
    return distances


def _latencies(components: Components, file: Path, side: int) -> dict[int, float]:
    """Return threads -> latency in microseconds; for MNN, whose threads cannot be counted, at one thread only."""
    countable = THREADS if engine_of(file) == "ncnn" else THREADS[:1]
    counts = {threads: read_counts(count(components, file, (3, side, side), threads)) for threads in countable}
    return {threads: board_fit().us(each, threads) for threads, each in counts.items()}
