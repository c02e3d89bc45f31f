"""``fbnet-pfld data prepare``: published landmark data as crops in the 106points layout."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from .options import Json, Seed
from .output import console, count_bar, finish

FormatName = Annotated[
    str,
    typer.Option(
        "--format",
        show_default=False,
        help="What the source is: ibug, wflw, pfld98, lapa, jd106, bbox106, pixels68, pixels98 or pixels106.",
    ),
]
Source = Annotated[Path, typer.Argument(metavar="SRC", help="The source's folder.", show_default=False)]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The data set's folder.", show_default=False)]
Size = Annotated[int, typer.Option("--size", min=32, help="Side of the crops, in pixels.")]
Copies = Annotated[
    int,
    typer.Option(
        "--copies", min=0, help="Rotated copies of every training face, besides those that the training makes itself."
    ),
]
Fraction = Annotated[
    float | None, typer.Option("--test-fraction", help="Share of the faces for testing; the source's own split, or 0.1.")
]
TestList = Annotated[
    Path | None, typer.Option("--test-list", help="File with an identity or an image's path for testing per line.")
]
Identity = Annotated[
    str | None,
    typer.Option("--identity", help="Regular expression whose group is the identity in an image's path without suffix."),
]
Origin = Annotated[
    float | None,
    typer.Option(
        "--origin",
        help="Coordinate of an image's left and upper edge: 0.5 if the "
        "first pixel's middle is at 1 (ibug), -0.5 if at 0; else 0.",
    ),
]
Exif = Annotated[
    str,
    typer.Option(
        "--exif",
        help="apply: points are those of the image that its EXIF orientation turns upright; ignore: of the pixels as stored.",
    ),
]
KeepOutside = Annotated[bool, typer.Option("--keep-outside", help="Use faces with points outside of their image too.")]
ImageSuffix = Annotated[
    str | None, typer.Option("--image-suffix", help="Suffix of the images, where an annotation has several of its name.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; one per CPU.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a prepared data set that is there.")]


def prepare_data(
    source: Source,
    out: Out,
    format_name: FormatName,
    size: Size = 112,
    copies: Copies = 0,
    test_fraction: Fraction = None,
    test_list: TestList = None,
    identity: Identity = None,
    origin: Origin = None,
    exif: Exif = "apply",
    keep_outside: KeepOutside = False,
    image_suffix: ImageSuffix = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Crop the faces of a published data set, with their points and pose.

    A stopped run goes on where it was, given the same options; what it has lies in a folder beside OUT until it is done.
    """
    from ...evaluators.data.prepare import PrepareOptions, prepare

    options = PrepareOptions(
        format_name, size, copies, test_fraction, test_list, identity, origin, exif, keep_outside, image_suffix, seed
    )
    bar = count_bar()
    task = bar.add_task("faces", total=None)

    def show(done: int, total: int) -> None:
        bar.start()  # here, so that no bar stands above a message that nothing can be written
        bar.update(task, completed=done, total=total)

    try:
        record = prepare(source, out, options, workers or len(os.sched_getaffinity(0)), show, overwrite)
    except KeyboardInterrupt:
        console.print(
            f"interrupted; what is made is kept in {out}.preparing, the same command goes on from there", soft_wrap=True
        )
        raise
    finally:
        bar.stop()
    finish({"data_root": str(out), **record}, as_json, _view(out, record))
    for note in record["notes"]:
        console.print(f"note: {note}", soft_wrap=True, highlight=False, markup=False)


def _view(out: Path, record: dict[str, Any]) -> Table:
    view = Table(title=f"{out}: {record['points']} points, from {record['format']}, split by {record['split']}")
    counts = ("faces", "identities", "pictures", "files")
    for heading in ("", *counts, "first"):
        view.add_column(heading, justify="right" if heading in counts else "left", overflow="fold")
    for split in ("train", "test"):
        view.add_row(split, *(str(record[split][key]) for key in ("faces", "identities", "pictures")))
    for reason, entry in record["left_out"].items():
        view.add_row(f"skipped: {reason}", str(entry["faces"]), "", "", "", escape(entry["first"]))
    for reason, entry in record["unused"].items():
        view.add_row(f"not used: {reason}", "", "", "", str(entry["files"]), escape(entry["first"]))
    return view
