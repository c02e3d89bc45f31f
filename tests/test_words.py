"""The English of pages, docstrings, comments and messages: phrases that have a plainer form are refused."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("search_space", "strategies", "evaluators", "latency", "experiments")
FILES = [
    *sorted(ROOT.glob("*.md")),
    *(path for folder in FOLDERS for kind in ("*.md", "*.py") for path in sorted((ROOT / folder).rglob(kind))),
]

BANNED = {
    # sentences that read as translated
    r"what (\w+ ){0,3}(is|are) (is|are)": "start with the subject",
    r"that which|those which": "name the thing",
    r"as (it|they) must( be)?": "valid",
    r"in place of which": "instead",
    r"says? (of|about) (it|them)sel(f|ves)": "describes",
    r"tells? (about|of)": "describes",
    r"is told first|it is told": "is reported",
    r"what can(not)? be used": "usable, unusable",
    r"can(not)? be had|to be had|(is|are) had": "available",
    r"for want of": "without",
    r"what(ever)? bec(omes|ame) of": "the result of",
    r"what (it|they|that|this) (is|are) worth": "what is measured: accuracy, gain",
    r"no other beats|none beats": "Pareto-optimal",
    r"comes? to an end": "ends",
    r"(goes|go|went) on (where|from|as)": "resumes, continues",
    r"(is|are) looked at": "is inspected",
    r"how far (they|it) (is|are)": "progress",
    r"so that (no|none) (\w+ ){0,2}has (it|them)": "what was removed, and why",
    r"(is|are) let be": "unchanged",
    r"picture of (a|the) (plots?|curves?|front|fit)": "figure",
    # messages
    r"allowed: (after|once|only|when|if|with|without)": "an instruction, such as: run `fbnet-pfld search` first",
    # words of the field
    r"dear(est|er)": "slowest, slower",
    r"cheap(est|er)": "fastest, faster; fewest MACs",
    r"turned cop(y|ies)": "rotated copies",
    r"(left|leaves?|leaving) out": "skipped, held out, omitted",
    r"multiply-adds?": "multiply-accumulates, MACs",
    r"tilts?": "latency offset",
}
"""Regular expression in small letters, a blank for any white space -> the better word."""

OPENINGS = r"(what|of|whose|how (a|an|the|long|many|much|far)|that)\b"
"""A docstring must not begin so: it begins with a verb or a noun."""

PATTERNS = {re.compile(rf"\b({phrase})\b".replace(" ", r"\s+"), re.IGNORECASE): word for phrase, word in BANNED.items()}


def texts_of(path: Path, content: str) -> Iterator[tuple[int, str, bool]]:
    """First line, text and whether it is a docstring, of every text that a person reads in a file."""
    if path.suffix == ".md":
        yield (
            1,
            re.sub(r"^```.*?^```$", lambda code: "\n" * code[0].count("\n"), content, flags=re.MULTILINE | re.DOTALL),
            False,
        )
        return
    tree = ast.parse(content)
    # a statement that is a string describes a module, a function, a class, or the constant above it
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value, id(node) in docstrings
    # comments, those on successive lines as one text
    first, last, lines = 0, 0, []
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            if lines and token.start[0] != last + 1:
                yield first, "\n".join(lines), False
                lines = []
            first, last = first if lines else token.start[0], token.start[0]
            lines.append(token.string.lstrip("# "))
    yield first, "\n".join(lines), False


def faults(path: Path, content: str) -> list[str]:
    """File, line, phrase and better word of every banned phrase."""
    found = []
    for line, text, is_docstring in texts_of(path, content):
        for pattern, word in PATTERNS.items():
            for match in pattern.finditer(text):
                at = line + text.count("\n", 0, match.start())
                found.append(f"{path}:{at}: {' '.join(match[0].split())!r} -> {word}")
        if is_docstring and (opening := re.match(OPENINGS, text.strip(), re.IGNORECASE)):
            found.append(f"{path}:{line}: a docstring begins with {opening[0]!r} -> a verb or a noun")
    return found


def test_no_phrase_is_banned():
    found = [fault for path in FILES for fault in faults(path.relative_to(ROOT), path.read_text(encoding="utf-8"))]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    ("name", "bad", "line", "phrase"),
    [
        ("a.md", "# Title\n\nThe ones that\nno other\nbeats.\n", 4, "no other beats"),
        ("a.md", "For want\nof a phone.\n", 1, "For want of"),
        ("a.py", '"""Fine.\n\nFiles that cannot be had.\n"""\n', 3, "cannot be had"),
        ("a.py", 'def f():\n    """Of the engines."""\n', 2, "Of"),
        ("a.py", 'A = 1\n"""What a file is."""\n', 2, "What"),
        ("a.py", "x = 1  # fine\n\n# the dearest\n# of all\n", 3, "dearest"),
        ("a.py", "# what is\n# left out\nx = 1\n", 2, "left out"),
        ("a.py", 'raise ValueError(f"{x}: not found; allowed: after the search")\n', 1, "allowed: after"),
    ],
)
def test_the_check_finds(name, bad, line, phrase):
    (fault,) = faults(Path(name), bad)
    assert fault.startswith(f"{name}:{line}: ")
    assert repr(phrase) in fault


def test_the_check_lets_plain_english_and_code_pass():
    assert faults(Path("a.md"), "Run the search first.\n\n```console\n$ fbnet-pfld tilt\n```\n") == []
    assert faults(Path("a.py"), '"""Return what is allowed."""\nfastest_of = {"a": "b"}\n') == []
