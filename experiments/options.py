"""Command-line options that several commands share, and how every command ends."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console
from rich.table import Table

from ..evaluators import LAST
from ..search_space.inputs import check_writable


def to_file(path: Path | None) -> Path | None:
    """Option callback: check that the file can be written, before the command begins."""
    if path is not None:
        check_writable(path)
    return path


def to_folder(path: Path) -> Path:
    """Option callback: check that the folder can be written into, before the command begins."""
    check_writable(path, folder=True)
    return path


DataRoot = Annotated[Path, typer.Option("--data-root", "--data_root", help="Data set in the 106points layout.")]
Snapshot = Annotated[Path, typer.Option("--snapshot", callback=to_folder, help="Folder for checkpoints.")]
DevId = Annotated[str, typer.Option("--dev-id", "--dev_id",
                                    help='GPUs, such as "0" or "0,1"; the CPU where there is none, or for "cpu" or "cpu:2".')]
Precision = Annotated[str | None, typer.Option("--precision", help='"32-true", "bf16-mixed" or "16-mixed".')]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with everything else; see the README.")]
Points = Annotated[int | None, typer.Option("--points", help="Number of landmarks of the data set.")]
Space = Annotated[str, typer.Option("--space", help="Search space: a built-in name or a .yaml file.")]
InputSize = Annotated[int, typer.Option("--input-size", "--input_size", help="Side of the input image, in pixels.")]
Lut = Annotated[str | None, typer.Option("--lut", help="Latency table: a shipped name or a .csv file.")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Epochs of this training.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
Json = Annotated[bool, typer.Option("--json", help="Print one machine-readable line last.")]
Resume = Annotated[str | None, typer.Option("--resume", help='Continue a killed run: "auto", or the path of its last.ckpt.')]

DATA_ROOT = Path("data/106points")
SNAPSHOT = Path("ckpt_save")
SUBNET = SNAPSHOT / "subnet" / "checkpoint_best.pth"
OUTPUT = Path("output")

WIDTH = 120
"""Columns of a table that goes to a file or a pipe."""

console = Console(stderr=True)
"""For progress and remarks; standard output is for results."""


@rank_zero_only
def remark(text: str) -> None:
    """Print a remark on standard error; of several processes of one training, only the first prints."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def remark_device(dev_id: str) -> None:
    """Remark that the training runs on the CPU if ``--dev-id`` names GPUs and the machine has none."""
    if dev_id and not dev_id.startswith("cpu") and not torch.cuda.is_available():
        remark(f"no GPU here: --dev-id {dev_id} is not used, the training runs on the CPU")


def remark_resume(resume: str | None, folder: Path) -> None:
    """Remark that a new run starts if ``--resume auto`` finds no state."""
    if resume == "auto" and not (folder / LAST).exists():
        remark(f"no {folder / LAST} to go on from: a new run starts")


@rank_zero_only
def finish(result: dict[str, Any], as_json: bool, table: Table | None = None) -> None:
    """End a command: print its result as a table (or as ``key: value`` lines), and as one JSON line if asked for.

    Of several processes of one training only the first prints.
    """
    out = Console(width=None if sys.stdout.isatty() else WIDTH)
    if table is not None:
        out.print(table)
    else:
        for key, value in result.items():
            out.print(f"{key.replace('_', ' ')}: {f'{value:.4g}' if isinstance(value, float) else value}", highlight=False,
                      soft_wrap=True)
    if as_json:
        print(json.dumps(result, default=str), flush=True)
