"""Validation of the fitted model: its errors on held-out networks, boards and figures."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torchvision import models

from ...search_space.baselines import PfldLite
from ...search_space.counting import count_parameters
from ...search_space.registry import build
from ...search_space.signature import Signature
from ...search_space.spec import SpaceSpec
from .fit import fit, fit_data, modelled_ms, network_work, networks, published
from .kept import cached_copies
from .modelled import block_us, whole_network_us

PADDLE_ENGINE = "Paddle-Lite v2.11@4a3bdbe armv8"
PADDLE_NETWORKS = {
    "MobileNetV2": models.mobilenet_v2,
    "MobileNetV3_large_x1_0": models.mobilenet_v3_large,
    "MobileNetV3_small_x1_0": models.mobilenet_v3_small,
    "ResNet50": models.resnet50,
}
"""Published name -> the same network; the layers of MobileNetV1 are in ``networks.csv``."""

REFERENCE_US = {"baseline": 10_000.0, "subnet": 1_600.0}
"""Latencies that the reference reports for this chip, without the number of threads."""

SUBNET_BYTES = (660_000, 700_000)
"""Range of 32-bit sizes of the subnets that are compared with the reference's subnet of 693 KB."""

SEPARABLE = 0.95
"""Share of MACs in 1x1 and depthwise layers from which a network counts as depthwise-separable."""


@cached_copies
def report(threads: int) -> dict[str, Any]:
    """Validate the fit at ``threads`` threads.

    Returns
    -------
    dict
        ``threads``; ``figures``, ``networks`` and ``boards``: numbers of fitted ones. ``left_out_percent`` and
        ``left_out_separable_percent``: mean error on a held-out network, over all and over the depthwise-separable ones;
        ``left_out``: the same per network. ``left_out_boards``: board -> mean error in percent on this held-out board,
        ``as_is`` with the mean scale of the others and ``scaled`` with its own best scale; ``left_out_board_percent`` and
        ``left_out_board_scaled_percent`` are their means. ``paddle``: network -> published and modelled microseconds and error
        in percent, for another engine's single-threaded figures on the Snapdragon 625 itself (its document states 1.8 GHz, the
        model 2.0). ``reference``: the same for the reference's baseline and subnet; the subnet's modelled latency is the range
        over all subnets of its size.

    Raises
    ------
    InputError
        If there is no fit for this number of threads.
    """
    unseen = left_out_networks(threads)
    error = (unseen["modelled_ms"] / unseen["latency_ms"] - 1).abs() * 100
    left_out = error.groupby(unseen["model"]).mean()
    boards = {board: _left_out_board(threads, board) for board in sorted(unseen["soc"].unique())}
    return {
        "threads": threads,
        "figures": len(unseen),
        "networks": len(left_out),
        "boards": len(boards),
        "left_out_percent": float(left_out.mean()),
        "left_out_separable_percent": float(left_out[_separable()].mean()),
        "left_out": left_out.to_dict(),
        "left_out_board_percent": float(np.mean([errors["as_is"] for errors in boards.values()])),
        "left_out_board_scaled_percent": float(np.mean([errors["scaled"] for errors in boards.values()])),
        "left_out_boards": boards,
        "paddle": _paddle(),
        "reference": _reference(threads),
    }


@cached_copies
def left_out_networks(threads: int) -> pd.DataFrame:
    """Each fitted figure with ``modelled_ms``, the latency from a fit that held out the figure's network."""
    figures = fit_data(threads)
    frame: pd.DataFrame = pd.concat(
        [
            group.assign(modelled_ms=modelled_ms(fit(threads, network=str(name)), group))
            for name, group in figures.groupby("model")
        ]
    )
    return frame


def _left_out_board(threads: int, board: str) -> dict[str, float]:
    figures = fit_data(threads)
    figures = figures[figures["soc"] == board]
    ratio = modelled_ms(fit(threads, board=board), figures) / figures["latency_ms"]
    return {"as_is": float((ratio - 1).abs().mean() * 100), "scaled": float((ratio / ratio.median() - 1).abs().mean() * 100)}


def _separable() -> list[str]:
    layers = networks()
    light = layers["macs"].where(layers["kind"].isin(("pw", "fc", "dw3", "dw5")), 0)
    depthwise = layers["kind"].str.startswith("dw").groupby(layers["network"]).any()
    share = light.groupby(layers["network"]).sum() / layers["macs"].groupby(layers["network"]).sum()
    return list(share.index[(share >= SEPARABLE) & depthwise])


@cached_copies
def _paddle() -> dict[str, dict[str, float]]:
    figures = published()
    figures = figures[figures["engine"] == PADDLE_ENGINE].set_index("model")["latency_ms"] * 1e3
    with torch.device("meta"):  # shapes are enough
        modelled = {name: whole_network_us(builder(weights=None), 224, 1) for name, builder in PADDLE_NETWORKS.items()}
    modelled = {"MobileNetV1": fit(1).us_of_work(network_work().loc["mobilenet"]), **modelled}
    return {name: _compared(float(figures[name]), us) for name, us in modelled.items()}


def _reference(threads: int) -> dict[str, dict[str, Any]]:
    with torch.device("meta"):
        baseline = whole_network_us(PfldLite(), 112, threads)
        subnets = reference_subnets_us(lambda signature: block_us(signature, threads))
    return {
        "baseline": _compared(REFERENCE_US["baseline"], baseline),
        "subnet": {"published_us": REFERENCE_US["subnet"], "modelled_us": (float(subnets.min()), float(subnets.max()))},
    }


def reference_subnets_us(row: Callable[[Signature], float]) -> NDArray[np.float64]:
    """Latencies (S,) of all subnets of the space ``pfld`` with the reference subnet's size; ``row`` gives a block's latency."""
    layout = SpaceSpec.load("pfld").layout(106, 112)
    fixed = layout.fixed()

    def latencies(signatures: Iterable[Signature]) -> list[float]:
        return [row(signature) for signature in signatures]

    # one axis per searched layer
    us: NDArray[np.float64] = np.array(sum(latencies(fixed)))
    size: NDArray[np.int64] = np.array(sum(map(_bytes, fixed)))
    for candidates in layout.layers.values():
        us = np.add.outer(us, latencies(candidates.values()))
        size = np.add.outer(size, list(map(_bytes, candidates.values())))
    chosen: NDArray[np.float64] = us[(size >= SUBNET_BYTES[0]) & (size <= SUBNET_BYTES[1])]
    return chosen


@cache
def _bytes(signature: Signature) -> int:
    with torch.device("meta"):
        return 4 * count_parameters(build(signature))


def _compared(published_us: float, modelled_us: float) -> dict[str, float]:
    return {"published_us": published_us, "modelled_us": modelled_us, "error_percent": (modelled_us / published_us - 1) * 100}
