"""The mailer: claims owed mail, hands it to SES and records the result."""

import logging
import os
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.logs import error_name, hashed
from chalicelib.mail.clock import Clock
from chalicelib.mail.limits import BRAKE, Grant, Limits
from chalicelib.mail.message import Mail
from chalicelib.mail.ses import RATE, UNREACHABLE, Refused, Ses, Undelivered
from chalicelib.users import codes, tokens
from chalicelib.users.email_address import AddressError
from chalicelib.users.item import MAX_MAILS, is_claimable, is_fresh, is_requested_by_owner, kind_of
from chalicelib.users.mailboxes import Allowance, Mailboxes
from chalicelib.users.moments import iso
from chalicelib.users.outbox import Claim, Outbox
from chalicelib.users.people import MailKind
from chalicelib.users.table import Item, ItemFull, string

log = logging.getLogger(__name__)

BATCH = 100
"""The most records in a batch of the stream."""
# A mail waits for SES for about 60 ms and keeps a processor busy for 3 ms: more threads would
# only cost their connections.
MAX_CONCURRENT = 32
# The slowest mail takes less (claim, three connections to SES, the last write), so every mail that
# is started is also recorded. A test adds up the clients' settings in wiring.py.
TIME_FOR_A_MAIL = 45.0
RETRY_PAUSE = 0.5
RATE_LIMIT_PAUSE = timedelta(seconds=5)
"""The time for which this process sends nothing after SES refused a mail for its rate."""
MAX_SMALL_BATCH = 3
"""A batch of so few mails is not a burst: each is tried again if SES's rate is used up."""
RATE_TRIES = 4


MAILBOX_FULL = f"mailbox: {MAX_MAILS} mails in 24 hours"
"""The reason to give up a mail: all spellings of the address had so many."""


class StillOwed(Exception):
    """DynamoDB refused some of the batch. Lambda repeats it; sent mails are not claimed again."""


class Outcome(Enum):
    """The mailer's outcome for a mail. Log lines show the values."""

    SENT = "sent"
    FAILED = "failed"
    NOT_OWED = "not owed"
    NOT_SENT = "not sent"
    """Its mailbox is full, or its owner refused mail."""
    PUT_OFF = "put off"
    IN_DOUBT = "in doubt"
    """SES may have it. SES's own report decides, or the end of the lease."""
    STILL_OWED = "still owed"


@dataclass
class Run:
    """One run over a batch.

    ``why`` is the reason to start no more mails, empty until then. ``unreachable`` counts the
    mails that did not reach SES: one is chance, all of them are an outage.
    """

    time_left: Callable[[], float]
    tries: int = 1
    why: str = ""
    unreachable: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> int:
        return list(self.outcomes.values()).count(outcome)

    def settled(self) -> set[str]:
        """Return the keys whose mail is no longer owed."""
        still_owed = (Outcome.PUT_OFF, Outcome.IN_DOUBT, Outcome.STILL_OWED)
        return {email for email, outcome in self.outcomes.items() if outcome not in still_owed}

    def __str__(self) -> str:
        return ", ".join(f"{self.count(each)} {each.value}" for each in Outcome)


