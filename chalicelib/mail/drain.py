"""The drain: one sender of owed mail, oldest first, at SES's pace."""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.logs import error_name, hashed, report_drain
from chalicelib.mail.clock import Clock
from chalicelib.mail.limits import BRAKE, Limits
from chalicelib.mail.mailer import Mailer, Outcome, Run
from chalicelib.mail.ses import PAUSED, QUOTA, RATE, UNREACHABLE, Account, why_refused
from chalicelib.users.item import is_being_sent, is_fresh
from chalicelib.users.moments import iso, moment
from chalicelib.users.outbox import Outbox, Owed
from chalicelib.users.table import Item, ItemFull, string

log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=1)
"""The time that the stream has for a mail before the drain takes it."""
RESERVED_SHARE = 0.1
"""The share of SES's rate that is reserved for new sign-ups."""
SLOWDOWN, MIN_PACE = 0.9, 0.5
"""The factor of the pace each time SES refuses it, and the fewest mails a second."""
MAX_MISSED_BATCHES = 2
"""Batches in a row in which no mail reaches SES: one may be chance, two are an outage."""
RUN_LIMIT = timedelta(seconds=57)
"""The length of a run: until the next one is due."""
LOCK_LIFE = timedelta(seconds=130)
"""Longer than Lambda's time-out, so that no two drains send at once."""
LONGEST_WAIT = timedelta(hours=1)
SEGMENTS = 24
MOST_AT_ONCE = 50


@dataclass
class Drain:
    """Sends the mail that the stream's mailer left."""

    outbox: Outbox
    mailer: Mailer
    limits: Limits
    clock: Clock

    def drain(self, run_id: str, time_left: Callable[[], float]) -> int:
        """Mail until nothing is owed or the next run is due; return how many mails went out.

        ``run_id`` names this run in the lock. If another run is still going, this one ends.
        """
        started = self.clock.now()
        lock = self.limits.lock(run_id, started, LOCK_LIFE)
        if lock is None:
            log.info("drain: another run is still going")
            return 0
        hour = string(lock, "scanned")
        try:
            hour = self._index_owed_mail(started, hour)
            return self._send_all(started, time_left)
        finally:
            self.limits.unlock(run_id, self.clock.now(), hour)

    def _send_all(self, started: datetime, time_left: Callable[[], float]) -> int:
        waiting = self.outbox.owed(started - PATIENCE)
        first = next(waiting, None)
        if first is None:
            report_drain(log, 0, 0, 0, "none")
            return 0
        waiting = chain([first], waiting)
        account = self._account()
        why = _why_not(account)
        mailed = seen = misses = 0
        oldest, is_braked = "", False
        pace = max(account.rate * (1 - RESERVED_SHARE), 0.1)
        size = 1  # the first mail is a probe: it costs little while SES takes nothing
        while batch := list(islice(waiting, size)):
            begun = self.clock.now()
            due, still_owed = self._look_at(batch)
            run = Run(time_left, why=why)
            if due and not why:
                self.mailer.send_batch(due, run)
            still_owed |= {image["email"]["S"] for image in due} - run.settled()
            mailed += run.count(Outcome.SENT)
            seen += len(due)
            oldest = oldest or next((mail.since for mail in batch if mail.email in still_owed), "")
            if why:  # SES's own account says so
                break
            if run.why == RATE:  # new sign-ups need more of the rate than their reserve
                pace = max(pace * SLOWDOWN, MIN_PACE)
                self.clock.pause(1.0)
            misses = misses + 1 if due and run.unreachable == len(due) else 0
            if run.why == BRAKE and not is_braked:
                is_braked = True  # the brake does not stop welcomes: their users are validated
                oldest = oldest or self._oldest(waiting)
                waiting = self.outbox.owed(started - PATIENCE, only_welcomes=True)
            if run.why not in ("", RATE, BRAKE) or misses == MAX_MISSED_BATCHES:
                why = run.why or UNREACHABLE
                break
            size = 1 if misses else min(max(1, int(pace)), MOST_AT_ONCE)
            took = (self.clock.now() - begun).total_seconds()
            self.clock.pause(max(0.0, len(due) / pace - took))
            if self.clock.now() - started >= RUN_LIMIT:
                oldest = oldest or self._oldest(waiting)
                break
        since = moment(oldest)
        age = (self.clock.now() - since).total_seconds() if since else 0.0
        why = why or (BRAKE if is_braked else "none")
        report_drain(log, age, mailed, seen - mailed, why)
        return mailed

    def _account(self) -> Account:
        """Return the account's rate at SES; if SES gives none, a sandbox's one mail a second."""
        try:
            return self.mailer.ses.account()
        except (ClientError, BotoCoreError) as error:
            log.error("SES's rate is not known: %s", error_name(error))
            return Account(rate=1.0, left_today=math.inf, may_send=True)

    def _look_at(self, batch: list[Owed]) -> tuple[list[Item], set[str]]:
        """Return the items of ``batch`` to try now, and the keys of those that must wait.

        An item that another program has changed may owe nothing any more. It leaves the index.
        """
        now = self.clock.now()
        due: list[Item] = []
        waiting: set[str] = set()
        for owed in batch:
            try:
                image = self.outbox.read(owed.email)
                is_owed = self.outbox.owes(image, now)
                if is_owed and _is_due(image, now):
                    due.append(image)
                elif is_owed or is_being_sent(image, now):
                    waiting.add(owed.email)
                elif string(image, "owed_at") < iso(now):  # later: a reminder is to come
                    self.outbox.leave_index(image)
            except (ClientError, BotoCoreError) as error:
                log.warning("mail still owed user=%s: %s", hashed(owed.email), error_name(error))
                waiting.add(owed.email)
        return due, waiting

    def _oldest(self, waiting: Iterator[Owed]) -> str:
        """Return since when the first mail in ``waiting`` that is still owed has been owed."""
        for mail in waiting:
            due, still_owed = self._look_at([mail])
            if due or still_owed:
                return mail.since
        return ""

    def _index_owed_mail(self, now: datetime, scanned: str) -> str:
        """Once an hour, scan a 24th of the table and index the owed mail that is not indexed.

        Mail that is no longer owed leaves the index. Return the hour that was scanned last.
        """
        hour = iso(now)[:13]
        if hour == scanned:
            return hour
        for image in self.outbox.unindexed(now.hour, SEGMENTS, now):
            user = hashed(image["email"]["S"])
            try:
                if not self.outbox.owes(image, now):
                    self.outbox.leave_index(image)
                elif self.outbox.owe(image, self.clock.now()):
                    log.info("asked again user=%s", user)
            except ItemFull as error:
                log.error("item unusable user=%s: %s", user, error)
            except (ClientError, BotoCoreError) as error:
                log.warning("not asked again user=%s: %s", user, error_name(error))
        return hour


def _is_due(image: Item, now: datetime) -> bool:
    """Return False while a mail that SES refused must wait, such as a sandbox's.

    It waits twice as long after each try, at most LONGEST_WAIT. An error of the
    whole account delays no single mail.
    """
    if string(image, "mail") != "owed" or is_fresh(image):
        return True
    if why_refused(string(image, "mail_error")):
        return True
    last, first = (moment(string(image, name)) for name in ("mail_at", "owed_at"))
    return not last or not first or now - last >= min(last - first, LONGEST_WAIT)


def _why_not(account: Account) -> str:
    """Return why SES takes no mail now; empty if it does."""
    if not account.may_send:
        return PAUSED
    if account.left_today < 1:
        return QUOTA
    return RATE if account.rate <= 0 else ""
