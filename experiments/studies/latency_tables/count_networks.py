"""Count the networks with published figures on the emulated core."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import nn
from torchvision import models

from ....latency import to_ncnn
from ....latency.a53_counts.recorded import Key
from ....latency.a53_model.fit import THREADS
from ....latency.emulator.components import find_components
from ....latency.emulator.counts import Counts, counted
from ....search_space.errors import InputError
from ....search_space.progress import Track, silent
from ...deploy.onnx_file import write_onnx

TORCHVISION: Mapping[str, Callable[[], nn.Module]] = {
    "torchvision_mobilenet_v2": lambda: models.mobilenet_v2(weights=None),
    "torchvision_mobilenet_v3_large": lambda: models.mobilenet_v3_large(weights=None),
    "torchvision_mobilenet_v3_small": lambda: models.mobilenet_v3_small(weights=None),
    "torchvision_resnet50": lambda: models.resnet50(weights=None),
}
"""Recorded name -> the network in Paddle-Lite's figures."""

SIDE = 224
SIDES = {
    "squeezenet": 227,
    "alexnet": 227,
    "mobilenet_ssd": 300,
    "squeezenet_ssd": 300,
    "blazeface": 128,
    "nanodet_m": 320,
    "yolo-fastest-1.1": 320,
    "FastestDet": 352,
    "yolo-fastestv2": 352,
    "mobilenetv2_yolov3": 352,
    "mobilenet_yolo": 416,
    "yolov4-tiny": 416,
}
"""Sides of the inputs in ncnn's benchmark that differ from :data:`SIDE`; an INT8 network has the side of its fp32 version."""


def count_networks(folder: Path, work: Path, track: Track = silent) -> dict[Key, Counts]:
    """Count each ``.param`` file of a folder at 1 and 4 threads, and torchvision's networks at 1; resume a stopped run.

    Parameters
    ----------
    folder
        ncnn's ``benchmark/models``.
    work
        Folder for intermediate counts.

    Raises
    ------
    InputError
        If the folder has no such files, or the emulator is incomplete.
    """
    components = find_components()
    work.mkdir(parents=True, exist_ok=True)
    jobs: dict[Key, tuple[Path, tuple[int, int, int], int]] = {}
    for source in sorted(folder.glob("*.param")):
        file = work / source.name
        file.write_bytes(source.read_bytes())
        for threads in THREADS:
            jobs[source.stem, threads] = (file, _shape(source.stem), threads)
    if not jobs:
        raise InputError(f"{folder}: no .param files; expected the folder benchmark/models of ncnn's sources")
    for name, build in TORCHVISION.items():
        jobs[name, 1] = (_converted(name, build, work), (3, SIDE, SIDE), 1)
    largest_first = sorted(jobs, key=lambda key: -jobs[key][0].with_suffix(".param").stat().st_size)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = pool.map(lambda key: counted(components, *jobs[key]), largest_first)
        return dict(zip(largest_first, track(found, "networks", len(jobs)), strict=True))


def _shape(network: str) -> tuple[int, int, int]:
    side = SIDES.get(network.removesuffix("_int8"), SIDE)
    return 3, side, side


def _converted(name: str, build: Callable[[], nn.Module], work: Path) -> Path:
    file = work / f"{name}.param"
    if not file.is_file():
        torch.manual_seed(0)
        onnx = work / f"{name}.onnx"
        write_onnx(build().eval(), onnx, torch.rand(1, 3, SIDE, SIDE))
        to_ncnn(onnx, file)
    return file
