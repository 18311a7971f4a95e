"""What other people wrote, on an operator's terminal."""

from __future__ import annotations

import json

from ops.terminal.text import as_json, isolated, printable


def test_control_characters_are_not_printable() -> None:
    assert printable("a\x1b[2Jb\r\n\u202e\u2028") == "a\ufffd[2Jb\ufffd\ufffd\ufffd\ufffd"
    assert printable("Zoé 漢字 👩\u200d💻") == "Zoé 漢字 👩\u200d💻"


def test_lines_may_be_kept() -> None:
    assert printable("a\n\x1b[2Jb\u202e", lines=True) == "a\n\ufffd[2Jb\ufffd"


def test_right_to_left_text_is_isolated() -> None:
    for name in ("אלכס", "محمد", "Ali محمد"):
        assert isolated(name) == f"\u2068{name}\u2069"
    for name in ("Alexis", "GÜNST HORN", "漢字", "ดร.มานะ", ""):
        assert isolated(name) == name


def test_json_is_safe_on_a_terminal_and_keeps_its_values() -> None:
    content = {"nom": "a\x1b[2J\x9b\x7f\u202eb\u2028\ud800", "prenom": "Zoë 漢字 👩\u200d💻"}
    for indent in (None, 2):
        text = as_json(content, indent=indent)
        assert json.loads(text) == content
        assert all(line.isprintable() for line in text.replace("\u200d", "").splitlines())
    assert "Zoë 漢字" in as_json(content)
