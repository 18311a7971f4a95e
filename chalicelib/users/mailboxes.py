"""Mailboxes: the mails that all spellings of an address got, and refusals.

Each is an item in the table of limits. Its key is a keyed hash, so the table contains no addresses.
The item of a mailbox that got mail expires a day later. A refusal never expires.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.users import email_address
from chalicelib.users.item import MAX_MAILS, WINDOW
from chalicelib.users.moments import epoch, iso
from chalicelib.users.table import Table, mapping, string

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_MAILS = tuple(f"mail_{n}" for n in range(1, MAX_MAILS + 1))
"""The attributes of the latest mails, the newest first."""


class Rule(NamedTuple):
    """A provider's rules for the part before the @, and the domain that it uses as its own."""

    has_tags: bool = True
    ignores_dots: bool = False
    domain: str = ""


# RFC 5233, "user+detail": Gmail, Outlook, iCloud, Fastmail, Proton and most servers deliver it to
# "user". Where a server does not, both addresses share a limit and a refusal.
_ANY = Rule()
_GMAIL = Rule(ignores_dots=True, domain="gmail.com")
RULES: Mapping[str, Rule] = {
    "gmail.com": _GMAIL,  # https://support.google.com/mail/answer/7436150
    "googlemail.com": _GMAIL,  # https://en.wikipedia.org/wiki/History_of_Gmail#Trademark_disputes
    # The simulator is no mailbox: each label is a separate test.
    # https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
    "simulator.amazonses.com": Rule(has_tags=False),
}
"""The domains whose addresses have other spellings than a tag after ``+``. All others have that."""


def canonical_mailbox(address: str) -> str:
    """Return the spelling that represents all spellings of the mailbox of ``address``."""
    local, _, domain = email_address.without_additions(address).lower().rpartition("@")
    if not domain.isascii():  # another program may have stored it so
        import idna

        with suppress(UnicodeError):
            domain = idna.encode(domain, uts46=True).decode()
    rule = RULES.get(domain, _ANY)
    if rule.has_tags:
        local = local.partition("+")[0] or local
    if rule.ignores_dots:
        local = local.replace(".", "") or local
    return f"{local}@{rule.domain or domain}"


class Allowance(Enum):
    """The answer of a mailbox to one more mail."""

    FREE = "free"
    FULL = "full"
    REFUSED = "refused"


class Mailboxes:
    """The mailboxes in a table of limits. DynamoDB's own errors pass through."""

    def __init__(
        self, client: "DynamoDBClient", table: str, secret_key: str | Callable[[], str]
    ) -> None:
        self.table = Table(client, table, "name")
        self._secret_key = secret_key

    def count_mail(
        self, email: str, owed_at: str, now: datetime, *, has_limit: bool = True
    ) -> Allowance:
        """Count a mail to ``email``; return FULL or REFUSED if the mailbox takes no more.

        ``owed_at`` identifies the mail, so that retries count once. Without
        ``has_limit``, only a refusal stops the mail: no stranger can ask for it.
        """
        mail_id = self._hash(f"mail:{owed_at}:{email}")[:16]
        later = [
            f"{_MAILS[n]} = if_not_exists({_MAILS[n - 1]}, :none)" for n in range(1, MAX_MAILS)
        ]
        is_new = " AND ".join(f"NOT {name}.id = :id" for name in _MAILS)
        condition = f"attribute_not_exists(refused_at) AND {is_new}"
        values = {
            ":mail": {"id": mail_id, "counted_at": iso(now)},
            ":none": {"id": "", "counted_at": ""},
            ":id": mail_id,
            ":end": epoch(now + WINDOW),
        }
        if has_limit:
            oldest = _MAILS[-1]
            condition += (
                f" AND (attribute_not_exists({oldest}) OR {oldest}.counted_at <= :window_began)"
            )
            values[":window_began"] = iso(now - WINDOW)
        outcome = self.table.update(
            self._key(email),
            f"SET {', '.join(later)}, {_MAILS[0]} = :mail, expires_at = :end",
            condition,
            values,
        )
        if outcome.done:
            return Allowance.FREE
        if "refused_at" in outcome.item:
            return Allowance.REFUSED
        counted = [string(mapping(outcome.item, name), "id") for name in _MAILS]
        return Allowance.FREE if mail_id in counted else Allowance.FULL

    def refuse(self, email: str, now: datetime) -> None:
        """Record without end that the mailbox's owner wants no mail."""
        self.table.update(
            self._key(email),
            f"SET refused_at = :now REMOVE expires_at, {', '.join(_MAILS)}",
            "attribute_not_exists(refused_at)",
            {":now": iso(now)},
        )

    def allow(self, email: str, now: datetime) -> bool:
        """Lift a refusal; return False if there is none."""
        return self.table.update(
            self._key(email),
            "SET expires_at = :now REMOVE refused_at",
            "attribute_exists(refused_at)",
            {":now": epoch(now)},
        ).done

    def forget_mails(self, email: str) -> None:
        """Reset the count of the mailbox, so that an operator can send one more mail."""
        self.table.update(
            self._key(email),
            f"REMOVE {', '.join(_MAILS)}",
            f"attribute_exists({_MAILS[0]})",
            {},
        )

    def _key(self, email: str) -> str:
        return f"mailbox:{self._hash(f'mailbox:{canonical_mailbox(email)}')}"

    def _hash(self, text: str) -> str:
        message = text.encode(errors="surrogatepass")
        if callable(self._secret_key):
            self._secret_key = self._secret_key()
        return hmac.new(self._secret_key.encode(), message, hashlib.sha256).hexdigest()
