"""Fakes of SES and of the stream: kept mails, records of items, SES's events."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from typing import Any

from chalicelib.mail.message import Mail
from chalicelib.mail.ses import Account
from tests.support.stores import Plain, Store, typed

TOPIC = "arn:aws:sns:eu-west-3:123456789012:bienvenue-prod-mail-feedback"
LINK_HASH = "1" * 64

_sequence_numbers = itertools.count(4421584500000000017450439091)


class FakeSes:
    """SES that keeps what it takes, unless a fault is set for the address.

    ``account_now`` is what GetAccount says. ``accounts_asked`` counts these calls.
    """

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.link_hashes: list[str] = []
        self.tried: list[str] = []
        self.faults: dict[str, list[Exception]] = {}
        self.on_send: Callable[[Mail], object] = lambda _: None
        self.account_now = Account(rate=14.0, left_today=50_000.0, may_send=True)
        self.accounts_asked = 0
        self._lock = threading.Lock()

    def send(self, mail: Mail, link_hash: str) -> str:
        self.on_send(mail)
        with self._lock:
            self.tried.append(mail.to)
            faults = self.faults.get(mail.to)
            if faults:
                raise faults.pop(0)
            self.mails.append(mail)
            self.link_hashes.append(link_hash)
            return f"{len(self.mails):04}"

    def account(self) -> Account:
        self.accounts_asked += 1
        return self.account_now

    @property
    def addresses(self) -> list[str]:
        return sorted(mail.to for mail in self.mails)


def record(event: str, image: Plain | None, **envelope: Any) -> dict[str, Any]:
    """Return a record of a stream of new images; ``image`` as plain values."""
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": 1935662400,
        "SequenceNumber": str(next(_sequence_numbers)),
        "SizeBytes": 61,
        "StreamViewType": "NEW_IMAGE",
    }
    if image is not None:
        change["Keys"] = {"email": typed(image)["email"]}
        change["NewImage"] = typed(image)
    return {
        "eventID": "c81e728d9d4c2f636f067f89cc14862c",
        "eventName": event,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-3",
        "dynamodb": change,
        "eventSourceARN": "arn:aws:dynamodb:eu-west-3:123456789012:table/users/stream/2031",
        **envelope,
    }


def inserted(store: Store, email: str) -> dict[str, Any]:
    """Return the record of the item's being inserted as it is now."""
    return record("INSERT", store.item(email))


def modified(store: Store, email: str) -> dict[str, Any]:
    """Return the record of the item's being modified to what it is now."""
    return record("MODIFY", store.item(email))


def ses_event(
    kind: str, to: str, link_hash: str = LINK_HASH, details: Any = None
) -> dict[str, Any]:
    """Return SES's event about the mail to ``to`` whose tag is ``link_hash``."""
    return {
        "eventType": kind,
        "mail": {
            "timestamp": "2026-11-24T12:00:00.000Z",
            "messageId": "0100",
            "destination": [to],
            "tags": {"ses:operation": ["SendEmail"], "link": [link_hash]},
        },
        kind[0].lower() + kind[1:]: {} if details is None else details,
    }


def sent(to: str, link_hash: str = LINK_HASH) -> dict[str, Any]:
    return ses_event("Send", to, link_hash)


def delivery(to: str, link_hash: str = LINK_HASH, took_ms: object = 900) -> dict[str, Any]:
    return ses_event("Delivery", to, link_hash, {"processingTimeMillis": took_ms})


def delay(to: str, link_hash: str = LINK_HASH, why: str = "MailboxFull") -> dict[str, Any]:
    return ses_event("DeliveryDelay", to, link_hash, {"delayType": why})


def reject(to: str, link_hash: str = LINK_HASH) -> dict[str, Any]:
    return ses_event("Reject", to, link_hash, {"reason": "Bad content"})


def bounce(
    to: str, link_hash: str = LINK_HASH, kind: str = "Permanent", subtype: str = "General"
) -> dict[str, Any]:
    recipient = {"emailAddress": to, "action": "failed", "status": "5.1.1"}
    details = {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [recipient]}
    return ses_event("Bounce", to, link_hash, details)


def complaint(to: str, link_hash: str = LINK_HASH, **more: object) -> dict[str, Any]:
    details = {"complainedRecipients": [{"emailAddress": to}], **more}
    return ses_event("Complaint", to, link_hash, details)


def notice(message: object, topic: str = TOPIC) -> dict[str, Any]:
    """Return the record in which SNS hands ``message`` to a function."""
    text = message if isinstance(message, str) else json.dumps(message)
    sns: dict[str, Any] = {
        "TopicArn": topic,
        "Message": text,
        "Subject": None,
        "MessageAttributes": {},
    }
    return {"EventSource": "aws:sns", "Sns": sns}
