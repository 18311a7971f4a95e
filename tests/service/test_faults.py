"""Every fault, on purpose: whatever befalls a mail, whoever was promised one gets it, and gets one.

The real handlers and the real store, over moto. AWS's faults happen on the wire, below botocore's
retries; Lambda's mapping repeats what fails until it gives up, and the hourly sweep finds the rest.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
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
from tests.support.fakes import record
from tests.support.faults import Aws, Fault, Invocation, Killed, Row, Shard, Stream, count, report
from tests.support.service import ALEXIS as SIGN_UP
from tests.support.service import BASE_URL, EVERY_HOUR, TABLE, Clock, Service, running
from tests.support.stores import Plain, plain, typed
from tests.support.wire import Answer, answer, refusal

ALEXIS, BOB, DAVE = "alexis@example.org", "bob@example.org", "dave@example.org"
EVERYBODY = {ALEXIS: 1, BOB: 1}


@dataclass
class World:
    """A service on a test's clock, an AWS that fails by plan, and the rows of the table so far."""

    service: Service
    aws: Aws
    stream: Stream
    rows: list[Row] = field(default_factory=list)

    def begin(self) -> None:
        """Nobody is known, and nothing is on its way."""
        for email in self.items():
            self.delete(email)
        self.stream.take()
        self.aws.forget()
        self.service.clock.moment = Clock.moment

    def everybody_signs_up(self) -> None:
        """Alexis does, and another program puts Bob."""
        self.sign_up(ALEXIS)
        self.put(BOB, nom="GÜNST HORN")

    def sign_up(self, email: str) -> None:
        answer = self.service.post_json("/users", {**SIGN_UP, "email": email})
        assert answer.status_code == 202

    def put(self, email: str, **attributes: object) -> None:
        self.service.put(typed({"email": email, **attributes}))

    def delete(self, email: str) -> None:
        self.aws.dynamodb.delete_item(TableName=TABLE, Key=typed({"email": email}))

    def live_through(
        self,
        name: str,
        *faults: Fault,
        leading_to: Sequence[Fault] = (),
        owed: Mapping[str, int] = EVERYBODY,
        tried: int | None = None,
        **shard: Any,
    ) -> Row:
        """Mail everybody while ``faults`` last, and what is then still owed an hour later.

        ``leading_to`` are faults that only bring about the steps that the others befall. ``tried``
        is for what befalls no request.
        """
        self.aws.faults = [replace(fault) for fault in (*faults, *leading_to)]
        mapping = self.mapping(**shard)
        mapping.run()
        met = sum(fault.met for fault in self.aws.faults[: len(faults)])
        self.aws.faults = []
        self.aws.restart()
        self.service.clock.go_by(hours=1)
        self.sweep()
        mapping.run()
        mailed = [mail.to for mail in self.aws.mails]
        self.rows.append(count(name, met if tried is None else tried, owed, mailed))
        return self.rows[-1]

    def mapping(self, **shard: Any) -> Shard:
        return Shard(self.service, self.aws, self.stream, **shard)

    def sweep(self) -> None:
        self.service.app.resend_owed_mail(EVERY_HOUR, Invocation(self.service.clock, 900))

    def click(self, text: str) -> int:
        """Open the link in a mail, as its reader's click does, and return the answer's status."""
        found = re.search(r"https://\S+", text)
        assert found
        return self.service.get(found.group().removeprefix(BASE_URL)).status_code

    def items(self) -> dict[str, Plain]:
        """Every item there is, by its key."""
        return {item["email"]: item for item in map(plain, self.service.items())}

    def is_well(self, *but: str) -> None:
        """Everybody was mailed, nobody is marked failed, and every link that was mailed works."""
        assert self.rows[-1].lost == 0
        items = self.items()
        for email in set(EVERYBODY) - set(but):
            assert (items[email]["mail"], items[email]["mail_count"]) == ("sent", 1)
        assert {self.click(mail.text) for mail in self.aws.mails if mail.to not in but} == {200}

    def nobody_waited_but(self, email: str) -> None:
        """All the others were mailed by the first invocation."""
        assert {mail.invocation for mail in self.aws.mails if mail.to != email} == {1}


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch, running() as service:
        patch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
        # A client that met many faults tries only once: no test is to be tired by those before it.
        patch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)
        pause = SimpleNamespace(sleep=lambda seconds: service.clock.go_by(seconds=seconds))
        patch.setattr(wiring, "time", pause)
        patch.setattr("chalicelib.mail.sweep.SEGMENTS", 1)  # one look is enough for so few people
        world = World(service, Aws(service), Stream(patch))
        yield world
        sys.stdout.write("\n" + report("faults.txt", world.rows))


