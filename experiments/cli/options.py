"""Command-line options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from ...evaluators.names import LAST
from ...search_space.files import check_writable
from ..pipeline.command import Aliases


def to_file(path: Path | None) -> Path | None:
    """Option callback: check that the file can be written, before the command begins."""
    if path is not None:
        check_writable(path)
    return path


def to_folder(path: Path) -> Path:
    """Option callback: check that the folder can be written into, before the command begins."""
    check_writable(path, folder=True)
    return path


DataRoot = Annotated[Path, typer.Option("--data-root", help="Data set in the 106points layout.")]
WorkspaceFolder = Annotated[
    Path, typer.Option("--workspace", callback=to_folder, help="Folder of the checkpoints, from search to finetune.")
]
DevId = Annotated[
    str, typer.Option("--dev-id", help='GPUs, such as "0" or "0,1"; the CPU where there is none, or for "cpu" or "cpu:2".')
]
Precision = Annotated[str | None, typer.Option("--precision", help='"32-true", "bf16-mixed" or "16-mixed".')]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with everything else; see the README.")]
Points = Annotated[int | None, typer.Option("--points", help="Number of landmarks of the data set.")]
Space = Annotated[str, typer.Option("--space", help="Search space: a built-in name or a .yaml file.")]
InputSize = Annotated[
    int | None, typer.Option("--input-size", help="Side of the input image, in pixels; by default the space's, mostly 112.")
]
Lut = Annotated[str | None, typer.Option("--lut", help="Latency table: a shipped name or a .csv file.")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Epochs of this training.")]
FinetuneEpochs = Annotated[
    int, typer.Option("--finetune-epochs", min=0, help="Finetune each subnet for so many epochs before it is rated.")
]
MaxUs = Annotated[float | None, typer.Option("--max-us", help="Highest latency in microseconds that a subnet may have.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
Json = Annotated[bool, typer.Option("--json", help="Print one machine-readable line last.")]
Resume = Annotated[str | None, typer.Option("--resume", help=f'Continue a killed run: "auto", or the path of its {LAST}.')]

DATA_ROOT = Path("data/106points")
WORKSPACE = Path("ckpt_save")
OUTPUT = Path("output")
SNAPSHOT: Aliases = {"--snapshot": "--workspace"}
"""Old spelling."""
