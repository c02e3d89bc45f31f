"""The figure at the end of ``demo``: faces with points, and the front that the subnet was chosen from."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from .face_points import draw_faces
from .figure import TRUE, write_figure
from .pareto_figure import draw_front


def demo_figure(
    path: str | Path,
    images: Tensor,
    truth: np.ndarray,
    predicted: np.ndarray,
    nme: np.ndarray,
    scored: pd.DataFrame,
    front: pd.DataFrame,
    max_us: float,
    latency_name: str,
) -> None:
    """Draw test faces with their points, and latency and NME of the scored subnets.

    Parameters
    ----------
    images
        uint8 (N, 3, S, S), BGR.
    truth, predicted
        Points (N, P, 2), normalised.
    nme
        NME of every face in percent, (N,).
    scored, front
        Subnets with columns ``us`` and ``nme``, in microseconds and percent.
    max_us
        Latency limit of the chosen subnet, in microseconds.
    latency_name
        Source of the latencies, for the axis label.
    """
    figure = Figure(figsize=(10, 8), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.4, 4.6))[:, 0]
    upper.suptitle("test faces: true (green) and predicted (orange) points", fontsize=11)
    draw_faces(upper.subplots(2, 8).ravel(), images, truth, predicted, nme)
    axis = lower.subplots()
    draw_front(axis, scored["us"].tolist(), scored["nme"].tolist(), front, latency_name)
    axis.axvline(max_us, color=TRUE, linestyle="--", label=f"limit: {max_us:,.0f} us")
    axis.legend()
    axis.set_title("subnets of the pretrained supernet, before finetuning", fontsize=11)
    write_figure(path, figure, 110)
