"""``fbnet-pfld demo``: the whole way on a small synthetic data set, in a few minutes."""

import random
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from torch import Tensor

from ..evaluators import BEST, Checkpoint, LandmarkDataset, evaluate, layout_of, normalised_errors
from ..latency import LookupTable
from ..search_space import Architecture, SpaceSpec
from .architectures import as_it_is
from .config import Config
from .data_commands import synthesise
from .deploy.exporter import BASELINE, Exporter
from .finetune import finetune_network
from .options import OUTPUT, SNAPSHOT, Json, Seed, Snapshot, console, finish, to_folder
from .pictures import demo_picture
from .report import Row, as_dicts, as_table, compare, load_candidate
from .search import HISTORY, search_supernet

CONFIG = Path(__file__).parent / "demo.yaml"
TRAIN, TEST, RANDOM_SUBNETS = 1600, 200, 30

Faces = Annotated[Path, typer.Option("--data-root", "--data_root", callback=to_folder, help="Where to put the faces.")]
Output = Annotated[Path, typer.Option("--output", callback=to_folder, help="Folder for subnet.onnx and demo.png.")]


def demo(snapshot: Snapshot = SNAPSHOT / "demo", data_root: Faces = Path("data/demo"), output: Output = OUTPUT,
         seed: Seed = 0, as_json: Json = False) -> None:
    """Synthesise faces, search with the Snapdragon 625 table, finetune, export, run the ONNX file, and show the result."""
    start = time.perf_counter()
    config = Config.load(CONFIG)
    synthesise(data_root, TRAIN, TEST, config.input_size, seed, overwrite=True)
    console.print(f"{TRAIN + TEST} synthetic faces -> {data_root}")
    chosen = search_supernet(config, data_root, snapshot / "supernet", seed)
    supernet = snapshot / "supernet" / BEST
    finetune_network(config, data_root, snapshot / "subnet", chosen, supernet, seed)
    finetune_network(config, data_root, snapshot / BASELINE, BASELINE, seed=seed)
    Exporter(config, data_root).export(snapshot / "subnet" / BEST, output / "subnet.onnx", snapshot / BASELINE / BEST)

    table = LookupTable.load(config.lut)
    test = LandmarkDataset(data_root, "test", config.points, config.input_size)
    names = {BASELINE: snapshot / BASELINE / BEST, "subnet": snapshot / "subnet" / BEST,
             "subnet.onnx": output / "subnet.onnx"}
    rows, predicted = compare({name: load_candidate(path, config.points, config.input_size) for name, path in names.items()},
                              test, table)
    few = LandmarkDataset(data_root, "train", config.points, config.input_size, limit=256)
    _picture(output / "demo.png", test, predicted["subnet.onnx"], rows, _random_subnets(supernet, few, test, table, seed),
             table, pd.read_csv(snapshot / "supernet" / HISTORY))
    seconds = time.perf_counter() - start
    console.print(f"{seconds:.0f} s; picture: {output / 'demo.png'}; ONNX file: {output / 'subnet.onnx'}")
    finish({"networks": as_dicts(rows), "choices": chosen.choices, "table": table.name, "method": table.method,
            "picture": str(output / "demo.png"), "onnx": str(output / "subnet.onnx"), "seconds": round(seconds, 1)}, as_json,
           as_table(rows, table))


def _random_subnets(supernet: Path, train: LandmarkDataset, test: LandmarkDataset, table: LookupTable,
                    seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Modelled latency and NME of random subnets with the supernet's weights: the background of the scatter plot."""
    checkpoint = Checkpoint.load(supernet)
    spec, rng = SpaceSpec.from_dict(checkpoint.network, str(supernet)), random.Random(seed)
    latencies, errors = [], []
    for _ in range(RANDOM_SUBNETS):
        choices = {label: rng.choice(names) for label, names in spec.candidates().items()}
        architecture = Architecture(spec, checkpoint.num_points, checkpoint.input_size, choices)
        latencies.append(table.latency_us(architecture))
        errors.append(evaluate(as_it_is(architecture, checkpoint, supernet, train), test)["nme"])
    return np.array(latencies), np.array(errors)


def _picture(path: Path, test: LandmarkDataset, predicted: Tensor, rows: list[Row],
             random_subnets: tuple[np.ndarray, np.ndarray], table: LookupTable, history: pd.DataFrame) -> None:
    predicted, true = predicted[:16], test.points[:16]
    nme = 100 * normalised_errors(predicted, true, layout_of(true.shape[1]).eye_corners)
    groups: dict[str, Any] = {"random subnets, supernet's weights": random_subnets}
    groups |= {row.name: (np.array([row.table_us]), np.array([row.nme])) for row in rows if row.table_us is not None}
    demo_picture(path, test.images[:16], true.numpy(), predicted.numpy(), nme.numpy(), history, groups,
                 f"{table.name}, {table.method}")
