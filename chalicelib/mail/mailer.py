"""The stream's records made into mails: which are owed, each claimed, sent and written down."""

import logging
import os
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.logs import hashed, kind
from chalicelib.mail.message import Mail
from chalicelib.mail.ses import Delivery, Refused, Undelivered
from chalicelib.users import tokens
from chalicelib.users.email_address import AddressError
from chalicelib.users.people import User
from chalicelib.users.store import Unusable, Users

log = logging.getLogger(__name__)

BATCH = 100
"""The most records that the stream hands over at a time."""
# A mail waits for SES for some 60 ms, and keeps a whole processor busy for 3: more threads would
# only cost their connections.
MAX_CONCURRENT = 32
# Longer than a mail takes at its slowest (two claims, three tries at SES, the last write), so that
# what is started is also written down. A test reckons it from the clients' settings in wiring.py.
TIME_FOR_A_MAIL = 45.0
PAUSE = 0.5


@dataclass(frozen=True)
class Owed:
    """A mail that records ask for. ``signed_up`` if a sign-up made the item, not another writer."""

    email: str
    signed_up: bool


class StillOwed(Exception):
    """Some of the batch's mails could not be sent now. Lambda repeats the batch; those that were
    sent are not claimed again."""


class Outcome(Enum):
    SENT = "sent"
    FAILED = "failed"
    NOT_OWED = "not owed"
    STILL_OWED = "still owed"


@dataclass(frozen=True)
class Mailer:
    """Sends the mails that a batch of records asks for, distinct addresses at the same time.

    ``now``, ``mint`` and ``pause`` (seconds) are the clock, the source of tokens and of patience.
    """

    users: Users
    delivery: Delivery
    compose: Callable[[User, str], Mail]
    now: Callable[[], datetime]
    pause: Callable[[float], None]
    mint: Callable[[], str] = tokens.mint

    def mail(self, records: Iterable[Mapping[str, Any]], time_left: Callable[[], float]) -> None:
        """Send every mail that is owed. ``time_left`` tells the invocation's remaining seconds.

        Raises StillOwed after the whole batch was tried. Raising, rather than naming the failed
        records, is right whether or not the event source mapping asks for partial answers.
        """
        batch = owed(records)
        if not batch:
            return
        size = min(len(batch), MAX_CONCURRENT)
        with ThreadPoolExecutor(size, initializer=_on_one_processor) as pool:
            outcomes = list(pool.map(lambda one: self._mail(one, time_left), batch))
        counts = {outcome: outcomes.count(outcome) for outcome in Outcome}
        log.info("batch: %s", ", ".join(f"{count} {what.value}" for what, count in counts.items()))
        if counts[Outcome.STILL_OWED]:
            raise StillOwed(f"{counts[Outcome.STILL_OWED]} of {len(batch)} mails are still owed")

    def _mail(self, one: Owed, time_left: Callable[[], float]) -> Outcome:
        user_hash = hashed(one.email)
        if time_left() < TIME_FOR_A_MAIL:
            log.warning("mail put off user=%s: little time left", user_hash)
            return Outcome.STILL_OWED
        try:
            outcome = self._claim_and_send(one, time_left)
        except (ClientError, BotoCoreError) as error:
            log.warning("mail still owed user=%s: %s", user_hash, kind(error))
            return Outcome.STILL_OWED
        except Undelivered as error:
            log.warning("mail still owed user=%s: %s", user_hash, kind(error.__cause__ or error))
            return Outcome.STILL_OWED
        except Unusable as error:
            log.error("item unusable user=%s: %s", user_hash, error)
            return Outcome.FAILED
        except Exception as error:  # noqa: BLE001 - a mistake of ours: the others' mail goes on
            frames = "".join(traceback.format_tb(error.__traceback__))
            log.error("mail still owed user=%s: %s\n%s", user_hash, kind(error), frames)
            return Outcome.STILL_OWED
        log.info("mail %s user=%s", outcome.value, user_hash)
        return outcome

    def _claim_and_send(self, one: Owed, time_left: Callable[[], float]) -> Outcome:
        token = self.mint()
        link_hash = tokens.digest(token)
        user = self.users.claim(one.email, link_hash, self.now(), lapses=one.signed_up)
        if user is None:
            return Outcome.NOT_OWED
        try:
            self.delivery.send(self.compose(user, token))
        except (AddressError, Refused) as error:
            self.users.failed(one.email, str(error), self.now())
            return Outcome.FAILED
        except Undelivered as error:
            if not error.left:
                self.users.take_back(one.email, link_hash, str(error))
            raise
        self._write_down(one.email, time_left)
        return Outcome.SENT

    def _write_down(self, email: str, time_left: Callable[[], float]) -> None:
        """Say that the mail has left, as often as it takes: unsaid, it would be sent twice."""
        while True:
            try:
                self.users.sent(email, self.now())
            except (ClientError, BotoCoreError) as error:
                if time_left() < TIME_FOR_A_MAIL / 2:
                    raise
                log.warning("not yet written down user=%s: %s", hashed(email), kind(error))
                self.pause(PAUSE)
            else:
                return


def _on_one_processor() -> None:
    """Have this thread run where all the others of a batch do.

    One of them at a time has Python's lock. Where they hand it from one processor to another, and
    each finds the other's caches cold, a batch takes a processor a third as long again.
    """
    with suppress(AttributeError, OSError):  # macOS cannot say so, and Lambda need not allow it
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def owed(records: Iterable[Mapping[str, Any]]) -> list[Owed]:
    """The mails that ``records`` ask for, one an address, in the order first asked for.

    A record that cannot be read is logged and stepped over: retried, it would stop the shard for a
    day and still not be readable.
    """
    asked: dict[str, bool] = {}
    for record in records:
        try:
            one = _owed(record)
        except (KeyError, TypeError, AttributeError) as error:
            log.error("unreadable record %s: %s", _sequence_number(record), type(error).__name__)
            continue
        if one:
            asked[one.email] = asked.get(one.email, False) or one.signed_up
    return [Owed(email, signed_up) for email, signed_up in asked.items()]


def _owed(record: Mapping[str, Any]) -> Owed | None:
    event = record["eventName"]
    if event not in ("INSERT", "MODIFY"):
        return None
    image = record["dynamodb"]["NewImage"]
    mail = image["mail"]["S"] if "mail" in image else None
    if "validated_at" in image or not (mail == "owed" or (mail is None and event == "INSERT")):
        return None
    signed_up = mail == "owed" and (event == "INSERT" or "expires_at" in image)
    email = image["email"]["S"]
    if not isinstance(email, str):
        raise TypeError("a key that is no string")
    return Owed(email, signed_up)


def _sequence_number(record: object) -> str:
    try:
        return str(record["dynamodb"]["SequenceNumber"])  # type: ignore[index]
    except (KeyError, TypeError):
        return "without a sequence number"
