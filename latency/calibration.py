"""Correct a latency table with timings of a few whole subnets on the device.

Timings and tables in different units are refused: a subnet that is faster or slower than on any device, one that is far from
the others, and a table that is off by a factor of more than :data:`FAR_SCALE`. ``--insist`` accepts them, and records that in
the corrected table, so that it can be loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from ..search_space.architecture import Architecture
from ..search_space.errors import InputError
from ..search_space.registry import PARTS
from ..search_space.signature import Signature
from .plausible import NAMES, check_alike, check_speed, macs_of, unit_of
from .records import LATENCY, microseconds, read_records
from .table import LookupTable

FEWEST_SUBNETS = 3
PAYS = 0.8
"""Fit an offset only if its error on held-out subnets is below this share of a single scale's."""

FLAT = 0.01
"""Reject an offset if a factor is below this share of the single scale: on no device do these parts take almost no time."""

FAR_SCALE = 20.0
"""A scale above this, or below its inverse, means that table and timings are in different units. Another device makes a factor
of up to about 15 (a server core against a Cortex-A53), another unit one of 1000."""

Floats = NDArray[np.float64]

COLUMNS = ("architecture", LATENCY)

INSIST = "add --insist"


@dataclass(frozen=True)
class Calibration:
    """A corrected table, and its mean errors on the timed subnets in percent.

    Attributes
    ----------
    scale
        Factor on the rows of searched blocks.
    offset_us
        Latency added to the fixed parts beyond that factor, in microseconds, as a mean over the subnets; 0 if a scale alone
        predicts held-out subnets about as well.
    before_percent, after_percent
        Mean error of the original and of the corrected table.
    left_out_percent
        Leave-one-out error, the error to expect: mean error on each subnet of a correction fitted to the others.
    """

    table: LookupTable
    scale: float
    offset_us: float
    before_percent: float
    after_percent: float
    left_out_percent: float


def read_measured(path: str | Path, insist: bool = False) -> list[tuple[Architecture, float]]:
    """Read measured latencies of whole subnets.

    Parameters
    ----------
    path
        CSV file with columns ``architecture`` (a JSON file, relative to the CSV file's folder) and ``latency_us``.
    insist
        Whether to accept latencies that no device can have, or that are far from the others.

    Raises
    ------
    InputError
        If the file is invalid; the message names the line.
    """
    path = Path(path)
    found: list[tuple[Architecture, float]] = []
    wheres: list[str] = []
    for where, record in read_records(path, "timings of whole subnets", COLUMNS):
        us = microseconds(record[LATENCY], where)
        if us == 0:
            raise InputError(f"{where}: {LATENCY} is 0; expected microseconds above 0")
        if not record["architecture"]:
            raise InputError(f"{where}: architecture is empty; expected the path of an architecture's JSON file")
        try:
            subnet = Architecture.load(path.parent / record["architecture"])
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        found.append((subnet, us))
        wheres.append(where)
    if len(found) < FEWEST_SUBNETS:
        raise InputError(f"{path}: {len(found)} subnets; expected {FEWEST_SUBNETS} or more")
    if not insist:
        macs = [macs_of(subnet.signatures()) for subnet, _ in found]
        for count, (_, us), where in zip(macs, found, wheres, strict=True):
            check_speed(count, us, where, INSIST)
        check_alike(macs, [us for _, us in found], wheres, INSIST)
    return found


