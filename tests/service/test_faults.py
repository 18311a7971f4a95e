"""Planned faults: every user who was promised a mail gets it, once.

The real handlers and the real store run over moto, on a virtual clock. AWS's faults happen on the
wire, below botocore's retries. Lambda's mapping repeats what fails until it gives up, the drain
runs each minute, and SES publishes its events within 3 s. The table is kept in build/faults.txt.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from chalicelib import wiring
from chalicelib.mail.mailer import TIME_FOR_A_MAIL
from chalicelib.users.item import LEASE, LINK_LIFE
from tests.support.fakes import record
from tests.support.faults import Aws, Fault, Killed, Row, Stream, World, report
from tests.support.service import TABLE, running
from tests.support.stores import Plain, typed
from tests.support.wire import Answer, answer, refusal

ALEXIS, BOB, DAVE = "alexis@example.org", "bob@example.org", "dave@example.org"
EVERYBODY = {ALEXIS: 1, BOB: 1}
AT_ONCE = timedelta(seconds=30)
BY_DRAIN = timedelta(minutes=4)
"""The drain takes over after a minute, and tries again each minute at first."""
AFTER_LEASE = LEASE + BY_DRAIN


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch, running() as service:
        patch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
        # A client that met many faults tries only once; earlier tests must not change later ones.
        patch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)
        world = World(service, Aws(service), Stream(patch))
        patch.setattr(wiring, "_pause", lambda seconds: world.aws.go_by(seconds=seconds))
        yield world
        sys.stdout.write("\n" + report("faults.txt", world.rows))


@pytest.fixture
def empty_world(shared_world: World) -> World:
    """A stage without users. Building one takes longer than a test."""
    shared_world.begin()
    return shared_world


@pytest.fixture
def world(empty_world: World) -> World:
    """Alexis has signed up, and another program has put Bob. Neither is mailed yet."""
    everybody_signs_up(empty_world)
    return empty_world


def everybody_signs_up(world: World) -> None:
    world.sign_up(ALEXIS)
    world.put(BOB, nom="GÜNST HORN")


def assert_all_is_well(world: World, row: Row, *, but: str = "") -> None:
    """Nobody is forgotten or mailed twice, SES's word is recorded, and every link works."""
    assert (row.lost, row.doubled) == (0, 0)
    items = world.items()
    assert {items[email]["mail"] for email in EVERYBODY if email != but} == {"delivered"}
    now = world.service.clock.now()
    for mail in world.aws.mails:
        status = 200 if now - mail.at < LINK_LIFE else 410
        assert mail.to == but or world.click(mail.text) == status


def assert_bob_is_mailed_at_once(world: World) -> None:
    assert max(world.waits(BOB)) < AT_ONCE


def says(status: int, code: str, message: str = "") -> Callable[[], Answer]:
    return lambda: refusal(status, code, message)


def breaks(kind: Callable[..., Exception]) -> Callable[[], Exception]:
    """Return a fault of the network, as botocore raises it."""
    return lambda: kind(endpoint_url="https://aws.invalid")


# SES


