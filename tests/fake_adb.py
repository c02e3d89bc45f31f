"""A stand-in for ``adb`` with one phone: a folder is its file system, and commands run in a real shell.

:func:`install` puts it on the PATH. The phone's benchmark programs are :data:`PROGRAM`: they take a model's latency from the
model's own file, and print it in the form of ``fixtures/``. A file ``plan.json`` in the folder makes things go wrong.
"""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"
DEVICES = "List of devices attached\nFAKE01\tdevice\n\n"

PROGRAM = """#!{python} -S
import sys
from pathlib import Path
root = Path({root!r})
words = sys.argv[1:]
if {ncnn}:
    loops, threads, file = words[0], words[1], Path(words[5].removeprefix("param="))
    assert words[2:5] == ["2", "-1", "0"] and words[6] == "shape=[112,112,3]", words
else:
    file, = Path(words[0]).iterdir()
    loops, threads = words[1], words[4]
    assert words[3] == "0" and words[5] == "1", words
avg = float(file.read_text())
with (root / "runs").open("a") as log:
    log.write(file.name + "\\n")
text = Path({fixture!r}).read_text().format(file=file.name, loops=loops, warm_up=10, threads=threads, low=0.98 * avg,
                                            high=1.3 * avg, avg=avg)
print(text, file=sys.stderr if {ncnn} else sys.stdout, end="")
"""


def install(root: Path, monkeypatch, cores: tuple[int, ...] = (1800, 1800, 2016, 2016)) -> Path:
    """Make the phone in ``root``, with a clock in MHz for every core, and put its ``adb`` on the PATH; return its folder."""
    phone, tools = root / "phone", root / "tools"
    (phone / "data/local/tmp").mkdir(parents=True)
    for core, mhz in enumerate(cores):
        folder = phone / f"sys/devices/system/cpu/cpu{core}/cpufreq"
        folder.mkdir(parents=True)
        for name in ("cpuinfo_max_freq", "scaling_cur_freq"):
            (folder / name).write_text(f"{1000 * mhz}\n")
    for zone, celsius in enumerate(("41250", "38000", "-274000")):
        (phone / f"sys/class/thermal/thermal_zone{zone}").mkdir(parents=True)
        (phone / f"sys/class/thermal/thermal_zone{zone}/temp").write_text(celsius + "\n")
    tools.mkdir()
    script(tools / "adb", f'#!/bin/sh\nexec {sys.executable} -S {__file__} {phone} "$@"\n')
    script(phone / "bin/getprop", "#!/bin/sh\necho \"fake $1\" | sed 's/ro.product.//'\n")
    script(phone / "bin/taskset", f'#!/bin/sh\necho "$1" >> {phone}/masks\nshift\nexec "$@"\n')
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    return phone


def program(folder: Path, phone: Path, name: str) -> Path:
    """Write a benchmark program ``name`` as the user has built it."""
    ncnn = name == "benchncnn"
    fixture = FIXTURES / ("ncnn_benchncnn.txt" if ncnn else "mnn_benchmark.txt")
    return script(folder / name, PROGRAM.format(python=sys.executable, root=str(phone), ncnn=ncnn, fixture=str(fixture)))


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def main(phone: Path, arguments: list[str]) -> int:
    """What ``adb`` does."""
    plan = json.loads((phone / "plan.json").read_text()) if (phone / "plan.json").exists() else {}
    if arguments == ["devices"]:
        print("* daemon started successfully")
        print(plan.get("devices", DEVICES), end="")
        return 0
    assert arguments[0] == "-s", arguments
    verb, words = arguments[2], arguments[3:]
    runs = (phone / "runs").read_text().count("\n") if (phone / "runs").exists() else 0
    if runs >= plan.get("dies_after", float("inf")):
        print(f"error: device '{arguments[1]}' not found", file=sys.stderr)
        return 1
    if verb == "push":
        target = Path(str(phone) + words[1])
        target.write_bytes(Path(words[0]).read_bytes())
        print(f"{words[0]}: 1 file pushed")
        return 0
    assert verb == "shell", arguments
    command = re.sub(r"(?<![\w.])/(data|sys)/", rf"{phone}/\1/", words[0])
    if "./bench" in command:
        if plan.get("cut_short"):
            print("MNN benchmark")
            return 0
        command = command.replace("./bench", plan.get("instead", "./bench"))
    done = subprocess.run(
        ["sh", "-c", command], env={**os.environ, "PATH": f"{phone}/bin:{os.environ['PATH']}"}, capture_output=True, text=True
    )
    print(done.stdout.replace(str(phone), "").replace("\n", "\r\n"), end="")  # as old devices end their lines
    print(done.stderr, file=sys.stderr, end="")
    return 0  # as old devices do, whatever happened


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
