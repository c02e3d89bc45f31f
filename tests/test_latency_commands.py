"""``fbnet-pfld latency``: files written, figures printed, errors reported."""

import json
import random

import cv2
import pytest
from scipy.stats import kendalltau
from typer.testing import CliRunner

from fbnet_pfld.experiments.cli.latency import app
from fbnet_pfld.latency import LookupTable, report
from fbnet_pfld.latency.a53_counts import board_validation
from fbnet_pfld.search_space import InputError, Signature, SpaceSpec


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_fit_without_points_writes_a_table_with_the_shipped_ones_rows(tmp_path):
    result = run("fit", "--threads", 1, "--out", tmp_path / "mine.csv", "--json")
    assert result.exit_code == 0, result.output
    made, shipped = LookupTable.load(tmp_path / "mine.csv"), LookupTable.load("snapdragon625-1t")
    assert made.rows.keys() == shipped.rows.keys()
    figures = json.loads(result.stdout.splitlines()[-1])
    assert figures["rows"] == len(shipped.rows)
    assert figures["method"] == "modelled"
    assert figures["left_out_percent"] == pytest.approx(report(1)["left_out_percent"])


@pytest.mark.slow
def test_the_report_is_printed_and_drawn(tmp_path, monkeypatch):
    # only two candidates for the settings, to be quick
    monkeypatch.setattr(board_validation, "CANDIDATES", board_validation.CANDIDATES[:2])
    result = run("fit", "--report", "--figure", tmp_path / "fit.png", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout.splitlines()[-1])["report"]
    for precision, entries in found["held_out"].items():
        for threads, entry in entries.items():
            for check in ("network_percent", "figure_percent"):
                assert f" {entry[check]:.1f} " in result.stdout
            assert f" {found['boards'][precision][threads]:.1f} " in result.stdout
    for network, entry in found["paddle"].items():
        assert network in result.stdout
        percent = 100 * (entry["modelled_us"] / entry["published_us"] - 1)
        assert f"{entry['modelled_us'] / 1e3:.2f} ({percent:+.0f})" in result.stdout
    assert f"{found['reference']['4']['ratio']['modelled']:.2f}" in result.stdout
    assert cv2.imread(str(tmp_path / "fit.png")).shape[1] > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["fit.png"]


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
        ("snapdragon625-1t", 1, "emulated"),
        ("snapdragon625-4t", 4, "emulated"),
        ("snapdragon625-int8-1t", 1, "emulated"),
        ("snapdragon625-int8-4t", 4, "emulated"),
    ]
    assert all("not measured" in table["uncertainty"] for table in tables)


def test_show_prints_and_draws_a_table(tmp_path):
    result = run("show", "snapdragon625-1t", "--out", tmp_path / "t.png", "--json")
    assert result.exit_code == 0, result.output
    table, figures = LookupTable.load("snapdragon625-1t"), json.loads(result.stdout.splitlines()[-1])
    layout = SpaceSpec.load("pfld").layout(106, 112)
    assert figures["blocks_us"]["layer_2"]["gh_k5"] == table.row(layout.layers["layer_2"]["gh_k5"])
    fixed = sum(map(table.row, layout.fixed()))
    assert figures["fixed_us"] == pytest.approx(fixed)
    for limit, name in ((min, "fastest_us"), (max, "slowest_us")):
        each = [limit(map(table.row, row.values())) for row in layout.layers.values()]
        assert figures[name] == pytest.approx(fixed + sum(each))
    line = next(line for line in result.stdout.splitlines() if "mb_k3_e4_res " in line)
    us = figures["blocks_us"]["layer_2"]["mb_k3_e4_res"]
    assert [cell.strip() for cell in line.split("\u2502")[2:5]] == ["", "", f"{us:.1f}"]
    assert cv2.imread(str(tmp_path / "t.png")).size > 0


def test_show_wants_a_table_of_the_space(tmp_path):
    result = run("show", "snapdragon625-1t", "--points", 5, "--out", tmp_path / "t.png")
    assert isinstance(result.exception, InputError)
    assert "has no row for points 128->10" in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_compare_tells_rank_and_outliers(tmp_path):
    table = LookupTable.load("snapdragon625-1t")
    odd = Signature("sep_k3", 32, 32, 1, 14)
    rng = random.Random(0)
    rows = {key: us * 2.5 * rng.uniform(0.98, 1.02) for key, us in table.rows.items()} | {odd: 40 * table.row(odd)}
    del rows[Signature("gh_k3", 64, 64, 1, 7)]
    table.model_copy(update={"name": "other", "rows": rows}).save(tmp_path / "other.csv")
    result = run("compare", "snapdragon625-1t", tmp_path / "other.csv", "--out", tmp_path / "c.png", "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout.splitlines()[-1])
    assert figures["median_ratio"] == pytest.approx(2.5, rel=0.01)
    (outlier,) = figures["outliers"]
    assert (outlier["block"], outlier["factor"]) == (str(odd), pytest.approx(16, rel=0.02))
    assert (figures["only_a"], figures["only_b"]) == (1, 0)
    common = [key for key in table.rows if key in rows and table.rows[key]]
    tau = kendalltau([table.rows[key] for key in common], [rows[key] for key in common]).statistic
    assert figures["kendall_tau"] == pytest.approx(tau)
    assert figures["rows"] == len(common)
    assert cv2.imread(str(tmp_path / "c.png")).size > 0


def test_rounding_makes_no_outliers(tmp_path):
    table = LookupTable.load("snapdragon625-4t")
    rows = {key: round(2.137 * us, 3) for key, us in table.rows.items()}
    table.model_copy(update={"rows": rows}).save(tmp_path / "scaled.csv")
    result = run("compare", "snapdragon625-4t", tmp_path / "scaled.csv", "--out", tmp_path / "c.png", "--json")
    assert json.loads(result.stdout.splitlines()[-1])["outliers"] == []


def test_compare_wants_common_rows(tmp_path):
    table = LookupTable.load("snapdragon625-1t")
    table.model_copy(update={"rows": {Signature("x", 1, 1, 1, 1): 1.0}}).save(tmp_path / "other.csv")
    result = run("compare", "snapdragon625-1t", tmp_path / "other.csv", "--out", tmp_path / "c.png")
    assert "have 0 rows in common; at least 3 are needed" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", 3], "threads is 3; allowed: 1, 4"),
        (["--space", "nowhere"], "unknown search space 'nowhere'; allowed: "),
        (["--points", 0], "points is 0; must be 1 or more"),
        (["--input-size", 100], "input size 100 does not fit"),
    ],
)
def test_faults_are_input_errors_and_write_nothing(tmp_path, arguments, message):
    result = run("fit", "--out", tmp_path / "t.csv", *arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_fit_wants_something_to_do():
    result = run("fit")
    assert "nothing to do; give --out for a table, --report" in str(result.exception)


def test_an_unwritable_place_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("fit", "--out", tmp_path / "file" / "t.csv")
    assert isinstance(result.exception, InputError)
    assert "cannot write" in str(result.exception)
