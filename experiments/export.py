"""``fbnet-pfld export``: a checkpoint as files for devices, and a report on them."""

from pathlib import Path
from typing import Annotated

import typer

from ..evaluators import BEST, Checkpoint
from ..search_space import Architecture, InputError
from ..search_space.inputs import only_one
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
    remark,
    to_file,
)


def default_baseline(config: Config) -> Path | None:
    """The baseline that finetune has trained, if it fits the configured points and size."""
    path = SNAPSHOT / BASELINE / BEST
    if not path.is_file():
        return None
    loaded = Checkpoint.load(path)
    return path if (loaded.num_points, loaded.input_size) == (config.points, config.input_size) else None


SourceFile = Annotated[Path | None, typer.Option("--resume", help=f"Checkpoint to export; {SUBNET} by default.")]
Arch = Annotated[Path | None, typer.Option("--arch", help="Architecture file that the checkpoint must be of; with --supernet, "
                                                          "of the subnet to export.")]
Supernet = Annotated[Path | None, typer.Option("--supernet", help="Supernet whose weights the subnet of --arch gets, without "
                                                                  "finetuning, in place of a checkpoint.")]
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


def export(resume: SourceFile = None, data_root: DataRoot = DATA_ROOT, output: Target = OUTPUT / "subnet.onnx",
           formats: Formats = "onnx", arch: Arch = None, supernet: Supernet = None, baseline: Baseline = None,
           opset: Opset = OPSET, dynamic_batch: Dynamic = False, int8_epochs: Int8Epochs = 0, threads: Threads = 1,
           config: ConfigFile = None, points: Points = None, lut: Lut = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Write a checkpoint as files for devices, each run on the test set by its own engine and timed beside a baseline.

    BatchNorms are folded, denormal weights zeroed. INT8 formats bring the fp32 file that they are compared with. With
    --supernet, the subnet of --arch is exported with the supernet's weights, and its checkpoint goes beside the other files.
    """
    only_one({"--supernet": supernet, "--resume": resume})
    if supernet is not None and arch is None:
        raise InputError(f"--supernet {supernet} needs the architecture file of the subnet to export; give it with --arch")
    chosen = chosen_formats(formats)
    if int8_epochs and not any(FORMATS[form].of for form in chosen):
        raise InputError("--int8-epochs finetunes INT8 files, but --formats names none")
    if (dynamic_batch or opset != OPSET) and not any("onnx" in form for form in chosen):
        raise InputError("--opset and --dynamic-batch are for ONNX files, but --formats names none")
    source = supernet or resume or SUBNET
    loaded = Checkpoint.load(source)
    loaded.check_points(points or loaded.num_points, source)
    architecture = None if arch is None else Architecture.load(arch)
    if architecture is not None and supernet is None:
        loaded.check_architecture(architecture, source)
    settings = Config.load(config, lut=lut, points=loaded.num_points, input_size=loaded.input_size)
    exporter = Exporter(settings, data_root, chosen, opset, dynamic_batch, int8_epochs, threads, seed)
    data, table = exporter.export(source, output, baseline or default_baseline(settings),
                                  None if supernet is None else architecture)
    for form in FORMATS.keys() - data["written"].keys():
        if (older := output.with_suffix(FORMATS[form].suffix)).is_file():
            console.print(f"{older} is of an earlier export", soft_wrap=True)
    if supernet is not None:
        remark(f"{data['checkpoint']}: the subnet with the weights of {supernet}, not finetuned; its BatchNorm statistics are "
               f"those of {data['batch_norm_faces']:,} training faces")
    for aim in data["aims"]:
        if not aim["reached"]:
            remedy = "; --int8-epochs finetunes for it" if aim["aim"].startswith("NME") else ""
            console.print(f"{aim['format']}: {aim['aim']}: {aim['figure']:.3g}; aimed at: {aim['at_most']:g} at most{remedy}",
                          highlight=False, soft_wrap=True)
    finish(data, as_json, table)
