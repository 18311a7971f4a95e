"""The store of users: one DynamoDB table, and every transition that an item may go through.

Each transition is a single conditional UpdateItem: the condition is the state machine, and why it
refused is read from the item that the refusal returns. Nothing here reads first and writes later.
What came of a transition is logged here, where it is known; metric filters count those lines.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.logs import hashed
from chalicelib.users.people import Click, SignUp, User, Validation, Verdict

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

log = logging.getLogger(__name__)

Item = Mapping[str, Any]
"""An item as DynamoDB's JSON has it: ``{"email": {"S": "…"}}``."""

LINK_LIFE = timedelta(hours=24)  # NIST SP 800-63A-4: at most 24 h; WCAG 2.2.1 exempts over 20 h
UNVALIDATED_LIFE = timedelta(days=7)
COOLDOWN = timedelta(seconds=60)
MAX_MAILS = 5
MAX_LINKS = 20
MAX_ERROR_LENGTH = 500

_NO_ROOM = "Item size to update has exceeded"  # how DynamoDB's ValidationException says it


class Unusable(Exception):
    """The item has attributes of ours with types that are not ours, so no mail can be claimed."""


class Users:
    """The users in ``table``. Whatever DynamoDB itself raises passes through."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def sign_up(self, sign_up: SignUp, now: datetime) -> bool:
        """Store somebody new, or owe somebody known another mail; False where limits forbid it.

        Names are stored only where there are none: this request is anybody's.
        """
        assignments = ["mail = :owed", "mail_at = :now", "lang = :lang"]
        values = {":lang": sign_up.lang, **_owing(now), **_limits(now)}
        once = {"created_at": values[":now"], "prenom": sign_up.prenom, "nom": sign_up.nom}
        for name, value in once.items():
            if value:
                assignments.append(f"{name} = if_not_exists({name}, :{name})")
                values[f":{name}"] = value
        outcome = self._try(
            sign_up.email,
            "SET " + ", ".join(assignments),
            f"attribute_not_exists(email) OR ({_MAY_BE_OWED})",
            values,
            "mail_at",
        )
        is_new = outcome.item.get("created_at") == {"S": values[":now"]}
        return _asked(sign_up.email, outcome, "signed up" if is_new else "resend asked for")

    def resend(self, email: str, now: datetime) -> bool:
        """Owe a known user another mail; False where there is none, or limits forbid it."""
        outcome = self._try(
            email,
            "SET mail = :owed, mail_at = :now",
            f"attribute_exists(email) AND {_MAY_BE_OWED}",
            {**_owing(now), **_limits(now)},
            "mail_at",
        )
        return _asked(email, outcome, "resend asked for")

    def claim(self, email: str, link_hash: str, now: datetime, *, lapses: bool) -> User | None:
        """Take on the mail that is owed to a user; None where none is.

        ``link_hash`` becomes a link of theirs for LINK_LIFE. ``lapses`` says that a sign-up made
        the item: if never validated, it may be deleted UNVALIDATED_LIFE from now. After MAX_LINKS
        mails that nobody knows the fate of, the earlier links are given up. Raises Unusable.
        """
        first = self._claim(email, link_hash, now, lapses, "size(link_hashes) < :max", "ADD")
        if lapses and first.item and _is_anothers(first.item, now):
            # Put anew since, or only signed up again: theirs are never deleted by us.
            return self.claim(email, link_hash, now, lapses=False)
        if first.done or not _is_claimable(first.item):
            return _user(first.item) if first.done else None
        if not {"SS"} >= set(first.item.get("link_hashes", {"SS": []})):
            raise Unusable("link_hashes is not a set of strings")
        if not {"N"} >= set(first.item.get("mail_count", {"N": "0"})):
            raise Unusable("mail_count is not a number")
        again = self._claim(email, link_hash, now, lapses, "size(link_hashes) >= :max", "SET")
        return _user(again.item) if again.done else None

    def _claim(
        self, email: str, link_hash: str, now: datetime, lapses: bool, room: str, verb: str
    ) -> "_Outcome":
        assignments = ["mail = :sending", "mail_at = :now", "link_expires_at = :link_expires_at"]
        values: dict[str, Any] = {
            ":owed": "owed",
            ":sending": "sending",
            ":now": iso(now),
            ":link_expires_at": _epoch(now + LINK_LIFE),
            ":link": {link_hash},
            ":max": MAX_LINKS,
            ":set": "SS",
            ":number": "N",
        }
        origin = ""
        if lapses:
            assignments.append("expires_at = :expires_at")
            values[":expires_at"] = _epoch(now + UNVALIDATED_LIFE)
            origin = (
                " AND attribute_exists(created_at)"
                " AND (attribute_not_exists(expires_at)"
                " OR attribute_type(expires_at, :number) AND expires_at <= :expires_at)"
            )
        link = " ADD link_hashes :link" if verb == "ADD" else ", link_hashes = :link"
        return self._update(
            email,
            f"SET {', '.join(assignments)}{link}",
            "attribute_exists(email) AND attribute_not_exists(validated_at)"
            " AND (attribute_not_exists(mail) OR mail IN (:owed, :sending))"
            " AND (attribute_not_exists(link_hashes)"
            f" OR attribute_type(link_hashes, :set) AND {room})"
            # Checked now because counting comes after the mail has gone, when it is too late.
            " AND (attribute_not_exists(mail_count) OR attribute_type(mail_count, :number))"
            + origin,
            values,
        )

    def take_back(self, email: str, link_hash: str, error: str) -> bool:
        """Undo a claim whose mail certainly did not leave: its link goes, the mail stays owed."""
        return self._update(
            email,
            "SET mail_error = :error DELETE link_hashes :link",
            "mail = :sending",
            {":sending": "sending", ":error": error[:MAX_ERROR_LENGTH], ":link": {link_hash}},
        ).done

    def sent(self, email: str, now: datetime) -> bool:
        """Write down that the claimed mail has left."""
        return self._update(
            email,
            "SET mail = :sent, mail_at = :now ADD mail_count :one REMOVE mail_error",
            "mail = :sending",
            {":sending": "sending", ":sent": "sent", ":now": iso(now), ":one": 1},
        ).done

    def failed(self, email: str, error: str, now: datetime) -> bool:
        """Write down that the claimed mail can never be delivered, and why."""
        return self._update(
            email,
            "SET mail = :failed, mail_at = :now, mail_error = :error",
            "mail = :sending",
            {
                ":sending": "sending",
                ":failed": "failed",
                ":now": iso(now),
                ":error": error[:MAX_ERROR_LENGTH],
            },
        ).done

    def validate(self, email: str, link_hash: str, now: datetime) -> Click:
        """Believe that the address is theirs who hold a live link to it."""
        outcome = self._update(
            email,
            "SET validated_at = :now REMOVE expires_at",
            "contains(link_hashes, :link) AND link_expires_at > :epoch"
            " AND attribute_not_exists(validated_at)",
            {":now": iso(now), ":epoch": _epoch(now), ":link": link_hash},
            "validated_at",
        )
        if not outcome.done and link_hash not in outcome.item.get("link_hashes", {}).get("SS", ()):
            return Click(Validation.INVALID, "")
        lang = outcome.item.get("lang", {}).get("S", "")
        if outcome.done:
            log.info("validated user=%s", hashed(email))
            return Click(Validation.VALIDATED, lang)
        if "validated_at" in outcome.item:
            return Click(Validation.ALREADY_VALIDATED, lang)
        return Click(Validation.EXPIRED, lang)

    def record_feedback(self, email: str, verdict: Verdict, now: datetime) -> bool:
        """Send no more mail to a known user; False where there is none or nothing changes. A
        complaint outweighs a bounce: somebody reads that mailbox, and wants no mail."""
        weightier = {":verdict": verdict.value, ":complained": Verdict.COMPLAINED.value}
        outcome = self._try(
            email,
            # Kept for good: once forgotten, the next sign-up would mail them again.
            "SET mail = :verdict, mail_at = :now REMOVE expires_at",
            "attribute_exists(email) AND NOT mail IN (:verdict, :complained)",
            {**weightier, ":now": iso(now)},
            "mail_at",
        )
        if outcome.done:
            log.info("mail %s user=%s", verdict.value, hashed(email))
        return outcome.done

    def still_owed(self, before: datetime, segment: int, segments: int) -> Iterator[list[str]]:
        """Pages of users, of one segment of the table, whose mail is owed since ``before``."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            Segment=segment,
            TotalSegments=segments,
            ProjectionExpression="email",
            FilterExpression=_STILL_OWED,
            ExpressionAttributeValues=_all_typed(_owed_since(before)),
        )
        for page in pages:
            yield [item["email"]["S"] for item in page["Items"]]

    def ask_again(self, email: str, now: datetime, patience: timedelta) -> bool:
        """Have the stream woken for a mail that is owed for longer than ``patience``."""
        outcome = self._update(
            email,
            "SET mail = :owed, mail_at = :now",
            f"attribute_exists(email) AND {_STILL_OWED}",
            {**_owed_since(now - patience), ":now": iso(now)},
            "mail_at",
        )
        if outcome.done:
            log.info("asked again user=%s", hashed(email))
        return outcome.done

    def _try(
        self, email: str, change: str, condition: str, values: Item, moment: str
    ) -> "_Outcome":
        """What came of an update that another writer's item may have no room for."""
        try:
            return self._update(email, change, condition, values, moment)
        except Unusable:
            return _Outcome(False, {})

    def _update(
        self, email: str, change: str, condition: str, values: Item, moment: str = ""
    ) -> "_Outcome":
        """What came of one conditional UpdateItem. ``moment`` is the attribute that the change
        sets to ``:now``: an item that refuses a second try, and has that moment already, was
        changed by the first, whose answer was lost on the way."""
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"email": {"S": email}},
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues=_all_typed(values),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if _NO_ROOM in error.response["Error"].get("Message", ""):
                raise Unusable("the item is as large as DynamoDB lets it be") from error
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            refused: dict[str, Any] = error.response.get("Item", {})  # type: ignore[assignment]
            tried_again = error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
            return _Outcome(
                tried_again and bool(moment) and refused.get(moment) == {"S": values[":now"]},
                refused,
            )
        return _Outcome(True, answer["Attributes"])


