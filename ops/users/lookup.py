"""Whom an operator means by an address: its spelling as typed, or the one that we would store."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.users import email_address
from ops.stage.errors import OpsError

T = TypeVar("T")


def spellings(typed: str) -> list[str]:
    """The keys that ``typed`` may stand for, the likeliest first: other programs' keys are kept
    verbatim, so an exact match is meant before any other. Raises OpsError."""
    try:
        found = [email_address.stored(typed)]
    except email_address.AddressError as error:
        raise OpsError("An address is meant here, such as name@example.org.") from error
    try:
        canonical = email_address.canonical(typed)
        found += [canonical, *email_address.keys(canonical)]
    except email_address.AddressError:
        pass  # a key that no sign-up could have made
    return list(dict.fromkeys(found))


def first(typed: str, look: Callable[[str], T | None]) -> tuple[str, T]:
    """The first spelling that ``look`` finds something for, and that. Raises OpsError."""
    for key in spellings(typed):
        if (found := look(key)) is not None:
            return key, found
    raise OpsError(f"There is nobody with the address {typed}: look for them with `users list`.")
