"""``data prepare``: the split by a list and by the source's folders, and the identities of faces."""

from pathlib import Path

import pytest
from source_faces import contents, ibug, names, picture, pts, view, write

from fbnet_pfld.evaluators.data.prepare import FORMATS, PrepareOptions, prepare
from fbnet_pfld.evaluators.data.prepare.identity import identities
from fbnet_pfld.evaluators.data.prepare.source_face import SourceFace
from fbnet_pfld.evaluators.data.prepare.split import by_folders, split_of_folder
from fbnet_pfld.search_space import InputError

# as in 300W: image numbers start again in every folder
IN_300W = (
    "afw/134212_1",
    "helen/testset/30427236_1",
    "helen/trainset/100032540_1",
    "ibug/image_003_1",
    "lfpw/testset/image_0001",
    "lfpw/testset/image_0002",
    "lfpw/trainset/image_0001",
    "lfpw/trainset/image_0002",
)


@pytest.fixture
def src(tmp_path):
    return ibug(tmp_path / "300W", IN_300W)


def sides(out: Path) -> tuple[list[str], list[str]]:
    return names(out, "train"), names(out, "test")


def listed(tmp_path, *entries, encoding="utf-8", ends="\n") -> Path:
    file = tmp_path / "test.txt"
    file.write_bytes(ends.join(entries).encode(encoding))
    return file


def test_the_folders_of_300w_give_its_split(src, tmp_path):
    record = prepare(src, tmp_path / "out", PrepareOptions("ibug"))
    assert sides(tmp_path / "out") == (
        ["134212_1", "100032540_1", "image_0001", "image_0002"],
        ["30427236_1", "image_003_1", "image_0001", "image_0002"],
    )
    assert (record["split"], record["notes"]) == ("the source's folders", [])


def test_faces_in_no_known_folder_are_for_training_and_counted(src, tmp_path):
    ibug(src / "mine", ("ann_0", "bob_0"))
    record = prepare(src, tmp_path / "out", PrepareOptions("ibug"))
    assert set(sides(tmp_path / "out")[0]) >= {"ann_0", "bob_0"}
    assert record["notes"] == ["faces used for training because none of their folders names a split: 2, such as mine/ann_0"]


def test_a_fraction_overrides_the_folders(src, tmp_path):
    record = prepare(src, tmp_path / "out", PrepareOptions("ibug", test_fraction=0.25))
    assert record["split"] == "fraction 0.25"
    assert record["test"]["faces"] == 2


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("trainset", "train"),
        ("Train", "train"),
        ("training", "train"),
        ("train_data", "train"),
        ("training-set", "train"),
        ("testset", "test"),
        ("TEST", "test"),
        ("testing", "test"),
        ("test_data", "test"),
        ("test_images", "test"),
        ("val", "train"),
        ("valid", "train"),
        ("validation", "train"),
        ("valset", "train"),
        ("latest", None),
        ("train2", None),
        ("trained", None),
        ("contest", None),
        ("tests_of_ann", None),
        ("ibug", None),
    ],
)
def test_names_of_folders_that_tell_a_split(folder, split):
    assert split_of_folder(folder) == split


def test_the_innermost_folder_counts_and_only_those_in_the_source():
    assert by_folders(["test/train/a", "train/test/b", "c"]) == ["train", "test", None]
    assert by_folders(["/data/test/a", "test/b"]) == [None, "test"]
    assert by_folders(["train/a", "b"]) is None  # no folder is for testing
    assert by_folders(["afw/a", "ibug/b"]) is None  # these might be people
    assert by_folders(["afw/a", "ibug/b", "trainset/c", "300W/02_Outdoor/d"]) == ["train", "test", "train", "test"]


