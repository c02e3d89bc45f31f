"""``fbnet-pfld data``: prepare published data sets, render synthetic ones, and show their faces."""

from pathlib import Path
from typing import Annotated

import typer

from ..pipeline.command import SEED, App
from .data_prepare import prepare_data
from .options import DATA_ROOT, OUTPUT, DataRoot, Json, Points, Seed, to_file, to_folder
from .output import count_bar, finish

app = App(no_args_is_help=True)

Train = Annotated[int, typer.Option(min=1, help="Number of training faces.")]
Test = Annotated[int, typer.Option(min=1, help="Number of test faces.")]
Count = Annotated[int, typer.Option(min=1, help="Number of faces.")]
Out = Annotated[Path, typer.Option("--out", callback=to_folder, help="Folder of the data set.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing synthetic data set.")]


def synthesise(out: Path, train: int, test: int, size: int, seed: int, overwrite: bool) -> dict[str, int]:
    """Generate a synthetic data set, and show a progress bar."""
    from ...evaluators.data.synthetic import generate

    bar = count_bar()
    task = bar.add_task("faces", total=train + test)

    def show(done: int) -> None:
        bar.start()  # only now, so that no bar precedes an error about the output folder
        bar.update(task, completed=done)
        if done == train + test:
            bar.stop()

    return generate(out, train, test, size, seed, show, overwrite)


def synth(
    out: Out = DATA_ROOT,
    train: Train = 4000,
    test: Test = 500,
    size: Annotated[int, typer.Option(min=32, help="Side of the images, in pixels.")] = 112,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Render synthetic faces with 106 exact points and exact pose."""
    finish({"data_root": str(out), **synthesise(out, train, test, size, seed, overwrite)}, as_json)


def show(
    data_root: DataRoot = DATA_ROOT,
    split: Annotated[str, typer.Option(help="Split: train or test.")] = "test",
    count: Count = 32,
    out: Annotated[Path, typer.Option("--out", callback=to_file, help="The figure.")] = OUTPUT / "faces.png",
    points: Points = None,
    as_json: Json = False,
) -> None:
    """Draw the first faces of a data set, with points coloured by face part and the axes of the head pose."""
    from ...evaluators import LandmarkDataset
    from ..plots.faces import contact_sheet

    data = LandmarkDataset(data_root, split, points or 106, limit=count)
    contact_sheet(data, out)
    finish({"figure": str(out), "faces": len(data)}, as_json)


app.add(prepare_data, "fbnet-pfld data prepare ~/WFLW data/wflw --format wflw", name="prepare")
app.add(synth, "fbnet-pfld data synth --train 4000 --test 500", aliases={"--data-root": "--out"})
app.add(show, "fbnet-pfld data show --data-root data/wflw --points 98 --out faces.png", aliases=SEED)
