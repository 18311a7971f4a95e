"""The users' events during a run, read from the stream of their table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.users.item import DELETED

Image = Mapping[str, Mapping[str, Any]]

# By the attribute ``mail``; a mail that is being sent is told once it was.
_MAIL = {
    "owed": "requested mail",
    "sent": "mailed",
    "delivered": "delivered",
    "failed": "mail failed",
    "bounced": "bounced",
    "complained": "complained",
    "refused": "refused",
}


@dataclass(frozen=True)
class Happening:
    """One thing that happened to a user, in a word or two."""

    at: datetime
    event: str
    email: str
    detail: str = ""


class Stream:
    """The stream ``arn``, from its beginning."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn
        self._places: dict[str, str | None] = {}
        self._known: dict[str, Image] = {}

    def read(self) -> Iterator[Happening]:
        """Yield what happened since it was read last."""
        for shard in self._client.describe_stream(StreamArn=self._arn)["StreamDescription"][
            "Shards"
        ]:
            shard_id = shard["ShardId"]
            if shard_id not in self._places:
                self._places[shard_id] = self._client.get_shard_iterator(
                    StreamArn=self._arn, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
                )["ShardIterator"]
            while place := self._places[shard_id]:
                page = self._client.get_records(ShardIterator=place)
                self._places[shard_id] = page.get("NextShardIterator")
                for record in page["Records"]:
                    yield from self._happenings(record["dynamodb"])
                if not page["Records"]:
                    break

    def _happenings(self, change: Mapping[str, Any]) -> Iterator[Happening]:
        email = change["Keys"]["email"]["S"]
        after = change.get("NewImage")
        before = self._known.pop(email, None)
        if after:
            self._known[email] = after
        at = change["ApproximateCreationDateTime"]
        for event, detail in compare(before, after):
            yield Happening(at, event, email, detail)


def compare(before: Image | None, after: Image | None) -> list[tuple[str, str]]:
    """Return what happened between two images of a user's item, each with a detail."""
    if before and _text(before, "mail") == DELETED:  # the bare address, until that is published
        before = None
        if not after or _text(after, "mail") == DELETED:
            return []
    if not after or _text(after, "mail") == DELETED:
        return [("deleted", "")]
    happened = []
    mail, mail_before = _text(after, "mail"), _text(before or {}, "mail")
    if not before:
        signed_up = ("signed up", _text(after, "lang"))
        happened.append(signed_up if mail else ("put", "by another program"))
    elif not mail and mail_before:
        happened.append(("put", "by another program, in place of the user"))
    elif mail == "owed" and mail_before == "sending":
        happened.append(("not mailed", "SES did not take the mail: it is still owed"))
    elif mail == "delivered" and mail_before == "sending":  # SES's report was first
        happened += [("mailed", ""), ("delivered", "")]
    elif mail == "owed" and "validated_at" in after:
        pass  # a welcome: said once it is mailed
    elif mail != mail_before and mail in _MAIL:
        happened.append((_MAIL[mail], _kind(before, after) or _text(after, "mail_error")))
    if "validated_at" in after and "validated_at" not in (before or {}):
        happened.append(("validated", _text(after, "validated_by")))
    return happened


def _kind(before: Image, after: Image) -> str:
    """Return what the mail is that was just sent, if its user did not ask for it."""
    if _text(before, "mail") != "sending":
        return ""
    if "welcomed_at" in after:
        return "the welcome"
    reminded = _text(after, "reminded_at")
    return "the reminder" if reminded and reminded == _text(before, "mail_at") else ""


def _text(image: Image, name: str) -> str:
    return str(image.get(name, {}).get("S", ""))