def calibrate(
    table: LookupTable,
    measured: Sequence[tuple[Architecture, float]],
    name: str,
    device: str | None = None,
    insist: bool = False,
) -> Calibration:
    """Fit a scale to measured subnets, and an offset of the fixed parts where that predicts clearly better.

    The model is latency = a * searched blocks + c * fixed parts. Least squares on relative errors finds a and c, both above 0;
    a = c unless two factors predict held-out subnets clearly better than one.

    Parameters
    ----------
    table
        The table to correct.
    measured
        Subnets and their latencies in microseconds, as :func:`read_measured` returns them.
    name, device
        Name and device of the new table; by default, the device of the old one. Engine and threads stay the same.
    insist
        Whether to accept a scale beyond :data:`FAR_SCALE`.

    Raises
    ------
    InputError
        If the table lacks a block, all subnets have the same latency in it, or table and timings seem to be in different units.
    """
    for subnet, _ in measured:
        table.latency_us(subnet)  # raises if a row is missing
    us = np.array([each for _, each in measured])
    fixed = {part for subnet, _ in measured for part in subnet.space.layout(subnet.num_points, subnet.input_size).fixed()}

    def is_fixed(signature: Signature) -> bool:
        return signature in fixed or signature.op in PARTS

    parts = np.array(
        [
            [sum(table.row(key) for key in subnet.signatures() if is_fixed(key) == kind) for kind in (False, True)]
            for subnet, _ in measured
        ]
    )
    if np.ptp(parts.sum(axis=1)) == 0:
        raise InputError("the measured subnets all have the same latency in the table; measure subnets that differ")
    models = {"scale": parts.sum(axis=1, keepdims=True), "scale and offset": parts}
    single = float(_factors(models["scale"], us)[0])
    if not (insist or 1 / FAR_SCALE <= single <= FAR_SCALE):
        unit = unit_of(1 / single)
        raise InputError(
            f"the timings are {single:.3g} times the latencies in table {table.file or table.name}"
            + (f", as if they were in {NAMES[unit]}" if unit else "")
            + f"; both must be in microseconds; if they are, {INSIST}"
        )
    left_out = {
        kind: float(
            np.mean(
                [_percent(inputs[[i]], us[[i]], _factors(np.delete(inputs, i, 0), np.delete(us, i))) for i in range(len(us))]
            )
        )
        for kind, inputs in models.items()
    }
    flat = _factors(parts, us).min() < FLAT * single
    both = not flat and left_out["scale and offset"] < PAYS * left_out["scale"]
    kind = "scale and offset" if both else "scale"
    factors = _factors(models[kind], us)
    blocks, rest = factors[0], factors[-1]
    after, before = _percent(models[kind], us, factors), _percent(models["scale"], us, np.ones(1))
    text = (
        f"calibrated ({kind}) by {len(us)} whole subnets: mean error {before:.1f} % before, {after:.1f} % after, "
        f"{left_out[kind]:.1f} % on a held-out subnet; engine and threads are the old table's; before that: "
        f"{table.uncertainty}"
    )
    rows = {key: round(value * (rest if is_fixed(key) else blocks), 3) for key, value in table.rows.items()}
    made = table.model_copy(
        update={
            "name": name,
            "device": device or table.device,
            "clock_ghz": None if device else table.clock_ghz,
            "method": "modelled",
            "rows": rows,
            # the share of a whole network that scales like the fixed parts is unknown
            "networks_us": {} if both else {name: round(us * blocks, 1) for name, us in table.networks_us.items()},
            "uncertainty": text,
            "date": date.today().isoformat(),
            "version": version("fbnet-pfld"),
            "insist": insist or table.insist,
            "sources": [*table.sources, f"{len(us)} whole subnets, by fbnet-pfld latency calibrate"],
        }
    )
    return Calibration(made, float(blocks), float((rest - blocks) * parts[:, 1].mean()), before, after, left_out[kind])


def _factors(inputs: Floats, us: Floats) -> Floats:
    """Factors (F,), at least 0, that minimise the squared relative errors of ``inputs @ factors``, ``inputs`` (N, F)."""
    factors: Floats = nnls(inputs / us[:, None], np.ones(len(us)))[0]
    return factors


def _percent(inputs: Floats, us: Floats, factors: Floats) -> float:
    """Mean absolute relative error of ``inputs @ factors``, in percent."""
    return float(100 * np.abs(inputs @ factors / us - 1).mean())
