"""``fbnet-pfld export``: a checkpoint as files for devices, and a report on them."""

from pathlib import Path
from typing import Annotated

import typer

from ..evaluators import BEST, Checkpoint
from ..search_space import Architecture, InputError
from .config import Config
from .deploy.exporter import BASELINE, Exporter
from .deploy.formats import FORMATS, chosen_formats
from .deploy.onnx_file import OPSET
from .options import (
    DATA_ROOT,
    OUTPUT,
    SNAPSHOT,
    SUBNET,
    ConfigFile,
    DataRoot,
    Json,
    Lut,
    Points,
    Seed,
    console,
    finish,
    to_file,
)


def default_baseline(config: Config) -> Path | None:
    """The baseline that finetune has trained, if it fits the configured points and size."""
    path = SNAPSHOT / BASELINE / BEST
    if not path.is_file():
        return None
    loaded = Checkpoint.load(path)
    return path if (loaded.num_points, loaded.input_size) == (config.points, config.input_size) else None


SourceFile = Annotated[Path, typer.Option("--resume", help="Checkpoint to export.")]
Arch = Annotated[Path | None, typer.Option("--arch", help="Architecture file that the checkpoint must be of.")]
Target = Annotated[Path, typer.Option("--output", "--onnx-path", "--onnx_path", callback=to_file,
                                     help="The ONNX file; other files and report.json, report.png go beside it.")]
Formats = Annotated[str, typer.Option("--formats", help=f"Of {', '.join(FORMATS)}; separated by commas.")]
Baseline = Annotated[Path | None, typer.Option(
    "--baseline", help=f"Checkpoint of the network to compare with; by default {SNAPSHOT / BASELINE / BEST}, or an untrained "
                       f"{BASELINE}, which is timed only.")]
Opset = Annotated[int, typer.Option("--opset", help="Version of the ONNX operators.")]
Dynamic = Annotated[bool, typer.Option("--dynamic-batch", "--dynamic_batch",
                                       help="Let ONNX files take any number of images at once.")]
Int8Epochs = Annotated[int, typer.Option("--int8-epochs", "--int8_epochs", min=0,
                                         help="Finetune so long with INT8 rounding, for the INT8 files.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Of the engines, when files are timed.")]


def export(resume: SourceFile = SUBNET, data_root: DataRoot = DATA_ROOT, output: Target = OUTPUT / "subnet.onnx",
           formats: Formats = "onnx", arch: Arch = None, baseline: Baseline = None, opset: Opset = OPSET,
           dynamic_batch: Dynamic = False, int8_epochs: Int8Epochs = 0, threads: Threads = 1, config: ConfigFile = None,
           points: Points = None, lut: Lut = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Write a checkpoint as files for devices, each run on the test set by its own engine and timed beside a baseline.

    BatchNorms are folded, denormal weights zeroed. INT8 formats bring the fp32 file that they are compared with.
    """
    chosen = chosen_formats(formats)
    if int8_epochs and not any(FORMATS[form].of for form in chosen):
        raise InputError("--int8-epochs finetunes INT8 files, but --formats names none")
    if (dynamic_batch or opset != OPSET) and not any("onnx" in form for form in chosen):
        raise InputError("--opset and --dynamic-batch are for ONNX files, but --formats names none")
    loaded = Checkpoint.load(resume)
    loaded.check_points(points or loaded.num_points, resume)
    if arch is not None:
        loaded.check_architecture(Architecture.load(arch), resume)
    settings = Config.load(config, lut=lut, points=loaded.num_points, input_size=loaded.input_size)
    exporter = Exporter(settings, data_root, chosen, opset, dynamic_batch, int8_epochs, threads, seed)
    data, table = exporter.export(resume, output, baseline or default_baseline(settings))
    for form in FORMATS.keys() - data["written"].keys():
        if (older := output.with_suffix(FORMATS[form].suffix)).is_file():
            console.print(f"{older} is of an earlier export", soft_wrap=True)
    for aim in data["aims"]:
        if not aim["reached"]:
            remedy = "; --int8-epochs finetunes for it" if aim["aim"].startswith("NME") else ""
            console.print(f"{aim['format']}: {aim['aim']}: {aim['figure']:.3g}; aimed at: {aim['at_most']:g} at most{remedy}",
                          highlight=False, soft_wrap=True)
    finish(data, as_json, table)
