"""The states of a user's item as plain values, for tests of every transition."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from chalicelib.users.item import slot
from chalicelib.users.people import SignUp
from tests.support.stores import Plain, Store

NOW = datetime(2031, 5, 4, 12, 0, 0, 123456, tzinfo=timezone.utc)
NOW_STORED = "2031-05-04T12:00:00.123456Z"
EARLIER = NOW - timedelta(hours=1)
EARLIER_STORED = "2031-05-04T11:00:00.123456Z"
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
DAY = 24 * 3600

EMAIL = "alexis@example.org"
ALEXIS = SignUp(EMAIL, "Alexis", "GÜNST HORN", "fr")
LINK, NEW_LINK, OTHER_LINK = "1" * 64, "2" * 64, "3" * 64
TICKET, OTHER_TICKET = "a" * 64, "b" * 64
SLOT = slot(EMAIL)


def epoch(moment: datetime) -> int:
    return int(moment.timestamp())


SAID: Plain = {
    "prenom": "Alexis",
    "nom": "GÜNST HORN",
    "lang": "fr",
    "said_at": EARLIER_STORED,
}
LIVE: Plain = {"expires": epoch(NOW) + 1, "said": SAID, "ticket": TICKET}
CODE: Plain = {"code": "hash", "link": LINK, "expires": epoch(NOW) + 1, "tries": 0}
# A sign-up of an hour ago, and what has become of its mail since.
SIGNED_UP: Plain = {
    **SAID,
    "created_at": EARLIER_STORED,
    "ticket": TICKET,
    "mail_at": EARLIER_STORED,
}
ENDS: Plain = {"expires_at": epoch(NOW) + 6 * DAY}
"""The end of a sign-up that nobody confirms. It has none while a mail is owed."""
OWED: Plain = {"owed": SLOT, "owed_at": EARLIER_STORED}
MAILED: Plain = {
    "mail_link": LINK,
    "links": {LINK: LIVE},
    "mail_count": 1,
    "mail_window_at": EARLIER_STORED,
}
PROVEN: Plain = {
    "prenom": "Alexis",
    "nom": "GÜNST HORN",
    "lang": "fr",
    "created_at": EARLIER_STORED,
    "mail": "delivered",
    "mail_at": EARLIER_STORED,
    **MAILED,
    "validated_at": EARLIER_STORED,
    "validated_with": "link",
    "validated_link": LINK,
}
ANOTHERS: Plain = {"nom": "HORN", "plan": "gold"}

STATES: dict[str, Plain | None] = {
    "absent": None,
    "put": ANOTHERS,
    "put and owed": {**ANOTHERS, "mail": "owed", "mail_at": EARLIER_STORED, **OWED},
    "put and mailed": {
        **ANOTHERS,
        "mail": "sent",
        "mail_at": EARLIER_STORED,
        **MAILED,
        "links": {LINK: {"expires": epoch(NOW) + 1}},
    },
    "owed": {**SIGNED_UP, "mail": "owed", **OWED},
    "owed again": {**SIGNED_UP, "mail": "owed", **OWED, **MAILED},
    "sending": {**SIGNED_UP, "mail": "sending", **OWED, **MAILED},
    "sent": {**SIGNED_UP, "mail": "sent", **MAILED, **ENDS},
    "delivered": {**SIGNED_UP, "mail": "delivered", **MAILED, **ENDS},
    "failed": {**SIGNED_UP, "mail": "failed", "mail_error": "No.", **MAILED, **ENDS},
    "bounced": {
        "created_at": EARLIER_STORED,
        "mail": "bounced",
        "mail_at": EARLIER_STORED,
        "bounced_until": "2031-08-02T11:00:00.123456Z",
        **MAILED,
        "links": {LINK: {"expires": 0}},
    },
    "complained": {
        "created_at": EARLIER_STORED,
        "mail": "complained",
        "mail_at": EARLIER_STORED,
        **MAILED,
        "links": {LINK: {"expires": 0}},
    },
    "refused": {
        "created_at": EARLIER_STORED,
        "mail": "refused",
        "mail_at": EARLIER_STORED,
        **MAILED,
        "links": {LINK: {"expires": 0}},
    },
    "validated": PROVEN,
    "validated while owed": {**PROVEN, "mail": "owed"},
    "validated by another program": {**ANOTHERS, "validated_at": EARLIER_STORED},
}
KNOWN = set(STATES) - {"absent"}
VALIDATED = {state for state in KNOWN if state.startswith("validated")}
CLOSED = {"bounced", "complained", "refused", *VALIDATED}
PENDING = KNOWN - CLOSED


def put(store: Store, attributes: Plain | None) -> Plain | None:
    """Put Alexis's item with these attributes, and return it; put nothing for None."""
    if attributes is None:
        return None
    store.put(EMAIL, **attributes)
    return {"email": EMAIL, **attributes}


def item(store: Store) -> Plain:
    return store.item(EMAIL) or {}


def without(attributes: Plain, *names: str) -> Plain:
    return {name: value for name, value in attributes.items() if name not in names}
