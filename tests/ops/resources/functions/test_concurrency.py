"""The bound of the mailer: a reserve if the account allows one, else a sum."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.resources.functions import concurrency
from ops.resources.functions.concurrency import MAILER_RESERVE, ConcurrencyLimits
from ops.stage.project import Project

NEW_ACCOUNT = ConcurrencyLimits(10, 10)


class Missing(ClientError):
    pass


class Lambda:
    exceptions = SimpleNamespace(ResourceNotFoundException=Missing)

    def __init__(self, own: dict[str, int] | None) -> None:
        self.own = own

    def get_account_settings(self) -> Any:
        limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 960}
        return {"AccountLimit": limit}

    def get_function_concurrency(self, FunctionName: str) -> Any:  # noqa: N803 - boto3's name
        assert FunctionName == "bienvenue-prod-send_validation_mail"
        if self.own is None:
            raise Missing({"Error": {}}, "GetFunctionConcurrency")
        return self.own


@pytest.mark.parametrize(
    ("own", "reserved"), [(None, None), ({}, None), ({"ReservedConcurrentExecutions": 40}, 40)]
)
def test_the_account_says_what_runs_at_once(
    project: Project, own: dict[str, int] | None, reserved: int | None
) -> None:
    assert concurrency.read(Lambda(own), project) == ConcurrencyLimits(1000, 960, reserved)


@pytest.mark.parametrize(
    ("room", "recorded", "reserve"),
    [
        (ConcurrencyLimits(1000, 1000), None, MAILER_RESERVE),
        (ConcurrencyLimits(1000, 980, MAILER_RESERVE), MAILER_RESERVE, MAILER_RESERVE),
        (ConcurrencyLimits(1000, 1000), 5, 5),  # an operator's own
        (ConcurrencyLimits(120, 120), None, MAILER_RESERVE),
        (ConcurrencyLimits(120, 100, MAILER_RESERVE), MAILER_RESERVE, MAILER_RESERVE),
        (ConcurrencyLimits(119, 119), None, None),
        (ConcurrencyLimits(1000, 110), None, None),  # other apps reserved the rest
        (ConcurrencyLimits(1000, 1000), 0, 0),  # an operator stopped the mailer
        (NEW_ACCOUNT, 0, 0),
        (NEW_ACCOUNT, None, None),
        (NEW_ACCOUNT, MAILER_RESERVE, None),  # the settings of another account
    ],
)
def test_a_reserve_leaves_what_lambda_demands(
    room: ConcurrencyLimits, recorded: int | None, reserve: int | None
) -> None:
    assert concurrency.choose(room, recorded) == reserve


def test_a_new_account_keeps_functions_free_for_its_pages() -> None:
    """The sum of docs/operating.md, Limits."""
    assert NEW_ACCOUNT.for_pages(concurrency.FIRST_SHARDS, 14) == 3
    assert NEW_ACCOUNT.for_pages(8, 14) < 0


def test_a_reserve_bounds_the_mailer_whatever_its_shards() -> None:
    room = ConcurrencyLimits(1000, 980, MAILER_RESERVE)
    assert room.for_pages(4, 14) == room.for_pages(400, 14) == 977


def test_only_open_shards_are_counted() -> None:
    ended = {"SequenceNumberRange": {"StartingSequenceNumber": "1", "EndingSequenceNumber": "2"}}
    is_open = {"SequenceNumberRange": {"StartingSequenceNumber": "1"}}
    pages = [
        {"Shards": [ended, is_open], "LastEvaluatedShardId": "last"},
        {"Shards": [is_open]},
    ]
    asked: list[dict[str, str]] = []

    def describe_stream(**more: str) -> Any:
        asked.append(more)
        return {"StreamDescription": pages[len(asked) - 1]}

    streams = SimpleNamespace(describe_stream=describe_stream)
    assert concurrency.open_shards(streams, "arn") == 2
    assert asked == [
        {"StreamArn": "arn"},
        {"StreamArn": "arn", "ExclusiveStartShardId": "last"},
    ]
