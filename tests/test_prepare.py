"""``data prepare``: every format, valid and broken, and the split."""

import csv
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import source_faces
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from source_faces import BOX, PEOPLE, contents, ibug, in_jd_order, lines, make, names, picture, pts, row, view, write

from fbnet_pfld.evaluators import LandmarkDataset
from fbnet_pfld.evaluators.data.prepare import FORMATS, PrepareOptions, prepare
from fbnet_pfld.evaluators.data.prepare.crop import cut
from fbnet_pfld.evaluators.data.prepare.identity import identities
from fbnet_pfld.evaluators.data.prepare.source_face import SourceFace
from fbnet_pfld.evaluators.data.prepare.split import by_fraction


@pytest.mark.parametrize("name", FORMATS)
def test_points_are_those_of_the_source_in_the_crop(name, tmp_path):
    """The crop is 1.2 times the extent around its centre; here the points' extent is 60 around (48, 50) in each picture."""
    points = FORMATS[name].points
    src = tmp_path / "src"
    if name == "ibug":
        ibug(src / "deep", PEOPLE)
    else:
        getattr(source_faces, name)(src)
    own_split = name in ("wflw", "lapa", "pfld98")
    record = prepare(src, tmp_path / "out", PrepareOptions(name, test_fraction=None if own_split else 0.4))
    assert (record["left_out"], record["unused"]) == ({}, {})
    assert record["split"] == (
        "fraction 0.4" if not own_split else "the source's folders" if name == "lapa" else "the source's own lists"
    )
    origin = 0.5 if name == "ibug" else 0.0
    found = 0
    for split in ("train", "test"):
        data = LandmarkDataset(tmp_path / "out", split, num_points=points)
        for path, got in zip(data.names, data.points.numpy(), strict=True):
            middle = (got.min(axis=0) + got.max(axis=0)) / 2
            assert np.abs(middle - 0.5).max() < 1e-4
            assert np.ptp(got, axis=0).max() == pytest.approx(1 / 1.2, abs=1e-4)
            errors = [
                np.abs(got - ((view(points, seed) - origin - (48 - origin, 50 - origin)) / 72 + 0.5)).max()
                for seed in range(len(PEOPLE))
            ]
            assert min(errors) < 1e-4, path
            found += 1
        assert len(data) == record[split]["faces"] == record[split]["pictures"]
    assert (
        found
        == {
            "ibug": 6,
            "wflw": 4,
            "lapa": 3,
            "jd106": 3,
            "bbox106": 3,
            "pfld98": 4,
            "pixels68": 3,
            "pixels98": 3,
            "pixels106": 3,
        }[name]
    )


def test_the_order_of_jd_is_converted(tmp_path):
    """Indices in JD's published scheme (chin 16, tip 54, outer eye corners 66 and 79, corners of the mouth 84 and 90)."""
    source_faces.lapa(tmp_path / "src")
    prepare(tmp_path / "src", tmp_path / "out", PrepareOptions("lapa"))
    text = (tmp_path / "src" / "test" / "landmarks" / "c_0.txt").read_text().splitlines()[1:]
    jd = np.array([line.split() for line in text], dtype=float)
    points = LandmarkDataset(tmp_path / "out", "test").points[0].numpy()
    for theirs, ours in ((16, 0), (54, 86), (66, 35), (79, 93), (84, 52), (90, 61)):
        assert np.abs((jd[theirs] - (48, 50)) / 72 + 0.5 - points[ours]).max() < 1e-4


def good_pts(change):
    return pts(change(view(68, 9)))


def edited(number: int, text: str) -> str:
    split = pts(view(68, 9)).splitlines()
    split[number - 1] = text
    return "\n".join(split) + "\n"


def scattered(points):
    return np.random.default_rng(0).permutation(points)


# name -> the .pts file, the reason, the line
BROKEN_PTS = {
    "count": (pts(view(68, 9)[:67]), "wrong number of points", ":2"),
    "profile": (pts(view(68, 9)[:39]), "wrong number of points", ":2"),
    "short": (edited(40, ""), "wrong number of points", ":2"),
    "more": (pts(view(68, 9)) + "{\n", "no points in braces", ":73"),
    "after": (pts(view(68, 9)) + "1 2\n", "text after the points", ":73"),
    "braces": (pts(view(68, 9)).replace("}", ""), "no points in braces", ":71"),
    "word": (edited(10, "12 left"), "coordinate is not a number", ":10"),
    "nan": (edited(11, "12 nan"), "coordinate is not finite", ":11"),
    "triple": (edited(12, "12 13 14"), "line is not a pair of coordinates", ":12"),
    "empty": ("", "annotation is empty", ":1"),
    "damaged": (b"\xff\xfe\x00", "annotation is not text", ""),
    "image": (b"\x89PNG\r\n\x1a\n\0\0", "annotation is not text", ""),
    "swapped": (good_pts(lambda p: p[:, ::-1]), "points mirrored, or x and y swapped", ""),
    "mirrored": (good_pts(lambda p: (96, 0) + p * (-1, 1)), "points mirrored, or x and y swapped", ""),
    "shuffled": (good_pts(scattered), "points in another order", ""),
    "offbyone": (good_pts(lambda p: np.roll(p, 1, axis=0)), "points in another order", ""),
    "outside": (good_pts(lambda p: p + (40, 0)), "points outside the image", ""),
    "same": (good_pts(lambda p: p * 0 + 50), "points without extent", ""),
    "line": (good_pts(lambda p: p * (1, 0) + (0, 50)), "points without extent", ""),
}


