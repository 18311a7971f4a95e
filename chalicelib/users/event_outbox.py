"""The events that users' items owe: found, read, and marked as published.

Only stages with events import this. A transition in store.py or outbox.py owes an event by its own
write: ``owed_events`` lists them in order, and ``event`` puts the item into a sparse index.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.users.item import DELETED
from chalicelib.users.moments import epoch, iso
from chalicelib.users.outbox import Owed
from chalicelib.users.table import Item, Raw, Table, attribute, mapping, string

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

INDEX = "event"
MAX_OWED = 100
"""The most events of a user that are read. Only another program can write more."""


class EventOutbox:
    """The events that the users in a table owe. DynamoDB's own errors pass through."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self.table = Table(client, table, "email")

    def read(self, email: str) -> Item:
        """Return a user's item as it is now; empty if there is none."""
        return self.table.get(email)

    def owed(self, before: datetime) -> Iterator[Owed]:
        """Yield the users whose events have been owed since before ``before``, oldest first.

        One partition is enough: an index takes 1,000 writes a second of each.
        """
        condition = "event = :owed AND event_at < :before"
        for keys in self.table.query(INDEX, condition, {":owed": "owed", ":before": iso(before)}):
            yield Owed(keys["event_at"]["S"], keys["email"]["S"])

    def told(self, image: Item, now: datetime) -> bool:
        """Record that all events of ``image`` are published, if the item still owes just these.

        The item of a deleted user is then no longer needed, and expires.
        """
        if "owed_events" not in image:  # published between the index's answer and the read
            return True
        told_at = {name: Raw(value) for name, value in mapping(image, "told").items()}
        for entry in entries(image):
            told_at[string(entry, "kind")] = Raw(entry["at"])
        change, condition = "SET told = :told", "owed_events = :owed_events"
        values: dict[str, object] = {":told": told_at, ":owed_events": Raw(image["owed_events"])}
        if string(image, "mail") == DELETED:
            change += ", expires_at = :past"
            condition += " AND mail = :deleted"
            values |= {":past": epoch(now), ":deleted": DELETED}
        change += " REMOVE event, event_at, owed_events"
        return self.table.update(image["email"]["S"], change, condition, values).done


def entries(image: Item) -> list[Item]:
    """Return the events that ``image`` owes, in order: each one's kind, time and facts."""
    owed = attribute(image, "owed_events", "L") or []
    maps = [entry.get("M", {}) for entry in owed[:MAX_OWED] if isinstance(entry, dict)]
    return [entry for entry in maps if string(entry, "kind") and string(entry, "at")]
