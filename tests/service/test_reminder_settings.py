"""The reminder and the welcome, each test on a stage of its own settings."""

from __future__ import annotations

from chalicelib.users.item import MAX_MAILS
from tests.support import service as services
from tests.support.fakes import delivery, sent
from tests.support.service import ALEXIS, signed_up, text

EMAIL = ALEXIS["email"]
NOTES = {"remind_at", "reminded_at", "welcomed_at", "mailed_at"}


def test_the_cap_of_mails_counts_against_a_reminder() -> None:
    with services.running(REMIND_AFTER="3h", DEFAULT_LANG="en") as service:
        service.post_json("/users", ALEXIS)
        service.deliver()
        for _ in range(MAX_MAILS - 1):
            service.clock.go_by(minutes=2)
            service.post_json("/resend", {"email": EMAIL})
            service.deliver()
        assert len(service.mails) == MAX_MAILS
        service.clock.go_by(hours=4)
        service.drain()
        assert len(service.mails) == MAX_MAILS
        assert "owed" not in service.item(EMAIL)


def test_the_welcome_leads_to_the_product() -> None:
    with services.running(
        WELCOME_MAIL="true",
        DEFAULT_LANG="en",
        PRODUCT_NAME="Acme",
        CONTINUE_URL="https://acme.example/start",
    ) as service:
        service.open(signed_up(service))
        service.deliver()
        assert "Go to Acme\nhttps://acme.example/start" in text(service)


def test_a_stage_with_neither_writes_nothing_of_them() -> None:
    with services.running(DEFAULT_LANG="en") as neither:
        link = signed_up(neither)
        neither.report(sent(EMAIL, neither.link_hash))
        neither.report(delivery(EMAIL, neither.link_hash))
        item = neither.item(EMAIL)
        assert not NOTES & set(item)
        assert "owed" not in item
        neither.calls.clear()
        neither.open(link)
        neither.deliver()
        assert neither.calls == ["dynamodb.UpdateItem"]
        assert not NOTES & set(neither.item(EMAIL))
