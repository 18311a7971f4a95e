"""All that the table holds on a user, for a request for access (GDPR, art. 15)."""

from datetime import datetime
from typing import Any

from chalicelib.logs import hashed
from chalicelib.users.moments import iso
from ops.users.person import MEANINGS, Plain

_OTHERS = "put by another program of the operator"


def everything(user: Plain, table: str, now: datetime) -> dict[str, Any]:
    """Return each attribute with its value in JSON's types and its meaning. Moments are in UTC."""
    in_order = [
        *(name for name in MEANINGS if name in user),
        *sorted(set(user) - set(MEANINGS)),
    ]
    return {
        "about": user["email"],
        "exported_at": iso(now),
        "table": table,
        "held": [
            {"name": name, "value": user[name], "meaning": MEANINGS.get(name, _OTHERS)}
            for name in in_order
        ],
        "logs": f"name this person only as user={hashed(str(user['email']))}",
    }
