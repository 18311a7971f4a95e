"""SES's reports, in the shapes that its documentation shows and in those that nobody promised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.mail.feedback import Feedback, read
from chalicelib.users.people import Verdict

TOPIC = "arn:aws:sns:eu-west-3:123456789012:bienvenue-prod-feedback"


def record(message: object, topic: str = TOPIC) -> dict[str, Any]:
    text = message if isinstance(message, str) else json.dumps(message)
    return {"EventSource": "aws:sns", "Sns": {"TopicArn": topic, "Message": text}}


def bounce(*recipients: str, kind: str = "Permanent", shape: str = "eventType") -> dict[str, Any]:
    return {
        shape: "Bounce",
        "mail": {"messageId": "0000", "destination": list(recipients)},
        "bounce": {
            "bounceType": kind,
            "bounceSubType": "General",
            "bouncedRecipients": [
                {"emailAddress": email, "action": "failed", "status": "5.1.1"}
                for email in recipients
            ],
            "timestamp": "2026-11-24T12:00:00.000Z",
        },
    }


def complaint(*recipients: str, **more: str) -> dict[str, Any]:
    complained = [{"emailAddress": email} for email in recipients]
    return {
        "notificationType": "Complaint",
        "complaint": {"complainedRecipients": complained, **more},
    }


@pytest.mark.parametrize("shape", ["eventType", "notificationType"])
def test_a_permanent_bounce_is_read_in_both_shapes(shape: str) -> None:
    found = read([record(bounce("alexis@example.org", shape=shape))], TOPIC)
    assert found == [Feedback("alexis@example.org", Verdict.BOUNCED)]


def test_every_recipient_of_every_record_is_read_once() -> None:
    records = [
        record(bounce("a@example.org", "b@example.org")),
        record(complaint("b@example.org")),
        record(bounce("a@example.org")),
    ]
    assert read(records, TOPIC) == [
        Feedback("a@example.org", Verdict.BOUNCED),
        Feedback("b@example.org", Verdict.BOUNCED),
        Feedback("b@example.org", Verdict.COMPLAINED),
    ]


@pytest.mark.parametrize("kind", ["Transient", "Undetermined", "SomethingNew"])
def test_a_bounce_that_may_pass_changes_nothing(kind: str) -> None:
    assert read([record(bounce("a@example.org", kind=kind))], TOPIC) == []


def test_taking_a_mail_out_of_the_junk_folder_is_no_complaint() -> None:
    message = complaint("a@example.org", complaintFeedbackType="not-spam")
    assert read([record(message)], TOPIC) == []
    assert read([record(complaint("a@example.org", complaintFeedbackType="abuse"))], TOPIC)


def test_an_address_may_come_with_a_name_and_unknown_fields() -> None:
    message = {**bounce("Alexis <alexis@example.org>"), "tags": {"x": ["y"]}, "new": None}
    assert read([record(message)], TOPIC) == [Feedback("alexis@example.org", Verdict.BOUNCED)]


def test_an_address_counts_as_it_was_mailed_whatever_the_mailbox_makes_of_it() -> None:
    message = bounce("mixed.case@example.org")
    message["mail"]["destination"] = ["Mixed.Case@Example.org"]
    assert read([record(message)], TOPIC) == [Feedback("Mixed.Case@Example.org", Verdict.BOUNCED)]


def test_a_domain_in_punycode_stands_for_its_unicode_spelling_too() -> None:
    assert {one.email for one in read([record(bounce("a@xn--bcher-kva.example"))], TOPIC)} == {
        "a@xn--bcher-kva.example",
        "a@bücher.example",
    }
    (one,) = read([record(bounce("a@xn--broken-.example"))], TOPIC)
    assert one.email == "a@xn--broken-.example"


def test_only_the_stages_own_topic_counts(caplog: pytest.LogCaptureFixture) -> None:
    other = TOPIC.replace("prod", "test")
    assert read([record(bounce("alexis@example.org"), topic=other)], TOPIC) == []
    assert "another topic" in caplog.text
    assert "alexis" not in caplog.text


@pytest.mark.parametrize(
    "garbage",
    [
        {},
        {"Sns": None},
        record("not JSON alexis@example.org"),
        record("[" * 10_000),
        record([]),
        record({"eventType": "Bounce"}),
        record({"eventType": "Bounce", "bounce": "alexis@example.org"}),
        record({"eventType": "Bounce", "bounce": {"bounceType": "Permanent"}}),
        record(bounce("") | {"bounce": {"bounceType": "Permanent", "bouncedRecipients": [{}]}}),
        record(bounce("a@example.org") | {"mail": {"destination": [7]}}),
        record({"notificationType": "Complaint", "complaint": {"complainedRecipients": [1]}}),
    ],
)
def test_what_cannot_be_read_is_stepped_over_and_logged_without_what_it_said(
    garbage: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    found = read([garbage, record(complaint("b@example.org"))], TOPIC)
    assert found == [Feedback("b@example.org", Verdict.COMPLAINED)]
    assert "unreadable feedback" in caplog.text
    assert "alexis" not in caplog.text


@pytest.mark.parametrize("kind", ["Delivery", "Send", "Open", "AmazonSnsSubscriptionSucceeded"])
def test_other_reports_are_not_about_us(kind: str) -> None:
    assert read([record({"eventType": kind}), record({"notificationType": kind})], TOPIC) == []
    assert read([record({"notificationType": kind, "message": "validated"})], TOPIC) == []