@pytest.fixture
def empty_world(shared_world: World) -> World:
    """A service that nobody has signed up to. Building one takes longer than a test."""
    shared_world.begin()
    return shared_world


@pytest.fixture
def world(empty_world: World) -> World:
    """Alexis and Bob have signed up, and neither is mailed yet."""
    empty_world.everybody_signs_up()
    return empty_world


def says(status: int, code: str, message: str = "") -> Callable[[], Answer]:
    return lambda: refusal(status, code, message)


def breaks(kind: Callable[..., Exception]) -> Callable[[], Exception]:
    """A fault of the network, as botocore tells it."""
    return lambda: kind(endpoint_url="https://aws.invalid")


# What SES may say and do


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
}
BROKEN: dict[str, Callable[[], Answer]] = {
    "SES answers 500": says(500, "InternalFailure"),
    "SES answers 503": says(503, "ServiceUnavailable"),
    "a gateway answers 502": lambda: answer(502, b"<html>Bad Gateway</html>"),
    "connection to SES refused": breaks(EndpointConnectionError),
    "no connection to SES in time": breaks(ConnectTimeoutError),
    "connection reset before SES took it": breaks(ConnectionClosedError),
    "SES hangs": breaks(ReadTimeoutError),
}
UNHEARD: dict[str, Callable[[], Answer]] = {
    "connection reset after SES took it": breaks(ConnectionClosedError),
    "SES took it and hangs": breaks(ReadTimeoutError),
    "SES took it and answers 500": says(500, "InternalFailure"),
}
UNSENT = {**REFUSED, **BROKEN}


@pytest.mark.parametrize("fault", UNSENT)
def test_what_befalls_one_sending_delays_nobody_else(world: World, fault: str) -> None:
    once = Fault("send", UNSENT[fault], times=1, only=ALEXIS)
    row = world.live_through(f"{fault}, once", once)
    assert (row.tried, row.doubled) == (1, 0)
    world.is_well()
    world.nobody_waited_but(ALEXIS)


@pytest.mark.parametrize("fault", UNSENT)
def test_an_outage_that_outlasts_the_mappings_patience_loses_no_mail(
    world: World, fault: str
) -> None:
    row = world.live_through(f"{fault}, for long", Fault("send", UNSENT[fault]))
    assert row.tried >= 6
    assert row.doubled == 0
    world.is_well()


@pytest.mark.parametrize("fault", UNHEARD)
def test_a_mail_that_ses_took_unheard_is_sent_again(world: World, fault: str) -> None:
    """SES cannot be asked whether it took a mail: only another one makes sure."""
    once = Fault("send", UNHEARD[fault], times=1, arrives=True, only=ALEXIS)
    row = world.live_through(f"{fault}, once", once)
    assert (row.tried, row.doubled) == (1, 1)
    world.is_well()
    world.nobody_waited_but(ALEXIS)


@pytest.mark.parametrize("fault", UNHEARD)
def test_no_more_is_sent_again_than_was_unheard(world: World, fault: str) -> None:
    row = world.live_through(f"{fault}, for long", Fault("send", UNHEARD[fault], arrives=True))
    assert 0 < row.doubled <= row.tried
    world.is_well()


# What DynamoDB may say and do


TROUBLED: dict[str, Callable[[], Answer]] = {
    "DynamoDB throttled": says(400, "ProvisionedThroughputExceededException"),
    "DynamoDB answers 500": says(500, "InternalServerError"),
    "connection to DynamoDB refused": breaks(EndpointConnectionError),
    "DynamoDB hangs": breaks(ReadTimeoutError),
}
REJECTED = says(400, "MessageRejected", "Invalid content.")
# The steps at which something is written, and what leads Alexis's mail to each.
WRITES: dict[str, list[Fault]] = {
    "claim": [],
    "sent": [],
    "take back": [Fault("send", REFUSED["sending paused"], times=1, only=ALEXIS)],
    "failed": [Fault("send", REJECTED, only=ALEXIS)],
}


