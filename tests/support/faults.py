"""Planned faults: a failing AWS, a stage on a virtual clock, a table of results."""

from __future__ import annotations

import json
import math
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count as numbers
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import wiring
from chalicelib.mail.mailer import StillOwed
from chalicelib.users.item import LEASE
from tests.support import moto_stream
from tests.support.fakes import delivery, sent
from tests.support.service import ALEXIS, BASE_URL, EVERY_MINUTE, LIMITS, TABLE, Clock, Service
from tests.support.stores import Plain, plain, typed
from tests.support.wire import NOWHERE, Answer, answer

LAMBDA_TIMEOUT, DRAIN_TIMEOUT = 60.0, 120.0  # seconds, as .chalice/config.json has them
MAX_AGE = timedelta(hours=1)  # as ops/resources/functions/event_source_mapping.py has it
BETWEEN_TRIES = timedelta(minutes=20)  # Lambda is quicker; that makes no difference to any fault
MINUTES_OF_FAULT = 3
LATEST_EVENT = 3.0
"""Seconds after which SES's event about a mail has come."""
REPORTS = Path(__file__).parents[2] / "build"


class Killed(BaseException):
    """The process is gone. It is no Exception, so that nothing in the app may catch it."""


@dataclass
class Fault:
    """A fault that the requests of one ``step`` meet, until ``times`` of them have met it.

    ``step_of`` names the steps. ``what`` makes what the app then sees: an answer, an exception, or
    None if all goes well. With ``arrives``, AWS does what it is asked, and only its answer is lost.
    ``only`` is the one address that meets it, and ``chance`` its probability.
    """

    step: str
    what: Callable[[], Answer | BaseException]
    times: float = math.inf
    arrives: bool = False
    only: str | None = None
    chance: float = 1.0
    met: int = 0


def step_of(update: Mapping[str, Any]) -> str:
    """Return which step of the mailer an UpdateItem is; empty if it is none."""
    change, condition = update["UpdateExpression"], update["ConditionExpression"]
    if update["TableName"] == LIMITS:
        return "lock" if "holder" in change else "budget"
    for step, part in {
        "claim": "mail_link = :link",
        "sent": "mail = :sent,",
        "failed": "mail = :failed",
        "release": "mail_count - :one",
    }.items():
        if part in change:
            return step
    return "owe" if condition.startswith("attribute_exists(email)") else ""


@dataclass(frozen=True)
class Sent:
    """A mail that SES took, and when."""

    to: str
    text: str
    at: datetime


class Aws:
    """What stands between the app and moto. SES is played here: ``mails`` has what it took.

    SES publishes its events about each mail within LATEST_EVENT, in any order. With ``is_silent``
    it publishes none.
    """

    def __init__(self, service: Service) -> None:
        self.faults: list[Fault] = []
        self.mails: list[Sent] = []
        self.is_silent = False
        self.luck = ""
        self.dynamodb = boto3.client("dynamodb")
        self._service = service
        self._is_dead = False
        self._asked: Counter[str] = Counter()
        self._lock, self._time = threading.Lock(), threading.RLock()
        self._events: list[tuple[datetime, int, int, Any]] = []
        self._turn = numbers()
        self._reporting = threading.local()  # its ``event`` is there in a thread that records one
        events = service.app.session.get_component("event_emitter")
        # moto listens to the same event: all listeners are asked, and the first answer counts.
        events.register_first("before-send.sesv2.SendEmail", self._send_email)
        events.register_first("before-send.dynamodb.UpdateItem", self._update_item)

    def forget(self) -> None:
        self.restart()
        self.faults, self.mails, self.is_silent, self.luck = [], [], False, ""
        self._events.clear()
        self._asked.clear()

    def restart(self) -> None:
        """Start the functions' processes again: nothing that they remembered is left."""
        if self._is_dead:
            app = self._service.app
            app.service = wiring.Service(app.session, app.stage, app.templates, lambda: app.now())
            self._is_dead = False

    def go_by(self, **time: float) -> None:
        """Let time go by; SES's events come meanwhile."""
        clock = self._service.clock
        with self._time:
            end = clock.moment + timedelta(**time)
            while self._events and self._events[0][0] <= end:
                due, _, tries, event = heappop(self._events)
                clock.moment = max(clock.moment, due)
                self._reporting.event = event
                try:
                    self._service.report(event)
                except (ClientError, BotoCoreError, Killed):
                    if tries < 3:  # as Lambda does with an event of SNS
                        self._publish(event, timedelta(minutes=tries), tries + 1)
                finally:
                    del self._reporting.event
            clock.moment = max(clock.moment, end)

    def _publish(self, event: Any, after: timedelta, tries: int = 1) -> None:
        due = self._service.clock.now() + after
        heappush(self._events, (due, next(self._turn), tries, event))

    def _send_email(self, request: Any, **_: object) -> Any:
        asked = json.loads(request.body)
        (to,) = asked["Destination"]["ToAddresses"]
        (tag,) = asked["EmailTags"]

        def take() -> Answer:
            text = asked["Content"]["Simple"]["Body"]["Text"]["Data"]
            dice = random.Random(f"{self.luck} {len(self.mails)}")  # noqa: S311 - the same each run
            self.mails.append(Sent(to, text, self._service.clock.now()))
            for event in (sent(to, tag["Value"]), delivery(to, tag["Value"])):
                if not self.is_silent:
                    self._publish(event, timedelta(seconds=dice.uniform(0, LATEST_EVENT)))
            return answer(200, b'{"MessageId": "0100"}')

        return self._ask("send", to, request, take)

    def _update_item(self, request: Any, **_: object) -> Any:
        asked = json.loads(request.body)

        def update() -> Answer:
            with suppress(self.dynamodb.exceptions.ConditionalCheckFailedException):
                self.dynamodb.update_item(**asked)
            return None

        step = "report" if hasattr(self._reporting, "event") else step_of(asked)
        return self._ask(step, asked["Key"].get("email", {}).get("S"), request, update)

    def _ask(
        self, step: str, email: str | None, request: Any, arrive: Callable[[], Answer]
    ) -> Answer:
        with self._lock:
            self._service.clock.go_by(milliseconds=5)  # no two calls are made at the same moment
            if self._is_dead and step != "report":
                raise Killed
            fault = self._fault(step, email)
            if fault and fault.arrives:
                arrive()
        seen = fault.what() if fault else None
        if isinstance(seen, BaseException):
            # Reports are recorded by another function, in another process.
            self._is_dead = self._is_dead or (isinstance(seen, Killed) and step != "report")
            raise seen
        if seen is not None:
            request.url = NOWHERE
            return seen
        return arrive() if step == "send" else None

    def _fault(self, step: str, email: str | None) -> Fault | None:
        """Return the fault that this request meets. Chance does not depend on threads' order."""
        self._asked[f"{step} {email}"] += 1
        luck = f"{self.luck} {step} {email} {self._asked[f'{step} {email}']}"
        dice = random.Random(luck)  # noqa: S311 - it is to be the same in every run
        for fault in self.faults:
            may = fault.step == step and fault.only in (None, email) and fault.met < fault.times
            if may and dice.random() < fault.chance:
                fault.met += 1
                return fault
        return None


