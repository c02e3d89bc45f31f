"""``data prepare``: links, images with the same name, and unused files: no file of a source is ignored silently."""

import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import source_faces
from source_faces import PEOPLE, contents, ibug, in_jd_order, lines, make, names, picture, pts, view, write

from fbnet_pfld.evaluators.data.prepare import PrepareOptions, prepare
from fbnet_pfld.evaluators.data.walk import walk
from fbnet_pfld.search_space import InputError


def everybody(out: Path) -> list[str]:
    return sorted(names(out, "train") + names(out, "test"))


def listed(out: Path, what: str) -> list[tuple[str, ...]]:
    with open(out / "left_out.csv", newline="") as file:
        return [tuple(row[1:]) for row in csv.reader(file) if row[0] == what]


@pytest.fixture
def linked(tmp_path):
    """Two people in the source, two in a linked folder, one in linked files; links to parent folders, and broken links."""
    src, away = ibug(tmp_path / "src", ("ann_0", "ann_1", "bob_0")), tmp_path / "away"
    ibug(away / "more", ("cleo_0", "dan_0"))
    ibug(away, ("eve_0",))
    (src / "linked").symlink_to(away / "more")
    for suffix in ("png", "pts"):
        (src / f"eve_0.{suffix}").symlink_to(away / f"eve_0.{suffix}")
    (src / "loop").symlink_to(src)
    (away / "more" / "up").symlink_to(src / "linked")
    (src / "gone.pts").symlink_to(tmp_path / "nowhere.pts")
    (src / "itself.png").symlink_to("itself.png")
    return src


def test_links_are_followed_and_loops_end(linked, tmp_path):
    record = make(linked, tmp_path / "out")
    assert everybody(tmp_path / "out") == ["ann_0", "ann_1", "bob_0", "cleo_0", "dan_0", "eve_0"]
    assert record["left_out"] == {}
    assert record["unused"] == {
        "broken link": {"files": 2, "first": f"{linked}/gone.pts"},
        "linked folder that is read under another path": {"files": 2, "first": f"{linked}/linked/up"},
    }
    assert listed(tmp_path / "out", "file") == [
        ("broken link", f"{linked}/gone.pts", ""),
        ("broken link", f"{linked}/itself.png", ""),
        ("linked folder that is read under another path", f"{linked}/linked/up", ""),
        ("linked folder that is read under another path", f"{linked}/loop", ""),
    ]


