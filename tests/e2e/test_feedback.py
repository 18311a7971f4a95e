"""SES's reports, published to the stage's topic as SES would, and the sweep: both deployed."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.stack import Stack, link_in
from tests.support.service import EVERY_HOUR
from tests.unit.mail.test_feedback import bounce, complaint

LONG_AGO = {"S": "2020-01-01T00:00:00.000000Z"}


def signed_up(stack: Stack, email: str) -> None:
    stack.post("/users", {"email": email, "nom": "Horn"})
    stack.wait_for_item(email, "sent")


def feedback_topic(stack: Stack) -> str:
    topics = stack.client("sns").list_topics()["Topics"]
    (topic,) = [one["TopicArn"] for one in topics if one["TopicArn"].endswith("-mail-feedback")]
    return topic


def report(stack: Stack, message: dict[str, Any]) -> None:
    # Chalice reads all four fields, which SNS always sends and the local cloud only when given.
    stack.client("sns").publish(
        TopicArn=feedback_topic(stack),
        Subject="Amazon SES Email Event Notification",
        Message=json.dumps(message),
        MessageAttributes={"any": {"DataType": "String", "StringValue": "any"}},
    )


def test_an_address_that_bounces_or_complains_gets_no_more_mail(stack: Stack) -> None:
    for email, message, verdict in (
        ("gone@example.org", bounce("gone@example.org"), "bounced"),
        ("annoyed@example.org", complaint("annoyed@example.org"), "complained"),
    ):
        signed_up(stack, email)
        report(stack, message)
        stack.wait_for_item(email, verdict)
        stack.change(email, mail_at=LONG_AGO)
        assert stack.post("/resend", {"email": email}).status == 202
        assert stack.post("/users", {"email": email, "nom": "Horn"}).status == 202
        assert stack.item(email)["mail"] == {"S": verdict}
        assert len(stack.wait_for_mails(email)) == 1


def test_the_sweep_finds_a_mail_that_the_stream_has_lost(stack: Stack) -> None:
    email = "forgotten@example.org"
    signed_up(stack, email)
    stack.change(email, mail={"S": "sending"}, mail_at=LONG_AGO)
    functions = stack.client("lambda").list_functions()["Functions"]
    (name,) = [
        one["FunctionName"] for one in functions if one["FunctionName"].endswith("resend_owed_mail")
    ]
    done = stack.client("lambda").invoke(FunctionName=name, Payload=json.dumps(EVERY_HOUR).encode())
    assert "FunctionError" not in done, done["Payload"].read()
    mails = stack.wait_for_mails(email, 2)
    assert stack.get(link_in(mails[1])).status == 200


def test_the_sweep_is_asked_for_every_hour(stack: Stack) -> None:
    rules = stack.client("events").list_rules()["Rules"]
    assert [(rule["ScheduleExpression"], rule["State"]) for rule in rules] == [
        ("rate(1 hour)", "ENABLED")
    ]
