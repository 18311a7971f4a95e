"""Operators' acts on a user: the item keeps the last ten in `acts`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.users.moments import iso
from chalicelib.users.table import Item, Raw, attribute

KEPT = 10

RESEND, VALIDATE, REFUSE, ALLOW, IMPORT = "resend", "validate", "refuse", "allow", "import"
WITHDRAW = "withdraw"
DELETE = "delete"
"""The rest of a deleted user keeps it while events are still owed."""

WORDS = {
    RESEND: "another mail requested",
    VALIDATE: "validated by hand",
    REFUSE: "mail refused on the user's request",
    ALLOW: "refusal lifted",
    IMPORT: "imported",
    DELETE: "deleted",
    WITHDRAW: "consent withdrawn on the user's request",
}
"""Each act in plain words."""


@dataclass(frozen=True)
class Record:
    """An assignment that adds an act to an item, with its condition and their values."""

    assignment: str
    condition: str
    values: Mapping[str, Any]


def entry(act: str, by: str, now: datetime) -> dict[str, Any]:
    """Return the act of the operator with the ARN ``by``, in DynamoDB's JSON."""
    return {"M": {"at": {"S": iso(now)}, "act": {"S": act}, "by": {"S": by}}}


def record(item: Item, act: str, by: str, now: datetime) -> Record:
    """Return how to add an act to ``item``, without a read if that has fewer than KEPT of them.

    An update cannot both append to a list and cut it, so the acts of a full list move up by one.
    Another program's attribute of the same name stays as it is, and the act is not recorded.
    """
    new, kind = entry(act, by, now), {":list": "L"}
    acts = attribute(item, "acts", "L")
    if "acts" in item and acts is None:
        return Record("", "NOT attribute_type(acts, :list)", kind)
    if len(acts or ()) >= KEPT:
        moves = ", ".join(f"acts[{n}] = acts[{n + 1}]" for n in range(KEPT - 1))
        return Record(
            f"{moves}, acts[{KEPT - 1}] = :act, ",
            "attribute_type(acts, :list) AND size(acts) >= :kept",
            {**kind, ":kept": KEPT, ":act": Raw(new)},
        )
    return Record(
        "acts = list_append(if_not_exists(acts, :none), :acts), ",
        "(attribute_not_exists(acts) OR attribute_type(acts, :list) AND size(acts) < :kept)",
        {**kind, ":kept": KEPT, ":none": Raw({"L": []}), ":acts": Raw({"L": [new]})},
    )
