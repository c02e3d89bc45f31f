"""``fbnet-pfld export``: export a checkpoint to files for devices, with a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group

from ...search_space.errors import InputError, only_one
from ..pipeline.workspace import Workspace
from .options import DATA_ROOT, OUTPUT, WORKSPACE, ConfigFile, DataRoot, Json, Lut, Points, Seed, to_file
from .output import finish, remark, track

if TYPE_CHECKING:
    from ...evaluators import Checkpoint

SUBNET = Workspace(WORKSPACE).checkpoint()

CheckpointFile = Annotated[Path | None, typer.Option("--checkpoint", help=f"Checkpoint to export; {SUBNET} by default.")]
Arch = Annotated[
    Path | None,
    typer.Option(
        "--arch", help="Architecture file that the checkpoint must match; with --supernet, that of the subnet to export."
    ),
]
Supernet = Annotated[
    Path | None,
    typer.Option("--supernet", help="Export the subnet of --arch with the weights of this supernet, without finetuning."),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", callback=to_file, help="The ONNX file; other files, report.json and report.png are written beside it."
    ),
]
Formats = Annotated[
    str,
    typer.Option("--formats", help="Comma-separated formats: onnx, mnn, ncnn, torchscript, int8-onnx, int8-mnn, int8-ncnn."),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        help="Checkpoint to compare with; by default the trained pfld_lite of the workspace, or an untrained one, "
        "which is only timed.",
    ),
]
Opset = Annotated[int | None, typer.Option("--opset", help="ONNX opset version; 18 by default.")]
Dynamic = Annotated[bool, typer.Option("--dynamic-batch", help="Let ONNX files accept any batch size.")]
Int8Epochs = Annotated[
    int, typer.Option("--int8-epochs", min=0, help="Epochs of finetuning with INT8 rounding for the INT8 files.")
]
CheckArm = Annotated[
    bool, typer.Option("--check-arm", help="Also run MNN and ncnn files on an emulated Cortex-A53; see `latency emulator`.")
]
ArmFaces = Annotated[int, typer.Option("--arm-faces", min=1, help="Number of test faces for --check-arm.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads per engine in the timing.")]


def export(
    checkpoint: CheckpointFile = None,
    data_root: DataRoot = DATA_ROOT,
    out: Out = OUTPUT / "subnet.onnx",
    formats: Formats = "onnx",
    arch: Arch = None,
    supernet: Supernet = None,
    baseline: Baseline = None,
    opset: Opset = None,
    dynamic_batch: Dynamic = False,
    int8_epochs: Int8Epochs = 0,
    threads: Threads = 1,
    check_arm: CheckArm = False,
    arm_faces: ArmFaces = 64,
    config: ConfigFile = None,
    points: Points = None,
    lut: Lut = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Export a checkpoint to files for devices; run each on the test set in its own engine, and time it beside a baseline.

    BatchNorms are folded, and denormal weights are set to zero.
    An INT8 format also writes the fp32 file that it is compared with.
    With --supernet, the subnet's checkpoint is written beside the other files.
    """
    from ...evaluators import Checkpoint
    from ...search_space import Architecture
    from ..deploy.exporter import BASELINE, Exporter
    from ..deploy.file_formats import FORMATS, chosen_formats
    from ..deploy.onnx_file import OPSET
    from ..pipeline.config import Config
    from ..pipeline.training_progress import TrainingProgress
    from .export_table import arm_table, export_table

    only_one({"--supernet": supernet, "--checkpoint": checkpoint})
    if supernet is not None and arch is None:
        raise InputError(f"--supernet {supernet} needs the architecture file of the subnet to export; give it with --arch")
    chosen = chosen_formats(formats)
    if int8_epochs and not any(FORMATS[form].of for form in chosen):
        raise InputError("--int8-epochs finetunes INT8 files, but --formats names none")
    if (dynamic_batch or opset is not None) and not any("onnx" in form for form in chosen):
        raise InputError("--opset and --dynamic-batch are for ONNX files, but --formats names none")
    loaded = Checkpoint.load(supernet or checkpoint or SUBNET)
    loaded.check_points(points or loaded.num_points)
    architecture = None if arch is None else Architecture.load(arch)
    if architecture is not None and supernet is None:
        loaded.check_architecture(architecture)
    settings = Config.load(config, lut=lut, points=loaded.num_points, input_size=loaded.input_size)
    if baseline is None:
        baseline = _own_baseline(BASELINE, loaded)
    exporter = Exporter(
        settings.faces(data_root),
        settings.lut,
        settings.eye_corners,
        chosen,
        opset or OPSET,
        dynamic_batch,
        int8_epochs,
        threads,
        seed,
        track,
        lambda: [TrainingProgress("INT8")],
        arm_faces if check_arm else 0,
    )
    data, found = exporter.export(supernet or checkpoint or SUBNET, out, baseline, None if supernet is None else architecture)
    for form in FORMATS.keys() - data["written"].keys():
        if (older := out.with_suffix(FORMATS[form].suffix)).is_file():
            remark(f"{older} is from an earlier export")
    if supernet is not None:
        remark(
            f"{data['checkpoint']}: the subnet with the weights of {supernet}, not finetuned; its BatchNorm statistics "
            f"come from {data['batch_norm_faces']:,} training faces"
        )
    for aim in data["aims"]:
        if not aim["reached"]:
            remedy = "; finetune with --int8-epochs" if aim["aim"].startswith("NME") else ""
            remark(f"{aim['format']}: {aim['aim']}: {aim['figure']:.3g}; goal: at most {aim['at_most']:g}{remedy}")
    views = [export_table(found, exporter.table, threads), *([arm_table(data["arm"])] if check_arm else [])]
    finish(data, as_json, Group(*views))


def _own_baseline(name: str, exported: "Checkpoint") -> Path | None:
    """Return the workspace's trained baseline if its number of points and input size match the exported network's."""
    from ...evaluators import Checkpoint

    path = Workspace(WORKSPACE).checkpoint(name)
    if not path.is_file():
        return None
    own = Checkpoint.load(path)
    return path if (own.num_points, own.input_size) == (exported.num_points, exported.input_size) else None
