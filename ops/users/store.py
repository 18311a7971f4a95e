"""The table of users as an operator changes it.

Like those of chalicelib/users/store.py, each is one conditional write, so all of this is safe
while the service runs.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.users.item import (
    DELETED,
    ERASED,
    MAY_DROP_EXPIRY,
    PENDING,
    RESERVED,
    has_foreign_expiry,
    owed_values,
)
from chalicelib.users.mailboxes import Mailboxes
from chalicelib.users.moments import iso
from chalicelib.users.outbox import OVERDUE, overdue
from chalicelib.users.people import SignUp
from chalicelib.users.store import Users
from chalicelib.users.table import Item, Outcome, Raw, attribute, mapping, string, typed_values
from ops.users import acts

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

PATIENCE = timedelta(minutes=2)
"""The time that the mailer has before an operator may ask for a mail again."""

BY_OPERATOR, BY_IMPORT = "operator", "import"
"""The values of ``validated_by``: who validated the address, if no link and no code did."""


@dataclass(frozen=True)
class Newcomer:
    """A person to import. They were validated elsewhere ``validated_at``, or are owed a mail.

    ``consent`` is what they agreed to elsewhere, as an item has it.
    """

    person: SignUp
    validated_at: datetime | None
    consent: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Change(Enum):
    """The result of a change that an operator asked for."""

    DONE = "done"
    NOBODY = "nobody"
    VALIDATED = "validated"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REFUSED = "refused"


class Withdrawal(Enum):
    """The result of withdrawing a consent."""

    DONE = "done"
    ALREADY = "already"
    NONE_GIVEN = "none given"
    """The user is not validated, or never gave this consent."""
    NOBODY = "nobody"


class Added(Enum):
    """The result of importing a person."""

    ADDED = "added"
    THERE = "there"
    TWICE = "twice"
    """The same import already added them."""


class OperatorsUsers(Users):
    """The users in a table, and what an operator may do to them.

    Each change keeps in the item that ``operator``, an ARN, made it.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        mailboxes: Mailboxes,
        operator: str = "unknown",
        *,
        has_events: bool = False,
    ) -> None:
        super().__init__(client, table, mailboxes, has_events=has_events)
        self._operator = operator

    def read(self, email: str) -> Item | None:
        """Return the whole item, to be shown; never to decide on a write."""
        item = self.table.get(email)
        return item if _is_there(item) else None

    def identity(self) -> str:
        """Return what tells this table from any other, also from an earlier one of its name."""
        table = self.table.client.describe_table(TableName=self.table.name)["Table"]
        return f"{table['TableArn']} of {iso(table['CreationDateTime'])}"

    def pages(
        self, attributes: tuple[str, ...], condition: str = "", values: Mapping[str, str] = {}
    ) -> Iterator[list[Item]]:
        """Yield pages of all items that meet ``condition``, with these ``attributes`` of each.

        A page of DynamoDB's has at most 1 MB.
        """
        # Attributes of any program may have names that DynamoDB reserves.
        names = {f"#a{n}": attribute for n, attribute in enumerate(attributes)}
        request: dict[str, Any] = {
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
        }
        if self._has_events:
            condition = f"NOT mail = :deleted AND ({condition})" if condition else _IS_THERE
            values = {**values, ":deleted": DELETED}
        if condition:
            request["FilterExpression"] = condition
        if values:
            request["ExpressionAttributeValues"] = {
                name: {"S": value} for name, value in values.items()
            }
        scan = self.table.client.get_paginator("scan")
        for page in scan.paginate(TableName=self.table.name, **request):
            yield list(page["Items"])

    def failed_ones(self) -> Iterator[str]:
        """Yield those whose mail failed for good, and who are not validated."""
        condition = "mail = :failed AND attribute_not_exists(validated_at)"
        for page in self.pages(("email",), condition, {":failed": "failed"}):
            yield from (item["email"]["S"] for item in page)

    def owed_ones(self, now: datetime) -> Iterator[str]:
        """Yield those whose mail has been owed for longer than PATIENCE."""
        for page in self.pages(("email",), OVERDUE, overdue(now - PATIENCE, now)):
            yield from (item["email"]["S"] for item in page)

    def retry_failed(self, email: str, now: datetime) -> bool:
        """Owe a mail that failed; return False if it no longer is one that failed."""
        return self._owe(
            email,
            "mail = :failed AND attribute_not_exists(validated_at)",
            now,
            {":failed": "failed"},
        ).done

    def retry_owed(self, email: str, now: datetime) -> bool:
        """Wake the stream's mailer for a mail that is still owed."""
        condition = f"attribute_exists(email) AND {OVERDUE}"
        return self._owe(email, condition, now, overdue(now - PATIENCE, now)).done

    def resend_by_hand(self, email: str, now: datetime, *, even_bounced: bool = False) -> Change:
        """Owe a user another mail, without the limits of anonymous requests.

        A validated user needs none; one who complained or refused wants none.
        """
        self.mailboxes.forget_mails(email)
        unwanted = {":complained": "complained", ":refused": "refused", ":deleted": DELETED}
        if not even_bounced:
            unwanted[":bounced"] = "bounced"
        outcome = self._owe(
            email,
            "attribute_exists(email) AND attribute_not_exists(validated_at)"
            f" AND NOT mail IN ({', '.join(unwanted)})",
            now,
            unwanted,
        )
        if outcome.done:
            return Change.DONE
        mail = string(outcome.item, "mail")
        if mail in (Change.COMPLAINED.value, Change.REFUSED.value):
            return Change(mail)
        if "validated_at" in outcome.item:
            return Change.VALIDATED
        return Change.BOUNCED if _is_there(outcome.item) else Change.NOBODY

    def validate_by_hand(self, email: str, now: datetime) -> Change:
        """Mark an address as validated on the operator's word."""
        event, owed = self._event_owed(
            "validated", now, validated_at=iso(now), validated_by=BY_OPERATOR
        )
        outcome = self._act(
            acts.VALIDATE,
            email,
            f"validated_at = :now, validated_by = :operator{event} REMOVE {', '.join(PENDING)}",
            "attribute_exists(email) AND attribute_not_exists(validated_at)"
            " AND NOT mail = :deleted",
            now,
            {":operator": BY_OPERATOR, ":deleted": DELETED, **owed},
            moment="validated_at",
        )
        if outcome.done:
            return Change.DONE
        return Change.VALIDATED if _is_there(outcome.item) else Change.NOBODY

    def refuse_by_hand(self, email: str, now: datetime) -> Change:
        """Record that the mailbox's owner wants no mail, for example by telephone.

        They need not be a user: later sign-ups get no mail either.
        """
        change = self._refuse_by_hand(email, now)
        if change is not Change.VALIDATED:
            self.mailboxes.refuse(email, now)
        return change

    def _refuse_by_hand(self, email: str, now: datetime) -> Change:
        event, owed = self._event_owed("refused", now, refused_by=BY_OPERATOR)
        outcome = self._act(
            acts.REFUSE,
            email,
            f"mail = :refused, mail_at = :now, refused_by = :operator{event}"
            f" REMOVE links, {', '.join(ERASED)}",
            "attribute_exists(email) AND attribute_not_exists(validated_at)"
            " AND NOT mail IN (:refused, :complained, :deleted)",
            now,
            {
                ":refused": "refused",
                ":complained": "complained",
                ":deleted": DELETED,
                ":operator": BY_OPERATOR,
                **owed,
            },
            RESERVED,
        )
        if outcome.done:
            return Change.DONE
        if "validated_at" in outcome.item:
            return Change.VALIDATED
        mail = string(outcome.item, "mail")
        return Change(mail) if _is_there(outcome.item) else Change.NOBODY

    def allow(self, email: str, now: datetime) -> Change:
        """Lift a refusal, whichever spelling it came by: the address may sign up again."""
        outcome = self._act(
            acts.ALLOW,
            email,
            "mail = :failed, mail_at = :now, mail_error = :error REMOVE refused_by",
            "mail = :refused",
            now,
            {":refused": "refused", ":failed": "failed", ":error": "the refusal was lifted"},
        )
        if string(outcome.item, "mail") == Change.COMPLAINED.value:
            return Change.COMPLAINED
        if self.mailboxes.allow(email, now) or outcome.done:
            return Change.DONE
        return Change.VALIDATED if "validated_at" in outcome.item else Change.NOBODY

    def withdraw(self, email: str, consent: str, now: datetime) -> Withdrawal:
        """Record that a validated user withdraws a consent. What was given stays, as evidence."""
        event, owed = self._event_owed(
            "consent_withdrawn", now, withdrawn=consent, withdrawn_by=BY_OPERATOR
        )
        outcome = self._act(
            acts.WITHDRAW,
            email,
            "consent.#name.withdrawn_at = :now, consent.#name.withdrawn_by = :operator" + event,
            "attribute_exists(validated_at) AND attribute_type(consent.#name, :map)"
            f" AND attribute_not_exists(consent.#name.withdrawn_at) AND {_IS_THERE}",
            now,
            {":map": "M", ":operator": BY_OPERATOR, ":deleted": DELETED, **owed},
            {"#name": consent},
        )
        given = mapping(mapping(outcome.item, "consent"), consent)
        is_repeat = string(given, "withdrawn_at") == iso(now)  # after an answer that was lost
        if outcome.done or is_repeat:
            return Withdrawal.DONE
        if not _is_there(outcome.item):
            return Withdrawal.NOBODY
        is_given = "validated_at" in outcome.item and bool(given)
        return Withdrawal.ALREADY if is_given else Withdrawal.NONE_GIVEN

    def delete(self, email: str, now: datetime) -> Change:
        """Delete a user. A later sign-up of the same address is a new user.

        A refusal and a complaint outlive this, as a refusal of the mailbox. In a stage with events,
        the bare address and this act stay until the event is published.
        """
        if self._has_events:
            return self._leave_only_event(email, now)
        change = self._delete(email, f"attribute_exists(email) AND NOT {_WANTS_NONE}")
        if change is Change.REFUSED:
            self.mailboxes.refuse(email, now)
            change = self._delete(email, "attribute_exists(email)")
        return change

    def _delete(self, email: str, condition: str) -> Change:
        request: dict[str, Any] = {}
        if ":refused" in condition:
            request["ExpressionAttributeValues"] = typed_values(
                {":refused": "refused", ":complained": "complained"}
            )
        try:
            self.table.client.delete_item(
                TableName=self.table.name,
                Key={"email": {"S": email}},
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **request,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return Change.REFUSED if error.response.get("Item") else Change.NOBODY
        return Change.DONE

    def _leave_only_event(self, email: str, now: datetime) -> Change:
        """Replace the item by one that only owes events: what was owed before, and the deletion.

        The condition names what was read. So no event that is owed meanwhile is lost.
        """
        while True:
            item = self.table.get(email)
            if not _is_there(item):
                is_done = item.get("created_at") == {"S": iso(now)}  # the answer was lost
                return Change.DONE if is_done else Change.NOBODY
            if string(item, "mail") in ("refused", "complained"):
                self.mailboxes.refuse(email, now)
            entry = {"kind": DELETED, "at": iso(now)}
            before = attribute(item, "owed_events", "L") or []
            same = "owed_events = :seen" if before else "attribute_not_exists(owed_events)"
            remains = {
                "email": email,
                "mail": DELETED,
                "created_at": iso(now),
                "event": "owed",
                "event_at": string(item, "event_at") or iso(now),
                "owed_events": [*map(Raw, before), entry],
                "acts": [Raw(acts.entry(acts.DELETE, self._operator, now))],
            }
            request: dict[str, Any] = {"ConditionExpression": f"attribute_exists(email) AND {same}"}
            if before:
                request["ExpressionAttributeValues"] = {":seen": {"L": before}}
            with suppress(self.table.client.exceptions.ConditionalCheckFailedException):
                self.table.client.put_item(
                    TableName=self.table.name, Item=typed_values(remains), **request
                )
                return Change.DONE

    def add(self, newcomer: Newcomer, now: datetime) -> Added:
        """Put a person who is not there yet. ``now`` is the same for all of an import.

        An unproven sign-up of the same address is replaced: a stranger may have written it. The
        item has no ``mail``, as any other program's: the stream mails it, and it never expires.
        """
        person, validated_at = newcomer.person, newcomer.validated_at
        item = {
            "email": person.email,
            "prenom": person.prenom,
            "nom": person.nom,
            "lang": person.lang,
            "fields": person.fields,
            "consent": newcomer.consent,
            "imported_at": iso(now),
            "validated_at": iso(validated_at) if validated_at else "",
            "validated_by": BY_IMPORT if validated_at else "",
        }
        values: dict[str, Any] = {name: value for name, value in item.items() if value}
        if validated_at and self._has_events:
            facts = {"validated_at": iso(validated_at), "validated_by": BY_IMPORT}
            entry = {"kind": "validated", "at": iso(now), **facts}
            values |= {"event": "owed", "event_at": iso(now), "owed_events": [entry]}
        try:
            self.table.client.put_item(
                TableName=self.table.name,
                Item={
                    **typed_values(values),
                    "acts": {"L": [acts.entry(acts.IMPORT, self._operator, now)]},
                },
                ConditionExpression=(
                    "attribute_not_exists(email) OR attribute_exists(created_at)"
                    " AND attribute_not_exists(validated_at) AND attribute_not_exists(event)"
                    " AND NOT mail IN (:bounced, :complained, :refused)"
                ),
                ExpressionAttributeValues={
                    f":{mail}": {"S": mail} for mail in ("bounced", "complained", "refused")
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            old: Item = error.response.get("Item", {})  # type: ignore[assignment]
            return Added.TWICE if string(old, "imported_at") == iso(now) else Added.THERE
        return Added.ADDED

    def _owe(self, email: str, condition: str, now: datetime, values: Mapping[str, str]) -> Outcome:
        """Owe a mail. The item is kept until that is tried, as after an anonymous request."""
        change = "mail = :owed, mail_at = :now, owed = :slot, owed_at = :owed_at"
        values = {**owed_values(email, now), **values}
        act = partial(self._act, acts.RESEND, email, now=now, values=values)
        outcome = act(f"{change} REMOVE expires_at", f"{condition} AND {MAY_DROP_EXPIRY}")
        if not outcome.done and has_foreign_expiry(outcome.item):
            outcome = act(change, f"{condition} AND attribute_not_exists(created_at)")
        return outcome

    def _act(
        self,
        act: str,
        email: str,
        change: str,
        condition: str,
        now: datetime,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
        *,
        moment: str = "mail_at",
    ) -> Outcome:
        """Make ``change``, and record who made it, in one update.

        A user with KEPT acts takes a second one: the first says that there are so many.
        """
        values = {":now": iso(now), **values}
        outcome = Outcome(False, {})
        while True:
            record = acts.record(outcome.item, act, self._operator, now)
            outcome = self.table.update(
                email,
                f"SET {record.assignment}{change}",
                f"{condition} AND {record.condition}",
                {**values, **record.values},
                names,
                moment=moment,
            )
            again = acts.record(outcome.item, act, self._operator, now)
            if outcome.done or again == record:
                return outcome


_IS_THERE = "NOT mail = :deleted"
_WANTS_NONE = "mail IN (:refused, :complained)"


def _is_there(item: Item) -> bool:
    """Return True if the item is a user's, and not what a deleted user's events need."""
    return bool(item) and string(item, "mail") != DELETED
