"""``data prepare``: annotations from different editors are read alike; for other content, the error names its kind."""

import re

import pytest
import source_faces
from source_faces import PEOPLE, contents, ibug, make, pts, view, write

from fbnet_pfld.evaluators.data.prepare import PrepareOptions, prepare

# change that an editor may make -> the changed file
EDITED = {
    "mark": lambda text: text.encode("utf-8-sig"),
    "utf-16": lambda text: text.encode("utf-16"),
    "windows": lambda text: text.replace("\n", "\r\n").encode(),
    "old mac": lambda text: text.replace("\n", "\r").encode(),
    "tabs": lambda text: text.replace(" ", "\t").encode(),
    "semicolons": lambda text: text.replace(" ", ";").encode(),
    "semicolons at ends": lambda text: text.replace("\n", ";\n").encode(),
    "commas": lambda text: text.replace(" ", ",").encode(),
    "commas and blanks": lambda text: text.replace(" ", ", ").encode(),
    "wide": lambda text: "".join(f"\n  {line}  \n" for line in text.splitlines()).encode(),
}

# variant of a .pts file -> the same points
WRITTEN = {
    "brace on the count's line": lambda text: text.replace("68\n{", "68 {"),
    "brace on the version's line": lambda text: text.replace("n_points: 68\n", "").replace("1\n{", "1 {"),
    "header in one line": lambda text: text.replace("1\nn_points", "1 n_points"),
    "points on the brace's line": lambda text: text.replace("{\n", "{ ").replace("\n}", " }"),
    "braces without blanks": lambda text: text.replace("{\n", "{").replace("\n}", "}"),
    "upper case": lambda text: text.upper(),
    "no blank after the colon": lambda text: text.replace(": ", ":"),
    "blanks around the colon": lambda text: text.replace(":", " : "),
    "equals sign": lambda text: text.replace(":", " ="),
    "no header": lambda text: text[text.index("{") :],
    "no line end": lambda text: text.rstrip(),
}


def rewrite(folder, pattern, change) -> int:
    files = list(folder.rglob(pattern))
    for file in files:
        changed = change(file.read_text())
        file.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    return len(files)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Results for valid sources, by format."""
    root = tmp_path_factory.mktemp("sound")
    made = {}
    for name in ("ibug", "wflw", "lapa", "jd106", "bbox106", "pfld98", "pixels68"):
        source(name, root / name)
        prepare(root / name, root / f"{name}_out", options(name))
        made[name] = contents(root / f"{name}_out")
    return made


def source(name, root):
    return ibug(root, PEOPLE) if name == "ibug" else getattr(source_faces, name)(root)


def options(name):
    return PrepareOptions(name, test_fraction=None if name in ("wflw", "lapa", "pfld98") else 0.4)


def same(made, expected):
    for name in expected:
        if not name.endswith((".json", ".csv")):
            assert made[name] == expected[name], name


@pytest.mark.parametrize("way", WRITTEN)
def test_pts_files_of_others_are_read_alike(way, sound, tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    before = contents(src)
    assert rewrite(src, "*.pts", WRITTEN[way]) == 6
    assert contents(src) != before
    assert make(src, tmp_path / "out")["left_out"] == {}
    same(contents(tmp_path / "out"), sound["ibug"])


@pytest.mark.parametrize("way", EDITED)
@pytest.mark.parametrize("name", ["ibug", "wflw", "lapa", "jd106", "bbox106", "pfld98", "pixels68"])
def test_edited_files_are_read_alike(name, way, sound, tmp_path):
    src = source(name, tmp_path / "src")
    pattern = "*.pts" if name == "ibug" else "*.txt"
    changed = rewrite(src, pattern, EDITED[way]) + rewrite(src, "*.rect", EDITED[way])
    assert changed == {"ibug": 6, "wflw": 2, "lapa": 3, "jd106": 6, "bbox106": 1, "pfld98": 2, "pixels68": 1}[name]
    assert prepare(src, tmp_path / "out", options(name))["left_out"] == {}
    same(contents(tmp_path / "out"), sound[name])


def test_the_header_of_other_pts_files_is_not_taken_for_theirs(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    broken = {"ann_0": "n_points: 39 {", "ann_1": "N_POINTS:67 {", "bob_0": "n_points: many {"}
    for name, header in broken.items():
        write(src / f"{name}.pts", pts(view(68)).replace("n_points: 68\n{", header))
    record = make(src, tmp_path / "out", test_fraction=0.7)
    assert record["left_out"] == {"wrong number of points": {"faces": 3, "first": f"{src}/ann_0.pts:2 (39, expected 68)"}}


# content -> kind of file in the message, or position of the fault
CONTENTS = {
    b"\x89PNG\r\n\x1a\n\0\0": "{}.pts (it is a PNG image)",
    b"PK\x03\x04\x14\0": "{}.pts (it is a zip archive, as checkpoints and spreadsheets are)",
    "version: 1 é".encode("latin-1"): "{}.pts (it is not UTF-8 text: byte 0xe9 in line 1; save it as UTF-8)",
    pts(view(68)).encode("utf-16-le"): "{}.pts (it is UTF-16 text without a byte-order mark; save it as UTF-8)",
    re.sub(r"(\d)\.(\d)", r"\1,\2", pts(view(68))).replace(" ", "\t").encode(): "{}.pts:4 ('",
}


@pytest.mark.parametrize("content", CONTENTS, ids=["image", "archive", "latin-1", "utf-16", "decimal commas"])
def test_what_cannot_be_read_is_named(content, tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    (src / "bob_0.pts").write_bytes(content)
    ((reason, entry),) = make(src, tmp_path / "out")["left_out"].items()
    assert entry["first"].startswith(CONTENTS[content].format(src / "bob_0"))
    assert reason == ("coordinate is not a number" if b"{" in content and b"\0" not in content else "annotation is not text")


def test_an_image_that_is_none_is_named(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    (src / "bob_0.png").write_bytes(b"<html>not found</html>")
    assert make(src, tmp_path / "out")["left_out"] == {
        "image cannot be decoded": {"faces": 1, "first": f"{src}/bob_0.pts (bob_0.png is a text file)"}
    }
