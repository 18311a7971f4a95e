"""The stage's limits: the budget of mails, the brake, and the drain's lock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from chalicelib.mail.limits import BRAKE, BUDGET, Grant, Limits
from chalicelib.users.people import Verdict
from chalicelib.users.table import mapping, number, string
from tests.support.stores import create_limits
from tests.support.wire import Wire, answer

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

NOON = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MIDNIGHT = datetime(2031, 5, 5, tzinfo=timezone.utc)
LIFE = timedelta(seconds=130)


@pytest.fixture
def client(moto_dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    """DynamoDB with an empty table of limits."""
    with mock_aws():
        create_limits(moto_dynamodb, "limits")
        yield moto_dynamodb


def bounded(
    client: DynamoDBClient, per_day: int | None = None, per_hour: int | None = None
) -> Limits:
    return Limits(client, "limits", per_day, per_hour)


def used(limits: Limits) -> dict[str, int]:
    """Return the mails of each hour that is kept, by its name."""
    hours = mapping(limits.state(), "hours")
    return {hour: int(number(entry["M"], "mails")) for hour, entry in hours.items()}


def used_today(limits: Limits) -> int:
    return int(number(limits.state(), "day_mails"))


# The budget


def test_a_stage_without_bounds_gets_all_it_asks_for(client: DynamoDBClient) -> None:
    assert bounded(client).reserve(100_000, NOON)[:2] == (100_000, "")


@pytest.mark.parametrize(
    ("per_day", "per_hour"), [(10, None), (None, 10), (10, 20), (20, 10)], ids=str
)
def test_mails_are_granted_up_to_the_bound(
    client: DynamoDBClient, per_day: int | None, per_hour: int | None
) -> None:
    limits = bounded(client, per_day, per_hour)
    assert limits.reserve(6, NOON)[:2] == (6, "")
    assert limits.reserve(6, NOON)[:2] == (4, BUDGET)
    assert limits.reserve(6, NOON) == Grant(0, BUDGET)
    assert (used_today(limits), used(limits)) == (10, {"2031-05-04T12": 10})


def test_the_first_batch_may_exceed_the_budget(client: DynamoDBClient) -> None:
    assert bounded(client, per_hour=10).reserve(100, NOON)[:2] == (10, BUDGET)


@pytest.mark.parametrize("bounds", [(0, None), (None, 0)], ids=["day", "hour"])
def test_a_budget_of_nothing_grants_nothing(
    client: DynamoDBClient, bounds: tuple[int | None, int | None]
) -> None:
    assert bounded(client, *bounds).reserve(1, NOON) == Grant(0, BUDGET)


def test_a_batch_is_reserved_by_one_write(client: DynamoDBClient) -> None:
    limits = bounded(client, per_day=10)
    limits.reserve(1, NOON)
    writes: list[str] = []

    def remember(model: Any, **_: object) -> None:
        writes.append(model.name)

    client.meta.events.register("before-call.dynamodb", remember)
    limits.reserve(5, NOON)
    client.meta.events.unregister("before-call.dynamodb", remember)
    assert writes == ["UpdateItem"]


def test_mails_given_back_can_be_granted_again(client: DynamoDBClient) -> None:
    limits = bounded(client, per_day=10, per_hour=10)
    limits.give_back(4, limits.reserve(10, NOON).hour)
    assert (used_today(limits), used(limits)) == (6, {"2031-05-04T12": 6})
    assert limits.reserve(10, NOON)[:2] == (4, BUDGET)


def test_mails_are_given_back_to_their_own_hour(client: DynamoDBClient) -> None:
    """A batch that began before the hour's end may end after it."""
    limits = bounded(client, per_day=10)
    grant = limits.reserve(5, NOON)
    limits.reserve(1, NOON + HOUR)
    limits.give_back(2, grant.hour)
    assert (used_today(limits), used(limits)) == (4, {"2031-05-04T12": 3, "2031-05-04T13": 1})


