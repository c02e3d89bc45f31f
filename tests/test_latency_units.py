"""Latencies in another unit than microseconds: refused at every entry with the likely cause, unless the user insists."""

import json
import random
from pathlib import Path

import pandas as pd
import pytest

from fbnet_pfld.latency import LookupTable
from fbnet_pfld.latency.plausible import FASTEST, SLOWEST, check_rows, macs_of
from fbnet_pfld.latency.table import SHIPPED
from fbnet_pfld.search_space import Architecture, InputError, Signature, SpaceSpec
from fbnet_pfld.strategies import check_target, unit_hint

SPEC = SpaceSpec.load("pfld")
TABLE = LookupTable.load("snapdragon625-4t")
FASTER = {"s": 1e-6, "ms": 1e-3, "us": 1, "ns": 1e3}
"""Unit -> its number per microsecond."""

NAMES = {"s": "seconds", "ms": "milliseconds", "ns": "nanoseconds"}


def write_table(unit: str, name: str = "mine.csv", **changes) -> None:
    """The shipped table with its latencies in another unit."""
    frame = pd.read_csv(SHIPPED / "snapdragon625-4t.csv")
    frame["latency_us"] *= FASTER[unit]
    frame.to_csv(name, index=False)
    info = json.loads((SHIPPED / "snapdragon625-4t.json").read_text())
    Path(name).with_suffix(".json").write_text(json.dumps(info | changes))


def subnets(count: int) -> list[Architecture]:
    draw = random.Random(0)
    return [
        Architecture(SPEC, 106, 112, {label: draw.choice(names) for label, names in SPEC.candidates().items()})
        for _ in range(count)
    ]


def write_measured(figures) -> None:
    """Write a file of three or more subnets with these latencies, as a script might do."""
    lines = ["architecture,latency_us"]
    for i, (subnet, figure) in enumerate(zip(subnets(len(figures)), figures, strict=True)):
        subnet.save(f"{i}.json")
        lines.append(f"{i}.json,{figure!r}")
    Path("whole.csv").write_text("\n".join(lines) + "\n")


def macs_by_hand() -> int:
    """MACs of a depthwise-separable block: 3x3 depthwise, then 1x1, on a 14 x 14 map of 32 channels."""
    return 14 * 14 * (32 * 9 + 32 * 32)


def test_the_work_of_a_block_is_that_of_its_convolutions():
    assert macs_of([Signature("sep_k3", 32, 32, 1, 14)]) == macs_by_hand()
    assert macs_of([Signature("no_such_block", 32, 32, 1, 14), Signature("skip", 32, 32, 1, 14)]) == 0
    assert macs_of([Signature("tap_pool", 3, 7, 1, 14)]) == 0  # cannot be built


@pytest.mark.parametrize("faster", [1 / 30, 1, 12, 240])
def test_no_device_of_today_is_refused(faster):
    """The shipped tables, slower boards, a server core (12 times as fast), and a device 20 times as fast as that."""
    rows = LookupTable.load("snapdragon625-1t").rows
    check_rows({key: us / faster for key, us in rows.items()}, "t.csv", "insist")


@pytest.mark.parametrize("count", [1, 5, 60])
def test_the_limits_hold_for_any_number_of_rows(count):
    rows = {Signature("sep_k3", 32, 32, 1, 14 + i): 1.0 for i in range(count)}
    macs = {key: macs_of([key]) for key in rows}
    for speed, sound in ((FASTEST * 1.01, False), (FASTEST * 0.99, True), (SLOWEST * 1.01, True), (SLOWEST * 0.99, False)):
        made = {key: count / speed for key, count in macs.items()}
        if sound:
            check_rows(made, "t.csv", "insist")
        else:
            with pytest.raises(InputError, match=r"^t\.csv: no device "):
                check_rows(made, "t.csv", "insist")


