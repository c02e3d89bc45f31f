"""Make the shipped tables, with every registered block at every position of the built-in spaces, from counts of subnets."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ....latency import LANDMARKS, LookupTable, make_design, network_name, table_signatures
from ....latency.a53_counts.board_fit import BoardModel, board_fit, figures
from ....latency.a53_counts.board_text import board_uncertainty
from ....latency.a53_counts.board_validation import held_out_networks, of_kind
from ....latency.a53_model.fit import CLOCK_GHZ, DEVICE, THREADS
from ....latency.a53_model.modelled import block_us
from ....latency.emulator.counts import Counts
from ....latency.emulator.install import WHEELS
from ....latency.measure.emulated import EmulatedCore
from ....latency.measure.solve import Agreement, agreement, solve
from ....search_space import BASELINES, Architecture, SpaceSpec
from ....search_space.progress import Track, silent
from ....search_space.registry import FAMILIES, STEMS, tap_stride
from ....search_space.signature import Signature
from ....search_space.spec import built_in
from ...deploy.onnx_file import write_onnx
from ...pipeline.measurement import quantiser, write_subnet

POINTS, SIDE = 106, 112
REPEATS, UNSEEN = 4, 25
PRECISIONS = ("fp32", "int8")
NAME = "snapdragon625"


@dataclass(frozen=True)
class Counted:
    """Counts at one precision and number of threads: known and unseen subnets, and other networks by name."""

    known: list[tuple[Architecture, Counts]]
    unseen: list[tuple[Architecture, Counts]]
    networks: dict[str, Counts]


def subnets() -> tuple[list[Architecture], list[Architecture]]:
    """Known subnets, which cover every registered block at every position, and unseen ones of the built-in spaces."""
    known, unseen = [], []
    for name in built_in():
        spec = SpaceSpec.load(name)
        known += make_design(widened(spec), POINTS, SIDE, REPEATS, UNSEEN, seed=0).known
        unseen += make_design(spec, POINTS, SIDE, REPEATS, UNSEEN, seed=0).unseen
    return known, unseen


def widened(spec: SpaceSpec) -> SpaceSpec:
    """Return the space with every registered block of the right kind as a candidate at each searched position."""
    stages = tuple(stage.model_copy(update={"candidates": _family(stage.candidates)}) for stage in spec.stages)
    parts = {name: getattr(spec, name) for name in ("stem", "entry", "head")}
    searched = {
        name: part.model_copy(update={"block": _family(part.block)}) for name, part in parts.items() if len(part.block) > 1
    }
    return spec.model_copy(update={"stages": stages, **searched})


def _family(blocks: tuple[str, ...]) -> tuple[str, ...]:
    """Every registered block that can replace these; for stems, those whose map to the head has the same stride."""
    family = next(family for family in FAMILIES if blocks[0] in family)
    return tuple(name for name in family if family is not STEMS or tap_stride(name) == tap_stride(blocks[0]))


def count_all(work: Path, track: Track = silent) -> dict[tuple[str, int], Counted]:
    """Count every network at both precisions and at 1 and 4 threads; earlier counts are read from ``work``."""
    work.mkdir(parents=True, exist_ok=True)
    known, unseen = subnets()
    models: dict[str, Callable[[Path], None]] = {_name(subnet): _subnet_writer(subnet) for subnet in [*known, *unseen]}
    names = {network_name(name, points, SIDE): (name, points) for name in BASELINES for points in LANDMARKS}
    models |= {f"{name}-{points}": _baseline_writer(name, points) for name, points in names.values()}
    cores = {
        precision: EmulatedCore("ncnn", 1, SIDE, precision=precision, quantise=quantiser("ncnn", SIDE))
        for precision in PRECISIONS
    }
    results: dict[tuple[str, str], Future[dict[int, Counts]]] = {}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for model, write in track(models.items(), "networks written", len(models)):
            onnx = work / f"{model}.onnx"
            if not onnx.is_file():
                write(onnx)
            for precision, core in cores.items():
                results[model, precision] = pool.submit(_count, core, onnx)
        done = {key: future.result() for key, future in track(results.items(), "networks counted", len(results))}
    found = {}
    for precision in PRECISIONS:
        for threads in THREADS:
            found[precision, threads] = Counted(
                [(subnet, done[_name(subnet), precision][threads]) for subnet in known],
                [(subnet, done[_name(subnet), precision][threads]) for subnet in unseen],
                {title: done[f"{name}-{points}", precision][threads] for title, (name, points) in names.items()},
            )
    return found


def _name(subnet: Architecture) -> str:
    """Return a file name for a subnet."""
    return f"{subnet.space.name}-{hashlib.sha256(' '.join(subnet.choices.values()).encode()).hexdigest()[:12]}"


def _count(core: EmulatedCore, onnx: Path) -> dict[int, Counts]:
    file = core.file(onnx)
    return {threads: core.count(file, threads) for threads in THREADS}


def _subnet_writer(subnet: Architecture) -> Callable[[Path], None]:
    return lambda path: write_subnet(subnet, path)


def _baseline_writer(name: str, points: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        torch.manual_seed(0)
        write_onnx(BASELINES[name](points, SIDE).eval(), path, torch.rand(1, 3, SIDE, SIDE))

    return write


def shipped_tables(counted: dict[tuple[str, int], Counted], track: Track = silent) -> Iterator[tuple[LookupTable, Agreement]]:
    """Yield the tables, each with its agreement with the same model's latencies of unseen subnets."""
    without = {name: board_fit(without=name) for name in track(sorted(figures()["model"].unique()), "models without a network")}
    for (precision, threads), found in counted.items():
        model = board_fit()
        rows = _rows(found, threads, model)
        predicted = np.array([sum(rows[key] for key in subnet.signatures()) for subnet, _ in found.unseen])
        own = agreement(predicted, _us(found.unseen, threads, model))
        yield (
            LookupTable(
                name=f"{NAME}-{threads}t" if precision == "fp32" else f"{NAME}-{precision}-{threads}t",
                device=DEVICE,
                clock_ghz=CLOCK_GHZ,
                engine=f"ncnn {WHEELS['ncnn']}",
                threads=threads,
                precision=precision,
                method="emulated",
                sources=sorted(figures()["url"].unique()),
                uncertainty=board_uncertainty(precision, threads, own),
                uncertainty_percent=_uncertainty(found, threads, rows, list(without.values()), precision),
                networks_us={name: round(model.us(counts, threads), 1) for name, counts in found.networks.items()},
                date=date.today().isoformat(),
                version=version("fbnet-pfld"),
                rows={key: round(us, 3) for key, us in rows.items()},
            ),
            own,
        )


