"""Untrusted text, made safe for a terminal."""

import json
import re
import unicodedata

from rich.console import Console

_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # Unicode UAX #9, §2
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"


class Terminal(Console):
    """rich's console, but a closed pipe raises: ops.__main__ knows that it is not an error."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def printable(text: str, *, lines: bool = False) -> str:
    """Return ``text`` without characters that move the cursor, colour or reorder the terminal.

    ``lines`` keeps line breaks.
    """
    if text.isprintable():  # nearly always
        return text
    return "".join("\ufffd" if _is_control(c) and not (lines and c == "\n") else c for c in text)


def isolated(text: str) -> str:
    """Return ``text`` so that its right-to-left words do not reorder what stands beside it."""
    if text.isascii() or not any(unicodedata.bidirectional(c) in ("R", "AL") for c in text):
        return text
    return f"{_ISOLATE}{text}{_POP_ISOLATE}"


def as_json(content: object, *, indent: int | None = None) -> str:
    """Return ``content`` as JSON that is safe on a terminal: JSON can escape what is not."""
    return _UNSAFE_IN_JSON.sub(
        lambda match: f"\\u{ord(match[0]):04x}",
        json.dumps(content, ensure_ascii=False, indent=indent),
    )


def _is_control(c: str) -> bool:
    return unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or bool(_REORDERING.match(c))
