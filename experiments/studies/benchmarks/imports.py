"""Start-up time of commands in seconds, compared with ``python -c "import torch"``.

Run ``python -m fbnet_pfld.experiments.studies.benchmarks.imports``. Each command is a separate process; they take turns, and
medians are compared. ``modules`` is the number of modules that a command has loaded when it ends, and ``heavy`` lists the large
libraries among them.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

TURNS = 7
"""Runs of each command, after one that warms the disk cache."""

HEAVY = ("torch", "nni", "pytorch_lightning", "pandas", "scipy", "matplotlib", "cv2", "onnxruntime")
"""Libraries with a slow import."""

COMMANDS = {
    "--help": ["--help"],
    "latency list": ["latency", "list"],
    "latency show --help": ["latency", "show", "--help"],
    "predict --help": ["predict", "--help"],
    "benchmark-models --help": ["benchmark-models", "--help"],
}
"""Name -> words after ``fbnet-pfld``."""

RUN = """
import sys
from fbnet_pfld.experiments.cli.app import main
try:
    main()
except SystemExit:
    pass
"""

COUNT = f"""
import json
print(json.dumps([len(sys.modules), [name for name in {HEAVY!r} if name in sys.modules]]))
"""


def seconds(code: str, words: Sequence[str] = ()) -> float:
    """Duration of a Python process in seconds."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def loaded(words: Sequence[str]) -> tuple[int, list[str]]:
    """Number of modules that a command loads, and the heavy libraries among them."""
    done = subprocess.run([sys.executable, "-c", RUN + COUNT, *words], check=True, capture_output=True, text=True)
    modules, heavy = json.loads(done.stdout.splitlines()[-1])
    return modules, heavy


def main() -> None:
    """Measure and print the results."""
    times: dict[str, list[float]] = {name: [] for name in ("import torch", *COMMANDS)}
    for turn in range(TURNS + 1):
        for name, taken in times.items():
            spent = seconds("import torch") if name == "import torch" else seconds(RUN, COMMANDS[name])
            if turn > 0:  # the first is the warm-up
                taken.append(spent)
    median = {name: statistics.median(taken) for name, taken in times.items()}
    torch = median.pop("import torch")
    print(f"import torch: {torch:.2f} s")
    result = {}
    for name, value in median.items():
        modules, heavy = loaded(COMMANDS[name])
        result[name] = {"over_torch": round(value / torch, 3), "modules": modules, "heavy": heavy}
        print(
            f"{name:24} {value:.2f} s, {value / torch:.2f} of it, {modules} modules, {', '.join(heavy) or 'no large library'}"
        )
    print(json.dumps({"import_torch_seconds": round(torch, 3), **result}))


if __name__ == "__main__":
    main()
