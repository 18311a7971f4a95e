"""A simulated stage: the real mailer and drain, a virtual clock, a fake AWS.

Every lane of the stream, every thread of a mailer and every run of the drain is a greenlet. Waiting
takes none of our time: the clock goes on to the next one that has something to do.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError
from greenlet import getcurrent, greenlet

from chalicelib.mail import mailer
from chalicelib.mail.clock import Clock
from chalicelib.mail.drain import Drain
from chalicelib.mail.limits import Grant
from chalicelib.mail.mailer import BATCH, Mailer
from chalicelib.mail.message import Mail
from chalicelib.mail.ses import Ses
from chalicelib.users import table
from chalicelib.users.item import UNVALIDATED_LIFE, is_claimable, may_expire, owed_values
from chalicelib.users.mailboxes import Allowance
from chalicelib.users.moments import epoch, iso
from chalicelib.users.outbox import Claim, Owed
from chalicelib.users.people import User
from chalicelib.users.table import Item, string, typed, typed_values

SES_RATE = 14.0  # mails a second, as new accounts have
SES_SECONDS = 0.06
DYNAMODB_SECONDS = 0.005
LANES = (
    16  # 4 shards of a new table, each read by 4 (ops/resources/functions/event_source_mapping.py)
)
POLL_SECONDS = 0.25
START_SECONDS = 0.02
MAILER_TIMEOUT, DRAIN_TIMEOUT = 60.0, 120.0  # as .chalice/config.json has them
DAY = 86400.0
Plain = dict[str, Any]
TTL_SECONDS = 3600.0
"""How often DynamoDB deletes what has expired. It may take two days; sooner is worse for us."""


class Time:
    """A clock that goes on when every actor waits."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._begin = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
        self._waiting: list[tuple[float, int, greenlet]] = []
        self._turn = count()
        self._hub = getcurrent()

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=self.seconds)

    def start(self, act: Callable[..., object], *arguments: object, after: float = 0.0) -> None:
        """Have ``act`` done by an actor of its own."""
        actor = greenlet(lambda: act(*arguments), parent=self._hub)
        self.wake(actor, after)

    def wake(self, actor: greenlet, after: float = 0.0) -> None:
        heappush(self._waiting, (self.seconds + after, next(self._turn), actor))

    def pause(self, seconds: float) -> None:
        self.wake(getcurrent(), seconds)
        self._hub.switch()

    def sleep(self) -> None:
        """Wait until another actor wakes this one."""
        self._hub.switch()

    def run(self) -> None:
        """Go on until no actor has anything left to do."""
        while self._waiting:
            self.seconds, _, actor = heappop(self._waiting)
            actor.switch()

    def pool(self, size: int, initializer: object) -> Pool:  # noqa: ARG002 - as an executor has it
        """Return what a mailer takes for a ThreadPoolExecutor."""
        return Pool(self, size)


