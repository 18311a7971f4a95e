"""Faults on purpose: an AWS that fails by plan, a mapping that repeats as Lambda's does, and the
table of what came of it."""

from __future__ import annotations

import json
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import StreamShard

from chalicelib.mail.mailer import StillOwed
from tests.support.service import Clock, Service
from tests.support.wire import NOWHERE, Answer, answer

LAMBDA_TIMEOUT = 60.0  # seconds, as .chalice/config.json has it
MAX_AGE = timedelta(hours=1)  # as ops/deployment/event_source_mapping.py has it
BETWEEN_TRIES = timedelta(minutes=20)  # Lambda is quicker; no fault is cleverer for that
REPORTS = Path(__file__).parents[2] / "build"


class Killed(BaseException):
    """The process is gone. No Exception, so that nothing of ours may catch it."""


@dataclass
class Fault:
    """What befalls the requests of one ``step`` of a mail, until ``times`` of them have met it.

    Steps are ``claim``, ``send``, ``sent``, ``take back``, ``failed``, and ``ask again``, which is
    the sweep's. ``what`` makes what the app then sees: an answer, an exception, or None where all
    goes well. With ``arrives``, AWS does what it is asked, and only its answer is lost. ``only`` is
    the one address that it befalls, and ``chance`` how likely.
    """

    step: str
    what: Callable[[], Answer | BaseException]
    times: float = math.inf
    arrives: bool = False
    only: str | None = None
    chance: float = 1.0
    met: int = 0


@dataclass(frozen=True)
class Sent:
    """A mail that SES took, and which invocation of the mailer, counted from 1, handed it over."""

    to: str
    text: str
    invocation: int


class Aws:
    """What stands between the app and moto. SES is played here: what it took is in ``mails``."""

    def __init__(self, service: Service) -> None:
        self.faults: list[Fault] = []
        self.mails: list[Sent] = []
        self.invocation = 0
        self.luck = ""
        self.dynamodb = boto3.client("dynamodb")
        self._service = service
        self._dead = False
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        events = service.app.session.get_component("event_emitter")
        # moto listens to the same event: all listeners are asked, and the first answer counts.
        events.register_first("before-send.sesv2.SendEmail", self._send_email)
        events.register_first("before-send.dynamodb.UpdateItem", self._update_item)

    def forget(self) -> None:
        self.restart()
        self.faults.clear()
        self.mails.clear()
        self.invocation = 0
        self._asked.clear()

    def restart(self) -> None:
        """Have another process take over from one that was killed, with nothing of it left."""
        if self._dead:
            self._service.app.users.cache_clear()
            self._service.app.mailer.cache_clear()
            self._dead = False

    def _send_email(self, request: Any, **_: object) -> Any:
        asked = json.loads(request.body)
        (to,) = asked["Destination"]["ToAddresses"]
        text = asked["Content"]["Simple"]["Body"]["Text"]["Data"]

        def take() -> Answer:
            self.mails.append(Sent(to, text, self.invocation))
            return answer(200, b'{"MessageId": "0100"}')

        return self._ask("send", to, request, take)

    def _update_item(self, request: Any, **_: object) -> Any:
        asked = json.loads(request.body)

        def update() -> Answer:
            with suppress(self.dynamodb.exceptions.ConditionalCheckFailedException):
                self.dynamodb.update_item(**asked)
            return None

        return self._ask(step_of(asked), asked["Key"]["email"]["S"], request, update)

    def _ask(self, step: str, email: str, request: Any, arrive: Callable[[], Answer]) -> Answer:
        with self._lock:
            if self._dead:
                raise Killed
            fault = self._fault(step, email)
            if fault and fault.arrives:
                arrive()
        seen = fault.what() if fault else None
        if isinstance(seen, BaseException):
            self._dead = self._dead or isinstance(seen, Killed)
            raise seen
        if seen is not None:
            request.url = NOWHERE
            return seen
        return arrive() if step == "send" else None

    def _fault(self, step: str, email: str) -> Fault | None:
        """What befalls this request. Chance depends on nothing that threads may do in any order."""
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
    """What comes into moto's stream: taken where it is written, as reading it back takes longer
    than all the rest of a test. Updates are made one at a time: moto's are not atomic."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._new: list[dict[str, Any]] = []
        add, update, lock = StreamShard.add, DynamoDBBackend.update_item, threading.Lock()

        def add_and_keep(shard: StreamShard, old: Any, new: Any) -> None:
            add(shard, old, new)
            self._keep(shard.items[-1].to_json())

        def update_alone(*arguments: Any, **named: Any) -> Any:
            with lock:
                return update(*arguments, **named)

        patch.setattr(StreamShard, "add", add_and_keep)
        patch.setattr(DynamoDBBackend, "update_item", update_alone)

    def take(self) -> list[dict[str, Any]]:
        """All that is new since it was last asked."""
        new, self._new = self._new, []
        return new

    def _keep(self, record: dict[str, Any]) -> None:
        """Keep a record, but one for an item that an update makes: moto gives two, the first of
        them without the attributes."""
        before = self._new[-1] if self._new else {}
        both_insert = before.get("eventName") == record["eventName"] == "INSERT"
        if both_insert and before["dynamodb"]["Keys"] == record["dynamodb"]["Keys"]:
            self._new.pop()
        self._new.append(record)


def step_of(update: Mapping[str, Any]) -> str:
    """Which step of a mail an UpdateItem is; nothing for one that is none."""
    change = update["UpdateExpression"]
    if "mail = :sending" in change:
        return "claim"
    if "mail = :sent" in change:
        return "sent"
    if "mail = :failed" in change:
        return "failed"
    if ":before" in update["ExpressionAttributeValues"]:
        return "ask again"
    return "take back" if "DELETE link_hashes" in change else ""


class Invocation:
    """What Lambda tells a handler: here, time goes by as the service's clock says."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._ends = clock.now() + timedelta(seconds=seconds)

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends - self._clock.now()).total_seconds() * 1000)


