"""SES's events on the stage's topic, and the drain, both deployed."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from tests.e2e.stack import TIME_TO_MAIL, Stack, link_in, wait_for
from tests.support.fakes import bounce, complaint, delivery, sent
from tests.support.service import EVERY_MINUTE

LONG_AGO = {"S": "2020-01-01T00:00:00.000000Z"}


def signed_up(stack: Stack, email: str) -> str:
    """Sign a user up, and return the tag of the mail."""
    stack.post("/users", {"email": email, "nom": "Horn"})
    return str(stack.wait_for_item(email, "sent")["mail_link"]["S"])


def feedback_topic(stack: Stack) -> str:
    topics = stack.client("sns").list_topics()["Topics"]
    arns: list[str] = [topic["TopicArn"] for topic in topics]
    (arn,) = [arn for arn in arns if arn.endswith("-mail-feedback")]
    return arn


def report(stack: Stack, message: dict[str, Any]) -> None:
    # Chalice reads all four fields, which SNS always sends and the local cloud only when given.
    stack.client("sns").publish(
        TopicArn=feedback_topic(stack),
        Subject="Amazon SES Email Event Notification",
        Message=json.dumps(message),
        MessageAttributes={"any": {"DataType": "String", "StringValue": "any"}},
    )


def drain(stack: Stack, run: str) -> None:
    """Run the deployed drain, as the clock does each minute."""
    functions = stack.client("lambda").list_functions()["Functions"]
    names = [function["FunctionName"] for function in functions]
    (name,) = [name for name in names if name.endswith("resend_owed_mail")]
    event = json.dumps({**EVERY_MINUTE, "id": run}).encode()
    answer = stack.client("lambda").invoke(FunctionName=name, Payload=event)
    assert "FunctionError" not in answer, answer["Payload"].read()


@pytest.mark.parametrize(("make", "mail"), [(bounce, "bounced"), (complaint, "complained")])
def test_an_address_that_refuses_mail_gets_no_more(stack: Stack, make: Any, mail: str) -> None:
    email = f"{mail}@example.org"
    report(stack, make(email, signed_up(stack, email)))
    stack.wait_for_item(email, mail)
    stack.change(email, mail_at=LONG_AGO)
    assert stack.post("/resend", {"email": email}).status == 202
    assert stack.post("/users", {"email": email, "nom": "Horn"}).status == 202
    assert stack.item(email)["mail"] == {"S": mail}
    assert len(stack.wait_for_mails(email)) == 1


def test_a_delivery_is_recorded(stack: Stack) -> None:
    email = "delivered@example.org"
    report(stack, delivery(email, signed_up(stack, email)))
    item = stack.wait_for_item(email, "delivered")
    assert item["delivery_ms"] == {"N": "900"}


def test_ses_ends_the_doubt_about_a_mail(stack: Stack) -> None:
    """The mailer was killed after SES took the mail."""
    email = "in-doubt@example.org"
    tag = signed_up(stack, email)
    stack.change(email, mail={"S": "sending"}, owed={"S": "00"}, owed_at=LONG_AGO)
    report(stack, sent(email, tag))
    item = stack.wait_for_item(email, "sent")
    assert "owed" not in item
    drain(stack, "doubt")
    assert len(stack.wait_for_mails(email)) == 1


def test_the_drain_sends_a_mail_that_the_stream_lost(stack: Stack) -> None:
    email = "forgotten@example.org"
    signed_up(stack, email)
    in_doubt = {"mail": {"S": "sending"}, "mail_at": LONG_AGO}
    stack.change(email, **in_doubt, owed={"S": "00"}, owed_at=LONG_AGO)
    runs = count()

    def is_mailed() -> bool:
        # The clock's own run may hold the lock, and have looked before this mail was owed.
        drain(stack, f"lost{next(runs)}")
        return len(stack.mails(email)) == 2

    wait_for(is_mailed, TIME_TO_MAIL, "the drain sends the mail")
    first, second = stack.mails(email)
    assert link_in(first) != link_in(second)
    assert stack.open(link_in(second)).status == 200


def test_the_drain_runs_each_minute(stack: Stack) -> None:
    rules = stack.client("events").list_rules()["Rules"]
    assert [(rule["ScheduleExpression"], rule["State"]) for rule in rules] == [
        ("rate(1 minute)", "ENABLED")
    ]
