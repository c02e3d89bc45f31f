"""Command-line options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

from ...evaluators.names import LAST
from ...search_space.files import check_writable
from ..pipeline.command import Aliases


def to_file(path: Path | None) -> Path | None:
    """Option callback: check that the file can be written before the command starts."""
    if path is not None:
        check_writable(path)
    return path


def to_folder(path: Path) -> Path:
    """Option callback: check that the folder is writable before the command starts."""
    check_writable(path, folder=True)
    return path


DataRoot = Annotated[Path, typer.Option("--data-root", help="Data set in the 106points layout.")]
WorkspaceFolder = Annotated[
    Path, typer.Option("--workspace", callback=to_folder, help="Folder of the checkpoints of search and finetune.")
]
DevId = Annotated[
    str,
    typer.Option(
        "--dev-id", help='GPUs, such as "0" or "0,1"; "cpu", or "cpu:2" for 2 processes. Without a GPU, the CPU is used.'
    ),
]
Precision = Annotated[str | None, typer.Option("--precision", help='Precision: "32-true", "bf16-mixed" or "16-mixed".')]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with all other settings; see docs/search.md.")]
Points = Annotated[int | None, typer.Option("--points", help="Number of landmarks of the data set.")]
Space = Annotated[str, typer.Option("--space", help="Search space: a built-in name or a .yaml file.")]
InputSize = Annotated[
    int | None, typer.Option("--input-size", help="Side of the input image, in pixels; by default the space's, usually 112.")
]
Lut = Annotated[str | None, typer.Option("--lut", help="Latency table: a shipped name or a .csv file.")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Number of training epochs.")]
FinetuneEpochs = Annotated[int, typer.Option("--finetune-epochs", min=0, help="Epochs of finetuning before a subnet is rated.")]
MaxUs = Annotated[float | None, typer.Option("--max-us", help="Maximum latency of a subnet, in microseconds.")]
Seed = Annotated[int, typer.Option("--seed", help="Random seed.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON line at the end.")]
Resume = Annotated[str | None, typer.Option("--resume", help=f'Resume an interrupted run: "auto", or its {LAST}.')]

DATA_ROOT = Path("data/106points")
WORKSPACE = Path("ckpt_save")
OUTPUT = Path("output")
SNAPSHOT: Aliases = {"--snapshot": "--workspace"}
"""Old spelling of ``--workspace``."""