def test_mails_of_yesterday_are_not_given_back_today(client: DynamoDBClient) -> None:
    limits = bounded(client, per_day=10)
    grant = limits.reserve(5, MIDNIGHT - TICK)
    limits.reserve(5, MIDNIGHT)
    limits.give_back(5, grant.hour)
    assert used_today(limits) == 5


def test_mails_are_given_back_to_the_hour_of_a_clock_ahead(client: DynamoDBClient) -> None:
    """Midnight is over by another function's clock, so the mails are of its hour."""
    limits = bounded(client)
    limits.reserve(1, MIDNIGHT)
    grant = limits.reserve(4, MIDNIGHT - TICK)
    assert used(limits) == {"2031-05-05T00": 5}
    limits.give_back(4, grant.hour)
    assert (used_today(limits), used(limits)) == (1, {"2031-05-05T00": 1})


def test_mails_are_given_back_to_an_empty_table(client: DynamoDBClient) -> None:
    limits = bounded(client)
    limits.give_back(5, "2031-05-04T12")
    assert limits.state() == {}


def test_a_new_hour_has_a_budget_of_its_own(client: DynamoDBClient) -> None:
    limits = bounded(client, per_hour=10)
    end = NOON + HOUR
    assert limits.reserve(10, NOON)[:2] == (10, "")
    assert limits.reserve(1, end - TICK) == Grant(0, BUDGET)
    assert limits.reserve(10, end)[:2] == (10, "")
    assert used(limits) == {"2031-05-04T12": 10, "2031-05-04T13": 10}


def test_the_days_budget_goes_on_in_a_new_hour(client: DynamoDBClient) -> None:
    limits = bounded(client, per_day=10, per_hour=10)
    assert limits.reserve(7, NOON)[:2] == (7, "")
    assert limits.reserve(7, NOON + HOUR)[:2] == (3, BUDGET)


def test_a_new_day_has_a_budget_of_its_own(client: DynamoDBClient) -> None:
    limits = bounded(client, per_day=10)
    assert limits.reserve(10, MIDNIGHT - HOUR)[:2] == (10, "")
    assert limits.reserve(1, MIDNIGHT - TICK) == Grant(0, BUDGET)
    assert limits.reserve(10, MIDNIGHT)[:2] == (10, "")
    assert used_today(limits) == 10


def test_a_day_is_one_in_utc(client: DynamoDBClient) -> None:
    limits = bounded(client, per_day=10)
    limits.reserve(10, NOON)
    paris = timezone(2 * HOUR)
    assert limits.reserve(1, datetime(2031, 5, 5, 1, 59, tzinfo=paris)) == Grant(0, BUDGET)
    assert limits.reserve(1, datetime(2031, 5, 5, 2, tzinfo=paris))[:2] == (1, "")


def test_a_late_request_never_turns_the_day_back(client: DynamoDBClient) -> None:
    """Its moment was taken just before midnight, and it arrives after another's."""
    limits = bounded(client, per_day=10)
    limits.reserve(10, MIDNIGHT - TICK)
    assert limits.reserve(4, MIDNIGHT)[:2] == (4, "")
    limits.reserve(1, MIDNIGHT - TICK)
    limits.count(Verdict.BOUNCED, MIDNIGHT - TICK)
    assert string(limits.state(), "day") == "2031-05-05"
    assert used(limits)["2031-05-04T23"] >= 10
    left = limits.reserve(10, MIDNIGHT).mails
    assert left <= 6


def test_hours_older_than_a_day_are_forgotten(client: DynamoDBClient) -> None:
    limits = bounded(client)
    for hours in range(26):
        limits.reserve(1, NOON + hours * HOUR)
    assert len(used(limits)) == 24
    limits.reserve(1, NOON + 30 * DAY)
    assert used(limits) == {"2031-06-03T12": 1}


