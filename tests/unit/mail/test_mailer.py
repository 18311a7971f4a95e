"""The stream handler's contract: real items, records of them, and a delivery that remembers."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib.logs import hashed
from chalicelib.mail.mailer import PAUSE, TIME_FOR_A_MAIL, Mailer, StillOwed
from chalicelib.mail.message import Mail
from chalicelib.mail.ses import Refused, Undelivered
from chalicelib.users import tokens
from chalicelib.users.email_address import deliverable
from chalicelib.users.people import SignUp, User, Validation
from tests.support.fakes import Outbox, inserted, modified, record
from tests.support.stores import Plain, Store
from tests.support.wire import Wire, refusal

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
NOW_STORED = "2031-05-04T12:00:00.000000Z"
EPOCH = int(NOW.timestamp())
LATER = NOW + timedelta(seconds=60)
ALEXIS, BOB, CAROL = "alexis@example.org", "bob@example.org", "carol@example.org"
PLENTY = 900.0


def compose(user: User, token: str) -> Mail:
    """A mail that a test can take apart: whom it greets, and the token of its link."""
    return Mail(deliverable(user.email), f"{user.prenom} {user.nom}", token, user.lang)


class Handler:
    """The handler as Lambda runs it: one batch after the other, over one store and one outbox."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self.now = NOW
        self.pauses: list[float] = []
        delivery: Any = outbox
        self.mailer = Mailer(store.users, delivery, compose, lambda: self.now, self.pauses.append)

    def __call__(self, *records: object, time_left: Callable[[], float] = lambda: PLENTY) -> None:
        batch: Any = records
        self.mailer.mail(batch, time_left)


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def handler(store: Store, outbox: Outbox) -> Handler:
    return Handler(store, outbox)


def sign_up(store: Store, email: str = ALEXIS, now: datetime = NOW) -> None:
    assert store.users.sign_up(SignUp(email, "Alexis", "GÜNST HORN", "fr"), now)


def item(store: Store, email: str = ALEXIS) -> Plain:
    return store.item(email) or {}


def click(store: Store, mail: Mail, now: datetime = NOW) -> Validation:
    return store.users.validate(mail.to, tokens.digest(mail.text), now).outcome


def seconds_left(*readings: float) -> Callable[[], float]:
    """A clock of the invocation that shows ``readings`` in turn."""
    shown = iter(readings)
    return lambda: next(shown)


# What is mailed


