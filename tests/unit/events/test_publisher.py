"""The publisher: each event at least once, in order, and none holds up another."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

from chalicelib.events.event import Event
from chalicelib.events.publisher import PATIENCE, QUIET, RUN, Publisher, owing
from chalicelib.users.event_outbox import EventOutbox
from chalicelib.users.item import event_owed
from chalicelib.users.moments import iso
from tests.support.fakes import record
from tests.support.states import NOW
from tests.support.stores import Plain, Store, typed
from tests.support.wire import Wire, refusal

DOWN = EndpointConnectionError(endpoint_url="https://events.invalid")


class FakeBus:
    """EventBridge that keeps what it takes, unless it is down or refuses the user."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.ids: list[tuple[str, str]] = []
        self.calls = 0
        self.down: Exception | None = None
        self.refuses: dict[str, str] = {}
        self.on_put: Callable[[], object] = lambda: None

    def put(self, events: Sequence[Event]) -> dict[Event, str]:
        self.calls += 1
        self.on_put()
        if self.down:
            raise self.down
        assert len({event.email for event in events}) == len(events), "one of each user"
        refused = {
            event: self.refuses[event.email] for event in events if event.email in self.refuses
        }
        taken = [event for event in events if event not in refused]
        self.taken += [(event.email, event.kind) for event in taken]
        self.ids += [(json.loads(event.detail)["id"], event.kind) for event in taken]
        return refused


class World:
    """The real outbox of events in a table, a fake bus, and a clock."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.bus = FakeBus()
        self.now = NOW
        self.seconds_left = 60.0
        self.outbox = EventOutbox(store.client, store.table)
        bus: Any = self.bus
        self.publisher = Publisher(self.outbox, bus, lambda: self.now)

    def owe(self, name: str, *kinds: str, since: datetime = NOW) -> Plain:
        """Put a user who owes events, and return the item."""
        change = [event_owed(kind, since)[1][":owed_events"][0] for kind in kinds]
        owed = {"event": "owed", "event_at": iso(since), "owed_events": change}
        item = {"email": f"{name}@example.org", "validated_at": iso(since), **owed}
        self.store.put(**item)
        return item

    def publish(self, *items: Plain) -> None:
        records = [record("MODIFY", item) for item in items]
        self.publisher.publish(records, lambda: self.seconds_left)

    def drain(self) -> int:
        return self.publisher.drain(lambda: self.seconds_left)

    def owed(self) -> set[str]:
        """Return whose events are owed."""
        later = self.now + timedelta(days=9)
        return {owed.email.partition("@")[0] for owed in self.outbox.owed(later)}

    def taken(self, name: str) -> list[str]:
        """Return the kinds of a user's events that EventBridge has, in order."""
        return [kind for email, kind in self.bus.taken if email == f"{name}@example.org"]


@pytest.fixture
def world(moto_store: Store) -> World:
    return World(moto_store)


def test_a_record_of_the_stream_is_published_at_once(world: World) -> None:
    world.publish(world.owe("a", "validated"))
    assert world.taken("a") == ["validated"]
    assert world.owed() == set()


def test_records_that_owe_no_event_cost_nothing(world: World) -> None:
    with world.store.calls() as calls:
        world.publish({"email": "a@example.org", "mail": "owed"})
    assert (world.bus.calls, calls) == (0, [])


def test_only_the_latest_image_of_a_user_counts(world: World) -> None:
    former = world.owe("a", "validated")
    latest = world.owe("a", "validated", "deleted")
    world.publish(former, latest)
    assert world.taken("a") == ["validated", "deleted"]


@pytest.mark.parametrize(
    "broken", [{}, {"dynamodb": {}}, {"dynamodb": {"NewImage": {"email": {"N": "1"}}}}]
)
def test_a_record_that_cannot_be_read_is_skipped(broken: dict[str, Any]) -> None:
    assert owing([broken]) == []


def test_what_is_published_before_it_is_read_ends_no_run(world: World) -> None:
    for name in ("a", "b"):
        world.owe(name, "validated", since=NOW - 2 * PATIENCE)
    read = world.outbox.read

    def read_late(email: str) -> Any:
        if email.startswith("a"):
            world.store.put(email)
        return read(email)

    world.outbox.read = read_late  # type: ignore[method-assign]
    world.drain()
    assert (world.taken("a"), world.taken("b")) == ([], ["validated"])


@pytest.mark.parametrize("moment", ["1 o'clock", "2020-01-01T00:00:00"])
def test_another_programs_moment_ends_no_run(world: World, moment: str) -> None:
    world.owe("b", "validated", since=NOW - 2 * PATIENCE)
    world.store.put("a@example.org", event="owed", event_at=moment)
    world.bus.down = DOWN
    assert world.drain() == 0


def test_several_events_of_a_user_go_in_their_order(world: World) -> None:
    world.publish(world.owe("a", "validated", "bounced", "deleted"), world.owe("b", "refused"))
    assert world.taken("a") == ["validated", "bounced", "deleted"]
    assert world.taken("b") == ["refused"]
    assert world.bus.calls == 3


