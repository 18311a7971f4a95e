"""Invisible characters: which are taken off, and which show."""

import sys

import pytest

from chalicelib.users import invisible


def test_all_spaces_are_taken_off_both_ends() -> None:
    spaces = {c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace()}
    assert spaces <= set(invisible.EDGES)
    assert len(set(invisible.EDGES)) == len(invisible.EDGES)


@pytest.mark.parametrize("character", [*invisible.EDGES, *invisible.DIRECTIONS, "\u0301", "\ufe0f"])
def test_what_is_taken_off_shows_nothing(character: str) -> None:
    assert not invisible.is_visible(character)


@pytest.mark.parametrize("character", [*"aé1-.$山ก", "\U0001f600"])
def test_letters_digits_and_signs_show(character: str) -> None:
    assert invisible.is_visible(character)
    assert not invisible.is_hidden(character)
