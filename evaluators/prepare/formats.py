"""The published formats of landmark data that can be read, by name.

``ibug``
    300W, Menpo and others in their way: ``*.pts`` files anywhere beneath the source, each beside a picture of the same stem.
    A ``.pts`` file has ``version: 1``, ``n_points: 68``, and 68 lines of x and y in braces. Coordinates count from 1: "the
    coordinates of the top left pixel in an image are x=1, y=1" (300-W, ibug.doc.ic.ac.uk). Files of 39 points, Menpo's
    profiles, are left out.
``wflw``
    WFLW: the lists ``list_98pt_rect_attr_train.txt`` and ``list_98pt_rect_attr_test.txt`` (or ``list_98pt_train.txt`` and
    ``list_98pt_test.txt``, which have no boxes) anywhere beneath the source. A line is 196 coordinates, [left, upper, right
    and lower edge of the face, six attributes,] and the picture's path in the folder ``WFLW_images`` or in the source.
``lapa``
    LaPa: ``{train,val,test}/images/NAME.jpg`` and ``{train,val,test}/landmarks/NAME.txt`` in the source or in its folder
    ``LaPa``. A landmark file has a line ``106``, and 106 lines of x and y in the order of JD. ``val`` goes to the training
    data.
``jd106``
    JD-landmark, the grand challenge of 106 points: folders ``picture``, ``landmark`` and, if there is one, ``rect`` side by
    side, anywhere beneath the source. ``picture/NAME.jpg`` has ``landmark/NAME.jpg.txt`` (or ``NAME.txt``; as LaPa's) and
    ``rect/NAME.jpg.rect`` (or ``NAME.rect``; left, upper, right and lower edge).
``bbox106``
    What the 106points set was made from: ``bbox_landmark.txt`` in the source. A line is the picture's path in the folder
    ``imgs`` or in the source, left, upper, right and lower edge of the face, and 212 coordinates, in the order of 106points.

Pictures are ``.jpg``, ``.jpeg``, ``.png`` or ``.bmp`` files. For the other formats no source says where coordinates count from;
they are taken as they are, a pixel i reaching from i to i + 1.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .faces import LeftOut, SourceFace, attempt, numbers, pairs, read_lines
from .layouts3d import JD_TO_106

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
Found = Iterator[SourceFace | LeftOut]


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes
    ----------
    points
        Landmarks of a face.
    looks_for
        What must be in a source for it to be one, for the message that there is none.
    read
        Yields the faces of a source, a folder, in an order that depends on names alone.
    shots
        Whether names end in ``_`` and what tells apart pictures of one person, or of one photograph.
    origin
        Coordinate of the left and the upper edge of a picture.
    """

    points: int
    looks_for: str
    read: Callable[[Path], Found]
    shots: bool = False
    origin: float = 0.0


def _name(image: Path, src: Path) -> str:
    return image.relative_to(src).with_suffix("").as_posix()


