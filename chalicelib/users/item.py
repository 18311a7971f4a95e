"""A user's item: its attributes and their meaning, as pure functions.

docs/item.md describes every attribute. Items may also come from other programs, with attributes of
any type: an attribute of another type than ours counts as absent.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zlib import crc32

from chalicelib.users.moments import epoch, iso
from chalicelib.users.people import MailKind
from chalicelib.users.table import Item, Raw, attribute, mapping, number, string

LINK_LIFE = timedelta(hours=24)  # NIST SP 800-63A-4: at most 24 h; WCAG 2.2.1 exempts over 20 h
CODE_LIFE = timedelta(minutes=15)
UNVALIDATED_LIFE = timedelta(days=7)
"""The life of a sign-up that nobody confirms, from the attempt to mail it."""
BOUNCE_LIFE = timedelta(days=90)
LEASE = timedelta(minutes=5)
"""The time for which a claim is left alone. SES reports within seconds what it took."""
WINDOW = timedelta(hours=24)
"""The rolling window with MAX_MAILS mails of an address, and of a mailbox."""
MAX_MAILS = 5
MAX_OWN_MAILS = 10
"""The mails of an address in the time of MAX_MAILS, with those that mailed tokens ask for."""
MAX_COUNT = 1_000_000
MAX_ENTRIES = 64
"""Our maps never have more entries. A larger map is another program's, and counts as absent."""
MAX_LINKS = MAX_ENTRIES
"""At most 20 of them are live: two windows of MAX_OWN_MAILS may lie in the 24 hours of a link."""
MAX_LINKS_SIZE = 350_000
"""Bytes. Of an item's 400 KB, these take 20 links of the largest request, which has 16 KB."""
REFUSABLE_LIFE = timedelta(days=7)
"""The time in which the reader of an expired link can still refuse."""
MAX_SAID = 1024
"""The data of a sign-up is never longer, except for own fields and consents."""
MAX_SAID_IN_MAPS = 20_000
"""Bytes, and VALUE_COSTS for each part of a value. A request has 16 KB."""
VALUE_COSTS = 10
SLOTS = 16
WELCOMES = "w"
"""The start of the index's slots for owed welcomes."""

WORDS = ("prenom", "nom", "lang", "fields", "consent")
"""The data of a sign-up that the click makes the user's."""
SAID = (*WORDS, "return_to", "said_at")
"""The data of its sign-up that a link keeps."""
RESERVED = {"#fields": "fields"}
"""The one attribute whose name DynamoDB reserves, and the name that expressions give it."""
DELETED = "deleted"
"""The ``mail`` of an item that stays only until the deletion of its user is published."""
INDEXED = ("owed", "owed_at", "remind_at")
"""The attributes that keep an item in the index of owed mail, now or for a reminder."""
PENDING = ("ticket", "return_to", "said_at", "resend_of", "codes", "expires_at", *INDEXED)
"""The attributes that an item has only until it is validated."""

PROOF = ("validated_at", "validated_with", "validated_link")
"""The attributes that a click on a link, or a typed code, sets on every item."""


def path(name: str) -> str:
    """Return the name of the attribute ``name`` in expressions."""
    return f"#{name}" if f"#{name}" in RESERVED else name


ERASED = tuple(map(path, (*WORDS, *PENDING)))
"""The attributes removed when an address is closed, as expressions name them. Strangers' data, too.
"""


def event_owed(kind: str, now: datetime, **facts: str) -> tuple[str, dict[str, Any]]:
    """Return the assignments that owe the event ``user.<kind>``, and their values.

    The change needs ``:now``. ``facts`` is the event's data that the item does not hold.
    """
    change = (
        ", event = :event, event_at = if_not_exists(event_at, :now)"
        ", owed_events = list_append(if_not_exists(owed_events, :no_events), :owed_events)"
    )
    entry = {"kind": kind, "at": iso(now), **facts}
    return change, {":event": "owed", ":no_events": [], ":owed_events": [entry]}


def slots(*, of_welcomes: bool = False) -> list[str]:
    """Return the slots of the index of owed mail. Welcomes have their own: no brake stops them."""
    return [_slot(number, is_welcome=of_welcomes) for number in range(SLOTS)]


def slot(email: str, *, is_welcome: bool = False) -> str:
    """Return the slot of an item in the index of owed mail."""
    number = crc32(email.encode(errors="surrogatepass")) % SLOTS
    return _slot(number, is_welcome=is_welcome)


def _slot(number: int, *, is_welcome: bool) -> str:
    return f"{WELCOMES}{number:02}" if is_welcome else f"{number:02}"


