"""Logs: users as keyed hashes, errors by their names, no message of an exception."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib import logs

EMAIL = "alexis@example.org"


@pytest.fixture(autouse=True)
def key() -> Iterator[None]:
    logs.use_key("secret")
    yield
    logs.use_key("")


def test_a_user_has_one_short_name_in_all_logs_of_a_stage() -> None:
    assert logs.hashed(EMAIL) == logs.hashed(EMAIL) == logs.hashed_with(b"secret", EMAIL)
    assert len(logs.hashed(EMAIL)) == 12
    assert logs.hashed(EMAIL) != logs.hashed("bob@example.org")


def test_a_users_name_depends_on_the_stages_key() -> None:
    before = logs.hashed(EMAIL)
    logs.use_key("another")
    assert logs.hashed(EMAIL) != before


def test_a_key_that_has_to_be_read_is_read_once_when_needed() -> None:
    reads: list[str] = []

    def read() -> str:
        reads.append("read")
        return "secret"

    logs.use_key(read)
    assert reads == []
    assert [logs.hashed(EMAIL), logs.hashed(EMAIL)] == [logs.hashed_with(b"secret", EMAIL)] * 2
    assert reads == ["read"]


def test_an_address_of_any_characters_has_a_hash() -> None:
    assert len(logs.hashed("\ud800@example.org")) == 12


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ClientError({"Error": {"Code": "Throttled", "Message": EMAIL}}, "Put"), "Put Throttled"),
        (ReadTimeoutError(endpoint_url=f"https://{EMAIL}"), "ReadTimeoutError"),
        (ValueError(EMAIL), "ValueError"),
    ],
)
def test_an_error_is_named_without_its_message(error: Exception, name: str) -> None:
    assert logs.error_name(error) == name


def test_an_exceptions_message_stays_out_of_chalices_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chalice_log = logging.getLogger("a chalice app")
    logs.configure(chalice_log, "secret")
    with caplog.at_level(logging.INFO):
        try:
            raise ValueError(EMAIL)
        except ValueError:
            chalice_log.exception("Caught exception for %s", "post_user")
    assert caplog.text.count("Caught exception for post_user: ValueError\n") == 1
    assert "test_logs.py" in caplog.text  # the frames stay: they say where
    assert EMAIL not in caplog.text


def test_a_line_without_an_exception_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    chalice_log = logging.getLogger("a chalice app")
    logs.configure(chalice_log, "secret")
    with caplog.at_level(logging.INFO):
        chalice_log.info("hello")
    assert caplog.messages == ["hello"]