def test_the_first_mail_of_a_table_is_not_lost(client: DynamoDBClient) -> None:
    """Two functions see an empty table, and both begin its first hour."""
    limits = bounded(client)
    limits.reserve(3, NOON)
    limits._turn_over({}, "2031-05-04", "2031-05-04T12")  # the slower of the two
    assert (used_today(limits), used(limits)) == (3, {"2031-05-04T12": 3})


def test_a_turn_of_the_hour_keeps_what_others_count(client: DynamoDBClient) -> None:
    """Two functions see the old hour, and both turn it over."""
    limits = bounded(client, per_day=10)
    limits.reserve(5, NOON)
    old = limits.state()
    limits.reserve(2, NOON + HOUR)
    limits._turn_over(old, "2031-05-04", "2031-05-04T13")  # the slower of the two
    assert (used_today(limits), used(limits)) == (7, {"2031-05-04T12": 5, "2031-05-04T13": 2})


# The brake


def judged(client: DynamoDBClient, mails: int, **verdicts: int) -> bool:
    """Return True if the brake is on after so many mails, bounces and complaints."""
    limits = bounded(client)
    limits.reserve(mails, NOON)
    for name, times in verdicts.items():
        applied = [limits.count(Verdict(name), NOON) for _ in range(times)]
        assert sum(applied) == ("brake" in limits.state())
    return limits.reserve(1, NOON) == Grant(0, BRAKE)


@pytest.mark.parametrize(
    ("mails", "verdicts", "is_on"),
    [
        (100, {"bounced": 8}, False),
        (100, {"bounced": 9}, True),
        (99, {"bounced": 99}, False),
        (1000, {"bounced": 80}, False),
        (1000, {"bounced": 81}, True),
        (100, {"complained": 1}, True),
        (99, {"complained": 9}, False),
        (1000, {"complained": 3}, False),
        (1000, {"complained": 4}, True),
        (1000, {"bounced": 80, "complained": 3}, False),
    ],
    ids=str,
)
def test_the_brake_is_applied_above_a_share(
    client: DynamoDBClient, mails: int, verdicts: dict[str, int], is_on: bool
) -> None:
    assert judged(client, mails, **verdicts) is is_on


def test_the_brake_is_applied_once_and_logged(
    client: DynamoDBClient, caplog: pytest.LogCaptureFixture
) -> None:
    limits = bounded(client)
    limits.reserve(100, NOON)
    assert [limits.count(Verdict.BOUNCED, NOON) for _ in range(12)].count(True) == 1
    assert string(limits.state(), "brake") == "9 of 100 mails bounced"
    assert string(limits.state(), "brake_at") == "2031-05-04T12:00:00.000000Z"
    assert [each.getMessage() for each in caplog.records] == [
        "brake: mail is stopped: 9 of 100 mails bounced"
    ]


def test_bounces_are_judged_over_the_last_day(client: DynamoDBClient) -> None:
    limits = bounded(client)
    limits.reserve(100, NOON)
    for hours in range(8):
        assert not limits.count(Verdict.BOUNCED, NOON + hours * HOUR)
    assert limits.count(Verdict.BOUNCED, NOON + DAY - HOUR)


def test_bounces_of_the_day_before_are_forgotten(client: DynamoDBClient) -> None:
    limits = bounded(client)
    limits.reserve(100, NOON)
    for _ in range(8):
        limits.count(Verdict.BOUNCED, NOON)
    limits.reserve(100, NOON + DAY)
    assert not limits.count(Verdict.BOUNCED, NOON + DAY)


def test_a_bounce_of_a_new_hour_is_counted(client: DynamoDBClient) -> None:
    """Nothing was mailed in it yet."""
    limits = bounded(client)
    limits.count(Verdict.BOUNCED, NOON)
    limits.count(Verdict.COMPLAINED, MIDNIGHT)
    hours = mapping(limits.state(), "hours")
    assert number(hours["2031-05-04T12"]["M"], "bounced") == 1
    assert number(hours["2031-05-05T00"]["M"], "complained") == 1


def test_the_brake_outlives_the_day(client: DynamoDBClient) -> None:
    assert judged(client, 100, bounced=9)
    assert bounded(client).reserve(1, NOON + 3 * DAY) == Grant(0, BRAKE)


