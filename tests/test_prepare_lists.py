"""``data prepare``: lists of the PFLD repositories, lists in pixels, and the search for their images."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import source_faces
from source_faces import SIDE, make, names, pfld98, picture, pixels, row, view, write

from fbnet_pfld.evaluators import LandmarkDataset
from fbnet_pfld.evaluators.data.prepare import PrepareOptions, prepare
from fbnet_pfld.search_space import InputError


def rewrite(file: Path, change) -> None:
    file.write_text("\n".join(map(change, file.read_text().splitlines())) + "\n")


def test_the_split_of_the_pfld_repositories_is_theirs_and_their_angles_are_found_anew(tmp_path):
    src = pfld98(tmp_path / "src")
    record = prepare(src, tmp_path / "out", PrepareOptions("pfld98"))
    assert (names(tmp_path / "out", "train"), names(tmp_path / "out", "test")) == (["0_a_0", "0_a_1", "1_b_0"], ["0_c_0"])
    assert record["train"]["identities"] == 2  # two copies of a face, and another one
    assert record["split"] == "the source's own lists"
    assert record["notes"] == ["the attributes and angles in the lists are not used; angles are computed from the points"]
    before = LandmarkDataset(tmp_path / "out", "train", num_points=98)
    for split in ("train", "test"):
        rewrite(src / f"{split}_data" / "list.txt", lambda line: " ".join([*line.split()[:-3], "0", "0", "0"]))
    prepare(src, tmp_path / "again", PrepareOptions("pfld98"))
    assert (LandmarkDataset(tmp_path / "again", "train", num_points=98).pose == before.pose).all()


def test_normalised_points_are_parts_of_width_and_height(tmp_path):
    """For an image twice as wide as high."""
    src = pfld98(tmp_path / "src")
    points = view(98, 5, (120.0, 50.0))
    image = np.zeros((100, 200, 3), np.uint8)
    image[47:53, 117:123] = 255
    cv2.imwrite(str(src / "test_data" / "imgs" / "0_c_0.png"), image)
    write(src / "test_data" / "list.txt", f"imgs/0_c_0.png {row(points / (200, 100))} 0 0 0 0 0 0 0 0 0\n")
    prepare(src, tmp_path / "out", PrepareOptions("pfld98"))
    data = LandmarkDataset(tmp_path / "out", "test", num_points=98)
    assert np.abs(data.points[0].numpy() - ((points - (120, 50)) / 72 + 0.5)).max() < 1e-4
    y, x = np.nonzero(data.images[0, 0].numpy() > 128)
    assert abs(x.mean() + 0.5 - 56) < 0.3
    assert abs(y.mean() + 0.5 - 56) < 0.3


def test_a_photograph_of_the_pfld_repositories_is_never_on_both_sides(tmp_path):
    src = pfld98(tmp_path / "src", train=("0_a_0", "1_b_0", "7_c_3"), test=("0_c_0",))
    record = prepare(src, tmp_path / "out", PrepareOptions("pfld98"))
    assert names(tmp_path / "out", "train") == ["0_a_0", "1_b_0"]
    assert record["left_out"] == {"its identity is in the test data": {"faces": 1, "first": f"{src}/train_data/list.txt:3"}}


# names in a list for the image src/train_data/imgs/0_a_0.png
PATHS = {
    "of the list's folder": "imgs/{}",
    "of the source": "train_data/imgs/{}",
    "of the repository": "./data/train_data/imgs/{}",
    "of another machine": "/home/me/PFLD/data/train_data/imgs/{}",
    "of Windows": "D:\\PFLD\\train_data\\imgs\\{}",
    "whole": "{src}/train_data/imgs/{}",
    "name alone": "{}",
    "roundabout": "../train_data/./imgs/{}",
}


@pytest.mark.parametrize("way", PATHS)
def test_paths_of_lists_lead_to_their_images(way, tmp_path):
    src = pfld98(tmp_path / "src", test=("0_a_9",))
    picture(src / "test_data" / "imgs" / "1_b_0.png", 77)  # same name, but in another folder
    for split in ("train", "test"):

        def change(line, split=split):
            path, rest = line.split(" ", 1)
            pattern = PATHS[way] if way != "name alone" or "1_b" not in path else "imgs/{}"
            return f"{pattern.replace('train', split).format(Path(path).name, src=src)} {rest}"

        rewrite(src / f"{split}_data" / "list.txt", change)
    record = prepare(src, tmp_path / "out", PrepareOptions("pfld98", test_fraction=0.4))
    assert record["left_out"] == {}
    assert record["unused"] == {"image without annotation": {"files": 1, "first": f"{src}/test_data/imgs/1_b_0.png"}}
    assert sorted(names(tmp_path / "out", "train") + names(tmp_path / "out", "test")) == ["0_a_0", "0_a_1", "0_a_9", "1_b_0"]


def test_an_image_is_never_guessed_from_its_name_alone_or_from_several(tmp_path):
    src = pixels(68, tmp_path / "src", ("a", "b", "c", "d"))
    for folder in ("one/imgs", "two/imgs"):
        picture(src / folder / "x.jpg")
    picture(src / "other" / "y.jpg")
    file = src / "list.txt"
    write(file, file.read_text() + "".join(f"{name} {row(view(68))}\n" for name in ("/away/imgs/x.jpg", "/away/faces/y.jpg")))
    record = make(src, tmp_path / "out", format="pixels68")
    assert record["left_out"] == {"image not found": {"faces": 2, "first": f"{file}:5 (/away/imgs/x.jpg)"}}
    assert record["unused"]["image without annotation"]["files"] == 3


def test_an_image_outside_of_the_source_is_read(tmp_path):
    src = pixels(68, tmp_path / "src")
    (src / "imgs").rename(tmp_path / "elsewhere")
    rewrite(src / "list.txt", lambda line: line.replace("imgs/a", "../elsewhere/a").replace("imgs/", f"{tmp_path}/elsewhere/"))
    record = make(src, tmp_path / "out", format="pixels68")
    assert (record["left_out"], record["unused"]) == ({}, {})
    assert sorted(names(tmp_path / "out", "train") + names(tmp_path / "out", "test")) == ["a", "b", "c"]


def test_lists_in_pixels_have_a_split_or_not_and_angles_or_not(tmp_path):
    whole = pixels(106, tmp_path / "whole", ("ann/1", "ann/2", "bob/1"))
    record = make(whole, tmp_path / "out", format="pixels106")
    assert (record["train"]["identities"], record["test"]["identities"]) == (1, 1)
    assert record["notes"] == []
    src = tmp_path / "split"
    for split, people in (("train", ("a", "b")), ("test", ("c",))):
        pixels(106, src / split, people)
        rewrite(src / split / "list.txt", lambda line: f"{line} 1.5 2.5 -3")
    write(src / "list.txt", "")
    record = prepare(src, tmp_path / "split_out", PrepareOptions("pixels106"))
    assert (names(tmp_path / "split_out", "train"), names(tmp_path / "split_out", "test")) == (["a", "b"], ["c"])
    assert record["split"] == "the source's own lists"
    assert record["notes"] == ["the angles in the lists are not used; angles are computed from the points"]
    assert record["unused"] == {"list of faces that another list contains": {"files": 1, "first": f"{src}/list.txt"}}


@pytest.mark.parametrize(
    ("name", "count", "factor", "told"),
    [
        ("pixels68", 136, 1 / SIDE, r"coordinates are not in pixels \(3, such as .*list.txt:1 \(0\.\d+ to 0\.\d+\)\)"),
        ("pfld98", 196, SIDE, r"coordinates are not normalised to 0..1 \(4, such as .*list.txt:1 \([\d.]+ to [\d.]+\)\)"),
    ],
)
def test_coordinates_of_the_other_kind_are_named_with_their_range(name, count, factor, told, tmp_path, refused):
    src = getattr(source_faces, name)(tmp_path / "src")

    def change(line):
        path, *tokens = line.split()
        return " ".join([path, *(f"{float(token) * factor:.4f}" for token in tokens[:count]), *tokens[count:]])

    for file in src.rglob("list.txt"):
        rewrite(file, change)
    with pytest.raises(InputError, match=f"no usable face: {told}"):
        prepare(src, tmp_path / "out", PrepareOptions(name))
    refused("data", "prepare", src, tmp_path / "out", "--format", name, words=("no usable face",))


def test_lines_of_other_lists_are_skipped_with_the_number_of_their_fields(tmp_path):
    src = pfld98(tmp_path / "src")
    file = src / "test_data" / "list.txt"
    write(file, file.read_text().rstrip().rsplit(" ", 1)[0] + "\n" + file.read_text())
    record = prepare(src, tmp_path / "out", PrepareOptions("pfld98"))
    assert record["left_out"] == {"wrong number of fields": {"faces": 1, "first": f"{file}:1 (205, expected 206)"}}
    with pytest.raises(InputError, match=r"wrong number of fields \(5, such as .*list.txt:1 \(206, expected 197 or 200\)"):
        prepare(src, tmp_path / "pixels", PrepareOptions("pixels98"))