# entries -> images for testing
ENTRIES = {
    "path with suffix": (("lfpw/testset/image_0001.png",), ["lfpw/testset/image_0001"]),
    "path": (("lfpw/testset/image_0001",), ["lfpw/testset/image_0001"]),
    "end of a path": (
        ("testset/image_0001.png", "trainset/image_0002"),
        ["lfpw/testset/image_0001", "lfpw/trainset/image_0002"],
    ),
    "name": (("image_003_1.png", "134212_1"), ["afw/134212_1", "ibug/image_003_1"]),
    "identity": (("134212",), ["afw/134212_1"]),
    "folder above": (("300W/lfpw/testset/image_0002.png",), ["lfpw/testset/image_0002"]),
    "of a spreadsheet": (('"./ibug\\image_003_1.png";', "  ", "134212,"), ["afw/134212_1", "ibug/image_003_1"]),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_of_a_list_mean_one_image_each(name, src, tmp_path):
    entries, wanted = ENTRIES[name]
    record = prepare(src, tmp_path / "out", PrepareOptions("ibug", test_list=listed(tmp_path, *entries)))
    assert sides(tmp_path / "out")[1] == [Path(image).name for image in wanted]
    assert record["test"]["faces"] == len(wanted)
    assert (record["split"], record["notes"]) == (f"list {tmp_path}/test.txt", [])


def test_a_list_with_whole_paths_and_one_of_an_editor(src, tmp_path):
    entries = (str(src / "ibug" / "image_003_1.png"), "testset/image_0002")
    prepare(src, tmp_path / "out", PrepareOptions("ibug", test_list=listed(tmp_path, *entries)))
    wanted = contents(tmp_path / "out" / "test_data")
    assert sides(tmp_path / "out")[1] == ["image_003_1", "image_0002"]
    for encoding, ends in (("utf-8-sig", "\r\n"), ("utf-16", "\r")):
        out = tmp_path / encoding
        prepare(src, out, PrepareOptions("ibug", test_list=listed(tmp_path, *entries, encoding=encoding, ends=ends)))
        assert contents(out / "test_data") == wanted


def test_entries_that_add_nothing_are_reported(src, tmp_path):
    write(src / "ibug" / "image_004_1.pts", "")
    picture(src / "ibug" / "image_004_1.png")
    file = listed(tmp_path, "afw/134212_1.png", "ibug/image_004_1.png", "134212_1", "134212_1", "afw/134212_1.png")
    record = prepare(src, tmp_path / "out", PrepareOptions("ibug", test_list=file))
    assert sides(tmp_path / "out")[1] == ["134212_1"]
    assert record["notes"] == [
        f"entries of {file} that repeat another one: 2, such as '134212_1' in line 4",
        f"entries of {file} that name skipped faces: 1, such as 'ibug/image_004_1.png' in line 2",
    ]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            ("ibug/image_003_1", "image_0001.png"),
            (
                "test.txt:2: 'image_0001.png' matches several images: lfpw/testset/image_0001.png, "
                "lfpw/trainset/image_0001.png; give a longer part of the path",
            ),
        ),
        (
            ("lfpw/testset/image_0001.jpg",),
            (
                "test.txt:1: 'lfpw/testset/image_0001.jpg' is neither an identity nor an image of the source; "
                "entries look like '134212' or 'afw/134212_1.png'",
            ),
        ),
        (("mage_0001",), ("test.txt:1: 'mage_0001' is neither an identity",)),
        (
            (),
            (
                "no face for testing among 8 faces",
                "split by list",
            ),
        ),
    ],
)
def test_entries_that_mean_nothing_or_several_images_are_refused(entries, words, src, tmp_path, refused):
    file = listed(tmp_path, *entries)
    refused("data", "prepare", src, tmp_path / "out", "--format", "ibug", "--test-list", file, words=words)


def test_at_most_three_of_many_images_are_named(tmp_path):
    src = ibug(tmp_path / "src", [f"{folder}/image_0001" for folder in "abcde"])
    with pytest.raises(InputError, match="a/image_0001.png, b/image_0001.png, c/image_0001.png and 2 more; give"):
        prepare(src, tmp_path / "out", PrepareOptions("ibug", test_list=listed(tmp_path, "image_0001")))


@pytest.fixture
def video(tmp_path):
    """Frames of three people as in 300VW."""
    src = tmp_path / "300VW"
    for person in range(1, 4):
        for frame in range(1, 11):
            folder, name = src / f"{person:03d}", f"{frame:06d}"
            picture(folder / "image" / f"{name}.png", 20 * person + frame)
            write(folder / "annot" / f"{name}.pts", pts(view(68, 20 * person + frame)))
    return src


