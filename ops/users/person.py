"""A user's item in words, whatever types and texts other programs wrote."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from boto3.dynamodb.types import Binary, TypeDeserializer

from chalicelib.logs import hashed
from chalicelib.mail import mailer
from chalicelib.users import invisible
from chalicelib.users.item import LEASE
from chalicelib.users.table import Item
from ops.terminal import durations

Plain = Mapping[str, Any]
"""An item in types that JSON has: ``{"email": "…", "mail_count": 1}``."""

_TO_PYTHON = TypeDeserializer()
_NO_MORE_MAIL = ("bounced", "complained", "refused")
_AT_ONCE = timedelta(minutes=1)
"""The time in which the stream's mailer sends an owed mail. Then the drain takes over."""
_TO_DELIVER = timedelta(minutes=10)

MEANINGS = {
    "email": "the address, which is the key",
    "prenom": "first name, as the user gave it",
    "nom": "last name, as the user gave it",
    "lang": "language of mails and pages",
    "fields": "values of the product's own fields",
    "consent": "what the user agreed to: SHA-256 of the text, its language, when, from where",
    "created_at": "when the user signed up",
    "imported_at": "when an import added the user",
    "mail": "the state of the mail with the link: owed, sending, sent, delivered, failed, bounced, "
    "complained or refused",
    "mail_at": "when that state began",
    "mail_count": "mails sent in the current 24 hours",
    "mail_window_at": "when these 24 hours began",
    "mail_error": "why the last mail failed or is late",
    "mail_link": "SHA-256 of the token in the latest mail; the token cannot be found from it",
    "message_id": "Amazon SES's identifier of the latest mail",
    "delivered_at": "when the mailbox's server took the mail",
    "delivery_ms": "how long that took, in milliseconds",
    "bounced_until": "until when no more mail is sent, after a bounce",
    "refused_by": "who recorded that the user wants no mail, if the user did not",
    "owed": "the part of the index that lists the owed mail",
    "owed_at": "since when a mail is owed, or when a reminder will be",
    "remind_at": "when the user will be reminded",
    "reminded_at": "when the user was reminded",
    "mailed_at": "when the latest link was mailed, on a stage that sends a welcome",
    "welcomed_at": "when the welcome was sent",
    "links": "for each mailed link, by the SHA-256 of its token: when it expires, and the data "
    "of its sign-up",
    "codes": "for each mailed code, by the SHA-256 of its browser's ticket: a keyed hash of the "
    "code, when it expires, and how often it was tried",
    "acts": "the last ten acts of operators: what, when and by whom",
    "link_hashes": "SHA-256 of the tokens in mailed links; the tokens cannot be found from them",
    "link_expires_at": "when these links expire, in seconds since 1970",
    "ticket": "SHA-256 of the ticket of the browser that signed up",
    "return_to": "the page that the browser goes to after the click",
    "said_at": "when the latest sign-up was sent",
    "resend_of": "the link or ticket of the latest resend, as a hash",
    "validated_at": "when the address was confirmed",
    "validated_by": "who confirmed it, if the user did not: the operator or an import",
    "validated_with": "how the user confirmed it: link or code",
    "validated_from": "the address and browser of that click, if they are kept",
    "validated_link": "SHA-256 of the token in the mail that confirmed it",
    "event": "that your systems still have to get news of a change",
    "event_at": "since when",
    "owed_events": "these changes, in order",
    "told": "when the last changes were that your systems got",
    "expires_at": "when all of this is deleted unless the address is confirmed, in seconds since "
    "1970",
}
"""Every attribute of the app, and its meaning for the user."""


def plain(item: Item) -> Plain:
    """Return ``item`` in types that JSON has."""
    return {name: _plain(_TO_PYTHON.deserialize(value)) for name, value in item.items()}


def state(user: Plain) -> str:
    """Return ``validated``, ``pending``, ``failed``, ``bounced``, ``complained`` or ``refused``.

    The last three come before ``validated``: an operator who wants to write must know them.
    """
    mail = user.get("mail")
    if mail in _NO_MORE_MAIL:
        return str(mail)
    if "validated_at" in user:
        return "validated"
    return "failed" if mail == "failed" else "pending"