def _us(found: list[tuple[Architecture, Counts]], threads: int, model: BoardModel) -> NDArray[np.float64]:
    return np.array([model.us(counts, threads) for _, counts in found])


def _rows(found: Counted, threads: int, model: BoardModel) -> dict[Signature, float]:
    """Solve for the rows by least squares, and scale the missing ones with the layer model.

    The missing rows are the last layers for other numbers of landmarks, because all subnets are counted with one number.
    """
    us = _us(found.known, threads, model)
    rows = solve([subnet for subnet, _ in found.known], us, 0.0, threads).rows
    wanted = {key for name in built_in() for key in table_signatures(SpaceSpec.load(name))}
    for key in wanted - rows.keys():
        like = next(known for known in rows if (known.op, known.in_channels, known.size) == (key.op, key.in_channels, key.size))
        rows[key] = rows[like] * block_us(key, threads) / block_us(like, threads)
    return {key: rows[key] for key in wanted}


def _uncertainty(
    found: Counted, threads: int, rows: dict[Signature, float], without: list[BoardModel], precision: str
) -> dict[str, float]:
    """One standard deviation of each block's latency in percent, as a mean over its positions.

    It combines the jackknife over networks held out of the fit with the error on held-out networks, which all blocks share.
    """
    common = board_error(precision, threads)
    each = [_rows(found, threads, model) for model in without]
    spread: dict[str, list[float]] = {}
    for key, us in rows.items():
        if us:
            values = np.array([other[key] for other in each])
            jackknife = np.sqrt((len(values) - 1) * values.var()) / us
            spread.setdefault(key.op, []).append(float(100 * np.hypot(min(jackknife, 1.0), common)))
    return {op: round(float(np.mean(values)), 1) for op, values in sorted(spread.items())}


def board_error(precision: str, threads: int) -> float:
    """Root mean square of the relative errors of held-out networks, each as a mean over its boards."""
    rows = of_kind(held_out_networks(), precision, threads)
    return float(np.sqrt((rows.groupby("model")["error"].mean() ** 2).mean()))
