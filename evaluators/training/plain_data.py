"""Read files that torch wrote without running code that is in them."""

import contextlib
import io
import pickle
import zipfile
import zlib
from typing import Any

import torch


def read_plain(content: bytes) -> Any:
    """Plain data and tensors out of a file's bytes; None if the file is damaged or holds anything else."""
    if not whole_archive(content):
        return None
    with contextlib.suppress(RuntimeError, pickle.UnpicklingError, EOFError):
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return None


def whole_archive(content: bytes) -> bool:
    """Whether this is a zip archive with the right checksums: torch skips these, and reads all else as its old pickles."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error):  # also of what the damage makes of a header
        return False
