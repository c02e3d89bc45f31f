"""Read files written by torch without running code from them."""

import contextlib
import io
import pickle
import zipfile
import zlib
from typing import Any

import torch


def read_plain(content: bytes) -> Any:
    """Read plain data and tensors from a file's bytes; return None if the file is damaged or holds anything else."""
    if not whole_archive(content):
        return None
    with contextlib.suppress(RuntimeError, pickle.UnpicklingError, EOFError):
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return None


def whole_archive(content: bytes) -> bool:
    """Whether this is a zip archive with valid checksums: torch does not check them, and reads anything else as a pickle."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error):  # damaged headers raise various errors
        return False
