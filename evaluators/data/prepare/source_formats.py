"""The supported formats of published landmark data, by name.

``ibug``
    300W, 300VW, Menpo and similar data sets: ``*.pts`` files anywhere below the source. The image with the same stem is beside
    its ``.pts`` file or, if that is in a folder such as ``annot``, in a folder such as ``image`` beside that folder
    (:data:`~.ibug.ANNOTATION_FOLDERS`, :data:`~.ibug.IMAGE_FOLDERS`). A ``.pts`` file has ``version: 1``, ``n_points: 68``,
    and 68 lines of x and y in braces. Coordinates count from 1: "the coordinates of the top left pixel in an image are x=1,
    y=1" (300-W, ibug.doc.ic.ac.uk). Files with 39 points, Menpo's profiles, are skipped.
``wflw``
    WFLW: the lists ``list_98pt_rect_attr_train.txt`` and ``list_98pt_rect_attr_test.txt`` (or ``list_98pt_train.txt`` and
    ``list_98pt_test.txt``, which have no boxes) anywhere below the source. A line contains 196 coordinates, [left, upper, right
    and lower edge of the face, six attributes, which are not used,] and the image's path in the folder ``WFLW_images`` or in
    the source.
``pfld98``
    WFLW as converted by the PFLD repositories: ``train_data/list.txt`` and ``test_data/list.txt`` (or in ``train`` and
    ``test``). A line contains the image's path, 196 coordinates as fractions of the image's width and height, six attributes
    and three angles. Attributes and angles are not used: angles are computed from the points, as for every format. Images are
    named ``NUMBER_PHOTOGRAPH_COPY``, which keeps copies of a face and faces of a photograph together.
``lapa``
    LaPa: ``{train,val,test}/images/NAME.jpg`` and ``{train,val,test}/landmarks/NAME.txt``, anywhere below the source. A
    landmark file has a line ``106``, and 106 lines of x and y in JD's order. ``val`` belongs to the training data.
``jd106``
    JD-landmark, the grand challenge of 106 points: folders ``picture``, ``landmark`` and optionally ``rect`` side by side,
    anywhere below the source. ``picture/NAME.jpg`` has ``landmark/NAME.jpg.txt`` (or ``NAME.txt``; as in LaPa) and
    ``rect/NAME.jpg.rect`` (or ``NAME.rect``; left, upper, right and lower edge).
``bbox106``
    The list from which the 106points set was made: ``bbox_landmark.txt`` in the source. A line contains the image's path in the
    folder ``imgs`` or in the source, left, upper, right and lower edge of the face, and 212 coordinates in 106points order.
``pixels68``, ``pixels98``, ``pixels106``
    Any list of coordinates in pixels: ``list.txt`` in the source, or ``train_data/list.txt`` and ``test_data/list.txt`` (or
    in ``train`` and ``test``), which define the split. A line contains the image's path, x and y of each point in the order of
    the layout with that number of points (300W, WFLW, 106points), and optionally three angles, which are not used.

**Images** have one of :data:`~fbnet_pfld.evaluators.data.images.SUFFIXES`. If an annotation names its image only by the stem
(``ibug``, ``lapa``, ``jd106``) and several images have it, such as ``f0.jpg`` and a mask ``f0.png``, the face is skipped;
``--image-suffix .jpg`` chooses one. Paths in the lists of ``pfld98`` and ``pixels`` start in the list's folder, its parent or
the source, or are absolute; a path from another machine is found by its end (at least last folder and name) if only one image
matches.

**Coordinates**: no source except ``ibug`` defines the origin of its coordinates; they are used unchanged, with pixel i spanning
i to i + 1 (``--origin``). They refer to the upright image, as ``cv2.imread`` and image viewers show it by its EXIF orientation;
with ``--exif ignore``, they refer to the stored pixels.

**Text** may be UTF-8 or, with a byte-order mark, UTF-16 or UTF-32, with the line endings of any system and blanks, tabs,
semicolons or commas as separators. The case of annotation suffixes and folder names does not matter.

**Links** to files and folders are followed. Each folder is read once, and a face that is found twice is used once.

**The split** is that of ``--test-list`` or ``--test-fraction``, otherwise the source's own: its lists, or its folders
(:func:`~.split.by_folders`), otherwise a tenth of the faces. No identity is on both sides; see :mod:`~.identity`.

``left_out.csv`` lists skipped faces with reason, file and line, and all unused files.

To add a format, create a :class:`Format`, whose ``read`` yields faces, and call :func:`register_format`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ....search_space.errors import InputError
from ..layouts import KNOWN_POINTS
from . import ibug, jd, pixels, wflw
from .source import Source
from .source_face import Found

SHOTS = r"(.+)_[^_]*"
COPIES = r"\d+_(.+)_\d+"

BY_LISTS = "the source's own lists"
BY_FOLDERS = "the source's folders"


@dataclass(frozen=True)
class Format:
    """A format of published landmark data.

    Attributes
    ----------
    points
        Number of landmarks per face.
    looks_for
        Files that identify the format, for the message if a source has none.
    read
        Function that yields the faces of a source.
    annotations
        Suffixes of its annotations, if their folders identify them.
    identity
        Regular expression for an image's whole file name without suffix, if names group images of one person or one photograph;
        the group is the name of the person or photograph.
    origin
        Coordinate of the left and upper edge of an image.
    by_stem
        Whether annotations name images only by the stem.
    own_split
        Description of the source's own split.
    """

    points: int
    looks_for: str
    read: Callable[[Source], Found]
    annotations: tuple[str, ...] = ()
    identity: str | None = None
    origin: float = 0.0
    by_stem: bool = False
    own_split: str = BY_LISTS


def _pixels(num_points: int) -> Format:
    return Format(
        num_points,
        "list.txt, or train_data/list.txt and test_data/list.txt",
        partial(pixels.read_pixels, num_points=num_points),
    )


FORMATS: dict[str, Format] = {
    "ibug": Format(68, "*.pts files", ibug.read, identity=SHOTS, origin=0.5, by_stem=True),
    "wflw": Format(98, "list_98pt_rect_attr_train.txt and list_98pt_rect_attr_test.txt", wflw.read_wflw),
    "pfld98": Format(98, "train_data/list.txt and test_data/list.txt", wflw.read_pfld98, identity=COPIES),
    "lapa": Format(
        106,
        "train, val and test with images/*.jpg and landmarks/*.txt",
        jd.read_lapa,
        (".txt",),
        by_stem=True,
        own_split=BY_FOLDERS,
    ),
    "jd106": Format(106, "picture/*.jpg beside landmark/*.txt", jd.read_jd106, (".txt", ".rect"), identity=SHOTS, by_stem=True),
    "bbox106": Format(106, "bbox_landmark.txt", pixels.read_bbox106),
    "pixels68": _pixels(68),
    "pixels98": _pixels(98),
    "pixels106": _pixels(106),
}
"""Name -> format."""


def register_format(name: str, form: Format) -> None:
    """Add a format under a new name, which ``PrepareOptions`` and ``data prepare --format`` then accept.

    Parameters
    ----------
    name
        Name of the format.
    form
        The format.

    Raises
    ------
    InputError
        If the name is taken, or the number of points is not 68, 98 or 106.
    """
    if name in FORMATS:
        raise InputError(f"format {name!r} already exists; choose another name")
    if form.points not in KNOWN_POINTS:
        raise InputError(
            f"format {name!r} has {form.points} points; the average head supports only layouts with 68, 98 and 106 points"
        )
    FORMATS[name] = form
