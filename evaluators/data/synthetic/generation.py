"""Write a synthetic data set in the 106points layout."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ....search_space.errors import InputError
from ..folders import check_out
from .render import Face, render_face

JPEG_QUALITY = 92
RECORD = "synthetic.json"
"""Record of how a data set was made; a folder without it is never replaced."""


def generate(
    out: str | Path,
    train: int,
    test: int,
    size: int = 112,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    overwrite: bool = False,
) -> dict[str, int]:
    """Render ``train`` and ``test`` faces into ``out/{train_data,test_data}/{list.txt,imgs}``.

    A face depends only on seed, split and index: a larger set starts with the faces of a smaller one. The data set appears as
    ``out`` when it is complete, with a record of its parameters in ``synthetic.json``.

    Parameters
    ----------
    out
        Data root to create.
    train, test
        Numbers of training and test faces.
    size
        Side of the images, in pixels.
    seed
        Random seed.
    progress
        Called with the number of finished faces after each one.
    overwrite
        Whether to replace an existing synthetic data set; nothing else is ever replaced.

    Returns
    -------
    dict
        Content of ``synthetic.json``.

    Raises
    ------
    InputError
        If ``out`` exists and must not be replaced, or cannot be written.
    """
    out = Path(out)
    check_out(out, RECORD, "synthetic", overwrite)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}") from None
    try:
        done = 0
        for number, (split, count) in enumerate((("train_data", train), ("test_data", test))):
            (temporary / split / "imgs").mkdir(parents=True)
            with open(temporary / split / "list.txt", "w", encoding="utf-8") as listing:
                for index in range(count):
                    face = render_face(np.random.default_rng([seed, number, index]), size)
                    name = f"{split}/imgs/{index:05d}.jpg"
                    (temporary / name).write_bytes(encode(face))
                    listing.write(_line(name, face))
                    done += 1
                    if progress:
                        progress(done)
        made = {"train": train, "test": test, "size": size, "seed": seed}
        (temporary / RECORD).write_text(json.dumps(made) + "\n", encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        temporary.chmod(0o755)
        temporary.rename(out)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return made


def encode(face: Face) -> bytes:
    """Encode the face's image as a JPEG file."""
    return cv2.imencode(".jpg", face.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _line(name: str, face: Face) -> str:
    numbers = [f"{value:.6f}" for value in face.points.ravel()] + [f"{value:.3f}" for value in face.pose]
    return " ".join([name, *numbers]) + "\n"
