"""One event: a message to another system about a user, with an id.

docs/events.md describes it, and docs/event.schema.json is its schema.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from chalicelib.users.event_outbox import entries
from chalicelib.users.item import WORDS, is_from_other_program
from chalicelib.users.table import Item, string

MAX_DETAIL = 200_000
"""Bytes. EventBridge takes 256 KB a call, and only items of other programs can hold so much."""

_VALIDATED = ("validated_at", "validated_by", "validated_with")
_NO_FACTS = ("kind", "at")


class Event(NamedTuple):
    """An event about the user ``email``. Receivers get ``detail``, as JSON."""

    email: str
    kind: str
    detail: str

    @property
    def type(self) -> str:
        """The detail-type in EventBridge."""
        return type_of(self.kind)


def type_of(kind: str) -> str:
    """Return the type of the events of a kind."""
    return f"user.{kind}"


def of(image: Item) -> list[Event]:
    """Return the events that an item owes, in the order of their transitions."""
    return [
        make(image, string(entry, "kind"), string(entry, "at"), _facts(entry))
        for entry in entries(image)
    ]


def make(image: Item, kind: str, at: str, facts: Mapping[str, str]) -> Event:
    """Return the event of a transition.

    It has data only if they are the user's own: a stranger may have entered those of an address
    that is not validated. The event of a user who was deleted since has none.
    """
    email = string(image, "email")
    detail: dict[str, Any] = {
        "id": identity(email, kind, at),
        "type": type_of(kind),
        "time": at,
        "email": email,
    }
    names = (*WORDS, *_VALIDATED) if _is_users_own(image) else ()
    held = {name: _plain(image[name]) for name in names if name in image}
    if isinstance(held.get("consent"), dict):
        held["consent"] = {box: _without_sender(given) for box, given in held["consent"].items()}
    text = _text({**detail, **_without_nothing(held), **facts})
    if len(text.encode()) > MAX_DETAIL:
        text = _text({**detail, **facts})
    return Event(email, kind, text)


def identity(email: str, kind: str, at: str) -> str:
    """Return the id of a transition's event, which is the same each time it is published."""
    transition = f"{kind}\n{at}\n{email}".encode(errors="surrogatepass")
    return hashlib.sha256(transition).hexdigest()[:32]


def _without_sender(given: Any) -> Any:
    """Return a consent without IP address and browser: evidence stays in the operator's table."""
    if not isinstance(given, dict):
        return given
    return {name: value for name, value in given.items() if name not in ("address", "agent")}


def _is_users_own(image: Item) -> bool:
    return "validated_at" in image or is_from_other_program(image)


def _facts(entry: Item) -> dict[str, str]:
    return {name: string(entry, name) for name in entry if name not in _NO_FACTS}


def _text(detail: Mapping[str, Any]) -> str:
    return json.dumps(detail, separators=(",", ":"))


def _without_nothing(held: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in held.items() if value not in (None, "", {})}


def _plain(value: Mapping[str, Any]) -> Any:
    """Return a value of DynamoDB's JSON as plain JSON; None for what JSON does not have."""
    ((kind, content),) = value.items()
    if kind in ("S", "BOOL"):
        return content
    if kind == "N":
        return _number(content)
    if kind == "M":
        return {name: _plain(inner) for name, inner in content.items()}
    if kind == "L":
        return [_plain(inner) for inner in content]
    return sorted(content) if kind == "SS" else None


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdigit() else float(text)