def key(user: Plain) -> str:
    """Return the user's key as an operator can type it.

    Where a character cannot be seen, it is percent-encoded: another program put it.
    """
    email = str(user["email"])
    is_plain = email.isprintable() and not invisible.is_hidden(email) and email == email.strip()
    return email if is_plain else quote(email, safe="@+:")


def name(user: Plain) -> str:
    """Return the whole name, empty if there is none."""
    return " ".join(str(user[part]) for part in ("prenom", "nom") if user.get(part))


def mails(user: Plain) -> str:
    """Return the state of the mail, and how many were sent if more than one."""
    mail = "none" if _needs_no_mail(user) else str(user.get("mail", "owed"))
    count = user.get("mail_count", 0)
    return f"{mail} ({count})" if isinstance(count, int) and count > 1 else mail


def facts(user: Plain, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what `users show` prints: labels with their facts."""
    yield "state", _state_in_words(user, now)
    yield "name", name(user) or "none"
    yield "language", str(user.get("lang", "the stage's"))
    if came := user.get("created_at") or user.get("imported_at"):
        yield "came", moment(came, now)
    yield "mail", _mail_in_words(user, now)
    if "mail_error" in user:
        yield "why", str(user["mail_error"])
    if step := next_step(user, now):
        yield "next", f"{step} {remedy(user)}".rstrip()
    if count := user.get("mail_count"):
        yield "mails sent", str(count)
    for label in ("reminded_at", "welcomed_at"):
        if label in user:
            yield label.removesuffix("_at"), moment(user[label], now)
    if "remind_at" in user:
        yield "reminder", moment(user["remind_at"], now)
    if "message_id" in user:
        yield "SES id", str(user["message_id"])
    if "validated_at" not in user and (links := _links_in_words(user, now)):
        yield "links", links
    if isinstance(values := user.get("fields"), dict) and values:
        yield "fields", ", ".join(f"{key}={value}" for key, value in sorted(values.items()))
    if isinstance(consents := user.get("consent"), dict):
        for consent, entry in sorted(consents.items()):
            yield "consent", f"{consent}, {_consent_in_words(user, entry, now)}"
    if "expires_at" in user:
        yield "deleted", f"{moment(user['expires_at'], now)}, unless validated"
    yield "in the logs", f"user={hashed(str(user['email']))}"
    if others := [attribute for attribute in user if attribute not in MEANINGS]:
        yield "also held", ", ".join(sorted(others))


def _consent_in_words(user: Plain, entry: object, now: datetime) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    if "withdrawn_at" in entry:
        return f"withdrawn {moment(entry['withdrawn_at'], now)}"
    given = f"given {moment(entry['at'], now)}" if "at" in entry else "given"
    if "by" in entry:
        return f"{given}, on the word of the {entry['by']}"
    return given if "validated_at" in user else f"{given}, not proven by a click"


def next_step(user: Plain, now: datetime) -> str:
    """Return where the user's mail is stuck, or what happens next; empty if nothing does."""
    if "validated_at" in user:
        if user.get("mail") == "refused":
            return "The user unsubscribed. No more mail is sent."
        is_owed = user.get("owed_at") == user["validated_at"]
        return "A welcome is on its way." if is_owed else ""
    mail, since = user.get("mail"), _age(user.get("mail_at"), now)
    if mail is None:
        return "Another program put this item. The mailer sends the mail within a minute."
    if mail == "owed":
        owed = _age(user.get("owed_at", user.get("mail_at")), now)
        if owed is not None and owed < _AT_ONCE:
            return "The mailer sends it within seconds."
        waited = f" It has waited {durations.words(owed.total_seconds())}." if owed else ""
        return f"It is sent as soon as SES's rate and the budget allow.{waited}"
    if mail == "sending":
        if since is not None and since < LEASE:
            return "A function is sending the mail to SES, or waits for SES's own report."
        return (
            "Its function ended without an answer, and SES reports nothing. It is sent again soon."
        )
    if mail == "failed" and user.get("mail_error") == mailer.MAILBOX_FULL:
        return "All spellings of the address together got five mails in 24 hours."
    if mail == "sent" and "mail_error" in user:
        return "The mailbox's server does not take the mail yet. SES keeps trying for some hours."
    if mail == "sent":
        late = since is not None and since > _TO_DELIVER
        took = "SES took the mail. The mailbox's server has not confirmed it"
        return f"{took}, which is late: look for a typo in the domain." if late else f"{took} yet."
    return _ENDS.get(str(mail), "")


_ENDS = {
    "delivered": "The mailbox's server took the mail. The user has not opened the link: look in "
    "spam.",
    "failed": "No mail is sent until you fix the reason.",
    "bounced": "The mailbox's server refused the mail.",
    "complained": "The user marked the mail as spam. No more mail is sent.",
    "refused": 'The owner said "this was not me". No more mail is sent.',
}


def remedy(user: Plain) -> str:
    """Return which command helps where a user's mail is stuck; empty if none does."""
    mail = str(user.get("mail"))
    if "validated_at" in user and mail != "refused":
        return ""
    return _REMEDIES.get(mail, "")


_REMEDIES = {
    "owed": "If it takes long: doctor",
    "failed": "Then: users resend",
    "bounced": "If it works again: users resend --even-bounced",
    "refused": "If they want it after all: users allow",
}


def moment(stored: object, now: datetime) -> str:
    """Return a stored moment and its distance from ``now``; any other value as it is."""
    at = moment_of(stored)
    return str(stored) if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC ({distance(at - now)})"


def _state_in_words(user: Plain, now: datetime) -> str:
    words = state(user)
    if since := user.get("validated_at"):
        confirmed = moment(since, now)
        words += f" {confirmed}" if words == "validated" else f", confirmed {confirmed}"
        words += f", by the {user['validated_by']}" if "validated_by" in user else ""
        words += f", with a {user['validated_with']}" if "validated_with" in user else ""
    return words


def _needs_no_mail(user: Plain) -> bool:
    """Return True for validated users whose mail was still owed, unless that is a welcome."""
    if "validated_at" not in user or user.get("owed_at") == user["validated_at"]:
        return False
    return user.get("mail") in (None, "owed", "sending")


def _mail_in_words(user: Plain, now: datetime) -> str:
    if _needs_no_mail(user):
        return "none needed"
    words = str(user.get("mail", "owed, not yet claimed"))
    if "mail_at" in user:
        words += f" {moment(user['mail_at'], now)}"
    took = user.get("delivery_ms")
    if user.get("mail") == "delivered" and isinstance(took, int | float):
        words += f", in {durations.words(took / 1000)}"
    return words


def _links_in_words(user: Plain, now: datetime) -> str:
    """Return how many links work, and until when the last of them does."""
    links, hashes = user.get("links"), user.get("link_hashes")
    ends: list[object] = []
    if isinstance(links, dict):
        ends = [link.get("expires") for link in links.values() if isinstance(link, dict)]
    if isinstance(hashes, list):  # the first edition's links expire together
        ends += [user.get("link_expires_at")] * len(hashes)
    live = [end for end in ends if isinstance(end, int) and end > now.timestamp()]
    if not live:
        return "none works" if ends else ""
    works = "1 works" if len(live) == 1 else f"{len(live)} work"
    return f"{works} until {moment(max(live), now)}"


def moment_of(stored: object) -> datetime | None:
    """Return a stored moment; None for any other value."""
    try:
        if isinstance(stored, int):
            return datetime.fromtimestamp(stored, timezone.utc)
        return durations.iso_moment(str(stored))
    except (ValueError, OverflowError, OSError):
        return None


def _age(stored: object, now: datetime) -> timedelta | None:
    at = moment_of(stored)
    return None if at is None else now - at


def distance(ahead: timedelta) -> str:
    """Return a span of time in words: ``in 2 hours``, ``3 minutes ago``."""
    seconds = abs(ahead.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if count := int(seconds // length):
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"in {words}" if ahead > timedelta() else f"{words} ago"
    return "now"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Binary):
        return bytes(value).hex()  # type: ignore[call-overload]  # unknown to the stubs
    if isinstance(value, set):
        return sorted(map(_plain, value))
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
