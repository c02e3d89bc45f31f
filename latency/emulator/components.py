"""Find the emulator's components, and build its two small libraries on first use.

In :func:`home`, ``root`` is the arm64 system that :mod:`.install` makes, ``built`` has the libraries, and ``systems`` has a
view of the root for each core, with the core's files about the processor.
"""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...search_space.errors import InputError
from ...search_space.files import atomic_path, read_json, user_cache
from .cores import A53, find_core, system_files

HERE = Path(__file__).parent
VARIABLE = "FBNET_PFLD_EMULATOR"
"""Environment variable that names the emulator's folder."""

INSTALL = "fbnet-pfld latency emulator install"
MANIFEST = "manifest.json"
PYTHON = "usr/bin/python3.11"
PACKAGES = "usr/lib/python3/dist-packages"
LAUNCHERS = {
    "qemu-aarch64": "apt-get install qemu-user",
    "setarch": "apt-get install util-linux",
}
"""Program -> the command that installs it."""


def home() -> Path:
    """Return the emulator's folder: that of the environment variable, or one in the user's cache."""
    named = os.environ.get(VARIABLE)
    return Path(named).absolute() if named else user_cache("emulator")


def program(name: str, remedy: str) -> str:
    """Path of an installed program; :class:`InputError` with the installation command if it is missing."""
    found = shutil.which(name)
    if found is None:
        raise InputError(f"{name} not found; install it with: {remedy}")
    return found


@dataclass(frozen=True)
class Components:
    """Everything that a run on the emulated core needs.

    Attributes
    ----------
    system
        The arm64 system, as the emulated core sees it.
    plugin, openmp
        QEMU's counting plugin, and the emulated system's OpenMP without threads.
    versions
        Engine -> version in the system.
    """

    qemu: str
    setarch: str
    system: Path
    plugin: Path
    openmp: Path
    cpu: str
    versions: dict[str, str]

    @property
    def identity(self) -> str:
        """Short digest of the components that the counts depend on."""
        parts = [self.system.name, self.plugin.name, *sorted(self.versions.items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]


def find_components(cpu: str = A53) -> Components:
    """Find all components, and build the libraries if they are missing.

    Raises
    ------
    InputError
        If the core is unknown or a component is missing. The message has the command that installs it.
    """
    core = find_core(cpu)
    launchers = {name: program(name, remedy) for name, remedy in LAUNCHERS.items()}
    folder = home()
    versions = root_versions(folder / "root")
    plugin = _build(folder, HERE / "counting_plugin.c", ("gcc", "cc", "clang"), "apt-get install gcc", ["-O3"])
    openmp = _build(
        folder,
        HERE / "openmp_shim.c",
        ("aarch64-linux-gnu-gcc",),
        "apt-get install gcc-aarch64-linux-gnu",
        ["-O2", "-nostdlib"],
    )
    system = _system(folder, dict(system_files(core)), cpu, openmp)
    return Components(launchers["qemu-aarch64"], launchers["setarch"], system, plugin, openmp, cpu, versions)


def root_versions(root: Path) -> dict[str, str]:
    """Versions of the engines in the root; :class:`InputError` if the root is missing or incomplete."""
    manifest = root / MANIFEST
    if not manifest.is_file():
        raise InputError(f"no arm64 system in {root}; make it with: {INSTALL}")
    found: Any = read_json(manifest, "emulator's manifest")
    files = [PYTHON, *(found.get("files", []) if isinstance(found, dict) else [])]
    missing = [name for name in files if not (root / name).exists()]
    if missing or not isinstance(found, dict) or not isinstance(found.get("versions"), dict):
        lacking = f"lacks {missing[0]}" if missing else f"has an invalid {MANIFEST}"
        raise InputError(f"the arm64 system in {root} {lacking}; make it again with: {INSTALL}")
    return {str(name): str(version) for name, version in found["versions"].items()}


def _build(folder: Path, source: Path, compilers: tuple[str, ...], remedy: str, flags: list[str]) -> Path:
    """Return the shared library built from ``source``; its name changes with the source."""
    digest = hashlib.sha256(source.read_bytes() + repr(flags).encode()).hexdigest()[:12]
    library = folder / "built" / f"{source.stem}-{digest}.so"
    if library.is_file():
        return library
    compiler = next((path for name in compilers if (path := shutil.which(name))), None)
    if compiler is None:
        raise InputError(f"no C compiler for {source.name} ({' or '.join(compilers)}); install one with: {remedy}")
    library.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(library) as temporary:
        command = [compiler, *flags, "-shared", "-fPIC", "-o", str(temporary), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["no message"]
            raise InputError(f"{compiler} cannot compile {source.name}: {said[0]}")
    return library


def _system(folder: Path, files: dict[str, str], cpu: str, openmp: Path) -> Path:
    """Return a view of the root for one core: links to the root's folders, and the core's own files."""
    guest = HERE / "guest.py"
    texts = files | {"guest.py": guest.read_text(encoding="utf-8")}
    digest = hashlib.sha256(json.dumps([texts, openmp.name]).encode()).hexdigest()[:12]
    system = folder / "systems" / f"{cpu}-{digest}"
    if system.is_dir():
        return system
    unfinished = system.with_name(f"{system.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for entry in (folder / "root").iterdir():
        if entry.is_dir() and entry.name not in ("sys", "proc"):
            (unfinished / entry.name).symlink_to(Path("..") / ".." / "root" / entry.name)
    for name, text in texts.items():
        (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
        (unfinished / name).write_text(text, encoding="utf-8")
    (unfinished / "openmp.so").symlink_to(Path("..") / ".." / "built" / openmp.name)
    try:
        unfinished.rename(system)
    except OSError:  # another process was faster
        shutil.rmtree(unfinished, ignore_errors=True)
    return system
