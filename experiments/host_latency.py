"""Latency of networks on this machine, measured side by side."""

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import numpy as np

from .onnx_file import session

WARM_UP, ROUNDS, CALLS = 20, 30, 10


def host_latency_us(files: Mapping[str, Path], threads: int = 1) -> dict[str, float]:
    """Median latency of one image through onnxruntime, per ONNX file, in microseconds.

    The networks take turns in short bursts, so that a busy spell of a shared machine hits all of them alike: compare the
    ratios rather than the figures. The median is over the bursts' means.

    Parameters
    ----------
    files
        Name -> ONNX file with one input of fixed shape.
    threads
        onnxruntime's threads.
    """
    runners = {}
    for name, path in files.items():
        runner = session(path, threads)
        feed = {runner.get_inputs()[0].name: np.random.default_rng(0).random(runner.get_inputs()[0].shape, np.float32)}
        for _ in range(WARM_UP):
            runner.run(None, feed)
        runners[name] = (runner, feed)
    bursts: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(ROUNDS):
        for name, (runner, feed) in runners.items():
            start = time.perf_counter()
            for _ in range(CALLS):
                runner.run(None, feed)
            bursts[name].append((time.perf_counter() - start) / CALLS * 1e6)
    return {name: median(times) for name, times in bursts.items()}
