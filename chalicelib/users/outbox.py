"""The mail's transitions: owed, claimed, released, sent, delivered, failed.

The user's item is the outbox: ``mail`` is the mail's state, and ``owed`` puts the item into a
sparse index. Each transition is one conditional UpdateItem, as in store.py.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import merge
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.logs import hashed
from chalicelib.users.item import (
    BOUNCE_LIFE,
    CODE_LIFE,
    ERASED,
    INDEXED,
    LEASE,
    LINK_LIFE,
    RESERVED,
    UNVALIDATED_LIFE,
    WELCOMES,
    event_owed,
    expired_codes,
    is_claimable,
    is_from_other_program,
    is_reminder_due,
    is_welcome_owed,
    kept_links,
    kind_of,
    link_of,
    may_be_reminded,
    may_expire,
    next_count,
    owed_values,
    sign_up_of,
    slot,
    slots,
    version,
)
from chalicelib.users.moments import epoch, iso
from chalicelib.users.people import MailKind, User, Verdict
from chalicelib.users.table import Item, Raw, Table, mapping, string, typed_values

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

log = logging.getLogger(__name__)

INDEX = "owed"
SUPPRESSED_LIFE = timedelta(days=14)
MAX_ERROR_LENGTH = 500
_TRIES = 3
"""The most changes of an item by others while the sending of its mail ends."""

_MAY_EXPIRE = "attribute_exists(created_at) AND attribute_not_exists(validated_at)"
_NOT_OWED = ", ".join(INDEXED)

_UNPROVEN, _WELCOME = "attribute_not_exists(validated_at)", "owed_at = validated_at"
"""The conditions that a user is not validated, and that a validated user is owed a welcome."""

# Another program may have written any moment. Another function's clock may be a little ahead.
_IN_NO_LEASE = "mail = :sending AND NOT (mail_at > :lease_ended AND mail_at <= :ahead)"
OVERDUE = (
    f"{_UNPROVEN} AND (attribute_not_exists(mail)"
    " OR mail = :owed AND NOT (mail_at > :before AND mail_at <= :ahead)"
    f" OR {_IN_NO_LEASE})"
)
"""The condition that an item owes a mail since ``:before``, or since the end of a lease."""
_OVERDUE_WELCOME = f"{_WELCOME} AND (mail = :owed OR {_IN_NO_LEASE})"


def overdue(before: datetime, now: datetime) -> dict[str, str]:
    """Return the values of OVERDUE."""
    return {
        ":owed": "owed",
        ":sending": "sending",
        ":before": iso(before),
        ":lease_ended": iso(now - LEASE),
        ":ahead": iso(now + LEASE),
    }


class Claim(NamedTuple):
    """A mail that this process alone may send until the lease ends.

    ``link_hash`` names the claim. ``takes_code`` is False if no browser waits for the code: for
    items that another program put, and for reminders. ``may_expire`` is False for these items, too,
    and for welcomes: only sign-ups that nobody confirms expire once their mail has been tried.
    """

    user: User
    link_hash: str
    takes_code: bool
    kind: MailKind = MailKind.LINK
    may_expire: bool = True


class _ExpectedState(NamedTuple):
    """The state of an item when the sending of its mail ends.

    ``mail`` is the state before the end. With ``waits`` the item stays in the index for its
    reminder. With ``expires`` it gets the time to live that it cannot have while it owes a mail.
    """

    mail: str
    waits: bool
    expires: bool

    @classmethod
    def of(cls, item: Item) -> "_ExpectedState":
        mail = string(item, "mail")
        return cls(mail, "remind_at" in item, mail == "sending" and may_expire(item))

    @property
    def condition(self) -> str:
        same = f"mail = :seen AND attribute_{'' if self.waits else 'not_'}exists(remind_at)"
        if self.mail != "sending":
            return same
        return f"{same} AND {_MAY_EXPIRE}" if self.expires else f"{same} AND NOT ({_MAY_EXPIRE})"


class Owed(NamedTuple):
    """An entry of an index: a user, and since when their mail or events are owed (ISO 8601)."""

    since: str
    email: str


class Outbox:
    """The owed mail of the users in a table. DynamoDB's own errors pass through.

    Users who do not validate get one reminder, ``remind_after`` the mail; none if it is None.
    With ``welcomes``, users who validate are owed a welcome. With ``has_events``, a bounce or
    complaint owes an event too.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        remind_after: timedelta | None = None,
        welcomes: bool = False,
        has_events: bool = False,
    ) -> None:
        self.table = Table(client, table, "email")
        self._remind_after = remind_after
        self._welcomes = welcomes
        self._has_events = has_events

    def read(self, email: str) -> Item:
        """Return a user's item as it is now; empty if there is none."""
        return self.table.get(email)

    def owes(self, image: Item, now: datetime) -> bool:
        """Return True if the item owes a mail that may be claimed, or a reminder that is due.

        A stage that sends no welcomes owes none, even if it sent them when the user validated.
        """
        if is_claimable(image, now):
            return self._welcomes or not is_welcome_owed(image)
        return self._remind_after is not None and is_reminder_due(image, now)

    def claim(
        self, image: Item, link_hash: str, now: datetime, code_hash: str = ""
    ) -> Claim | None:
        """Claim the mail that the item ``image`` owes; return None if it no longer owes one.

        The claim names the version of ``image`` (``mail``, ``mail_at``), so a stale or repeated
        record claims nothing. ``link_hash`` becomes a link for LINK_LIFE, with its sign-up's data.
        Raises table.ItemFull.
        """
        if not self.owes(image, now):
            return None
        email, kind = image["email"]["S"], kind_of(image)
        is_welcome = kind is MailKind.WELCOME
        said, ticket = (None, "") if is_welcome else sign_up_of(image)
        link: dict[str, Any] = {"expires": 0 if is_welcome else epoch(now + LINK_LIFE)}
        if said is not None:
            link["said"] = {name: Raw(value) for name, value in said.items()}
        if ticket:
            link["ticket"] = ticket
        same_version, values = version(image)
        names: dict[str, str] = {}
        values |= {
            ":sending": "sending",
            ":now": iso(now),
            ":link": link_hash,
            ":links": {**kept_links(image, now), link_hash: link},
            ":slot": slot(email, is_welcome=is_welcome),
            ":owed_at": string(image, "owed_at") or iso(now),
        }
        if not is_welcome:  # no stranger can request a welcome, so the limit does not count it
            values[":count"], values[":window_at"] = next_count(image, now)
        # The claim after a release carries the same data.
        resend_of = ", resend_of = :link" if string(image, "resend_of") else ""
        expiry = _expiry_to_remove(image)
        takes_code = bool(ticket and code_hash) and kind is MailKind.LINK
        if is_welcome:
            change = (
                "SET mail = :sending, mail_at = :now, mail_link = :link, links = :links"
                ", owed = :slot, owed_at = :owed_at"
                f", welcomed_at = :now{resend_of}{_remove(expiry)}"
            )
        elif kind is MailKind.REMINDER:
            change = (
                "SET mail = :sending, mail_at = :now, mail_link = :link, links = :links"
                ", owed = :slot, owed_at = :owed_at"
                ", mail_count = :count, mail_window_at = :window_at"
                f", reminded_at = :now{resend_of}{_remove([*expiry, 'remind_at'])}"
            )
        else:
            mailed_at = ", mailed_at = :now" if self._welcomes else ""
            remind_at = self._set_reminder(image, now, values)
            code = ""
            codes_removed: list[str] = []
            if takes_code:
                code, codes_removed = _set_code(image, ticket, code_hash, now, values, names)
            change = (
                "SET mail = :sending, mail_at = :now, mail_link = :link, links = :links"
                ", owed = :slot, owed_at = :owed_at"
                ", mail_count = :count, mail_window_at = :window_at"
                f"{mailed_at}{remind_at}{resend_of}{code}{_remove([*expiry, *codes_removed])}"
            )
        outcome = self.table.update(
            email,
            change,
            f"attribute_exists(email) AND {_is_owed(image)} AND {same_version}",
            values,
            names,
            moment="mail_at",
        )
        if not outcome.done:
            return None
        words = image if said is None else said
        prenom, nom, lang = (string(words, name) for name in ("prenom", "nom", "lang"))
        user = User(email, prenom, nom, lang)
        return Claim(user, link_hash, takes_code, kind, may_expire(image))

    def release(self, claim: Claim, error: str, now: datetime) -> bool:
        """Undo a claim if SES certainly did not take its mail: the mail stays owed."""
        values: dict[str, Any] = {
            ":owed": "owed",
            ":sending": "sending",
            ":link": claim.link_hash,
            ":now": iso(now),
            ":error": error[:MAX_ERROR_LENGTH],
            ":past": 0,
        }
        is_counted = claim.kind is not MailKind.WELCOME
        if is_counted:
            values[":one"] = 1
        count = ", mail_count = mail_count - :one" if is_counted else ""
        return self.table.update(
            claim.user.email,
            "SET mail = :owed, mail_at = :now, mail_error = :error, links.#link.expires = :past"
            f"{count}",
            "mail = :sending AND mail_link = :link",
            values,
            {"#link": claim.link_hash},
            moment="mail_at",
        ).done

    def sent(self, claim: Claim, message_id: str, now: datetime) -> bool:
        """Record that SES took the claimed mail."""
        return self._finish(
            claim.user.email,
            claim.link_hash,
            "sent",
            {"message_id": message_id},
            now,
            ("sending",),
            may_expire=claim.may_expire,
        )

    def failed(self, claim: Claim, error: str, now: datetime) -> bool:
        """Record that the claimed mail can never be delivered, and why."""
        return self._finish(
            claim.user.email,
            claim.link_hash,
            "failed",
            {"mail_error": error[:MAX_ERROR_LENGTH]},
            now,
            ("sending",),
            may_expire=claim.may_expire,
        )

    def give_up(self, image: Item, error: str, now: datetime) -> bool:
        """Record that the mail owed by ``image`` is not sent, and why. There is no claim yet."""
        end, values = _expiry_of(image, now)
        return self._settle(
            image,
            f"SET mail = :failed, mail_at = :now, mail_error = :error{end} REMOVE {_NOT_OWED}",
            {":failed": "failed", ":error": error[:MAX_ERROR_LENGTH], **values},
            now,
        )

    def refuse(self, image: Item, now: datetime) -> bool:
        """Record that the owner of the mailbox refused mail before ``image`` owed one.

        A stranger's data is erased. The item expires as usual: the mailbox's own item remembers.
        """
        end, values = _expiry_of(image, now)
        change = f"SET mail = :refused, mail_at = :now{end} REMOVE "
        erased = [name for name in ERASED if name != "expires_at"]
        is_anothers = is_from_other_program(image)
        return self._settle(
            image,
            change + (_NOT_OWED if is_anothers else ", ".join([*erased, "links"])),
            {":refused": "refused", **values},
            now,
            {} if is_anothers else RESERVED,
        )

    def owe(self, image: Item, now: datetime) -> bool:
        """Put the mail that ``image`` owes into the index, and keep the item until it is tried.

        Raises table.ItemFull.
        """
        values = owed_values(
            string(image, "email"),
            now,
            since=string(image, "owed_at"),
            is_welcome=is_welcome_owed(image),
        )
        change = "SET mail = :owed, mail_at = :now, owed = :slot, owed_at = :owed_at"
        return self._settle(image, change + _remove(_expiry_to_remove(image)), values, now)

    def leave_index(self, image: Item) -> bool:
        """Remove an item that owes nothing from the index.

        Another program has changed it, or the stage sends no more welcomes or reminders.
        """
        if not image:
            return False
        same_version, values = version(image)
        return self.table.update(
            image["email"]["S"],
            f"REMOVE {_NOT_OWED}",
            f"attribute_exists(email) AND {same_version}",
            values,
        ).done

    def owed(self, before: datetime, *, only_welcomes: bool = False) -> Iterator[Owed]:
        """Yield the mail in the index that has been owed since before ``before``, oldest first."""

        def of(slot: str) -> Iterator[tuple[str, str]]:
            condition = "owed = :slot AND owed_at < :before"
            values = {":slot": slot, ":before": iso(before)}
            for keys in self.table.query(INDEX, condition, values):
                yield keys["owed_at"]["S"], keys["email"]["S"]

        asked = [] if only_welcomes else slots()
        if self._welcomes:
            asked += slots(of_welcomes=True)
        for since, email in merge(*map(of, asked)):
            yield Owed(since, email)

    def unindexed(self, segment: int, segments: int, now: datetime) -> Iterator[Item]:
        """Yield items of a segment of the table whose owed mail no query of the index finds.

        Another program put them and their record was lost, or the first edition owed them. Also
        yield sign-ups to which an earlier version gave a time to live while they owed a mail. And
        yield welcomes that an earlier version owed, or that the stage no longer sends.
        """
        is_unseen = (
            "NOT begins_with(owed, :welcomes)" if self._welcomes else "attribute_exists(owed)"
        )
        values = overdue(now, now) | ({":welcomes": WELCOMES} if self._welcomes else {})
        pages = self.table.client.get_paginator("scan").paginate(
            TableName=self.table.name,
            Segment=segment,
            TotalSegments=segments,
            ProjectionExpression="email, created_at, mail, mail_at, owed, owed_at, validated_at",
            FilterExpression=(
                "(attribute_not_exists(owed)"
                " OR attribute_exists(created_at) AND attribute_exists(expires_at))"
                f" AND {OVERDUE} OR {_OVERDUE_WELCOME} AND {is_unseen}"
            ),
            ExpressionAttributeValues=typed_values(values),
        )
        for page in pages:
            yield from page["Items"]

    def report_sent(self, email: str, link_hash: str, message_id: str, now: datetime) -> bool:
        """Record SES's report that it took the mail, if the claim is in doubt."""
        said = {"message_id": message_id}
        return self._finish(email, link_hash, "sent", said, now, ("sending",))

    def report_delivered(
        self, email: str, link_hash: str, message_id: str, took_ms: int, now: datetime
    ) -> bool:
        """Record SES's report that the mailbox's server took the mail, after ``took_ms``."""
        said = {"message_id": message_id, "delivered_at": iso(now), "delivery_ms": took_ms}
        is_recorded = self._finish(email, link_hash, "delivered", said, now)
        if is_recorded:  # a metric counts this line and reads the time from its field
            extra = {"delivery_ms": took_ms}
            log.info("mail delivered user=%s in %d ms", hashed(email), took_ms, extra=extra)
        return is_recorded

    def report_delayed(
        self, email: str, link_hash: str, message_id: str, reason: str, now: datetime
    ) -> bool:
        """Record that the mailbox's server does not take the mail yet. SES keeps trying."""
        said = {"message_id": message_id, "mail_error": reason[:MAX_ERROR_LENGTH]}
        return self._finish(email, link_hash, "sent", said, now)

    def report_rejected(self, email: str, link_hash: str, reason: str, now: datetime) -> bool:
        """Record that SES took the mail but will not deliver it."""
        said = {"mail_error": reason[:MAX_ERROR_LENGTH]}
        return self._finish(email, link_hash, "failed", said, now)

    def report_verdict(
        self,
        email: str,
        link_hash: str,
        verdict: Verdict,
        now: datetime,
        *,
        reason: str = "",
        life: timedelta = BOUNCE_LIFE,
    ) -> bool:
        """Send no more mail to an address that bounced or complained.

        A bounce is forgotten after ``life``, a complaint never. A complaint outweighs a bounce:
        someone reads that mailbox. Unconfirmed data is erased: a stranger may have entered it.
        """
        change = "SET mail = :verdict, mail_at = :now, mail_error = :error"
        values: dict[str, Any] = {
            ":verdict": verdict.value,
            ":now": iso(now),
            ":error": reason[:MAX_ERROR_LENGTH],
        }
        is_known = "mail = :verdict"
        if verdict is Verdict.BOUNCED:
            change += ", bounced_until = :until"
            values[":until"] = iso(now + life)
            is_known = "mail IN (:verdict, :complained, :refused)"
            values |= {":complained": Verdict.COMPLAINED.value, ":refused": "refused"}
        if self._has_events:
            event, owed = event_owed(verdict.value, now, reason=reason[:MAX_ERROR_LENGTH])
            change += event
            values |= owed
        condition = f"attribute_exists(links.#link) AND NOT {is_known}"
        names = {"#link": link_hash}
        outcome = self.table.update(
            email,
            f"{change}, links = :bare REMOVE {', '.join(ERASED)}",
            f"{condition} AND attribute_exists(created_at) AND attribute_not_exists(validated_at)",
            {**values, ":bare": {link_hash: {"expires": 0}}},
            {**names, **RESERVED},
            moment="mail_at",
        )
        is_anothers = "validated_at" in outcome.item or is_from_other_program(outcome.item)
        if not outcome.done and is_anothers and link_of(outcome.item, link_hash) is not None:
            outcome = self.table.update(
                email, f"{change} REMOVE {_NOT_OWED}", condition, values, names, moment="mail_at"
            )
        if outcome.done:
            log.info("mail %s user=%s", verdict.value, hashed(email))
        return outcome.done

    def _settle(
        self,
        image: Item,
        change: str,
        values: Mapping[str, Any],
        now: datetime,
        names: Mapping[str, str] | None = None,
    ) -> bool:
        """Change the item if it is still the version read and owes a mail. Raise table.ItemFull."""
        if not self.owes(image, now):
            return False
        same_version, seen = version(image)
        return self.table.update(
            image["email"]["S"],
            change,
            f"attribute_exists(email) AND {_is_owed(image)} AND {same_version}",
            {**seen, **values, ":now": iso(now)},
            names,
            moment="mail_at",
        ).done

    def _set_reminder(self, image: Item, now: datetime, values: dict[str, Any]) -> str:
        """Return the part of a claim that plans a reminder; empty if none is to come."""
        if self._remind_after is None or not may_be_reminded(image):
            return ""
        values[":remind_at"] = iso(now + self._remind_after)
        return ", remind_at = :remind_at"

    def _finish(
        self,
        email: str,
        link_hash: str,
        mail: str,
        said: Mapping[str, object],
        now: datetime,
        ends: tuple[str, ...] = ("sent", "sending"),
        *,
        may_expire: bool = True,
    ) -> bool:
        """End the sending of a mail: set the state ``mail`` and the attributes in ``said``.

        If SES took the mail, the item leaves the index, or waits there for its reminder. The item
        says which, and if it now expires. The first update assumes the most likely case.
        """
        given = {f":{mail}": mail, ":now": iso(now), **{f":{name}": said[name] for name in said}}
        facts = "".join(f", {name} = :{name}" for name in said)
        was = ends[0]
        seen = _ExpectedState(was, self._remind_after is not None, was == "sending" and may_expire)
        for _ in range(_TRIES):
            waits = seen.waits and mail != "failed"
            values = {**given, ":link": link_hash, ":seen": seen.mail}
            if seen.expires:
                values[":expires_at"] = epoch(now + UNVALIDATED_LIFE)
            owed_at = ", owed_at = remind_at" if waits else ""
            expires_at = ", expires_at = :expires_at" if seen.expires else ""
            removed = [
                *(() if waits else INDEXED),
                *(() if "mail_error" in said else ("mail_error",)),
            ]
            outcome = self.table.update(
                email,
                f"SET mail = :{mail}, mail_at = :now{facts}{owed_at}{expires_at}{_remove(removed)}",
                f"mail_link = :link AND {seen.condition}",
                values,
                moment="mail_at",
            )
            if outcome.done:
                return True
            expected, seen = seen, _ExpectedState.of(outcome.item)
            is_this = string(outcome.item, "mail_link") == link_hash and seen.mail in ends
            if seen == expected or not is_this:
                break
        return False


