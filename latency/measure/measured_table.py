"""Make a latency table from measured whole subnets, with its error on unseen subnets."""

from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from ..table import LookupTable
from .design import Design
from .rounds import Backend, Measured
from .solve import Agreement, Solution, agreement, solve

VERBS = {"measured": "timed", "emulated": "counted"}
"""Method -> verb for the subnets, in the table's sources."""


@dataclass(frozen=True)
class MeasuredTable:
    """A ``table``, its ``agreement`` with unseen subnets, and ``subnets``: choices, role, measured and predicted latency."""

    table: LookupTable
    agreement: Agreement
    subnets: pd.DataFrame

    def figures(self, measured: Measured) -> dict[str, Any]:
        """Return errors and noise as plain data, in percent."""
        return {
            **asdict(self.agreement),
            "noise_percent": 100 * measured.noise,
            "spread_percent": 100 * measured.spread,
            "drift_percent": 100 * measured.drift,
        }


def make_table(name: str, design: Design, measured: Measured, backend: Backend) -> MeasuredTable:
    """Solve for the rows of a table, and compare its predictions with the unseen subnets."""
    subnets = list(design.models().values())
    us = np.array([measured.us[model] for model in design.models()])
    count = len(design.known)
    solution = solve(design.known, us[:count], measured.noise, backend.threads)
    predicted = np.array([solution.us(subnet) for subnet in subnets])
    found = agreement(predicted[count:], us[count:])
    said = [
        f"mean error on {found.subnets} unseen whole subnets {found.mean_percent:.1f} %, "
        f"largest {found.largest_percent:.1f} %, Kendall's tau {found.kendall_tau:.2f}",
        _noise(measured) if backend.method == "measured" else "identical in every run",
        backend.remarks(measured.times),
        f"of the fixed parts and the layers that change shapes only the sum is {backend.method}; the layer model of the "
        "Snapdragon 625 divides it",
    ]
    uncertainty = "; ".join(part for part in said if part)
    table = LookupTable(
        name=name,
        device=backend.device,
        clock_ghz=backend.clock_ghz,
        engine=backend.engine,
        threads=backend.threads,
        precision=backend.precision,
        method=backend.method,
        sources=[f"{len(us)} whole subnets {VERBS[backend.method]} by fbnet-pfld latency measure"],
        uncertainty=uncertainty,
        uncertainty_percent=_per_block(solution, design),
        date=date.today().isoformat(),
        version=version("fbnet-pfld"),
        rows={key: round(value, 3) for key, value in solution.rows.items()},
    )
    frame = pd.DataFrame([subnet.choices for subnet in subnets])
    frame["role"] = ["known"] * count + ["unseen"] * (len(us) - count)
    return MeasuredTable(table, found, frame.assign(measured_us=us.round(3), predicted_us=predicted.round(3)))


def _noise(measured: Measured) -> str:
    return (
        f"standard error of a subnet's latency {100 * measured.noise:.1f} %, spread of single timings "
        f"{100 * measured.spread:.1f} %, rounds up to {100 * measured.drift:.0f} % apart"
    )


def _per_block(solution: Solution, design: Design) -> dict[str, float]:
    """Mean relative standard error of each searched block over its positions, in percent."""
    subnet = design.known[0]
    fixed = set(subnet.space.layout(subnet.num_points, subnet.input_size).fixed())
    errors: dict[str, list[float]] = {}
    for signature, error in solution.errors.items():
        if error and signature not in fixed:
            errors.setdefault(signature.op, []).append(100 * error)
    return {op: round(float(np.mean(each)), 1) for op, each in sorted(errors.items())}
