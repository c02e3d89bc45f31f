"""``fbnet-pfld data prepare``: convert published landmark data to crops in the 106points layout."""

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
        help="Format of the source: ibug, wflw, pfld98, lapa, jd106, bbox106, pixels68, pixels98 or pixels106.",
    ),
]
Source = Annotated[Path, typer.Argument(metavar="SRC", help="Folder of the source.", show_default=False)]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the data set.", show_default=False)]
Size = Annotated[int, typer.Option("--size", min=32, help="Side of the crops, in pixels.")]
Copies = Annotated[
    int,
    typer.Option(
        "--copies", min=0, help="Rotated copies of every training face, in addition to the augmentation during training."
    ),
]
Fraction = Annotated[
    float | None, typer.Option("--test-fraction", help="Fraction of test faces; default: the source's own split, or 0.1.")
]
TestList = Annotated[
    Path | None, typer.Option("--test-list", help="File that lists the test split: one identity or image path per line.")
]
Identity = Annotated[
    str | None,
    typer.Option("--identity", help="Regular expression for an image's path without suffix; its group is the identity."),
]
Origin = Annotated[
    float | None,
    typer.Option(
        "--origin",
        help="Coordinate of an image's left and upper edge: 0.5 if the "
        "first pixel's centre is at 1 (default for ibug), -0.5 if it is at 0, 0 otherwise (default).",
    ),
]
Exif = Annotated[
    str,
    typer.Option(
        "--exif",
        help="apply: points refer to the image rotated by its EXIF orientation; ignore: points refer to the stored pixels.",
    ),
]
KeepOutside = Annotated[bool, typer.Option("--keep-outside", help="Also use faces with points outside their image.")]
ImageSuffix = Annotated[
    str | None, typer.Option("--image-suffix", help="Image suffix to use where several images share an annotation's name.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Number of processes; one per CPU by default.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing prepared data set.")]


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

    With the same options, an interrupted run resumes.
    Its intermediate files are in the folder OUT.preparing until it is complete.
    """
    from ...evaluators.data.prepare import PrepareOptions, prepare

    options = PrepareOptions(
        format_name, size, copies, test_fraction, test_list, identity, origin, exif, keep_outside, image_suffix, seed
    )
    bar = count_bar()
    task = bar.add_task("faces", total=None)

    def show(done: int, total: int) -> None:
        bar.start()  # only now, so that no bar precedes an error about the output folder
        bar.update(task, completed=done, total=total)

    try:
        record = prepare(source, out, options, workers or len(os.sched_getaffinity(0)), show, overwrite)
    except KeyboardInterrupt:
        console.print(
            f"interrupted; finished crops are kept in {out}.preparing; run the same command again to resume", soft_wrap=True
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
