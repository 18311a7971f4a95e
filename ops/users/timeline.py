"""A user's life in plain words: what happened, by whom, and what is still to come."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.users.item import LINK_LIFE
from ops.users import acts, person
from ops.users.person import Plain


@dataclass(frozen=True)
class Entry:
    """One thing that happened, or that will. ``by`` is the ARN of the operator who did it."""

    at: datetime
    words: str
    by: str = ""


_MAILS = {
    "owed": "A mail is owed",
    "sending": "A function started to send the mail to SES",
    "sent": "SES took the mail",
    "delivered": "The mailbox's server took the mail",
    "failed": "The mail failed",
    "bounced": "The mailbox's server refused the mail",
    "complained": "The user marked the mail as spam",
    "refused": 'The user said "this was not me"',
}
_OPERATORS = ("owed", "failed", "refused")
"""The states that an act of an operator may begin. The act says more than the state."""


def entries(user: Plain, now: datetime) -> list[Entry]:
    """Return what the item says of the user's life, the earliest first.

    The item keeps the latest mail and the links of a week, so earlier mails may be missing.
    """
    by_hand = list(_acts(user))
    moments = {entry.at for entry in by_hand}
    arrival = [entry for entry in _arrival(user) if entry.at not in moments]
    mail = [] if _is_an_act(user, moments) else _mail(user)
    end = [entry for entry in _confirmation(user) if entry.at not in moments]
    natural = [
        *arrival,
        *_consents(user),
        *by_hand,
        *_links(user, now),
        *mail,
        *end,
        *_ahead(user, now),
    ]
    # A link is stored with its second alone, so what shares a second keeps the natural order.
    return sorted(natural, key=lambda entry: entry.at.replace(microsecond=0))


def _acts(user: Plain) -> Iterator[Entry]:
    kept = user.get("acts")
    for act in kept if isinstance(kept, list) else []:
        if isinstance(act, Mapping):
            name = str(act.get("act", ""))
            words = acts.WORDS.get(name, name)
            yield from _entry(act.get("at"), words[:1].upper() + words[1:], str(act.get("by", "")))


def _arrival(user: Plain) -> Iterator[Entry]:
    came, said = user.get("created_at"), user.get("said_at")
    yield from _entry(came, "Signed up")
    if said != came:
        yield from _entry(said, "Signed up again")
    yield from _entry(user.get("imported_at"), "Imported")


def _consents(user: Plain) -> Iterator[Entry]:
    consents = user.get("consent")
    for name, given in consents.items() if isinstance(consents, Mapping) else []:
        if isinstance(given, Mapping):
            yield from _entry(given.get("at"), f"Agreed to {name}")
            yield from _entry(given.get("withdrawn_at"), f"The consent to {name} is withdrawn")


def _links(user: Plain, now: datetime) -> Iterator[Entry]:
    links = user.get("links")
    for link in links.values() if isinstance(links, Mapping) else []:
        end = person.moment_of(link.get("expires")) if isinstance(link, Mapping) else None
        if end is None or end.timestamp() <= 0:  # a refusal ends a link so
            continue
        yield Entry(end - LINK_LIFE, "A mail with a link was made")
        if "validated_at" not in user:
            yield Entry(end, "This link expires" if end > now else "A link expired")


def _mail(user: Plain) -> Iterator[Entry]:
    mail, error = str(user.get("mail")), user.get("mail_error")
    if mail in _MAILS:
        words = _MAILS[mail]
        if mail == "refused" and "refused_by" in user:
            words = "Mail refused on the user's request"
        elif mail == "refused" and "validated_at" in user:
            words = "The user unsubscribed"
        yield from _entry(user.get("mail_at"), f"{words}: {error}" if error else words)
    yield from _entry(user.get("reminded_at"), "The user was reminded")
    if mail != "delivered":
        yield from _entry(user.get("delivered_at"), _MAILS["delivered"])


def _is_an_act(user: Plain, moments: set[datetime]) -> bool:
    return user.get("mail") in _OPERATORS and person.moment_of(user.get("mail_at")) in moments


def _confirmation(user: Plain) -> Iterator[Entry]:
    how, who = user.get("validated_with"), user.get("validated_by")
    words = f"Confirmed the address with a {how}" if how else "Confirmed the address"
    if who:
        words = f"Validated by {'an import' if who == 'import' else f'the {who}'}"
    yield from _entry(user.get("validated_at"), words)
    yield from _entry(user.get("welcomed_at"), "The welcome was sent")


def _ahead(user: Plain, now: datetime) -> Iterator[Entry]:
    bounce_ends = person.moment_of(user.get("bounced_until"))
    if bounce_ends and user.get("mail") == "bounced":
        forgotten = "The bounce is forgotten: the user may request mail again"
        yield Entry(bounce_ends, forgotten if bounce_ends > now else "The bounce was forgotten")
    reminder = person.moment_of(user.get("remind_at"))
    if reminder and reminder > now and "validated_at" not in user:
        yield Entry(reminder, "The user is reminded, unless the address is confirmed")
    ends = person.moment_of(user.get("expires_at"))
    if ends and "validated_at" not in user:
        deleted = "All of this is deleted, unless the address is confirmed"
        yield Entry(ends, deleted if ends > now else "Too old: counts as deleted")


def _entry(stored: object, words: str, by: str = "") -> Iterator[Entry]:
    at = person.moment_of(stored)
    if at is not None:
        yield Entry(at, words, by)
