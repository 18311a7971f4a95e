"""Texts of other people's, made safe to show on a terminal."""

import re
import unicodedata

_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # Unicode UAX #9, §2


def printable(text: str, *, lines: bool = False) -> str:
    """``text`` without what could move a terminal's cursor, colour it, or reorder what it shows;
    only with ``lines`` may it go over several."""
    if text.isprintable():  # as almost all is
        return text
    return "".join("\ufffd" if _is_control(c) and not (lines and c == "\n") else c for c in text)


def _is_control(c: str) -> bool:
    return unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or bool(_REORDERING.match(c))
