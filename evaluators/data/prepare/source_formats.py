"""The published formats of landmark data that can be read, by name.

``ibug``
    300W, 300VW, Menpo and others in their way: ``*.pts`` files anywhere beneath the source. The image of the same stem is
    beside its ``.pts`` file or, if that is in a folder such as ``annot``, in a folder such as ``image`` beside it
    (:data:`~.ibug.ANNOTATION_FOLDERS`, :data:`~.ibug.IMAGE_FOLDERS`). A ``.pts`` file has ``version: 1``, ``n_points: 68``,
    and 68 lines of x and y in braces. Coordinates count from 1: "the coordinates of the top left pixel in an image are x=1,
    y=1" (300-W, ibug.doc.ic.ac.uk). Files of 39 points, Menpo's profiles, are skipped.
``wflw``
    WFLW: the lists ``list_98pt_rect_attr_train.txt`` and ``list_98pt_rect_attr_test.txt`` (or ``list_98pt_train.txt`` and
    ``list_98pt_test.txt``, which have no boxes) anywhere beneath the source. A line is 196 coordinates, [left, upper, right
    and lower edge of the face, six attributes, which are not used,] and the image's path in the folder ``WFLW_images`` or in
    the source.
``pfld98``
    What the PFLD repositories make of WFLW: ``train_data/list.txt`` and ``test_data/list.txt`` (or in ``train`` and ``test``).
    A line is the image's path, 196 coordinates in parts of the image's width and height, six attributes and three angles.
    Attributes and angles are not used: the angles are found from the points, as for every format. Images are named
    ``NUMBER_PHOTOGRAPH_COPY``, by which copies of a face and faces of a photograph stay together.
``lapa``
    LaPa: ``{train,val,test}/images/NAME.jpg`` and ``{train,val,test}/landmarks/NAME.txt``, anywhere beneath the source. A
    landmark file has a line ``106``, and 106 lines of x and y in the order of JD. ``val`` goes to the training data.
``jd106``
    JD-landmark, the grand challenge of 106 points: folders ``picture``, ``landmark`` and, if there is one, ``rect`` side by
    side, anywhere beneath the source. ``picture/NAME.jpg`` has ``landmark/NAME.jpg.txt`` (or ``NAME.txt``; as LaPa's) and
    ``rect/NAME.jpg.rect`` (or ``NAME.rect``; left, upper, right and lower edge).
``bbox106``
    What the 106points set was made from: ``bbox_landmark.txt`` in the source. A line is the image's path in the folder
    ``imgs`` or in the source, left, upper, right and lower edge of the face, and 212 coordinates, in the order of 106points.
``pixels68``, ``pixels98``, ``pixels106``
    Any list of coordinates in pixels: ``list.txt`` in the source, or ``train_data/list.txt`` and ``test_data/list.txt`` (or
    in ``train`` and ``test``), which give the split. A line is the image's path, x and y of each point in the order of the
    layout of so many points (300W, WFLW, 106points) and, if it has them, three angles, which are not used.

**Images** have one of :data:`~fbnet_pfld.evaluators.data.images.SUFFIXES`. Where an annotation names its image by the stem
alone (``ibug``, ``lapa``, ``jd106``) and there are several, such as ``f0.jpg`` and a mask ``f0.png``, the face is skipped;
``--image-suffix .jpg`` chooses. Paths in the lists of ``pfld98`` and ``pixels`` start in the list's folder, its parent or the
source, or are absolute; a path from another machine is found by its end (last folder and name at least) if only one image has
it.

**Coordinates**: for other formats than ``ibug`` no source says where coordinates count from; they are taken as they are, a
pixel i reaching from i to i + 1 (``--origin``). They are taken to be those of the upright image, as ``cv2.imread`` and image
viewers show it by its EXIF orientation; ``--exif ignore`` takes them to be those of the pixels as the file stores them.

**Text** may be UTF-8 or, with a byte-order mark, UTF-16 or UTF-32; line ends may be those of any system; blanks, tabs,
semicolons and commas separate. The case of the suffixes of annotations and of the names of folders does not matter.

**Links** to files and folders are followed. A folder is read once; a face that is found twice is used once.

**The split** is that of ``--test-list`` or ``--test-fraction``, else the source's own: its lists, or its folders
(:func:`~.split.by_folders`), else a tenth of the faces. No identity is on both sides; who is on a face: :mod:`~.identity`.

Skipped faces are listed in ``left_out.csv``, with reason, file and line, and so is every file that is not used.

Another format is a :class:`Format`, whose ``read`` yields faces, and a call of :func:`register_format`.
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
    """A format.

    Attributes
    ----------
    points
        Landmarks of a face.
    looks_for
        What must be in a source for it to be one, for the message that there is none.
    read
        Yields the faces of a source.
    annotations
        Suffixes of its annotations, where they are known by their folders.
    identity
        Regular expression of the whole file name of an image without its suffix, if names tell apart images of one person or
        of one photograph: the group is the person's or the photograph's name.
    origin
        Coordinate of the left and the upper edge of an image.
    by_stem
        Whether an annotation names its image by the stem alone.
    own_split
        What gives the split, if a source always has one.
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


def register_format(name: str, form: Format) -> None:
    """Add a format under a name of its own, which ``PrepareOptions`` and ``data prepare --format`` then know.

    Raises
    ------
    InputError
        If the name is taken, or nothing is known of so many points.
    """
    if name in FORMATS:
        raise InputError(f"there is a format {name!r} already; give another name")
    if form.points not in KNOWN_POINTS:
        raise InputError(
            f"format {name!r} has {form.points} points; the average head has the points of the layouts of 68, 98 and 106"
        )
    FORMATS[name] = form
