"""Suppress the output that engines print."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STDOUT, STDERR = 1, 2


@contextmanager
def quietly(stream: int) -> Iterator[None]:
    """Discard everything that this process prints to ``stream``, including from C++."""
    (sys.stdout if stream == STDOUT else sys.stderr).flush()
    kept, nowhere = os.dup(stream), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, stream)
        os.close(kept)
        os.close(nowhere)
