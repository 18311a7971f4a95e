"""CloudWatch's counts of the logs: each filter against the logged lines."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest

from chalicelib.logs import hashed
from chalicelib.mail.mailer import StillOwed
from chalicelib.users.people import SignUp
from ops.resources.stack.stack import TEMPLATE
from tests.support.fakes import bounce, complaint, delivery
from tests.support.service import BUS, Clock, Context, Service, running
from tests.support.stores import Store

FILTERS: dict[str, Any] = {
    name: one["Properties"]
    for name, one in json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"].items()
    if one["Type"] == "AWS::Logs::MetricFilter"
}
NOW = Clock.moment
TICKET = "a" * 64
PYTHONS_OWN = {*vars(logging.makeLogRecord({})), "message", "taskName"}


def as_json(record: logging.LogRecord) -> str:
    """Return a line as Lambda's Python runtime writes it where the LogFormat is JSON.

    What a call's ``extra`` holds stands beside the rest.

    https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
    """
    assert not record.exc_info, "its message could name a user"
    return json.dumps(
        {
            "timestamp": "2026-11-24T12:00:00.000Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": "79b4f56e-95b1-4643-9700-2807f4e68189",
            **{name: value for name, value in vars(record).items() if name not in PYTHONS_OWN},
        }
    )


def matches(pattern: str, line: str) -> bool:
    """Return True if CloudWatch counts the ``line``, for the two constructs that we use.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    one = r'\$\.(\w+) = "([^"?\[\]]*)"'
    assert re.fullmatch(rf"\{{ (?:{one}|\({one}\)(?: \|\| \({one}\))+) \}}", pattern)
    fields = json.loads(line)
    return any(
        fnmatchcase(fields.get(name, ""), wanted) for name, wanted in re.findall(one, pattern)
    )


class Logs:
    """What each function logs while it does something."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self.lines: dict[str, list[str]] = {}

    def of(self, function: str, does: Callable[[], object]) -> None:
        self._caplog.clear()
        does()
        told = [as_json(one) for one in self._caplog.records if one.name.startswith("chalicelib")]
        self.lines.setdefault(f"{function}Logs", []).extend(told)

    def counts(self) -> Counter[str]:
        return Counter(
            one["MetricTransformations"][0]["MetricName"]
            for one in FILTERS.values()
            for line in self.lines[one["LogGroupName"]["Ref"]]
            if matches(one["FilterPattern"], line)
        )


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Logs:
    caplog.set_level("INFO", logger="chalicelib")
    return Logs(caplog)


def live(service: Service, logs: Logs) -> None:
    """Do everything that is counted, and much that is not."""
    app = service.app

    def post(path: str, **fields: str) -> None:
        logs.of("ApiHandler", lambda: service.post_json(path, fields))

    def deliver() -> None:
        with contextlib.suppress(StillOwed):
            service.deliver()

    def mail() -> None:
        logs.of("SendValidationMail", deliver)

    def mail_record(record: Any, seconds_left: float = 60) -> None:
        event, context = {"Records": [record]}, Context(seconds_left)
        logs.of("SendValidationMail", lambda: app.send_validation_mail(event, context))

    def drain() -> None:
        logs.of("ResendOwedMail", service.drain)

    def report(*messages: Any) -> None:
        logs.of("RecordMailFeedback", lambda: service.report(*messages))

    hashes: dict[str, str] = {}
    for number in range(3):
        post("/users", email=f"{number}@example.org", nom="Horn")
        mail()
        hashes[f"{number}@example.org"] = service.link_hash
    post("/users", email="0@example.org", nom="Horn")  # too soon
    post("/resend", email="unknown@example.org")
    logs.of("ApiHandler", lambda: service.open(service.link()))
    logs.of("ApiHandler", lambda: service.open(service.link()))

    service.put({"email": {"S": "no address"}})
    mail()
    mail_record({"eventName": "INSERT"})  # unreadable

    service.clock.go_by(minutes=2)
    post("/users", email="0@example.org", nom="Horn")
    mail_record(modified(service, "0@example.org"), seconds_left=1)  # put off
    post("/resend", email="1@example.org")
    service.faults["SendEmail"] = "SendingPausedException"
    mail_record(modified(service, "1@example.org"))  # still owed
    service.faults.clear()
    service.lose_the_stream()

    report(*[delivery("2@example.org", hashes["2@example.org"])] * 2)  # the second says nothing new
    for email in hashes:
        report(bounce(email, hashes[email]))  # the third is validated, and is stored as well
    report(bounce("0@example.org", hashes["0@example.org"]), "{no JSON", "hello")
    report(bounce("stranger@example.org"), delivery("1@example.org", hashes["1@example.org"]))
    report(complaint("1@example.org", hashes["1@example.org"]))

    service.put({"email": {"S": "lost@example.org"}, "nom": {"S": "Horn"}})
    service.put({"email": {"S": "no address either"}})
    service.lose_the_stream()
    for _ in range(25):
        drain()
        service.lose_the_stream()
        service.clock.go_by(hours=1)

    service.app.service.limits.reserve(100, service.clock.now())
    post("/users", email="4@example.org", nom="Horn")
    mail()
    report(complaint("4@example.org", service.link_hash))  # the brake
    post("/users", email="5@example.org", nom="Horn")
    service.lose_the_stream()
    service.clock.go_by(minutes=2)
    drain()


def modified(service: Service, email: str) -> dict[str, Any]:
    return {"eventName": "MODIFY", "dynamodb": {"NewImage": service.item(email)}}


def test_each_filter_counts_the_lines_that_mean_it_and_no_others(logs: Logs) -> None:
    with running(EVENT_BUS=BUS) as service:
        live(service, logs)
    assert logs.counts() == {
        "SignedUp": 5,
        "ResendAskedFor": 2,
        "Validated": 1,
        "Mailed": 5,
        "MailFailed": 2,
        "MailStillOwed": 2,
        "Unreadable": 1,
        "MailDelivered": 1,
        "DeliveryTime": 1,
        "MailBounced": 3,
        "MailComplained": 2,
        "Braked": 2,
        "UnreadableFeedback": 1,
        "AskedAgain": 2,
        "OldestOwed": 26,
        "OldestEvent": 26,
    }
    counted = {each["MetricTransformations"][0]["MetricName"] for each in FILTERS.values()}
    assert set(logs.counts()) == counted


@pytest.mark.parametrize("ask", ["sign up", "resend"])
def test_every_request_leaves_one_line(
    ask: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Else the time that a line takes could tell who is registered."""
    caplog.set_level("INFO", logger="chalicelib")
    created = {"created_at": "2026-11-24T11:00:00.000000Z"}
    store.put("validated@example.org", **created, validated_at="2026-11-24T11:00:00.000000Z")
    store.put("bounced@example.org", **created, mail="bounced")
    store.put("pending@example.org", **created, mail="sent")
    lines = []
    for name in ("validated", "bounced", "pending", "pending", "unknown"):
        caplog.clear()
        person = SignUp(f"{name}@example.org", "", "Horn", "fr")
        if ask == "sign up":
            store.users.sign_up(person, TICKET, NOW)
        else:
            store.users.resend(person.email, NOW)
        (line,) = [each.getMessage() for each in caplog.records]
        lines.append(line.partition(f" user={hashed(person.email)}"))
    assert {rest for _, user, rest in lines if user} == {""}
    assert [what for what, _, _ in lines] == [
        "asked in vain",
        "asked in vain",
        "resend asked for",
        "asked in vain",
        "signed up" if ask == "sign up" else "asked in vain",
    ]
