"""The emulated cores, and the system files that describe them to an engine.

Engines choose their code by the core's part number and the sizes of its caches. QEMU passes these files through from the host,
so the emulated system has its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ...search_space.errors import InputError, allowed

CORES_PER_CLUSTER = 4
IMPLEMENTER = 0x41
"""Arm's number as an implementer of cores."""

LEVEL_2_KB = 512


@dataclass(frozen=True)
class Core:
    """A core's part number in the register MIDR_EL1, its name, and its level-1 data cache in KB."""

    part: int
    name: str
    level_1_kb: int = 32


CORES = {
    "cortex-a35": Core(0xD04, "Arm Cortex-A35"),
    "cortex-a53": Core(0xD03, "Arm Cortex-A53"),
    "cortex-a57": Core(0xD07, "Arm Cortex-A57"),
    "cortex-a72": Core(0xD08, "Arm Cortex-A72"),
    "cortex-a76": Core(0xD0B, "Arm Cortex-A76", 64),
}
"""QEMU's name -> core. All are counted with the caches of a Cortex-A53; tables of the other cores use instructions only."""

A53 = "cortex-a53"


def find_core(cpu: str) -> Core:
    """Return the core with QEMU's name ``cpu``; :class:`InputError` if it is unknown."""
    if cpu not in CORES:
        raise InputError(f"unknown core {cpu!r}; {allowed(CORES)}")
    return CORES[cpu]


def system_files(core: Core) -> Iterator[tuple[str, str]]:
    """Path and content of each file about the processor, for a system of one cluster."""
    every = range(CORES_PER_CLUSTER)
    yield (
        "proc/cpuinfo",
        "".join(
            f"processor\t: {cpu}\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid\n"
            f"CPU implementer\t: {IMPLEMENTER:#x}\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {core.part:#x}\n"
            "CPU revision\t: 4\n\n"
            for cpu in every
        ),
    )
    root = "sys/devices/system/cpu"
    for name in ("online", "possible", "present"):
        yield f"{root}/{name}", f"0-{CORES_PER_CLUSTER - 1}\n"
    for cpu in every:
        place, own, cluster = f"{root}/cpu{cpu}", f"{1 << cpu:x}", f"{(1 << CORES_PER_CLUSTER) - 1:x}"
        yield f"{place}/cpufreq/cpuinfo_max_freq", "2000000\n"
        yield f"{place}/topology/core_cpus_list", f"{cpu}\n"
        yield f"{place}/topology/thread_siblings_list", f"{cpu}\n"
        yield f"{place}/topology/thread_siblings", f"{own}\n"
        yield f"{place}/regs/identification/midr_el1", f"{IMPLEMENTER << 24 | 0xF << 16 | core.part << 4 | 4:#018x}\n"
        caches = (
            ("Data", 1, core.level_1_kb, own),
            ("Instruction", 1, core.level_1_kb, own),
            ("Unified", 2, LEVEL_2_KB, cluster),
        )
        for index, (kind, level, kilobytes, shared) in enumerate(caches):
            cache = f"{place}/cache/index{index}"
            yield f"{cache}/type", f"{kind}\n"
            yield f"{cache}/level", f"{level}\n"
            yield f"{cache}/size", f"{kilobytes}K\n"
            yield f"{cache}/shared_cpu_map", f"{shared}\n"
