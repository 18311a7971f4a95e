"""The count of sign-ups in a minute. The mailer counts, and the API reads."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.logs import error_name
from chalicelib.users.moments import iso
from chalicelib.users.table import Item, Table, number, string

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

log = logging.getLogger(__name__)

REMEMBERED = timedelta(seconds=5)
"""The time for which a function uses the count that it read."""

_KEY = "sign-ups"


class SignUpRate:
    """The sign-ups of this minute and the one before, in the table of limits.

    The item ``sign-ups`` has ``minute``, its ``count``, and the count ``before``. Only stages with
    CHALLENGE=auto have it.
    """

    def __init__(self, client: "DynamoDBClient", table: str, limit: int) -> None:
        self.table = Table(client, table, "name")
        self._limit = limit
        self._read_at: datetime | None = None
        self._item: Item = {}

    def count(self, records: Sequence[Any], now: datetime) -> None:
        """Count the sign-ups in a stream's ``records``.

        If DynamoDB fails, they are not counted. Their mail goes out all the same.
        """
        images = (record.get("dynamodb", {}).get("NewImage") or {} for record in records)
        sign_ups = sum(map(_is_sign_up, images))
        if not sign_ups:
            return
        try:
            self._add(sign_ups, iso(now)[:16])
        except (ClientError, BotoCoreError) as error:
            log.warning("sign-ups not counted: %s", error_name(error))

    def is_high(self, now: datetime) -> bool:
        """Return True if this minute or the one before has more sign-ups than the limit.

        Each process asks DynamoDB at most once in REMEMBERED. A fault changes nothing.
        """
        if self._read_at is None or now - self._read_at >= REMEMBERED:
            self._read_at = now
            try:
                self._item = self.table.get(_KEY, consistent=False)
            except (ClientError, BotoCoreError) as error:
                log.warning("sign-ups not read: %s", error_name(error))
        minute, last = iso(now)[:16], iso(now - timedelta(minutes=1))[:16]
        counted = string(self._item, "minute")
        counts = [number(self._item, "count")] if counted in (minute, last) else []
        if counted == minute and string(self._item, "last") == last:
            counts.append(number(self._item, "before"))
        return any(count > self._limit for count in counts)

    def _add(self, sign_ups: int, minute: str) -> None:
        """Add to the count of ``minute``, or start it. Another mailer may start it first."""
        if (late := self._add_to(minute, sign_ups)) is None:
            return
        begun = self.table.update(
            _KEY,
            "SET #minute = :minute, #count = :n, #last = :last, #before = :before",
            "attribute_not_exists(#minute) OR #minute < :minute",
            {
                ":n": sign_ups,
                ":minute": minute,
                ":last": string(late, "minute"),
                ":before": int(number(late, "count")),
            },
            {f"#{name}": name for name in ("minute", "count", "last", "before")},
        )
        if not begun.done:
            self._add_to(string(begun.item, "minute"), sign_ups)

    def _add_to(self, minute: str, sign_ups: int) -> Item | None:
        """Add to the count of ``minute``. Return the item if it counts another minute."""
        added = self.table.update(
            _KEY,
            "SET #count = #count + :n",
            "#minute = :minute",
            {":n": sign_ups, ":minute": minute},
            {"#minute": "minute", "#count": "count"},
        )
        return None if added.done else added.item


def _is_sign_up(image: Item) -> bool:
    """Return True if a sign-up wrote the item last, not a mailer that released it."""
    said_at = string(image, "said_at")
    return bool(said_at) and said_at == string(image, "mail_at")
