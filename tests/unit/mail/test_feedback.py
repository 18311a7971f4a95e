"""SES's events: as documented, and as nobody promised them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from chalicelib.mail.feedback import Kind, Report, read, record
from chalicelib.mail.limits import Limits
from chalicelib.users.outbox import Outbox
from chalicelib.users.table import number
from tests.support.fakes import (
    LINK_HASH,
    TOPIC,
    bounce,
    complaint,
    delay,
    delivery,
    notice,
    reject,
    sent,
    ses_event,
)
from tests.support.states import (
    ALEXIS,
    EMAIL,
    MAILED,
    NEW_LINK,
    NOW,
    STATES,
    TICK,
    TICKET,
    item,
    put,
)
from tests.support.stores import Plain, Store, create_limits

ONE = "a@example.org"


def reports(*messages: object) -> list[Report]:
    return read([notice(message) for message in messages], TOPIC)


def report(kind: Kind, email: str = ONE, **more: Any) -> Report:
    return Report(kind, (email,), LINK_HASH, "0100", **more)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (sent(ONE), report(Kind.SENT)),
        (delivery(ONE, took_ms=1234), report(Kind.DELIVERED, took_ms=1234)),
        (delay(ONE), report(Kind.DELAYED, reason="delayed: MailboxFull")),
        (reject(ONE), report(Kind.REJECTED, reason="rejected: Bad content")),
        (bounce(ONE), report(Kind.BOUNCED, reason="bounced: General")),
        (
            complaint(ONE, complaintFeedbackType="abuse"),
            report(Kind.COMPLAINED, reason="complained: abuse"),
        ),
        (complaint(ONE), report(Kind.COMPLAINED, reason="complained: no reason")),
    ],
    ids=lambda value: value["eventType"] if isinstance(value, dict) else None,
)
def test_each_kind_of_event_is_read(message: Plain, expected: Report) -> None:
    assert reports(message) == [expected]


def test_each_report_of_a_batch_is_read_once() -> None:
    found = reports(bounce(ONE), complaint(ONE), bounce(ONE), bounce("b@example.org"))
    assert [(each.kind, each.emails) for each in found] == [
        (Kind.BOUNCED, (ONE,)),
        (Kind.COMPLAINED, (ONE,)),
        (Kind.BOUNCED, ("b@example.org",)),
    ]


@pytest.mark.parametrize("make", [bounce, complaint])
def test_only_the_address_that_was_mailed_counts(make: Callable[[str], Plain]) -> None:
    """The recipients of a report are written by the recipient's own server."""
    message = make(ONE)
    for details, recipients in (
        ("bounce", "bouncedRecipients"),
        ("complaint", "complainedRecipients"),
    ):
        if details in message:
            message[details][recipients] = [
                {"emailAddress": f"victim{number}@example.org", "action": "failed"}
                for number in range(1002)
            ]
    assert [each.emails for each in reports(message)] == [(ONE,)]


NOT_OURS: dict[str, Callable[[Plain], object]] = {
    "no tags": lambda mail: mail.pop("tags"),
    "tags that are null": lambda mail: mail.update(tags=None),
    "other tags alone": lambda mail: mail["tags"].pop("link"),
    "a tag without value": lambda mail: mail["tags"].update(link=[]),
    "two tags": lambda mail: mail["tags"].update(link=[LINK_HASH, NEW_LINK]),
    "two destinations": lambda mail: mail["destination"].append("victim@example.org"),
    "no destination": lambda mail: mail["destination"].clear(),
}


