"""The publisher: puts owed events on EventBridge's bus, and records that.

It publishes nothing that is not in the table. An event that EventBridge does not take stays owed,
and the drain publishes it later: that is not an error, and no mail waits for it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, zip_longest
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.events import event
from chalicelib.events.bus import MAX_ENTRIES, Bus
from chalicelib.events.event import Event
from chalicelib.logs import error_name, hashed, report_events
from chalicelib.users.event_outbox import EventOutbox
from chalicelib.users.moments import moment
from chalicelib.users.table import Item, string

log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=1)
"""The time that the stream has for an event before the drain takes it."""
QUIET = timedelta(seconds=30)
"""The time for which this process leaves EventBridge alone after a failure; the drain continues."""
RUN = timedelta(seconds=50)
"""The length of a run of the drain."""
TIME_FOR_A_CALL = 10.0
"""EventBridge and DynamoDB answer or fail within these seconds."""

# Any other code is about a single event, and must not delay the others.
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
_BUSY = frozenset(("InternalException", "InternalFailure", "ThrottlingException"))


class Unavailable(Exception):
    """EventBridge takes no events at the moment. The cause says why."""


@dataclass
class Publisher:
    """Publishes owed events. ``now`` is the clock."""

    outbox: EventOutbox
    bus: Bus
    now: Callable[[], datetime]
    _quiet_until: datetime | None = None

    def publish(self, records: Iterable[Mapping[str, Any]], time_left: Callable[[], float]) -> None:
        """Publish the events that the stream's ``records`` owe, as far as EventBridge takes them.

        ``time_left`` returns the invocation's remaining seconds.
        """
        images = owing(records)
        if not images or (self._quiet_until and self.now() < self._quiet_until):
            return
        try:
            self._publish_all(images, time_left)
        except Unavailable as error:
            self._quiet_until = self.now() + QUIET
            log.warning("events still owed: %s", error_name(error.__cause__ or error))

    def drain(self, time_left: Callable[[], float]) -> int:
        """Publish the events that the stream left, oldest first.

        Return the number of users whose events are all published. If EventBridge is down, ask it
        only once.
        """
        started = self.now()
        waiting = self.outbox.owed(started - PATIENCE)
        users, oldest, why = 0, "", "none"
        while batch := list(islice(waiting, MAX_ENTRIES)):
            try:
                images = [image for each in batch if (image := self.outbox.read(each.email))]
                done = self._publish(images, time_left)
            except Unavailable as error:
                why, oldest = error_name(error.__cause__ or error), oldest or batch[0].since
                break
            users += len(done)
            oldest = oldest or next((each.since for each in batch if each.email not in done), "")
            if self.now() - started >= RUN or time_left() < TIME_FOR_A_CALL:
                oldest = oldest or next((each.since for each in waiting), "")
                break
        since = moment(oldest)
        age = (self.now() - since).total_seconds() if since else 0.0
        report_events(log, age, users, why)
        return users

    def _publish_all(self, images: Sequence[Item], time_left: Callable[[], float]) -> None:
        for batch in _batches(images):
            self._publish(batch, time_left)

    def _publish(self, images: Sequence[Item], time_left: Callable[[], float]) -> set[str]:
        """Publish the events of at most MAX_ENTRIES users; return those who no longer owe any.

        A call takes one event of each user. So a refused event is never overtaken by the same
        user's next one. Raises Unavailable.
        """
        events = {string(image, "email"): event.of(image) for image in images}
        failed: set[str] = set()
        for wave in zip_longest(*events.values()):
            if time_left() < TIME_FOR_A_CALL:
                failed.update(each.email for each in wave if each)
                continue
            some = [each for each in wave if each and each.email not in failed]
            failed.update(each.email for each in self._put(some))
        return {
            string(image, "email")
            for image in images
            if string(image, "email") not in failed and self._record(image, events)
        }

    def _put(self, events: Sequence[Event]) -> list[Event]:
        """Put events on the bus; return those that it refused. Raises Unavailable."""
        if not events:
            return []
        try:
            refused = self.bus.put(events)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable("EventBridge takes no events") from error
        for each, code in refused.items():
            log.warning("event still owed user=%s: %s", hashed(each.email), code)
        if len(refused) == len(events) and _BUSY.issuperset(refused.values()):
            raise Unavailable("EventBridge is busy")
        return list(refused)

    def _record(self, image: Item, events: Mapping[str, list[Event]]) -> bool:
        """Record that a user's events are published; else they are again, with the same ids."""
        email = string(image, "email")
        try:
            is_recorded = self.outbox.told(image, self.now())
        except (ClientError, BotoCoreError) as error:
            log.warning("event still owed user=%s: %s", hashed(email), error_name(error))
            return False
        if is_recorded:
            for each in events[email]:
                log.info("event %s published user=%s", each.kind, hashed(email))
        return is_recorded


def owing(records: Iterable[Mapping[str, Any]]) -> list[Item]:
    """Return the images that owe events, the latest of each user."""
    images: dict[str, Item] = {}
    for record in records:
        image = record.get("dynamodb", {}).get("NewImage") or {}
        if email := string(image, "email"):
            images[email] = image
    return [image for image in images.values() if "owed_events" in image]


def _batches(images: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(images), MAX_ENTRIES):
        yield images[start : start + MAX_ENTRIES]
