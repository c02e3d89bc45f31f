"""EXIF orientation of an image, read from the file's bytes.

OpenCV rotates images upright by this tag, but does not report that it did (before 4.11 it cannot). Pillow also reads XMP,
which OpenCV ignores. This module therefore reads the tag from the formats in which OpenCV reads it: JPEG, PNG, WebP and TIFF.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
ByteOrder = Literal["little", "big"]

TAG = 0x0112
SHORT = 3
TIFF_MARKS: Mapping[bytes, ByteOrder] = {b"II*\0": "little", b"MM\0*": "big"}

# orientation -> function from the upright image (H, W, 3) to the pixels as stored
_STORED: Mapping[int, Callable[[Image], Image]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: np.rot90(image, -1),
}


def orientation(content: bytes) -> int:
    """Return the EXIF orientation of an image file, 1 to 8; 1 (upright) if the file has no valid one."""
    value = next((_of_tiff(block) for block in _blocks(content)), 1)
    return value if value in _STORED else 1


def is_tiff(content: bytes) -> bool:
    """Whether a file is a TIFF image, whose orientation OpenCV always applies."""
    return content[:4] in TIFF_MARKS


def as_stored(upright: Image, value: int) -> Image:
    """Undo an orientation: turn the upright image into the stored pixels, uint8 (H, W, 3)."""
    return np.ascontiguousarray(_STORED[value](upright))


def _blocks(content: bytes) -> Iterator[bytes]:
    """Yield the EXIF blocks of a file; each is a small TIFF file."""
    if is_tiff(content):
        yield content
    elif content.startswith(b"\xff\xd8"):
        yield from _of_jpeg(content)
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        yield from _chunks(content, 8, b"eXIf", "big")
    elif content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        for block in _chunks(content, 12, b"EXIF", "little"):
            yield block.removeprefix(b"Exif\0\0")


def _of_jpeg(content: bytes) -> Iterator[bytes]:
    at = 2
    # segments: 0xff, marker, length including itself; the pixels start at 0xda
    while content[at : at + 1] == b"\xff" and at + 4 <= len(content):
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == 0xDA:
            return
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        segment = content[at + 4 : at + 2 + length]
        if marker == 0xE1 and segment.startswith(b"Exif\0\0"):
            yield segment[6:]
        at += 2 + max(length, 2)


def _chunks(content: bytes, at: int, name: bytes, order: ByteOrder) -> Iterator[bytes]:
    """Yield the data of all chunks with a name. PNG: length, name, data, checksum. RIFF: name, length, data, padded to even."""
    png = order == "big"
    while at + 8 <= len(content):
        head, tail = content[at : at + 4], content[at + 4 : at + 8]
        length = int.from_bytes(head if png else tail, "big" if png else "little")
        if (tail if png else head) == name:
            yield content[at + 8 : at + 8 + length]
        at += 8 + length + (4 if png else length % 2)


def _of_tiff(block: bytes) -> int:
    """Return the tag from the first directory of a TIFF file; 1 if it is missing."""
    order = TIFF_MARKS.get(block[:4])
    if order is None:
        return 1
    start = int.from_bytes(block[4:8], order)
    count = int.from_bytes(block[start : start + 2], order)
    # entries of 12 bytes: tag, type, count, value
    for at in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        if int.from_bytes(block[at : at + 2], order) == TAG and int.from_bytes(block[at + 2 : at + 4], order) == SHORT:
            return int.from_bytes(block[at + 8 : at + 10], order)
    return 1
