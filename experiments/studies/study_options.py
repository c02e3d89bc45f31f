"""Options that the studies' commands share."""

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Option(help="What the results call the data set.")]
DataRoot = Annotated[Path, typer.Option(help="Data set in the 106points layout.")]
Points = Annotated[int, typer.Option(help="Its number of landmarks.")]
Epochs = Annotated[int, typer.Option(help="Of every training.")]
Seeds = Annotated[int, typer.Option(help="Seeds 0, 1, ...")]
Only = Annotated[list[str], typer.Option(help="These networks alone; may be repeated.")]
Results = Annotated[Path, typer.Option(help="Folder of the CSV files.")]
ALL: list[str] = []
"""No choice by ``--only``."""