class Pool:
    """Threads that are actors."""

    def __init__(self, time: Time, size: int) -> None:
        self._time, self._size = time, size

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: ``map`` has waited for its work."""

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        todo = deque(enumerate(items))
        results: list[Any] = [None] * len(todo)
        caller, running = getcurrent(), self._size

        def thread() -> None:
            nonlocal running
            while todo:
                index, item = todo.popleft()
                results[index] = work(item)
            running -= 1
            if not running:
                self._time.wake(caller)

        for _ in range(self._size):
            self._time.start(thread)
        self._time.sleep()
        return results


class SesClient:
    """SES: a token bucket of one second's mails, a quota of any 24 hours, and outages.

    ``mailed`` has the seconds at which each address was mailed. ``outage`` makes the error that
    every call meets; ``is_paused`` is what GetAccount says meanwhile.
    """

    def __init__(self, time: Time, per_day: float = math.inf) -> None:
        self.calls = self.refused = 0
        self.mailed: dict[str, list[float]] = {}
        self.outage: Callable[[], Exception] | None = None
        self.is_paused = False
        self._time, self._per_day = time, per_day
        self._tokens, self._filled_at = SES_RATE, 0.0
        self._of_the_day: deque[float] = deque()

    def send_email(self, **request: Any) -> dict[str, str]:
        self.calls += 1
        error = self.outage() if self.outage else self._take()
        if error is None:
            (to,) = request["Destination"]["ToAddresses"]
            self.mailed.setdefault(to, []).append(self._time.seconds)
        else:
            self.refused += 1
        self._time.pause(SES_SECONDS)
        if error:
            raise error
        return {"MessageId": str(self.calls)}

    def get_account(self) -> dict[str, Any]:
        self._time.pause(SES_SECONDS)
        quota = {
            "MaxSendRate": SES_RATE,
            "Max24HourSend": -1 if self._per_day == math.inf else self._per_day,
            "SentLast24Hours": float(self._sent_today()),
        }
        return {"SendQuota": quota, "SendingEnabled": not self.is_paused}

    def _take(self) -> Exception | None:
        """Take a token; return SES's error if there is none, or if the day's quota is used up."""
        now = self._time.seconds
        self._tokens = min(SES_RATE, self._tokens + (now - self._filled_at) * SES_RATE)
        self._filled_at = now
        if self._sent_today() >= self._per_day:
            return ses_error("Daily message quota exceeded.")
        if self._tokens < 1:
            return ses_error("Maximum sending rate exceeded.")
        self._tokens -= 1
        self._of_the_day.append(now)
        return None

    def _sent_today(self) -> int:
        while self._of_the_day and self._of_the_day[0] <= self._time.seconds - DAY:
            self._of_the_day.popleft()
        return len(self._of_the_day)


def ses_error(
    message: str, code: str = "TooManyRequestsException", status: int = 429
) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
        },
        "SendEmail",
    )


class MemoryOutbox:
    """The transitions of Outbox that a mailer and a drain make, in memory.

    ``wait`` is called for each call of DynamoDB, and ``changed`` with each new image.
    """

    def __init__(
        self,
        wait: Callable[[], object] = lambda: None,
        changed: Callable[[Item], object] = lambda _: None,
    ) -> None:
        self._items: dict[str, Item] = {}
        self._owed: dict[str, str] = {}
        self._wait, self._changed = wait, changed

    def put(self, item: Item) -> None:
        """Write a whole item, as a sign-up or another program does."""
        self._items[item["email"]["S"]] = item
        if "owed" in item:
            self._owed[item["email"]["S"]] = string(item, "owed_at")
        else:
            self._owed.pop(item["email"]["S"], None)
        self._changed(item)

    def read(self, email: str) -> Item:
        self._wait()
        return self._items.get(email, {})

    def owes(self, image: Item, now: datetime) -> bool:
        return is_claimable(image, now)

    def claim(
        self, image: Item, link_hash: str, now: datetime, code_hash: str = ""
    ) -> Claim | None:
        email = string(image, "email")
        claiming = {**_owed(image, now), "mail": "sending", "mail_link": link_hash}
        if not self._update_version(image, now, claiming):
            return None
        takes_code = bool(string(image, "ticket") and code_hash)
        user = User(email, "", "", "")
        return Claim(user, link_hash, takes_code, may_expire=may_expire(image))

    def release(self, claim: Claim, error: str, now: datetime) -> bool:
        return self._end(claim, {"mail": "owed", "mail_at": iso(now), "mail_error": error})

    def sent(self, claim: Claim, message_id: str, now: datetime) -> bool:
        ended = {"mail": "sent", "mail_at": iso(now), "message_id": message_id, "mail_error": ""}
        return self._end(claim, {**ended, **_OUT_OF_INDEX, **_life(claim, now)})

    def failed(self, claim: Claim, error: str, now: datetime) -> bool:
        failure = {"mail": "failed", "mail_at": iso(now), "mail_error": error}
        return self._end(claim, {**failure, **_OUT_OF_INDEX, **_life(claim, now)})

    def owe(self, image: Item, now: datetime) -> bool:
        return self._update_version(image, now, _owed(image, now))

    def leave_index(self, image: Item) -> bool:
        self._wait()
        is_same = self._is_same(image)
        return is_same and self._set(self._items[string(image, "email")], _OUT_OF_INDEX)

    def expire(self, now: datetime) -> list[str]:
        """Delete what has expired, as DynamoDB does; return the addresses."""
        expired = [
            email
            for email, item in self._items.items()
            if "expires_at" in item and table.number(item, "expires_at") <= epoch(now)
        ]
        for email in expired:
            del self._items[email]
            self._owed.pop(email, None)
        return expired

    def owed(self, before: datetime, *, only_welcomes: bool = False) -> Iterator[Owed]:
        self._wait()
        if only_welcomes:
            return iter(())
        moment = iso(before)
        owed = sorted((since, email) for email, since in self._owed.items() if since < moment)
        return (Owed(since, email) for since, email in owed)

    def unindexed(self, segment: int, segments: int, now: datetime) -> Iterator[Item]:
        self._wait()
        for item in list(self._items.values()):
            is_of_segment = hash(item["email"]["S"]) % segments == segment
            must_be_kept = "owed" not in item or {"created_at", "expires_at"} <= set(item)
            if is_of_segment and must_be_kept and is_claimable(item, now):
                yield item

    def _update_version(self, image: Item, now: datetime, changes: Plain) -> bool:
        """Change the item if ``image`` owes a mail and is still its version."""
        if not is_claimable(image, now):
            return False
        self._wait()
        item = self._items.get(string(image, "email"), {})
        return "validated_at" not in item and self._is_same(image) and self._set(item, changes)

    def _is_same(self, image: Item) -> bool:
        """Return True if the item still is the version that ``image`` shows."""
        item = self._items.get(string(image, "email"), {})
        return bool(item) and all(item.get(each) == image.get(each) for each in ("mail", "mail_at"))

    def _end(self, claim: Claim, changes: Plain) -> bool:
        self._wait()
        item = self._items.get(claim.user.email, {})
        is_claims = (string(item, "mail"), string(item, "mail_link")) == (
            "sending",
            claim.link_hash,
        )
        return is_claims and self._set(item, changes)

    def _set(self, item: Item, changes: Plain) -> bool:
        new = {**item, **{name: typed(value) for name, value in changes.items()}}
        self.put({name: value for name, value in new.items() if value != {"S": ""}})
        return True


_OUT_OF_INDEX = {"owed": "", "owed_at": ""}


def _owed(image: Item, now: datetime) -> Plain:
    """Return what an item of ``image`` has that owes a mail: no end, if it is a sign-up's."""
    owed = owed_values(string(image, "email"), now, since=string(image, "owed_at"))
    names = {"mail": ":owed", "mail_at": ":now", "owed": ":slot", "owed_at": ":owed_at"}
    kept = {"expires_at": ""} if "created_at" in image else {}
    return {**{name: owed[value] for name, value in names.items()}, **kept}


