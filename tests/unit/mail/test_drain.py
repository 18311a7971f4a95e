"""The drain: owed mail in a real index, a fake SES and a virtual clock."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.logs import hashed
from chalicelib.mail.clock import Clock
from chalicelib.mail.drain import (
    LOCK_LIFE,
    PATIENCE,
    RESERVED_SHARE,
    RUN_LIMIT,
    SEGMENTS,
    Drain,
)
from chalicelib.mail.limits import Limits
from chalicelib.mail.mailer import TIME_FOR_A_MAIL, Mailer
from chalicelib.mail.message import Mail
from chalicelib.mail.ses import PAUSED, QUOTA, RATE, UNREACHABLE, Account, Refused, Undelivered
from chalicelib.users import tokens
from chalicelib.users.item import LEASE, SLOTS, slot
from chalicelib.users.moments import iso
from chalicelib.users.outbox import Outbox
from chalicelib.users.people import SignUp, Verdict
from tests.support.fakes import FakeSes
from tests.support.stores import Plain, Store, create_limits, typed
from tests.support.wire import Wire, refusal

NOON = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
TICK = timedelta(microseconds=1)
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=each) for each in (1, 60, 3600, 86400))
ALEXIS, BOB, CAROL = "alexis@example.org", "bob@example.org", "carol@example.org"
TICKET = "a" * 64
LAMBDA = 120.0


class World:
    """A drain and all that it meets. A run begins at ``now``, and pauses move the clock on."""

    def __init__(
        self, store: Store, *, per_hour: int | None = None, welcomes: bool = False
    ) -> None:
        self.store = store
        self.ses = FakeSes()
        self.now = NOON
        self.pauses: list[float] = []
        self.limits = Limits(store.client, "limits", None, per_hour)
        clock = Clock(lambda: self.now, self.pause)
        outbox, fake = Outbox(store.client, store.table, welcomes=welcomes), self.ses
        mailer = Mailer(
            outbox,
            fake,  # type: ignore[arg-type]
            lambda user, token, *_: Mail(user.email, user.prenom, token, ""),
            clock,
            self.limits,
            store.mailboxes,
        )
        self._drain = Drain(outbox, mailer, self.limits, clock)
        self._runs = 0

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)

    def run(self, time_left: Callable[[], float] = lambda: LAMBDA) -> int:
        self._runs += 1
        return self._drain.drain(str(self._runs), time_left)

    def run_after(self, time: timedelta) -> int:
        self.now += time
        return self.run()

    def sign_up(self, email: str, ago: timedelta = 2 * PATIENCE) -> None:
        sign_up = SignUp(email, "Alexis", "Horn", "fr")
        assert self.store.users.sign_up(sign_up, TICKET, self.now - ago)

    def put_validated(self, email: str) -> None:
        """Have another program set ``validated_at``, and nothing else."""
        self.store.put(**{**self.item(email), "validated_at": iso(self.now)})

    def brake(self) -> None:
        self.limits.reserve(100, self.now)
        for _ in range(9):
            self.limits.count(Verdict.BOUNCED, self.now)

    def item(self, email: str = ALEXIS) -> Plain:
        return self.store.item(email) or {}

    @property
    def mailed(self) -> list[str]:
        """Return the addresses in the order in which SES got their mail, a batch in any order."""
        return [mail.to for mail in self.ses.mails]


@pytest.fixture
def store(moto_store: Store) -> Store:
    create_limits(moto_store.client, "limits")
    return moto_store


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="chalicelib")


def last_line(caplog: pytest.LogCaptureFixture) -> str:
    return [each.getMessage() for each in caplog.records if each.msg.startswith("drain:")][-1]


def throttled() -> Undelivered:
    return Undelivered("Slow.", may_have_left=False, why=RATE)


def refused_alone() -> Undelivered:
    """Refuse some addresses, as a sandbox refuses those that are not verified."""
    return Undelivered("MessageRejected: Email address is not verified.", may_have_left=False)


# What is mailed


def test_owed_mail_is_sent_after_the_streams_minute(world: World) -> None:
    world.sign_up(ALEXIS, ago=PATIENCE + TICK)
    world.sign_up(BOB, ago=PATIENCE)
    assert world.run() == 1
    assert world.mailed == [ALEXIS]
    after = world.item()
    assert (after["mail"], after["message_id"], "owed" in after) == ("sent", "0001", False)
    assert world.item(BOB)["mail"] == "owed"


def test_the_oldest_mail_goes_first(world: World) -> None:
    world.ses.account_now = Account(rate=1.0, left_today=100, may_send=True)
    people = [f"user{number}@example.org" for number in range(12)]
    for age, email in enumerate(reversed(people)):
        world.sign_up(email, ago=2 * MINUTE + age * SECOND)
    assert world.run() == len(people)
    assert world.mailed == people


@pytest.mark.parametrize(("age", "mailed"), [(LEASE - TICK, 0), (LEASE, 1)], ids=str)
def test_a_claim_in_doubt_is_mailed_after_its_lease(
    world: World, age: timedelta, mailed: int
) -> None:
    world.sign_up(ALEXIS, ago=2 * LEASE)
    image = typed(world.item())
    assert world.store.outbox.claim(image, "1" * 64, world.now - age)
    assert world.run() == mailed
    assert world.item()["mail"] == ("sent" if mailed else "sending")


def test_a_mail_that_ses_reports_is_not_sent_again(world: World) -> None:
    world.sign_up(ALEXIS, ago=2 * LEASE)
    assert world.store.outbox.claim(typed(world.item()), "1" * 64, world.now - LEASE)
    assert world.store.outbox.report_sent(ALEXIS, "1" * 64, "0100", world.now)
    assert world.run() == 0
    assert world.mailed == []


def test_a_mail_claimed_meanwhile_is_left_to_its_claim(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream claims it between the drain's look and the drain's claim."""
    world.sign_up(ALEXIS)
    read = Outbox.read

    def read_and_lose(self: Outbox, email: str) -> Any:
        image = read(self, email)
        self.claim(image, "1" * 64, world.now)
        return image

    monkeypatch.setattr(Outbox, "read", read_and_lose)
    assert world.run() == 0
    assert world.mailed == []


