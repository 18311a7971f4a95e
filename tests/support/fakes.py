"""Stand-ins with a memory: a delivery that keeps its mails, and records as a stream gives them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

from chalicelib.mail.message import Mail
from tests.support.stores import Plain, Store, typed

_sequence_numbers = itertools.count(4421584500000000017450439091)


class Outbox:
    """Delivery that keeps what it is given, unless a fault is set for the address."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.tried: list[str] = []
        self.faults: dict[str, list[Exception]] = {}
        self.on_send: Callable[[Mail], object] = lambda _: None
        self._lock = threading.Lock()

    def send(self, mail: Mail) -> None:
        self.on_send(mail)
        with self._lock:
            self.tried.append(mail.to)
            faults = self.faults.get(mail.to)
            if faults:
                raise faults.pop(0)
            self.mails.append(mail)

    @property
    def addresses(self) -> list[str]:
        return sorted(mail.to for mail in self.mails)


def record(event: str, image: Plain | None, **envelope: Any) -> dict[str, Any]:
    """A record of a stream of new images; ``image`` as plain values."""
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
    """The record of the item's being inserted as it is now."""
    return record("INSERT", store.item(email))


def modified(store: Store, email: str) -> dict[str, Any]:
    """The record of the item's being modified to what it is now."""
    return record("MODIFY", store.item(email))