def _life(claim: Claim, now: datetime) -> Plain:
    """Return the end of a sign-up whose mail was tried."""
    return {"expires_at": epoch(now + UNVALIDATED_LIFE)} if claim.may_expire else {}


class NoLimits:
    """Limits without a budget and a brake: only the lock is there."""

    def __init__(self, wait: Callable[[], object]) -> None:
        self._wait = wait
        self._lock: dict[str, str] = {}

    def reserve(self, mails: int, *_: object, **__: object) -> Grant:
        self._wait()
        return Grant(mails)

    def give_back(self, mails: int, hour: str) -> None:  # noqa: ARG002 - as Limits has it
        self._wait()

    def lock(self, holder: str, now: datetime, life: timedelta) -> Item | None:
        self._wait()
        if self._lock.get("held_until", "") > iso(now):
            return None
        self._lock |= {"holder": holder, "held_until": iso(now + life)}
        return {name: {"S": value} for name, value in self._lock.items()}

    def unlock(self, holder: str, now: datetime, scanned: str) -> None:
        self._wait()
        if self._lock["holder"] == holder:
            self._lock |= {"held_until": iso(now), "scanned": scanned}


class EmptyMailboxes:
    """Mailboxes that take every mail."""

    def __init__(self, wait: Callable[[], object]) -> None:
        self._wait = wait

    def count_mail(self, *_: object, **__: object) -> Allowance:
        self._wait()
        return Allowance.FREE


def signed_up(email: str, now: datetime) -> Item:
    """Return the item of a sign-up, as far as the mail is concerned. A test compares it."""
    owed = _owed({"email": {"S": email}}, now)
    return typed_values({"email": email, "created_at": iso(now), **owed})