def test_a_failed_mail_leaves_the_index(world: World) -> None:
    world.sign_up(ALEXIS)
    world.ses.faults = {ALEXIS: [Refused("MessageRejected: no.")]}
    assert world.run() == 0
    assert (world.item()["mail"], "owed" in world.item()) == ("failed", False)


# The pace


@pytest.mark.parametrize("rate", [1.0, 14.0, 200.0])
def test_a_tenth_of_the_rate_is_left_to_fresh_sign_ups(world: World, rate: float) -> None:
    world.ses.account_now = Account(rate, left_today=math.inf, may_send=True)
    for number in range(25):
        world.sign_up(f"user{number}@example.org")
    assert world.run() == 25
    took = (world.now - NOON).total_seconds()
    assert took == pytest.approx(25 / (rate * (1 - RESERVED_SHARE)), rel=0.001)


def test_the_time_that_mails_take_is_part_of_the_pace(world: World) -> None:
    world.ses.account_now = Account(rate=10.0, left_today=100, may_send=True)

    def take_a_while(_: Mail) -> None:
        world.now += timedelta(seconds=0.05)

    world.ses.on_send = take_a_while
    for number in range(9):
        world.sign_up(f"user{number}@example.org")
    world.run()
    assert (world.now - NOON).total_seconds() == pytest.approx(1.0)


def test_the_account_is_asked_once_a_run(world: World) -> None:
    for number in range(25):
        world.sign_up(f"user{number}@example.org")
    world.run()
    assert world.ses.accounts_asked == 1


