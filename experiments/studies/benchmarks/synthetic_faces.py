"""Faces per second of the synthetic generator on one core, compared with reading the finished files.

Run ``python -m fbnet_pfld.experiments.studies.benchmarks.synthetic_faces``.

The peer is OpenCV, which decodes the same faces' JPEG files, as training from a finished data set does. Turns alternate, and
medians of the turns are reported.
"""

import json
import os
import time

import cv2
import numpy as np

from ....evaluators.data.synthetic import render_face
from ....evaluators.data.synthetic.generation import encode

SIZE = 112
"""Side of the images, in pixels."""

FACES = 50
"""Faces in a turn."""

TURNS = 9
"""Timed turns, after one for warm-up."""


def main() -> None:
    """Measure and print the results."""
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    cv2.setNumThreads(1)
    rates: dict[str, list[float]] = {"generate": [], "decode": []}
    for turn in range(-1, TURNS):
        start = time.perf_counter()
        files = [encode(render_face(np.random.default_rng([turn + 1, i]), SIZE)) for i in range(FACES)]
        middle = time.perf_counter()
        for file in files:
            cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
        end = time.perf_counter()
        if turn >= 0:  # the first turn warms up
            rates["generate"].append(FACES / (middle - start))
            rates["decode"].append(FACES / (end - middle))
    median = {name: float(np.median(values)) for name, values in rates.items()}
    low, high = np.percentile(rates["generate"], (10, 90))
    print(
        f"synthetic faces of {SIZE}x{SIZE} on one core, rendered and encoded: {median['generate']:.0f} images/s "
        f"(10th to 90th percentile {low:.0f} to {high:.0f})"
    )
    print(
        f"decoding the same files with OpenCV: {median['decode']:.0f} images/s, "
        f"{median['decode'] / median['generate']:.0f} times as many"
    )
    print(
        json.dumps(
            {
                "generate_per_s": round(median["generate"], 1),
                "decode_per_s": round(median["decode"], 1),
                "decode_over_generate": round(median["decode"] / median["generate"], 2),
                "size": SIZE,
                "cores": 1,
            }
        )
    )


if __name__ == "__main__":
    main()
