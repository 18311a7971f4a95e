"""The sweep over a table in moto: what is owed is asked for again, and nothing else is touched."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone

import pytest

from chalicelib.mail.sweep import PATIENCE, SEGMENTS, TIME_TO_STOP, Sweep
from tests.support.stores import Store

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
LONG_AGO = "2026-11-24T11:45:00.000000Z"  # just as long ago as the stream is waited for
JUST_NOW = "2026-11-24T11:45:00.000001Z"


def sweep(store: Store, now: datetime = NOW, time_left: float = 900) -> int:
    return Sweep(store.users, lambda: now).sweep(lambda: time_left)


@pytest.mark.parametrize(
    "attributes",
    [
        {"mail": "owed", "mail_at": LONG_AGO},
        {"mail": "sending", "mail_at": LONG_AGO},
        {"mail": "owed"},
        {},
        {"nom": {"not": "a name"}, "mail_count": "odd"},
    ],
    ids=["owed", "sending", "owed since nobody knows when", "put by others", "odd, put by others"],
)
def test_what_is_owed_is_asked_for_again(store: Store, attributes: dict[str, object]) -> None:
    store.put("alexis@example.org", **attributes)
    assert sweep(store) == 1
    item = store.item("alexis@example.org")
    assert item is not None
    assert (item["mail"], item["mail_at"]) == ("owed", "2026-11-24T12:00:00.000000Z")


@pytest.mark.parametrize(
    "attributes",
    [
        {"mail": "owed", "mail_at": JUST_NOW},
        {"mail": "sending", "mail_at": JUST_NOW},
        {"mail": "sent", "mail_at": LONG_AGO},
        {"mail": "failed", "mail_at": LONG_AGO},
        {"mail": "bounced", "mail_at": LONG_AGO},
        {"mail": "complained", "mail_at": LONG_AGO},
        {"mail": 7},
        {"validated_at": LONG_AGO},
        {"mail": "owed", "mail_at": LONG_AGO, "validated_at": LONG_AGO},
    ],
    ids=lambda attributes: " ".join(map(str, attributes.values())),
)
def test_what_is_not_owed_is_left_alone(store: Store, attributes: dict[str, object]) -> None:
    store.put("alexis@example.org", **attributes)
    before = store.item("alexis@example.org")
    assert sweep(store) == 0
    assert store.item("alexis@example.org") == before


def test_the_same_mail_is_not_asked_for_twice_in_a_row(store: Store) -> None:
    store.put("alexis@example.org")
    assert [sweep(store), sweep(store), sweep(store, NOW + PATIENCE)] == [1, 0, 1]


def test_what_was_mailed_between_the_look_and_the_asking_is_left_alone(store: Store) -> None:
    store.put("alexis@example.org", mail="sending", mail_at=LONG_AGO)
    pages = store.users.still_owed(NOW - PATIENCE, 0, 1)
    assert next(pages) == ["alexis@example.org"]
    assert store.users.sent("alexis@example.org", NOW)
    assert not store.users.ask_again("alexis@example.org", NOW, PATIENCE)


def test_an_item_that_was_deleted_meanwhile_is_not_made_again(store: Store) -> None:
    assert not store.users.ask_again("alexis@example.org", NOW, PATIENCE)
    assert store.item("alexis@example.org") is None


def test_the_whole_table_is_swept(store: Store) -> None:
    for n in range(60):
        store.put(f"user{n}@example.org")
    assert sweep(store) == 60


def test_a_sweep_that_runs_out_of_time_goes_on_with_another_part_in_an_hour(store: Store) -> None:
    """Ten steps an hour are all that these invocations have time for; a day sweeps the table."""
    people = [f"user{n}@example.org" for n in range(60)]
    for email in people:
        store.put(email)
    found = []
    for hour in range(SEGMENTS):
        clock = itertools.chain([TIME_TO_STOP] * 9, itertools.repeat(TIME_TO_STOP - 1))
        now = NOW + timedelta(hours=hour)
        found.append(Sweep(store.users, lambda now=now: now).sweep(lambda clock=clock: next(clock)))
    assert max(found) <= 10
    assert all(item and item["mail"] == "owed" for item in map(store.item, people))
