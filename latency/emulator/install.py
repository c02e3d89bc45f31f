"""Make the emulator's arm64 system: Python and its libraries from Debian packages, the engines from wheels on PyPI."""

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ...search_space.errors import InputError
from ...search_space.progress import Track, silent
from .components import MANIFEST, PACKAGES, PYTHON, home, root_versions

DEBIAN = (
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "libgomp1",
    "zlib1g",
    "libexpat1",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "python3.11-minimal",
    "libssl3",
    "libffi8",
    "libbz2-1.0",
    "liblzma5",
    "libsqlite3-0",
    "libuuid1",
)
"""Packages of Debian 12 that Python 3.11 needs."""

WHEELS = {"ncnn": "1.0.20261020", "MNN": "3.6.1", "numpy": "2.4.6"}
"""Wheel -> version. The shipped tables are for these versions; another version of an engine needs another table."""

PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64", "manylinux_2_17_aarch64")
NEEDED_MB = 400


def install(track: Track = silent) -> Path:
    """Make the system in the emulator's folder, unless it is complete already; return its folder.

    Raises
    ------
    InputError
        If Debian's apt-get or dpkg is missing, a package cannot be downloaded, or the disk is full.
    """
    folder = home()
    root = folder / "root"
    with suppress(InputError):  # missing or incomplete
        if root_versions(root) == WHEELS:
            return root
    tools = {name: shutil.which(name) for name in ("apt-get", "dpkg")}
    for name, path in tools.items():
        if path is None:
            raise InputError(f"{name} not found; the arm64 system needs Debian's apt-get and dpkg, so use Debian 12")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free / 1e6
        if free < NEEDED_MB:
            raise InputError(f"{folder}: {free:.0f} MB are free; the arm64 system needs {NEEDED_MB}")
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            work = Path(temporary)
            made = work / "root"
            made.mkdir()
            # Debian's packages, with package lists separate from the host's
            debs = _download_debs(work, str(tools["apt-get"]), track)
            for deb in track(debs, "unpacking"):
                _run([str(tools["dpkg"]), "-x", str(deb), str(made)], work)
            # the engines' wheels
            packages = made / PACKAGES
            packages.mkdir(parents=True)
            for wheel in track(_download_wheels(work), "wheels"):
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(packages)
            files = [PYTHON, *(str(path.relative_to(made)) for path in sorted(packages.iterdir()))]
            (made / MANIFEST).write_text(json.dumps({"versions": WHEELS, "files": files}, indent=1) + "\n", encoding="utf-8")
            # remove an old system only now
            shutil.rmtree(root, ignore_errors=True)
            shutil.rmtree(folder / "systems", ignore_errors=True)
            made.rename(root)
    except OSError as error:
        raise InputError(f"cannot make the arm64 system in {folder}: {error.strerror}") from None
    return root


def _download_debs(work: Path, apt: str, track: Track) -> list[Path]:
    for name in ("lists/partial", "cache/archives/partial", "debs"):
        (work / name).mkdir(parents=True)
    options = [
        "-qq",
        "-oAPT::Architecture=arm64",
        "-oAPT::Architectures=arm64",
        f"-oDir::State::Lists={work / 'lists'}",
        f"-oDir::Cache={work / 'cache'}",
        "-oDebug::NoLocking=1",
        "-oAPT::Sandbox::User=root",
    ]
    for step in track([["update"], ["download", *DEBIAN]], "Debian's packages"):
        _run([apt, *options, *step], work / "debs")
    return sorted((work / "debs").glob("*.deb"))


def _download_wheels(work: Path) -> list[Path]:
    wanted = [f"{name}=={version}" for name, version in WHEELS.items()]
    platforms = [option for platform in PLATFORMS for option in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--python-version", "3.11"]
    _run([*command, *platforms, "-d", str(work / "wheels"), *wanted], work)
    return sorted((work / "wheels").glob("*.whl"))


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        name = Path(command[0]).name if command[0] != sys.executable else "pip"
        raise InputError(f"cannot make the arm64 system: {name}: {said[-1] if said else f'exit code {done.returncode}'}")
