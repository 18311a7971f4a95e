"""The stream's mailer: real items, records of them, and a fake SES that remembers."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib.logs import hashed
from chalicelib.mail.clock import Clock
from chalicelib.mail.limits import Limits
from chalicelib.mail.mailer import (
    MAILBOX_FULL,
    MAX_SMALL_BATCH,
    RATE_LIMIT_PAUSE,
    RATE_TRIES,
    RETRY_PAUSE,
    TIME_FOR_A_MAIL,
    Mailer,
    Outcome,
    Run,
    StillOwed,
)
from chalicelib.mail.message import Mail
from chalicelib.mail.ses import PAUSED, QUOTA, RATE, Refused, Undelivered
from chalicelib.users import codes, tokens
from chalicelib.users.email_address import deliverable
from chalicelib.users.item import LEASE, slot
from chalicelib.users.outbox import Outbox
from chalicelib.users.people import MailKind, SignUp, User, Validation, Verdict
from chalicelib.users.table import number
from tests.support.fakes import FakeSes, inserted, modified, record
from tests.support.stores import Plain, Store, create_limits
from tests.support.wire import Wire, refusal

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
NOW_STORED = "2031-05-04T12:00:00.000000Z"
EPOCH = int(NOW.timestamp())
TICK = timedelta(microseconds=1)
LATER = NOW + timedelta(seconds=60)
ALEXIS, BOB, CAROL = "alexis@example.org", "bob@example.org", "carol@example.org"
CROWD = [f"user{number}@example.org" for number in range(MAX_SMALL_BATCH + 2)]
"""Too many for a batch of a few mails."""
TICKET, SECRET = "a" * 64, "a secret key of thirty-two letters"
PLENTY = 900.0


def compose(user: User, token: str, code: str, _: MailKind = MailKind.LINK) -> Mail:
    """Return a mail that a test can take apart: whom it greets, its token, its code."""
    return Mail(deliverable(user.email), f"{user.prenom} {user.nom}", token, code)


class Handler:
    """The mailer of one process, with a clock that stands still and pauses that are kept."""

    def __init__(
        self,
        store: Store,
        ses: FakeSes,
        per_hour: int | None = None,
        secret_key: str = SECRET,
        *,
        welcomes: bool = False,
    ) -> None:
        self.now = NOW
        self.pauses: list[float] = []
        self.limits = Limits(store.client, "limits", None, per_hour)
        fake: Any = ses
        self.mailer = Mailer(
            Outbox(store.client, store.table, welcomes=welcomes),
            fake,
            compose,
            Clock(lambda: self.now, self.pauses.append),
            self.limits,
            store.mailboxes,
            secret_key,
        )

    def __call__(self, *records: object, time_left: Callable[[], float] = lambda: PLENTY) -> None:
        batch: Any = records
        self.mailer.mail_records(batch, time_left)

    @property
    def reserved(self) -> int:
        """Return how many mails of the day's budget are used."""
        return int(number(self.limits.state(), "day_mails"))


@pytest.fixture
def store(moto_store: Store) -> Store:
    """An empty table of users, with an empty table of limits beside it."""
    create_limits(moto_store.client, "limits")
    return moto_store


@pytest.fixture
def ses() -> FakeSes:
    return FakeSes()


@pytest.fixture
def handler(store: Store, ses: FakeSes) -> Handler:
    return Handler(store, ses)


def sign_up(store: Store, email: str = ALEXIS, now: datetime = NOW) -> None:
    assert store.users.sign_up(SignUp(email, "Alexis", "GÜNST HORN", "fr"), TICKET, now)


def signed_up(store: Store, *emails: str) -> list[dict[str, Any]]:
    """Sign people up, and return the records of that."""
    for email in emails:
        sign_up(store, email)
    return [inserted(store, email) for email in emails]


def item(store: Store, email: str = ALEXIS) -> Plain:
    return store.item(email) or {}


def states(store: Store, emails: Iterable[str]) -> list[str]:
    return [item(store, email)["mail"] for email in emails]


def click(store: Store, mail: Mail, now: datetime = NOW) -> Validation:
    return store.users.validate(mail.to, tokens.digest(mail.text), now).outcome


def seconds_left(*readings: float) -> Callable[[], float]:
    """Return a clock of the invocation that shows ``readings`` in turn."""
    shown = iter(readings)
    return lambda: next(shown)


def throttled() -> Undelivered:
    return Undelivered("TooManyRequestsException: Slow.", may_have_left=False, why=RATE)


def cut_off() -> Undelivered:
    return Undelivered("ReadTimeoutError", may_have_left=True)


# What is mailed


