"""What an item says of a person, in words: whatever types and texts other programs put there."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer

from chalicelib.logs import hashed
from chalicelib.users.table import Item
from ops.terminal.durations import iso_moment

Plain = Mapping[str, Any]
"""An item as JSON could have it: ``{"email": "…", "mail_count": 1}``."""

_TO_PYTHON = TypeDeserializer()
_NO_MORE_MAIL = ("bounced", "complained", "refused")

MEANINGS = {
    "email": "the address, which is the key",
    "prenom": "first name, as it was given",
    "nom": "last name, as it was given",
    "lang": "language of mails and pages",
    "created_at": "when they signed up",
    "imported_at": "when an import added them",
    "fields": "what they said in the stage's own fields",
    "consent": "what they agreed to",
    "mail": "owed, sending, sent, delivered; or failed, bounced, complained, refused",
    "mail_at": "when that last changed",
    "mail_count": "mails sent since mail_window_at",
    "mail_window_at": "when the day began in which mails are counted",
    "mail_error": "why the last attempt to mail failed, in SES's words",
    "mail_link": "SHA-256 of the token in the latest mail",
    "message_id": "SES's id of the latest mail",
    "delivered_at": "when the mailbox's server took the mail",
    "delivery_ms": "how long SES took to deliver it, in milliseconds",
    "bounced_until": "when a bounce is forgotten",
    "owed": "place in the index of owed mail; there while a mail is owed",
    "owed_at": "since when a mail is owed",
    "said_at": "when the latest sign-up came",
    "ticket": "SHA-256 of the ticket of the browser that signed up last",
    "return_to": "page that the latest sign-up wants to return to",
    "resend_of": "which sign-up the next mail is for",
    "links": "mailed links by the SHA-256 of their tokens, with what their sign-up said",
    "codes": "keyed hashes of mailed codes, by ticket",
    "link_hashes": "SHA-256 of the tokens in links that the first edition mailed",
    "link_expires_at": "when those links stop working, in seconds since 1970",
    "validated_at": "when the address was validated",
    "validated_by": "who validated it without a link or code: the operator, or an import",
    "validated_with": "how its owner validated it: link or code",
    "validated_link": "SHA-256 of the token whose mail was used for that",
    "refused_by": "who refused further mail for its owner: the operator",
    "expires_at": "when all of this is deleted unless the address is validated, likewise",
}
"""Every attribute of ours, and what it means to the person whom it is about."""


def plain(item: Item) -> Plain:
    """``item`` in types that JSON has."""
    return {name: _plain(_TO_PYTHON.deserialize(value)) for name, value in item.items()}


def state(person: Plain) -> str:
    """``validated``, ``pending``, ``failed``, ``bounced`` or ``complained``. The last two outweigh
    that somebody is validated: whoever writes to them should know."""
    mail = person.get("mail")
    if mail in _NO_MORE_MAIL:
        return str(mail)
    if "validated_at" in person:
        return "validated"
    return "failed" if mail == "failed" else "pending"


def name(person: Plain) -> str:
    """The whole name, empty where none is stored."""
    return " ".join(str(person[part]) for part in ("prenom", "nom") if person.get(part))


def mails(person: Plain) -> str:
    """How the mail stands, and how many were sent."""
    stands = str(person.get("mail", "none" if "validated_at" in person else "owed"))
    count = person.get("mail_count", 0)
    return f"{stands} ({count})" if isinstance(count, int) and count > 1 else stands


def facts(person: Plain, now: datetime) -> Iterator[tuple[str, str]]:
    """What there is to tell, each with its label."""
    since = person.get("validated_at")
    told = state(person)
    if since:
        told += f", confirmed {moment(since, now)}" if told in _NO_MORE_MAIL else ""
        told += f" {moment(since, now)}" if told == "validated" else ""
        told += f", by the {person['validated_by']}" if "validated_by" in person else ""
    yield "state", told
    yield "name", name(person) or "none"
    yield "language", str(person.get("lang", "the stage's"))
    if came := person.get("created_at") or person.get("imported_at"):
        yield "came", moment(came, now)
    stands = str(person.get("mail", "none asked for" if since else "owed, and not yet begun"))
    yield "mail", f"{stands} {moment(person['mail_at'], now)}" if "mail_at" in person else stands
    if "mail_error" in person:
        yield "why", str(person["mail_error"])
    if count := person.get("mail_count"):
        yield "mails sent", str(count)
    links = person.get("links")
    if isinstance(links, dict) and not since:
        ends = [link.get("expires", 0) for link in links.values() if isinstance(link, dict)]
        if live := [end for end in ends if isinstance(end, int) and end > now.timestamp()]:
            works = "1 works" if len(live) == 1 else f"{len(live)} work"
            yield "links", f"{works}, the last until {moment(max(live), now)}"
    if "expires_at" in person:
        yield "forgotten", f"{moment(person['expires_at'], now)}, unless validated"
    yield "in the logs", f"user={hashed(str(person['email']))}"
    if others := [attribute for attribute in person if attribute not in MEANINGS]:
        yield "also held", ", ".join(sorted(others))


def moment(stored: object, now: datetime) -> str:
    """A stored moment for people, with how long ago or ahead it is; anything else as it stands."""
    try:
        if isinstance(stored, int):
            at = datetime.fromtimestamp(stored, timezone.utc)
        else:
            at = iso_moment(str(stored))
    except (ValueError, OverflowError, OSError):
        return str(stored)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({_distance(at - now)})"


def _distance(ahead: timedelta) -> str:
    seconds = abs(ahead.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if count := int(seconds // length):
            about = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"in {about}" if ahead > timedelta() else f"{about} ago"
    return "now"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Binary):
        return bytes(value).hex()  # type: ignore[call-overload]  # unknown to the stubs
    if isinstance(value, set):
        return sorted(map(_plain, value))
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value
