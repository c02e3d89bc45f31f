"""Time and memory of a step: our stages and the reference's mixture, compared with NNI's GumbelDARTS and plain training.

Run ``python -m fbnet_pfld.experiments.studies.benchmarks.step``;
``--space pfld-wide`` selects another space, ``--threads 1`` one core.
A step is:

- ``plain``: a step of a subnet that trains alone, with the middle block of each layer by latency;
- ``gumbel_darts``: an architecture step and a weight step of NNI's GumbelDARTS, on a batch each;
- ``mixture``: the same two steps of :class:`FBNet`, the reference's algorithm;
- ``teacher``, ``distillation``, ``sandwich``: a weight step of :class:`StagedFBNet` in that stage, on one batch; the last two
  run several paths or all candidates;
- ``logits``: an architecture step of its last stage, on one batch;
- ``search``: the mean of these four, weighted by their epochs in a default search.

All use the same space, faces, batch size, augmentation and loss, on the CPU. The kinds take turns in one run, and medians of
their steps are compared. Peak memory is the maximum of a process of each kind, minus its memory before the training.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytorch_lightning as pl
import torch
from nni.nas.strategy import DARTS, GumbelDARTS
from torch import Tensor

from ....evaluators import LandmarkDataset, TrainOptions, make_evaluator
from ....latency import Cost, LookupTable
from ....search_space import Architecture, PfldSpace, SpaceSpec
from ....strategies import SHARES, STAGES, FBNet, StagedFBNet, Stages, cost_of, run_search

BATCH = 32
"""Faces in a batch."""

STEPS = 6
"""Timed steps in a turn."""

WARM_UP = 2
"""Steps before the timed ones."""

TURNS = 5
"""Turns of each kind."""

POINTS = 106
"""Landmarks of all networks."""

SIZE = 112
"""Side of their images, in pixels."""

TABLE = "snapdragon625-4t"
"""Latency table of the searches."""


class RandomFaces(LandmarkDataset):
    """Noise in the shape of faces: the time of a step does not depend on the content of the images."""

    def __init__(self) -> None:
        # skips the base class's constructor: nothing is read
        count = 2 * BATCH * (STEPS + WARM_UP)
        self.names = [f"{i}.png" for i in range(count)]
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randint(256, (count, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
        self.points, self.pose = torch.rand(count, POINTS, 2, generator=generator), torch.zeros(count, 3)

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        return {"images": self.images[indices], "points": self.points[indices], "pose": self.pose[indices]}


class StepTimes(pl.Callback):
    """Seconds of every training step after the warm-up."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx >= WARM_UP:
            self.seconds.append(time.perf_counter() - self._start)


def _stage(stage: str, cost: Cost, target_us: float) -> StagedFBNet:
    """Return a search with only this stage, for one epoch."""
    return StagedFBNet(cost, target_us=target_us, stages=Stages(**{name: int(name == stage) for name in STAGES}))


PLAIN = "plain"
"""The training without a search."""

PEER = "gumbel_darts"
"""The search that others are compared with."""

STRATEGIES: dict[str, Callable[[Cost, float], DARTS]] = {
    PEER: lambda cost, target_us: GumbelDARTS(),
    "mixture": lambda cost, target_us: FBNet(cost, target_us=target_us, warmup_epochs=0),
    **{stage: partial(_stage, stage) for stage in STAGES},
}
"""Kind of search -> its strategy, made from the latencies and a latency target in microseconds."""

KINDS = (PLAIN, *STRATEGIES)
"""All measured kinds."""


def middle(cost: Cost) -> dict[str, str]:
    """The middle candidate of each layer by latency, or the slower of the two middle ones."""
    return {label: sorted(row, key=row.__getitem__)[len(row) // 2] for label, row in cost.blocks_us.items()}


def measure(kind: str, spec: SpaceSpec, data: RandomFaces) -> list[float]:
    """Durations of the steps of one short training, in seconds."""
    torch.manual_seed(0)
    space, times = PfldSpace(spec, POINTS, SIZE), StepTimes()
    cost = LookupTable.load(TABLE).cost(space)
    chosen = middle(cost)
    with tempfile.TemporaryDirectory() as folder:
        options = TrainOptions(epochs=1, batch_size=BATCH, loss="smooth_l1", val_fraction=0.5)
        evaluator = make_evaluator(data, options, folder, 0, [times], shuffle_val=True, devices="cpu")
        if kind == PLAIN:
            evaluator.evaluate(Architecture(spec, POINTS, SIZE, chosen).build())
        else:
            run_search(space, evaluator, STRATEGIES[kind](cost, cost_of(cost, tuple(chosen.values()))))
    return times.seconds


def own_peak_bytes(kind: str, spec: SpaceSpec, data: RandomFaces) -> int:
    """Peak memory in bytes of a training in this process, minus its current memory; call it before any other training."""
    before = psutil.Process().memory_info().rss
    measure(kind, spec, data)
    # the peak of this program; getrusage would include the peak of the process that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    _, kilobytes, _ = next(line for line in lines if line.startswith("VmHWM:")).split()
    return int(kilobytes) * 1024 - before


def peak_bytes(kind: str) -> int:
    """Peak memory in bytes of a training in a separate process with the same options."""
    command = [sys.executable, "-m", "fbnet_pfld.experiments.studies.benchmarks.step", *sys.argv[1:], "--peak", kind]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="pfld", help="search space: a built-in name or a .yaml file")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="PyTorch threads; default: all cores")
    parser.add_argument("--peak", choices=KINDS, help="print only the peak memory of this kind, in bytes")
    return parser.parse_args()


def main() -> None:
    """Measure and print the results."""
    given = options()
    torch.set_num_threads(given.threads)
    spec, data = SpaceSpec.load(given.space), RandomFaces()
    if given.peak:
        print(own_peak_bytes(given.peak, spec, data))
        return
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(TURNS):
        for kind in KINDS:
            seconds[kind] += measure(kind, spec, data)
    ms = {kind: 1e3 * statistics.median(values) for kind, values in seconds.items()}
    mb = {kind: peak_bytes(kind) / 1e6 for kind in KINDS}
    ms["search"] = sum(SHARES[stage] * ms[stage] for stage in STAGES) / sum(SHARES.values())
    mb["search"] = max(mb[stage] for stage in STAGES)
    print(f"{given.space}, batch of {BATCH}, {given.threads} thread(s)")
    for kind in ms:
        print(
            f"{kind:13} {ms[kind]:7.0f} ms, {ms[kind] / ms[PLAIN]:5.2f} of {PLAIN}, {ms[kind] / ms[PEER]:5.2f} of {PEER}; "
            f"{mb[kind]:6.0f} MB, {mb[kind] / mb[PEER]:5.2f} of {PEER}"
        )
    print(
        json.dumps(
            {
                "space": given.space,
                "batch": BATCH,
                "threads": given.threads,
                "ms": {kind: round(value, 1) for kind, value in ms.items()},
                "mb": {kind: round(value, 1) for kind, value in mb.items()},
                f"time_of_{PLAIN}": {kind: round(value / ms[PLAIN], 3) for kind, value in ms.items()},
                f"time_of_{PEER}": {kind: round(value / ms[PEER], 3) for kind, value in ms.items()},
                f"memory_of_{PEER}": {kind: round(value / mb[PEER], 3) for kind, value in mb.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
