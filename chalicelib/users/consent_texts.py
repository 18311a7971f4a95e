"""The texts that users agreed to, each kept once, by its hash.

They live in the table of limits, not beside the users: other programs read that table, and would
take a text for a user. Only stages that ask for consent load this module.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.users import tokens
from chalicelib.users.moments import iso
from chalicelib.users.people import Consent
from chalicelib.users.table import Item, Table, string

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

PREFIX = "consent:"
"""The start of the keys of texts."""


class ConsentTexts:
    """The texts in a table. DynamoDB's own errors pass through."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self.table = Table(client, table, "name")
        self._kept: set[str] = set()

    def keep(self, consents: Iterable[Consent], now: datetime) -> None:
        """Store the texts that are not there yet. A process asks once for each."""
        for consent in consents:
            text_hash = tokens.digest(consent.text)
            if text_hash not in self._kept:
                self.table.update(
                    f"{PREFIX}{text_hash}",
                    "SET shown = :text, lang = :lang, first_given_at = :now",
                    "attribute_not_exists(shown)",
                    {":text": consent.text, ":lang": consent.lang, ":now": iso(now)},
                )
                self._kept.add(text_hash)

    def read(self, text_hash: str) -> str:
        """Return the text of a hash; empty if it is not there."""
        item: Item = self.table.get(f"{PREFIX}{text_hash}")
        return string(item, "shown")