def befalls_alexis(world: World, name: str, fault: Fault) -> Row:
    """One whose mail SES will never take is owed none, and is the one who may be marked failed."""
    rejected = fault.step == "failed"
    row = world.live_through(
        name,
        replace(fault, only=ALEXIS),
        leading_to=WRITES.get(fault.step, ()),
        owed={**EVERYBODY, ALEXIS: 0} if rejected else EVERYBODY,
    )
    world.is_well(*[ALEXIS] if rejected else [])
    assert not rejected or world.items()[ALEXIS]["mail"] == "failed"
    return row


@pytest.mark.parametrize("step", WRITES)
@pytest.mark.parametrize("fault", TROUBLED)
def test_what_befalls_one_write_delays_nobody_else(world: World, fault: str, step: str) -> None:
    """Seven times is for more than one try of botocore's, and of ours."""
    trouble = Fault(step, TROUBLED[fault], times=7)
    row = befalls_alexis(world, f"{fault} at {step}, seven times", trouble)
    assert row.doubled == 0
    world.nobody_waited_but(ALEXIS)


@pytest.mark.parametrize("step", WRITES)
def test_a_write_whose_answer_comes_too_late_is_found_made(world: World, step: str) -> None:
    late = Fault(step, breaks(ReadTimeoutError), times=7, arrives=True)
    row = befalls_alexis(world, f"DynamoDB slow at {step}, seven times", late)
    assert row.tried >= 1
    assert row.doubled == 0
    world.nobody_waited_but(ALEXIS)


@pytest.mark.parametrize("fault", TROUBLED)
def test_an_outage_of_the_table_loses_no_mail_and_doubles_none(world: World, fault: str) -> None:
    row = world.live_through(f"{fault} at claim, for long", Fault("claim", TROUBLED[fault]))
    assert row.tried >= 6
    assert row.doubled == 0
    world.is_well()


def test_a_mail_of_which_nothing_can_be_written_down_is_sent_again(world: World) -> None:
    """Rather twice than never; but first it is tried for as long as the invocation may last."""
    throttled = Fault("sent", TROUBLED["DynamoDB throttled"], only=ALEXIS)
    row = world.live_through("DynamoDB throttled at sent, for long", throttled)
    assert row.tried > 50 * row.doubled > 0
    world.is_well()


# What may become of the process


