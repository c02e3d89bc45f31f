"""``data prepare``: orientation of images, by EXIF's own definition."""

import struct
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
from source_faces import SIDE, contents, make, pts, view, write

from fbnet_pfld.evaluators import LandmarkDataset
from fbnet_pfld.evaluators.data.exif import orientation
from fbnet_pfld.evaluators.data.images import decode_content
from fbnet_pfld.evaluators.data.prepare import PrepareOptions, prepare
from fbnet_pfld.search_space import InputError

# orientation -> visible position of the stored image's first row and first column (EXIF 2.3, tag 274)
SEEN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
ORDERS = {"II": "<", "MM": ">"}
HEIGHT, WIDTH = 40, 56


def to_upright(stored: np.ndarray, value: int, width: float, height: float) -> np.ndarray:
    """Map points (n, 2), x and y, from the stored image to the upright image of ``width`` and ``height``."""
    row, column = SEEN[value]
    upright = np.empty_like(stored)
    for side, distance in ((row, stored[:, 1]), (column, stored[:, 0])):
        axis, end = {"top": (1, 0), "bottom": (1, height), "left": (0, 0), "right": (0, width)}[side]
        upright[:, axis] = abs(end - distance)
    return upright


def as_stored(upright: np.ndarray, value: int) -> np.ndarray:
    """Return the pixels of an image as stored in a file with an orientation."""
    height, width = upright.shape[:2]
    size = (width, height) if SEEN[value][0] in ("left", "right") else (height, width)
    y, x = np.mgrid[: size[0], : size[1]]
    middles = to_upright(np.stack([x.ravel(), y.ravel()], 1) + 0.5, value, width, height)
    columns, rows = (middles - 0.5).astype(int).T
    return upright[rows, columns].reshape(*size, 3)


def tag(value: int, order: str) -> bytes:
    """EXIF data with an orientation between two other tags."""
    mark = ORDERS[order]
    entries = struct.pack(f"{mark}HHI4s", 0x010F, 2, 2, b"a") + struct.pack(f"{mark}HHIHH", 0x0112, 3, 1, value, 0)
    entries += struct.pack(f"{mark}HHIHH", 0x0128, 3, 1, 2, 0)
    return order.encode() + struct.pack(f"{mark}HIH", 42, 8, 3) + entries + bytes(4)