def test_a_refused_event_is_never_overtaken_by_the_next(world: World) -> None:
    first, second = world.owe("a", "validated", "deleted"), world.owe("b", "validated")
    world.bus.refuses = {"a@example.org": "MalformedDetail"}
    world.publish(first, second)
    assert (world.taken("a"), world.taken("b")) == ([], ["validated"])
    assert world.owed() == {"a"}


def test_an_outage_between_two_events_keeps_both_owed(world: World) -> None:
    item = world.owe("a", "validated", "deleted")
    world.bus.on_put = lambda: setattr(world.bus, "down", DOWN if world.bus.calls == 2 else None)
    world.publish(item)
    assert world.owed() == {"a"}
    world.bus.on_put, world.bus.down = (lambda: None), None
    world.now += PATIENCE * 2
    world.drain()
    assert world.taken("a") == ["validated", "validated", "deleted"]


def test_eventbridge_down_is_left_alone_for_a_while(world: World) -> None:
    world.bus.down = DOWN
    items = [world.owe(f"user{n}", "validated") for n in range(25)]
    world.publish(*items)
    world.publish(*items)
    assert world.bus.calls == 1
    world.bus.down = None
    world.now += QUIET
    world.publish(*items)
    assert world.owed() == set()


def test_what_could_not_be_recorded_is_published_again(world: World) -> None:
    item = world.owe("a", "validated")
    busy = refusal(400, "ThrottlingException")
    with Wire(world.store.client, "UpdateItem", then=busy):
        world.publish(item)
    assert world.owed() == {"a"}
    world.now += PATIENCE * 2
    world.drain()
    assert world.taken("a") == ["validated", "validated"]


def test_the_drain_leaves_the_stream_a_minute(world: World) -> None:
    world.owe("a", "validated")
    world.now += PATIENCE
    assert world.drain() == 0
    world.now += timedelta(microseconds=1)
    assert world.drain() == 1


def test_the_drain_publishes_the_oldest_first(world: World) -> None:
    for minute in range(15):
        world.owe(f"user{minute}", "validated", since=NOW + timedelta(minutes=minute))
    world.now += timedelta(hours=1)
    assert world.drain() == 15
    assert [email for email, _ in world.bus.taken] == [f"user{n}@example.org" for n in range(15)]


def test_a_run_that_finds_nothing_asks_once(world: World) -> None:
    with world.store.calls() as calls:
        assert world.drain() == 0
    assert (calls, world.bus.calls) == (["Query"], 0)


def test_a_run_asks_an_eventbridge_that_is_down_once(world: World) -> None:
    for number in range(25):
        world.owe(f"user{number}", "validated")
    world.now += timedelta(hours=1)
    world.bus.down = ConnectTimeoutError(endpoint_url="https://events.invalid")
    assert world.drain() == 0
    assert world.bus.calls == 1


def test_events_that_are_always_refused_hold_up_no_others(world: World) -> None:
    for number in range(25):
        world.owe(f"user{number:02}", "validated")
    world.bus.refuses = {f"user{n:02}@example.org": "MalformedDetail" for n in range(12)}
    world.now += timedelta(hours=1)
    assert world.drain() == 13
    assert world.owed() == {f"user{n:02}" for n in range(12)}


def test_a_busy_eventbridge_ends_the_run(world: World) -> None:
    for number in range(25):
        world.owe(f"user{number:02}", "validated")
    world.bus.refuses = {f"user{n:02}@example.org": "ThrottlingException" for n in range(25)}
    world.now += timedelta(hours=1)
    assert world.drain() == 0
    assert world.bus.calls == 1


def test_a_run_ends_before_the_next_begins(world: World) -> None:
    for number in range(25):
        world.owe(f"user{number:02}", "validated")
    world.now += timedelta(hours=1)
    world.bus.on_put = lambda: setattr(world, "now", world.now + RUN / 2)
    assert world.drain() == 20


def test_nothing_is_begun_with_little_time_left(world: World) -> None:
    item = world.owe("a", "validated")
    world.seconds_left = 1
    world.publish(item)
    assert world.bus.calls == 0
    assert world.owed() == {"a"}


def test_a_user_who_is_gone_is_no_error(world: World) -> None:
    world.owe("a", "validated")
    item = world.owe("b", "validated")
    world.store.delete("a@example.org")
    world.store.delete("b@example.org")
    world.publish(item)
    world.now += timedelta(hours=1)
    assert world.drain() == 0


def test_a_run_logs_the_age_of_the_oldest(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="chalicelib")
    world.owe("a", "validated")
    world.now += timedelta(hours=1)
    world.bus.down = DOWN
    world.drain()
    (line,) = caplog.records
    assert (vars(line)["oldest_event"], vars(line)["reason"]) == (3600, "EndpointConnectionError")
    world.bus.down = None
    world.drain()
    assert vars(caplog.records[-1])["oldest_event"] == 0
    assert "example.org" not in json.dumps([each.getMessage() for each in caplog.records])


def test_typed_items_and_records_are_the_same() -> None:
    item = {"email": "a@example.org", "owed_events": [{"kind": "validated", "at": iso(NOW)}]}
    assert owing([record("MODIFY", item)]) == [typed(item)]
