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
"""How a data set was made; a folder without it is not ours to replace."""


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

    A face depends on seed, split and index alone: a larger set begins with the smaller one. The set appears under its name
    when it is complete, with a file ``synthetic.json`` that says how it was made.

    Parameters
    ----------
    out
        The data root to make.
    size
        Side of the images, in pixels.
    progress
        Called with the number of faces done after each one.
    overwrite
        Whether a synthetic data set that is there may be replaced; nothing else is.

    Raises
    ------
    InputError
        If ``out`` is there and may not be replaced, or cannot be written.
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
    """The picture as a JPEG file."""
    return cv2.imencode(".jpg", face.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _line(name: str, face: Face) -> str:
    numbers = [f"{value:.6f}" for value in face.points.ravel()] + [f"{value:.3f}" for value in face.pose]
    return " ".join([name, *numbers]) + "\n"
