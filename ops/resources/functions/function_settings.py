"""Settings that Lambda keeps beside a function's code, and refusals that pass."""

from typing import Any

from botocore.exceptions import ClientError

from ops.stage.waiting import until

PATIENCE = 120.0

# What Lambda answers while a mapping or a function changes, or a role that was just made is not
# known everywhere.
_SETTLING = (
    "ResourceConflictException",
    "ResourceInUseException",
    "InvalidParameterValueException",
)


def holds(current: Any, wanted: Any) -> bool:
    """Return True if ``current`` says all that ``wanted`` does; AWS may add to it."""
    if isinstance(wanted, dict):
        return isinstance(current, dict) and all(
            holds(current.get(name), value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(current, list)
            and len(current) == len(wanted)
            and all(map(holds, current, wanted))
        )
    return bool(current == wanted)


def settled(call: Any, reason: str = "", **parameters: Any) -> None:
    """Make a ``call``, again while AWS refuses it for a reason that passes.

    With a ``reason``, only refusals that name it pass. Raises the last ClientError at the end.
    """
    refused: list[ClientError] = []

    def look() -> bool | None:
        try:
            call(**parameters)
        except ClientError as error:
            refusal = error.response["Error"]
            if refusal["Code"] not in _SETTLING or reason not in refusal.get("Message", ""):
                raise
            refused.append(error)
            return None
        return True

    until(look, PATIENCE, lambda: refused[-1])
