"""Validation links: made for a mail, and read back when a user opens one."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote, urlencode

from chalicelib.users import email_address, tokens


class Link(NamedTuple):
    """The parts of a link: a user's key as stored, and a token."""

    email: str
    token: str

    @property
    def address(self) -> str:
        """The key as links and forms spell it.

        A key that looks like a damaged address is percent-encoded: only other programs put keys
        such as ``mailto:ada@example.org``.
        """
        is_plain = _without_damage(self.email) == self.email
        return self.email if is_plain else quote(self.email, safe="")

    @property
    def token_hash(self) -> str:
        """The token's hash, which the store knows."""
        return tokens.digest(self.token)

    def url(self, base_url: str) -> str:
        """Return the address of the page that validates."""
        return self.url_on(f"{base_url}/validate")

    def url_on(self, page: str) -> str:
        """Return the address of ``page`` with the parts of the link in its query.

        ``+`` is percent-encoded, because it would arrive as a space. So is ``@``, because programs
        that look for addresses in plain text would cut the link there.
        """
        query = urlencode({"email": self.address, "token": self.token}, quote_via=quote, safe="")
        return f"{page}?{query}"


def read(fields: Mapping[str, object]) -> Link | None:
    """Return the link in the fields of a query or a form; None if there is none.

    Mail programs and people damage links, but the token's 256 bits decide alone. So read() accepts
    punctuation after the token, line breaks, ``&amp;`` for ``&``, and an address that was encoded
    twice, lost its ``+``, or has additions.
    """
    email, token = _find(fields, "email"), _find(fields, "token")
    shape = _TOKEN.match(_LINE_BREAK.sub("", token[:_MAX_TOKEN]).strip())
    if shape is None:
        return None
    try:
        return Link(read_key(email), shape[0])
    except email_address.AddressError:
        return None


def read_key(email: str) -> str:
    """Return the key that a link or a form carries as ``email``. Raise AddressError."""
    return email_address.stored(_without_damage(email))


_MAX_EMAIL = 3 * email_address.MAX_KEY_BYTES  # percent-encoded
_MAX_TOKEN = 256  # characters are looked at: the token, and what was added to it
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}(?![A-Za-z0-9])")
_LINE_BREAK = re.compile(r"=?\s*[\r\n]\s*")  # quoted-printable writes "=" before it


def _find(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name, fields.get(f"amp;{name}"))
    return value if isinstance(value, str) else ""


def _without_damage(email: str) -> str:
    """Return the key that ``email`` was."""
    if len(email) > _MAX_EMAIL or email_address.is_plain(email):
        return email
    *broken, last = email.splitlines() or [""]
    broken = [line.strip().removesuffix("=") for line in broken]  # as in _LINE_BREAK
    email = "".join([*broken, last.strip()]).replace(" ", "+")
    if "@" not in email and "%" in email:
        return unquote(email)
    return email_address.without_additions(email)