def test_a_source_that_is_a_link_and_a_relative_one_are_the_same(linked, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(linked)
    monkeypatch.chdir(tmp_path)
    for number, src in enumerate((linked, tmp_path / "link", Path("src"), Path("./away/../src"))):
        make(src, tmp_path / str(number))
        assert contents(tmp_path / str(number) / "train_data") == contents(tmp_path / "0" / "train_data")


def test_a_face_that_is_found_twice_is_used_once(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    for suffix in ("png", "pts"):
        (src / f"zoe_0.{suffix}").symlink_to(src / f"ann_0.{suffix}")  # the same face under a name from the other split
    picture(src / "yan_0.png", 9)
    write(src / "yan_0.pts", pts(view(68, 9)))
    (src / "xia_0.png").symlink_to(src / "yan_0.png")  # one photograph with two faces is one identity
    write(src / "xia_0.pts", pts(view(68, 8)))
    for seed in range(5):
        out = tmp_path / str(seed)
        record = make(src, out, seed=seed)
        assert everybody(out) == sorted((*PEOPLE, "xia_0", "yan_0"))
        assert record["left_out"]["face that the source contains twice"] == {
            "faces": 1,
            "first": f"{src}/zoe_0.pts (the same as {src}/ann_0.pts)",
        }
        assert not any(
            {"xia_0", "yan_0"} & set(names(out, side)) and not {"xia_0", "yan_0"} <= set(names(out, side))
            for side in ("train", "test")
        )


def test_folders_that_are_read_under_another_path_serve_where_they_are_linked(tmp_path):
    """Both images and landmarks of LaPa's training data are elsewhere in the source."""
    src = source_faces.lapa(tmp_path / "src")
    for name in ("images", "landmarks"):
        (src / "train" / name).rename(src / f"all_{name}")
        (src / "train" / name).symlink_to(f"../all_{name}")
    record = prepare(src, tmp_path / "out", PrepareOptions("lapa"))
    assert (names(tmp_path / "out", "train"), names(tmp_path / "out", "test")) == (["a_0", "b_0"], ["c_0"])
    assert list(record["unused"]) == ["linked folder that is read under another path"]


def test_the_walk_prefers_real_folders_and_is_in_the_order_of_names(tmp_path):
    for name in ("b/c", "b-c", "b/a", "z/y/x"):
        write(tmp_path / "src" / name, name)
    (tmp_path / "src" / "a").symlink_to("z")
    (tmp_path / "above").symlink_to(tmp_path)
    (tmp_path / "src" / "q").symlink_to(tmp_path / "above")
    write(tmp_path / "other" / "file", "")
    tree = walk(tmp_path / "src")
    assert list(tree.files) == ["b/a", "b/c", "b-c", "q/other/file", "z/y/x"]
    assert tree.same == {"a": "z", "q/src": "", "q/above": "q"}


MASK = np.zeros((96, 96, 3), np.uint8)


def test_of_two_images_of_one_name_none_is_chosen_in_silence(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    for name in ("ann_0", "bob_0"):
        cv2.imwrite(str(src / f"{name}.jpg"), MASK)
    record = make(src, tmp_path / "out")
    assert everybody(tmp_path / "out") == ["ann_1", "cleo_0", "dan_0", "dan_1"]
    assert record["left_out"] == {
        "several images with the same name": {
            "faces": 2,
            "first": f"{src}/ann_0.pts (ann_0.jpg and ann_0.png; --image-suffix chooses one kind)",
        }
    }
    assert record["unused"] == {}
    for suffix in (".png", "PNG"):
        out = tmp_path / suffix
        record = make(src, out, image_suffix=suffix)
        assert everybody(out) == sorted(PEOPLE)
        assert record["unused"] == {"image that is not .png": {"files": 2, "first": f"{src}/ann_0.jpg"}}
        assert all(cv2.imread(str(image)).std() > 20 for image in out.rglob("*.jpg"))


def test_the_whole_name_of_an_image_leaves_no_doubt(tmp_path):
    src = source_faces.jd106(tmp_path / "src")
    cv2.imwrite(str(src / "picture" / "AFW_1_1_0.png"), MASK)
    record = make(src, tmp_path / "out", format="jd106")
    assert record["left_out"] == {}
    assert record["unused"] == {"image without annotation": {"files": 1, "first": f"{src}/picture/AFW_1_1_0.png"}}
    (src / "landmark" / "AFW_1_1_0.jpg.txt").rename(src / "landmark" / "AFW_1_1_0.txt")
    record = make(src, tmp_path / "again", format="jd106", test_fraction=0.5)
    assert list(record["left_out"]) == ["several images with the same name"]


# file -> reason why it is not used
UNUSED = {
    "alone.jpg": "image without annotation",
    "sub/alone.WEBP": "image without annotation",
    "phone.heic": "image in an unsupported format",
    "vid.avi": "video; extract its frames as images",
    "lfpw.zip": "archive; unpack it",
    "readme.txt": "not part of this format",
    ".DS_Store": "not part of this format",
    "sub/.hidden.jpg": "not part of this format",
    "boxes.mat": "not part of this format",
    "no_suffix": "not part of this format",
}


def test_files_that_are_not_used_are_listed_each_with_its_reason(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    for name in UNUSED:
        write(src / name, "")
    os.mkfifo(src / "pipe.pts")  # would block a reader
    (src / "folder.pts").mkdir()
    record = make(src, tmp_path / "out")
    assert everybody(tmp_path / "out") == sorted(PEOPLE)
    expected = {(reason, f"{src}/{name}", "") for name, reason in {**UNUSED, "pipe.pts": "not a regular file"}.items()}
    assert set(listed(tmp_path / "out", "file")) == expected
    assert sum(entry["files"] for entry in record["unused"].values()) == len(expected)
    for reason, entry in record["unused"].items():
        assert (reason, entry["first"], "") in expected


def test_suffixes_and_folders_of_any_case_are_read(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    (src / "ann_0.pts").rename(src / "ann_0.PTS")
    (src / "ann_1.png").rename(src / "ann_1.PNG")
    cv2.imwrite(str(src / "bob_0.webp"), cv2.imread(str(src / "bob_0.png")))
    cv2.imwrite(str(src / "cleo_0.tif"), cv2.imread(str(src / "cleo_0.png")))
    for name in ("bob_0", "cleo_0"):
        (src / f"{name}.png").unlink()
    record = make(src, tmp_path / "out")
    assert (record["left_out"], record["unused"]) == ({}, {})
    assert everybody(tmp_path / "out") == sorted(PEOPLE)
    jd = source_faces.jd106(tmp_path / "jd")
    for folder, suffix, upper in (("picture", ".jpg", ".JPG"), ("landmark", ".txt", ".TXT"), ("rect", ".rect", ".RECT")):
        for file in list((jd / folder).iterdir()):
            file.rename(file.with_name(file.name.removesuffix(suffix) + upper))
        (jd / folder).rename(jd / folder.title())
    record = make(jd, tmp_path / "jd_out", format="jd106")
    assert len(everybody(tmp_path / "jd_out")) == 3
    assert (record["left_out"], record["unused"]) == ({}, {})


@pytest.mark.parametrize("name", ["lapa", "jd106"])
def test_folders_that_a_format_does_not_enter_are_counted(name, tmp_path):
    src = getattr(source_faces, name)(tmp_path / "src")
    landmarks = src / ("train/landmarks" if name == "lapa" else "landmark")
    text = f"106\n{lines(in_jd_order(view(106)))}\n"
    write(landmarks / "deeper" / "x_0.txt", text)
    write(src / "other" / "landmark" / "y_0.txt", text)  # without images beside
    picture(src / "val" / "images" / "z_0.jpg")
    record = prepare(src, tmp_path / "out", PrepareOptions(name, test_fraction=None if name == "lapa" else 0.4))
    assert len(everybody(tmp_path / "out")) == 3
    assert set(record["unused"]) == {"annotation in a folder that this format does not read", "image without annotation"}
    assert {Path(path).name for _, path, _ in listed(tmp_path / "out", "file")} == {"x_0.txt", "y_0.txt", "z_0.jpg"}


def test_a_box_without_annotation_is_counted(tmp_path):
    src = source_faces.jd106(tmp_path / "src")
    write(src / "rect" / "zoe_0.jpg.rect", "15 15 80 85")
    record = make(src, tmp_path / "out", format="jd106")
    assert record["unused"] == {"box without annotation": {"files": 1, "first": f"{src}/rect/zoe_0.jpg.rect"}}


def test_the_image_of_an_annotation_that_is_not_read_is_named(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    (src / "bob_0.png").rename(src / "bob_0.heic")
    record = make(src, tmp_path / "out")
    assert record["left_out"] == {
        "image not found": {"faces": 1, "first": f"{src}/bob_0.pts (bob_0.heic has an unsupported format)"}
    }


def test_folders_and_names_that_cannot_be_read_are_listed(tmp_path, monkeypatch):
    src = ibug(tmp_path / "src", PEOPLE)
    ibug(src / "closed", ("eve_0",))
    with open(os.fsencode(src) + b"/caf\xe9.pts", "w"):
        pass
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)  # the tests may run with permission to read every folder
    record = make(src, tmp_path / "out")
    assert record["unused"] == {
        "file name that is not UTF-8": {"files": 1, "first": f"{src}/caf\\xe9.pts"},
        "folder that cannot be read": {"files": 1, "first": f"{src}/closed"},
    }

    def all_closed(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", all_closed)
    with pytest.raises(InputError, match=r"src cannot be read: Permission denied"):
        make(src, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_set_never_lies_in_its_source_nor_replaces_it(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    (src / "door").symlink_to(tmp_path / "room")
    (tmp_path / "room").mkdir()
    make(src, tmp_path / "out")
    ibug(tmp_path / "out" / "raw", PEOPLE)
    before = contents(tmp_path)
    for out in (src / "out", tmp_path / "room" / "out", src / "door" / "out"):
        with pytest.raises(InputError, match=r"out is inside the source .*src; give a folder outside it"):
            make(src, out)
    with pytest.raises(InputError, match=r"the source .*out/raw is inside .*out; give a folder that does not contain it"):
        prepare(tmp_path / "out" / "raw", tmp_path / "out", PrepareOptions("ibug", test_fraction=0.4), overwrite=True)
    assert contents(tmp_path) == before


def test_a_face_with_points_outside_is_kept_if_one_says_so(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    picture(src / "eve_0.png", 6)
    points = view(68, 6, (48.0, 78.0))
    write(src / "eve_0.pts", pts(points))
    record = make(src, tmp_path / "out")
    assert record["left_out"] == {"points outside the image": {"faces": 1, "first": f"{src}/eve_0.pts"}}
    record = make(src, tmp_path / "kept", keep_outside=True)
    assert record["left_out"] == {}
    assert "eve_0" in everybody(tmp_path / "kept")
    share = 100 * (points[:, 1].max() - 0.5 - 96) / np.ptp(points, axis=0).max()
    assert record["notes"] == [f"faces with points outside their image: 1, by up to {share:.0f} % of the points' extent"]
    write(src / "eve_0.pts", pts(np.roll(points, 1, axis=0)))
    assert list(make(src, tmp_path / "checked", keep_outside=True)["left_out"]) == ["points in another order"]