@dataclass
class Mailer:
    """Sends owed mail, to several addresses at once.

    ``compose`` writes a mail, and ``mint`` makes the token of its link. Without a ``secret_key``
    mails carry no code.
    """

    outbox: Outbox
    ses: Ses
    compose: Callable[..., Mail]
    clock: Clock
    limits: Limits
    mailboxes: Mailboxes
    secret_key: str = ""
    mint: Callable[[], str] = tokens.mint
    _quiet_until: datetime | None = None

    def mail_records(
        self, records: Iterable[Mapping[str, Any]], time_left: Callable[[], float]
    ) -> None:
        """Send the mail that the stream's ``records`` owe, as far as SES takes it now.

        ``time_left`` returns the invocation's remaining seconds. A mail that SES refuses stays
        owed, and the drain sends it later: that is not an error. Raises StillOwed if DynamoDB
        refuses, after the whole batch was tried. Raising is right whether or not the event source
        mapping asks for partial answers, so the failed records are not named.
        """
        images = owed(records, self.clock.now())
        if not images:
            return
        run = Run(time_left, tries=RATE_TRIES if len(images) <= MAX_SMALL_BATCH else 1)
        is_quiet = self._quiet_until is not None and self.clock.now() < self._quiet_until
        if is_quiet and len(images) > MAX_SMALL_BATCH:
            run.why = RATE
        self.send_batch(images, run)
        if run.why == RATE and len(images) > MAX_SMALL_BATCH:
            self._quiet_until = self.clock.now() + RATE_LIMIT_PAUSE
        for image in images:
            if run.outcomes[image["email"]["S"]] is Outcome.PUT_OFF and "owed" not in image:
                self._owe(image, run)
        log.info("batch: %s", run)
        if failed := run.count(Outcome.STILL_OWED):
            raise StillOwed(f"DynamoDB refused {failed} of {len(images)} mails")

    def send_batch(self, images: Sequence[Item], run: Run) -> None:
        """Send the mail that ``images`` owe, within the budget; ``run`` has the outcomes."""
        taken, grant = ((), Grant(0, run.why)) if run.why else self._granted(images)
        run.outcomes.update((image["email"]["S"], Outcome.PUT_OFF) for image in images)
        if taken:
            size = min(len(taken), MAX_CONCURRENT)
            with ThreadPoolExecutor(size, initializer=_on_one_processor) as pool:
                outcomes = pool.map(lambda image: self._process(image, run), taken)
                run.outcomes.update(
                    (image["email"]["S"], outcome)
                    for image, outcome in zip(taken, outcomes, strict=True)
                )
            may_have_left = run.count(Outcome.SENT) + run.count(Outcome.IN_DOUBT)
            self._give_back(len(taken) - may_have_left, grant.hour)
        run.why = run.why or grant.why

    def _process(self, image: Item, run: Run) -> Outcome:
        email = image["email"]["S"]
        user = hashed(email)
        if run.why:
            return Outcome.PUT_OFF
        if run.time_left() < TIME_FOR_A_MAIL:
            log.warning("mail put off user=%s: little time left", user)
            return Outcome.PUT_OFF
        token = self.mint()
        link_hash = tokens.digest(token)
        code = codes.mint() if self.secret_key else ""
        code_hash = codes.digest(self.secret_key, link_hash, code) if code else ""
        now = self.clock.now()
        try:
            allowance = self._count(image, now)
            if allowance is not Allowance.FREE:
                return self._close(image, allowance, now)
            claim = self.outbox.claim(image, link_hash, now, code_hash)
        except (ClientError, BotoCoreError) as error:
            log.warning("mail still owed user=%s: %s", user, error_name(error))
            return Outcome.STILL_OWED
        except ItemFull as error:
            log.error("item unusable user=%s: %s", user, error)
            return Outcome.FAILED
        if claim is None:
            return Outcome.NOT_OWED
        try:
            outcome = self._compose_and_send(claim, token, code if claim.takes_code else "", run)
        except (ClientError, BotoCoreError) as error:
            log.warning("mail in doubt user=%s: %s", user, error_name(error))
            return Outcome.IN_DOUBT
        if outcome in (Outcome.SENT, Outcome.FAILED):
            words = "" if claim.kind is MailKind.LINK else f" as a {claim.kind.value}"
            log.info("mail %s user=%s%s", outcome.value, user, words)
        return outcome

    def _count(self, image: Item, now: datetime) -> Allowance:
        """Count the mail in its mailbox before the claim: a mail that is not sent makes no link.

        No stranger can ask for a welcome, so it has no limit. But its owner may have refused mail.
        """
        owed_at = string(image, "owed_at") or iso(now)  # the same state as in the claim
        has_limit = kind_of(image) is not MailKind.WELCOME and not is_requested_by_owner(image)
        return self.mailboxes.count_mail(image["email"]["S"], owed_at, now, has_limit=has_limit)

    def _close(self, image: Item, allowance: Allowance, now: datetime) -> Outcome:
        """Record that the mailbox takes no mail. A later request may ask again."""
        user = hashed(image["email"]["S"])
        if kind_of(image) is MailKind.WELCOME:  # the validation stands
            is_closed = self.outbox.leave_index(image)
        elif allowance is Allowance.REFUSED:
            is_closed = self.outbox.refuse(image, now)
        elif is_claimable(image, now):
            is_closed = self.outbox.give_up(image, MAILBOX_FULL, now)
        else:  # a reminder, which nobody requested: the mail before it did go out
            is_closed = self.outbox.leave_index(image)
        if not is_closed:
            return Outcome.NOT_OWED
        log.info("mail not sent user=%s: its mailbox is %s", user, allowance.value)
        return Outcome.NOT_SENT

    def _compose_and_send(self, claim: Claim, token: str, code: str, run: Run) -> Outcome:
        user = hashed(claim.user.email)
        try:
            mail = self.compose(claim.user, token, code, claim.kind)
        except AddressError as error:
            self.outbox.failed(claim, str(error), self.clock.now())
            return Outcome.FAILED
        except Exception as error:  # noqa: BLE001 - a bug in one mail must not stop others' mail
            _log_mistake(user, error)
            self.outbox.release(claim, type(error).__name__, self.clock.now())
            return Outcome.PUT_OFF
        try:
            message_id = self._send_with_retries(mail, claim, run)
        except Refused as error:
            self.outbox.failed(claim, str(error), self.clock.now())
            return Outcome.FAILED
        except Undelivered as error:
            log.warning("mail still owed user=%s: %s", user, error_name(error.__cause__ or error))
            if error.why == UNREACHABLE:
                run.unreachable += 1
            else:
                run.why = run.why or error.why
            if error.may_have_left:
                return Outcome.IN_DOUBT
            self.outbox.release(claim, str(error), self.clock.now())
            return Outcome.PUT_OFF
        except Exception as error:  # noqa: BLE001 - as above, but SES may have the mail
            _log_mistake(user, error)
            return Outcome.IN_DOUBT
        self._record(claim, message_id, run)
        return Outcome.SENT

    def _send_with_retries(self, mail: Mail, claim: Claim, run: Run) -> str:
        """Send the mail to SES; wait for SES's rate if this is not a burst."""
        for tries_left in reversed(range(run.tries)):
            try:
                return self.ses.send(mail, claim.link_hash)
            except Undelivered as error:
                if error.why != RATE or not tries_left or run.time_left() < TIME_FOR_A_MAIL:
                    raise
            self.clock.pause(RETRY_PAUSE)
        raise AssertionError("unreachable: the last try returns or raises")

    def _record(self, claim: Claim, message_id: str, run: Run) -> None:
        """Record that the mail has left, with as many tries as it takes."""
        while True:
            try:
                self.outbox.sent(claim, message_id, self.clock.now())
            except (ClientError, BotoCoreError) as error:
                if run.time_left() < TIME_FOR_A_MAIL / 2:
                    raise
                log.warning(
                    "not yet recorded user=%s: %s", hashed(claim.user.email), error_name(error)
                )
                self.clock.pause(RETRY_PAUSE)
            else:
                return

    def _owe(self, image: Item, run: Run) -> None:
        """Put the mail of another program's item into the index, for the drain to find it."""
        email = image["email"]["S"]
        try:
            self.outbox.owe(image, self.clock.now())
        except ItemFull as error:
            log.error("item unusable user=%s: %s", hashed(email), error)
        except (ClientError, BotoCoreError) as error:
            log.warning("mail still owed user=%s: %s", hashed(email), error_name(error))
            run.outcomes[email] = Outcome.STILL_OWED

    def _granted(self, images: Sequence[Item]) -> tuple[Sequence[Item], Grant]:
        """Return the images whose mail may go out, and the grant, which says why no more may.

        The brake is for addresses that were never validated: welcomes go out.
        """
        now = self.clock.now()
        grant = self._reserve(len(images), now)
        if grant.why != BRAKE:
            return images[: grant.mails], grant._replace(why="" if grant.mails else grant.why)
        welcomes = [image for image in images if kind_of(image) is MailKind.WELCOME]
        if welcomes:
            grant = self._reserve(len(welcomes), now, are_welcomes=True)
        return welcomes[: grant.mails], grant._replace(why=BRAKE if grant.mails else grant.why)

    def _reserve(self, mails: int, now: datetime, *, are_welcomes: bool = False) -> Grant:
        """Reserve mails of the budget. If the table of limits fails, mail does not wait for it."""
        try:
            return self.limits.reserve(mails, now, are_welcomes=are_welcomes)
        except (ClientError, BotoCoreError) as error:
            log.error("no budget: %s", error_name(error))
            return Grant(mails)

    def _give_back(self, mails: int, hour: str) -> None:
        if mails > 0 and hour:
            with suppress(ClientError, BotoCoreError):  # the budget is then a little smaller
                self.limits.give_back(mails, hour)


