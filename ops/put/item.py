"""An item of the table of users, read from DynamoDB's JSON or from plain JSON."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from ops.stage.errors import OpsError

Item = dict[str, dict[str, Any]]

_TYPES = frozenset(("S", "N", "BOOL", "NULL", "SS", "NS", "L", "M"))
_HOW = """such as {"email": "alexis@example.org", "prenom": "Alexis"}"""


def parse(text: str) -> Item:
    """Return the item that ``text`` holds, in DynamoDB's form. Raises OpsError."""
    try:
        fields = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise OpsError(f"The item is not JSON ({error}). Write it {_HOW}.") from error
    if not isinstance(fields, dict):
        raise OpsError(f"The item must be a JSON object, {_HOW}.")
    item = fields if _is_typed(fields) else _typed(fields)
    if not item.get("email", {}).get("S"):
        raise OpsError(f"The item has no email, which is the table's key. Write it {_HOW}.")
    return item


def _is_typed(fields: Mapping[str, Any]) -> bool:
    return bool(fields) and all(
        isinstance(value, dict) and len(value) == 1 and _TYPES.issuperset(value)
        for value in fields.values()
    )


def _typed(fields: Mapping[str, Any]) -> Item:
    serialize: Any = TypeSerializer().serialize
    return {name: serialize(value) for name, value in fields.items()}