MOMENTS: dict[str, tuple[str, bool, int]] = {
    "before the claim": ("claim", False, 0),
    "after the claim": ("claim", True, 0),
    "before SES has the mail": ("send", False, 0),
    "once SES has the mail": ("send", True, 1),
    "before sent is written": ("sent", False, 1),
    "once sent is written": ("sent", True, 0),
    "before a claim is taken back": ("take back", False, 0),
    "once a claim is taken back": ("take back", True, 0),
    "before failed is written": ("failed", False, 0),
    "once failed is written": ("failed", True, 0),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_killed_at_any_moment_loses_no_mail(world: World, moment: str) -> None:
    step, arrives, doubled = MOMENTS[moment]
    row = befalls_alexis(world, f"killed {moment}", Fault(step, Killed, times=1, arrives=arrives))
    assert row.tried == 1
    # Whoever else's mail SES had at that moment is as unlucky.
    assert doubled <= row.doubled <= doubled + len(EVERYBODY) - 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_mail_that_takes_all_the_memory_delays_nobody_else(world: World, moment: str) -> None:
    step, arrives, doubled = MOMENTS[moment]
    row = befalls_alexis(
        world, f"out of memory {moment}", Fault(step, MemoryError, times=1, arrives=arrives)
    )
    assert (row.tried, row.doubled) == (1, doubled)
    world.nobody_waited_but(ALEXIS)


def test_a_mail_that_kills_its_process_every_time_stops_nobody_elses(world: World) -> None:
    row = world.live_through("killed by one mail, for long", Fault("claim", Killed, only=ALEXIS))
    assert row.tried >= 4
    assert row.doubled == 0
    world.is_well()
    others = [mail.invocation for mail in world.aws.mails if mail.to != ALEXIS]
    alexis = [mail.invocation for mail in world.aws.mails if mail.to == ALEXIS]
    assert max(others) < min(alexis)


def test_what_there_is_no_time_for_is_sent_another_time(world: World) -> None:
    little = [TIME_FOR_A_MAIL - 0.1] * 3
    row = world.live_through("out of time", tried=len(little), seconds=little)
    assert row.doubled == 0
    world.is_well()
    assert min(mail.invocation for mail in world.aws.mails) > len(little)


@pytest.mark.parametrize("seed", range(1, 5))
def test_faults_of_every_kind_at_once_lose_no_mail(world: World, seed: int) -> None:
    """A third of the requests meet one, of any kind, at any step."""
    people = [f"user{n}@example.org" for n in range(9)]
    for email in people:
        world.sign_up(email)
    world.aws.luck = str(seed)
    row = world.live_through(
        f"all of these at random, {seed}",
        *[Fault("send", what, chance=0.02) for what in UNSENT.values()],
        *[Fault("send", what, chance=0.02, arrives=True) for what in UNHEARD.values()],
        *[
            Fault(step, what, chance=0.04, arrives=arrives)
            for step in WRITES
            for what in TROUBLED.values()
            for arrives in (False, True)
        ],
        *[
            Fault(step, Killed, chance=0.01, arrives=arrives)
            for step, arrives, _ in MOMENTS.values()
        ],
        owed={**EVERYBODY, **dict.fromkeys(people, 1)},
    )
    assert row.tried > len(people)
    world.is_well()
    assert {world.items()[email]["mail"] for email in people} == {"sent"}


# What may become of the sweep


@pytest.mark.parametrize("fault", TROUBLED)
def test_a_sweep_that_cannot_ask_for_one_asks_for_the_others(world: World, fault: str) -> None:
    world.stream.take()
    world.service.clock.go_by(hours=1)
    trouble = Fault("ask again", TROUBLED[fault], only=ALEXIS)
    world.aws.faults = [trouble]
    world.sweep()
    row = world.live_through(f"records lost, and {fault} in the sweep", tried=trouble.met)
    assert row.doubled == 0
    world.is_well()
    assert [mail.to for mail in world.aws.mails] == [BOB, ALEXIS]


@pytest.mark.parametrize("arrives", [False, True])
def test_a_sweep_that_is_killed_is_made_up_for_in_an_hour(world: World, arrives: bool) -> None:
    world.stream.take()
    world.service.clock.go_by(hours=1)
    world.aws.faults = [Fault("ask again", Killed, arrives=arrives)]
    with pytest.raises(Killed):
        world.sweep()
    world.aws.restart()
    moment = "once" if arrives else "before"
    row = world.live_through(f"records lost, sweep killed {moment} it asks", tried=1)
    assert row.doubled == 0
    world.is_well()


# What others may do meanwhile


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
def test_what_others_do_meanwhile_counts(
    world: World, step: str, act: Callable[[World], None], owed: int, links: list[int]
) -> None:
    """Who is put anew, or asks anew in time, is owed anew; an item that is gone took its links."""
    name = f"who is mailed {act.__name__.replace('_', ' ')}"
    race = Fault(step, lambda: act(world), times=1, only=ALEXIS)
    row = world.live_through(f"{name} before {step}", race, owed={**EVERYBODY, ALEXIS: owed})
    assert (row.tried, row.lost, row.doubled) == (1, 0, 0)
    world.is_well(ALEXIS)
    assert [world.click(mail.text) for mail in world.aws.mails if mail.to == ALEXIS] == links
    assert (ALEXIS in world.items()) == (act is not is_deleted)


# What the stream may bring


def from_the_start() -> Callable[[list[Any]], list[Any]]:
    """What a stream does that forgets how far it was read."""
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
def test_records_may_come_in_any_number_and_order(world: World, name: str) -> None:
    row = world.live_through(name, tried=len(EVERYBODY), bend=BENT[name])
    assert row.doubled == 0
    world.is_well()
    world.nobody_waited_but("")


def test_records_older_than_their_items_ask_for_nothing(world: World) -> None:
    """A stream that is read an hour late, and meanwhile the sweep has seen to everything."""
    kept = world.stream.take()
    world.delete(BOB)
    world.stream.take()
    world.live_through("stale records", tried=len(kept), owed={ALEXIS: 1})
    world.is_well(BOB)
    validates(world)
    before = world.items()
    late = world.mapping()
    late.bring(kept)
    assert late.given_up == []
    assert world.items() == before
    assert len(world.aws.mails) == 1


def meet(barrier: threading.Barrier) -> None:
    barrier.wait()


def test_a_batch_in_two_processes_at_once_is_sent_twice(world: World) -> None:
    """Lambda may lose track of a shard for a moment; that a mail is claimed is no lock on it."""
    both = threading.Barrier(2, timeout=30)
    world.aws.faults = [Fault("send", lambda: meet(both), times=2, only=ALEXIS)]
    records = world.stream.take()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(world.mapping().bring, records)
    row = world.live_through("the batch in two processes at once", tried=len(records))
    assert 1 <= row.doubled <= len(records)
    world.is_well()


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
def test_a_record_that_is_worth_no_mail_holds_up_nobody(world: World, name: str) -> None:
    row = world.live_through(
        name, tried=2, bend=lambda records: [RECORDS[name], *records, RECORDS[name]]
    )
    assert row.doubled == 0
    world.is_well()
    world.nobody_waited_but("")
    assert set(world.items()) == set(EVERYBODY)


# What other writers may put


ODD: dict[str, Plain] = {
    "nom is a map": {"nom": {"family": "HORN"}},
    "nom is a list": {"nom": ["GÜNST", "HORN"]},
    "nom is binary": {"nom": b"\x00\xff"},
    "nom is null": {"nom": None},
    "nom is 300 KB": {"nom": "x" * 300_000},
    "nom is a header": {"nom": "HORN\r\nBcc: all@example.org"},
    "lang is a set": {"lang": {"fr", "en"}},
    "moments are numbers": {"created_at": 0, "mail_at": 5, "expires_at": "never"},
    "unknown attributes": {"plan": {"gold": [1, None, b"x"]}, "Mail": "no", "token": "t"},
}
UNUSABLE: dict[str, tuple[str, Plain]] = {
    "key is no address": ("no address", {}),
    "key is no ASCII": ("élan@example.org", {}),
    "key is 1,000 characters": ("x" * 1000 + "@example.org", {}),
    "mail is a number": (DAVE, {"mail": 5}),
    "links are a string": (DAVE, {"link_hashes": "none"}),
    "the count is a string": (DAVE, {"mail_count": "none"}),
    "the item has no room left": (DAVE, {"plan": "x" * 404_950}),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_item_is_mailed_like_any_other(world: World, name: str) -> None:
    world.put(DAVE, **ODD[name])
    row = world.live_through(name, tried=1, owed={**EVERYBODY, DAVE: 1})
    assert row.doubled == 0
    item = world.items()[DAVE]
    assert item["mail"] == "sent"
    assert all(item[each] == ODD[name][each] for each in ODD[name] if each != "mail_at")
    world.is_well()
    world.nobody_waited_but("")


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_item_that_nobody_can_be_mailed_by_holds_up_nobody(
    empty_world: World, name: str
) -> None:
    key, attributes = UNUSABLE[name]
    empty_world.put(key, **attributes)
    empty_world.everybody_signs_up()
    row = empty_world.live_through(name, tried=1)
    assert row.doubled == 0
    empty_world.is_well()
    empty_world.nobody_waited_but("")


@pytest.mark.parametrize("name", ["links are a string", "the item has no room left"])
def test_an_item_that_nobody_can_be_mailed_by_does_not_stop_the_sweep(
    empty_world: World, name: str
) -> None:
    key, attributes = UNUSABLE[name]
    empty_world.put(key, **attributes)
    empty_world.everybody_signs_up()
    empty_world.stream.take()
    row = empty_world.live_through(f"records lost, and {name}", tried=len(EVERYBODY))
    assert row.doubled == 0
    empty_world.is_well()
