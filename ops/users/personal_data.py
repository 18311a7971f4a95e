"""Everything that is held on one person, for whom they ask it (GDPR, article 15): each attribute of
theirs with its value and what it means."""

from datetime import datetime
from typing import Any

from chalicelib.logs import hashed
from chalicelib.users.moments import iso
from ops.users.person import MEANINGS, Plain

_OTHERS = "put by another program of ours"


def everything(person: Plain, table: str, now: datetime) -> dict[str, Any]:
    """What is to be handed out; values are in JSON's types, moments in UTC."""
    in_order = [
        *(name for name in MEANINGS if name in person),
        *sorted(set(person) - set(MEANINGS)),
    ]
    return {
        "about": person["email"],
        "exported_at": iso(now),
        "table": table,
        "held": [
            {"name": name, "value": person[name], "meaning": MEANINGS.get(name, _OTHERS)}
            for name in in_order
        ],
        "logs": f"name this person only as user={hashed(str(person['email']))}",
    }
