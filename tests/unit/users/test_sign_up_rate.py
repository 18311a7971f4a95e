"""The rate of sign-ups: counted by minutes, and never in the way of a mail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.users.moments import iso
from chalicelib.users.sign_up_rate import REMEMBERED, SignUpRate
from tests.support import stores

NOW = datetime(2026, 11, 24, 12, 0, 30, tzinfo=timezone.utc)
LATER = timedelta(seconds=20)
LIMIT = 3


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb")
        stores.create_limits(client, "limits")
        yield client


def rate(client: Any) -> SignUpRate:
    """A function of its own: it has read nothing yet."""
    return SignUpRate(client, "limits", LIMIT)


def sign_ups(count: int, now: datetime = NOW) -> list[Any]:
    image = {"said_at": {"S": iso(now)}, "mail_at": {"S": iso(now)}}
    return [{"dynamodb": {"NewImage": image}}] * count


def test_the_rate_is_high_from_one_more_than_the_limit(client: Any) -> None:
    rate(client).count(sign_ups(2), NOW)
    rate(client).count(sign_ups(1), NOW)
    assert not rate(client).is_high(NOW)
    rate(client).count(sign_ups(1), NOW)
    assert rate(client).is_high(NOW)


@pytest.mark.parametrize("broken", [{}, {"dynamodb": {}}, {"dynamodb": {"NewImage": None}}])
def test_a_record_that_cannot_be_read_is_no_sign_up(client: Any, broken: dict[str, Any]) -> None:
    rate(client).count([broken, *sign_ups(4)], NOW)
    assert rate(client).is_high(NOW)


def test_the_rate_is_high_until_the_next_minute_ends(client: Any) -> None:
    rate(client).count(sign_ups(4), NOW)
    assert rate(client).is_high(NOW + timedelta(minutes=1))
    rate(client).count(sign_ups(1), NOW + timedelta(minutes=1))
    assert rate(client).is_high(NOW + timedelta(minutes=1))
    assert not rate(client).is_high(NOW + timedelta(minutes=2))
    rate(client).count(sign_ups(1), NOW + timedelta(minutes=2))
    assert not rate(client).is_high(NOW + timedelta(minutes=2))


def test_a_minute_that_was_long_ago_is_not_the_one_before(client: Any) -> None:
    rate(client).count(sign_ups(4), NOW)
    rate(client).count(sign_ups(1), NOW + timedelta(minutes=5))
    assert not rate(client).is_high(NOW + timedelta(minutes=5))


def test_a_mailers_late_count_goes_to_the_minute_that_runs(client: Any) -> None:
    rate(client).count(sign_ups(2), NOW + timedelta(minutes=1))
    rate(client).count(sign_ups(2), NOW)
    assert rate(client).is_high(NOW + timedelta(minutes=1))


def test_only_sign_ups_are_counted(client: Any) -> None:
    given_back = {"said_at": {"S": iso(NOW - LATER)}, "mail_at": {"S": iso(NOW)}}
    put = {"email": {"S": "a@example.org"}}
    records = [{"dynamodb": {"NewImage": image}} for image in (given_back, put)] * 9
    rate(client).count([*records, {"dynamodb": {}}], NOW)
    assert client.scan(TableName="limits")["Items"] == []


def test_the_table_is_read_once_in_a_while(client: Any) -> None:
    read = rate(client)
    assert not read.is_high(NOW)
    rate(client).count(sign_ups(9), NOW)
    assert not read.is_high(NOW + REMEMBERED - timedelta(seconds=1))
    assert read.is_high(NOW + REMEMBERED)


def test_a_table_that_does_not_answer_changes_nothing(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    read = rate(client)
    rate(client).count(sign_ups(9), NOW)
    assert read.is_high(NOW)
    client.delete_table(TableName="limits")
    assert read.is_high(NOW + REMEMBERED)
    read.count(sign_ups(1), NOW)
    assert [record.getMessage() for record in caplog.records] == [
        "sign-ups not read: GetItem ResourceNotFoundException",
        "sign-ups not counted: UpdateItem ResourceNotFoundException",
    ]
