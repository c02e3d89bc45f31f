"""Error of a measured table's predictions for whole networks, compared with other predictions.

Run ``python -m fbnet_pfld.experiments.studies.benchmarks.measured_tables``.

One run times with onnxruntime on this machine the subnets that a table is made from, 50 other random subnets, and every block
of the space alone; all take turns. The predictions for the 50 subnets are ``table``, the sum of rows of a table measured in
context; ``alone``, the sum of blocks that were timed as separate models, as is common for latency tables; ``macs``, the
multiply-accumulates; and ``snapdragon625``, the modelled phone table. All but ``table`` are scaled to this machine by the
median ratio to the known subnets. The unscaled ratio of ``alone`` is printed too.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ....latency import Host, LookupTable, agreement, make_design, make_table
from ....latency.measure.rounds import measure
from ....search_space import Architecture, Signature, SpaceSpec
from ....search_space.counting import count_macs
from ....search_space.registry import build
from ...deploy.onnx_file import write_onnx
from ...pipeline.measurement import write_subnet

REPEATS = 5
"""Measurements of each block in each layer by the table's subnets."""

UNSEEN = 50
"""Subnets whose latency is predicted."""

POINTS = 106
"""Landmarks of all subnets."""

SIZE = 112
"""Side of their images, in pixels."""

SEED = 1
"""Random seed of the choice of subnets."""


class FirstOutput(torch.nn.Module):
    """A block as a separate network; a stem's second output is dropped."""

    def __init__(self, signature: Signature):
        super().__init__()
        self.block = build(signature)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.block(x)
        return out[0] if isinstance(out, tuple) else out


def write(model: Architecture | Signature, path: Path) -> None:
    """Write the ONNX file of a subnet or of a single block."""
    if isinstance(model, Architecture):
        write_subnet(model, path)
    else:
        write_onnx(FirstOutput(model), path, torch.rand(1, model.in_channels, model.size, model.size))


def main() -> None:
    """Measure and print the results."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    space = SpaceSpec.load("pfld")
    design = make_design(space, POINTS, SIZE, REPEATS, UNSEEN, SEED)
    layout = space.layout(POINTS, SIZE)
    blocks = sorted({*layout.fixed(), *(signature for layer in layout.layers.values() for signature in layer.values())})
    models = {**design.models(), **{f"b{i:04d}": block for i, block in enumerate(blocks)}}
    # time the subnets and the blocks alone, in turns
    with tempfile.TemporaryDirectory() as folder, Host("onnxruntime", 1) as host:
        found = measure(models, write, host, host.rounds, Path(folder), {})
        made = make_table("benchmark", design, found, host)
    alone = {block: found.us[f"b{i:04d}"] for i, block in enumerate(blocks)}

    def sums(us: Callable[[Architecture], float]) -> tuple[np.ndarray, np.ndarray]:
        """Predictions for the known and the unseen subnets."""
        known, unseen = (np.array([us(subnet) for subnet in group]) for group in (design.known, design.unseen))
        return known, unseen

    # predict the latencies with each method, and compare them with the measured ones
    real = [made.subnets.query("role == @role")["measured_us"].to_numpy() for role in ("known", "unseen")]
    phone = LookupTable.load("snapdragon625-1t")
    predictions: dict[str, Callable[[Architecture], float]] = {
        "table": made.table.latency_us,
        "snapdragon625": phone.latency_us,
        "alone": lambda subnet: sum(alone.get(key, 0.0) for key in subnet.signatures()),
        "macs": lambda subnet: count_macs(subnet.build(), SIZE),
    }
    result = {}
    for name, us in predictions.items():
        known, unseen = sums(us)
        scale = 1.0 if name == "table" else float(np.median(real[0] / known))
        one = agreement(scale * unseen, real[1])
        result[name] = {
            "mean_ratio": float(np.mean(scale * unseen / real[1])),
            "mean_error_percent": one.mean_percent,
            "largest_error_percent": one.largest_percent,
            "kendall_tau": one.kendall_tau,
        }
        print(
            f"{name:14} over measured {result[name]['mean_ratio']:.3f}, mean error {one.mean_percent:5.2f} %, "
            f"largest {one.largest_percent:5.2f} %, Kendall's tau {one.kendall_tau:.3f}"
        )
    unscaled = float(np.mean(sums(predictions["alone"])[1] / real[1]))
    print(f"the sum of the separately timed blocks is {unscaled:.2f} times the whole network's latency")
    print(
        json.dumps(
            {
                **result,
                "alone_unscaled_ratio": unscaled,
                "noise_percent": 100 * found.noise,
                "spread_percent": 100 * found.spread,
                "subnets": UNSEEN,
                "threads": 1,
            }
        )
    )


if __name__ == "__main__":
    main()
