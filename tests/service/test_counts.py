"""The counts that CloudWatch makes of the logs: each filter against the lines that are logged."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from logging import getLogger
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from chalicelib.logs import hashed, report_drain
from chalicelib.mail.mailer import StillOwed
from chalicelib.users.people import SignUp
from ops.deployment.stack import TEMPLATE
from tests.support.fakes import record
from tests.support.service import EVERY_HOUR, TOPIC, Clock, Context, Service, running
from tests.support.stores import Store
from tests.support.wire import refusal
from tests.unit.mail.test_feedback import bounce, complaint
from tests.unit.mail.test_feedback import record as notification

FILTERS: dict[str, Any] = {
    name: one["Properties"]
    for name, one in json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"].items()
    if one["Type"] == "AWS::Logs::MetricFilter"
}
NOW = Clock.moment
LOST = {"email": {"S": "lost@example.org"}, "nom": {"S": "Horn"}, "mail": {"S": "sending"}}
ODD = {"email": {"S": "odd@example.org"}, "nom": {"S": "Horn"}, "mail_count": {"S": "odd"}}


PYTHONS_OWN = {*vars(logging.makeLogRecord({})), "message", "taskName"}


def as_json(one: logging.LogRecord) -> str:
    """Return a line as Lambda's Python runtime writes it where the function's LogFormat is JSON.

    What a call's ``extra`` holds stands beside the rest.

    https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
    """
    assert not one.exc_info, "its message could name somebody"
    return json.dumps(
        {
            "timestamp": "2026-11-24T12:00:00.000Z",
            "level": one.levelname,
            "message": one.getMessage(),
            "logger": one.name,
            "requestId": "79b4f56e-95b1-4643-9700-2807f4e68189",
            **{name: value for name, value in vars(one).items() if name not in PYTHONS_OWN},
        }
    )


def matches(pattern: str, line: str) -> bool:
    """Whether CloudWatch counts the ``line``, for the two constructs that we use.

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
    """Everything that is counted, and much that is not."""
    app = service.app

    def post(path: str, **fields: str) -> None:
        logs.of("ApiHandler", lambda: service.post_json(path, fields))

    def mail(*records: Any, seconds_left: float = 60) -> None:
        def deliver() -> None:
            with contextlib.suppress(StillOwed):
                app.send_validation_mail({"Records": records}, Context(seconds_left))

        logs.of("SendValidationMail", deliver)

    def feed_back(*messages: Any) -> None:
        event: Any = {"Records": [notification(message, TOPIC) for message in messages]}
        for one in event["Records"]:
            one["Sns"] |= {"Subject": "Amazon SES", "MessageAttributes": {}}
        logs.of("RecordMailFeedback", lambda: app.record_mail_feedback(event, Context()))

    for number in range(3):
        post("/users", email=f"{number}@example.org", nom="Horn")
        logs.of("SendValidationMail", service.deliver)
    post("/users", email="0@example.org", nom="Horn")  # too soon
    post("/resend", email="nobody@example.org")
    logs.of("ApiHandler", lambda: service.open(service.link()))
    logs.of("ApiHandler", lambda: service.open(service.link()))

    service.clock.go_by(minutes=2)
    post("/users", email="0@example.org", nom="Horn")
    post("/resend", email="1@example.org")
    service.lose_the_stream()

    service.put({"email": {"S": "no address"}})
    logs.of("SendValidationMail", service.deliver)
    service.put(ODD)
    logs.of("SendValidationMail", service.deliver)
    mail({"eventName": "INSERT"})
    again = record("MODIFY", {"email": "0@example.org", "mail": "owed"})
    mail(again, seconds_left=1)
    ses = app.mailer().delivery._client.meta.events
    ses.register_first("before-send.sesv2.SendEmail", paused)
    mail(again)
    ses.unregister("before-send.sesv2.SendEmail", paused)

    feed_back(bounce("0@example.org"), bounce("1@example.org"), bounce("stranger@example.org"))
    feed_back(bounce("0@example.org"), complaint("1@example.org"), "no JSON")

    logs.of("ResendOwedMail", lambda: report_drain(getLogger("chalicelib"), 901.6, 3, 40, "rate"))
    service.put(LOST)
    for _ in range(2):
        logs.of("ResendOwedMail", lambda: app.resend_owed_mail(EVERY_HOUR, Context(900)))
        service.clock.go_by(hours=1)


def paused(**_: object) -> AWSResponse:
    return refusal(400, "SendingPausedException")


def test_each_filter_counts_the_lines_that_mean_it_and_no_others(logs: Logs) -> None:
    with running() as service:
        live(service, logs)
    assert logs.counts() == {
        "SignedUp": 3,
        "ResendAskedFor": 2,
        "Validated": 1,
        "Mailed": 3,
        "MailFailed": 1,
        "MailStillOwed": 2,
        "Unreadable": 2,
        "MailBounced": 2,
        "MailComplained": 1,
        "UnreadableFeedback": 1,
        "AskedAgain": 4,
        "OldestOwed": 1,
    }
    counted = {one["MetricTransformations"][0]["MetricName"] for one in FILTERS.values()}
    assert set(logs.counts()) == counted


def test_the_oldest_owed_mail_is_a_number_with_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A filter takes numbers from fields of their own alone, never out of a text."""
    caplog.set_level("INFO", logger="chalicelib")
    report_drain(getLogger("chalicelib"), 901.6, 3, 40, "rate")
    (record,) = caplog.records
    assert record.getMessage() == "drain: oldest owed 901 s, 3 mailed, 40 owed, rate"
    line = json.loads(as_json(record))
    (metric,) = FILTERS["OldestOwed"]["MetricTransformations"]
    assert line[metric["MetricValue"].removeprefix("$.")] == 901
    (dimension,) = metric["Dimensions"]
    assert line[dimension["Value"].removeprefix("$.")] == "rate"


@pytest.mark.parametrize("ask", ["sign up", "resend"])
def test_who_asks_in_vain_leaves_as_many_lines_as_who_does_not(
    ask: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Else the time that a line takes could tell who is registered."""
    caplog.set_level("INFO", logger="chalicelib")
    store.put("validated@example.org", validated_at="2026-11-24T11:00:00.000000Z")
    store.put("bounced@example.org", mail="bounced")
    store.put("pending@example.org", mail="sent")
    told = []
    for name in ("validated", "bounced", "pending", "pending", "nobody"):
        caplog.clear()
        person = SignUp(f"{name}@example.org", "", "Horn", "fr")
        if ask == "sign up":
            store.users.sign_up(person, NOW)
        else:
            store.users.resend(person.email, NOW)
        (line,) = [one.getMessage() for one in caplog.records]
        told.append(line.partition(f" user={hashed(person.email)}"))
    assert {rest for _, user, rest in told if user} == {""}
    assert [what for what, _, _ in told] == [
        "asked in vain",
        "asked in vain",
        "signed up" if ask == "sign up" else "resend asked for",
        "asked in vain",
        "signed up" if ask == "sign up" else "asked in vain",
    ]
