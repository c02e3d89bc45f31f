"""Make the pretrained networks: ``python -m fbnet_pfld.experiments.studies.pretrained make --out FOLDER --data FOLDER``.

``make`` renders faces, trains a supernet on them and finetunes subnets of its front; it resumes where it was stopped. ``rate``
rates the subnets on three kinds of faces -> figures.csv. ``card`` writes the results into card.md. To ship the networks, copy
all files of the folder except ``work/`` into the package.
"""

from ...pipeline.quiet import quieten

quieten()

import json  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Annotated  # noqa: E402

import torch  # noqa: E402
import typer  # noqa: E402

from ....evaluators import pretrained  # noqa: E402
from ...pipeline.command import make_command, run  # noqa: E402
from .card_table import write_card  # noqa: E402
from .make_pretrained import config_of  # noqa: E402
from .make_pretrained import make as make_networks  # noqa: E402
from .rate_pretrained import rate as rate_networks  # noqa: E402

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False, help=__doc__)
Out = Annotated[Path, typer.Option(help="Folder of the networks.")]
Data = Annotated[Path, typer.Option(help="Folder of the synthetic faces; they are rendered if it has none.")]
Faces = Annotated[int, typer.Option(help="Number of training faces.", min=100)]
Epochs = Annotated[int, typer.Option(help="Epochs of the supernet's training.", min=1)]
FinetuneEpochs = Annotated[int, typer.Option(help="Epochs of each subnet's finetuning.", min=1)]
Seed = Annotated[int, typer.Option(help="Seed of the faces and of all trainings.")]
Networks = Annotated[Path, typer.Option("--pretrained", help="Folder of the networks; default: the package's own.")]
Rendered = Annotated[Path, typer.Option(help="Data set of other rendered faces, 106 points.")]
Photos = Annotated[Path, typer.Option(help="Data set of photographs, 68 points.")]

SHIPPED = Path(pretrained.__path__[0])
"""Folder of the networks in the package."""


@app.command(cls=make_command({}))
def make(
    out: Out, data: Data, faces: Faces = 16_000, epochs: Epochs = 15, finetune_epochs: FinetuneEpochs = 5, seed: Seed = 0
) -> None:
    """Render faces, train the supernet, find its front, and finetune subnets of it, with one thread."""
    torch.set_num_threads(1)  # bit-identical results for any number of cores
    print(json.dumps(make_networks(config_of(epochs, finetune_epochs), data, out, faces, seed), indent=1))


@app.command(cls=make_command({}))
def rate(data: Data, rendered: Rendered, photos: Photos, networks: Networks = SHIPPED) -> None:
    """Rate the subnets on the test faces of three data sets -> figures.csv."""
    torch.set_num_threads(1)
    print(rate_networks(networks, data, rendered, photos).to_string(index=False))


@app.command(cls=make_command({}))
def card(networks: Networks = SHIPPED) -> None:
    """Write the results of a folder's networks into its card.md."""
    print(write_card(networks))


if __name__ == "__main__":
    run(app)
