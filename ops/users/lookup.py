"""The users that an operator means by an address, or by a part of a name."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from shlex import quote
from typing import TypeVar
from urllib.parse import unquote

from chalicelib.users import email_address
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.terminal.text import printable
from ops.users.person import Plain, name

T = TypeVar("T")


def spellings(typed: str) -> list[str]:
    """Return the keys that ``typed`` may mean, the likeliest first. Raises OpsError.

    Keys of other programs are kept verbatim, so an exact match comes first. One that no keyboard
    has is percent-encoded, as in a link and as ``person.key`` shows it.
    """
    try:
        keys = [email_address.stored(typed)]
    except email_address.AddressError as error:
        raise OpsError("Type an address, such as name@example.org.") from error
    try:
        canonical = email_address.canonical(typed)
        keys += [canonical, *email_address.keys(canonical)]
    except email_address.AddressError:
        pass  # a key that no sign-up could have made
    return list(dict.fromkeys((*keys, unquote(typed))))


def first(stage: Stage, typed: str, look: Callable[[str], T | None]) -> tuple[str, T]:
    """Return the first spelling for which ``look`` has a result, and the result.

    Raises OpsError for an unknown user.
    """
    for key in spellings(typed):
        if (result := look(key)) is not None:
            return key, result
    raise unknown(stage, typed)


def unknown(stage: Stage, typed: str) -> OpsError:
    """Return the error of an address that is no user's key.

    Another program's key may have more than the address, and only a look at all of them finds it.
    """
    find = stage.ops(f"users find {quote(printable(typed))}")
    return OpsError(
        f"There is no user with the address {printable(typed)}. "
        f"Another program may have spelled it differently. To look at all users:\n{find}"
    )


def mailed(key: str) -> str:
    """Return the address that SES is asked to mail for ``key``; the key itself if there is none."""
    try:
        return email_address.deliverable(key)
    except email_address.AddressError:
        return key


def matching(users: Iterable[Plain], text: str) -> Iterator[Plain]:
    """Yield the users whose key, mailed address or name has ``text`` in it.

    Case and accents do not matter.
    """
    wanted = _folded(text)
    for user in users:
        key = str(user["email"])
        if any(wanted in _folded(held) for held in (key, mailed(key), name(user))):
            yield user


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
