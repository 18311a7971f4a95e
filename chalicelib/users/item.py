"""A user's item: its attributes and their meaning, as pure functions.

docs/item.md describes every attribute. Items may also come from other programs, with attributes of
any type: what is not as expected counts as absent.
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
"""How long a sign-up that is not confirmed is kept once its mail has been tried."""
BOUNCE_LIFE = timedelta(days=90)
LEASE = timedelta(minutes=5)
"""How long a claim is left alone. SES reports what it took within seconds."""
WINDOW = timedelta(hours=24)
"""The time in which mails are counted: MAX_MAILS of an address, and of a mailbox. It rolls."""
MAX_MAILS = 5
MAX_LINKS = 5
MAX_COUNT = 1_000_000
MAX_ENTRIES = 64
"""A map of ours never has more. A larger one is another program's, and counts as absent."""
MAX_SAID = 1024
"""What a sign-up says is never longer, but for its own fields and consents."""
MAX_SAID_IN_MAPS = 100_000
VALUE_COSTS = 50
SLOTS = 16
WELCOMES = "w"
"""How the parts of the index begin that hold owed welcomes."""

WORDS = ("prenom", "nom", "lang", "fields", "consent")
"""What a sign-up says that becomes the user's by the click."""
SAID = (*WORDS, "return_to", "said_at")
"""What a link keeps of its sign-up."""
RESERVED = {"#fields": "fields"}
"""The one attribute whose name DynamoDB reserves, and the name that expressions give it."""
DELETED = "deleted"
"""The ``mail`` of an item that stays only until the stage's events say that its user is gone."""
INDEXED = ("owed", "owed_at", "remind_at")
"""What keeps an item in the index of owed mail, now or for a reminder."""
PENDING = ("ticket", "return_to", "said_at", "resend_of", "codes", "expires_at", *INDEXED)
"""What an item has only until it is validated."""

PROOF = ("validated_at", "validated_with", "validated_link")
"""What a click on a link, or a typed code, leaves on every item."""


def path(name: str) -> str:
    """Return how expressions name the attribute ``name``."""
    return f"#{name}" if f"#{name}" in RESERVED else name


ERASED = tuple(map(path, (*WORDS, *PENDING)))
"""What an item loses when its address is closed, as expressions name it: words of strangers, too.
"""


def event_owed(kind: str, now: datetime, **facts: str) -> tuple[str, dict[str, Any]]:
    """Return what a transition sets so that the event ``user.<kind>`` is owed, and the values.

    The change needs ``:now``. ``facts`` are what the event says beside what the item holds.
    """
    change = (
        ", event = :event, event_at = if_not_exists(event_at, :now)"
        ", owed_events = list_append(if_not_exists(owed_events, :no_events), :owed_events)"
    )
    entry = {"kind": kind, "at": iso(now), **facts}
    return change, {":event": "owed", ":no_events": [], ":owed_events": [entry]}


def slots(*, of_welcomes: bool = False) -> list[str]:
    """Return the parts of the index of owed mail. Welcomes have their own: no brake stops them."""
    return [_slot(number, is_welcome=of_welcomes) for number in range(SLOTS)]


def slot(email: str, *, is_welcome: bool = False) -> str:
    """Return the part of the index of owed mail that an item belongs to."""
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
"""The condition that a transition may remove ``expires_at``: another program has not set it."""


def has_foreign_expiry(item: Item) -> bool:
    """Return True if the item has a time to live that another program gave it."""
    return is_from_other_program(item) and "expires_at" in item


def may_expire(item: Item) -> bool:
    """Return True if the item is a sign-up's that has not been confirmed."""
    return "created_at" in item and "validated_at" not in item


def is_from_other_program(item: Item) -> bool:
    """Return True if another program put the item: a sign-up's item says when it was created."""
    return bool(item) and "created_at" not in item


def is_open(item: Item) -> bool:
    """Return True if the address may still be validated."""
    return "validated_at" not in item and string(item, "mail") != "refused"


def is_claimable(item: Item, now: datetime) -> bool:
    """Return True if a mail is owed, or if the claim of one has outlived its lease.

    A validated user is owed a welcome, or nothing.
    """
    is_welcome = is_welcome_owed(item)
    if not item or ("validated_at" in item and not is_welcome):
        return False
    mail = string(item, "mail")
    if mail == "sending":
        return string(item, "mail_at") <= iso(now - LEASE)
    return mail == "owed" or ("mail" not in item and not is_welcome)


def is_welcome_owed(item: Item) -> bool:
    """Return True if the item is in the index since the click that validated its user."""
    return "owed" in item and "" < string(item, "owed_at") == string(item, "validated_at")


def is_reminder_due(item: Item, now: datetime) -> bool:
    """Return True if the user is to be reminded of their mail now, within the cap of mails."""
    if "validated_at" in item or string(item, "mail") not in ("sent", "delivered"):
        return False
    is_due = "" < string(item, "remind_at") <= iso(now)
    return (
        is_due and number(item, "expires_at") > epoch(now) and next_count(item, now)[0] <= MAX_MAILS
    )


def is_being_sent(item: Item, now: datetime) -> bool:
    """Return True if a claim's lease goes on, and its mail is still owed if that claim fails."""
    is_owed = "validated_at" not in item or is_welcome_owed(item)
    is_leased = string(item, "mail_at") > iso(now - LEASE)
    return is_owed and is_leased and string(item, "mail") == "sending"


