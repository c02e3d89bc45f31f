"""Size, MACs and latency on two processors of peers and of our subnets, measured on exported files."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from ....latency import host_latency_us, to_ncnn
from ....latency.a53_counts.board_fit import board_fit
from ....latency.a53_model.fit import THREADS
from ....latency.emulator.components import find_components
from ....latency.emulator.counts import counted
from ....search_space import Architecture, SpaceSpec, count
from ....search_space.progress import Track, silent
from ...deploy.onnx_file import write_onnx
from ..results import digest
from .peer_networks import PEERS, deployed

Network = tuple[str, str]
"""Name of a network, and its blocks if it is a subnet of ours."""

BOARD = "snapdragon625-{}t"
"""Column of the modelled latency, by number of threads."""

HOST = "host_us"
"""Column of the latency on this machine."""


def networks_of(trainings: pd.DataFrame, points: int, input_size: int, space: str) -> dict[Network, nn.Module]:
    """Build the trained networks with new weights; all subnets are of one space."""
    spec = SpaceSpec.load(space)
    found: dict[Network, nn.Module] = {}
    for name, blocks in trainings[["network", "blocks"]].fillna("").drop_duplicates().itertuples(index=False):
        torch.manual_seed(0)
        if blocks:
            found[name, blocks] = Architecture.from_blocks(spec, points, input_size, blocks.split()).build()
        else:
            found[name, blocks] = PEERS[name](points, input_size)
    return found


def costs_of(
    networks: Mapping[Network, nn.Module], input_size: int, work: Path, track: Track = silent
) -> list[dict[str, object]]:
    """A row per network: ``parameters``, ``macs``, ``onnx_bytes``, and microseconds in columns :data:`BOARD`, :data:`HOST`.

    None of them depends on training. The board's latency is modelled from the instructions that the network's ncnn file
    executes on an emulated Cortex-A53. On this machine onnxruntime runs all networks in turns, with one thread.

    Parameters
    ----------
    work
        Folder for files and counts, with which a stopped run resumes.

    Raises
    ------
    InputError
        If the emulator, ncnn or pnnx is missing.
    """
    components = find_components()
    work.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    files = {}
    for network, model in track(networks.items(), "networks", len(networks)):
        name, blocks = network
        model = deployed(model)
        # the ONNX file, and the ncnn file made from it
        files[network] = onnx = work / f"{digest(name, blocks)}.onnx"
        if not onnx.is_file():
            write_onnx(model, onnx, torch.rand(1, 3, input_size, input_size))
        param = onnx.with_suffix(".param")
        if not param.is_file():
            to_ncnn(onnx, param)
        # count the ncnn file, and model the board's latency
        shape = (3, input_size, input_size)
        us = {n: board_fit().us(counted(components, param, shape, n), n) for n in THREADS}
        parameters, macs = count(model, input_size)
        rows.append(
            {
                "network": name,
                "blocks": blocks,
                "parameters": parameters,
                "macs": macs,
                "onnx_bytes": onnx.stat().st_size,
                **{BOARD.format(n): round(value, 1) for n, value in us.items()},
            }
        )
    # time all networks in turns on this machine
    host = host_latency_us({str(i): files[network] for i, network in enumerate(networks)})
    return [{**row, HOST: round(host[str(i)], 1)} for i, row in enumerate(rows)]