def check_left_out(record, out, expected):
    """``expected``: (reason, file and line) of each face."""
    with open(out / "left_out.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["what", "reason", "where", "detail"]
    faces = [(reason, where) for what, reason, where, _ in rows[1:] if what == "face"]
    assert sorted(faces) == sorted(expected)
    counts = Counter(reason for reason, _ in expected)
    assert {reason: entry["faces"] for reason, entry in record["left_out"].items()} == counts
    for reason, entry in record["left_out"].items():
        assert (reason, entry["first"].split(" (")[0]) in expected
    assert json.loads((out / "prepared.json").read_text()) == record


def test_broken_pts_files_are_left_out_each_with_its_reason(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    expected = []
    for name, (text, reason, line) in BROKEN_PTS.items():
        picture(src / f"{name}_0.jpg")
        (src / f"{name}_0.pts").write_bytes(text if isinstance(text, bytes) else text.encode())
        expected.append((reason, f"{src}/{name}_0.pts{line}"))
    write(src / "lonely_0.pts", pts(view(68)))
    for name, data in (("text", b"no picture"), ("nothing", b"")):
        (src / f"{name}_0.jpg").write_bytes(data)
        write(src / f"{name}_0.pts", pts(view(68)))
        expected.append(("image cannot be decoded", f"{src}/{name}_0.pts"))
    expected.append(("image not found", f"{src}/lonely_0.pts"))
    record = make(src, tmp_path / "out", test_list=write_list(tmp_path, "dan"), test_fraction=None)
    check_left_out(record, tmp_path / "out", expected)
    assert sorted(names(tmp_path / "out", "train") + names(tmp_path / "out", "test")) == sorted(PEOPLE)


def write_list(folder: Path, *entries: str) -> Path:
    write(folder / "list.txt", "\n".join(entries) + "\n")
    return folder / "list.txt"


# name -> the box, the reason
BROKEN_BOXES = {
    "far": ("0 0 12 12", "points far from their box", ""),
    "area": ("40 20 40 80", "box without area", ""),
    "turned": ("80 85 15 15", "box without area", ""),
    "off": ("200 20 300 80", "box outside the image", ""),
    "three": ("15 15 80", "box does not have four numbers", ":1"),
    "inf": ("15 15 inf 85", "coordinate is not finite", ":1"),
    "none": ("", "annotation is empty", ":1"),
}


def test_broken_boxes_and_106_line_files_are_left_out(tmp_path):
    src = source_faces.jd106(tmp_path / "src", ("a_0", "b_0", "c_0", *(f"{name}_0" for name in BROKEN_BOXES), "p_0", "q_0"))
    (src / "rect" / "a_0.jpg.rect").unlink()
    (src / "landmark" / "b_0.jpg.txt").rename(src / "landmark" / "b_0.txt")
    expected = []
    for name, (box, reason, line) in BROKEN_BOXES.items():
        write(src / "rect" / f"{name}_0.jpg.rect", box)
        file = f"rect/{name}_0.jpg.rect" if line else f"landmark/{name}_0.jpg.txt"
        expected.append((reason, f"{src}/{file}{line}"))
    write(src / "landmark" / "p_0.jpg.txt", f"105\n{lines(view(106)[:105])}\n")
    write(src / "landmark" / "q_0.jpg.txt", f"106\n{lines(view(106))}\n")  # in the order of 106points instead of JD's
    expected += [
        ("wrong number of points", f"{src}/landmark/p_0.jpg.txt:1"),
        ("points in another order", f"{src}/landmark/q_0.jpg.txt"),
    ]
    record = make(src, tmp_path / "out", format="jd106", test_list=write_list(tmp_path, "c"), test_fraction=None)
    check_left_out(record, tmp_path / "out", expected)
    assert (names(tmp_path / "out", "train"), names(tmp_path / "out", "test")) == (["a_0", "b_0"], ["c_0"])


def test_broken_lines_of_lists_are_left_out(tmp_path):
    src = source_faces.bbox106(tmp_path / "src", ("a", "b", "c"))
    file = src / "bbox_landmark.txt"
    good = row(BOX, view(106))
    broken = {
        "a.jpg 1 2 3": "wrong number of fields",
        f"none.jpg {good}": "image not found",
        "a.jpg nan " + good.split(" ", 1)[1]: "coordinate is not finite",
        f"a.jpg {row(BOX, in_jd_order(view(106)))}": "points in another order",
    }
    write(file, file.read_text() + "\n".join(broken) + "\n")
    record = make(src, tmp_path / "out", format="bbox106")
    check_left_out(record, tmp_path / "out", [(reason, f"{file}:{number}") for number, reason in enumerate(broken.values(), 4)])


def test_a_photograph_of_wflw_is_never_on_both_sides(tmp_path):
    src = source_faces.wflw(tmp_path / "src", train=("a", "b", "c"), test=("b", "d"))
    record = prepare(src, tmp_path / "out", PrepareOptions("wflw"))
    assert {name.split("_", 1)[0] for name in names(tmp_path / "out", "train")} == {"a", "c"}
    assert {name.split("_", 1)[0] for name in names(tmp_path / "out", "test")} == {"b", "d"}
    assert record["left_out"]["its identity is in the test data"]["first"].endswith("list_98pt_rect_attr_train.txt:2")


def test_the_lists_of_wflw_without_boxes_are_read_too(tmp_path):
    src = source_faces.wflw(tmp_path / "src")
    for split in ("train", "test"):
        file = src / "WFLW_annotations" / "lists" / f"list_98pt_rect_attr_{split}.txt"
        short = [" ".join([*line.split()[:196], line.split()[-1]]) for line in file.read_text().splitlines()]
        write(file.with_name(f"list_98pt_{split}.txt"), "\n".join(short))
    with_boxes = prepare(src, tmp_path / "a", PrepareOptions("wflw"))
    second = src / "WFLW_annotations" / "lists" / "list_98pt_test.txt"
    assert with_boxes["unused"] == {"list of faces that another list contains": {"files": 2, "first": str(second)}}
    for file in src.rglob("*rect_attr*"):
        file.unlink()
    assert prepare(src, tmp_path / "b", PrepareOptions("wflw")) == with_boxes | {"unused": {}}
    for name in ("train_data", "test_data"):
        assert contents(tmp_path / "a" / name) == contents(tmp_path / "b" / name)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.floats(0.05, 0.9), st.integers(0, 99))
def test_no_identity_is_on_both_sides_and_the_share_is_kept(people, fraction, seed):
    who = [f"id{person}" for person in people]
    splits = by_fraction(who, fraction, seed)
    train, test = ({who[i] for i in range(len(who)) if splits[i] == split} for split in ("train", "test"))
    assert not train & test
    assert splits.count("test") <= fraction * len(who)
    counts = Counter(who)
    wanting = fraction * len(who) - splits.count("test")
    assert all(counts[identity] > wanting for identity in train)  # no further identity would fit
    order = np.random.default_rng(seed).permutation(len(who))
    again = by_fraction([who[i] for i in order], fraction, seed)
    assert again == [splits[i] for i in order]


def test_numbers_that_count_pictures_are_no_shots_of_one_person():
    def face(name):
        return SourceFace(name, Path(name), np.zeros((68, 2)), name)

    found = identities(
        [face(name) for name in ("afw/image_0001", "x/indoor_002", "2908549_1", "id007_03", "image_003_1")], FORMATS["ibug"]
    )
    assert found == ["afw/image_0001", "x/indoor_002", "2908549", "id007", "image_003"]


def test_a_huge_face_is_reduced_first_to_the_same_crop():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (6, 9, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (2700, 1800), interpolation=cv2.INTER_CUBIC)
    matrix = np.array([[112 / 1700, 0.004, -20.0], [-0.004, 112 / 1700, 3.0]])
    out = cut(image, matrix, 112).astype(float)
    grid = np.stack(np.meshgrid(np.arange(10, 100) + 0.5, np.arange(10, 100) + 0.5), -1)
    at = (grid - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T - 0.5
    inside = ((at > 0) & (at < (2698, 1798))).all(-1)
    expected = np.stack([map_coordinates(image[..., c].astype(float), [at[..., 1], at[..., 0]], order=1) for c in range(3)], -1)
    assert inside.sum() > 3000
    assert np.abs(out[10:100, 10:100] - expected)[inside].mean() < 1.5


def test_identities_by_name_by_pattern_and_by_list(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    for seed in range(4):
        make(src, tmp_path / f"{seed}", seed=seed)
        assert not {name[:3] for name in names(tmp_path / f"{seed}", "train")} & {
            name[:3] for name in names(tmp_path / f"{seed}", "test")
        }
    make(src, tmp_path / "pattern", identity=r"_(\d)$")
    assert {name[-1] for name in names(tmp_path / "pattern", "test")} == {"1"}
    make(src, tmp_path / "list", test_fraction=None, test_list=write_list(tmp_path, "bob", "", "ann_1.png"))
    assert names(tmp_path / "list", "test") == ["ann_0", "ann_1", "bob_0"]
