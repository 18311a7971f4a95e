"""Bounces and complaints in any order, and at any moment of a mail that is on its way."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest

from chalicelib.mail.mailer import Mailer, StillOwed
from chalicelib.mail.message import Mail
from chalicelib.mail.ses import Refused, Undelivered
from chalicelib.mail.sweep import Sweep
from chalicelib.users import tokens
from chalicelib.users.people import SignUp, User, Validation, Verdict
from tests.support.fakes import Outbox, inserted, modified
from tests.support.stores import Plain, Store

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
SOON = NOW + timedelta(seconds=1)
SOON_STORED = "2031-05-04T12:00:01.000000Z"
LATER = NOW + timedelta(hours=1)
EMAIL = "alexis@example.org"
ALEXIS = SignUp(EMAIL, "Alexis", "GÜNST HORN", "fr")


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def mailer(store: Store, outbox: Outbox) -> Mailer:
    def compose(user: User, token: str) -> Mail:
        return Mail(user.email, "", token, "")

    delivery: Any = outbox
    return Mailer(store.users, delivery, compose, lambda: NOW, lambda _: None)


def bring(mailer: Mailer, *records: dict[str, Any]) -> None:
    mailer.mail(records, lambda: 60.0)


def item(store: Store) -> Plain:
    return store.item(EMAIL) or {}


def all_that_asks_for_mail(store: Store, mailer: Mailer, *records: dict[str, Any]) -> None:
    """The same records again, the form, the resend button, the sweep, and what comes of them."""
    bring(mailer, *records)
    assert not store.users.sign_up(ALEXIS, LATER)
    assert not store.users.resend(EMAIL, LATER)
    assert Sweep(store.users, lambda: LATER).sweep(lambda: 900.0) == 0
    bring(mailer, modified(store, EMAIL))


verdicts = pytest.mark.parametrize("verdict", Verdict)


@verdicts
@pytest.mark.parametrize(
    "fault",
    [
        None,
        Undelivered("Throttled.", left=False),
        Undelivered("Timeout.", left=True),
        Refused("No."),
    ],
    ids=["taken", "refused for now", "of unknown fate", "refused for good"],
)
def test_a_verdict_on_a_mail_that_is_on_its_way_stays(
    store: Store, outbox: Outbox, mailer: Mailer, verdict: Verdict, fault: Exception | None
) -> None:
    """It is about an earlier mail, or quicker than our own writing down."""
    store.users.sign_up(ALEXIS, NOW)
    record = inserted(store, EMAIL)
    outbox.on_send = lambda _: store.users.record_feedback(EMAIL, verdict, SOON)
    outbox.faults = {EMAIL: [fault] if fault else []}
    try:
        bring(mailer, record)
    except StillOwed:
        assert isinstance(fault, Undelivered)

    assert (item(store)["mail"], item(store)["mail_at"]) == (verdict.value, SOON_STORED)
    before = item(store)
    all_that_asks_for_mail(store, mailer, record)
    assert item(store) == before
    assert len(outbox.tried) == 1


@verdicts
def test_after_a_crash_a_verdict_comes_before_the_second_try(
    store: Store, outbox: Outbox, mailer: Mailer, verdict: Verdict
) -> None:
    def die(_: Mail) -> None:
        raise SystemExit

    store.users.sign_up(ALEXIS, NOW)
    record = inserted(store, EMAIL)
    outbox.on_send = die
    with pytest.raises(SystemExit):
        bring(mailer, record)
    assert store.users.record_feedback(EMAIL, verdict, SOON)
    all_that_asks_for_mail(store, mailer, record)
    assert outbox.tried == []
    assert item(store)["mail"] == verdict.value


@verdicts
def test_who_is_owed_a_mail_when_an_earlier_one_comes_back_gets_none(
    store: Store, outbox: Outbox, mailer: Mailer, verdict: Verdict
) -> None:
    store.users.sign_up(ALEXIS, NOW)
    record = inserted(store, EMAIL)
    assert store.users.record_feedback(EMAIL, verdict, SOON)
    all_that_asks_for_mail(store, mailer, record)
    assert outbox.tried == []


@verdicts
def test_a_link_that_arrived_all_the_same_still_works(
    store: Store, outbox: Outbox, mailer: Mailer, verdict: Verdict
) -> None:
    """Some mailboxes report a mail that they then deliver."""
    store.users.sign_up(ALEXIS, NOW)
    bring(mailer, inserted(store, EMAIL))
    assert store.users.record_feedback(EMAIL, verdict, SOON)
    (mail,) = outbox.mails
    link_hash = tokens.digest(mail.text)
    assert store.users.validate(EMAIL, link_hash, SOON).outcome is Validation.VALIDATED
    assert item(store)["mail"] == verdict.value


@pytest.mark.parametrize(
    "told", [*product(Verdict, repeat=3)], ids=lambda told: " ".join(each.value for each in told)
)
@pytest.mark.parametrize("state", ["owed", "sending", "sent", "failed"])
def test_a_complaint_outweighs_a_bounce_in_any_order_and_repeats_change_nothing(
    store: Store, told: tuple[Verdict, ...], state: str
) -> None:
    store.put(EMAIL, mail=state, mail_count=1)
    for number, verdict in enumerate(told):
        before = item(store)
        changed = store.users.record_feedback(EMAIL, verdict, NOW + timedelta(seconds=number))
        news = verdict not in told[:number] and Verdict.COMPLAINED not in told[:number]
        assert changed == news
        assert (item(store) != before) == news
    weightiest = Verdict.COMPLAINED if Verdict.COMPLAINED in told else Verdict.BOUNCED
    assert item(store)["mail"] == weightiest.value
