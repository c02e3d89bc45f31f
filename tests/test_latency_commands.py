"""``fbnet-pfld latency``: files written, figures printed, faults told."""

import json

import pytest
from typer.testing import CliRunner

from fbnet_pfld.experiments.latency_commands import app
from fbnet_pfld.latency import LookupTable, report
from fbnet_pfld.search_space import InputError, SpaceSpec


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_fit_without_points_writes_the_shipped_table(tmp_path):
    result = run("fit", "--threads", 1, "--out", tmp_path / "snapdragon625-1t.csv", "--json")
    assert result.exit_code == 0, result.output
    made, shipped = LookupTable.load(tmp_path / "snapdragon625-1t.csv"), LookupTable.load("snapdragon625-1t")
    assert made.rows == pytest.approx(shipped.rows, rel=1e-6, abs=1.1e-3)
    figures = json.loads(result.stdout.splitlines()[-1])
    assert figures["rows"] == len(shipped.rows)
    assert figures["method"] == "modelled"
    assert figures["left_out_percent"] == pytest.approx(report(1)["left_out_percent"])


def test_fit_serves_a_space_of_ones_own(tmp_path):
    spec = SpaceSpec.load("pfld").to_dict() | {"name": "own", "stem": 24}
    (tmp_path / "own.yaml").write_text(json.dumps(spec))  # JSON is YAML
    out = tmp_path / "own.csv"
    result = run("fit", "--space", tmp_path / "own.yaml", "--points", 5, "--input-size", 96, "--out", out)
    assert result.exit_code == 0, result.output
    table, layout = LookupTable.load(out), SpaceSpec.load(tmp_path / "own.yaml").layout(5, 96)
    assert (table.name, table.threads) == ("own", 4)
    needed = {signature for layer in layout.layers.values() for signature in layer.values()} | set(layout.fixed())
    assert needed <= table.rows.keys()
    assert {signature.out_channels for signature in table.rows if signature.op == "points"} == {10}


def test_list_shows_every_shipped_table():
    result = run("list", "--json")
    assert result.exit_code == 0, result.output
    tables = json.loads(result.stdout.splitlines()[-1])["tables"]
    assert [(table["name"], table["threads"], table["method"]) for table in tables] == [
        ("snapdragon625-1t", 1, "modelled"), ("snapdragon625-4t", 4, "modelled")]
    assert all("not measured" in table["uncertainty"] for table in tables)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--threads", 3], "threads is 3; allowed: 1, 4"),
    (["--space", "nowhere"], "unknown search space 'nowhere'; allowed: "),
    (["--points", 0], "points is 0; allowed: 1 or more"),
    (["--input-size", 100], "input size 100 does not fit"),
])
def test_faults_are_input_errors_and_write_nothing(tmp_path, arguments, message):
    result = run("fit", "--out", tmp_path / "t.csv", *arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("fit", "--out", tmp_path / "file" / "t.csv")
    assert isinstance(result.exception, InputError)
    assert "cannot write" in str(result.exception)