@dataclass
class Shard:
    """Lambda's event source mapping over moto's stream, set as event_source_mapping.py does.

    A batch is repeated until the handler returns, in halves after a failure, and what has grown too
    old is given up. ``bend`` is what the stream may do to the records on their way, ``seconds`` how
    long the first, second, … invocation may take.
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
        """Bring what is in the stream to the mailer, until nothing new comes of it."""
        while records := self.stream.take():
            if batch := self.bend(records):
                self.bring(batch)

    def bring(self, batch: list[Any]) -> None:
        """Bring one batch, however often it takes."""
        self._bring(batch, self.service.clock.now())

    def _bring(self, batch: list[Any], since: datetime) -> None:
        while not self._invoke(batch):
            clock = self.service.clock
            if clock.now() - since > MAX_AGE:
                self.given_up += batch
                return
            clock.moment += BETWEEN_TRIES
            if len(batch) > 1:
                middle = len(batch) // 2
                self._bring(batch[:middle], since)
                self._bring(batch[middle:], since)
                return

    def _invoke(self, batch: list[Any]) -> bool:
        self.aws.restart()
        self.aws.invocation += 1
        invocation = Invocation(self.service.clock, next(self._seconds, LAMBDA_TIMEOUT))
        try:
            self.service.app.send_validation_mail({"Records": batch}, invocation)
        except (StillOwed, Killed):
            return False
        return True


@dataclass(frozen=True)
class Row:
    """What came of one fault. ``tried`` is how many requests, records or items met it."""

    fault: str
    tried: int
    owed: int
    sent: int
    lost: int
    doubled: int


def count(fault: str, tried: int, owed: Mapping[str, int], mailed: Iterable[str]) -> Row:
    """Each address by itself: one's second mail makes up for nobody's first."""
    sent = Counter(mailed)
    addresses = {*owed, *sent}
    return Row(
        fault,
        tried,
        sum(owed.values()),
        sent.total(),
        sum(max(0, owed.get(each, 0) - sent[each]) for each in addresses),
        sum(max(0, sent[each] - owed.get(each, 0)) for each in addresses),
    )


def table(rows: Iterable[Row]) -> str:
    lines: list[tuple[str, ...]] = [("fault", "tried", "owed", "sent", "lost", "doubled")]
    lines += [
        (row.fault, *map(str, (row.tried, row.owed, row.sent, row.lost, row.doubled)))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        " | ".join([first.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])]) + "\n"
        for first, *numbers in lines
    )


def report(name: str, rows: Iterable[Row]) -> str:
    """The table, kept as build/``name``."""
    REPORTS.mkdir(exist_ok=True)
    written = table(rows)
    (REPORTS / name).write_text(written, encoding="utf-8")
    return written