def test_a_sign_up_is_mailed_a_link_that_works(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    sign_up(store)
    handler(inserted(store, ALEXIS))

    (mail,) = outbox.mails
    assert (mail.to, mail.subject, mail.html) == (ALEXIS, "Alexis GÜNST HORN", "fr")
    assert item(store) == {
        "email": ALEXIS,
        "prenom": "Alexis",
        "nom": "GÜNST HORN",
        "lang": "fr",
        "created_at": NOW_STORED,
        "mail": "sent",
        "mail_at": NOW_STORED,
        "mail_count": 1,
        "link_hashes": {tokens.digest(mail.text)},
        "link_expires_at": EPOCH + 24 * 3600,
        "expires_at": EPOCH + 7 * 24 * 3600,
    }
    assert tokens.well_formed(mail.text)
    assert click(store, mail) is Validation.VALIDATED


def test_another_writers_item_is_mailed_and_never_lapses(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    store.put("Alexis@Example.org", prenom="Alexis", nom="GÜNST HORN")
    handler(inserted(store, "Alexis@Example.org"))
    (mail,) = outbox.mails
    assert mail.to == "Alexis@Example.org"
    assert item(store, "Alexis@Example.org")["mail"] == "sent"
    assert "expires_at" not in item(store, "Alexis@Example.org")
    assert click(store, mail) is Validation.VALIDATED


def test_who_asks_again_is_mailed_another_link_and_lapses_later(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    sign_up(store)
    handler(inserted(store, ALEXIS))
    handler.now = LATER
    assert store.users.resend(ALEXIS, LATER)
    handler(modified(store, ALEXIS))

    first, second = outbox.mails
    assert first.text != second.text
    assert item(store)["mail_count"] == 2
    assert item(store)["expires_at"] == EPOCH + 60 + 7 * 24 * 3600
    assert click(store, first, LATER) is Validation.VALIDATED
    assert click(store, second, LATER) is Validation.ALREADY_VALIDATED


def test_another_writers_user_who_asks_again_never_lapses(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    store.put(ALEXIS, nom="GÜNST HORN")
    sign_up(store)
    handler(modified(store, ALEXIS))
    assert outbox.addresses == [ALEXIS]
    assert "expires_at" not in item(store)


def test_another_writers_time_to_live_outlives_a_sign_up_of_the_same_address(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    in_a_year = EPOCH + 365 * 24 * 3600
    store.put(ALEXIS, nom="GÜNST HORN", expires_at=in_a_year)
    sign_up(store)
    handler(modified(store, ALEXIS))
    assert outbox.addresses == [ALEXIS]
    assert item(store)["expires_at"] == in_a_year


def test_another_writers_item_never_lapses_though_it_was_put_over_a_sign_up(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    sign_up(store)
    batch = inserted(store, ALEXIS)
    store.put(ALEXIS, nom="GÜNST HORN", plan="gold")
    handler(batch, modified(store, ALEXIS))
    assert outbox.addresses == [ALEXIS]
    assert "expires_at" not in item(store)


def test_a_batch_is_mailed_at_the_same_time(store: Store, outbox: Outbox, handler: Handler) -> None:
    """Each sending waits for the others to be under way: one after the other, none would end."""
    everybody = threading.Barrier(3, timeout=5)
    outbox.on_send = lambda _: everybody.wait()
    for email in (ALEXIS, BOB, CAROL):
        sign_up(store, email)
    handler(*(inserted(store, email) for email in (ALEXIS, BOB, CAROL)))
    assert outbox.addresses == [ALEXIS, BOB, CAROL]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="macOS lets nobody choose")
def test_the_threads_of_a_batch_share_a_processor_that_nobody_else_is_held_to(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    before = os.sched_getaffinity(0)
    ran_on: list[set[int]] = []
    outbox.on_send = lambda _: ran_on.append(os.sched_getaffinity(0))
    for email in (ALEXIS, BOB, CAROL):
        sign_up(store, email)
    handler(*(inserted(store, email) for email in (ALEXIS, BOB, CAROL)))
    assert ran_on == [{min(before)}] * 3
    assert os.sched_getaffinity(0) == before


def test_a_system_that_lets_nobody_choose_a_processor_mails_all_the_same(
    store: Store, outbox: Outbox, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    sign_up(store)
    handler(inserted(store, ALEXIS))
    assert outbox.addresses == [ALEXIS]


# What is not


OWED = {"email": ALEXIS, "mail": "owed"}
NOT_ASKED_FOR = {
    "our own claim": record("MODIFY", {"email": ALEXIS, "mail": "sending"}),
    "our own success": record("MODIFY", {"email": ALEXIS, "mail": "sent"}),
    "our own failure": record("MODIFY", {"email": ALEXIS, "mail": "failed"}),
    "our own validation": record("MODIFY", {**OWED, "validated_at": NOW_STORED}),
    "a bounce": record("MODIFY", {"email": ALEXIS, "mail": "bounced"}),
    "a complaint": record("MODIFY", {"email": ALEXIS, "mail": "complained"}),
    "a user inserted as sent": record("INSERT", {"email": ALEXIS, "mail": "sent"}),
    "a user inserted as sending": record("INSERT", {"email": ALEXIS, "mail": "sending"}),
    "a user inserted as bounced": record("INSERT", {"email": ALEXIS, "mail": "bounced"}),
    "a user inserted as validated": record("INSERT", {"email": ALEXIS, "validated_at": "2031"}),
    "another writer's change": record("MODIFY", {"email": ALEXIS, "nom": "HORN"}),
    "a deletion": record("REMOVE", None),
    "a deletion that shows the old item": record("REMOVE", OWED),
    "a lapse": record(
        "REMOVE",
        None,
        userIdentity={"type": "Service", "principalId": "dynamodb.amazonaws.com"},
    ),
    "an event of a kind to come": record("TRUNCATE", OWED),
}


@pytest.mark.parametrize("ignored", NOT_ASKED_FOR.values(), ids=NOT_ASKED_FOR)
def test_what_asks_for_no_mail_costs_no_call(
    store: Store,
    outbox: Outbox,
    handler: Handler,
    ignored: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.put(ALEXIS, mail="owed")
    with store.calls() as calls:
        handler(ignored)
    assert calls == []
    assert outbox.tried == []
    assert caplog.records == []


def test_an_empty_batch_is_nothing_to_do(store: Store, handler: Handler) -> None:
    with store.calls() as calls:
        handler()
    assert calls == []


@pytest.mark.parametrize(
    "attributes",
    [
        {"mail": "sent"},
        {"mail": "failed"},
        {"mail": "bounced"},
        {"mail": "complained"},
        {"mail": "owed", "validated_at": NOW_STORED},
    ],
    ids=str,
)
def test_a_record_older_than_its_item_is_not_mailed(
    store: Store, outbox: Outbox, handler: Handler, attributes: Plain
) -> None:
    old = record("INSERT", OWED)
    store.put(ALEXIS, **attributes)
    handler(old)
    assert outbox.tried == []
    assert item(store) == {"email": ALEXIS, **attributes}


def test_a_user_who_is_gone_is_not_mailed_and_not_made_again(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    handler(record("INSERT", OWED), record("INSERT", {"email": BOB}))
    assert outbox.tried == []
    assert store.item(ALEXIS) is None
    assert store.item(BOB) is None


# Once each


def test_a_batch_that_is_repeated_is_mailed_once(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    sign_up(store)
    store.put(BOB)
    batch = [inserted(store, ALEXIS), inserted(store, BOB)]
    for _ in range(3):
        handler(*batch)
    assert outbox.addresses == [ALEXIS, BOB]
    assert item(store)["mail_count"] == 1


def test_an_address_that_is_twice_in_a_batch_is_mailed_once(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    sign_up(store)
    first = inserted(store, ALEXIS)
    assert store.users.sign_up(SignUp(ALEXIS, "", "X", "en"), LATER)
    handler(first, modified(store, ALEXIS))
    assert outbox.addresses == [ALEXIS]
    assert item(store)["mail_count"] == 1
    assert "expires_at" in item(store)


def test_after_a_crash_a_second_link_is_mailed_and_both_work(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    """The process dies once SES has the mail, and Lambda repeats the batch."""
    sign_up(store)
    batch = inserted(store, ALEXIS)
    killed: list[Mail] = []

    def die(mail: Mail) -> None:
        killed.append(mail)
        raise SystemExit

    outbox.on_send = die
    with pytest.raises(SystemExit):
        handler(batch)
    outbox.on_send = lambda _: None
    handler(batch)

    assert outbox.addresses == [ALEXIS]
    assert click(store, killed[0]) is Validation.VALIDATED
    assert click(store, outbox.mails[0]) is Validation.ALREADY_VALIDATED


# One bad record or address never holds up the others


GARBAGE: dict[str, object] = {
    "nothing": None,
    "a string": "INSERT",
    "a number": 7,
    "a list": [],
    "an empty record": {},
    "no change": {"eventName": "INSERT"},
    "a change that is null": {"eventName": "INSERT", "dynamodb": None},
    "a change that is a list": {"eventName": "INSERT", "dynamodb": []},
    "no image": record("INSERT", None),
    "an image that is null": {"eventName": "INSERT", "dynamodb": {"NewImage": None}},
    "an image that is a string": {"eventName": "INSERT", "dynamodb": {"NewImage": "mail"}},
    "an image that is a list": {"eventName": "INSERT", "dynamodb": {"NewImage": []}},
    "an empty image": {"eventName": "INSERT", "dynamodb": {"NewImage": {}}},
    "no email": record("INSERT", {"email": "x"}) | {"dynamodb": {"NewImage": {"nom": {"S": "X"}}}},
    "an email that is a number": record("INSERT", {"email": 5}),
    "an email that is a map": record("INSERT", {"email": {"S": ALEXIS}}),
    "an email that is null": record("INSERT", {"email": None}),
    "an email without a type": {
        "eventName": "INSERT",
        "dynamodb": {"NewImage": {"email": ALEXIS}},
    },
    "a mail state that is a number": record("MODIFY", {"email": ALEXIS, "mail": 5}),
    "a mail state that is null": record("INSERT", {"email": ALEXIS, "mail": None}),
    "a mail state that is a list": record("INSERT", {"email": ALEXIS, "mail": ["owed"]}),
    "an email that only says to be a string": {
        "eventName": "INSERT",
        "dynamodb": {"NewImage": {"email": {"S": 5}}},
    },
    "an email that cannot be a key": {
        "eventName": "INSERT",
        "dynamodb": {"NewImage": {"email": {"S": [ALEXIS]}}},
    },
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_a_record_that_cannot_be_read_is_logged_and_stepped_over(
    store: Store,
    outbox: Outbox,
    handler: Handler,
    garbage: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.put(ALEXIS)
    store.put(BOB)
    handler(garbage, inserted(store, BOB))
    assert outbox.addresses == [BOB]
    assert item(store) == {"email": ALEXIS}
    (told,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert told.getMessage().startswith("unreadable record ")


def test_an_unreadable_record_is_named_by_its_sequence_number(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    broken = record("INSERT", None)
    handler(broken, {})
    assert [each.getMessage() for each in caplog.records] == [
        f"unreadable record {broken['dynamodb']['SequenceNumber']}: KeyError",
        "unreadable record without a sequence number: KeyError",
    ]


def test_unknown_attributes_of_any_type_are_nobodys_business(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    odd = {"nom": {"a": ["map", None]}, "prenom": b"\x00", "lang": {1, 2}, "plan": "x" * 300_000}
    store.put(ALEXIS, **odd)
    handler(inserted(store, ALEXIS))
    assert [(mail.to, mail.subject) for mail in outbox.mails] == [(ALEXIS, " ")]
    assert item(store)["mail"] == "sent"


def test_an_address_that_ses_refuses_fails_alone(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    for email in (ALEXIS, BOB, CAROL):
        sign_up(store, email)
    outbox.faults = {BOB: [Refused("MessageRejected: no.")]}
    handler(*(inserted(store, email) for email in (ALEXIS, BOB, CAROL)))
    assert outbox.addresses == [ALEXIS, CAROL]
    assert (item(store, BOB)["mail"], item(store, BOB)["mail_error"]) == (
        "failed",
        "MessageRejected: no.",
    )
    assert "mail_count" not in item(store, BOB)


def test_a_key_that_no_mail_can_go_to_fails_alone(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    for email in ("no address", "élan@example.org", BOB):
        store.put(email)
    handler(*(inserted(store, email) for email in ("no address", "élan@example.org", BOB)))
    assert outbox.addresses == [BOB]
    assert (item(store, "no address")["mail"], item(store, "no address")["mail_error"]) == (
        "failed",
        "address_invalid",
    )
    assert item(store, "élan@example.org")["mail_error"] == "address_not_ascii"


@pytest.mark.parametrize("odd", [{"link_hashes": "odd"}, {"mail_count": "odd"}], ids=str)
def test_an_item_that_cannot_be_claimed_is_logged_and_left_alone(
    store: Store, outbox: Outbox, handler: Handler, odd: Plain, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(ALEXIS, **odd)
    store.put(BOB)
    handler(inserted(store, ALEXIS), inserted(store, BOB))
    assert outbox.addresses == [BOB]
    assert item(store) == {"email": ALEXIS, **odd}
    (told,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert told.getMessage().startswith(f"item unusable user={hashed(ALEXIS)}: ")


def test_an_item_that_has_no_room_for_a_link_does_not_stop_the_shard(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    """DynamoDB refuses what would make an item larger than 400 KB, however often it is tried."""
    store.put(ALEXIS)
    full = refusal(
        400, "ValidationException", "Item size to update has exceeded the maximum allowed size"
    )
    with Wire(store.client, "UpdateItem", [full]):
        handler(inserted(store, ALEXIS))
    assert outbox.tried == []


# Faults that pass


def test_a_passing_fault_raises_after_the_rest_was_mailed_and_a_repeat_mails_only_what_is_owed(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    people = [ALEXIS, BOB, CAROL]
    for email in people:
        sign_up(store, email)
    batch = [inserted(store, email) for email in people]
    outbox.faults = {
        ALEXIS: [Undelivered("Throttled.", left=False)] * 2,
        BOB: [Undelivered("ReadTimeoutError", left=True)],
    }

    with pytest.raises(StillOwed, match=r"^2 of 3 mails are still owed$"):
        handler(*batch)
    assert outbox.addresses == [CAROL]
    assert [item(store, email)["mail"] for email in people] == ["sending", "sending", "sent"]

    with pytest.raises(StillOwed, match=r"^1 of 3 mails are still owed$"):
        handler(*batch)
    assert outbox.addresses == [BOB, CAROL]

    handler(*batch)
    assert outbox.addresses == [ALEXIS, BOB, CAROL]
    assert [item(store, email)["mail_count"] for email in people] == [1, 1, 1]


def test_the_link_of_a_mail_that_did_not_leave_is_forgotten(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    sign_up(store)
    outbox.faults = {ALEXIS: [Undelivered("SendingPausedException: no.", left=False)]}
    with pytest.raises(StillOwed):
        handler(inserted(store, ALEXIS))
    assert "link_hashes" not in item(store)
    assert item(store)["mail_error"] == "SendingPausedException: no."


def test_the_link_of_a_mail_that_may_have_left_works(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    sign_up(store)
    composed: list[Mail] = []
    outbox.on_send = composed.append
    outbox.faults = {ALEXIS: [Undelivered("ReadTimeoutError", left=True)]}
    with pytest.raises(StillOwed):
        handler(inserted(store, ALEXIS))
    assert click(store, composed[0]) is Validation.VALIDATED


@pytest.mark.parametrize(
    "fault",
    [
        refusal(400, "ProvisionedThroughputExceededException"),
        refusal(500, "InternalServerError"),
        ReadTimeoutError(endpoint_url="https://dynamodb.eu-west-3.amazonaws.com"),
    ],
    ids=["throttled", "failing", "hung"],
)
def test_a_store_that_cannot_be_asked_sends_nothing_and_raises(
    store: Store, outbox: Outbox, handler: Handler, fault: Any
) -> None:
    sign_up(store)
    batch = inserted(store, ALEXIS)
    with Wire(store.client, "UpdateItem", [fault]), pytest.raises(StillOwed):
        handler(batch)
    assert outbox.tried == []
    handler(batch)
    assert outbox.addresses == [ALEXIS]


def test_a_failure_that_cannot_be_written_down_is_found_again(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    sign_up(store)
    batch = inserted(store, ALEXIS)
    outbox.faults = {ALEXIS: [Refused("MessageRejected: no.")] * 2}
    answers = [None, refusal(500, "InternalServerError")]
    with Wire(store.client, "UpdateItem", answers), pytest.raises(StillOwed):
        handler(batch)
    assert item(store)["mail"] == "sending"
    handler(batch)
    assert item(store)["mail"] == "failed"


def test_that_a_mail_left_is_written_down_as_often_as_it_takes(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    sign_up(store)
    throttled = refusal(400, "ProvisionedThroughputExceededException")
    with Wire(store.client, "UpdateItem", [None, throttled, throttled, throttled]) as wire:
        handler(inserted(store, ALEXIS))
    assert outbox.addresses == [ALEXIS]
    assert len(wire.requests) == 5
    assert handler.pauses == [PAUSE] * 3
    assert (item(store)["mail"], item(store)["mail_count"]) == ("sent", 1)


def test_a_lost_answer_to_what_was_written_down_counts_no_mail_twice(
    store: Store, handler: Handler
) -> None:
    sign_up(store)
    answers = [None, refusal(500, "InternalServerError")]
    with Wire(store.client, "UpdateItem", answers, arrives=True) as wire:
        handler(inserted(store, ALEXIS))
    assert len(wire.requests) == 3
    assert (item(store)["mail"], item(store)["mail_count"]) == ("sent", 1)


def test_a_lost_answer_to_a_claim_leaves_the_mail_owed(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    sign_up(store)
    batch = inserted(store, ALEXIS)
    lost = refusal(500, "InternalServerError")
    with Wire(store.client, "UpdateItem", [lost], arrives=True), pytest.raises(StillOwed):
        handler(batch)
    assert item(store)["mail"] == "sending"
    handler(batch)
    assert outbox.addresses == [ALEXIS]


def test_what_cannot_be_written_down_in_time_is_mailed_again(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    """The one way to be mailed twice: SES has the mail, and nothing can be said to DynamoDB."""
    sign_up(store)
    batch = inserted(store, ALEXIS)
    half = TIME_FOR_A_MAIL / 2
    with (
        Wire(store.client, "UpdateItem", [None], then=refusal(500, "InternalServerError")) as wire,
        pytest.raises(StillOwed),
    ):
        handler(batch, time_left=seconds_left(60, half, half - 0.1))
    assert len(wire.requests) == 3
    assert handler.pauses == [PAUSE]

    handler(batch)
    assert outbox.addresses == [ALEXIS, ALEXIS]
    assert item(store)["mail_count"] == 1
    assert click(store, outbox.mails[0]) is Validation.VALIDATED


def test_what_there_is_no_time_for_is_not_started_and_raises(
    store: Store, outbox: Outbox, handler: Handler
) -> None:
    people = [ALEXIS, BOB, CAROL]
    for email in people:
        sign_up(store, email)
    batch = [inserted(store, email) for email in people]
    with store.calls() as calls, pytest.raises(StillOwed, match=r"^3 of 3 "):
        handler(*batch, time_left=lambda: TIME_FOR_A_MAIL - 0.001)
    assert calls == []
    assert outbox.tried == []

    with pytest.raises(StillOwed, match=r"^1 of 3 "):
        handler(*batch, time_left=seconds_left(TIME_FOR_A_MAIL, TIME_FOR_A_MAIL, 0))
    assert len(outbox.mails) == 2
    handler(*batch)
    assert outbox.addresses == people


# What is told


def everything_that_can_happen(store: Store, outbox: Outbox) -> Iterable[object]:
    """A batch with one user for each way that a mail can go."""
    faults: dict[str, Exception] = {
        "refused@example.org": Refused("MessageRejected: refused@example.org is bad"),
        "throttled@example.org": Undelivered("TooManyRequests: throttled@…", left=False),
        "silent@example.org": Undelivered("ReadTimeoutError", left=True),
    }
    outbox.faults = {email: [fault] for email, fault in faults.items()}
    for email in (ALEXIS, *faults):
        sign_up(store, email)
        yield inserted(store, email)
    store.put("no address of anybody", nom="HORN")
    yield inserted(store, "no address of anybody")
    store.put("unusable@example.org", link_hashes="odd")
    yield inserted(store, "unusable@example.org")
    yield record("INSERT", {"email": "gone@example.org", "nom": "HORN"})
    yield record("INSERT", {"email": 5, "nom": "HORN"})


def test_logs_follow_a_user_and_name_nobody(
    store: Store, outbox: Outbox, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "chalicelib")
    composed: list[Mail] = []
    outbox.on_send = composed.append
    batch = list(everything_that_can_happen(store, outbox))
    caplog.clear()

    with pytest.raises(StillOwed) as raised:
        handler(*batch)

    told = [(each.levelname, each.getMessage()) for each in caplog.records]
    not_a_set = "link_hashes is not a set of strings"
    unread: Any = batch[-1]
    assert set(told) == {
        ("INFO", f"mail sent user={hashed(ALEXIS)}"),
        ("INFO", f"mail failed user={hashed('refused@example.org')}"),
        ("INFO", f"mail failed user={hashed('no address of anybody')}"),
        ("INFO", f"mail not owed user={hashed('gone@example.org')}"),
        ("INFO", "batch: 1 sent, 3 failed, 1 not owed, 2 still owed"),
        ("WARNING", f"mail still owed user={hashed('throttled@example.org')}: Undelivered"),
        ("WARNING", f"mail still owed user={hashed('silent@example.org')}: Undelivered"),
        (
            "ERROR",
            f"item unusable user={hashed('unusable@example.org')}: {not_a_set}",
        ),
        ("ERROR", f"unreadable record {unread['dynamodb']['SequenceNumber']}: KeyError"),
    }
    everything_told = caplog.text + str(raised.value)
    for secret in ("@", "example", "Alexis", "HORN", "anybody", *(mail.text for mail in composed)):
        assert secret not in everything_told


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_fault_of_the_store_is_told_without_its_message(
    store: Store, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    sign_up(store)
    batch = inserted(store, ALEXIS)
    fault = refusal(500, "InternalServerError", f"no luck with {ALEXIS}")
    with Wire(store.client, "UpdateItem", [fault]), pytest.raises(StillOwed):
        handler(batch)
    assert warnings(caplog) == [
        f"mail still owed user={hashed(ALEXIS)}: UpdateItem InternalServerError"
    ]


def test_a_fault_of_delivery_is_told_by_what_caused_it(
    store: Store, outbox: Outbox, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    sign_up(store)
    fault = Undelivered("ReadTimeoutError", left=True)
    fault.__cause__ = ReadTimeoutError(endpoint_url=f"https://{ALEXIS}")
    outbox.faults = {ALEXIS: [fault]}
    with pytest.raises(StillOwed):
        handler(inserted(store, ALEXIS))
    assert warnings(caplog) == [f"mail still owed user={hashed(ALEXIS)}: ReadTimeoutError"]


def test_a_log_tells_users_apart_and_takes_any_key() -> None:
    assert hashed(ALEXIS) == hashed(ALEXIS) != hashed(BOB)
    assert len(hashed("half a character \ud800")) == 12