def owed_values(
    email: str, now: datetime, *, since: str = "", is_welcome: bool = False
) -> dict[str, Any]:
    """Return the values of a transition that owes a mail: ``:owed, :now, :slot, :owed_at``.

    ``since`` is when the mail became due, in ISO 8601. It defaults to ``now``.
    """
    moment = iso(now)
    return {
        ":owed": "owed",
        ":now": moment,
        ":slot": slot(email, is_welcome=is_welcome),
        ":owed_at": since or moment,
    }


MAY_DROP_EXPIRY = "(attribute_exists(created_at) OR attribute_not_exists(expires_at))"
"""The condition under which a transition may remove ``expires_at``: no other program set it."""


def has_foreign_expiry(item: Item) -> bool:
    """Return True if another program gave the item its time to live."""
    return is_from_other_program(item) and "expires_at" in item


def may_expire(item: Item) -> bool:
    """Return True if the item is a sign-up that nobody has confirmed."""
    return "created_at" in item and "validated_at" not in item


def is_from_other_program(item: Item) -> bool:
    """Return True if another program put the item: only a sign-up sets ``created_at``."""
    return bool(item) and "created_at" not in item


def is_open(item: Item) -> bool:
    """Return True if the address may still be validated."""
    return "validated_at" not in item and string(item, "mail") != "refused"


def is_claimable(item: Item, now: datetime) -> bool:
    """Return True if a mail is owed, or if its claim is older than the lease.

    A validated user is owed only a welcome.
    """
    is_welcome = is_welcome_owed(item)
    if not item or ("validated_at" in item and not is_welcome):
        return False
    mail = string(item, "mail")
    if mail == "sending":
        return not _is_leased(item, now)
    return mail == "owed" or ("mail" not in item and not is_welcome)


def is_welcome_owed(item: Item) -> bool:
    """Return True if the item has been in the index since the click that validated its user."""
    return "owed" in item and "" < string(item, "owed_at") == string(item, "validated_at")


def is_reminder_due(item: Item, now: datetime) -> bool:
    """Return True if the reminder is due, and the user has not had the five mails of a day."""
    if "validated_at" in item or string(item, "mail") not in ("sent", "delivered"):
        return False
    is_due = "" < string(item, "remind_at") <= iso(now)
    return (
        is_due and number(item, "expires_at") > epoch(now) and next_count(item, now)[0] <= MAX_MAILS
    )


def is_being_sent(item: Item, now: datetime) -> bool:
    """Return True if a claim's lease has not ended: its mail is owed again if the claim fails."""
    is_owed = "validated_at" not in item or is_welcome_owed(item)
    return is_owed and string(item, "mail") == "sending" and _is_leased(item, now)


def _is_leased(item: Item, now: datetime) -> bool:
    """Return True if the claim is within its lease. Another program may have written any time."""
    return iso(now - LEASE) < string(item, "mail_at") <= iso(now + LEASE)


def may_be_reminded(item: Item) -> bool:
    """Return True if the item is a sign-up, and its user was never reminded."""
    return may_expire(item) and "reminded_at" not in item


def kind_of(item: Item) -> MailKind:
    """Return the purpose of the mail that the item owes.

    A reminder is owed since before its first claim. A mail requested after that is owed later.
    """
    if "validated_at" in item:
        return MailKind.WELCOME
    is_reminder = "" < string(item, "owed_at") <= string(item, "reminded_at")
    if is_reminder or string(item, "mail") in ("sent", "delivered"):
        return MailKind.REMINDER
    return MailKind.LINK


def is_requested_by_owner(item: Item) -> bool:
    """Return True if the mail was requested with a mailed token, which only its reader has."""
    return string(item, "resend_of") in (attribute(item, "links", "M") or {})


def is_fresh(item: Item) -> bool:
    """Return True if this version first owed the mail: no claim of it has been released."""
    if "mail" not in item:
        return True
    return string(item, "mail") == "owed" and item.get("owed_at") in (None, item.get("mail_at"))


def link_of(item: Item, link_hash: str) -> Item | None:
    """Return the link with that hash, or None.

    Links of the first edition are a set of hashes with one common end.
    """
    links = mapping(item, "links")
    if link_hash in links:
        return mapping(links, link_hash)
    if link_hash in (attribute(item, "link_hashes", "SS") or ()):
        return {"expires": item.get("link_expires_at", {"N": "0"})}
    return None


def link_hashes(item: Item) -> list[str]:
    """Return the hashes of the item's links."""
    return list(_entries(item, "links"))


def is_live(link: Item | None, now: datetime) -> bool:
    """Return True if the link exists and has not expired."""
    return link is not None and number(link, "expires") > epoch(now)