def _log_mistake(user: str, error: Exception) -> None:
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("mail still owed user=%s: %s\n%s", user, error_name(error), frames)


def _on_one_processor() -> None:
    """Make this thread run on the same processor as the others of its batch.

    Only one thread at a time has Python's lock. If the lock moves between processors, a batch takes
    a third more processor time. macOS has no such call, and Lambda may refuse it.
    """
    with suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def owed(records: Iterable[Mapping[str, Any]], now: datetime) -> list[Item]:
    """Return the images whose mail is owed for the first time, the latest of each address.

    A record that cannot be read is logged and skipped: if Lambda repeated it, it would stop the
    shard for a day and still be unreadable.
    """
    images: dict[str, Item] = {}
    for record in records:
        try:
            image = _image(record)
        except (KeyError, TypeError, AttributeError) as error:
            log.error("unreadable record %s: %s", _sequence_number(record), type(error).__name__)
            continue
        if image is not None:
            images[image["email"]["S"]] = image
    return [image for image in images.values() if is_claimable(image, now) and is_fresh(image)]


def _image(record: Mapping[str, Any]) -> Item | None:
    """Return the new image of a record; None for a deletion. Raises KeyError or TypeError."""
    if record["eventName"] not in ("INSERT", "MODIFY"):
        return None
    image: Item = record["dynamodb"]["NewImage"]
    if not isinstance(image["email"]["S"], str):
        raise TypeError("a key that is no string")
    if "mail" in image and not isinstance(image["mail"]["S"], str):
        raise TypeError("a state that is no string")
    return image


def _sequence_number(record: object) -> str:
    try:
        return str(record["dynamodb"]["SequenceNumber"])  # type: ignore[index]
    except (KeyError, TypeError):
        return "without a sequence number"
