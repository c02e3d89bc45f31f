"""Measuring on a phone: the complete command with a stand-in for ``adb``, and every error on the way."""

import json
import random
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import fake_adb
import pandas as pd
import pytest

from fbnet_pfld.experiments.pipeline import measurement
from fbnet_pfld.latency import Adb, LookupTable
from fbnet_pfld.latency.measure import phone
from fbnet_pfld.search_space import InputError, SpaceSpec

SPEC = {
    "name": "two",
    "stem": 8,
    "entry": {"block": "mb_k3", "channels": 16, "stride": 2},
    "stages": [{"layers": 2, "channels": 16, "candidates": ["gh_k3", "sep_k3", "mb_k5_e2_res"]}],
    "head": 16,
}
PROGRAMS = ("benchmark.out", "benchncnn")


def true_us(signature) -> float:
    """A latency for every block, known only to the test."""
    return 0.0 if signature.op == "skip" else round(random.Random(str(signature)).uniform(100, 900))


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A phone, both programs for it in ``build/``, and models that contain only their latency in milliseconds."""
    monkeypatch.chdir(tmp_path)
    Path("two.yaml").write_text(json.dumps(SPEC))
    root = fake_adb.install(tmp_path, monkeypatch)
    for name in PROGRAMS:
        fake_adb.program(tmp_path / "build", root, name)
        monkeypatch.setitem(phone.PROGRAMS, name, replace(phone.PROGRAMS[name], convert=shutil.copyfile))
    (tmp_path / "build/libMNN.so").write_text("a library")
    monkeypatch.setattr(
        measurement, "write_subnet", lambda subnet, path: path.write_text(str(sum(map(true_us, subnet.signatures())) / 1e3))
    )
    return root


def measure(program: str = "benchmark.out", *more, repeats: int = 1, unseen: int = 2) -> tuple:
    return (
        "latency",
        "measure",
        "--backend",
        "adb",
        "--program",
        f"build/{program}",
        "--space",
        "two.yaml",
        "--repeats",
        repeats,
        "--unseen",
        unseen,
        "--rounds",
        2,
        "--out",
        "mine.csv",
        *more,
    )


def plan(device, **faults) -> None:
    (device / "plan.json").write_text(json.dumps(faults))


def runs(device) -> list[str]:
    return (device / "runs").read_text().splitlines() if (device / "runs").exists() else []


@pytest.mark.parametrize(("program", "engine", "rounding"), [("benchmark.out", "MNN", 1), ("benchncnn", "ncnn", 10)])
def test_the_table_is_the_phones(device, run, capfd, program, engine, rounding):
    assert run(*measure(program, "--json", repeats=2, unseen=3)) == 0
    figures = json.loads(capfd.readouterr().out.splitlines()[-1])
    table, layout = LookupTable.load("mine.csv"), SpaceSpec.load("two.yaml").layout(106, 112)
    searched = {signature for layer in layout.layers.values() for signature in layer.values()}
    for signature in searched:
        assert table.rows[signature] == pytest.approx(true_us(signature), abs=2 * rounding)
    fixed = layout.fixed()
    assert sum(map(table.row, fixed)) == pytest.approx(sum(map(true_us, fixed)), abs=2 * rounding)
    assert (table.method, table.engine, table.threads, table.clock_ghz) == ("measured", engine, 1, 2.016)
    assert table.device == "fake manufacturer fake model (fake ro.board.platform)"
    assert "0 % of the timings ended below 95 % of the highest clock, 41 to 41 degrees" in table.uncertainty
    assert (figures["subnets"], figures["noise_percent"], figures["drift_percent"]) == (3, 0, 0)
    assert figures["mean_percent"] < 0.5
    subnets = pd.read_csv("mine.subnets.csv")
    assert len(runs(device)) == 2 * len(subnets)
    assert list(subnets["role"].value_counts().items()) == [("known", len(subnets) - 3), ("unseen", 3)]
    assert Path("mine.png").stat().st_size > 5000
    assert not Path("mine.measuring").exists()
    assert not list((device / "data/local/tmp").iterdir())


def test_the_fastest_cores_are_used(device, run):
    assert run(*measure("benchmark.out", "--threads", 2)) == 0
    assert set((device / "masks").read_text().split()) == {"c"}  # cores 2 and 3
    (device / "masks").unlink()
    assert run(*measure("benchncnn")) == 0  # which pins itself
    assert not (device / "masks").exists()


def test_a_phone_that_slows_down_is_told(device, run):
    for core in (2, 3):
        (device / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq").write_text("1400000\n")
    assert run(*measure()) == 0
    assert "100 % of the timings ended below 95 %" in LookupTable.load("mine.csv").uncertainty


def test_a_phone_that_tells_nothing_is_measured_all_the_same(device, run):
    shutil.rmtree(device / "sys")
    (device / "bin/taskset").unlink()
    assert run(*measure()) == 0
    table = LookupTable.load("mine.csv")
    assert table.clock_ghz is None
    assert "cores chosen by the engine, clocks not readable; of the fixed parts" in table.uncertainty


def test_timings_of_another_phone_or_program_are_not_mixed_in(device, run, capfd):
    plan(device, dies_after=3)
    assert run(*measure()) == 2
    plan(device, devices="List of devices attached\nB2\tdevice\n")
    assert run(*measure()) == 2
    assert "holds timings with another identity ('device FAKE01, benchmark.out" in capfd.readouterr().err
    plan(device)
    with Path("build/benchmark.out").open("a") as program:
        program.write("# built anew\n")
    assert run(*measure()) == 2
    assert "holds timings with another identity" in capfd.readouterr().err


def test_nothing_stays_on_a_phone_that_cannot_be_prepared(device, run, capfd, monkeypatch):
    push = Adb.push

    def second_fails(adb, file, to):
        if file.name == "libMNN.so":
            raise InputError("no space left on device")
        push(adb, file, to)

    monkeypatch.setattr(Adb, "push", second_fails)
    assert run(*measure()) == 2
    assert "no space left" in capfd.readouterr().err
    assert not list((device / "data/local/tmp").iterdir())


@pytest.mark.parametrize("fault", [{"dies_after": 7}, {"cut_short": True}])
def test_a_lost_connection_loses_no_timing(device, run, capfd, fault):
    assert run(*measure()) == 0
    whole = Path("mine.csv").read_text()
    count = len(runs(device))
    Path("mine.csv").unlink()
    (device / "runs").unlink()

    plan(device, **fault)
    assert run(*measure()) == 2
    error = capfd.readouterr().err
    done = fault.get("dies_after", 0)
    assert f"{done} of {count} timings are kept in mine.measuring; run the same command again to resume" in error
    assert ("device 'FAKE01' not found" if done else "connection to device FAKE01 lost during") in error
    assert not Path("mine.csv").exists()
    plan(device)
    assert run(*measure()) == 0
    assert len(runs(device)) == count
    assert Path("mine.csv").read_text() == whole


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            {"instead": "echo nonsense; : ./bench"},
            "benchmark.out printed 0 timings for one model, and last 'nonsense'; expected one",
        ),
        ({"instead": "cat none && ./bench"}, "exit code 1: cat: none: No such file or directory"),
    ],
)
def test_nonsense_is_an_error(device, run, capfd, fault, message):
    plan(device, **fault)
    assert run(*measure()) == 2
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("fbnet-pfld: ")
    assert message in error
    assert f"0 of {len(list(Path('mine.measuring').glob('*.onnx'))) * 2} timings are kept" in error


def test_an_older_program_that_ignores_the_model_is_told(device, run, capfd):
    text = (
        Path("build/benchncnn")
        .read_text()
        .replace('end="")', 'end="")\nprint("  squeezenet  min = 1.00  max = 1.10  avg = 1.05")')
    )
    Path("build/benchncnn").write_text(text)
    assert run(*measure("benchncnn")) == 2
    assert "benchncnn printed 2 timings for one model" in capfd.readouterr().err


def test_no_adb(device, run, capfd, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert run(*measure()) == 2
    assert capfd.readouterr().err == "fbnet-pfld: adb not found; install Android's platform tools, and put them on the PATH\n"


@pytest.mark.parametrize(
    ("devices", "more", "message"),
    [
        ("List of devices attached\n\n", (), "no Android device is ready (none is connected); connect one, and allow"),
        ("List of devices attached\nB2\tunauthorized\n", (), "no Android device is ready (B2 is unauthorized)"),
        (
            "List of devices attached\nB2\tdevice\nA1\tdevice\n",
            (),
            "2 Android devices are connected; choose one with --serial: A1",
        ),
        ("List of devices attached\nB2\toffline\nA1\tdevice\n", ("--serial", "B2"), "device 'B2' is offline; ready: A1"),
        ("List of devices attached\nA1\tdevice\n", ("--serial", "C3"), "device 'C3' is not connected; ready: A1"),
    ],
)
def test_which_device(device, run, capfd, devices, more, message):
    plan(device, devices=devices)
    assert run(*measure("benchmark.out", *more)) == 2
    assert message in capfd.readouterr().err
    assert not Path("mine.measuring").exists()


def test_one_of_two_devices_can_be_named(device, run, monkeypatch):
    plan(device, devices="List of devices attached\nB2\tdevice\nA1\tdevice\n")
    assert run(*measure("benchmark.out", "--serial", "A1")) == 0
    monkeypatch.setenv("ANDROID_SERIAL", "B2")
    assert run(*measure()) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--program", "build/none/benchmark.out"),
            "benchmark program not found: build/none/benchmark.out; build benchmark.out",
        ),
        (("--program", "folder/benchmark.out"), "benchmark program cannot be read: folder/benchmark.out: Is a directory"),
        (("--program", "../link/benchmark.out"), "benchmark program cannot be read: ../link/benchmark.out: Input/output error"),
        (("--program", "build/bench"), "unknown benchmark program build/bench; allowed: benchmark.out, benchncnn"),
        ((), "--backend adb needs --program: MNN's benchmark.out"),
    ],
)
def test_which_program(device, refused, arguments, message, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("PATH", "/nowhere")  # reported without a phone, too
    Path("folder/benchmark.out").mkdir(parents=True)
    # reading it fails, for root as well
    (tmp_path_factory.getbasetemp() / "link").mkdir(exist_ok=True)
    with suppress(FileExistsError):
        (tmp_path_factory.getbasetemp() / "link/benchmark.out").symlink_to("/proc/self/mem")
    refused("latency", "measure", "--backend", "adb", "--out", "mine.csv", *arguments, words=[message])