def _is_owed(image: Item) -> str:
    """Return the condition that an item still owes a mail of the kind that ``image`` owes."""
    return _WELCOME if is_welcome_owed(image) else _UNPROVEN


def _expiry_of(item: Item, now: datetime) -> tuple[str, dict[str, Any]]:
    """Return what sets the time to live of an unconfirmed sign-up; nothing for other items."""
    if not may_expire(item):
        return "", {}
    return ", expires_at = :expires_at", {":expires_at": epoch(now + UNVALIDATED_LIFE)}


def _expiry_to_remove(item: Item) -> list[str]:
    """Return what lets an item that owes a mail expire, unless another program set it."""
    return [] if is_from_other_program(item) else ["expires_at"]


def _remove(names: Sequence[str]) -> str:
    """Return the part of an update that removes attributes; empty if there are none."""
    return f" REMOVE {', '.join(names)}" if names else ""


def _set_code(
    image: Item,
    ticket: str,
    code_hash: str,
    now: datetime,
    values: dict[str, Any],
    names: dict[str, str],
) -> tuple[str, list[str]]:
    """Return the part of a claim that stores a code, and the expired codes that it removes.

    Add what they name to ``values`` and ``names``. Other codes keep their counts of guesses, which
    change without a new version of the item.
    """
    code = {
        "code": code_hash,
        "link": values[":link"],
        "expires": epoch(now + CODE_LIFE),
        "tries": 0,
    }
    if not mapping(image, "codes"):
        values[":codes"] = {ticket: code}
        return ", codes = :codes", []
    expired = [key for key in expired_codes(image, now) if key != ticket]
    names |= {"#ticket": ticket, **{f"#dead{n}": key for n, key in enumerate(expired)}}
    values[":code"] = code
    return ", codes.#ticket = :code", [f"codes.#dead{n}" for n in range(len(expired))]