def kept_links(item: Item, now: datetime) -> dict[str, Raw]:
    """Return the item's links that stay beside a new one.

    A live link stays to its end, and an expired one for REFUSABLE_LIFE: its reader may be late to
    refuse. Links that were never mailed go. So do, if there are too many, those in doubt, the
    oldest first. If there is no room, expired links lose what they carry.
    """
    links = _entries(item, "links")
    last = string(item, "mail_link")
    if last in links:
        if string(item, "mail") == "sending":  # the lease is over, and SES is silent
            links[last] = {**links[last], "doubt": {"BOOL": True}}
        elif number(links[last], "expires") == 0:  # released
            del links[last]
    forgotten = epoch(now - REFUSABLE_LIFE)
    ends = {key: number(link, "expires") for key, link in links.items() if "expires" in link}
    known = [key for key, end in ends.items() if end == 0 or end > forgotten]
    known.sort(key=lambda key: ("doubt" not in links[key], ends[key]), reverse=True)
    kept: dict[str, Raw] = {}
    room = MAX_LINKS_SIZE
    for key in known[: MAX_LINKS - 1]:
        link = links[key]
        left = _remaining(link, room - len(key))
        if left < 0 and not is_live(link, now):
            link = {"expires": {"N": str(int(ends[key]))}}
            left = _remaining(link, room - len(key))
        if left >= 0:
            room = left
            kept[key] = Raw({"M": link})
    return kept


def sign_up_of(item: Item) -> tuple[Item | None, str]:
    """Return the data for the link of the next mail, and its ticket's hash.

    A resend with a token or ticket carries the data of that sign-up. Any other mail carries the
    data of the latest one. Links of another program's item carry nothing: its data stays as put.
    """
    if is_from_other_program(item):
        return None, ""
    asked = string(item, "resend_of")
    named = [
        entry
        for key, entry in _entries(item, "links").items()
        if asked and asked in (key, string(entry, "ticket"))
    ]
    if named:
        newest = max(named, key=lambda entry: string(mapping(entry, "said"), "said_at"))
        return mapping(newest, "said"), string(newest, "ticket")
    said = {name: item[name] for name in SAID if name in item and _is_bounded(item[name])}
    ticket = string(item, "ticket")
    return said, ticket if len(ticket) <= MAX_SAID else ""


def next_count(item: Item, now: datetime) -> tuple[int, str]:
    """Return the number of mails in the window, including the next one, and its start."""
    began = string(item, "mail_window_at")
    if not iso(now - WINDOW) < began <= iso(now):
        return 1, iso(now)
    count = int(min(number(item, "mail_count"), MAX_COUNT))
    if string(item, "mail") == "sending":  # the mail in doubt did not go out: this one replaces it
        return max(count, 1), began
    return count + 1, began


def expired_codes(item: Item, now: datetime) -> list[str]:
    """Return the tickets whose codes have expired, at most MAX_ENTRIES."""
    entries = (attribute(item, "codes", "M") or {}).items()
    expired = (key for key, entry in entries if number(entry.get("M", {}), "expires") <= epoch(now))
    return list(islice(expired, MAX_ENTRIES))


def version(item: Item) -> tuple[str, dict[str, Any]]:
    """Return the condition that the item is still the version that was read, and its values.

    Another program may have given ``mail`` and ``mail_at`` any type.
    """
    seen = {name: item[name] for name in ("mail", "mail_at") if name in item}
    absent = [f"attribute_not_exists({name})" for name in ("mail", "mail_at") if name not in seen]
    same = [f"{name} = :seen_{name}" for name in seen]
    values: Mapping[str, Any] = {f":seen_{name}": Raw(value) for name, value in seen.items()}
    return " AND ".join(same + absent), dict(values)


def _entries(item: Item, name: str) -> dict[str, Item]:
    """Return the maps in one of our maps, by their keys."""
    entries = attribute(item, name, "M") or {}
    if len(entries) > MAX_ENTRIES:
        return {}
    return {key: entry.get("M", {}) for key, entry in entries.items()}


def _is_bounded(value: Mapping[str, Any]) -> bool:
    """Return True if ``value`` can be a sign-up's: links carry nothing larger."""
    if isinstance(value, Mapping) and isinstance(text := value.get("S"), str):
        return len(text) <= MAX_SAID
    return _remaining(value, MAX_SAID_IN_MAPS) >= 0


def _remaining(value: object, room: int) -> int:
    """Return the rest of ``room`` bytes after ``value``; negative if it is too large.

    Each part costs VALUE_COSTS too: many small values take longer than a long one.
    """
    room -= VALUE_COSTS
    if isinstance(value, str | bytes):
        return room - _size(value)
    if isinstance(value, Mapping):
        room -= sum(map(_size, islice(value, MAX_SAID)))
        value = value.values()
    elif not isinstance(value, list):
        return room
    for inner in value:
        if room < 0:
            break
        room = _remaining(inner, room)
    return room


def _size(text: str | bytes) -> int:
    """Return how many bytes DynamoDB counts for ``text``."""
    if isinstance(text, bytes) or text.isascii():
        return len(text)
    return len(text.encode(errors="surrogatepass"))
