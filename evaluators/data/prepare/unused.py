"""What of a source no face has come from, and why: nothing that is given is passed over in silence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..images import SUFFIXES
from ..walk import Tree
from .source import OTHER_IMAGES, Source, suffix_of

OTHER = "no part of this format"

# suffixes -> why a file that no reader has asked for is not used; the first that fits counts
_REASONS: Mapping[tuple[str, ...], str] = {
    SUFFIXES: "image without annotation",
    OTHER_IMAGES: "image of a kind that is not read",
    (".avi", ".mp4", ".mkv", ".mov", ".webm", ".wmv", ".m4v"): "video; extract its frames as images",
    (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"): "archive; unpack it",
}


@dataclass(frozen=True)
class Unused:
    """A file, folder or link that is not used.

    Attributes
    ----------
    reason
        Why; files are counted by it.
    path
        Where it is.
    """

    reason: str
    path: str


def unused(source: Source, tree: Tree, annotations: Sequence[str], image_suffix: str | None) -> list[Unused]:
    """What of a source is not used, once all faces have been read.

    Parameters
    ----------
    annotations
        Suffixes of the format's annotations, where they are known by their folders.
    image_suffix
        The one suffix of images to be used, if the user has chosen one.
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
