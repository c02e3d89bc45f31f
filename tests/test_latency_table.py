"""``LookupTable``: sums, files, and a message for every error in a file."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fbnet_pfld.latency import TABLES, Cost, LookupTable
from fbnet_pfld.search_space import Architecture, InputError, NetworkLayout, Signature, SpaceSpec

INFO = {
    "name": "bench",
    "device": "a phone",
    "clock_ghz": 2.0,
    "engine": "ncnn",
    "threads": 1,
    "precision": "fp32",
    "unit": "us",
    "method": "measured",
    "sources": ["a stop watch"],
    "uncertainty": "5 %",
    "date": "2026-01-31",
    "version": "0.1.0",
}
HEADER = "op,in_channels,out_channels,stride,size,latency_us"
ROW = "sep_k3,32,32,1,14,99.5"
SPEC = SpaceSpec.load("pfld")


def space(points: int = 106) -> NetworkLayout:
    return SPEC.layout(points, 112)


def write(folder, lines=(HEADER, ROW), **changes):
    path = folder / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    info = {key: value for key, value in (INFO | changes).items() if value is not ...}
    path.with_suffix(".json").write_text(json.dumps(info))
    return path


architectures = st.fixed_dictionaries({label: st.sampled_from(names) for label, names in SPEC.candidates().items()})
signatures = st.builds(Signature, st.text("abc_123", min_size=1), *[st.integers(1, 4096)] * 4)
latencies = st.floats(0, 1e9, allow_nan=False)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("points", [68, 98, 106])
@settings(max_examples=25, deadline=None)
@given(choices=architectures)
def test_cost_of_the_space_adds_up_to_the_latency_of_an_architecture(name, points, choices):
    table = LookupTable.load(name)
    cost = table.cost(space(points))
    assert isinstance(cost, Cost)
    total = cost.fixed_us + sum(cost.blocks_us[label][block] for label, block in choices.items())
    assert table.latency_us(Architecture(SPEC, points, 112, choices)) == pytest.approx(total, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(rows=st.dictionaries(signatures, latencies, min_size=1, max_size=20))
def test_a_saved_table_loads_as_it_was(tmp_path_factory, rows):
    table = LookupTable(**INFO, rows=rows)
    path = tmp_path_factory.mktemp("tables") / "deep" / "t.csv"
    table.save(path)
    assert LookupTable.load(path).model_copy(update={"file": table.file}) == table
    assert not [file for file in path.parent.iterdir() if file.name.startswith(".")]


def test_columns_may_stand_in_any_order(tmp_path):
    path = write(tmp_path, ["latency_us,size,stride,out_channels,in_channels,op", "99.5,14,2,64,32,sep_k3"])
    assert LookupTable.load(path).rows == {Signature("sep_k3", 32, 64, 2, 14): 99.5}


def rewritten(text: str, separator: str = ",", blank: str = "") -> str:
    return text.replace(",", f"{blank}{separator}{blank}")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: rewritten(text, ";").encode(),
        lambda text: rewritten(text, "\t").encode(),
        lambda text: rewritten(text, ",", " ").encode(),
        lambda text: rewritten(text, ";", "\t").encode(),
        lambda text: ("\n" + text.replace("\n", "\n\n") + "\n \n,,,,,\n").encode(),
        lambda text: "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()).encode(),
        lambda text: b"\xef\xbb\xbf" + rewritten(text, ";").replace("\n", "\r\n").encode(),
    ],
    ids=["BOM", "UTF-16", "CR", "CRLF", "semicolons", "tabs", "blanks", "mixed", "blank lines", "quotes", "spreadsheet"],
)
def test_a_table_is_read_as_editors_and_spreadsheets_save_it(tmp_path, change):
    path = write(tmp_path, [HEADER, ROW, "skip,32,32,1,14,0"])
    expected = LookupTable.load(path)
    path.write_bytes(change(path.read_text()))
    assert LookupTable.load(path) == expected


def test_a_decimal_comma_between_semicolons_is_told(tmp_path):
    path = write(tmp_path, [HEADER.replace(",", ";"), ROW.replace(",", ";").replace(".", ",")])
    with pytest.raises(InputError, match=r"t\.csv:2: latency_us is '99,5'; write a decimal point"):
        LookupTable.load(path)


def test_lines_are_counted_as_an_editor_does(tmp_path):
    """A value with a line end in it, and blank lines, before the fault."""
    path = write(tmp_path, [HEADER, "", '"sep_\nk3",32,32,1,14,5', "", "skip,32,32,1,14,fast"])
    with pytest.raises(InputError, match=r"t\.csv:6: latency_us is 'fast'"):
        LookupTable.load(path)


def test_no_row_names_signature_and_table(tmp_path):
    table = LookupTable.load(write(tmp_path))
    with pytest.raises(InputError, match=r"t.csv has no row for skip 32->32 stride 1 at 14x14$"):
        table.row(Signature("skip", 32, 32, 1, 14))
    with pytest.raises(InputError, match=r"t.csv has no row for gh_k3 32->32 stride 1 at 14x14 and 31 more; use the table "):
        table.cost(space())
    with pytest.raises(InputError, match="has no row for"):
        table.latency_us(Architecture(SPEC, 106, 112, {label: names[0] for label, names in SPEC.candidates().items()}))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"t.csv: the file is empty; the first line must name the columns: op, "),
        ([ROW], r"t.csv:1: no header line with the column names; expected columns: op, in_channels"),
        ([HEADER.replace(",stride", ""), "sep_k3,32,32,14,99.5"], "t.csv:1: column 'stride' is missing"),
        (
            [HEADER.replace("_us", "_ms"), ROW],
            "t.csv:1: column 'latency_ms'; .* column 'latency_us': multiply the values by 1000",
        ),
        ([HEADER.replace("latency_us", "time (ns)"), ROW], r"t.csv:1: column 'time \(ns\)'; .*: divide the values by 1000"),
        ([HEADER + ",watts", ROW + ",1"], "t.csv:1: unknown column 'watts'; expected columns: op, in_channels"),
        ([HEADER + ",", ROW + ","], "t.csv:1: column 7 has no name"),
        ([HEADER + ",op", ROW + ",sep_k3"], "t.csv:1: column 'op' occurs twice; remove one"),
        ([HEADER, ROW + ",7"], "t.csv:2: 7 values for 6 columns; if a number has a decimal comma, write a point"),
        ([HEADER, "sep_k3,32,32,1,14,99,5"], "t.csv:2: 7 values for 6 columns; if a number has a decimal comma"),
        ([HEADER, "sep_k3,32,32,1,14"], "t.csv:2: 5 values for 6 columns$"),
        ([HEADER, "sep_k3,32,32,1,14,"], "t.csv:2: latency_us is ''"),
        ([HEADER, "", ROW, ",32,32,1,14,5"], "t.csv:4: op is empty"),
        ([HEADER, 'sep_k3,32,32,1,14,"99.5'], "t.csv:2: not a CSV file: unexpected end of data"),
        ([HEADER, 'sep_k3,32,32,1,14,"99,5"'], "t.csv:2: latency_us is '99,5'; write a decimal point and no thou"),
        ([HEADER, ROW, "sep_k3,32,32,one,14,99.5"], "t.csv:3: stride is 'one'; give an integer of at least 1"),
        ([HEADER, "sep_k3,0,32,1,14,99.5"], "t.csv:2: in_channels is '0'"),
        ([HEADER, "sep_k3,32,32,1,14.0,99.5"], "t.csv:2: size is '14.0'"),
        ([HEADER, "sep_k3,32,32,1,14,fast"], "t.csv:2: latency_us is 'fast'; write a number without a unit"),
        ([HEADER, "sep_k3,32,32,1,14,nan"], "t.csv:2: latency_us is 'nan'; give microseconds, a finite number of at least 0"),
        ([HEADER, "sep_k3,32,32,1,14,inf"], "t.csv:2: latency_us is 'inf'"),
        ([HEADER, "sep_k3,32,32,1,14,-1"], "t.csv:2: latency_us is '-1'"),
        ([HEADER, ROW, ROW], "t.csv:3: a second row for sep_k3 32->32 stride 1 at 14x14"),
    ],
)
def test_faults_of_the_csv_file_name_file_and_line(tmp_path, lines, message):
    path = write(tmp_path, lines)
    with pytest.raises(InputError, match=message) as caught:
        LookupTable.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wattage": 5}, "t.json: unknown key 'wattage'; allowed: clock_ghz"),
        ({"rows": {}}, "t.json: unknown key 'rows'"),
        ({"device": ...}, "t.json: key 'device' is missing"),
        ({"unit": "ms"}, "t.json: unit: 'ms'; multiply every latency_us by 1000 and write \"us\""),
        ({"unit": "ns"}, "t.json: unit: 'ns'; divide every latency_us by 1000 and write \"us\""),
        ({"unit": "hours"}, "t.json: unit: 'hours'; expected \"us\", microseconds"),
        ({"unit": 1}, 't.json: unit: 1; expected "us"'),
        ({"insist": "perhaps"}, "t.json: insist: "),
        ({"method": "guessed"}, "t.json: method: .*'measured', 'emulated' or 'modelled'"),
        ({"threads": 0}, "t.json: threads: "),
        ({"clock_ghz": -1}, "t.json: clock_ghz: "),
        ({"date": "yesterday"}, "t.json: date: "),
        ({"name": ""}, "t.json: name: "),
        ({"sources": "a book"}, "t.json: sources: "),
    ],
)
def test_faults_of_the_json_file_name_file_and_key(tmp_path, changes, message):
    path = write(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        LookupTable.load(path)
    assert "\n" not in str(caught.value)


def test_zero_is_a_latency(tmp_path):
    assert LookupTable.load(write(tmp_path, [HEADER, "skip,32,32,1,14,0"])).rows == {Signature("skip", 32, 32, 1, 14): 0.0}


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(InputError, match="latency table not found: .*none.csv"):
        LookupTable.load(tmp_path / "none.csv")
    with pytest.raises(InputError, match="unknown latency table 'pixel'; allowed: snapdragon625-1t, .* or a .csv"):
        LookupTable.load("pixel")
    path = write(tmp_path)
    path.with_suffix(".json").write_text("{,}")
    with pytest.raises(InputError, match=r"t\.json:1"):
        LookupTable.load(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match=r"JSON file not found: .*t\.json"):
        LookupTable.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        LookupTable.load(path)


def test_a_table_is_not_saved_where_it_cannot_be(tmp_path):
    table = LookupTable.load(write(tmp_path))
    with pytest.raises(InputError, match=r"must end in \.csv"):
        table.save(tmp_path / "t.txt")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        table.save(tmp_path / "folder.csv")
