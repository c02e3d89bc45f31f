"""The in-order model of the core, on blocks whose cycles follow from its rules by hand."""

import pytest

from fbnet_pfld.latency.emulator.in_order import classify, cycles, decode

# machine words
ADD = {register: f"{0x91000400 | register << 5 | register:08x}" for register in range(8)}  # add xN, xN, #1
MUL_ADD = {register: f"{0x4E22CC20 | register:08x}" for register in range(3, 16)}  # fmla vN.4s, v1.4s, v2.4s
LOAD_D = "fd400001"  # ldr d1, [x0]: a new value for what the others read
LOAD_Q = "3dc00011"  # ldr q17, [x0]
LOAD_64 = "fd400010"  # ldr d16, [x0]
NOP = "d503201f"
STORE_Q = "3d800011"  # str q17, [x0]
DIVIDE = "9ac10862"  # udiv x2, x3, x1


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ((ADD[0], ADD[1]), 1),  # two independent ones are issued together
        ((ADD[0], ADD[0]), 2),  # one waits for the other
        (tuple(MUL_ADD[i] for i in range(3, 11)), 8),  # each takes both halves of the vector unit
        ((MUL_ADD[3],), 4),  # into one accumulator: forwarded after 8 - 4 cycles
        ((MUL_ADD[3], MUL_ADD[4], MUL_ADD[5], MUL_ADD[6]), 4),  # four accumulators hide that
        (tuple(word for i in range(3, 11) for word in (MUL_ADD[i], LOAD_64)), 8),  # a 64-bit load goes beside
        ((LOAD_Q,), 2),  # 16 bytes take the load unit for two cycles
        ((STORE_Q, STORE_Q), 4),
        ((NOP, NOP), 1),
        ((DIVIDE,), 10),
    ],
)
def test_cycles_of_a_block(block, expected):
    assert cycles(block) == pytest.approx(expected)


def test_the_words_are_what_the_test_says():
    import capstone

    disassembler = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    texts = {
        ADD[3]: "add x3, x3, #1",
        MUL_ADD[5]: "fmla v5.4s, v1.4s, v2.4s",
        LOAD_D: "ldr d1, [x0]",
        LOAD_Q: "ldr q17, [x0]",
        LOAD_64: "ldr d16, [x0]",
        STORE_Q: "str q17, [x0]",
        DIVIDE: "udiv x2, x3, x1",
        NOP: "nop",
    }
    for word, text in texts.items():
        found = next(disassembler.disasm(bytes.fromhex(word)[::-1], 0))
        assert f"{found.mnemonic} {found.op_str}".strip() == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ld1 {v0.4s, v1.4s, v2.4s, v3.4s}, [x0]", ("memory", 8, 5)),
        ("ld1 {v0.s}[1], [x0]", ("memory", 1, 5)),
        ("ld1r {v0.4s}, [x0]", ("memory", 1, 5)),
        ("ldp q0, q1, [x0]", ("memory", 4, 5)),
        ("ldp x0, x1, [x2]", ("memory", 2, 3)),
        ("stp q0, q1, [x0]", ("memory", 4, 1)),
        ("mov v0.d[1], x3", ("insert", 1, 3)),
        ("fmla v0.2s, v1.2s, v2.2s", ("half", 1, 8)),
        ("fdiv v0.4s, v1.4s, v2.4s", ("vector", 20, 20)),
        ("smlal v0.4s, v1.4h, v2.4h", ("vector", 1, 3)),
        ("scvtf v0.4s, v1.4s", ("vector", 1, 4)),
        ("b.ne #0x80", ("branch", 1, 1)),
        ("bit v0.16b, v1.16b, v2.16b", ("vector", 1, 3)),
        ("madd x0, x1, x2, x3", ("multiply", 1, 3)),
        ("sub x0, x1, x2", ("alu", 1, 1)),
    ],
)
def test_classes(text, expected):
    mnemonic, _, operands = text.partition(" ")
    assert classify(mnemonic, operands) == expected


def test_an_unknown_word_counts_as_one_instruction():
    assert decode("00000000").unit == "alu"
    assert cycles(("00000000", "00000000")) == 1