class Stream:
    """The records of moto's stream, in the order in which they are written."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._new: list[dict[str, Any]] = []
        moto_stream.keep_records(patch, self._keep)

    def take(self) -> list[dict[str, Any]]:
        """Return the records since the last call."""
        new, self._new = self._new, []
        return new

    def _keep(self, record: dict[str, Any]) -> None:
        """Keep a record.

        moto gives two for an item that an update makes; the first lacks the attributes.
        """
        before = self._new[-1] if self._new else {}
        both_insert = before.get("eventName") == record["eventName"] == "INSERT"
        if both_insert and before["dynamodb"]["Keys"] == record["dynamodb"]["Keys"]:
            self._new.pop()
        self._new.append(record)


class Invocation:
    """Lambda's context of an invocation. Its time goes by as the service's clock says."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._ends = clock.now() + timedelta(seconds=seconds)

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends - self._clock.now()).total_seconds() * 1000)


@dataclass
class Shard:
    """Lambda's event source mapping over moto's stream, set as event_source_mapping.py does.

    A batch is repeated until the handler returns, in halves after a failure. A batch that has grown
    too old is given up. ``bend`` is what the stream may do to the records on their way. ``seconds``
    has how long the first, second, … invocation may take.
    """

    service: Service
    aws: Aws
    stream: Stream
    bend: Callable[[list[Any]], list[Any]] = list
    seconds: Iterable[float] = ()
    given_up: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._seconds = iter(self.seconds)

    def run(self) -> None:
        """Bring the stream's records to the mailer, until there are no new ones."""
        while records := self.stream.take():
            if batch := self.bend(records):
                self.bring(batch)

    def bring(self, batch: list[Any]) -> None:
        """Bring one batch, however often it takes."""
        self._bring(batch, self.service.clock.now())

    def _bring(self, batch: list[Any], since: datetime) -> None:
        while not self._invoke(batch):
            if self.service.clock.now() - since > MAX_AGE:
                self.given_up += batch
                return
            self.aws.go_by(seconds=BETWEEN_TRIES.total_seconds())
            if len(batch) > 1:
                middle = len(batch) // 2
                self._bring(batch[:middle], since)
                self._bring(batch[middle:], since)
                return

    def _invoke(self, batch: list[Any]) -> bool:
        self.aws.restart()
        invocation = Invocation(self.service.clock, next(self._seconds, LAMBDA_TIMEOUT))
        try:
            self.service.app.send_validation_mail({"Records": batch}, invocation)
        except (StillOwed, Killed, MemoryError):
            return False
        return True


