"""Events through the whole service: journeys, faults, a week's outage."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from jsonschema import Draft202012Validator

from chalicelib.events.bus import SOURCE
from ops.users.store import OperatorsUsers
from tests.support.fakes import bounce, complaint
from tests.support.service import ALEXIS, BASE_URL, BUS, TABLE, Service, running, signed_up

EMAIL = ALEXIS["email"]
SCHEMA = Path(__file__).parents[2] / "docs" / "event.schema.json"
validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A stage with events. All that it publishes is by the schema."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    with running(EVENT_BUS=BUS) as service:
        yield service
    for entry in service.events:
        validator.validate(entry["Detail"])
        assert entry["DetailType"] == entry["Detail"]["type"]


def types(service: Service, email: str = EMAIL) -> list[str]:
    """Return the types of a user's events, in order, each id once."""
    details = [entry["Detail"] for entry in service.events]
    of_user = {detail["id"]: detail["type"] for detail in details if detail["email"] == email}
    return [kind.removeprefix("user.") for kind in of_user.values()]


def operators(service: Service) -> OperatorsUsers:
    mailboxes = service.app.service.mailboxes
    return OperatorsUsers(boto3.client("dynamodb"), TABLE, mailboxes, has_events=True)


def owing(service: Service) -> list[dict[str, Any]]:
    return [item for item in service.items() if "event" in item]


def test_a_validated_user_is_published(service: Service) -> None:
    service.open(signed_up(service, lang="en"))
    assert service.events == [], "nothing is published before it is durable"
    service.deliver()
    (entry,) = service.events
    assert (entry["EventBusName"], entry["Source"]) == (BUS, SOURCE)
    assert entry["Resources"][0].endswith(f":table/{TABLE}")
    detail = entry["Detail"]
    assert (detail["email"], detail["prenom"], detail["lang"]) == (EMAIL, "Alexis", "en")
    assert detail["validated_with"] == "link"
    assert owing(service) == []


def test_a_whole_life_is_published_in_order(service: Service) -> None:
    link = signed_up(service)
    service.open(link)
    service.deliver()
    service.report(complaint(EMAIL, service.link_hash))
    service.deliver()
    operators(service).delete(EMAIL, service.clock.now())
    service.deliver()
    assert types(service) == ["validated", "complained", "deleted"]
    assert service.item(EMAIL)["expires_at"]["N"] <= str(int(service.clock.now().timestamp()))


def test_a_refusal_is_published_without_a_strangers_words(service: Service) -> None:
    query = signed_up(service).partition("?")[2]
    fields = dict(pair.split("=") for pair in query.split("&"))
    service.post_form("/refuse", {"email": EMAIL, "token": fields["token"]})
    service.deliver()
    assert types(service) == ["refused"]
    assert set(service.events[0]["Detail"]) == {"id", "type", "time", "email"}


def test_a_bounce_is_published_with_its_reason(service: Service) -> None:
    signed_up(service)
    service.report(bounce(EMAIL, service.link_hash))
    service.deliver()
    assert types(service) == ["bounced"]
    assert service.events[0]["Detail"]["reason"].startswith("bounced: ")


def test_a_journey_costs_the_same_requests_to_the_api(service: Service) -> None:
    """The write that validates also owes the event: the API asks for nothing more."""
    link = signed_up(service)
    service.calls.clear()
    service.open(link)
    assert service.calls == ["dynamodb.UpdateItem"]
    service.calls.clear()
    service.deliver()
    assert sorted(service.calls) == ["dynamodb.UpdateItem", "eventbridge.PutEvents"]


def test_mail_goes_out_while_eventbridge_fails(service: Service) -> None:
    service.open(signed_up(service))
    service.faults["PutEvents"] = "InternalServerError"
    service.post_json("/users", {**ALEXIS, "email": "other@example.org"})
    service.deliver()
    assert service.mails[-1]["Destination"]["ToAddresses"] == ["other@example.org"]
    assert len(owing(service)) == 1
    del service.faults["PutEvents"]
    service.clock.go_by(minutes=2)
    service.drain()
    assert types(service) == ["validated"]


def test_events_go_out_while_ses_fails(service: Service) -> None:
    service.open(signed_up(service))
    service.faults["SendEmail"] = "InternalServerError"
    service.post_json("/users", {**ALEXIS, "email": "other@example.org"})
    service.deliver()
    assert types(service) == ["validated"]


