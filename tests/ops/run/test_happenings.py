"""What is told of two images of a user's item."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from ops.run.happenings import Stream, compare
from tests.support.stores import Store


def image(**attributes: str) -> dict[str, Any]:
    return {name: {"S": value} for name, value in attributes.items()}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, image(mail="owed", lang="en"), [("signed up", "en")]),
        (None, image(nom="HORN"), [("put", "by another program")]),
        (
            image(mail="sent"),
            image(nom="HORN"),
            [("put", "by another program, in place of the user")],
        ),
        (image(mail="owed"), image(mail="sending"), []),
        (image(nom="HORN"), image(mail="sending"), []),
        (image(mail="sending"), image(mail="sent"), [("mailed", "")]),
        (
            image(mail="sending"),
            image(mail="owed"),
            [("not mailed", "SES did not take the mail: it is still owed")],
        ),
        (image(mail="sent"), image(mail="owed"), [("requested mail", "")]),
        (image(mail="sent"), image(mail="delivered"), [("delivered", "")]),
        (image(mail="sending"), image(mail="delivered"), [("mailed", ""), ("delivered", "")]),
        (
            image(mail="sending"),
            image(mail="failed", mail_error="No such mailbox."),
            [("mail failed", "No such mailbox.")],
        ),
        (image(mail="sent"), image(mail="sent", validated_at="now"), [("validated", "")]),
        (
            None,
            image(mail="owed", validated_at="now", validated_by="import"),
            [("signed up", ""), ("validated", "import")],
        ),
        (image(mail="sent", nom="A"), image(mail="sent", nom="B"), []),
        (
            image(mail="sending", mail_at="5", reminded_at="5"),
            image(mail="sent", mail_at="6", reminded_at="5"),
            [("mailed", "the reminder")],
        ),
        (
            image(mail="sending", mail_at="7", reminded_at="5"),
            image(mail="sent", mail_at="8", reminded_at="5"),
            [("mailed", "")],
        ),
        (image(mail="sent"), image(mail="owed", validated_at="5"), [("validated", "")]),
        (
            image(mail="sending", validated_at="5", welcomed_at="6"),
            image(mail="sent", validated_at="5", welcomed_at="6"),
            [("mailed", "the welcome")],
        ),
        (image(mail="sent"), None, [("deleted", "")]),
        (image(mail="sent"), image(mail="deleted"), [("deleted", "")]),
        (image(mail="deleted"), image(mail="deleted", told="x"), []),
        (image(mail="deleted"), None, []),
        (image(mail="deleted"), image(mail="owed", lang="en"), [("signed up", "en")]),
    ],
)
def test_two_images_tell_what_happened(before: Any, after: Any, told: list[Any]) -> None:
    assert compare(before, after) == told


def test_a_stream_is_read_once_and_in_order(moto_store: Store, monkeypatch: Any) -> None:
    # With botocore 1.44 and later moto does not find the stream by an account's own endpoint.
    monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")
    stream = Stream(boto3.client("dynamodbstreams"), moto_store.stream_arn)
    moto_store.put("a@example.org", mail="owed")
    moto_store.put("a@example.org", mail="sent")
    assert [(one.event, one.email) for one in stream.read()] == [
        ("signed up", "a@example.org"),
        ("mailed", "a@example.org"),
    ]
    moto_store.delete("a@example.org")
    assert [one.event for one in stream.read()] == ["deleted"]
    assert list(stream.read()) == []