@dataclass
class World:
    """A stage on a virtual clock, over an AWS that fails by plan, and the rows of its table."""

    service: Service
    aws: Aws
    stream: Stream
    rows: list[Row] = field(default_factory=list)
    began: datetime = Clock.moment
    _runs: Any = field(default_factory=numbers)

    def begin(self) -> None:
        """Start a day later, with no users and nothing on its way."""
        for email in self.items():
            self.delete(email)
        self.stream.take()
        self.aws.forget()
        self.service.clock.go_by(days=1)
        self.began = self.service.clock.now()

    def sign_up(self, email: str) -> None:
        answer = self.service.post_json("/users", {**ALEXIS, "email": email})
        assert answer.status_code == 202

    def put(self, email: str, **attributes: object) -> None:
        """Put an item as another program does."""
        self.service.put(typed({"email": email, **attributes}))

    def delete(self, email: str) -> None:
        self.aws.dynamodb.delete_item(TableName=TABLE, Key=typed({"email": email}))

    def live_through(
        self,
        name: str,
        *faults: Fault,
        owed: Mapping[str, int],
        leading_to: Sequence[Fault] = (),
        tried: int | None = None,
        **shard: Any,
    ) -> Row:
        """Mail everybody while ``faults`` last and after, until nobody owes anybody a mail.

        ``leading_to`` are faults that only bring about the steps that the others befall. ``tried``
        is the row's figure if no request meets a fault.
        """
        self.aws.faults = [replace(fault) for fault in (*faults, *leading_to)]
        mapping = self.mapping(**shard)
        mapping.run()
        for _ in range(MINUTES_OF_FAULT):
            if any(fault.met < fault.times for fault in self.aws.faults):
                self.go_on(mapping, minutes=1)
        met = sum(fault.met for fault in self.aws.faults[: len(faults)])
        # What SES refuses of one person's mail it goes on to refuse; outages end.
        self.aws.faults = [fault for fault in self.aws.faults[len(faults) :] if fault.only]
        for step in range(40):
            if not self.is_owed(owed):
                break
            # Items of other programs whose records were lost are found within a day.
            self.go_on(mapping, **({"minutes": 1} if step < 12 else {"hours": 1}))
        # If a mail could be sent twice, it would be now.
        self.go_on(mapping, seconds=LEASE.total_seconds() + 60)
        mailed = [mail.to for mail in self.aws.mails]
        self.rows.append(count(name, met if tried is None else tried, owed, mailed))
        return self.rows[-1]

    def go_on(self, mapping: Shard, **time: float) -> None:
        """Let time go by, then run what Lambda runs."""
        self.aws.go_by(**time)
        mapping.run()
        self.drain()

    def mapping(self, **shard: Any) -> Shard:
        return Shard(self.service, self.aws, self.stream, **shard)

    def drain(self) -> None:
        self.aws.restart()
        event = {**EVERY_MINUTE, "id": str(next(self._runs))}
        with suppress(Killed, MemoryError, ClientError, BotoCoreError):
            self.service.app.resend_owed_mail(event, Invocation(self.service.clock, DRAIN_TIMEOUT))

    def click(self, text: str) -> int:
        """Open the link in a mail and return the answer's status."""
        link = re.search(r"https://\S+", text)
        assert link
        return self.service.get(link.group().removeprefix(BASE_URL)).status_code

    def items(self) -> dict[str, Plain]:
        """Return every item, by its key."""
        return {item["email"]: item for item in map(plain, self.service.items())}

    def is_owed(self, people: Mapping[str, int]) -> bool:
        """Return True if one of the people still waits for a mail, or for the end of a doubt."""
        items = self.items()
        open_items = [items[each] for each in people if people[each] and each in items]
        return any(item.get("mail") in (None, "owed", "sending") for item in open_items)

    def waits(self, email: str) -> list[timedelta]:
        """Return how long each mail to ``email`` took to be sent."""
        return [mail.at - self.began for mail in self.aws.mails if mail.to == email]


@dataclass(frozen=True)
class Row:
    """The result of one fault. ``tried`` counts the requests, records or items that met it."""

    fault: str
    tried: int
    owed: int
    sent: int
    lost: int
    doubled: int


def count(fault: str, tried: int, owed: Mapping[str, int], mailed: Iterable[str]) -> Row:
    """Return the row. Each address counts by itself: a second mail replaces nobody's first."""
    mails = Counter(mailed)
    addresses = {*owed, *mails}
    return Row(
        fault,
        tried,
        sum(owed.values()),
        mails.total(),
        sum(max(0, owed.get(each, 0) - mails[each]) for each in addresses),
        sum(max(0, mails[each] - owed.get(each, 0)) for each in addresses),
    )


def table(rows: Iterable[Row]) -> str:
    """Return the rows as text, in columns."""
    lines: list[tuple[str, ...]] = [("fault", "tried", "owed", "sent", "lost", "doubled")]
    lines += [
        (row.fault, *map(str, (row.tried, row.owed, row.sent, row.lost, row.doubled)))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        " | ".join([first.ljust(widths[0]), *map(str.rjust, figures, widths[1:])]) + "\n"
        for first, *figures in lines
    )


def report(name: str, rows: Iterable[Row]) -> str:
    """Write the table to build/``name``, and return it."""
    REPORTS.mkdir(exist_ok=True)
    written = table(rows)
    (REPORTS / name).write_text(written, encoding="utf-8")
    return written
