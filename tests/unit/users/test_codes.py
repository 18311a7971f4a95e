"""Codes: six digits, a keyed hash, and five guesses in a million."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.users import codes
from chalicelib.users.item import MAX_MAILS
from chalicelib.users.people import Validation
from chalicelib.users.store import MAX_GUESSES
from tests.support.states import EMAIL, LINK, NOW, STATES, TICKET, epoch, put
from tests.support.stores import Store

KEY = "a secret key of thirty-two letters"


@pytest.fixture
def store(moto_store: Store) -> Store:
    """The local cloud is too slow for so many guesses."""
    return moto_store


def test_a_code_is_six_digits_each_as_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(len(code) == 6 and code.isdecimal() for code in (codes.mint() for _ in range(100)))
    asked: list[int] = []
    monkeypatch.setattr(codes.secrets, "randbelow", lambda below: asked.append(below) or 7)
    assert codes.mint() == "000007"
    assert asked == [1_000_000]


def test_a_hash_is_of_one_mail_and_one_key() -> None:
    hashes = {
        codes.digest(key, link, code)
        for key in (KEY, KEY[::-1])
        for link in ("1" * 64, "2" * 64)
        for code in ("012345", "012346")
    }
    assert len(hashes) == 8


def test_guesses_succeed_as_often_as_arithmetic_says(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes of two digits, each of them once: the guesses find 5 of 100."""
    monkeypatch.setattr(codes, "DIGITS", 2)
    users, successes = store.users_with(KEY), 0
    space = [f"{number:02}" for number in range(10**codes.DIGITS)]
    for code in space:
        stored = {
            "code": codes.digest(KEY, LINK, code),
            "link": LINK,
            "expires": epoch(NOW + timedelta(minutes=15)),
            "tries": 0,
        }
        put(store, {**(STATES["sent"] or {}), "codes": {TICKET: stored}})
        guesses = [users.validate_by_code(EMAIL, TICKET, guess, NOW) for guess in space[:8]]
        successes += Validation.VALIDATED in [guess.outcome for guess in guesses]
    assert successes / len(space) == MAX_GUESSES / 10**codes.DIGITS


def test_a_day_of_guessing_finds_a_code_in_40_000_days() -> None:
    """A mailbox gets five mails a day, each with five guesses, of a million codes."""
    a_mail = MAX_GUESSES / 1_000_000
    assert a_mail == 5e-6
    assert 1 / (MAX_MAILS * a_mail) == 40_000