@dataclass
class Stage:
    """A stage whose people sign up, whose stream has LANES readers, and whose clock ticks."""

    patch: pytest.MonkeyPatch
    per_day: float = math.inf
    time: Time = field(default_factory=Time)
    signed_up: dict[str, float] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.patch.setattr(mailer, "ThreadPoolExecutor", self.time.pool)
        self.ses = SesClient(self.time, self.per_day)
        self.outbox = MemoryOutbox(self._wait_for_dynamodb, self._stream)
        self.limits = NoLimits(self._wait_for_dynamodb)
        self._lanes = [Lane(self) for _ in range(LANES)]
        self._tokens = count()

    def sign_up(self, email: str) -> None:
        self.signed_up[email] = self.time.seconds
        self.outbox.put(signed_up(email, self.time.now()))

    def sign_up_now_and_then(self, every: float, after: float) -> None:
        """Have somebody sign up ``every`` so many seconds until all the others are mailed."""
        self.time.pause(after)
        for number in count():
            if not self.owed():
                return
            self.sign_up(f"fresh{number}@example.org")
            self.time.pause(every)

    def tick(self) -> None:
        """Start the drain each minute, until nobody is owed a mail."""
        for minute in count(1):
            self.time.pause(60)
            self.time.start(self._drain, str(minute))
            if not self.owed() and not self.ses.outage:
                return

    def expire(self) -> None:
        """Have DynamoDB delete what has expired, until nobody is owed a mail."""
        while self.owed():
            self.time.pause(TTL_SECONDS)
            expired = self.outbox.expire(self.time.now())
            assert set(expired) <= set(self.ses.mailed), "who was not mailed is gone"

    def run(self) -> None:
        self.time.start(self.tick)
        self.time.start(self.expire)
        self.time.run()

    def owed(self) -> int:
        """Return how many people are not mailed yet."""
        return len(self.signed_up) - len(self.ses.mailed)

    def waits(self, prefix: str) -> list[float]:
        """Return how long each of the people was waiting for the mail."""
        mailed = self.ses.mailed.items()
        return [moments[0] - self.signed_up[to] for to, moments in mailed if to.startswith(prefix)]

    def mailer(self) -> Mailer:
        """Return the mailer of a new process."""
        return Mailer(
            self.outbox,  # type: ignore[arg-type]
            Ses(self.ses, "hello@example.org"),  # type: ignore[arg-type]
            lambda user, *_: Mail(user.email, "Welcome", "Welcome", "Welcome"),
            Clock(self.time.now, self.time.pause),
            self.limits,  # type: ignore[arg-type]
            EmptyMailboxes(self._wait_for_dynamodb),  # type: ignore[arg-type]
            mint=lambda: str(next(self._tokens)),
        )

    def time_left(self, seconds: float) -> Callable[[], float]:
        end = self.time.seconds + seconds
        return lambda: end - self.time.seconds

    def invoke(self, function: str, act: Callable[[], object]) -> None:
        """Run a function as Lambda does: an error is counted."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the edge of a function
            self.errors[f"{function} {type(error).__name__}"] += 1

    def _drain(self, run: str) -> None:
        mailer = self.mailer()
        drain = Drain(self.outbox, mailer, self.limits, Clock(self.time.now, self.time.pause))  # type: ignore[arg-type]
        left = self.time_left(DRAIN_TIMEOUT)
        self.invoke("resend_owed_mail", lambda: drain.drain(run, left))

    def _stream(self, image: Item) -> None:
        if string(image, "mail") == "owed":  # the mapping's filter
            number = int(string(image, "owed")) % LANES
            self._lanes[number].bring({"eventName": "MODIFY", "dynamodb": {"NewImage": image}})

    def _wait_for_dynamodb(self) -> None:
        self.time.pause(DYNAMODB_SECONDS)


class Lane:
    """One reader of the stream, with the process that it invokes."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._mailer = stage.mailer()
        self._records: deque[Any] = deque()
        self._is_idle = True

    def bring(self, record: object) -> None:
        self._records.append(record)
        if self._is_idle:
            self._is_idle = False
            self._stage.time.start(self._read, after=POLL_SECONDS)

    def _read(self) -> None:
        while self._records:
            batch = [self._records.popleft() for _ in range(min(BATCH, len(self._records)))]
            self._stage.time.pause(START_SECONDS)
            left = self._stage.time_left(MAILER_TIMEOUT)
            self._stage.invoke(
                "send_validation_mail", partial(self._mailer.mail_records, batch, left)
            )
        self._is_idle = True
