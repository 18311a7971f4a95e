"""One DynamoDB table: conditional updates, and values in DynamoDB's JSON."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]
"""An item in DynamoDB's JSON: ``{"email": {"S": "…"}}``."""

_ITEM_FULL = "Item size to update has exceeded"  # DynamoDB says this in a ValidationException


class ItemFull(Exception):
    """The item has the largest size that DynamoDB allows, so nothing can be added to it."""


class Outcome(NamedTuple):
    """The result of a conditional update.

    ``item`` is the item after the update. If the update was refused, it is the item that refused
    it, empty if there was none.
    """

    done: bool
    item: Item


class Table:
    """The table ``name`` with the partition key ``key``. DynamoDB's own errors pass through."""

    def __init__(self, client: "DynamoDBClient", name: str, key: str) -> None:
        self.client = client
        self.name = name
        self._key = key

    def update(
        self,
        key: str,
        change: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
        *,
        moment: str = "",
        wants_old: bool = False,
    ) -> Outcome:
        """Make one conditional UpdateItem.

        ``moment`` names the attribute that the change sets to ``:now``. botocore repeats a request
        whose answer was lost. If an item with this same time refuses the repeated request, then the
        first request made the change. With ``wants_old``, the outcome has the item before the
        change. Raises ItemFull.
        """
        request: dict[str, Any] = {
            "TableName": self.name,
            "Key": {self._key: {"S": key}},
            "UpdateExpression": change,
            "ConditionExpression": condition,
            "ReturnValues": "ALL_OLD" if wants_old else "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if values:  # DynamoDB takes neither if it is empty
            request["ExpressionAttributeValues"] = typed_values(values)
        if names:
            request["ExpressionAttributeNames"] = names
        try:
            answer = self.client.update_item(**request)
        except ClientError as error:
            if _ITEM_FULL in error.response["Error"].get("Message", ""):
                raise ItemFull("the item has the largest size that DynamoDB allows") from error
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            old: Item = error.response.get("Item", {})  # type: ignore[assignment]
            was_repeated = error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
            done = was_repeated and bool(moment) and old.get(moment) == typed(values[":now"])
            return Outcome(done, old)
        return Outcome(True, answer["Attributes"])

    def get(self, key: str, *, consistent: bool = True) -> Item:
        """Return the item as it is now; empty if there is none.

        If not ``consistent``, it may be a second old, and costs half.
        """
        answer = self.client.get_item(
            TableName=self.name, Key={self._key: {"S": key}}, ConsistentRead=consistent
        )
        return answer.get("Item", {})

    def query(self, index: str, condition: str, values: Mapping[str, Any]) -> Iterator[Item]:
        """Yield the keys in ``index`` that meet ``condition``, in the order of its sort key."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.name,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=typed_values(values),
        )
        for page in pages:
            yield from page["Items"]


def typed_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` in DynamoDB's JSON."""
    return {name: typed(value) for name, value in values.items()}


def typed(value: object) -> dict[str, Any]:
    """Return ``value`` in DynamoDB's JSON. A ``Raw`` value already is."""
    if isinstance(value, str):  # most are, so this comes first
        return {"S": value}
    if isinstance(value, Raw):
        return dict(value.json)
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, Mapping):
        return {"M": typed_values(value)}
    if isinstance(value, list):
        return {"L": [typed(entry) for entry in value]}
    raise TypeError(f"no DynamoDB type for {type(value).__name__}")


class Raw(NamedTuple):
    """A value in DynamoDB's JSON, whatever its type: another program may have chosen it."""

    json: Mapping[str, Any]


def string(item: Item, name: str) -> str:
    """Return the string attribute ``name``; empty if it is absent or no string."""
    value = attribute(item, name, "S")
    return value if isinstance(value, str) else ""


def number(item: Item, name: str) -> float:
    """Return the number attribute ``name``; 0 if it is absent or no number."""
    try:
        return float(attribute(item, name, "N") or 0)
    except (TypeError, ValueError):
        return 0.0


def mapping(item: Item, name: str) -> dict[str, Any]:
    """Return the map attribute ``name``; empty if it is absent or no map."""
    value = attribute(item, name, "M")
    return value if isinstance(value, dict) else {}


def attribute(item: Item, name: str, kind: str) -> Any:
    """Return the value of ``name`` if it is of ``kind`` (S, N, M, …), otherwise None."""
    value = item.get(name)
    return value.get(kind) if isinstance(value, dict) else None
