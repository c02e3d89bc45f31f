"""What tests on the emulated core share: whether it is there, and programs of which every instruction is known."""

import shutil
import subprocess
from pathlib import Path

import pytest

from fbnet_pfld.latency.emulator.components import HERE, find_components
from fbnet_pfld.search_space import InputError

CROSS = "aarch64-linux-gnu-gcc"


def why_not() -> str | None:
    """What this machine lacks."""
    try:
        find_components()
    except InputError as error:
        return str(error)
    return None if shutil.which(CROSS) else f"no {CROSS}"


_REASON = why_not()
needs_emulator = pytest.mark.skipif(_REASON is not None, reason=_REASON or "nothing is missing")


def run_assembly(body: str, folder: Path) -> str:
    """Assemble a program without any library, run it with the counting plugin, and return what that wrote.

    ``body`` is the code between the program's entry and its end; ``mark NUMBER`` makes a mark.
    """
    components = find_components()
    source, program = folder / "program.S", folder / "program"
    source.write_text(
        ".macro mark number\n  ldr x0, =\\number\n  mov x8, #57\n  svc #0\n.endm\n"
        ".bss\n.balign 4096\nbuffer: .skip 8388608\n.text\n.global _start\n_start:\n"
        f"{body}\n  mov x0, #0\n  mov x8, #93\n  svc #0\n"
    )
    subprocess.run([CROSS, "-nostdlib", "-static", "-o", str(program), str(source)], check=True, capture_output=True)
    command = [components.qemu, "-cpu", components.cpu, "-plugin", f"{components.plugin},out={folder / 'counts'}", str(program)]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "counts.0").read_text()


def run_c(code: str, folder: Path) -> str:
    """Compile a C program together with the OpenMP without threads, run it likewise, and return what the plugin wrote."""
    components = find_components()
    source, program = folder / "program.c", folder / "program"
    source.write_text(code)
    flags = ["-O1", "-nostdlib", "-static", "-fno-builtin"]
    subprocess.run([CROSS, *flags, "-o", str(program), str(source), str(HERE / "openmp_shim.c")], check=True)
    command = [components.qemu, "-cpu", components.cpu, "-plugin", f"{components.plugin},out={folder / 'counts'}", str(program)]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "counts.0").read_text()
