"""What is shown on a terminal: other people's texts made safe for it, and nobody who looks away
blamed."""

import re
import unicodedata

from rich.console import Console

_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # Unicode UAX #9, §2


class Terminal(Console):
    """rich's console, which leaves it to ops.__main__ what a reader means who has had enough: by
    itself it would end the program as failed."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def printable(text: str, *, lines: bool = False) -> str:
    """``text`` without what could move a terminal's cursor, colour it, or reorder what it shows;
    only with ``lines`` may it go over several."""
    if text.isprintable():  # as almost all is
        return text
    return "".join("\ufffd" if _is_control(c) and not (lines and c == "\n") else c for c in text)


def _is_control(c: str) -> bool:
    return unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or bool(_REORDERING.match(c))