def test_an_operator_lifts_the_brake(client: DynamoDBClient) -> None:
    assert judged(client, 100, bounced=9)
    limits = bounded(client)
    assert limits.resume(NOON + HOUR)
    assert "brake" not in limits.state()
    assert limits.reserve(1, NOON + HOUR)[:2] == (1, "")
    assert limits.reserve(1, NOON + DAY)[:2] == (1, "")
    assert not limits.resume(NOON + DAY)


def test_after_the_brake_counting_starts_again(client: DynamoDBClient) -> None:
    assert judged(client, 100, bounced=9)
    limits = bounded(client)
    limits.resume(NOON)
    assert not limits.count(Verdict.BOUNCED, NOON)
    limits.reserve(100, NOON)
    assert [limits.count(Verdict.BOUNCED, NOON) for _ in range(8)].index(True) == 7


def test_the_brake_lets_welcomes_through_within_the_budget(client: DynamoDBClient) -> None:
    """They go to validated addresses."""
    limits = Limits(client, "limits", None, 102)
    limits.reserve(100, NOON)
    for _ in range(9):
        limits.count(Verdict.BOUNCED, NOON)
    assert limits.reserve(1, NOON, are_welcomes=True)[:2] == (1, "")
    assert limits.reserve(1, NOON) == Grant(0, BRAKE)
    assert limits.reserve(2, NOON, are_welcomes=True)[:2] == (1, BUDGET)
    assert limits.reserve(1, NOON, are_welcomes=True) == Grant(0, BUDGET)
    assert limits.reserve(1, NOON + HOUR, are_welcomes=True)[:2] == (1, "")


def test_a_brake_whose_answer_is_lost_is_logged(
    client: DynamoDBClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Its alarm stands on the line."""
    client = boto3.client(
        "dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 2})
    )
    limits = bounded(client)
    limits.reserve(100, NOON)
    for _ in range(8):
        limits.count(Verdict.BOUNCED, NOON)
    with Wire(client, "UpdateItem", [None, answer(500)], arrives=True):
        assert limits.count(Verdict.BOUNCED, NOON)
    assert "brake: mail is stopped" in caplog.text


def test_no_brake_is_lifted_where_there_is_none(client: DynamoDBClient) -> None:
    limits = bounded(client)
    assert not limits.resume(NOON)
    assert limits.state() == {}


# The lock


def test_one_drain_has_the_lock(client: DynamoDBClient) -> None:
    limits = bounded(client)
    assert limits.lock("first", NOON, LIFE) is not None
    assert limits.lock("second", NOON + LIFE - TICK, LIFE) is None


def test_a_repeated_run_has_its_own_lock(client: DynamoDBClient) -> None:
    limits = bounded(client)
    limits.lock("first", NOON, LIFE)
    assert limits.lock("first", NOON + TICK, LIFE) is not None


def test_the_lock_of_a_killed_drain_ends(client: DynamoDBClient) -> None:
    limits = bounded(client)
    limits.lock("first", NOON, LIFE)
    assert limits.lock("second", NOON + LIFE, LIFE) is not None


def test_a_lock_is_given_back_with_the_hour_scanned(client: DynamoDBClient) -> None:
    limits = bounded(client)
    limits.lock("first", NOON, LIFE)
    limits.unlock("first", NOON + TICK, "2031-05-04T12")
    lock = limits.lock("second", NOON + TICK, LIFE)
    assert lock is not None
    assert string(lock, "scanned") == "2031-05-04T12"


def test_a_slow_drain_leaves_the_next_ones_lock(client: DynamoDBClient) -> None:
    limits = bounded(client)
    limits.lock("first", NOON, LIFE)
    limits.lock("second", NOON + LIFE, LIFE)
    limits.unlock("first", NOON + LIFE + TICK, "")
    assert limits.lock("third", NOON + LIFE + 2 * TICK, LIFE) is None
