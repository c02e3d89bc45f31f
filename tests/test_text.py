"""Text from different editors is read alike; for other content, the error names its kind."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbnet_pfld.search_space.errors import InputError
from fbnet_pfld.search_space.files import read_json, read_text, read_yaml
from fbnet_pfld.search_space.text import decode, describe, fields, numbered

SAVED_AS = {
    "utf-8": "utf-8",
    "utf-8 with a mark": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-32": "utf-32",
    "utf-16, big-endian": None,
}


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", SAVED_AS)
def test_every_encoding_and_line_end_reads_alike(name, ends):
    text = "n_points: 68\né 12.5 13.5\n"
    encoding = SAVED_AS[name]
    written = text.replace("\n", ends)
    content = written.encode(encoding) if encoding else codecs.BOM_UTF16_BE + written.encode("utf-16-be")
    assert decode(content) == text


@given(
    st.text(st.characters(exclude_characters="\0\r\ufeff", exclude_categories=["Cs"])),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_any_text_comes_back(text, encoding):
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "an empty file"),
        (b"points: 68\n", "a text file"),
        (b"\xff\xd8\xff\xe0 JFIF", "a JPEG image"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
        (b"PK\x03\x04\x14\0", "a zip archive, as checkpoints and spreadsheets are"),
        ("12 13\n14 15\n".encode("utf-16-le"), "UTF-16 text without a byte-order mark; save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"\0\xd8\0\xd8", "a damaged UTF-16 file"),
        ("12 13\nJosé 14\n".encode("latin-1"), "not UTF-8 text: byte 0xe9 in line 2; save it as UTF-8"),
        (b"\0\1\2\3", "binary data"),
    ],
)
def test_a_file_is_named_for_what_it_is(content, what):
    assert describe(content) == what


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("12.5 13.5", ["12.5", "13.5"]),
        ("  12.5\t13.5 ", ["12.5", "13.5"]),
        ("12.5;13.5;", ["12.5", "13.5"]),
        ("12.5, 13.5", ["12.5", "13.5"]),
        ("12.5,13.5", ["12.5", "13.5"]),
        ("imgs/a,b.jpg 12.5 13.5", ["imgs/a,b.jpg", "12.5", "13.5"]),
        ("imgs/a.jpg; 12.5; 13.5", ["imgs/a.jpg", "12.5", "13.5"]),
        ("", []),
    ],
)
def test_fields_are_split_at_what_separates_them(line, found):
    assert fields(line) == found


def test_lines_keep_their_numbers():
    assert numbered("a\n\n  \nb\n") == [(1, "a"), (4, "b")]


@pytest.mark.parametrize(
    ("read", "text", "found"),
    [(read_json, '{"us": 1}', {"us": 1}), (read_yaml, "us: 1\n", {"us": 1}), (read_text, "us\n", "us\n")],
)
def test_readers_take_what_editors_write(tmp_path, read, text, found):
    (tmp_path / "file").write_bytes(text.encode("utf-16"))
    assert read(tmp_path / "file", "record") == found


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\x89PNG", "record cannot be read: {} is a PNG image"), (None, "record cannot be read: {}: Is a directory")],
)
def test_a_reader_names_what_it_cannot_take(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content) if content else path.mkdir()
    with pytest.raises(InputError) as caught:
        read_json(path, "record")
    assert str(caught.value) == message.format(path)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_yaml, "lut: a\nsearch: {epochs: 3}\nlut: b\n", "config is not valid YAML: {}:3: key 'lut' is given twice"),
        (read_yaml, "search: {epochs: 3, epochs: 4}\n", "config is not valid YAML: {}:1: key 'epochs' is given twice"),
        (read_yaml, "a: {b: [1, 2, 3}\n", "config is not valid YAML: {}:1: expected ',' or ']', but got '}}'"),
        (read_yaml, "day: 2026-13-45\n", "config is not valid YAML: {}: month must be in 1..12"),
        (read_json, '{"a": {"b": 1, "b": 2}}', "config is not valid: {}: key 'b' is given twice"),
        (read_json, "[" * 100_000, "config is not valid JSON: {}: nested too deeply"),
    ],
)
def test_a_key_is_given_once(tmp_path, read, text, message):
    (tmp_path / "c").write_text(text)
    with pytest.raises(InputError) as caught:
        read(tmp_path / "c", "config")
    assert str(caught.value) == message.format(tmp_path / "c")


def test_merged_keys_of_yaml_are_no_keys_given_twice(tmp_path):
    (tmp_path / "c").write_text("base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\n")
    assert read_yaml(tmp_path / "c", "config")["mine"] == {"a": 1, "b": 3}
