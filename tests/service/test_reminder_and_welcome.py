"""The reminder and the welcome: whole journeys through the app."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.users.item import SLOTS
from tests.support import service as services
from tests.support.fakes import bounce, complaint, delivery, sent
from tests.support.service import ALEXIS, FORM, Browser, Service, signed_up, subject, text

EMAIL = ALEXIS["email"]
NOTES = {"remind_at", "reminded_at", "welcomed_at", "mailed_at"}


@pytest.fixture(scope="module")
def both() -> Iterator[Service]:
    with services.running(REMIND_AFTER="48h", WELCOME_MAIL="true", DEFAULT_LANG="en") as service:
        yield service


@pytest.fixture
def service(both: Service) -> Service:
    both.forget()
    return both


def reminders(service: Service) -> list[str]:
    """Return the addresses that were reminded."""
    return [
        mail["Destination"]["ToAddresses"][0]
        for number, mail in enumerate(service.mails)
        if subject(service, number).startswith("Reminder:")
    ]


# The reminder


def test_who_has_not_validated_is_reminded_once(service: Service) -> None:
    signed_up(service)
    service.clock.go_by(hours=47, minutes=59)
    service.drain()
    assert reminders(service) == []
    service.clock.go_by(minutes=3)
    service.drain()
    assert reminders(service) == [EMAIL]
    for _ in range(6):
        service.clock.go_by(days=1)
        service.drain()
        service.deliver()
    assert reminders(service) == [EMAIL]


def test_a_reminder_has_a_link_of_its_own_with_the_same_words(service: Service) -> None:
    first = signed_up(service)
    service.clock.go_by(hours=49)
    service.drain()
    assert service.link() != first
    assert service.open(first).status_code == 410
    assert service.open(service.link()).status_code == 200
    item = service.item(EMAIL)
    assert (item["prenom"]["S"], item["nom"]["S"]) == ("Alexis", "GÜNST HORN")
    assert "validated_at" in item


def test_a_reminder_says_that_it_is_the_only_one_and_has_no_code(service: Service) -> None:
    Browser(service).sign_up()
    assert "code" in text(service)
    service.clock.go_by(hours=49)
    service.drain()
    assert "We will not remind you again." in text(service)
    assert "/refuse?" in text(service)
    assert "code" not in text(service)


def test_a_validated_user_is_not_reminded(service: Service) -> None:
    service.open(signed_up(service))
    service.clock.go_by(hours=49)
    service.drain()
    assert reminders(service) == []


def test_a_refusal_ends_the_reminder(service: Service) -> None:
    link = signed_up(service)
    query = dict(part.split("=") for part in link.partition("?")[2].split("&"))
    service.post_json("/refuse", {"email": EMAIL, "token": query["token"]})
    service.clock.go_by(hours=49)
    service.drain()
    assert reminders(service) == []
    assert not {"owed", "remind_at"} & set(service.item(EMAIL))


@pytest.mark.parametrize("report", [bounce, complaint])
def test_a_bounce_or_complaint_ends_the_reminder(service: Service, report: Any) -> None:
    signed_up(service)
    service.report(report(EMAIL, service.link_hash))
    service.clock.go_by(hours=49)
    service.drain()
    assert reminders(service) == []


def test_a_mail_that_is_asked_for_puts_the_reminder_off(service: Service) -> None:
    signed_up(service)
    service.clock.go_by(hours=40)
    service.post_json("/resend", {"email": EMAIL})
    service.deliver()
    service.clock.go_by(hours=47)
    service.drain()
    assert reminders(service) == []
    service.clock.go_by(hours=2)
    service.drain()
    assert reminders(service) == [EMAIL]


def test_a_mail_asked_for_after_the_reminder_is_no_reminder(service: Service) -> None:
    signed_up(service)
    service.clock.go_by(hours=49)
    service.drain()
    service.clock.go_by(minutes=2)
    service.post_json("/resend", {"email": EMAIL})
    service.deliver()
    assert len(service.mails) == 3
    assert reminders(service) == [EMAIL]
    service.clock.go_by(hours=49)
    service.drain()
    assert len(service.mails) == 3


def test_another_programs_user_is_not_reminded(service: Service) -> None:
    service.put({"email": {"S": EMAIL}})
    service.deliver()
    assert len(service.mails) == 1
    service.clock.go_by(hours=49)
    service.drain()
    assert len(service.mails) == 1
    assert not NOTES - {"mailed_at"} & set(service.item(EMAIL))


def test_a_delivery_report_keeps_the_reminder(service: Service) -> None:
    signed_up(service)
    service.report(sent(EMAIL, service.link_hash))
    service.report(delivery(EMAIL, service.link_hash))
    assert service.item(EMAIL)["mail"] == {"S": "delivered"}
    service.clock.go_by(hours=49)
    service.drain()
    assert reminders(service) == [EMAIL]


def test_a_mail_in_doubt_is_followed_by_its_reminder(service: Service) -> None:
    """The mailer is killed after sending, and SES's word alone says that the mail left."""
    service.faults["SendEmail"] = "InternalServerError"
    service.post_json("/users", ALEXIS)
    service.deliver()
    assert service.item(EMAIL)["mail"] == {"S": "sending"}
    service.faults.clear()
    service.report(sent(EMAIL, service.link_hash))
    assert service.item(EMAIL)["mail"] == {"S": "sent"}
    service.clock.go_by(hours=49)
    service.drain()
    assert reminders(service) == [EMAIL]


