"""What other people wrote, on an operator's terminal."""

from __future__ import annotations

from ops.terminal.text import printable


def test_nothing_that_moves_a_terminal_is_printable() -> None:
    assert printable("a\x1b[2Jb\r\n\u202e\u2028") == "a\ufffd[2Jb\ufffd\ufffd\ufffd\ufffd"
    assert printable("Zoé 漢字 👩\u200d💻") == "Zoé 漢字 👩\u200d💻"


def test_lines_stay_lines_where_they_may() -> None:
    assert printable("a\n\x1b[2Jb\u202e", lines=True) == "a\n\ufffd[2Jb\ufffd"
