"""Speed of scoring many subnets of one supernet with a sweep, compared with scoring each subnet separately.

Run ``python -m fbnet_pfld.experiments.studies.benchmarks.subnet_scoring``.

The peers score the same faces. ``alone`` builds a subnet, copies the supernet's weights, recalibrates and evaluates it, as
single-path one-shot searches do (Guo et al. 2020, SPOS, section 3.3). ``one pass`` is the sweep itself with one subnet at a
time, which shares nothing. The kinds take turns.
"""

import itertools
import json
import math
import os
import random
import statistics
import time

import torch

from ....evaluators import Checkpoint, evaluate, inherit, layout_of, network_input, normalised_errors, recalibrate
from ....search_space import Architecture, PfldSpace
from ....strategies import Subnet, sweep
from ...pipeline.scoring import FACES
from .step import RandomFaces

WHOLE = 10
"""Subnets scored separately in a turn; the sweep scores a ninth of a ninth of the space in each turn."""

TURNS = 3
"""Turns of each kind, after one for warm-up."""


def alone(space: PfldSpace, checkpoint: Checkpoint, data: RandomFaces, subnets: list[Subnet]) -> None:
    """Score subnets one by one, each recalibrated and then evaluated."""
    for subnet in subnets:
        architecture = Architecture.from_blocks(space.spec, 106, 112, subnet)
        model = architecture.build()
        inherit(model, architecture, checkpoint)
        recalibrate(model, data)
        evaluate(model, data)


def swept(space: PfldSpace, images: torch.Tensor, points: torch.Tensor, subnets: list[Subnet]) -> None:
    """Score subnets in one sweep."""
    for _, output in sweep(space, images, subnets):
        float(normalised_errors(output.view_as(points), points, layout_of(106).eye_corners).mean())


def main() -> None:
    """Measure and print the results."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    rng, data, space = random.Random(0), RandomFaces(), PfldSpace()
    data.images, data.points = data.images[:FACES], data.points[:FACES]
    checkpoint = Checkpoint.of(space, space.spec, {})
    images = network_input(data.images)
    blocks = list(space.spec.candidates().values())
    seconds: dict[str, list[float]] = {"sweep": [], "one_pass": [], "alone": []}

    for turn in range(TURNS + 1):
        beginning = tuple(rng.choice(names) for names in blocks[:2])
        subtree = [beginning + rest for rest in itertools.product(*blocks[2:])]
        some = [tuple(rng.choice(names) for names in blocks) for _ in range(WHOLE)]
        for kind, subnets in (("sweep", subtree), ("one_pass", some), ("alone", some)):
            start = time.perf_counter()
            if kind == "alone":
                alone(space, checkpoint, data, subnets)
            else:
                for part in [subnets] if kind == "sweep" else [[subnet] for subnet in subnets]:
                    swept(space, images, data.points, part)
            if turn > 0:  # the first is the warm-up
                seconds[kind].append((time.perf_counter() - start) / len(subnets))
    median = {kind: statistics.median(values) for kind, values in seconds.items()}
    for kind, value in median.items():
        print(f"{kind:9} {1000 * value:7.1f} s for 1,000 subnets")
    size = math.prod(map(len, blocks))
    print(f"all {size:,} by the sweep: {size * median['sweep'] / 60:.0f} minutes, extrapolated")
    result = {f"{kind}_over_sweep": round(median[kind] / median["sweep"], 2) for kind in ("alone", "one_pass")}
    print(
        json.dumps(
            {
                **result,
                "seconds_per_1000_swept": round(1000 * median["sweep"], 2),
                "faces": FACES,
                "threads": torch.get_num_threads(),
            }
        )
    )


if __name__ == "__main__":
    main()
