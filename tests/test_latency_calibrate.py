"""Calibration: known corrections are recovered, and the remaining errors are reported."""

import random
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fbnet_pfld.latency import LookupTable, calibrate
from fbnet_pfld.search_space import Architecture, SpaceSpec

SPEC = SpaceSpec.load("pfld")
TABLE = LookupTable.load("snapdragon625-1t").model_copy(update={"date": "2026-01-01"})
FIXED_US = sum(map(TABLE.row, SPEC.layout(106, 112).fixed()))


def subnets(count: int, seed: int = 0) -> list[Architecture]:
    draw = random.Random(seed)
    return [
        Architecture(SPEC, 106, 112, {label: draw.choice(names) for label, names in SPEC.candidates().items()})
        for _ in range(count)
    ]


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.1, 10), fixed=st.floats(0.2, 5), seed=st.integers(0, 1000))
def test_exact_timings_give_scale_and_offset(scale, fixed, seed):
    timed = [(each, scale * (TABLE.latency_us(each) - FIXED_US) + fixed * FIXED_US) for each in subnets(4, seed)]
    found = calibrate(TABLE, timed, "mine")
    assert found.scale == pytest.approx(scale, rel=1e-3)
    assert found.offset_us == pytest.approx((fixed - scale) * FIXED_US, abs=1e-3 * (fixed + scale) * FIXED_US)
    assert (found.after_percent, found.left_out_percent) == pytest.approx((0, 0), abs=1e-6)
    for subnet in subnets(5, seed + 1):
        real = scale * (TABLE.latency_us(subnet) - FIXED_US) + fixed * FIXED_US
        assert found.table.latency_us(subnet) == pytest.approx(real, rel=1e-3)


def test_noise_is_not_taken_for_an_offset():
    """For a device that is merely slower a scale is enough: the offset is 0 in most cases, and errors are reported."""
    offsets, left_out, real = [], [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        timed = [(each, 2 * TABLE.latency_us(each) * (1 + 0.03 * rng.standard_normal())) for each in subnets(5, seed)]
        found = calibrate(TABLE, timed, "mine")
        offsets.append(found.offset_us)
        left_out.append(found.left_out_percent)
        real += [abs(found.table.latency_us(each) / (2 * TABLE.latency_us(each)) - 1) * 100 for each in subnets(5, 99)]
    assert np.mean(np.abs(offsets) < 1e-6) > 0.5
    assert 1.5 < np.mean(left_out) < 4
    assert np.mean(real) < 3
    assert found.before_percent > 45


def test_every_row_is_corrected_and_the_table_says_how():
    found = calibrate(TABLE, [(each, 3 * TABLE.latency_us(each)) for each in subnets(3)], "mine", "a phone")
    assert found.table.rows == pytest.approx({key: 3 * us for key, us in TABLE.rows.items()}, abs=2e-3)
    assert (found.table.name, found.table.device, found.table.method) == ("mine", "a phone", "modelled")
    assert found.table.uncertainty.startswith(
        "calibrated (scale) by 3 whole subnets: mean error 66.7 % before, 0.0 % after, "
        "0.0 % on a held-out subnet; engine and threads are the old table's; before that"
    )
    assert found.table.sources[:-1] == TABLE.sources
    assert found.table.clock_ghz is None
    assert found.table.date == date.today().isoformat() != TABLE.date


def test_a_calibrated_table_is_no_longer_measured():
    measured = TABLE.model_copy(update={"method": "measured"})
    found = calibrate(measured, [(each, 3 * TABLE.latency_us(each)) for each in subnets(3)], "mine")
    assert found.table.method == "modelled"
    assert (found.table.device, found.table.clock_ghz) == (TABLE.device, TABLE.clock_ghz)


@pytest.mark.parametrize("us", [[5000, 5000, 5000], [2000, 3000, 4000]])
def test_timings_against_the_tables_order_make_no_block_free(us):
    ordered = sorted(subnets(3), key=TABLE.latency_us, reverse=True)
    found = calibrate(TABLE, list(zip(ordered, us, strict=True)), "mine")
    assert found.scale > 0.2
    assert found.left_out_percent > 5


@pytest.fixture
def timings(tmp_path, monkeypatch):
    """A folder with three architecture files and their timings."""
    monkeypatch.chdir(tmp_path)
    lines = ["architecture,latency_us"]
    for i, subnet in enumerate(subnets(3)):
        subnet.save(f"nets/{i}.json")
        lines.append(f"{i}.json,{2 * TABLE.latency_us(subnet)}")
    Path("nets/whole.csv").write_text("\n".join(lines) + "\n")
    return lines


COMMAND = ("latency", "calibrate", "snapdragon625-1t", "--measured", "nets/whole.csv", "--out", "mine.csv")


def test_the_command_corrects_a_table(timings, run, capfd):
    assert run(*COMMAND, "--device", "my phone") == 0
    said = capfd.readouterr().out
    assert "scale: 2\n" in said
    assert "left out percent: " in said
    table = LookupTable.load("mine.csv")
    assert table.device == "my phone"
    assert table.latency_us(subnets(1)[0]) == pytest.approx(2 * TABLE.latency_us(subnets(1)[0]))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda lines: ["architecture,latency_ms", *lines[1:]],
            "whole.csv:1: column 'latency_ms'; expected microseconds in a column 'latency_us': multiply the values by 1000",
        ),
        (
            lambda lines: ["architecture,latency", *lines[1:]],
            "whole.csv:1: column 'latency'; expected microseconds in a column",
        ),
        (
            lambda lines: lines[1:],
            "whole.csv:1: no header line with the column names; expected columns: architecture, latency_us",
        ),
        (lambda lines: ["architecture,runs", *lines[1:]], "whole.csv:1: column 'latency_us' is missing; expected columns:"),
        (lambda lines: lines[:3], "whole.csv: 2 subnets; expected 3 or more"),
        (lambda lines: [*lines, "0.json,0"], "whole.csv:5: latency_us is 0; expected microseconds above 0"),
        (lambda lines: [*lines, "0.json,-3"], "whole.csv:5: latency_us is '-3'"),
        (lambda lines: [*lines, "0.json,3 ms"], "whole.csv:5: latency_us is '3 ms'"),
        (lambda lines: [*lines, ",3"], "whole.csv:5: architecture is empty"),
        (lambda lines: [*lines, "9.json,3"], "whole.csv:5: architecture file not found: nets/9.json"),
        (lambda lines: [lines[0], *[lines[1]] * 3], "the measured subnets all have the same latency in the table"),
    ],
)
def test_faults_are_one_line_and_write_nothing(timings, refused, spoil, message):
    Path("nets/whole.csv").write_text("\n".join(spoil(timings)) + "\n")
    refused(*COMMAND, words=[message])
