"""Files of a source that no face uses, with reasons, so that no file is ignored silently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..images import SUFFIXES
from ..walk import Tree
from .source import OTHER_IMAGES, Source, suffix_of

OTHER = "not part of this format"

# suffixes -> reason why a file that no reader requested is not used; the first match wins
_REASONS: Mapping[tuple[str, ...], str] = {
    SUFFIXES: "image without annotation",
    OTHER_IMAGES: "image in an unsupported format",
    (".avi", ".mp4", ".mkv", ".mov", ".webm", ".wmv", ".m4v"): "video; extract its frames as images",
    (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"): "archive; unpack it",
}


@dataclass(frozen=True)
class Unused:
    """A file, folder or link that is not used.

    Attributes
    ----------
    reason
        Reason, by which files are counted.
    path
        Path of the file, folder or link.
    """

    reason: str
    path: str


def unused(source: Source, tree: Tree, annotations: Sequence[str], image_suffix: str | None) -> list[Unused]:
    """Return everything in a source that is not used; call this after all faces have been read.

    Parameters
    ----------
    annotations
        Suffixes of the format's annotations, if their folders identify them.
    image_suffix
        The only image suffix to use, if the user has chosen one.
    """
    found = [Unused(reason, str(source.path(path))) for reason, path in tree.unread]
    for file in source.files:
        if file not in source.used:
            found.append(Unused(source.refused.get(file) or _reason(file, annotations, image_suffix), str(source.path(file))))
    return found


def _reason(file: str, annotations: Sequence[str], image_suffix: str | None) -> str:
    suffix = suffix_of(file)
    if file.rpartition("/")[2].startswith("."):
        return OTHER
    if suffix in annotations:
        return "annotation in a folder that this format does not read"
    if image_suffix and suffix in SUFFIXES and suffix != image_suffix:
        return f"image that is not {image_suffix}"
    return next((reason for suffixes, reason in _REASONS.items() if suffix in suffixes), OTHER)