@pytest.mark.parametrize("change", NOT_OURS.values(), ids=NOT_OURS)
@pytest.mark.parametrize("make", [sent, bounce, complaint])
def test_a_mail_that_is_not_ours_is_ignored(
    make: Callable[[str], Plain],
    change: Callable[[Plain], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    message = make(ONE)
    change(message["mail"])
    assert reports(message) == []
    assert caplog.records == []


def test_notices_of_an_identity_are_ignored() -> None:
    """They carry no tags, and anybody who may send from the identity causes them."""
    message = bounce(ONE)
    message["notificationType"] = message.pop("eventType")
    assert reports(message) == []


@pytest.mark.parametrize("kind", ["Transient", "Undetermined", "SomethingNew"])
def test_a_bounce_that_may_pass_is_ignored(kind: str) -> None:
    assert reports(bounce(ONE, kind=kind)) == []


@pytest.mark.parametrize(
    ("actions", "is_final"),
    [
        (["delayed"], False),
        (["delayed", "delayed"], False),
        (["failed"], True),
        (["delayed", "failed"], True),
        ([None], True),
        ([], True),
    ],
    ids=str,
)
def test_a_delayed_mail_has_not_bounced(actions: list[str | None], is_final: bool) -> None:
    message = bounce(ONE)
    message["bounce"]["bouncedRecipients"] = [{"action": action} for action in actions]
    assert bool(reports(message)) is is_final


@pytest.mark.parametrize("subtype", ["Suppressed", "OnAccountSuppressionList", "NoEmail"])
def test_a_suppressed_address_is_not_taken_for_a_bounce(subtype: str) -> None:
    (found,) = reports(bounce(ONE, subtype=subtype))
    assert found.is_suppressed is (subtype != "NoEmail")


@pytest.mark.parametrize("kind", ["auth-failure", "not-spam"])
def test_some_feedback_is_no_complaint(kind: str) -> None:
    assert reports(complaint(ONE, complaintFeedbackType=kind)) == []


@pytest.mark.parametrize("kind", ["abuse", "fraud", "virus", "other", None])
def test_other_feedback_is_a_complaint(kind: str | None) -> None:
    assert reports(complaint(ONE, complaintFeedbackType=kind))


def test_an_address_counts_as_it_was_mailed() -> None:
    message = bounce("mixed.case@example.org")
    message["mail"]["destination"] = ["Mixed.Case@Example.org"]
    assert [each.emails for each in reports(message)] == [("Mixed.Case@Example.org",)]


def test_punycode_stands_for_its_unicode_spelling_too() -> None:
    (found,) = reports(bounce("a@xn--bcher-kva.example"))
    assert set(found.emails) == {"a@xn--bcher-kva.example", "a@bücher.example"}
    (found,) = reports(bounce("a@xn--broken-.example"))
    assert found.emails == ("a@xn--broken-.example",)


def test_unknown_fields_are_ignored() -> None:
    message = {**delivery(ONE), "new": None}
    message["mail"] |= {"headers": [{"name": "Subject"}], "commonHeaders": {}}
    assert reports(message) == [report(Kind.DELIVERED, took_ms=900)]


def test_only_the_stages_own_topic_counts(caplog: pytest.LogCaptureFixture) -> None:
    other = TOPIC.replace("prod", "test")
    assert read([notice(bounce("alexis@example.org"), topic=other)], TOPIC) == []
    assert "another topic" in caplog.text
    assert "alexis" not in caplog.text


HARMLESS: dict[str, object] = {
    "SES's hello": "Successfully validated SNS topic for Amazon SES event publishing.",
    "a hello with blanks": "\n hello",
    "an empty message": "",
    "a mail that is null": {"eventType": "Bounce", "mail": None, "bounce": {}},
    "no mail": {"eventType": "Bounce", "bounce": {}},
    "another kind": ses_event("Open", ONE),
    "a click": ses_event("Click", ONE),
    "no kind": {"mail": {"tags": {"link": [LINK_HASH]}}},
    "another notice": {"notificationType": "AmazonSnsSubscriptionSucceeded"},
}


@pytest.mark.parametrize("message", HARMLESS.values(), ids=HARMLESS)
def test_messages_that_report_nothing_are_no_errors(
    message: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert reports(message, sent(ONE)) == [report(Kind.SENT)]
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("recipient", [None, 7, "a@example.org", [], {"emailAddress": 7}], ids=str)
@pytest.mark.parametrize("kind", ["bounce", "complaint"])
def test_a_recipient_that_cannot_be_read_loses_nothing(
    kind: str, recipient: object, caplog: pytest.LogCaptureFixture
) -> None:
    message = bounce(ONE) if kind == "bounce" else complaint(ONE)
    message[kind]["bouncedRecipients"] = message[kind]["complainedRecipients"] = [recipient]
    assert [each.emails for each in reports(message)] == [(ONE,)]
    assert caplog.records == []


UNREADABLE: dict[str, dict[str, Any]] = {
    "an empty record": {},
    "a record that is null": {"Sns": None},
    "broken JSON": notice("{not JSON alexis@example.org"),
    "deep JSON": notice('{"a":' * 100_000),
    "a bounce that is a string": notice(ses_event("Bounce", ONE, details="alexis@example.org")),
    "a bounce without a type": notice(ses_event("Bounce", ONE)),
    "a complaint that is a list": notice(ses_event("Complaint", ONE, details=["alexis"])),
    "a time that is no number": notice(delivery(ONE, took_ms="alexis")),
    "no destination": notice({"eventType": "Send", "mail": {"tags": {"link": [LINK_HASH]}}}),
}


@pytest.mark.parametrize("broken", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_event_is_logged_and_skipped(
    broken: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert read([broken, notice(sent("b@example.org"))], TOPIC) == [
        report(Kind.SENT, "b@example.org")
    ]
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith("unreadable feedback: ")
    assert "alexis" not in caplog.text


@pytest.fixture
def limits(store: Store) -> Limits:
    create_limits(store.client, "limits")
    return Limits(store.client, "limits", None, None)


def tell(store: Store, limits: Limits, *messages: Plain, now: Any = NOW) -> None:
    """Do what the function does with the messages of one event."""
    for each in reports(*messages):
        record(each, Outbox(store.client, store.table), limits, now)


def counted(limits: Limits, name: str) -> int:
    hours = limits.state().get("hours", {"M": {}})["M"].values()
    return sum(int(number(hour["M"], name)) for hour in hours)


EVENTS: dict[str, tuple[Plain, str]] = {
    "send": (sent(EMAIL), "sent"),
    "delay": (delay(EMAIL), "sent"),
    "delivery": (delivery(EMAIL), "delivered"),
    "reject": (reject(EMAIL), "failed"),
    "bounce": (bounce(EMAIL), "bounced"),
    "complaint": (complaint(EMAIL), "complained"),
}


@pytest.mark.parametrize("name", EVENTS)
def test_each_kind_of_event_is_recorded(store: Store, limits: Limits, name: str) -> None:
    message, mail = EVENTS[name]
    put(store, STATES["sending"])
    tell(store, limits, message)
    assert (item(store)["mail"], "owed" in item(store)) == (mail, False)


@pytest.mark.parametrize(
    "order", list(permutations(["send", "delay", "delivery", "complaint"])), ids=" ".join
)
def test_events_in_any_order_and_repeated_end_the_same(
    store: Store, limits: Limits, order: tuple[str, ...]
) -> None:
    put(store, STATES["sending"])
    for name in (*order, *order):
        tell(store, limits, EVENTS[name][0])
    assert item(store)["mail"] == "complained"
    assert counted(limits, "complained") == 1


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_about_an_unknown_mail_changes_nothing(
    store: Store, limits: Limits, name: str
) -> None:
    """Its tag is none of the item's links."""
    links = {"mail_link": NEW_LINK, "links": {NEW_LINK: MAILED["links"][LINK_HASH]}}
    before = put(store, {**(STATES["sending"] or {}), **links})
    tell(store, limits, EVENTS[name][0])
    assert store.item(EMAIL) == before
    assert limits.state() == {}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_makes_no_user(store: Store, limits: Limits, name: str) -> None:
    tell(store, limits, EVENTS[name][0])
    assert store.item(EMAIL) is None


@pytest.mark.parametrize("name", ["send", "delay", "delivery", "reject"])
def test_a_late_event_leaves_a_newer_mail_owed(store: Store, limits: Limits, name: str) -> None:
    put(store, STATES["sent"])
    assert store.users.resend(EMAIL, NOW)
    before = item(store)
    tell(store, limits, EVENTS[name][0])
    assert item(store) == before


def test_a_late_bounce_stops_a_newer_mail(store: Store, limits: Limits) -> None:
    put(store, STATES["sent"])
    assert store.users.resend(EMAIL, NOW)
    tell(store, limits, bounce(EMAIL))
    assert (item(store)["mail"], "owed" in item(store)) == ("bounced", False)


@pytest.mark.parametrize(("subtype", "days"), [("Suppressed", 14), ("General", 90)])
def test_a_bounce_is_forgotten_in_time(
    store: Store, limits: Limits, subtype: str, days: int
) -> None:
    put(store, STATES["sent"])
    tell(store, limits, bounce(EMAIL, subtype=subtype))
    again = NOW + timedelta(days=days)
    assert not store.users.sign_up(ALEXIS, TICKET, again - TICK)
    assert store.users.sign_up(ALEXIS, TICKET, again)


def test_a_user_stored_in_unicode_is_found(store: Store, limits: Limits) -> None:
    store.put("a@bücher.example", **(STATES["put and mailed"] or {}))
    tell(store, limits, bounce("a@xn--bcher-kva.example"))
    assert (store.item("a@bücher.example") or {})["mail"] == "bounced"
    assert counted(limits, "bounced") == 1


def test_bounces_and_complaints_are_counted_once(store: Store, limits: Limits) -> None:
    put(store, STATES["sent"])
    tell(store, limits, bounce(EMAIL))
    tell(store, limits, bounce(EMAIL), delivery(EMAIL))
    assert (counted(limits, "bounced"), counted(limits, "complained")) == (1, 0)
    tell(store, limits, complaint(EMAIL))
    assert (counted(limits, "bounced"), counted(limits, "complained")) == (1, 1)
