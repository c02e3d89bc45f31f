"""Write a synthetic data set in the 106points layout."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ...search_space.inputs import InputError
from .render import Face, render_face

JPEG_QUALITY = 92


def generate(out: str | Path, train: int, test: int, size: int = 112, seed: int = 0,
             progress: Callable[[int], None] | None = None, overwrite: bool = False) -> dict[str, int]:
    """Render ``train`` and ``test`` faces into ``out/{train_data,test_data}/{list.txt,imgs}``.

    A face depends on seed, split and index alone: a larger set begins with the smaller one. The set appears under its name
    when it is complete.

    Parameters
    ----------
    out
        The data root to make.
    size
        Side of the images, in pixels.
    progress
        Called with the number of faces done after each one.
    overwrite
        Whether a folder that is there and not empty may be replaced.

    Raises
    ------
    InputError
        If ``out`` is there and not empty, or cannot be written.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; allowed: a new folder")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise InputError(f"{out} is not empty; allowed: a new or empty folder, or --overwrite")
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
                    cv2.imwrite(str(temporary / name), face.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
                    listing.write(_line(name, face))
                    done += 1
                    if progress:
                        progress(done)
        if out.exists():
            shutil.rmtree(out)
        temporary.chmod(0o755)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return {"train": train, "test": test, "size": size, "seed": seed}


def _line(name: str, face: Face) -> str:
    numbers = [f"{value:.6f}" for value in face.points.ravel()] + [f"{value:.3f}" for value in face.pose]
    return " ".join([name, *numbers]) + "\n"