def may_be_reminded(item: Item) -> bool:
    """Return True if the item is a sign-up's whose user was never reminded."""
    return may_expire(item) and "reminded_at" not in item


def kind_of(item: Item) -> MailKind:
    """Return what the mail is for that the item owes.

    A reminder is owed since before it was first claimed; what is asked for later is owed later.
    """
    if "validated_at" in item:
        return MailKind.WELCOME
    is_reminder = "" < string(item, "owed_at") <= string(item, "reminded_at")
    if is_reminder or string(item, "mail") in ("sent", "delivered"):
        return MailKind.REMINDER
    return MailKind.LINK


def is_requested_by_owner(item: Item) -> bool:
    """Return True if the mail was asked for with a mailed token, which the mailbox's reader has."""
    return string(item, "resend_of") in (attribute(item, "links", "M") or {})


def is_fresh(item: Item) -> bool:
    """Return True if the mail is owed since this version: no claim of it has been released."""
    if "mail" not in item:
        return True
    return string(item, "mail") == "owed" and item.get("owed_at") in (None, item.get("mail_at"))


def link_of(item: Item, link_hash: str) -> Item | None:
    """Return the link of that hash, or None.

    Links of the first edition are a set of hashes with one common end.
    """
    links = mapping(item, "links")
    if link_hash in links:
        return mapping(links, link_hash)
    if link_hash in (attribute(item, "link_hashes", "SS") or ()):
        return {"expires": item.get("link_expires_at", {"N": "0"})}
    return None


def is_live(link: Item | None, now: datetime) -> bool:
    """Return True if the link is there and has not expired."""
    return link is not None and number(link, "expires") > epoch(now)


def kept_links(item: Item, now: datetime) -> dict[str, Raw]:
    """Return the item's live links, and the one that expired last: its click is answered so.

    These are MAX_LINKS - 1 at most, as one more is to come. Links that were never mailed go.
    """
    links = _entries(item, "links")
    mailed = [key for key in links if number(links[key], "expires") > 0]
    newest = sorted(mailed, key=lambda key: number(links[key], "expires"))[1 - MAX_LINKS :]
    expired = [key for key in newest if not is_live(links[key], now)]
    return {key: Raw({"M": links[key]}) for key in newest if key not in expired[:-1]}


def all_links(item: Item) -> dict[str, Raw]:
    """Return the item's links, expired ones too."""
    return {key: Raw({"M": entry}) for key, entry in _entries(item, "links").items()}


def sign_up_of(item: Item) -> tuple[Item | None, str]:
    """Return what the link of the next mail carries, and its ticket's hash.

    A resend that named a token or ticket carries what that sign-up said; any other mail carries
    what the latest one said. Items of other programs carry nothing: their words are theirs.
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
    """Return how many mails the window has with the one to come, and when the window began."""
    began = string(item, "mail_window_at")
    if not iso(now - WINDOW) < began <= iso(now):
        return 1, iso(now)
    count = int(min(number(item, "mail_count"), MAX_COUNT))
    if string(item, "mail") == "sending":  # the mail in doubt did not go out, and is this one
        return max(count, 1), began
    return count + 1, began


def expired_codes(item: Item, now: datetime) -> list[str]:
    """Return the tickets whose codes have expired, MAX_ENTRIES at the most."""
    entries = (attribute(item, "codes", "M") or {}).items()
    expired = (key for key, entry in entries if number(entry.get("M", {}), "expires") <= epoch(now))
    return list(islice(expired, MAX_ENTRIES))


def version(item: Item) -> tuple[str, dict[str, Any]]:
    """Return the condition that the item still is the version seen, and its values.

    Another program may have given ``mail`` and ``mail_at`` any type.
    """
    seen = {name: item[name] for name in ("mail", "mail_at") if name in item}
    absent = [f"attribute_not_exists({name})" for name in ("mail", "mail_at") if name not in seen]
    same = [f"{name} = :seen_{name}" for name in seen]
    values: Mapping[str, Any] = {f":seen_{name}": Raw(value) for name, value in seen.items()}
    return " AND ".join(same + absent), dict(values)


def _entries(item: Item, name: str) -> dict[str, Item]:
    """Return the maps in a map of ours by their keys."""
    entries = attribute(item, name, "M") or {}
    if len(entries) > MAX_ENTRIES:
        return {}
    return {key: entry.get("M", {}) for key, entry in entries.items()}


def _is_bounded(value: Mapping[str, Any]) -> bool:
    """Return True if a sign-up may have said ``value``: links carry nothing larger."""
    if isinstance(value, Mapping) and isinstance(text := value.get("S"), str):
        return len(text) <= MAX_SAID
    return _remaining(value, MAX_SAID_IN_MAPS) >= 0


def _remaining(value: object, room: int) -> int:
    """Return how much of ``room`` characters ``value`` leaves; below 0 as soon as it is too large.

    Each value counts for VALUE_COSTS at least, as many small ones take longer than a long one.
    """
    room -= VALUE_COSTS
    if isinstance(value, str):
        return room - len(value)
    if isinstance(value, Mapping):
        room -= sum(map(len, islice(value, MAX_SAID)))
        value = value.values()
    elif not isinstance(value, list):
        return room
    for inner in value:
        if room < 0:
            break
        room = _remaining(inner, room)
    return room