def test_frames_of_a_person_stay_together(video, tmp_path):
    record = prepare(video, tmp_path / "out", PrepareOptions("ibug", test_fraction=0.4))
    assert (record["left_out"], record["unused"], record["notes"]) == ({}, {}, [])
    assert [(record[side]["faces"], record[side]["identities"]) for side in ("train", "test")] == [(20, 2), (10, 1)]
    out = tmp_path / "by_list"
    prepare(video, out, PrepareOptions("ibug", test_list=listed(tmp_path, "002")))
    found = sorted((out / "test_data" / "imgs").iterdir())
    assert [path.name[:6] for path in found] == [f"{number:06d}" for number in range(10, 20)]  # the second ten


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("001/image/000001", "001"),
        ("set/001/000001", "set/001"),
        ("train/001/frames/frame_12", "train/001"),
        ("001/img-7", "001"),
        ("001/IMG_0001", "001"),
        ("001/image12", "001"),
        ("001/7_1", "7"),
        ("000001", "000001"),
        ("images/000001", "images/000001"),
        ("train/imgs/12", "train/imgs/12"),
        ("lfpw/image_0001", "lfpw/image_0001"),
        ("afw/134212_1", "134212"),
        ("ann_0", "ann"),
        ("ann", "ann"),
    ],
)
def test_a_name_that_tells_no_person_apart_takes_its_folder(name, identity):
    assert identities([SourceFace(name, Path(f"{name}.png"), view(68), name)], FORMATS["ibug"]) == [identity]


def test_one_person_alone_is_no_split(video, tmp_path, refused):
    refused(
        "data",
        "prepare",
        video / "001",
        tmp_path / "out",
        "--format",
        "ibug",
        "--identity",
        "(image)",
        words=(
            "no face for testing among 10 faces of 1 identities, split by fraction 0.1; use a larger "
            "--test-fraction, a --test-list or, if every image shows another person, --identity '(.+)'",
        ),
    )


def test_identities_that_look_like_images_are_pointed_out_with_a_way_to_name_persons(tmp_path, run, capfd):
    src = ibug(tmp_path / "src", ("anna1", "anna2", "bert1", "bert2", "cleo1", "cleo2"))
    arguments = ("data", "prepare", src, tmp_path / "out", "--format", "ibug", "--test-fraction", "0.4")
    assert run(*arguments) == 0
    said = capfd.readouterr().err.splitlines()
    pattern = r"([^/]*?)\d+$"
    assert said == [
        f"note: each of the 6 images counts as a different person; if several show the same person, --identity "
        f"keeps them on one side: --identity '{pattern}' maps 'anna1' to 'anna'"
    ]
    # the suggested pattern works unchanged
    assert run(*arguments[:3], tmp_path / "again", *arguments[4:], "--identity", pattern) == 0
    assert capfd.readouterr().err == ""
    assert {name[:4] for name in sides(tmp_path / "again")[0]}.isdisjoint(name[:4] for name in sides(tmp_path / "again")[1])


@pytest.mark.parametrize(
    ("images", "pattern"),
    [
        (("ann/x", "ann/y", "bob/x"), "(.+)/"),
        (("ann-1", "ann-2", "bob-1"), "([^/]+)[_-][^/]*$"),
        (("f/annex", "f/annie", "f/bob1"), "([^/]{3})"),
        (("ann_0", "bob_0", "cleo_0"), "([^/]+)[_-][^/]*$"),
        (("1", "2", "3"), "(.+)"),
    ],
)
def test_the_example_fits_the_names(images, pattern, tmp_path):
    src = ibug(tmp_path / "src", images)
    record = prepare(src, tmp_path / "out", PrepareOptions("ibug", test_fraction=0.4))
    assert f"--identity '{pattern}' maps" in record["notes"][0]
    prepare(src, tmp_path / "again", PrepareOptions("ibug", test_fraction=0.4, identity=pattern))
