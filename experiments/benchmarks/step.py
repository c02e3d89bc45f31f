"""Time and memory of a search step: one path, against NNI's GumbelDARTS, our own steps of all paths, and plain training.

Run ``python -m fbnet_pfld.experiments.benchmarks.step``. A search step is an architecture step and a weight step; its measure
is two plain training steps of a median subnet. Same space, batch and optimisers' work; the kinds take turns, and medians of the
steps are compared. Peak memory is what a process of each kind needs at most above what it held before its training.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytorch_lightning as pl
import torch
from nni.nas.strategy import GumbelDARTS
from torch import Tensor
from torch.utils.data import Dataset

from ...evaluators import TrainOptions, make_evaluator
from ...latency import LookupTable
from ...search_space import Architecture, PfldSpace
from ...strategies import FBNet, run_search
from ..accuracy.contenders import MEDIAN

BATCH, STEPS, WARM_UP, TURNS = 64, 6, 2, 5
TARGET_US = 2100


class RandomFaces(Dataset):
    """Noise in the shape of faces: what a step costs does not depend on what is in the pictures."""

    def __init__(self) -> None:
        count = 2 * BATCH * (STEPS + WARM_UP)
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randint(256, (count, 3, 112, 112), generator=generator, dtype=torch.uint8)
        self.points, self.pose = torch.rand(count, 106, 2, generator=generator), torch.zeros(count, 3)

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        return {"images": self.images[indices], "points": self.points[indices], "pose": self.pose[indices]}


class StepTimes(pl.Callback):
    """Seconds of every training step after the warm-up."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any,
                           batch_idx: int) -> None:
        if batch_idx >= WARM_UP:
            self.seconds.append(time.perf_counter() - self._start)


def _plain(space: PfldSpace, evaluator: Any) -> None:
    evaluator.evaluate(Architecture(space.spec, 106, 112, dict(zip(space.spec.labels, MEDIAN, strict=True))).build())


def _with(strategy: Any) -> Any:
    return lambda space, evaluator: run_search(space, evaluator, strategy(LookupTable.load("snapdragon625-4t").cost(space)))


KINDS = {
    "plain": _plain,
    "gumbel_darts": _with(lambda cost: GumbelDARTS()),
    "all_paths": _with(lambda cost: FBNet(cost, target_us=TARGET_US, warmup_epochs=0)),
    "one_path": _with(lambda cost: FBNet(cost, target_us=TARGET_US, warmup_epochs=0, paths="one")),
}


def measure(kind: str, data: RandomFaces) -> list[float]:
    """Seconds of the steps of one short training."""
    times = StepTimes()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        options = TrainOptions(epochs=1, batch_size=BATCH, val_fraction=0.5)
        KINDS[kind](PfldSpace(), make_evaluator(data, options, folder, 0, [times], shuffle_val=True))
    return times.seconds


def peak_bytes(kind: str) -> int:
    """Peak memory of a training in a process of its own, above what it held before."""
    command = [sys.executable, "-m", "fbnet_pfld.experiments.benchmarks.step", kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    data = RandomFaces()
    if len(sys.argv) > 1:
        before = psutil.Process().memory_info().rss
        measure(sys.argv[1], data)
        # the peak of this program; getrusage would count that of the process that started it too
        print(int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text()).group(1)) * 1024 - before)
        return
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(TURNS):
        for kind in KINDS:
            seconds[kind] += measure(kind, data)
    median = {kind: statistics.median(values) for kind, values in seconds.items()}
    peak = {kind: peak_bytes(kind) for kind in KINDS}
    for kind in KINDS:
        print(f"{kind:13} {median[kind] * 1e3:7.0f} ms a step, {peak[kind] / 1e6:7.0f} MB")
    ratios = {
        "gumbel_darts_over_one_path": median["gumbel_darts"] / median["one_path"],
        "all_paths_over_one_path": median["all_paths"] / median["one_path"],
        "one_path_over_two_plain": median["one_path"] / (2 * median["plain"]),
        "memory_one_path_over_gumbel_darts": peak["one_path"] / peak["gumbel_darts"],
    }
    for name, ratio in ratios.items():
        print(f"{name.replace('_', ' ')}: {ratio:.2f}")
    print(json.dumps({**{name: round(ratio, 3) for name, ratio in ratios.items()}, "batch": BATCH,
                      "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