def _pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by stem."""
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES}


def _ibug(src: Path) -> Found:
    by_folder: dict[Path, dict[str, Path]] = {}
    for file in sorted(src.rglob("*.pts")):
        if file.parent not in by_folder:
            by_folder[file.parent] = _pictures(file.parent)
        yield attempt(_ibug_face, file, by_folder[file.parent], src)


def _ibug_face(file: Path, pictures: Mapping[str, Path], src: Path) -> SourceFace:
    lines = read_lines(file)
    opened = [i for i, (_, tokens) in enumerate(lines) if tokens == ["{"]]
    closed = [i for i, (_, tokens) in enumerate(lines) if tokens == ["}"]]
    if len(opened) != 1 or len(closed) != 1 or opened > closed:
        raise LeftOut("no points in braces", f"{file}:{lines[-1][0]}")
    header = {tokens[0].rstrip(":"): (number, tokens[-1]) for number, tokens in lines[:opened[0]]}
    number, count = header.get("n_points", (lines[opened[0]][0], "68"))
    if count != "68":
        raise LeftOut("wrong number of points", f"{file}:{number}")
    points = pairs(lines[opened[0] + 1:closed[0]], 68, file, number)
    if file.stem not in pictures:
        raise LeftOut("picture not found", str(file))
    return SourceFace(_name(pictures[file.stem], src), pictures[file.stem], points, str(file))


def _wflw(src: Path) -> Found:
    folders = [src, *sorted(path for path in src.rglob("WFLW_images") if path.is_dir())]
    for split in ("train", "test"):
        for pattern in ("list_98pt_rect_attr_{}.txt", "list_98pt_{}.txt"):
            lists = sorted(src.rglob(pattern.format(split)))
            if lists:
                yield from _list(lists[0], lambda tokens, where, s=split: _wflw_face(tokens, where, s, folders))
                break


def _list(file: Path, make: Callable[[list[str], str], SourceFace]) -> Found:
    """Faces of a file that has one in a line."""
    try:
        lines = read_lines(file)
    except LeftOut as reason:
        yield reason
        return
    for number, tokens in lines:
        yield attempt(make, tokens, f"{file}:{number}")


def _wflw_face(tokens: list[str], where: str, split: str, folders: Iterable[Path]) -> SourceFace:
    if len(tokens) not in (197, 207):
        raise LeftOut("wrong number of tokens", where)
    values = numbers(tokens[:-1], where)
    image = _within(folders, tokens[-1], where)
    name = Path(tokens[-1]).with_suffix("").as_posix()
    return SourceFace(name, image, np.array(values[:196]).reshape(98, 2), where, tuple(values[196:200]) or None, split)


def _within(folders: Iterable[Path], name: str, where: str) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise LeftOut("picture not found", where)


def _lapa(src: Path) -> Found:
    root = src / "LaPa" if (src / "LaPa").is_dir() else src
    for part, split in (("train", "train"), ("val", "train"), ("test", "test")):
        if (root / part / "landmarks").is_dir() and (root / part / "images").is_dir():
            pictures = _pictures(root / part / "images")
            for file in sorted((root / part / "landmarks").glob("*.txt")):
                yield attempt(_jd_face, file, pictures.get(file.stem), None, src, split)


def _jd106(src: Path) -> Found:
    for folder in sorted(path.parent for path in src.rglob("landmark") if path.is_dir()):
        if not (folder / "picture").is_dir():
            continue
        pictures = _pictures(folder / "picture")
        for file in sorted((folder / "landmark").glob("*.txt")):
            stem = Path(file.stem).stem if Path(file.stem).suffix.lower() in SUFFIXES else file.stem
            boxes = (folder / "rect" / name for name in (f"{file.stem}.rect", f"{stem}.rect"))
            yield attempt(_jd_face, file, pictures.get(stem), next((box for box in boxes if box.is_file()), None), src)


def _jd_face(file: Path, image: Path | None, box: Path | None, src: Path, split: str | None = None) -> SourceFace:
    (number, first), *rest = read_lines(file)
    if first != ["106"]:
        raise LeftOut("wrong number of points", f"{file}:{number}")
    points = pairs(rest, 106, file, number)
    if image is None:
        raise LeftOut("picture not found", str(file))
    ordered = np.empty_like(points)
    ordered[JD_TO_106] = points
    return SourceFace(_name(image, src), image, ordered, str(file), _rect(box) if box else None, split)


def _rect(file: Path) -> tuple[float, ...]:
    lines = read_lines(file)
    values = numbers([token for _, tokens in lines for token in tokens], f"{file}:{lines[0][0]}")
    if len(values) != 4:
        raise LeftOut("box is not of four numbers", f"{file}:{lines[0][0]}")
    return tuple(values)


def _bbox106(src: Path) -> Found:
    file = src / "bbox_landmark.txt"
    if file.is_file():
        yield from _list(file, lambda tokens, where: _bbox106_face(tokens, where, src))


def _bbox106_face(tokens: list[str], where: str, src: Path) -> SourceFace:
    if len(tokens) != 217:
        raise LeftOut("wrong number of tokens", where)
    values = numbers(tokens[1:], where)
    image = _within((src / "imgs", src), tokens[0], where)
    return SourceFace(_name(image, src), image, np.array(values[4:]).reshape(106, 2), where, tuple(values[:4]))


FORMATS: Mapping[str, Format] = {
    "ibug": Format(68, "*.pts files", _ibug, shots=True, origin=0.5),
    "wflw": Format(98, "list_98pt_rect_attr_train.txt and list_98pt_rect_attr_test.txt", _wflw),
    "lapa": Format(106, "train, val and test with images/*.jpg and landmarks/*.txt", _lapa),
    "jd106": Format(106, "picture/*.jpg beside landmark/*.txt", _jd106, shots=True),
    "bbox106": Format(106, "bbox_landmark.txt", _bbox106),
}
