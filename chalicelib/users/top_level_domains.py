"""The top-level domains that exist, in ASCII and in Unicode.

The file is generated from the package publicsuffixlist. A test compares the two.
"""

from functools import cache
from pathlib import Path

FILE = Path(__file__).with_suffix(".txt")


@cache
def in_ascii() -> frozenset[str]:
    """Return all of them in lower case, as mail servers know them: ``org``, ``xn--p1ai``."""
    return frozenset(line.partition(" ")[0] for line in _lines())


@cache
def in_unicode() -> frozenset[str]:
    """Return those with letters beyond ASCII, as users type them: ``рф``."""
    return frozenset(line.partition(" ")[2] for line in _lines() if " " in line)


def _lines() -> list[str]:
    return FILE.read_text("utf-8").splitlines()
