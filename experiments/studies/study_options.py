"""Options that the studies' commands share."""

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Option(help="Name of the data set in the results.")]
DataRoot = Annotated[Path, typer.Option(help="Data set in the 106points layout.")]
Points = Annotated[int, typer.Option(help="Number of landmarks of the data set.")]
Epochs = Annotated[int, typer.Option(help="Epochs of every training.")]
Seeds = Annotated[int, typer.Option(help="Number of random seeds: 0, 1, ...")]
Only = Annotated[list[str], typer.Option(help="Run only the network, recipe or aim of this name; may be repeated.")]
Results = Annotated[Path, typer.Option(help="Folder of the CSV files.")]
ALL: list[str] = []
"""Default of ``--only``: no selection."""
