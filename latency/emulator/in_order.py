"""Cycles of a Cortex-A53 for a block of instructions, with all data in the level-1 cache.

The core issues up to two instructions per cycle, in order. An instruction waits for its operands and for its unit. Per cycle
the core starts one load or store (of 8 bytes; wider ones keep the unit busy for longer), one multiplication, one branch, and
one 128-bit or two 64-bit vector operations. These rules are common knowledge about the core; none of the numbers was fitted.

A block is assumed to run repeatedly: its cycles are those of one round in the steady state.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ...search_space.errors import InputError
from ..engines.convert import install

WIDTH = 2
"""Instructions issued per cycle."""

ROUNDS = 4
"""Number of simulated rounds of a block; the first one only fills the pipeline."""

ACCESS_BYTES = 8
FORWARDED = 4
"""Cycles by which an accumulator is ready sooner for the next multiply-accumulate into it."""

INT_LOAD, VECTOR_LOAD = 3, 5
MULTIPLY_ADD, FLOAT, INTEGER, MULTIPLY, DIVIDE, INT_DIVIDE = 8, 4, 3, 3, 20, 10
"""Latencies in cycles: until an instruction may use the result."""

VECTOR = re.compile(r"\b[vq]\d")
SCALAR = re.compile(r"\b[bhsd]\d")
WIDE = re.compile(r"\.(4s|16b|8h|2d)|\bq\d")
BRANCH = re.compile(r"(b|bl|br|blr|ret|b\.\w+|cbn?z|tbn?z)")
MULTIPLICATION = re.compile(r"(mul|madd|msub|[us]mull|[us]maddl|[us]mulh)")


@dataclass(frozen=True)
class Instruction:
    """An instruction, as the model sees it.

    ``unit`` is one of ``alu``, ``branch``, ``memory``, ``multiply``, ``vector`` (both halves of the vector unit), ``half`` (one
    of them), ``insert`` (a general register into half of a vector, beside a vector operation) and ``nop``. The instruction
    occupies the unit for ``busy`` cycles, and its result is ready after ``latency`` cycles. With ``accumulates``, it adds a
    product to its result.
    """

    unit: str
    busy: int = 1
    latency: int = 1
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    accumulates: bool = False


@cache
def _disassembler() -> Any:
    try:
        import capstone
    except ImportError:
        raise InputError(f"capstone is not installed; install it with: {install('capstone')}") from None
    disassembler = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    disassembler.detail = True
    return disassembler


@cache
def decode(word: str) -> Instruction:
    """Decode an instruction, given as eight hexadecimal digits; an unknown one counts as an integer operation."""
    found = next(_disassembler().disasm(bytes.fromhex(word)[::-1], 0), None)
    if found is None:
        return Instruction("alu")
    unit, busy, latency = classify(found.mnemonic, found.op_str)
    reads, writes = (_names(found, registers) for registers in found.regs_access())
    return Instruction(unit, busy, latency, reads, writes, found.mnemonic in ("fmla", "fmls"))


def classify(mnemonic: str, operands: str) -> tuple[str, int, int]:
    """Unit, busy cycles and latency of an instruction, as in :class:`Instruction`."""
    vector, scalar = VECTOR.search(operands) is not None, SCALAR.search(operands) is not None
    if mnemonic == "nop":
        return "nop", 1, 1
    if mnemonic.startswith("prfm"):
        return "memory", 1, 1
    if BRANCH.fullmatch(mnemonic):
        return "branch", 1, 1
    if mnemonic.startswith("ld"):
        return "memory", _busy(mnemonic, operands), VECTOR_LOAD if vector or scalar else INT_LOAD
    if mnemonic.startswith("st"):
        return "memory", _busy(mnemonic, operands), 1
    if vector or scalar:
        if mnemonic == "mov" and re.match(r"v\d+\.d\[1\], x", operands):
            return "insert", 1, INTEGER
        wide = WIDE.search(operands) is not None
        unit = "vector" if wide else "half"
        if mnemonic in ("fdiv", "fsqrt"):
            return "vector", DIVIDE if wide else DIVIDE // 2, DIVIDE
        if mnemonic in ("fmla", "fmls"):
            return unit, 1, MULTIPLY_ADD
        return unit, 1, FLOAT if mnemonic[0] == "f" or mnemonic[:2] in ("sc", "uc") else INTEGER
    if MULTIPLICATION.fullmatch(mnemonic):
        return "multiply", 1, MULTIPLY
    if mnemonic in ("sdiv", "udiv"):
        return "multiply", INT_DIVIDE, INT_DIVIDE
    return "alu", 1, 1


def _busy(mnemonic: str, operands: str) -> int:
    """Cycles of the load-store unit, from the bytes that an instruction moves."""
    listed = re.match(r"\{([^}]*)\}(\[\d+\])?", operands)
    if listed:  # ld1, st4, ...: a list of registers, whole, of one lane, or all lanes from one value
        registers = len(listed[1].split(","))
        wide = WIDE.search(listed[1]) is not None and not listed[2] and not mnemonic.endswith("r")
        size = registers * (16 if wide else ACCESS_BYTES)
    else:
        vector = VECTOR.search(operands) is not None
        size = (32 if vector else 16) if mnemonic[2:] in ("p", "np") else (16 if vector else ACCESS_BYTES)
    return max(1, size // ACCESS_BYTES)


def _names(found: Any, registers: Sequence[int]) -> tuple[str, ...]:
    """Names of registers, the same for all widths; the zero register is skipped, as nothing waits for it."""
    named = (found.reg_name(number) for number in registers)
    whole = {re.sub(r"^w(?=\d)", "x", re.sub(r"^[bhsdq](?=\d)", "v", name)) for name in named if name not in ("wzr", "xzr")}
    return tuple(sorted(whole))


@cache
def cycles(block: tuple[str, ...]) -> float:
    """Cycles of one run of a block of instructions, given as hexadecimal words."""
    instructions = [decode(word) for word in block]
    ready: dict[str, int] = {}
    free = {"memory": 0, "multiply": 0, "vector": 0}
    now = issued = halves = branches = 0
    ends = []
    for _ in range(ROUNDS):
        for each in instructions:
            shared = "vector" if each.unit in ("half", "insert") else each.unit
            # wait for the operands and the unit
            start = max(now, free.get(shared, 0)) if each.unit != "nop" else now
            for name in each.reads if each.unit != "nop" else ():
                early = FORWARDED if each.accumulates and name in each.writes else 0
                start = max(start, ready.get(name, 0) - early)
            # start a new cycle if this one has no room
            needed = {"vector": 2, "half": 1}.get(each.unit, 0)
            room = issued < WIDTH and halves + needed <= WIDTH and not (each.unit == "branch" and branches)
            if start > now or not room:
                now = start if start > now else now + 1
                issued = halves = branches = 0
            issued += 1
            halves += needed
            branches += each.unit == "branch"
            if shared in free and (each.busy > 1 or each.unit != "half") and each.unit != "insert":
                free[shared] = now + each.busy
            for name in each.writes:
                ready[name] = now + each.latency
        ends.append(now)
    return (ends[-1] - ends[0]) / (ROUNDS - 1)