def test_a_reminder_that_ses_refuses_stays_a_reminder(service: Service) -> None:
    signed_up(service)
    service.clock.go_by(hours=49)
    service.faults["SendEmail"] = "TooManyRequestsException"
    service.drain()
    assert service.item(EMAIL)["mail"] == {"S": "owed"}
    service.mails.clear()
    service.faults.clear()
    service.clock.go_by(minutes=2)
    service.drain()
    assert reminders(service) == [EMAIL]
    assert "reminded_at" in service.item(EMAIL)


def test_an_expired_sign_up_is_not_reminded(service: Service) -> None:
    signed_up(service)
    service.clock.go_by(days=8)  # and DynamoDB has not deleted it yet
    service.drain()
    assert reminders(service) == []


def test_a_stage_that_stops_reminding_forgets_who_was_to_be(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_up(service)
    service.clock.go_by(hours=49)
    monkeypatch.setattr(service.app.service.outbox, "_remind_after", None)
    service.drain()
    assert reminders(service) == []
    assert not {"owed", "owed_at", "remind_at"} & set(service.item(EMAIL))


def test_reminders_to_come_cost_nothing_to_pass_by(service: Service) -> None:
    for number in range(30):
        signed_up(service, email=f"user{number}@example.org")
    service.clock.go_by(hours=1)
    service.drain()  # which also scans for the hour
    service.calls.clear()
    service.drain()
    assert "dynamodb.GetItem" not in service.calls
    assert service.calls.count("dynamodb.Query") == 2 * SLOTS  # also those of welcomes


# The welcome


def test_a_click_is_answered_by_a_welcome(service: Service) -> None:
    service.open(signed_up(service))
    service.deliver()
    assert subject(service) == "Welcome to Bienvenue"
    assert "Welcome, Alexis GÜNST HORN!" in text(service)
    assert "/validate" not in text(service)
    item = service.item(EMAIL)
    assert item["mail"] == {"S": "sent"}
    assert not {"owed", "owed_at", "ticket", "codes"} & set(item)


def test_every_mail_has_a_way_to_say_no(service: Service) -> None:
    """In its text and in its HTML: the first mail, the reminder and the welcome."""
    signed_up(service)
    service.clock.go_by(hours=49)
    service.drain()
    service.open(service.link())
    service.deliver()
    assert len(service.mails) == 3
    pattern = r"https://hello\.example\.org/api/refuse\?email=alexis%40example\.org&(?:amp;)?token="
    for mail in service.mails:
        body = mail["Content"]["Simple"]["Body"]
        assert [len(re.findall(pattern, body[part]["Data"])) for part in ("Text", "Html")] == [1, 1]


def test_a_welcomed_stranger_is_refused(service: Service) -> None:
    """The owner of the mailbox says "not me" to a sign-up that somebody else confirmed."""
    first = signed_up(service)
    service.open(first)
    service.deliver()
    browser = Browser(service)
    page = browser.open(service.link())
    assert "/refuse" in service.link()
    assert "validated_at" in service.item(EMAIL)
    assert browser.press(page).status_code == 200
    item = service.item(EMAIL)
    assert item["mail"] == {"S": "refused"}
    said = {"prenom", "nom", "lang", "fields", "consent", "owed", "expires_at"}
    assert not {name for name in item if name in said or name.startswith("validated")}
    assert service.open(first).status_code != 200
    service.clock.go_by(days=400)
    service.post_json("/users", {**ALEXIS, "email": "Alexis+again@example.org"})
    service.deliver()
    assert len(service.mails) == 2


def test_a_refusal_beats_the_welcome_on_its_way(service: Service) -> None:
    link = signed_up(service)
    service.open(link)
    browser = Browser(service)
    browser.press(browser.open(link.replace("/validate", "/refuse")))
    service.deliver()
    service.clock.go_by(minutes=2)
    service.drain()
    assert len(service.mails) == 1
    assert service.item(EMAIL)["mail"] == {"S": "refused"}


def one_click(service: Service, link: str) -> None:
    """Press the unsubscribe button of the mailbox that has the mail with ``link``."""
    path = "/refuse?" + link.partition("?")[2]
    service.request("POST", path, b"List-Unsubscribe=One-Click", FORM)


def test_an_unsubscribe_button_beats_the_welcome_on_its_way(service: Service) -> None:
    link = signed_up(service)
    service.open(link)
    one_click(service, link)
    service.deliver()
    service.clock.go_by(minutes=2)
    service.drain()
    assert len(service.mails) == 1
    assert "validated_at" in service.item(EMAIL)


def test_a_refused_mailbox_is_not_welcomed(service: Service) -> None:
    """Its owner refuses by a mail to one spelling, and validates another."""
    another = signed_up(service, email="Alexis+again@example.org")
    link = signed_up(service)
    one_click(service, another)
    service.open(link)
    service.deliver()
    service.clock.go_by(minutes=2)
    service.drain()
    assert len(service.mails) == 2
    item = service.item(EMAIL)
    assert "validated_at" in item
    assert not {"owed", "owed_at"} & set(item)


def test_a_code_is_answered_by_a_welcome_too(service: Service) -> None:
    browser = Browser(service)
    browser.sign_up()
    browser.type_code(services.code_in_mail(service))
    service.deliver()
    assert subject(service) == "Welcome to Bienvenue"


def test_a_second_click_gets_no_second_welcome(service: Service) -> None:
    link = signed_up(service)
    service.open(link)
    service.deliver()
    assert service.open(link).status_code == 200
    service.deliver()
    service.clock.go_by(minutes=10)
    service.drain()
    assert len(service.mails) == 2


def test_a_lost_welcome_is_sent_by_the_drain(service: Service) -> None:
    service.open(signed_up(service))
    service.lose_the_stream()
    service.clock.go_by(minutes=2)
    service.drain()
    assert subject(service) == "Welcome to Bienvenue"
    service.drain()
    assert len(service.mails) == 2


def test_a_welcome_that_ses_refuses_stays_owed(service: Service) -> None:
    service.open(signed_up(service))
    service.faults["SendEmail"] = "TooManyRequestsException"
    service.deliver()
    assert service.item(EMAIL)["mail"] == {"S": "owed"}
    service.faults.clear()
    service.mails.clear()
    service.clock.go_by(minutes=2)
    service.drain()
    assert subject(service) == "Welcome to Bienvenue"


def test_a_welcome_in_doubt_waits_for_the_lease(service: Service) -> None:
    service.open(signed_up(service))
    service.faults["SendEmail"] = "InternalServerError"
    service.deliver()
    service.faults.clear()
    service.mails.clear()
    service.clock.go_by(minutes=2)
    service.drain()
    assert service.mails == []
    service.clock.go_by(minutes=4)
    service.drain()
    assert subject(service) == "Welcome to Bienvenue"


def test_a_complaint_about_a_welcome_is_recorded(service: Service) -> None:
    service.open(signed_up(service))
    service.deliver()
    service.report(complaint(EMAIL, service.link_hash))
    item = service.item(EMAIL)
    assert item["mail"] == {"S": "complained"}
    assert item["prenom"] == {"S": "Alexis"}
    assert "validated_at" in item


def test_a_click_while_a_mail_is_owed_gets_one_welcome(service: Service) -> None:
    link = signed_up(service)
    service.clock.go_by(minutes=2)
    service.post_json("/resend", {"email": EMAIL})
    service.open(link)
    service.deliver()
    assert [subject(service, number) for number in range(len(service.mails))] == [
        "Confirm your email address for Bienvenue",
        "Welcome to Bienvenue",
    ]


def test_a_stage_that_stops_welcoming_sends_none_that_is_owed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.open(signed_up(service))
    monkeypatch.setattr(service.app.service.outbox, "_welcomes", False)
    service.deliver()
    for _ in range(24):  # each hour's drain looks at a 24th of the table
        service.clock.go_by(hours=1)
        service.drain()
    assert len(service.mails) == 1
    assert not {"owed", "owed_at"} & set(service.item(EMAIL))
    assert "validated_at" in service.item(EMAIL)


def test_a_welcome_in_doubt_is_closed_after_its_lease(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.open(signed_up(service))
    service.faults["SendEmail"] = "InternalServerError"
    service.deliver()
    service.faults.clear()
    monkeypatch.setattr(service.app.service.outbox, "_welcomes", False)
    for _ in range(24):
        service.clock.go_by(hours=1)
        service.drain()
    assert "owed" not in service.item(EMAIL)
