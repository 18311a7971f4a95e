"""A table of users for tests, and items as plain Python values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from chalicelib.users.mailboxes import Mailboxes
from chalicelib.users.outbox import Outbox
from chalicelib.users.store import Users
from ops.resources.stack.stack import properties

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

Plain = dict[str, Any]
SECRET = "a secret key of thirty-two letters"


@dataclass(frozen=True)
class Store:
    """One table, seen by Bienvenue (``users``) and by everybody else (``put``, ``item``)."""

    client: DynamoDBClient
    table: str

    @property
    def stream_arn(self) -> str:
        return self.client.describe_table(TableName=self.table)["Table"]["LatestStreamArn"]

    @property
    def users(self) -> Users:
        return self.users_with("")

    def users_with(self, secret_key: str, *, welcomes: bool = False) -> Users:
        """Return the users, whose codes are keyed with ``secret_key``."""
        return Users(self.client, self.table, self.mailboxes, secret_key, welcomes=welcomes)

    @property
    def mailboxes(self) -> Mailboxes:
        return Mailboxes(self.client, f"{self.table}-limits", SECRET)

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.client, self.table)

    def put(self, email: str, **attributes: object) -> None:
        """Put a whole item, whatever was there, as another program does."""
        self.client.put_item(TableName=self.table, Item=typed({"email": email, **attributes}))

    def delete(self, email: str) -> None:
        self.client.delete_item(TableName=self.table, Key={"email": {"S": email}})

    def item(self, email: str) -> Plain | None:
        found = self.client.get_item(
            TableName=self.table, Key={"email": {"S": email}}, ConsistentRead=True
        )
        return plain(found["Item"]) if "Item" in found else None

    @contextmanager
    def calls(self) -> Iterator[list[str]]:
        """Return the names of the operations called meanwhile, retries not counted."""
        made: list[str] = []

        def remember(model: Any, **_: object) -> None:
            made.append(model.name)

        events = self.client.meta.events
        events.register("before-call.dynamodb", remember)
        try:
            yield made
        finally:
            events.unregister("before-call.dynamodb", remember)


def create(client: DynamoDBClient, table: str) -> Store:
    """Make a table of users and one of their limits, as the template has them."""
    create_users(client, table)
    create_limits(client, f"{table}-limits")
    return Store(client, table)


def create_users(client: DynamoDBClient, table: str) -> None:
    """Make a table with the keys, index and stream that the template gives the users' table."""
    users = properties("AWS::DynamoDB::Table", {"HasEvents": "true"})["Users"]
    client.create_table(
        TableName=table,
        KeySchema=users["KeySchema"],
        AttributeDefinitions=users["AttributeDefinitions"],
        GlobalSecondaryIndexes=users["GlobalSecondaryIndexes"],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, **users["StreamSpecification"]},
    )


def create_limits(client: DynamoDBClient, table: str) -> None:
    """Make a table with the key that the template gives the limits' table."""
    limits = properties("AWS::DynamoDB::Table", {})["Limits"]
    client.create_table(
        TableName=table,
        KeySchema=limits["KeySchema"],
        AttributeDefinitions=limits["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
    )


def typed(item: Plain) -> Plain:
    """``item`` in DynamoDB's JSON."""
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}


def plain(item: Plain) -> Plain:
    """Return an item in DynamoDB's JSON as strings, numbers and sets."""
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