def test_mail_does_not_wait_for_an_eventbridge_that_hangs(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EventBridge answers only once the mail has gone out."""
    service.open(signed_up(service))
    service.post_json("/users", {**ALEXIS, "email": "other@example.org"})
    mailed = threading.Event()
    bus, ses = service.app.service.publisher.bus, service.app.service.mailer.ses
    put, send = bus.put, ses.send

    def put_late(events: Any) -> Any:
        assert mailed.wait(20), "the mail waits for EventBridge"
        return put(events)

    def send_and_say(*about: Any) -> Any:
        message_id = send(*about)
        mailed.set()
        return message_id

    monkeypatch.setattr(bus, "put", put_late)
    monkeypatch.setattr(ses, "send", send_and_say)
    service.deliver()
    assert types(service) == ["validated"]
    assert len(service.mails) == 2


def test_a_mistake_in_the_publisher_stops_no_mail(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service.open(signed_up(service))
    monkeypatch.setattr(service.app.service.publisher.bus, "put", lambda _: 1 / 0)
    service.post_json("/users", {**ALEXIS, "email": "other@example.org"})
    service.deliver()
    assert len(service.mails) == 2
    (line,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert line.getMessage().startswith("events still owed: ZeroDivisionError")


def test_a_week_without_eventbridge_loses_no_event(service: Service) -> None:
    """Users are validated. Then they complain, or are deleted and come back."""
    service.faults["PutEvents"] = "InternalServerError"
    publisher = service.app.service.publisher
    expected: dict[str, list[str]] = {}
    for hour in range(7 * 24):
        service.clock.go_by(hours=1)
        if hour % 12 == 0:
            email = f"user{hour}@example.org"
            service.open(signed_up(service, email=email))
            expected[email] = ["validated"]
            if hour % 48 == 0:
                service.report(complaint(email, service.link_hash))
                operators(service).delete(email, service.clock.now())
                expected[email] += ["complained", "deleted"]
            if hour % 48 == 24:
                operators(service).delete(email, service.clock.now())
                service.clock.go_by(minutes=2)
                service.open(signed_up(service, email=email))
                expected[email] += ["deleted", "validated"]
            service.deliver()
        publisher.drain(lambda: 60.0)
    assert service.events == []
    assert len(owing(service)) == len(expected) == 14
    assert not [item for item in owing(service) if "expires_at" in item], "DynamoDB deletes none"

    del service.faults["PutEvents"]
    service.clock.go_by(minutes=2)
    publisher.drain(lambda: 60.0)
    assert {email: types(service, email) for email in expected} == expected
    assert owing(service) == []
    published = [entry["Detail"]["id"] for entry in service.events]
    assert len(published) == len(set(published)) == sum(map(len, expected.values()))


def test_nothing_owed_costs_one_query_a_minute(service: Service) -> None:
    service.drain()  # it also scans a part of the table once an hour
    service.calls.clear()
    service.clock.go_by(minutes=1)
    service.drain()
    assert service.calls.count("dynamodb.Query") == 16 + 1  # slots of owed mail, and the events
    assert "eventbridge.PutEvents" not in service.calls


def test_without_events_a_cold_start_imports_nothing_of_them(service: Service) -> None:
    code = (
        "import sys, app; app.service.mailer; app.service.drain; "
        "print([name for name in sys.modules if 'event' in name and name.startswith('chalicelib')])"
    )
    named = ("USERS_STREAM_ARN", "MAIL_FEEDBACK_TOPIC_ARN", "USERS_TABLE", "LIMITS_TABLE")
    values = {name: os.environ[name] for name in (*named, "MAIL_FROM", "BASE_URL", "SECRET_KEY")}
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "x"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **values, **keys},
        cwd=SCHEMA.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
    assert service.app.service.publisher is not None


def test_without_events_nothing_of_them_is_there() -> None:
    with running() as service:
        service.open(signed_up(service))
        service.deliver()
        service.clock.go_by(minutes=2)
        service.drain()
        assert not {"event", "event_at", "owed_events", "told"} & set(service.item(EMAIL))
        assert service.calls.count("dynamodb.Query") == 16
        assert service.app.service.publisher is None
        assert "eventbridge.PutEvents" not in service.calls
        assert BASE_URL in service.app.stage.base_url
