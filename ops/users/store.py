"""The table of users as an operator changes it: transitions that no request of anybody's may make.

Like those of chalicelib/users/store.py, each is one conditional write, so all of this is safe
while the service runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.users.people import SignUp
from chalicelib.users.store import Item, Users, iso

PATIENCE = timedelta(minutes=2)
"""How long a mail is let be before an operator may ask for it again: longer than the mailer runs,
so that none is asked for while it is being sent."""

BY_OPERATOR, BY_IMPORT = "operator", "import"
"""What ``validated_by`` says of who is not validated by a link."""


@dataclass(frozen=True)
class Newcomer:
    """Somebody to bring in. Validated elsewhere ``validated_at``, or a mail is owed to them."""

    person: SignUp
    validated_at: datetime | None


class Change(Enum):
    """What became of a change that an operator asked for."""

    DONE = "done"
    NOBODY = "nobody"
    VALIDATED = "validated"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class Added(Enum):
    """What became of a newcomer."""

    ADDED = "added"
    THERE = "there"
    TWICE = "twice"
    """There already, because the same import brought them in before."""


class OperatorsUsers(Users):
    """The users in a table, and what an operator may do to them."""

    def read(self, email: str) -> Item | None:
        """The whole item, to be shown; never to decide on a write."""
        answer = self._client.get_item(
            TableName=self._table, Key={"email": {"S": email}}, ConsistentRead=True
        )
        return answer.get("Item")

    def identity(self) -> str:
        """What tells this table from any other, also from one of the same name before or after."""
        table = self._client.describe_table(TableName=self._table)["Table"]
        return f"{table['TableArn']} of {iso(table['CreationDateTime'])}"

    def pages(
        self, attributes: tuple[str, ...], condition: str = "", values: Mapping[str, str] = {}
    ) -> Iterator[list[Item]]:
        """All items that meet ``condition``, or all, as far as ``attributes`` go; a page of
        DynamoDB's, 1 MB at the most, at a time."""
        asked: dict[str, Any] = {"ProjectionExpression": ", ".join(attributes)}
        if condition:
            asked["FilterExpression"] = condition
        if values:
            asked["ExpressionAttributeValues"] = {
                name: {"S": value} for name, value in values.items()
            }
        scan = self._client.get_paginator("scan")
        for page in scan.paginate(TableName=self._table, **asked):
            yield list(page["Items"])

    def failed_ones(self) -> Iterator[str]:
        """Those whose mail failed for good, and who are not validated."""
        condition = "mail = :failed AND attribute_not_exists(validated_at)"
        for page in self.pages(("email",), condition, {":failed": "failed"}):
            yield from (item["email"]["S"] for item in page)

    def owed_ones(self, now: datetime) -> Iterator[str]:
        """Those whose mail is owed for longer than PATIENCE."""
        for page in self.still_owed(now - PATIENCE, 0, 1):
            yield from page

    def retry_failed(self, email: str, now: datetime) -> bool:
        """Owe a mail that failed; False if it no longer is one that failed."""
        return self._update(
            email,
            "SET mail = :owed, mail_at = :now",
            "mail = :failed AND attribute_not_exists(validated_at)",
            {":owed": "owed", ":now": iso(now), ":failed": "failed"},
        ).done

    def retry_owed(self, email: str, now: datetime) -> bool:
        """Have the stream woken for a mail that is still owed."""
        return self.ask_again(email, now, PATIENCE)

    def resend_by_hand(self, email: str, now: datetime, *, even_bounced: bool = False) -> Change:
        """Owe somebody another mail, without the limits that hold for anybody's requests. Who is
        validated needs none, and who complained wants none."""
        refused = {":complained": "complained"}
        if not even_bounced:
            refused[":bounced"] = "bounced"
        outcome = self._update(
            email,
            "SET mail = :owed, mail_at = :now",
            "attribute_exists(email) AND attribute_not_exists(validated_at)"
            f" AND NOT mail IN ({', '.join(refused)})",
            {":owed": "owed", ":now": iso(now), **refused},
        )
        if outcome.done:
            return Change.DONE
        mail = outcome.item.get("mail", {}).get("S")
        if mail == Change.COMPLAINED.value:
            return Change.COMPLAINED
        if "validated_at" in outcome.item:
            return Change.VALIDATED
        return Change.BOUNCED if outcome.item else Change.NOBODY

    def validate_by_hand(self, email: str, now: datetime) -> Change:
        """Believe the operator that the address is theirs who signed up with it."""
        outcome = self._update(
            email,
            "SET validated_at = :now, validated_by = :operator REMOVE expires_at",
            "attribute_exists(email) AND attribute_not_exists(validated_at)",
            {":now": iso(now), ":operator": BY_OPERATOR},
        )
        if outcome.done:
            return Change.DONE
        return Change.VALIDATED if outcome.item else Change.NOBODY

    def delete(self, email: str) -> Change:
        """Forget somebody. Who signs up again is somebody new."""
        try:
            self._client.delete_item(
                TableName=self._table,
                Key={"email": {"S": email}},
                ConditionExpression="attribute_exists(email)",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return Change.NOBODY
        return Change.DONE

    def add(self, newcomer: Newcomer, now: datetime) -> Added:
        """Put somebody who is not there yet. ``now`` is one and the same for all of an import.

        The item has no ``mail``, as any other program's: the stream mails it, and it never lapses.
        """
        person, validated_at = newcomer.person, newcomer.validated_at
        item = {
            "email": person.email,
            "prenom": person.prenom,
            "nom": person.nom,
            "lang": person.lang,
            "created_at": iso(now),
            "validated_at": iso(validated_at) if validated_at else "",
            "validated_by": BY_IMPORT if validated_at else "",
        }
        try:
            self._client.put_item(
                TableName=self._table,
                Item={name: {"S": value} for name, value in item.items() if value},
                ConditionExpression="attribute_not_exists(email)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            old: Item = error.response.get("Item", {})  # type: ignore[assignment]
            ours = old.get("created_at", {}).get("S") == iso(now)
            return Added.TWICE if ours else Added.THERE
        return Added.ADDED