def encoded(suffix: str, image: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(suffix, image, options)[1].tobytes()


def jpeg(image: np.ndarray, exif: bytes) -> bytes:
    content = encoded(".jpg", image, cv2.IMWRITE_JPEG_QUALITY, 100)
    segment = b"Exif\0\0" + exif
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content[2:]


def png(image: np.ndarray, exif: bytes) -> bytes:
    content = encoded(".png", image)
    chunk = b"eXIf" + exif
    return content[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]


def webp(image: np.ndarray, exif: bytes) -> bytes:
    height, width = image.shape[:2]
    head = struct.pack("<II", 0x08, 0)[:4] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + head + encoded(".webp", image, cv2.IMWRITE_WEBP_QUALITY, 101)[12:]
    body += b"EXIF" + struct.pack("<I", len(exif)) + exif + bytes(len(exif) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(image: np.ndarray, exif: bytes) -> bytes:
    """An uncompressed TIFF file with the orientation of the EXIF data."""
    mark = ORDERS[exif[:2].decode()]
    height, width = image.shape[:2]
    pixels = image[..., ::-1].tobytes()
    values = {256: width, 257: height, 258: 8, 259: 1, 262: 2, 273: 8, 274: orientation(exif), 277: 3, 278: height}
    entries = b"".join(
        struct.pack(f"{mark}HHII", key, 4, 1, value)
        if key in (256, 257, 273, 278)
        else struct.pack(f"{mark}HHIHH", key, 3, 3 if key == 258 else 1, value, 0)
        for key, value in values.items()
    )
    entries = entries.replace(
        struct.pack(f"{mark}HHIHH", 258, 3, 3, 8, 0), struct.pack(f"{mark}HHII", 258, 3, 3, 8 + len(pixels))
    )
    entries += struct.pack(f"{mark}HHII", 279, 4, 1, len(pixels))
    bits = struct.pack(f"{mark}HHH", 8, 8, 8)
    start = 8 + len(pixels) + len(bits)
    return exif[:2] + struct.pack(f"{mark}HI", 42, start) + pixels + bits + struct.pack(f"{mark}H", 10) + entries + bytes(4)


WRITERS = {"jpg": (jpeg, 16), "png": (png, 0), "webp": (webp, 0), "tif": (tiff, 0)}
"""Suffix -> function that writes such a file, and the tolerance of its pixels."""


@pytest.fixture(scope="module")
def upright() -> np.ndarray:
    coarse = np.random.default_rng(3).integers(0, 255, (5, 7, 3), np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("value", SEEN)
@pytest.mark.parametrize("suffix", WRITERS)
def test_images_are_upright_or_as_they_are_stored(suffix, value, order, upright):
    writer, slack = WRITERS[suffix]
    stored = as_stored(upright, value)
    content = writer(stored, tag(value, order))
    for wanted, way in ((upright, True), (stored, False)):
        decoded = decode_content(content, way)
        assert decoded.orientation == value
        assert decoded.image.shape == wanted.shape
        assert np.abs(decoded.image.astype(int) - wanted).max() <= slack


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xe1\xff\xffExif\0\0II",
        b"\xff\xd8\xff\xe1\0\x08Exif\0\0",
        b"\x89PNG\r\n\x1a\n\0\0\0",
        b"\x89PNG\r\n\x1a\n\0\0\0\x04eXIfII*\0",
        b"RIFF\0\0\0\0WEBPEXIF\xff\xff\xff\xff",
        b"II*\0\xff\xff\xff\x7f",
        b"MM\0*",
        b"II*\0\x08\0\0\0\xff\xff",
        tag(0, "II"),
        tag(9, "MM"),
        b"text",
    ],
)
def test_damaged_or_senseless_tags_are_no_orientation(content):
    assert orientation(content) == 1


@pytest.fixture
def photographs(tmp_path):
    """One upright face in a file of each orientation, with points for the upright and the stored image; and one untagged."""
    coarse = np.random.default_rng(1).integers(0, 255, (8, 8, 3), np.uint8)
    image = cv2.resize(coarse, (SIDE + 30, SIDE), interpolation=cv2.INTER_CUBIC)
    points = view(68, 1, (58.0, 50.0))
    (tmp_path / "upright").mkdir()
    (tmp_path / "stored").mkdir()
    for value in SEEN:
        content = png(as_stored(image, value), tag(value, "MM"))
        # inverse: for each stored orientation, the points whose upright position is that of the face
        grid = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        corner, right, down = to_upright(grid, value, SIDE + 30, SIDE)
        stored = (points - corner) @ np.linalg.inv(np.stack([right - corner, down - corner]))
        for folder, labels in (("upright", points), ("stored", stored)):
            (tmp_path / folder / f"f{value}_0.png").write_bytes(content)
            write(tmp_path / folder / f"f{value}_0.pts", pts(labels))
    return tmp_path


def crops(out):
    data = {side: LandmarkDataset(out, side, num_points=68) for side in ("train", "test")}
    return {
        name.rsplit("/", 1)[1][7:9]: (each.images[k], each.points[k])
        for each in data.values()
        for k, name in enumerate(each.names)
    }


def test_labels_of_the_upright_image_fit_by_default(photographs):
    record = make(photographs / "upright", photographs / "out", origin=0.0)
    found = crops(photographs / "out")
    assert sorted(found) == [f"f{value}" for value in SEEN]
    for image, points in found.values():
        assert (image == found["f1"][0]).all()
        assert (points == found["f1"][1]).all()
    assert record["exif"] == "apply"
    assert record["notes"][1:] == [
        "images with an EXIF orientation, which is applied: 7, such as "
        f"{photographs}/upright/f2_0.png; if their points do not fit, try --exif ignore"
    ]


def test_labels_of_the_stored_pixels_fit_when_the_orientation_is_ignored(photographs):
    """The points reveal faces that the orientation mirrors."""
    record = make(photographs / "stored", photographs / "out", origin=0.0, exif="ignore")
    found = crops(photographs / "out")
    assert sorted(found) == ["f1", "f3", "f6", "f8"]
    assert record["left_out"]["points mirrored, or x and y swapped"]["faces"] == 4
    face = found["f1"][0].permute(1, 2, 0).numpy().astype(int)
    for name, turns in (
        ("f3", 2),
        ("f6", 1),
        ("f8", 3),
    ):  # crops of the stored pixels, which show the face after rotation by 90 degrees
        turned = np.rot90(found[name][0].permute(1, 2, 0).numpy(), -turns)
        assert np.abs(turned - face).mean() < 2
        assert np.abs(turned - face[::-1]).mean() > 20
    assert record["notes"][1:] == [
        "images with an EXIF orientation, which is ignored: 7, such as "
        f"{photographs}/stored/f2_0.png; if their points do not fit, try --exif apply"
    ]


def test_a_stopped_run_keeps_what_it_knows_of_orientations(photographs):
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    src = photographs / "upright"
    options = PrepareOptions("ibug", test_fraction=0.4, keep_outside=True)
    whole = prepare(src, photographs / "whole", options)
    with pytest.raises(KeyboardInterrupt):
        prepare(src, photographs / "out", options, progress=stop)
    other = replace(options, exif="ignore")
    with pytest.raises(InputError, match=r"unfinished data set with another exif \('apply', now 'ignore'\)"):
        prepare(src, photographs / "out", other)
    assert prepare(src, photographs / "out", options) == whole
    assert contents(photographs / "out") == contents(photographs / "whole")


@pytest.mark.parametrize(
    ("labels", "rule", "told"),
    [
        ("stored", "apply", "2 of their 2 faces lie on their side or upside down, so --exif ignore is probably right"),
        ("upright", "ignore", "3 of their 3 faces are upright in rotated images, so --exif apply is probably right"),
    ],
)
def test_the_other_rule_is_suggested_where_points_lie_on_their_side(labels, rule, told, photographs, run, capfd):
    for value in (2, 4, 5, 7):  # mirrored images, for which neither rule leaves anything to compare
        for suffix in ("png", "pts"):
            (photographs / labels / f"f{value}_0.{suffix}").unlink()
    if labels == "upright":
        for value in (6, 8):
            write(photographs / labels / f"f{value}_0.pts", pts(view(68, 1, (50.0, 50.0))))  # inside both images
    assert (
        run(
            "data",
            "prepare",
            photographs / labels,
            photographs / "out",
            "--format",
            "ibug",
            "--origin",
            "0",
            "--test-fraction",
            "0.5",
            "--exif",
            rule,
        )
        == 0
    )
    assert told in capfd.readouterr().err