def test_a_sign_up_is_mailed_a_link_that_works(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    handler(*signed_up(store, ALEXIS))

    (mail,) = ses.mails
    link_hash = tokens.digest(mail.text)
    said = {"prenom": "Alexis", "nom": "GÜNST HORN", "lang": "fr", "said_at": NOW_STORED}
    code = codes.digest(SECRET, link_hash, mail.html)
    assert (mail.to, mail.subject) == (ALEXIS, "Alexis GÜNST HORN")
    assert ses.link_hashes == [link_hash]
    assert item(store) == {
        "email": ALEXIS,
        **said,
        "ticket": TICKET,
        "created_at": NOW_STORED,
        "mail": "sent",
        "mail_at": NOW_STORED,
        "mail_link": link_hash,
        "mail_count": 1,
        "mail_window_at": NOW_STORED,
        "message_id": "0001",
        "links": {link_hash: {"expires": EPOCH + 24 * 3600, "said": said, "ticket": TICKET}},
        "codes": {TICKET: {"code": code, "link": link_hash, "expires": EPOCH + 900, "tries": 0}},
        "expires_at": EPOCH + 7 * 24 * 3600,
    }
    assert tokens.well_formed(mail.text)
    assert click(store, mail) is Validation.VALIDATED


def test_a_sign_ups_mail_has_a_code_that_works(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    handler(*signed_up(store, ALEXIS))
    (mail,) = ses.mails
    users = store.users_with(SECRET)
    done = users.validate_by_code(ALEXIS, TICKET, mail.html, NOW)
    assert done.outcome is Validation.VALIDATED


def test_another_programs_item_is_mailed_the_link_alone(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    store.put("Alexis@Example.org", prenom="Alexis", nom="GÜNST HORN")
    handler(inserted(store, "Alexis@Example.org"))
    (mail,) = ses.mails
    assert (mail.to, mail.subject, mail.html) == ("Alexis@Example.org", "Alexis GÜNST HORN", "")
    after = item(store, "Alexis@Example.org")
    assert after["mail"] == "sent"
    assert not {"codes", "expires_at", "owed", "owed_at"} & set(after)
    assert click(store, mail) is Validation.VALIDATED


def test_mails_have_no_code_where_codes_are_off(store: Store, ses: FakeSes) -> None:
    Handler(store, ses, secret_key="")(*signed_up(store, ALEXIS))
    assert [mail.html for mail in ses.mails] == [""]
    assert "codes" not in item(store)


def test_another_request_is_mailed_another_link(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    handler(*signed_up(store, ALEXIS))
    handler.now = LATER
    assert store.users.resend(ALEXIS, LATER)
    handler(modified(store, ALEXIS))

    first, second = ses.mails
    assert first.text != second.text
    assert item(store)["mail_count"] == 2
    assert item(store)["expires_at"] == EPOCH + 60 + 7 * 24 * 3600
    assert click(store, first, LATER) is Validation.VALIDATED
    assert click(store, second, LATER) is Validation.ALREADY_VALIDATED


def test_a_sign_up_leaves_another_programs_item_as_it_is(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    store.put(ALEXIS, nom="HORN", plan="gold")
    sign_up(store)
    handler(modified(store, ALEXIS))
    assert [mail.subject for mail in ses.mails] == [" HORN"]
    after = item(store)
    assert (after["nom"], after["plan"]) == ("HORN", "gold")
    assert not {"expires_at", "prenom", "lang"} & set(after)


def test_another_programs_time_to_live_stays(store: Store, ses: FakeSes, handler: Handler) -> None:
    in_a_year = EPOCH + 365 * 24 * 3600
    store.put(ALEXIS, nom="GÜNST HORN", expires_at=in_a_year)
    sign_up(store)
    handler(modified(store, ALEXIS))
    assert ses.addresses == [ALEXIS]
    assert item(store)["expires_at"] == in_a_year


def test_an_item_that_replaces_a_user_is_mailed(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    """PutItem replaces all there was: the stream shows a MODIFY without ``mail``."""
    handler(*signed_up(store, ALEXIS))
    store.put(ALEXIS, nom="HORN", plan="gold")
    handler(modified(store, ALEXIS))
    assert ses.addresses == [ALEXIS, ALEXIS]
    assert (item(store)["mail"], item(store)["plan"]) == ("sent", "gold")
    assert click(store, ses.mails[0]) is Validation.INVALID
    assert click(store, ses.mails[1]) is Validation.VALIDATED


def test_an_item_put_over_a_sign_up_never_expires(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    batch = signed_up(store, ALEXIS)
    store.put(ALEXIS, nom="GÜNST HORN", plan="gold")
    handler(*batch, modified(store, ALEXIS))
    assert ses.addresses == [ALEXIS]
    assert "expires_at" not in item(store)


def test_a_batch_is_mailed_at_the_same_time(store: Store, ses: FakeSes, handler: Handler) -> None:
    """Each mail waits for the others to be under way: one after the other, none would end."""
    barrier = threading.Barrier(3, timeout=5)
    ses.on_send = lambda _: barrier.wait()
    handler(*signed_up(store, ALEXIS, BOB, CAROL))
    assert ses.addresses == [ALEXIS, BOB, CAROL]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="macOS has no such call")
def test_the_threads_of_a_batch_share_a_processor(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    before = os.sched_getaffinity(0)
    ran_on: list[set[int]] = []
    ses.on_send = lambda _: ran_on.append(os.sched_getaffinity(0))
    handler(*signed_up(store, ALEXIS, BOB, CAROL))
    assert ran_on == [{min(before)}] * 3
    assert os.sched_getaffinity(0) == before


def test_a_system_without_a_choice_of_processor_mails(
    store: Store, ses: FakeSes, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    handler(*signed_up(store, ALEXIS))
    assert ses.addresses == [ALEXIS]


# What is not mailed


OWED = {"email": ALEXIS, "mail": "owed"}
CLAIMED = {"email": ALEXIS, "mail": "sending", "mail_at": NOW_STORED, "owed_at": NOW_STORED}
RELEASED = {**OWED, "mail_at": NOW_STORED, "owed_at": "2031-05-04T11:00:00.000000Z"}
NOT_ASKED_FOR = {
    "our own claim": record("MODIFY", CLAIMED),
    "our own release": record("MODIFY", RELEASED),
    "our own success": record("MODIFY", {"email": ALEXIS, "mail": "sent"}),
    "our own failure": record("MODIFY", {"email": ALEXIS, "mail": "failed"}),
    "our own validation": record("MODIFY", {**OWED, "validated_at": NOW_STORED}),
    "a delivery": record("MODIFY", {"email": ALEXIS, "mail": "delivered"}),
    "a bounce": record("MODIFY", {"email": ALEXIS, "mail": "bounced"}),
    "a complaint": record("MODIFY", {"email": ALEXIS, "mail": "complained"}),
    "a refusal": record("MODIFY", {"email": ALEXIS, "mail": "refused"}),
    "a user inserted as sent": record("INSERT", {"email": ALEXIS, "mail": "sent"}),
    "a user inserted as bounced": record("INSERT", {"email": ALEXIS, "mail": "bounced"}),
    "a user inserted as validated": record("INSERT", {"email": ALEXIS, "validated_at": "2031"}),
    "a user replaced as validated": record("MODIFY", {"email": ALEXIS, "validated_at": "2031"}),
    "a deletion": record("REMOVE", None),
    "a deletion that shows the old item": record("REMOVE", OWED),
    "an expiry": record(
        "REMOVE",
        None,
        userIdentity={"type": "Service", "principalId": "dynamodb.amazonaws.com"},
    ),
    "an event of a kind to come": record("TRUNCATE", OWED),
}


@pytest.mark.parametrize("ignored", NOT_ASKED_FOR.values(), ids=NOT_ASKED_FOR)
def test_records_that_owe_no_mail_cost_no_call(
    store: Store,
    ses: FakeSes,
    handler: Handler,
    ignored: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.put(ALEXIS, mail="owed")
    with store.calls() as calls:
        handler(ignored)
    assert calls == []
    assert ses.tried == []
    assert caplog.records == []


def test_an_empty_batch_costs_no_call(store: Store, handler: Handler) -> None:
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
        {"mail": "refused"},
        {"mail": "owed", "validated_at": NOW_STORED},
        {"mail": "owed", "mail_at": NOW_STORED},
    ],
    ids=str,
)
def test_a_record_older_than_its_item_is_not_mailed(
    store: Store, ses: FakeSes, handler: Handler, attributes: Plain
) -> None:
    old = record("INSERT", OWED)
    store.put(ALEXIS, **attributes)
    handler(old)
    assert ses.tried == []
    assert item(store) == {"email": ALEXIS, **attributes}


def test_a_user_who_is_gone_is_not_mailed_or_made_again(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    handler(record("INSERT", OWED), record("INSERT", {"email": BOB}))
    assert ses.tried == []
    assert store.item(ALEXIS) is None
    assert store.item(BOB) is None


# Once each


def test_a_repeated_batch_is_mailed_once(store: Store, ses: FakeSes, handler: Handler) -> None:
    store.put(BOB)
    batch = [*signed_up(store, ALEXIS), inserted(store, BOB)]
    for _ in range(3):
        handler(*batch)
    assert ses.addresses == [ALEXIS, BOB]
    assert item(store)["mail_count"] == 1


def test_a_stale_record_claims_no_newer_request(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    """The newer request has a record of its own."""
    batch = signed_up(store, ALEXIS)
    handler(*batch)
    assert store.users.resend(ALEXIS, LATER)
    handler(*batch)
    assert ses.addresses == [ALEXIS]
    handler.now = LATER
    handler(modified(store, ALEXIS))
    assert ses.addresses == [ALEXIS, ALEXIS]


def test_an_address_twice_in_a_batch_is_mailed_once(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    batch = signed_up(store, ALEXIS)
    assert store.users.sign_up(SignUp(ALEXIS, "", "X", "en"), TICKET, LATER)
    handler.now = LATER
    handler(*batch, modified(store, ALEXIS))
    assert [mail.subject for mail in ses.mails] == [" X"]
    assert item(store)["mail_count"] == 1


def test_two_mailers_with_one_record_mail_once(store: Store, ses: FakeSes) -> None:
    batch = signed_up(store, ALEXIS)
    for handler in (Handler(store, ses), Handler(store, ses)):
        handler(*batch)
    assert ses.addresses == [ALEXIS]


@pytest.mark.parametrize("is_put", [False, True], ids=["signed up", "put by another program"])
def test_a_claim_of_a_killed_mailer_is_left_alone(
    store: Store, ses: FakeSes, handler: Handler, is_put: bool
) -> None:
    """The process dies once SES has the mail. Lambda repeats the batch: SES decides."""
    if is_put:
        store.put(ALEXIS)
    else:
        sign_up(store)
    batch = inserted(store, ALEXIS)
    killed: list[Mail] = []

    def die(mail: Mail) -> None:
        killed.append(mail)
        raise SystemExit

    ses.on_send = die
    with pytest.raises(SystemExit):
        handler(batch)
    ses.on_send = lambda _: None
    for moment in (NOW, NOW + LEASE - TICK):
        handler.now = moment
        handler(batch, modified(store, ALEXIS))
    assert ses.tried == []
    assert item(store)["mail"] == "sending"
    assert item(store)["owed"] == slot(ALEXIS)
    assert store.outbox.report_sent(ALEXIS, tokens.digest(killed[0].text), "0100", NOW)
    assert (item(store)["mail"], "owed" in item(store)) == ("sent", False)
    assert click(store, killed[0]) is Validation.VALIDATED


def test_a_mail_that_may_have_left_is_left_alone(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    composed: list[Mail] = []
    ses.on_send = composed.append
    ses.faults = {ALEXIS: [cut_off()]}
    batch = signed_up(store, ALEXIS)
    handler(*batch)
    handler(*batch)
    assert ses.tried == [ALEXIS]
    assert item(store)["mail"] == "sending"
    assert click(store, composed[0]) is Validation.VALIDATED


def test_a_mistake_once_ses_has_the_mail_leaves_it_in_doubt(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    """Released, it would go out twice."""
    ses.faults = {ALEXIS: [TypeError("an answer of another shape")]}
    handler(*signed_up(store, ALEXIS))
    assert (item(store)["mail"], handler.reserved) == ("sending", 1)


def test_a_mail_in_doubt_uses_up_one_mail_of_the_day(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    """Else an outage would keep the user from asking for another link."""
    ses.faults = {ALEXIS: [cut_off()] * 6}
    handler(*signed_up(store, ALEXIS))
    for attempt in range(1, 6):
        handler.now = NOW + attempt * LEASE
        run = Run(lambda: PLENTY)
        handler.mailer.send_batch([store.outbox.read(ALEXIS)], run)
        assert run.count(Outcome.IN_DOUBT) == 1
    assert item(store)["mail_count"] == 1
    assert store.users.resend(ALEXIS, handler.now + LEASE)


# What other programs put


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
def test_an_unreadable_record_is_logged_and_skipped(
    store: Store,
    ses: FakeSes,
    handler: Handler,
    garbage: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.put(ALEXIS)
    store.put(BOB)
    handler(garbage, inserted(store, BOB))
    assert ses.addresses == [BOB]
    assert item(store) == {"email": ALEXIS}
    (line,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert line.getMessage().startswith("unreadable record ")


def test_an_unreadable_record_has_its_sequence_number(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    broken = record("INSERT", None)
    handler(broken, {})
    assert [each.getMessage() for each in caplog.records] == [
        f"unreadable record {broken['dynamodb']['SequenceNumber']}: KeyError",
        "unreadable record without a sequence number: KeyError",
    ]


def test_unknown_attributes_of_any_type_stop_no_mail(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    odd = {
        "nom": {"a": ["map", None]},
        "prenom": b"\x00",
        "lang": {1, 2},
        "plan": "x" * 300_000,
        "links": "odd",
        "codes": ["odd"],
        "mail_count": "odd",
        "mail_at": 5,
        "owed_at": 5,
    }
    store.put(ALEXIS, **odd)
    handler(inserted(store, ALEXIS))
    assert [(mail.to, mail.subject) for mail in ses.mails] == [(ALEXIS, " ")]
    assert item(store)["mail"] == "sent"


def test_an_address_that_ses_refuses_fails_alone(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    ses.faults = {BOB: [Refused("MessageRejected: no.")]}
    handler(*signed_up(store, ALEXIS, BOB, CAROL))
    assert ses.addresses == [ALEXIS, CAROL]
    after = item(store, BOB)
    assert (after["mail"], after["mail_error"]) == ("failed", "MessageRejected: no.")
    assert "owed" not in after


def test_a_key_that_no_mail_can_go_to_fails_alone(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    keys = ("no address", "élan@example.org", BOB)
    for email in keys:
        store.put(email)
    handler(*(inserted(store, email) for email in keys))
    assert ses.addresses == [BOB]
    failed = [(item(store, key)["mail"], item(store, key)["mail_error"]) for key in keys[:2]]
    assert failed == [("failed", "address_invalid"), ("failed", "address_not_ascii")]


def test_a_full_item_is_logged_and_stops_no_other(
    store: Store, ses: FakeSes, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    """DynamoDB refuses what would make an item larger than 400 KB, however often it is tried."""
    store.put(ALEXIS)
    batch = inserted(store, ALEXIS)
    full = refusal(
        400, "ValidationException", "Item size to update has exceeded the maximum allowed size"
    )
    handler(*signed_up(store, BOB))  # the budget's first update is made
    with Wire(store.client, "UpdateItem", [None, None, full]):
        handler(batch)
    assert ses.tried == [BOB]
    (line,) = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert line.startswith(f"item unusable user={hashed(ALEXIS)}: ")


# SES takes no mail just now: no error


@pytest.mark.parametrize("why", [RATE, QUOTA, PAUSED])
def test_a_batch_that_ses_refuses_is_no_error(
    store: Store, ses: FakeSes, handler: Handler, why: str
) -> None:
    batch = signed_up(store, *CROWD)
    refused = Undelivered("SomeException: Not now.", may_have_left=False, why=why)
    ses.faults = {email: [refused] * 9 for email in CROWD}
    handler(*batch)
    assert ses.mails == []
    assert states(store, CROWD) == ["owed"] * len(CROWD)
    assert all(item(store, email)["owed"] == slot(email) for email in CROWD)
    assert handler.reserved == 0
    assert handler.pauses == []


def test_after_the_first_refusal_nothing_is_claimed(
    store: Store, ses: FakeSes, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.mail.mailer.MAX_CONCURRENT", 1)
    batch = signed_up(store, *CROWD)
    before = {email: item(store, email) for email in CROWD}
    ses.faults = {CROWD[1]: [throttled()]}
    handler(*batch)
    assert ses.addresses == CROWD[:1]
    assert ses.tried == CROWD[:2]
    assert {email: item(store, email) for email in CROWD[2:]} == {
        email: before[email] for email in CROWD[2:]
    }


def test_a_released_mail_stays_owed_since_its_request(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    """Its link is dead, it does not count, and the stream leaves it to the drain."""
    batch = signed_up(store, ALEXIS)
    handler.now = LATER
    ses.faults = {ALEXIS: [Undelivered("Paused.", may_have_left=False, why=PAUSED)]}
    handler(*batch)
    after = item(store)
    assert (after["mail"], after["mail_error"], after["mail_count"]) == ("owed", "Paused.", 0)
    assert (after["owed_at"], after["mail_at"]) == (NOW_STORED, "2031-05-04T12:01:00.000000Z")
    assert [link["expires"] for link in after["links"].values()] == [0]
    released = modified(store, ALEXIS)
    with store.calls() as calls:
        handler(released)
    assert calls == []


def test_a_few_mails_are_tried_again_for_the_rate(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    people = [ALEXIS, BOB, CAROL]
    assert len(people) == MAX_SMALL_BATCH
    ses.faults = {BOB: [throttled() for _ in range(RATE_TRIES - 1)]}
    handler(*signed_up(store, *people))
    assert ses.addresses == people
    assert handler.pauses == [RETRY_PAUSE] * (RATE_TRIES - 1)
    assert item(store, BOB)["mail_count"] == 1


def test_a_few_mails_are_tried_only_so_often(store: Store, ses: FakeSes, handler: Handler) -> None:
    ses.faults = {ALEXIS: [throttled() for _ in range(9)]}
    batch = signed_up(store, ALEXIS)
    handler(*batch)
    assert ses.tried == [ALEXIS] * RATE_TRIES
    assert item(store)["mail"] == "owed"


def test_a_few_mails_are_not_tried_again_without_time(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    ses.faults = {ALEXIS: [throttled() for _ in range(9)]}
    batch = signed_up(store, ALEXIS)
    handler(*batch, time_left=seconds_left(60, 60, TIME_FOR_A_MAIL - 1))
    assert ses.tried == [ALEXIS] * 2
    assert item(store)["mail"] == "owed"


@pytest.mark.parametrize("why", [QUOTA, PAUSED, ""])
def test_only_the_rate_is_waited_for(
    store: Store, ses: FakeSes, handler: Handler, why: str
) -> None:
    ses.faults = {ALEXIS: [Undelivered("Not now.", may_have_left=False, why=why)] * 9}
    handler(*signed_up(store, ALEXIS))
    assert (ses.tried, handler.pauses) == ([ALEXIS], [])
    assert item(store)["mail"] == "owed"


def test_a_throttled_burst_makes_the_process_quiet(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    ses.faults = {email: [throttled()] for email in CROWD}
    handler(*signed_up(store, *CROWD))
    ses.faults = {}
    ses.tried.clear()
    handler.now = NOW + RATE_LIMIT_PAUSE - TICK
    later = [f"later-{email}" for email in CROWD]
    handler(*signed_up(store, *later))
    assert ses.tried == []
    assert states(store, later) == ["owed"] * len(later)


def test_a_quiet_process_mails_again_after_a_while(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    ses.faults = {email: [throttled()] for email in CROWD}
    handler(*signed_up(store, *CROWD))
    handler.now = NOW + RATE_LIMIT_PAUSE
    handler(*signed_up(store, ALEXIS))
    assert ses.addresses == [ALEXIS]


def test_one_throttled_mail_makes_no_process_quiet(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    ses.faults = {ALEXIS: [throttled() for _ in range(RATE_TRIES)]}
    handler(*signed_up(store, ALEXIS))
    handler(*signed_up(store, BOB))
    assert ses.addresses == [BOB]


def test_a_fault_of_one_mail_stops_no_other(
    store: Store, ses: FakeSes, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.mail.mailer.MAX_CONCURRENT", 1)
    sandbox = Undelivered("Email address is not verified.", may_have_left=False)
    ses.faults = {CROWD[0]: [sandbox], CROWD[1]: [cut_off()]}
    handler(*signed_up(store, *CROWD))
    assert ses.addresses == CROWD[2:]
    assert states(store, CROWD) == ["owed", "sending", "sent", "sent", "sent"]


def test_a_mistake_of_ours_stops_no_other_mail(
    store: Store, ses: FakeSes, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(user: User, token: str, code: str, _: MailKind) -> Mail:
        if user.email == ALEXIS:
            raise RuntimeError(f"while greeting {ALEXIS}")
        return compose(user, token, code)

    handler.mailer.compose = broken
    handler(*signed_up(store, ALEXIS, BOB))
    assert ses.addresses == [BOB]
    assert (item(store)["mail"], item(store)["mail_error"]) == ("owed", "RuntimeError")
    (line,) = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert line.startswith(f"mail still owed user={hashed(ALEXIS)}: RuntimeError\n")
    assert "in broken" in line
    assert "alexis" not in line


# Another program's items that are put off get into the index


def test_items_put_off_by_the_rate_get_into_the_index(
    store: Store, ses: FakeSes, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.mail.mailer.MAX_CONCURRENT", 1)
    for email in CROWD:
        store.put(email)
    ses.faults = {CROWD[0]: [throttled()]}
    handler(*(inserted(store, email) for email in CROWD))
    assert ses.mails == []
    after = [item(store, email) for email in CROWD]
    assert [(each["mail"], each["owed_at"]) for each in after] == [("owed", NOW_STORED)] * 5
    assert {owed.email for owed in store.outbox.owed(LATER)} == set(CROWD)


@pytest.mark.parametrize("cause", ["no time", "no budget", "the brake"])
def test_items_put_off_before_a_claim_get_into_the_index(
    store: Store, ses: FakeSes, cause: str
) -> None:
    handler = Handler(store, ses, per_hour=0 if cause == "no budget" else None)
    if cause == "the brake":
        apply_brake(handler.limits)
    store.put(ALEXIS)
    left = TIME_FOR_A_MAIL - 1 if cause == "no time" else PLENTY
    handler(inserted(store, ALEXIS), time_left=lambda: left)
    assert ses.tried == []
    assert item(store) == {
        "email": ALEXIS,
        "mail": "owed",
        "mail_at": NOW_STORED,
        "owed": slot(ALEXIS),
        "owed_at": NOW_STORED,
    }


def test_an_item_that_cannot_be_put_off_raises(store: Store, ses: FakeSes) -> None:
    """Otherwise only the hourly scan would find it."""
    handler = Handler(store, ses, per_hour=0)
    store.put(ALEXIS)
    batch = inserted(store, ALEXIS)
    handler.limits.reserve(1, NOW)  # the budget's item is made
    answers = [None, refusal(500, "InternalServerError")]
    with Wire(store.client, "UpdateItem", answers), pytest.raises(StillOwed, match=r"1 of 1"):
        handler(batch)
    handler(batch)
    assert item(store)["mail"] == "owed"


# The mailbox


def test_many_spellings_of_a_mailbox_get_five_mails(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    people = [f"alexis+{n}@example.org" for n in range(60)]
    for start in (0, 20, 40):
        handler(*signed_up(store, *people[start : start + 20]))
    assert len(ses.mails) == 5
    assert sorted(states(store, people)) == ["failed"] * 55 + ["sent"] * 5
    not_mailed = next(each for each in people if each not in ses.addresses)
    after = item(store, not_mailed)
    assert (after["mail_error"], "owed" in after, "links" in after) == (MAILBOX_FULL, False, False)
    assert handler.reserved == 5


def test_a_full_mailbox_is_mailed_again_a_day_later(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    people = [f"alexis+{n}@example.org" for n in range(6)]
    handler(*signed_up(store, *people))
    (left,) = set(people) - set(ses.addresses)
    handler.now += timedelta(hours=24)
    sign_up(store, left, handler.now)
    handler(modified(store, left))
    assert ses.addresses == people


def test_a_mail_tried_again_counts_once_in_its_mailbox(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    store.put(ALEXIS)
    batch = [inserted(store, ALEXIS)]
    for _ in range(7):
        ses.faults = {ALEXIS: [throttled() for _ in range(RATE_TRIES)]}
        handler(*batch)
        assert item(store)["mail"] == "owed"
        again = {**item(store), "mail_at": item(store)["owed_at"]}
        store.put(**again)
        batch = [modified(store, ALEXIS)]
    handler(*batch)
    assert ses.addresses == [ALEXIS]


def test_a_reader_of_the_mailbox_gets_another_link_at_once(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    """A stranger cannot use up what the owner of the mailbox asks for with a mailed token."""
    handler(*signed_up(store, ALEXIS))
    handler(*signed_up(store, *(f"alexis+{n}@example.org" for n in range(10))))
    assert len(ses.mails) == 5
    token_hash = tokens.digest(ses.mails[0].text)
    handler.now = LATER + timedelta(seconds=1)
    assert store.users.resend(ALEXIS, handler.now, token_hash="f" * 64)
    handler(modified(store, ALEXIS))
    assert len(ses.mails) == 5
    handler.now += timedelta(seconds=61)
    assert store.users.resend(ALEXIS, handler.now, token_hash=token_hash)
    handler(modified(store, ALEXIS))
    assert len(ses.mails) == 6


def test_who_refused_is_not_mailed_even_after_a_deletion(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    handler(*signed_up(store, ALEXIS))
    link_hash = tokens.digest(ses.mails[0].text)
    assert store.users.refuse(ALEXIS, link_hash, NOW).outcome is Validation.REFUSED
    store.delete(ALEXIS)
    handler(*signed_up(store, ALEXIS, "alexis+1@example.org"))
    assert len(ses.mails) == 1
    for email in (ALEXIS, "alexis+1@example.org"):
        assert item(store, email) == {
            "email": email,
            "created_at": NOW_STORED,
            "expires_at": EPOCH + 7 * 24 * 3600,
            "mail": "refused",
            "mail_at": NOW_STORED,
        }


def test_a_table_of_mailboxes_that_fails_loses_no_mail(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    """Nor is a mail sent that its mailbox may have refused."""
    batch = signed_up(store, ALEXIS)
    handler.limits.reserve(1, NOW)
    with (
        Wire(store.client, "UpdateItem", [None, FAULTS["failing"]]),
        pytest.raises(StillOwed),
    ):
        handler(*batch)
    assert (ses.tried, item(store)["mail"]) == ([], "owed")
    handler(*batch)
    assert ses.addresses == [ALEXIS]


# The budget and the brake


def apply_brake(limits: Limits) -> None:
    limits.reserve(100, NOW)
    for _ in range(9):
        limits.count(Verdict.BOUNCED, NOW)
    assert "brake" in limits.state()


def test_a_batch_is_mailed_as_far_as_the_budget_goes(store: Store, ses: FakeSes) -> None:
    handler = Handler(store, ses, per_hour=3)
    handler(*signed_up(store, *CROWD))
    assert ses.addresses == CROWD[:3]
    assert states(store, CROWD) == ["sent"] * 3 + ["owed"] * 2
    assert handler.reserved == 3


def test_a_batch_beyond_the_budget_is_no_error(store: Store, ses: FakeSes) -> None:
    handler = Handler(store, ses, per_hour=0)
    handler(*signed_up(store, ALEXIS))
    assert ses.tried == []
    assert item(store)["mail"] == "owed"


def test_a_batch_costs_one_write_of_the_budget(store: Store, handler: Handler) -> None:
    handler(*signed_up(store, ALEXIS))
    batch = signed_up(store, *CROWD)
    with store.calls() as calls:
        handler(*batch)
    assert calls == ["UpdateItem"] * (3 * len(CROWD) + 1)


def test_mails_that_did_not_go_are_given_back(store: Store, ses: FakeSes, handler: Handler) -> None:
    ses.faults = {ALEXIS: [Refused("No.")], BOB: [Undelivered("No.", may_have_left=False)]}
    store.put("gone@example.org")
    gone = inserted(store, "gone@example.org")
    store.delete("gone@example.org")
    handler(*signed_up(store, ALEXIS, BOB, CAROL), gone)
    assert ses.addresses == [CAROL]
    assert handler.reserved == 1


def test_mails_that_were_not_reserved_are_not_given_back(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    """The table of limits failed, so no mail of this batch is in the budget."""
    handler(*signed_up(store, CAROL))
    ses.faults = {ALEXIS: [Refused("No.")]}
    batch = signed_up(store, ALEXIS)
    with Wire(store.client, "UpdateItem", [FAULTS["failing"]]):
        handler(*batch)
    assert states(store, [ALEXIS]) == ["failed"]
    assert handler.reserved == 1


def test_a_mail_in_doubt_stays_in_the_budget(store: Store, ses: FakeSes, handler: Handler) -> None:
    """SES may have sent it."""
    ses.faults = {ALEXIS: [cut_off()]}
    handler(*signed_up(store, ALEXIS))
    assert handler.reserved == 1


def test_the_brake_stops_mail_without_an_error(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    apply_brake(handler.limits)
    handler(*signed_up(store, ALEXIS))
    assert ses.tried == []
    assert item(store)["mail"] == "owed"
    handler.limits.resume(NOW)
    handler(*[modified(store, ALEXIS)])
    assert ses.addresses == [ALEXIS]


def test_the_brake_lets_welcomes_through(store: Store, ses: FakeSes) -> None:
    """It is for addresses that were never validated."""
    handler = Handler(store, ses, welcomes=True)
    handler(*signed_up(store, ALEXIS))
    users = store.users_with("", welcomes=True)
    token_hash = tokens.digest(ses.mails[0].text)
    assert users.validate(ALEXIS, token_hash, NOW).outcome is Validation.VALIDATED
    apply_brake(handler.limits)
    reserved = handler.reserved
    handler(modified(store, ALEXIS), *signed_up(store, BOB))
    assert ses.tried == [ALEXIS, ALEXIS]
    assert states(store, [ALEXIS, BOB]) == ["sent", "owed"]
    assert handler.reserved == reserved + 1


def test_mail_does_not_wait_for_a_failing_limits_table(
    store: Store, ses: FakeSes, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    store.client.delete_table(TableName="limits")
    handler(*signed_up(store, ALEXIS))
    assert ses.addresses == [ALEXIS]
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert errors == ["no budget: UpdateItem ResourceNotFoundException"]


# Faults of DynamoDB


FAULTS: dict[str, Any] = {
    "throttled": refusal(400, "ProvisionedThroughputExceededException"),
    "failing": refusal(500, "InternalServerError"),
    "hung": ReadTimeoutError(endpoint_url="https://dynamodb.eu-west-3.amazonaws.com"),
}
"""What DynamoDB answers to a claim. The budget's update comes before it."""


@pytest.fixture
def budget(handler: Handler) -> None:
    """The item of the budget exists, so that reserving a mail takes one update."""
    handler.limits.reserve(0, NOW)


@pytest.mark.usefixtures("budget")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_refused_claim_sends_nothing_and_raises(
    store: Store, ses: FakeSes, handler: Handler, fault: Any
) -> None:
    batch = signed_up(store, ALEXIS)
    with Wire(store.client, "UpdateItem", [None, None, fault]), pytest.raises(StillOwed):
        handler(*batch)
    assert ses.tried == []
    handler(*batch)
    assert ses.addresses == [ALEXIS]


@pytest.mark.usefixtures("budget")
def test_a_refused_claim_stops_no_other_mail(
    store: Store, ses: FakeSes, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.mail.mailer.MAX_CONCURRENT", 1)
    batch = signed_up(store, ALEXIS, BOB, CAROL)
    answers = [None, FAULTS["failing"]]
    with (
        Wire(store.client, "UpdateItem", answers),
        pytest.raises(StillOwed, match=r"^DynamoDB refused 1 of 3 mails$"),
    ):
        handler(*batch)
    assert ses.addresses == [BOB, CAROL]
    handler(*batch)
    assert ses.addresses == [ALEXIS, BOB, CAROL]


@pytest.mark.usefixtures("budget")
def test_a_claim_whose_answer_is_lost_is_left_to_the_drain(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    """The claim was made, so a repeated batch must leave it alone for the lease."""
    batch = signed_up(store, ALEXIS)
    with (
        Wire(store.client, "UpdateItem", [None, None, FAULTS["failing"]], arrives=True),
        pytest.raises(StillOwed),
    ):
        handler(*batch)
    handler(*batch)
    assert ses.tried == []
    assert item(store)["mail"] == "sending"
    assert [owed.email for owed in store.outbox.owed(LATER)] == [ALEXIS]


@pytest.mark.usefixtures("budget")
def test_a_failure_that_cannot_be_recorded_is_in_doubt(
    store: Store, ses: FakeSes, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    batch = signed_up(store, ALEXIS)
    ses.faults = {ALEXIS: [Refused("MessageRejected: no.")]}
    with Wire(store.client, "UpdateItem", [None, None, None, FAULTS["failing"]]):
        handler(*batch)
    assert item(store)["mail"] == "sending"
    assert f"mail in doubt user={hashed(ALEXIS)}: UpdateItem InternalServerError" in warnings(
        caplog
    )


@pytest.mark.usefixtures("budget")
def test_a_sent_mail_is_recorded_as_often_as_it_takes(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    batch = signed_up(store, ALEXIS)
    answers = [None, None, None, *[FAULTS["throttled"]] * 3]
    with Wire(store.client, "UpdateItem", answers) as wire:
        handler(*batch)
    assert ses.addresses == [ALEXIS]
    assert len(wire.requests) == 7
    assert handler.pauses == [RETRY_PAUSE] * 3
    assert (item(store)["mail"], item(store)["mail_count"]) == ("sent", 1)


@pytest.mark.usefixtures("budget")
def test_a_lost_answer_counts_no_mail_twice(store: Store, handler: Handler) -> None:
    batch = signed_up(store, ALEXIS)
    answers = [None, None, None, FAULTS["failing"]]
    with Wire(store.client, "UpdateItem", answers, arrives=True) as wire:
        handler(*batch)
    assert len(wire.requests) == 5
    assert (item(store)["mail"], item(store)["mail_count"]) == ("sent", 1)


@pytest.mark.usefixtures("budget")
def test_a_mail_that_cannot_be_recorded_is_left_to_ses(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    """SES has the mail, DynamoDB is down until the invocation ends: no second mail."""
    batch = signed_up(store, ALEXIS)
    half = TIME_FOR_A_MAIL / 2
    with Wire(store.client, "UpdateItem", [None, None, None], then=FAULTS["failing"]):
        handler(*batch, time_left=seconds_left(60, half, half - 0.1))
    assert handler.pauses == [RETRY_PAUSE]
    handler(*batch)
    assert ses.addresses == [ALEXIS]
    (link_hash,) = ses.link_hashes
    assert store.outbox.report_sent(ALEXIS, link_hash, "0100", NOW)
    assert click(store, ses.mails[0]) is Validation.VALIDATED


def test_a_mail_without_time_left_is_not_started(
    store: Store, ses: FakeSes, handler: Handler
) -> None:
    people = [ALEXIS, BOB, CAROL]
    batch = signed_up(store, *people)
    handler(*batch, time_left=lambda: TIME_FOR_A_MAIL - 0.001)
    assert ses.tried == []
    assert states(store, people) == ["owed"] * 3

    readings = itertools.chain([TIME_FOR_A_MAIL] * 2, itertools.repeat(0.0))
    handler(*batch, time_left=lambda: next(readings))
    assert len(ses.mails) == 2
    handler(*batch)
    assert ses.addresses == people


# What is logged


def all_outcomes(store: Store, ses: FakeSes) -> Iterable[object]:
    """Yield a batch with one user for each way that a mail can go."""
    faults: dict[str, Exception] = {
        "refused@example.org": Refused("MessageRejected: refused@example.org is bad"),
        "sandbox@example.org": Undelivered("sandbox@… not verified", may_have_left=False),
        "silent@example.org": cut_off(),
    }
    ses.faults = {email: [fault] for email, fault in faults.items()}
    yield from signed_up(store, ALEXIS, *faults)
    store.put("no address of anybody", nom="HORN")
    yield inserted(store, "no address of anybody")
    yield record("INSERT", {"email": "gone@example.org", "nom": "HORN"})
    yield record("INSERT", {"email": 5, "nom": "HORN"})


def test_logs_follow_a_user_and_name_nobody(
    store: Store, ses: FakeSes, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "chalicelib")
    composed: list[Mail] = []
    ses.on_send = composed.append
    batch = list(all_outcomes(store, ses))
    caplog.clear()
    handler(*batch)

    lines = [(each.levelname, each.getMessage()) for each in caplog.records]
    unread: Any = batch[-1]
    assert set(lines) == {
        ("INFO", f"mail sent user={hashed(ALEXIS)}"),
        ("INFO", f"mail failed user={hashed('refused@example.org')}"),
        ("INFO", f"mail failed user={hashed('no address of anybody')}"),
        (
            "INFO",
            "batch: 1 sent, 2 failed, 1 not owed, 0 not sent, 1 put off, 1 in doubt, 0 still owed",
        ),
        ("WARNING", f"mail still owed user={hashed('sandbox@example.org')}: Undelivered"),
        ("WARNING", f"mail still owed user={hashed('silent@example.org')}: Undelivered"),
        ("ERROR", f"unreadable record {unread['dynamodb']['SequenceNumber']}: KeyError"),
    }
    secrets = [secret for mail in composed for secret in (mail.text, mail.html) if secret]
    for secret in ("@", "example", "Alexis", "HORN", "anybody", *secrets):
        assert secret not in caplog.text


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.usefixtures("budget")
def test_a_fault_of_dynamodb_is_logged_without_its_message(
    store: Store, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    batch = signed_up(store, ALEXIS)
    fault = refusal(500, "InternalServerError", f"no luck with {ALEXIS}")
    with Wire(store.client, "UpdateItem", [None, None, fault]), pytest.raises(StillOwed):
        handler(*batch)
    assert warnings(caplog) == [
        f"mail still owed user={hashed(ALEXIS)}: UpdateItem InternalServerError"
    ]


def test_a_fault_of_ses_is_logged_by_its_cause(
    store: Store, ses: FakeSes, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    fault = cut_off()
    fault.__cause__ = ReadTimeoutError(endpoint_url=f"https://{ALEXIS}")
    ses.faults = {ALEXIS: [fault]}
    handler(*signed_up(store, ALEXIS))
    assert warnings(caplog) == [f"mail still owed user={hashed(ALEXIS)}: ReadTimeoutError"]


def test_a_log_tells_users_apart_and_takes_any_key() -> None:
    assert hashed(ALEXIS) == hashed(ALEXIS) != hashed(BOB)
    assert len(hashed("half a character \ud800")) == 12