@dataclass(frozen=True)
class _Outcome:
    """Whether an update was made, and the item: as it is now if it was, else as it had been."""

    done: bool
    item: Item


def _asked(email: str, outcome: _Outcome, what: str) -> bool:
    """Log ``what`` somebody asked for; as much is logged, and as late, for who asked in vain."""
    log.info("%s user=%s", what if outcome.done else "asked in vain", hashed(email))
    return outcome.done


_MAY_BE_OWED = (
    "attribute_not_exists(validated_at)"
    " AND NOT mail IN (:bounced, :complained)"
    " AND (attribute_not_exists(mail_at) OR mail_at <= :cooled_down)"
    " AND (attribute_not_exists(mail_count) OR mail_count < :max_mails)"
)


_STILL_OWED = (
    "attribute_not_exists(validated_at) AND (attribute_not_exists(mail)"
    " OR mail IN (:owed, :sending) AND (attribute_not_exists(mail_at) OR mail_at <= :before))"
)


def _limits(now: datetime) -> dict[str, Any]:
    return {
        ":bounced": "bounced",
        ":complained": "complained",
        ":cooled_down": iso(now - COOLDOWN),
        ":max_mails": MAX_MAILS,
    }


def _owing(now: datetime) -> dict[str, Any]:
    return {":owed": "owed", ":now": iso(now)}


def _owed_since(before: datetime) -> dict[str, Any]:
    return {":owed": "owed", ":sending": "sending", ":before": iso(before)}


def _is_claimable(item: Item) -> bool:
    mail = item.get("mail", {"S": "owed"}).get("S")
    return bool(item) and "validated_at" not in item and mail in ("owed", "sending")


def _is_anothers(item: Item, now: datetime) -> bool:
    """Whether another writer put the item: a sign-up's says when it came, and never has more than
    UNVALIDATED_LIFE left."""
    expires_at = item.get("expires_at", {"N": "0"}).get("N", "inf")
    return "created_at" not in item or float(expires_at) > _epoch(now + UNVALIDATED_LIFE)


def _user(item: Item) -> User:
    prenom, nom, lang = (item.get(name, {}).get("S", "") for name in ("prenom", "nom", "lang"))
    return User(item["email"]["S"], prenom, nom, lang)


def _all_typed(values: Item) -> dict[str, Any]:
    return {name: _typed(value) for name, value in values.items()}


def _typed(value: object) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, set):
        return {"SS": sorted(value)}
    raise TypeError(f"no DynamoDB type for {type(value).__name__}")


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, always of the same width, so that DynamoDB orders moments by their text."""
    utc = moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
