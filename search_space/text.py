"""Text from users: any Unicode encoding with a byte-order mark, any line endings, several separators.

Every text file from a user goes through :func:`decode`. If the content is not text, the error names the kind of file.
"""

import codecs
import re
from collections.abc import Mapping

# longest first: UTF-32's little-endian mark begins with UTF-16's
_MARKS: Mapping[bytes, str] = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# first bytes -> kind of file
_SIGNATURES: Mapping[bytes, str] = {
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89PNG": "a PNG image",
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"PK\x03\x04": "a zip archive, as checkpoints and spreadsheets are",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF file",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"SQLite format 3": "an SQLite database",
    b"\x7fELF": "an executable",
    b"RIFF": "a RIFF file, as WebP images and AVI videos are",
}


class NotText(ValueError):
    """Content that is not text; the message names its kind and completes "The file is ..."."""


def decode(content: bytes) -> str:
    """Decode a text file: UTF-8, or UTF-8, UTF-16 or UTF-32 with a byte-order mark. Line endings become ``\\n``.

    Raises
    ------
    NotText
        If the content is anything else.
    """
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise NotText(_describe(content, encoding, error)) from None
    if "\0" in text:
        raise NotText(_describe(content, encoding, None))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def describe(content: bytes) -> str:
    """Describe a file's content to complete "The file is ...": ``an empty file``, ``a text file``, ``a PNG image`` ..."""
    if not content:
        return "an empty file"
    try:
        decode(content)
    except NotText as error:
        return str(error)
    return "a text file"


def fields(line: str) -> list[str]:
    """Split a line into fields at blanks, tabs, semicolons, and commas before a blank; at other commas only as a last resort.

    A file name may therefore contain a comma if blanks separate the fields.
    """
    found = [field for field in re.split(r"[\s;]+|,\s+", line) if field]
    return [field for field in found[0].split(",") if field] if len(found) == 1 else found


def numbered(text: str) -> list[tuple[int, str]]:
    """Return the non-blank lines with their line numbers, from 1."""
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _describe(content: bytes, encoding: str, error: UnicodeDecodeError | None) -> str:
    for signature, what in _SIGNATURES.items():
        if content.startswith(signature):
            return what
    if encoding != "utf-8":
        return f"a damaged {encoding.upper()} file"
    if error is None or b"\0" in content:
        # in UTF-16, every second byte of Latin text is zero
        return "UTF-16 text without a byte-order mark; save it as UTF-8" if _alternating(content) else "binary data"
    line = content[: error.start].count(b"\n") + 1
    return f"not UTF-8 text: byte 0x{content[error.start]:02x} in line {line}; save it as UTF-8"


def _alternating(content: bytes) -> bool:
    return any(content[start::2].count(0) > 0.8 * (len(content) // 2) for start in (0, 1))