COMMANDS = {
    "show": ("latency", "show", "mine.csv"),
    "compare": ("latency", "compare", "snapdragon625-4t", "mine.csv"),
    "calibrate": ("latency", "calibrate", "mine.csv", "--measured", "whole.csv", "--out", "new.csv"),
    "search": ("search", "--data-root", "data", "--lut", "mine.csv"),
    "pareto": ("pareto", "--data-root", "data", "--lut", "mine.csv"),
    "evaluate": ("evaluate", "--data-root", "data", "--lut", "mine.csv"),
    "export": ("export", "--data-root", "data", "--lut", "mine.csv"),
    "finetune": ("finetune", "--data-root", "data", "--config", "lut.yaml"),
    "multi-trial": ("launch", "multi-trial", "--data-root", "data", "--config", "lut.yaml"),
    "from-experiment": ("from-experiment", "trials.json", "--config", "lut.yaml"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("unit", ["ms", "ns"])
def test_a_table_in_another_unit_is_refused_by_every_command(place, refused, command, unit):
    write_table(unit)
    write_measured([2000.0, 2100.0, 2300.0])
    Path("lut.yaml").write_text("lut: mine.csv\n")
    Path("trials.json").write_text("[]")
    refused(
        *COMMANDS[command],
        words=[
            "mine.csv: no device",
            f"these look like {NAMES[unit]}, but latency_us is in microseconds",
            'if the figures are right, add "insist": true to mine.json',
        ],
    )


def test_a_trial_refuses_it_too(place, refused, monkeypatch):
    from fbnet_pfld.experiments.nni_jobs import trial_channel as nni_trial

    write_table("s")
    Path("lut.yaml").write_text("lut: mine.csv\n")
    monkeypatch.setattr(nni_trial, "begin", lambda: ({}, None))
    refused("trial", "subnet", "--data-root", "data", "--config", "lut.yaml", words=["these look like seconds"])


def test_who_insists_in_the_tables_file_is_believed(tmp_path, run, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table("ms", insist=True)
    assert run("latency", "show", "mine.csv", "--json") == 0
    figures = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert figures["fastest_us"] == pytest.approx(
        sum(min(row.values()) for row in figures["blocks_us"].values()) + figures["fixed_us"]
    )
    assert 1 < figures["fastest_us"] < 3
    LookupTable.load("mine.csv").save("copy.csv")
    assert LookupTable.load("copy.csv").insist


@pytest.mark.parametrize("unit", NAMES)
def test_timings_in_another_unit_are_refused(tmp_path, refused, run, capfd, monkeypatch, unit):
    monkeypatch.chdir(tmp_path)
    real = [2 * TABLE.latency_us(subnet) for subnet in subnets(4)]
    write_measured([us * FASTER[unit] for us in real])
    command = ("latency", "calibrate", "snapdragon625-4t", "--measured", "whole.csv", "--out", "new.csv")
    refused(*command, words=[NAMES[unit], "microseconds", "add --insist"])
    assert run(*command, "--insist") == 0
    assert f"scale: {2 * FASTER[unit]:.4g}\n" in capfd.readouterr().out
    # it can be loaded, because it records the user's insistence
    assert LookupTable.load("new.csv").insist
    write_measured(real)
    assert run(*command) == 0
    assert not LookupTable.load("new.csv").insist


@pytest.mark.parametrize(("scale", "sound"), [(0.06, True), (15.0, True), (0.04, False), (25.0, False)])
def test_a_scale_that_no_other_device_explains_is_refused(tmp_path, refused, run, monkeypatch, scale, sound):
    monkeypatch.chdir(tmp_path)
    write_measured([scale * TABLE.latency_us(subnet) for subnet in subnets(3)])
    command = ("latency", "calibrate", "snapdragon625-4t", "--measured", "whole.csv", "--out", "new.csv")
    if sound:
        assert run(*command) == 0
    else:
        refused(
            *command,
            words=[f"the timings are {scale:g} times the latencies in table snapdragon625-4t; both must be in", "add --insist"],
        )


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_one_timing_in_another_unit_is_named(tmp_path, refused, run, monkeypatch, factor):
    """On a device so slow, or so fast, that a single latency could be right."""
    monkeypatch.chdir(tmp_path)
    figures = [(60 if factor < 1 else 1 / 14) * TABLE.latency_us(subnet) for subnet in subnets(4)]
    figures[2] *= factor
    write_measured(figures)
    command = ("latency", "calibrate", "snapdragon625-4t", "--measured", "whole.csv", "--out", "new.csv")
    unit = "milliseconds" if factor < 1 else "nanoseconds"
    refused(
        *command,
        words=[
            f"whole.csv:4: latency_us is {figures[2]:g}",
            "than the other subnets suggest",
            f"this looks like {unit}",
            "if it is right, add --insist",
        ],
    )
    assert run(*command, "--insist") == 0


def test_one_subnet_slower_than_the_others_is_no_other_unit(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = [TABLE.latency_us(subnet) for subnet in subnets(5)]
    figures[3] *= 8  # somebody else's burst
    write_measured(figures)
    assert run("latency", "calibrate", "snapdragon625-4t", "--measured", "whole.csv", "--out", "new.csv") == 0


class Range:
    """Subnets of 1,000 to 3,000 us."""

    fixed_us = 500.0
    blocks_us = {"a": {"x": 500.0, "y": 2500.0}}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (2, r"^no architecture within 2 us; the fastest takes 1000.0 us, .*; did you mean 2 ms, which is 2000 us\?$"),
        (0.0015, r"^no architecture within 0.0015 us; .*; did you mean 0.0015 s, which is 1500 us\?$"),
        (0.5, r"^no architecture within 0.5 us; the fastest takes 1000.0 us, the slowest 3000.0 us$"),
        (
            2e6,
            r"^2000000 us limits nothing: the slowest architecture takes 3000.0 us; did you mean 2000000 ns, which is 2000",
        ),
    ],
)
def test_a_target_in_another_unit_is_told(target, message):
    with pytest.raises(InputError, match=message):
        check_target(Range(), target)


@pytest.mark.parametrize("target", [1000, 2999, 5000, 1e5, 1e9, float("inf")])
def test_other_targets_are_taken(target):
    check_target(Range(), target)


def test_no_hint_where_no_unit_explains():
    assert unit_hint(70.0, 1000.0, 3000.0) == ""


@pytest.mark.parametrize(
    "command",
    [("search", "--data-root", "data", "--target-us", "2"), ("launch", "multi-trial", "--data-root", "data", "--max-us", "2")],
)
def test_commands_ask_whether_milliseconds_are_meant(place, refused, command):
    refused(*command, words=["no architecture within 2 us", "did you mean 2 ms, which is 2000 us?"])
