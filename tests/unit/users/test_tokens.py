"""Tokens: how they look, that no two are alike, and what is kept of them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.users import tokens


def test_a_token_is_well_formed_and_stands_in_a_link_as_it_is() -> None:
    token = tokens.mint()
    assert tokens.well_formed(token)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_no_two_tokens_are_alike() -> None:
    assert len({tokens.mint() for _ in range(1000)}) == 1000


def test_what_is_kept_of_a_token_is_its_sha_256() -> None:
    token = "A" * 43
    assert tokens.digest(token) == hashlib.sha256(b"A" * 43).hexdigest()
    assert token not in tokens.digest(token)


@given(st.binary(min_size=tokens.BYTES, max_size=tokens.BYTES))
def test_any_32_bytes_make_a_well_formed_token(random: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secrets.token_bytes", lambda _: random)
        assert tokens.well_formed(tokens.mint())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("A" * 42, id="too short"),
        pytest.param("A" * 44, id="too long"),
        pytest.param("A" * 43 + "\n", id="a line break after it"),
        pytest.param("A" * 42 + "=", id="padded"),
        pytest.param("A" * 42 + "+", id="not URL-safe"),
        pytest.param("A" * 42 + "é", id="a letter of no token"),
        pytest.param("A" * 42 + "\u0661", id="a digit of another script"),
    ],
)
def test_what_cannot_be_a_token_is_seen(text: str) -> None:
    assert not tokens.well_formed(text)
