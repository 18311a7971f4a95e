"""Validation links: made for a mail, and read back when somebody opens one."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from chalicelib.users import email_address, tokens


@dataclass(frozen=True)
class Link:
    """What a link says: the key of a user, as it is stored, and a token."""

    email: str
    token: str

    @property
    def token_hash(self) -> str:
        """What the store knows of the token."""
        return tokens.digest(self.token)

    def url(self, base_url: str) -> str:
        """Where the link leads. A ``+`` is percent-encoded, or it would arrive as a space."""
        return self.url_on(f"{base_url}/validate")

    def url_on(self, page: str) -> str:
        """Return the address of ``page`` with what the link says as its query."""
        query = urlencode({"email": self.email, "token": self.token}, quote_via=quote, safe="@")
        return f"{page}?{query}"


def read(fields: Mapping[str, object]) -> Link | None:
    """The link that ``fields`` of a query or a form make; None where no link of ours looks so."""
    email, token = fields.get("email"), fields.get("token")
    if not isinstance(email, str) or not isinstance(token, str) or not tokens.well_formed(token):
        return None
    try:
        return Link(email_address.stored(email), token)
    except email_address.AddressError:
        return None
