"""EventBridge: the bus for a stage's events."""

from collections.abc import Iterator, Sequence
from typing import Any

from chalicelib.events.event import Event

SOURCE = "bienvenue"
"""The source by which rules recognise our events. ``resources`` has the stage's table."""
MAX_ENTRIES = 10
MAX_BYTES = 250_000
"""EventBridge takes 256 KB a call.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
"""


class Bus:
    """The bus ``name``, or the one that has this ARN. botocore's errors pass through."""

    def __init__(self, client: Any, name: str, table_arn: str) -> None:
        self._client = client
        self._name = name
        self._table_arn = table_arn

    def put(self, events: Sequence[Event]) -> dict[Event, str]:
        """Put events on the bus; return those that it refused, each with its error's code."""
        refused: dict[Event, str] = {}
        for some in _calls(events):
            answer = self._client.put_events(Entries=[self._entry(event) for event in some])
            for event, result in zip(some, answer["Entries"], strict=True):
                if "EventId" not in result:
                    refused[event] = result.get("ErrorCode", "unknown")
        return refused

    def _entry(self, event: Event) -> Any:
        return {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": event.type,
            "Detail": event.detail,
            "Resources": [self._table_arn],
        }


def _calls(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Yield the events for each call: as many as EventBridge takes at once."""
    some: list[Event] = []
    size = 0
    for event in events:
        bytes_ = len(event.detail.encode())
        if some and (len(some) == MAX_ENTRIES or size + bytes_ > MAX_BYTES):
            yield some
            some, size = [], 0
        some.append(event)
        size += bytes_
    if some:
        yield some