REFUSED: dict[str, Callable[[], Answer]] = {
    "SES throttled": says(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    "daily quota spent": says(429, "TooManyRequestsException", "Daily message quota exceeded."),
    "limit exceeded": says(400, "LimitExceededException", "Daily message quota exceeded."),
    "account suspended": says(400, "AccountSuspendedException", "The account is suspended."),
    "account suspended, as a rejection": says(
        400, "MessageRejected", "Sending suspended for this account. For more information, …"
    ),
    "sending paused": says(400, "SendingPausedException", "Sending is paused."),
    "sending paused, as a rejection": says(
        400, "MessageRejected", "Sending paused for this account. For more information, …"
    ),
    "sandbox refusal": says(
        400,
        "MessageRejected",
        "Email address is not verified. The following identities failed the check in region "
        f"EU-WEST-3: {ALEXIS}",
    ),
    "mail-from domain unverified": says(400, "MailFromDomainNotVerifiedException", "No MX."),
    "no such configuration set": says(404, "NotFoundException", "No such configuration set."),
    "not allowed to send": says(403, "AccessDeniedException", "Not authorized."),
    "credentials expired": says(403, "ExpiredTokenException", "The token has expired."),
    "connection to SES refused": breaks(EndpointConnectionError),
    "no connection to SES in time": breaks(ConnectTimeoutError),
}
"""SES certainly did not take the mail."""
DOUBTFUL: dict[str, Callable[[], Answer]] = {
    "SES answers 500": says(500, "InternalFailure"),
    "SES answers 503": says(503, "ServiceUnavailable"),
    "a gateway answers 502": lambda: answer(502, b"<html>Bad Gateway</html>"),
    "connection to SES reset": breaks(ConnectionClosedError),
    "SES hangs": breaks(ReadTimeoutError),
}
"""SES may have taken the mail or not."""
REJECTED = says(400, "MessageRejected", "Invalid content.")


@pytest.mark.parametrize("times", [4, 1000])
@pytest.mark.parametrize("fault", REFUSED)
def test_a_mail_that_ses_refused_is_drained(world: World, fault: str, times: int) -> None:
    """The mailer itself tries up to four times if SES's rate is used up."""
    row = world.live_through(
        f"{fault}, {times} times", Fault("send", REFUSED[fault], times=times), owed=EVERYBODY
    )
    assert row.tried >= 4
    assert_all_is_well(world, row)
    patience = BY_DRAIN if times == 4 else 3 * BY_DRAIN  # it waits as long again as the fault
    assert max(mail.at for mail in world.aws.mails) - world.began < patience


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("fault", DOUBTFUL)
def test_a_mail_in_doubt_is_sent_once(world: World, fault: str, arrives: bool) -> None:
    """SES's own event ends the doubt. Without one, the mail goes out again after the lease."""
    doubt = Fault("send", DOUBTFUL[fault], times=1, arrives=arrives, only=ALEXIS)
    moment = "after" if arrives else "before"
    row = world.live_through(f"{fault}, once {moment} it took the mail", doubt, owed=EVERYBODY)
    assert row.tried == 1
    assert_all_is_well(world, row)
    assert_bob_is_mailed_at_once(world)
    (wait,) = world.waits(ALEXIS)
    assert wait < AT_ONCE if arrives else LEASE < wait < AFTER_LEASE


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("fault", DOUBTFUL)
def test_an_outage_in_doubt_doubles_no_mail(world: World, fault: str, arrives: bool) -> None:
    moment = "after" if arrives else "before"
    outage = Fault("send", DOUBTFUL[fault], arrives=arrives)
    row = world.live_through(f"{fault} for long, {moment} it took the mail", outage, owed=EVERYBODY)
    assert row.tried >= 2
    assert_all_is_well(world, row)


def test_a_silent_ses_is_asked_again_only_after_the_lease(world: World) -> None:
    """Nobody can know whether this mail has left: the second one is for certainty."""
    world.aws.is_silent = True
    cut = Fault("send", DOUBTFUL["SES hangs"], times=1, arrives=True, only=ALEXIS)
    owed = {**EVERYBODY, ALEXIS: 2}
    row = world.live_through("SES took it, hangs, and never reports it", cut, owed=owed)
    assert (row.lost, row.doubled) == (0, 0)
    first, second = world.waits(ALEXIS)
    assert LEASE < second - first < AFTER_LEASE


# DynamoDB


TROUBLED: dict[str, Callable[[], Answer]] = {
    "DynamoDB throttled": says(400, "ProvisionedThroughputExceededException"),
    "DynamoDB answers 500": says(500, "InternalServerError"),
    "connection to DynamoDB refused": breaks(EndpointConnectionError),
    "DynamoDB hangs": breaks(ReadTimeoutError),
}
CUT_OFF = Fault("send", DOUBTFUL["SES hangs"], times=1, arrives=True, only=ALEXIS)
WRITES: dict[str, list[Fault]] = {
    "claim": [],
    "sent": [],
    "release": [Fault("send", REFUSED["sending paused"], times=1, only=ALEXIS)],
    "failed": [Fault("send", REJECTED, only=ALEXIS)],
    "report": [CUT_OFF],
}
"""Each step that writes the user's item, and the faults that lead Alexis's mail to it."""


def befalls_alexis(world: World, name: str, fault: Fault) -> Row:
    """Let Alexis's mail meet ``fault``. If SES rejects that mail, no mail is owed to Alexis."""
    is_rejected = fault.step == "failed"
    row = world.live_through(
        name,
        replace(fault, only=ALEXIS),
        leading_to=WRITES.get(fault.step, ()),
        owed={**EVERYBODY, ALEXIS: 0} if is_rejected else EVERYBODY,
    )
    assert row.tried >= 1
    assert_all_is_well(world, row, but=ALEXIS if is_rejected else "")
    assert not is_rejected or world.items()[ALEXIS]["mail"] == "failed"
    return row


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("step", WRITES)
@pytest.mark.parametrize("fault", TROUBLED)
def test_a_write_that_fails_doubles_no_mail(
    world: World, fault: str, step: str, arrives: bool
) -> None:
    """Five times is for more than one try of botocore's, and of Lambda's with SES's event."""
    trouble = Fault(step, TROUBLED[fault], times=5, arrives=arrives)
    befalls_alexis(world, f"{fault}, {'after' if arrives else 'before'} {step}", trouble)
    if step != "release":  # paused for Alexis is paused for Bob
        assert_bob_is_mailed_at_once(world)


@pytest.mark.parametrize("step", ["claim", "owe", "budget", "lock"])
@pytest.mark.parametrize("fault", TROUBLED)
def test_an_outage_of_a_table_doubles_no_mail(world: World, fault: str, step: str) -> None:
    paused = Fault("send", REFUSED["sending paused"])  # so that the drain is needed
    outage = Fault(step, TROUBLED[fault])
    name = f"{fault} at {step}, for long"
    row = world.live_through(name, outage, leading_to=[paused], owed=EVERYBODY)
    assert row.tried >= 2
    assert_all_is_well(world, row)


def test_ses_reports_a_mail_whose_sender_cannot(world: World) -> None:
    throttled = Fault("sent", TROUBLED["DynamoDB throttled"], only=ALEXIS)
    row = world.live_through("DynamoDB throttled at sent, for long", throttled, owed=EVERYBODY)
    assert row.tried > 1
    assert_all_is_well(world, row)


# The process


MOMENTS: dict[str, tuple[str, bool]] = {
    "before the claim": ("claim", False),
    "after the claim": ("claim", True),
    "before SES has the mail": ("send", False),
    "once SES has the mail": ("send", True),
    "before sent is written": ("sent", False),
    "once sent is written": ("sent", True),
    "before a claim is released": ("release", False),
    "once a claim is released": ("release", True),
    "before failed is written": ("failed", False),
    "once failed is written": ("failed", True),
    "before SES's word is written": ("report", False),
    "once SES's word is written": ("report", True),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_mailer_killed_at_any_moment_doubles_no_mail(world: World, moment: str) -> None:
    step, arrives = MOMENTS[moment]
    kill = Fault(step, Killed, times=1, arrives=arrives)
    befalls_alexis(world, f"killed {moment}", kill)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_drain_killed_at_any_moment_doubles_no_mail(world: World, moment: str) -> None:
    """Records that are lost leave everything to the drain."""
    step, arrives = MOMENTS[moment]
    world.stream.take()
    kill = Fault(step, Killed, times=1, arrives=arrives)
    befalls_alexis(world, f"records lost, drain killed {moment}", kill)


@pytest.mark.parametrize("moment", [each for each in MOMENTS if "word" not in each])
def test_a_mail_that_takes_all_memory_is_sent_once(world: World, moment: str) -> None:
    step, arrives = MOMENTS[moment]
    full = Fault(step, MemoryError, times=1, arrives=arrives)
    befalls_alexis(world, f"out of memory {moment}", full)


def test_a_mail_that_kills_each_process_stops_no_other(world: World) -> None:
    kills = Fault("claim", Killed, only=ALEXIS)
    row = world.live_through("killed by one mail, for long", kills, owed=EVERYBODY)
    assert row.tried >= 4
    assert_all_is_well(world, row)
    assert max(world.waits(BOB)) < min(world.waits(ALEXIS))


def test_a_mail_without_time_left_is_drained(world: World) -> None:
    little = [TIME_FOR_A_MAIL - 0.1] * 3
    row = world.live_through("out of time", tried=len(little), seconds=little, owed=EVERYBODY)
    assert_all_is_well(world, row)
    assert AT_ONCE < max(world.waits(ALEXIS)) < BY_DRAIN


@pytest.mark.parametrize("seed", range(1, 5))
def test_faults_of_every_kind_at_once_double_no_mail(world: World, seed: int) -> None:
    """A third of the requests meet a fault, of any kind, at any step."""
    people = [f"user{n}@example.org" for n in range(9)]
    for email in people:
        world.sign_up(email)
    world.aws.luck = str(seed)
    row = world.live_through(
        f"all of these at random, {seed}",
        *[Fault("send", what, chance=0.02) for what in REFUSED.values()],
        *[
            Fault("send", what, chance=0.02, arrives=arrives)
            for what in DOUBTFUL.values()
            for arrives in (False, True)
        ],
        *[
            Fault(step, what, chance=0.02 if step == "report" else 0.04, arrives=arrives)
            for step in (*WRITES, "owe", "budget", "lock")
            for what in TROUBLED.values()
            for arrives in (False, True)
        ],
        *[Fault(step, Killed, chance=0.01, arrives=arrives) for step, arrives in MOMENTS.values()],
        owed={**EVERYBODY, **dict.fromkeys(people, 1)},
    )
    assert row.tried >= 5
    assert_all_is_well(world, row)


# Two processes at once


def test_a_batch_in_two_processes_is_sent_once(world: World) -> None:
    """Lambda may read a shard twice for a moment."""
    both = threading.Barrier(2, timeout=30)
    world.aws.faults = [Fault("claim", lambda: wait_for_all(both), times=2, only=ALEXIS)]
    records = world.stream.take()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(world.mapping().bring, records)
    name = "the batch in two processes at once"
    row = world.live_through(name, tried=len(records), owed=EVERYBODY)
    assert_all_is_well(world, row)


def test_a_mail_that_the_stream_and_the_drain_take_is_sent_once(world: World) -> None:
    records = world.stream.take()
    world.aws.go_by(minutes=2)
    late = Fault("claim", lambda: world.mapping().bring(records), times=1, only=ALEXIS)
    row = world.live_through("the stream is late, and overtakes the drain", late, owed=EVERYBODY)
    assert row.tried == 1
    assert_all_is_well(world, row)


def test_a_drain_that_meets_another_lets_it_be(world: World) -> None:
    world.stream.take()
    world.aws.go_by(minutes=2)
    second = Fault("send", world.drain, times=1, only=ALEXIS)
    row = world.live_through("two drains at once", second, owed=EVERYBODY)
    assert row.tried == 1
    assert_all_is_well(world, row)


def wait_for_all(barrier: threading.Barrier) -> None:
    barrier.wait()


# Other programs, and the users themselves


def validates(world: World) -> None:
    (mail,) = [mail for mail in world.aws.mails if mail.to == ALEXIS]
    assert world.click(mail.text) == 200


def is_deleted(world: World) -> None:
    world.delete(ALEXIS)


def is_put_anew(world: World) -> None:
    world.put(ALEXIS, nom="HORN")


def is_changed(world: World) -> None:
    world.aws.dynamodb.update_item(
        TableName=TABLE,
        Key=typed({"email": ALEXIS}),
        UpdateExpression="SET nom = :nom",
        ExpressionAttributeValues=typed({":nom": "HORN"}),
    )


def asks_again(world: World) -> None:
    assert world.service.post_json("/resend", {"email": ALEXIS}).status_code == 202


def asks_again_a_minute_later(world: World) -> None:
    world.service.clock.go_by(seconds=61)
    asks_again(world)


@pytest.mark.parametrize(
    ("step", "act", "owed", "links"),
    [
        ("claim", is_deleted, 0, []),
        ("claim", is_put_anew, 1, [200]),
        ("claim", is_changed, 1, [200]),
        ("claim", asks_again, 1, [200]),
        ("claim", asks_again_a_minute_later, 1, [200]),
        ("send", is_deleted, 1, [400]),
        ("send", is_put_anew, 2, [400, 200]),
        ("send", is_changed, 1, [200]),
        ("send", asks_again, 1, [200]),
        ("send", asks_again_a_minute_later, 2, [200, 200]),
        ("sent", validates, 1, [200]),
        ("sent", is_deleted, 1, [400]),
        ("sent", is_put_anew, 2, [400, 200]),
        ("sent", is_changed, 1, [200]),
        ("sent", asks_again, 1, [200]),
        ("sent", asks_again_a_minute_later, 2, [200, 200]),
    ],
)
def test_a_change_meanwhile_decides_how_many_are_owed(
    world: World, step: str, act: Callable[[World], None], owed: int, links: list[int]
) -> None:
    """A user who is put again, or asks again in time, is owed another mail."""
    name = f"Alexis {act.__name__.replace('_', ' ')}"
    race = Fault(step, lambda: act(world), times=1, only=ALEXIS)
    row = world.live_through(f"{name} before {step}", race, owed={**EVERYBODY, ALEXIS: owed})
    assert row.tried == 1
    assert_all_is_well(world, row, but=ALEXIS)
    assert [world.click(mail.text) for mail in world.aws.mails if mail.to == ALEXIS] == links
    assert (ALEXIS in world.items()) == (act is not is_deleted)


# The stream's records


def from_the_start() -> Callable[[list[Any]], list[Any]]:
    """Imitate a stream that forgets how far it was read."""
    seen: list[Any] = []

    def bend(records: list[Any]) -> list[Any]:
        seen.extend(records)
        return list(seen)

    return bend


BENT: dict[str, Callable[[list[Any]], list[Any]]] = {
    "each record twice": lambda records: [each for each in records for _ in range(2)],
    "the whole batch twice": lambda records: records * 2,
    "reordered between addresses": lambda records: records[::-1],
    "everything from the start, again and again": from_the_start(),
}


@pytest.mark.parametrize("name", BENT)
def test_records_in_any_number_and_order_are_one_mail(world: World, name: str) -> None:
    row = world.live_through(name, tried=len(EVERYBODY), bend=BENT[name], owed=EVERYBODY)
    assert_all_is_well(world, row)
    assert max(mail.at for mail in world.aws.mails) - world.began < AT_ONCE


def test_lost_records_are_found_within_a_day(world: World) -> None:
    """Alexis's item is in the index. Another program put Bob's, so it has to be looked for."""
    lost = world.stream.take()
    row = world.live_through("records lost", tried=len(lost), owed=EVERYBODY)
    assert_all_is_well(world, row)
    assert max(world.waits(ALEXIS)) < BY_DRAIN
    assert max(world.waits(BOB)) < timedelta(hours=25)


def test_records_older_than_their_items_owe_nothing(world: World) -> None:
    """The stream is read an hour late, and meanwhile the drain has mailed everybody."""
    kept = world.stream.take()
    world.delete(BOB)
    world.stream.take()
    row = world.live_through("stale records", tried=len(kept), owed={ALEXIS: 1})
    assert_all_is_well(world, row, but=BOB)
    before = world.items()
    late = world.mapping()
    late.bring(kept)
    assert late.given_up == []
    assert world.items() == before
    assert len(world.aws.mails) == 1


TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
OWED = {"email": DAVE, "mail": "owed", "nom": "HORN"}
RECORDS: dict[str, object] = {
    "REMOVE record": record("REMOVE", None),
    "REMOVE record with its old image": record("REMOVE", OWED),
    "TTL record": record("REMOVE", OWED, userIdentity=TTL),
    "record of somebody who is gone": record("INSERT", OWED),
    "record of an unknown event": record("TRUNCATE", OWED),
    "record without an image": record("INSERT", None),
    "record with an empty image": {"eventName": "INSERT", "dynamodb": {"NewImage": {}}},
    "record whose email is a number": record("INSERT", {"email": 5}),
    "record whose email is a map": record("INSERT", {"email": {"S": DAVE}}),
    "record whose email is binary": record("INSERT", {"email": b"dave"}),
    "record whose email is no string": {
        "eventName": "INSERT",
        "dynamodb": {"NewImage": {"email": {"S": 5}}},
    },
    "record whose mail is a list": record("INSERT", {**OWED, "mail": ["owed"]}),
    "record whose nom is 300 KB": record("INSERT", {**OWED, "nom": "x" * 300_000}),
    "record that is null": None,
    "record that is text": "INSERT",
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_owes_no_mail_holds_up_none(world: World, name: str) -> None:
    def bend(records: list[Any]) -> list[Any]:
        return [RECORDS[name], *records, RECORDS[name]]

    row = world.live_through(name, tried=2, bend=bend, owed=EVERYBODY)
    assert_all_is_well(world, row)
    assert_bob_is_mailed_at_once(world)
    assert set(world.items()) == set(EVERYBODY)


# Items of other programs


ODD: dict[str, Plain] = {
    "nom is a map": {"nom": {"family": "HORN"}},
    "nom is a list": {"nom": ["GÜNST", "HORN"]},
    "nom is binary": {"nom": b"\x00\xff"},
    "nom is null": {"nom": None},
    "nom is 300 KB": {"nom": "x" * 300_000},
    "nom is a header": {"nom": "HORN\r\nBcc: all@example.org"},
    "lang is a set": {"lang": {"fr", "en"}},
    "moments are numbers": {"created_at": 0, "mail_at": 5, "expires_at": "never"},
    "links are a string": {"links": "none"},
    "the count is a string": {"mail_count": "none"},
    "unknown attributes": {"plan": {"gold": [1, None, b"x"]}, "Mail": "no", "token": "t"},
}
UNUSABLE: dict[str, tuple[str, Plain]] = {
    "key is no address": ("no address", {}),
    "key is no ASCII": ("élan@example.org", {}),
    "key is 1,000 characters": ("x" * 1000 + "@example.org", {}),
    "mail is a number": (DAVE, {"mail": 5}),
    "the item has no room left": (DAVE, {"plan": "x" * 404_950}),
}


OURS = ("mail_at", "links", "mail_count", "expires_at")


@pytest.mark.parametrize("name", ODD)
def test_an_odd_item_is_mailed_like_any_other(world: World, name: str) -> None:
    world.put(DAVE, **ODD[name])
    row = world.live_through(name, tried=1, owed={**EVERYBODY, DAVE: 1})
    assert_all_is_well(world, row)
    item = world.items()[DAVE]
    assert item["mail"] == "delivered"
    assert all(item[each] == ODD[name][each] for each in ODD[name] if each not in OURS)
    assert max(world.waits(DAVE)) < AT_ONCE


@pytest.mark.parametrize("lost", [False, True], ids=["by the stream", "by the drain"])
@pytest.mark.parametrize("name", UNUSABLE)
def test_an_item_that_cannot_be_mailed_holds_up_none(
    empty_world: World, name: str, lost: bool
) -> None:
    key, attributes = UNUSABLE[name]
    empty_world.put(key, **attributes)
    everybody_signs_up(empty_world)
    if lost:
        empty_world.stream.take()
    row = empty_world.live_through(
        f"{'records lost, and ' if lost else ''}{name}", tried=1, owed=EVERYBODY
    )
    assert_all_is_well(empty_world, row)
    if not lost:
        assert_bob_is_mailed_at_once(empty_world)
