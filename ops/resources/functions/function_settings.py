"""Settings that Lambda keeps beside a function's code, and refusals that pass."""

from collections.abc import Callable
from functools import partial
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


def matches(current: Any, wanted: Any) -> bool:
    """Return True if ``current`` says all that ``wanted`` does; AWS may add to it."""
    if isinstance(wanted, dict):
        return isinstance(current, dict) and all(
            matches(current.get(name), value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(current, list)
            and len(current) == len(wanted)
            and all(map(matches, current, wanted))
        )
    return bool(current == wanted)


def retry_until_settled(call: Any, reason: str = "", **parameters: Any) -> None:
    """Make a ``call``, again while AWS refuses it for a reason that passes.

    With a ``reason``, only refusals that name it pass. Raises the last ClientError at the end.
    """
    refused: list[ClientError] = []

    def try_once() -> bool | None:
        refusal = _passing_refusal(partial(call, **parameters), reason)
        if refusal is None:
            return True
        refused.append(refusal)
        return None

    until(try_once, PATIENCE, lambda: refused[-1])


def _passing_refusal(call: Callable[[], object], reason: str) -> ClientError | None:
    """Make the ``call``; return a refusal that passes, or None if AWS accepts the call."""
    try:
        call()
    except ClientError as error:
        refusal = error.response["Error"]
        if refusal["Code"] not in _SETTLING or reason not in refusal.get("Message", ""):
            raise
        return error
    return None
