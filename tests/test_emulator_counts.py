"""Emulated counts of programs whose every instruction and miss is known."""

import pytest
from emulated_core import needs_emulator, run_assembly, run_c

from fbnet_pfld.latency.emulator.counts import read_counts
from fbnet_pfld.search_space import InputError

LOOPS = 1000
LINES = 16384  # of 64 bytes: 1 MB


def loop(body: str, times: int = LOOPS) -> str:
    """A loop of the body's instructions and three more."""
    return f"  ldr x2, ={times}\n1:\n{body}\n  subs x2, x2, #1\n  b.ne 1b\n"


def counts_of(body, folder, before=""):
    found = read_counts(run_assembly(f"{before}\n  mark -7001\n{body}\n  mark -7002", folder)).frame()
    assert len(found) == 1
    return found.iloc[0]


@needs_emulator
def test_every_instruction_of_a_loop_is_counted(tmp_path):
    body = "  add x3, x3, #1\n  fmla v0.4s, v1.4s, v2.4s\n  nop"
    once = counts_of(loop(body, 1), tmp_path)
    many = counts_of(loop(body), tmp_path)
    # three of the body and two of the loop, for every round after the first
    assert many.instructions - once.instructions == 5 * (LOOPS - 1)
    assert not many.region


@needs_emulator
def test_a_walk_through_memory_misses_once_per_line(tmp_path):
    walk = "  adr x9, 2f\n  b 3f\n.ltorg\n2: .quad buffer\n3: ldr x1, [x9]\n" + loop("  ldr x3, [x1], #64", LINES)
    found = counts_of(walk, tmp_path)
    # the first miss of a stream is a jump; the mark's literal and the pointer are others
    assert found.streams == pytest.approx(LINES - 1, abs=2)
    assert found.jumps <= 4
    for size in (256, 512, 1024):
        assert found[f"lines{size}"] == pytest.approx(LINES, abs=4)
    assert found.stores == 0


@needs_emulator
def test_what_fits_a_cache_is_missed_by_no_second_walk(tmp_path):
    address = "  adr x9, 2f\n  b 3f\n.ltorg\n2: .quad buffer\n3: ldr x1, [x9]\n"
    small = address + loop("  ldr x3, [x1], #64", 256)  # 16 KB: half of level 1
    again = "  ldr x1, [x9]\n  ldr x2, =256\n4:\n  ldr x3, [x1], #64\n  subs x2, x2, #1\n  b.ne 4b"
    # a first mark switches the caches on
    found = counts_of(again, tmp_path, before=f"  mark -7001\n{small}")
    assert found.streams + found.jumps <= 3
    # 384 KB fit 512 KB of level 2, but neither level 1 nor 256 KB
    large = address + loop("  ldr x3, [x1], #64", 6144)
    again = "  ldr x1, [x9]\n  ldr x2, =6144\n4:\n  ldr x3, [x1], #64\n  subs x2, x2, #1\n  b.ne 4b"
    found = counts_of(again, tmp_path, before=f"  mark -7001\n{large}")
    assert found.streams == pytest.approx(6143, abs=3)
    assert found.lines512 <= 4
    assert found.lines256 == pytest.approx(6144, abs=4)


@needs_emulator
def test_written_lines_are_fetched_and_written_back(tmp_path):
    walk = "  adr x9, 2f\n  b 3f\n.ltorg\n2: .quad buffer\n3: ldr x1, [x9]\n" + loop("  str x3, [x1], #64", LINES)
    found = counts_of(walk, tmp_path)
    assert found.stores == LINES
    # lines that are still in a cache at the end have not been written back
    assert 2 * LINES - 8192 <= found.lines256 <= 2 * LINES - 4096 + 8


SHARES = """
void GOMP_parallel(void (*)(void *), void *, unsigned, unsigned);
int omp_get_thread_num(void);
int omp_get_num_threads(void);
static void mark(long number) {
    register long x0 asm("x0") = number; register long x8 asm("x8") = 57;
    asm volatile("svc 0" : "+r"(x0) : "r"(x8) : "memory");
}
static void spin(long times) { asm volatile("1: subs %0, %0, #1\\n b.ne 1b" : "+r"(times) : : "cc"); }
static void share(void *unused) { spin(1000 * (1 + (omp_get_thread_num() + 1) % omp_get_num_threads())); }
void _start(void) {
    mark(-7001);
    spin(500);
    GOMP_parallel(share, 0, THREADS, 0);
    GOMP_parallel(share, 0, THREADS, 0);
    mark(-7002);
    register long x0 asm("x0") = 0; register long x8 asm("x8") = 93;
    asm volatile("svc 0" : : "r"(x0), "r"(x8));
}
"""


@needs_emulator
@pytest.mark.parametrize("threads", [1, 4])
def test_a_region_takes_as_long_as_its_slowest_share(tmp_path, threads):
    """Shares run 1,000 to 1,000 x threads loops of two instructions; the slowest share is not the last."""
    found = read_counts(run_c(SHARES.replace("THREADS", str(threads)), tmp_path)).frame()
    regions, rest = found[found.region == 1], found[found.region == 0]
    assert len(regions) == 2
    assert regions.instructions.to_list() == pytest.approx([2000 * threads] * 2, abs=60)
    assert rest.instructions.to_list() == pytest.approx([1000], abs=200)


def test_counts_that_are_not_whole_are_refused():
    for text in ("", "region 1 2", "block 3 d503201f\n"):
        with pytest.raises(InputError, match="ended before its run was counted"):
            read_counts(text)


def test_parts_are_read_from_what_the_plugin_writes():
    own = [100, 50, 30, 20, 25, 28, 7, *range(1, 13), 4]
    shared = [10 * value for value in own]
    line = " ".join(["region", *map(str, [*own, *shared]), "0:3", "7:2"])
    found = read_counts("\n".join([line, "block 0 d503201f d503201f", "block 7 d503201f", "end"])).frame().iloc[0]
    assert found.region == 1
    assert found.instructions == 3 * 2 + 2
    assert (found.jumps, found.streams, found.stores) == (30 - 25, 25, 7)
    # for each size of level 2: lines fetched for loads, for stores, and written back, by all shares
    assert [found[f"lines{kb}"] for kb in (256, 512, 1024)] == [10 * (i + i + 6 + i + 9) for i in (1, 2, 3)]