def test_a_run_ends_when_the_next_is_due(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.ses.account_now = Account(rate=1.0, left_today=100, may_send=True)
    for number in range(60):
        world.sign_up(f"user{number:02}@example.org", ago=3 * MINUTE - number * SECOND)
    mailed = world.run()
    assert RUN_LIMIT <= world.now - NOON < RUN_LIMIT + 2 * SECOND
    assert mailed == len(world.mailed) < 60
    oldest = iso(NOON - 3 * MINUTE + mailed * SECOND)
    age = (world.now - datetime.fromisoformat(oldest.replace("Z", "+00:00"))).total_seconds()
    assert last_line(caplog).startswith(f"drain: oldest owed {int(age)} s, {mailed} mailed, ")
    assert world.run() == 60 - mailed


def test_an_unknown_rate_is_taken_as_a_sandboxs(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: FakeSes) -> Account:
        raise ClientError({"Error": {"Code": "TooManyRequestsException"}}, "GetAccount")

    monkeypatch.setattr(FakeSes, "account", refuse)
    for email in (ALEXIS, BOB):
        world.sign_up(email)
    assert world.run() == 2
    assert (world.now - NOON).total_seconds() == pytest.approx(2 / (1 - RESERVED_SHARE))
    assert "SES's rate is not known: GetAccount TooManyRequestsException" in caplog.text


def test_a_run_without_time_starts_no_mail(world: World) -> None:
    world.sign_up(ALEXIS)
    before = world.item()
    assert world.run(lambda: TIME_FOR_A_MAIL - 1) == 0
    assert world.item() == before


# Why mail waits


@pytest.mark.parametrize(
    ("account", "why"),
    [
        (Account(rate=14, left_today=100, may_send=False), PAUSED),
        (Account(rate=14, left_today=0, may_send=True), QUOTA),
        (Account(rate=14, left_today=-3, may_send=True), QUOTA),
        (Account(rate=0, left_today=100, may_send=True), RATE),
    ],
    ids=str,
)
def test_an_account_that_may_not_send_is_not_tried(
    world: World, account: Account, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.ses.account_now = account
    world.sign_up(ALEXIS, ago=20 * MINUTE)
    before = world.item()
    assert world.run() == 0
    assert world.ses.tried == []
    assert world.item() == before
    assert last_line(caplog).startswith("drain: oldest owed 1200 s, 0 mailed, ")
    assert last_line(caplog).endswith(f", {why}")


@pytest.mark.parametrize("why", [QUOTA, PAUSED])
def test_a_run_ends_at_the_first_refusal(
    world: World, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(30):
        world.sign_up(f"user{number:02}@example.org", ago=3 * MINUTE - number * SECOND)
    refused = Undelivered("Not now.", may_have_left=False, why=why)
    world.ses.faults = {"user12@example.org": [refused]}
    mailed = world.run()
    assert mailed >= 12
    assert "user29@example.org" not in world.ses.tried
    assert last_line(caplog).startswith("drain: oldest owed 168 s, ")
    assert last_line(caplog).endswith(f", {why}")


def test_a_run_slows_down_when_the_rate_is_used_up(world: World) -> None:
    """Fresh sign-ups may need more of SES's rate than is kept for them."""
    for number in range(30):
        world.sign_up(f"user{number:02}@example.org", ago=3 * MINUTE - number * SECOND)
    refused = Undelivered("TooManyRequestsException: no.", may_have_left=False, why=RATE)
    world.ses.faults = {"user05@example.org": [refused]}
    started = world.now
    assert world.run() >= 17
    assert "user29@example.org" in world.ses.tried
    assert (world.now - started).total_seconds() > 2
    assert world.run_after(SECOND) >= 1


def test_an_outage_of_ses_ends_the_run(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One mail that meets no SES is chance; a whole batch is not."""
    emails = [f"user{number:02}@example.org" for number in range(30)]
    for number, email in enumerate(emails):
        world.sign_up(email, ago=3 * MINUTE - number * SECOND)
    world.ses.faults = {
        email: [Undelivered("EndpointConnectionError", may_have_left=False, why=UNREACHABLE)]
        for email in emails
    }
    assert world.run() == 0
    assert "user29@example.org" not in world.ses.tried
    assert last_line(caplog).endswith(", unreachable")
    world.ses.faults = {emails[0]: [Undelivered("x", may_have_left=True, why=UNREACHABLE)]}
    assert world.run_after(SECOND) == 29


def test_a_spent_budget_ends_the_run(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    world = World(store, per_hour=2)
    for age, email in enumerate([CAROL, BOB, ALEXIS]):
        world.sign_up(email, ago=(2 + age) * MINUTE)
    assert world.run() == 2
    assert sorted(world.mailed) == [ALEXIS, BOB]
    assert world.item(CAROL)["mail"] == "owed"
    world.run()
    assert last_line(caplog).endswith(", budget")
    assert world.run_after(timedelta(hours=1)) == 1


def test_the_brake_ends_the_run(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.brake()
    world.sign_up(ALEXIS)
    assert world.run() == 0
    assert world.ses.tried == []
    assert last_line(caplog).endswith(", brake")
    world.limits.resume(world.now)
    assert world.run() == 1


@pytest.mark.parametrize("welcome_since", [5 * MINUTE, 2 * MINUTE], ids=["older", "newer"])
def test_the_brake_holds_up_no_welcome(
    store: Store, caplog: pytest.LogCaptureFixture, welcome_since: timedelta
) -> None:
    world = World(store, welcomes=True)
    world.sign_up(BOB, ago=DAY)
    assert world.run() == 1
    world.brake()
    for age, email in enumerate(f"user{number}@example.org" for number in range(30)):
        world.sign_up(email, ago=4 * MINUTE + age * SECOND)
    link = tokens.digest(world.ses.mails[0].text)
    clicked_at = world.now - welcome_since
    assert store.users_with("", welcomes=True).validate(BOB, link, clicked_at)
    assert world.run() == 1
    assert world.mailed == [BOB, BOB]
    assert world.item(BOB)["mail"] == "sent"
    line = [each for each in caplog.records if each.msg.startswith("drain:")][-1]
    assert (line.__dict__["reason"], line.__dict__["oldest_owed"]) == ("brake", 4 * 60 + 29)


def test_a_stale_entry_of_the_index_is_not_the_oldest(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Another program has validated the users; the run ends before it comes to them."""
    world.ses.account_now = Account(rate=1.0, left_today=100, may_send=True)
    for age, email in enumerate(f"user{number}@example.org" for number in range(80)):
        world.sign_up(email, ago=HOUR - age * SECOND)
        if age >= 52:
            world.put_validated(email)
    assert 50 < world.run() <= 52
    assert "oldest owed 0 s" in last_line(caplog)


def test_the_log_line_has_fields_for_its_metric(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.ses.account_now = Account(rate=14, left_today=100, may_send=False)
    world.sign_up(ALEXIS, ago=16 * MINUTE)
    world.run()
    line: Any = caplog.records[-1]
    assert (line.oldest_owed, line.reason) == (960, PAUSED)


def test_all_that_is_mailed_is_no_longer_old(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for email in (ALEXIS, BOB, CAROL):
        world.sign_up(email, ago=20 * MINUTE)
    assert world.run() == 3
    assert last_line(caplog) == "drain: oldest owed 0 s, 3 mailed, 0 owed, none"


# Mail that SES refuses again and again


def test_a_refused_mail_waits_twice_as_long_each_time(world: World) -> None:
    """It waits an hour at most."""
    world.sign_up(ALEXIS, ago=timedelta(0))
    world.ses.faults = {ALEXIS: [refused_alone() for _ in range(20)]}
    world.now = NOON + 2 * MINUTE
    world.run()
    for tries, minute in enumerate((4, 8, 16, 32, 64, 124, 184), start=1):
        world.now = NOON + minute * MINUTE - SECOND
        world.run()
        assert len(world.ses.tried) == tries
        world.now = NOON + minute * MINUTE
        world.run()
        assert len(world.ses.tried) == tries + 1


def test_a_refused_mail_goes_out_when_ses_takes_it(world: World) -> None:
    world.sign_up(ALEXIS)
    world.ses.faults = {ALEXIS: [refused_alone()]}
    assert world.run() == 0
    assert world.run_after(SECOND) == 0
    assert world.run_after(10 * MINUTE) == 1


def test_a_refused_mail_holds_up_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.sign_up(ALEXIS, ago=3 * MINUTE)
    world.sign_up(BOB)
    world.ses.faults = {ALEXIS: [refused_alone()]}
    assert world.run() == 1
    assert world.mailed == [BOB]
    assert last_line(caplog).startswith("drain: oldest owed 180 s, 1 mailed, ")


def test_a_mail_that_waits_counts_as_owed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.sign_up(ALEXIS, ago=20 * MINUTE)
    world.ses.faults = {ALEXIS: [refused_alone()]}
    world.run()
    world.run_after(SECOND)
    assert last_line(caplog).startswith("drain: oldest owed 1201 s, 0 mailed, ")


@pytest.mark.parametrize(
    "change",
    [{"validated_at": "2031"}, {"validated_at": "2031", "mail": "sending"}, {"mail": "later"}],
    ids=str,
)
def test_a_mail_owed_no_more_leaves_the_index(
    world: World, change: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Another program has updated the item and knows nothing of the index."""
    world.sign_up(ALEXIS, ago=20 * MINUTE)
    world.store.put(**{**world.item(), **change})
    assert world.run() == 0
    assert last_line(caplog).startswith("drain: oldest owed 0 s, 0 mailed, ")
    assert "owed" not in world.item()
    assert {name: world.item()[name] for name in change} == change


# The lock


def test_a_second_drain_leaves_the_first_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.sign_up(ALEXIS)
    assert world.limits.lock("another", world.now, LOCK_LIFE) is not None
    assert world.run() == 0
    assert world.ses.tried == []
    assert last_line(caplog) == "drain: another run is still going"


def test_a_killed_drains_lock_ends(world: World) -> None:
    world.sign_up(ALEXIS)
    world.limits.lock("another", world.now, LOCK_LIFE)
    assert world.run_after(LOCK_LIFE) == 1


def test_a_run_that_raises_gives_its_lock_back(world: World) -> None:
    world.sign_up(ALEXIS)
    failing = refusal(500, "InternalServerError")
    with Wire(world.store.client, "Query", [failing]), pytest.raises(ClientError):
        world.run()
    assert world.run() == 1


def test_no_lock_is_longer_than_lambda_lets_a_drain_run() -> None:
    assert timedelta(seconds=LAMBDA) < LOCK_LIFE


# Nothing owed


def test_a_run_with_nothing_owed_costs_only_the_index(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.run()
    with world.store.calls() as calls:
        assert world.run_after(MINUTE) == 0
    assert calls == ["UpdateItem", *["Query"] * 16, "UpdateItem"]  # the lock, and giving it back
    assert world.ses.accounts_asked == 0
    assert last_line(caplog) == "drain: oldest owed 0 s, 0 mailed, 0 owed, none"


# Items that another program put and whose record was lost


def foreign(store: Store) -> list[str]:
    people = [f"user{number}@example.org" for number in range(24)]
    for email in people:
        store.put(email)
    return people


def test_each_hour_a_24th_of_the_table_is_scanned(world: World) -> None:
    people = foreign(world.store)
    found: list[int] = []
    before = 0
    for _ in range(SEGMENTS):
        world.run()
        owed = sum("owed" in world.item(email) for email in people)
        owed += len(world.mailed)
        found.append(owed - before)
        before = owed
        world.now += timedelta(hours=1)
    world.run()
    assert max(found) < len(people) / 2
    assert sorted(world.mailed) == sorted(people)


def test_an_hour_is_scanned_once(world: World) -> None:
    scans: list[list[str]] = []
    for time in (timedelta(0), MINUTE, 58 * MINUTE, MINUTE):
        world.now += time
        with world.store.calls() as calls:
            world.run()
        scans.append([call for call in calls if call == "Scan"])
    assert [len(each) for each in scans] == [1, 0, 0, 1]


def test_a_scan_that_fails_is_made_by_the_next_run(world: World) -> None:
    failing = refusal(500, "InternalServerError")
    with Wire(world.store.client, "Scan", [failing]), pytest.raises(ClientError):
        world.run()
    with world.store.calls() as calls:
        world.run()
    assert "Scan" in calls


OWING: dict[str, Plain] = {
    "put": {},
    "put with odd attributes": {"nom": {"not": "a name"}, "mail_count": "odd"},
    "owed by the first edition": {"mail": "owed", "mail_at": iso(NOON - timedelta(hours=1))},
    "sending by the first edition": {"mail": "sending", "mail_at": iso(NOON - LEASE)},
    "owed since an unknown moment": {"mail": "owed"},
}
NOT_OWING: dict[str, Plain] = {
    "sending now": {"mail": "sending", "mail_at": iso(NOON - LEASE + TICK)},
    "sent": {"mail": "sent"},
    "delivered": {"mail": "delivered"},
    "failed": {"mail": "failed"},
    "bounced": {"mail": "bounced"},
    "complained": {"mail": "complained"},
    "refused": {"mail": "refused"},
    "another type": {"mail": 7},
    "validated": {"validated_at": iso(NOON)},
    "validated while owed": {"mail": "owed", "validated_at": iso(NOON)},
}


@pytest.fixture
def whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """One scan looks at all of the table."""
    unindexed = Outbox.unindexed
    monkeypatch.setattr(
        Outbox, "unindexed", lambda self, _segment, _of, now: unindexed(self, 0, 1, now)
    )


@pytest.mark.usefixtures("whole_table")
@pytest.mark.parametrize("state", OWING)
def test_an_item_that_nobody_claimed_gets_into_the_index(
    world: World, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.store.put(ALEXIS, **OWING[state])
    assert world.run() == 0
    after = world.item()
    assert (after["mail"], after["mail_at"], after["owed_at"]) == ("owed", iso(NOON), iso(NOON))
    assert f"asked again user={hashed(ALEXIS)}" in caplog.text
    assert world.run_after(PATIENCE + TICK) == 1
    assert world.mailed == [ALEXIS]


@pytest.mark.usefixtures("whole_table")
@pytest.mark.parametrize("state", NOT_OWING)
def test_an_item_that_owes_nothing_is_left_alone(world: World, state: str) -> None:
    world.store.put(ALEXIS, **NOT_OWING[state])
    before = world.item()
    world.run()
    assert world.item() == before


@pytest.mark.usefixtures("whole_table")
def test_a_full_item_stops_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.store.put(ALEXIS)
    world.store.put(BOB)
    full = refusal(400, "ValidationException", "Item size to update has exceeded the maximum")
    with Wire(world.store.client, "UpdateItem", [None, full]):
        world.run()
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 1
    assert errors[0].startswith("item unusable user=")
    assert sorted("owed" in world.item(email) for email in (ALEXIS, BOB)) == [False, True]


@pytest.mark.usefixtures("whole_table")
def test_a_refused_update_stops_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.store.put(ALEXIS)
    world.store.put(BOB)
    with Wire(world.store.client, "UpdateItem", [None, refusal(500, "InternalServerError")]):
        world.run()
    assert "not asked again user=" in caplog.text
    assert sorted("owed" in world.item(email) for email in (ALEXIS, BOB)) == [False, True]


@pytest.mark.usefixtures("whole_table")
def test_a_welcome_of_a_former_version_passes_the_brake(store: Store) -> None:
    """It stands among mails to addresses that were never validated. The hour's scan moves it."""
    world = owing_a_welcome(store, slot(BOB))
    world.sign_up(ALEXIS, ago=DAY)
    world.brake()
    world.run()
    assert world.mailed == [BOB]


@pytest.mark.usefixtures("whole_table")
@pytest.mark.parametrize("is_welcome", [True, False], ids=["own slot", "a former version's slot"])
def test_a_stage_without_welcomes_closes_what_is_owed(store: Store, is_welcome: bool) -> None:
    world = owing_a_welcome(store, slot(BOB, is_welcome=is_welcome), welcomes=False)
    world.run()
    assert world.ses.mails == []
    assert not {"owed", "owed_at"} & set(world.item(BOB))


@pytest.mark.usefixtures("whole_table")
def test_a_welcome_that_is_owed_is_left_where_it_is(store: Store) -> None:
    world = owing_a_welcome(store, slot(BOB, is_welcome=True), ago=TICK)
    before = world.item(BOB)
    world.run()
    assert world.item(BOB) == before


def test_welcomes_that_nobody_is_owed_cost_no_query(world: World) -> None:
    world.run()  # which also scans for the hour
    with world.store.calls() as calls:
        world.run()
    assert calls.count("Query") == SLOTS


def owing_a_welcome(
    store: Store, owed: str, *, welcomes: bool = True, ago: timedelta = 5 * MINUTE
) -> World:
    """Return a world in which BOB is owed a welcome, in the part ``owed`` of the index."""
    world = World(store, welcomes=welcomes)
    clicked_at = iso(NOON - ago)
    store.put(
        BOB,
        created_at=iso(NOON - DAY),
        validated_at=clicked_at,
        mail="owed",
        mail_at=clicked_at,
        owed=owed,
        owed_at=clicked_at,
    )
    return world
