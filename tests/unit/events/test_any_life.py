"""One user in any order of transitions, faults, stale records and drains."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from chalicelib.users.item import DELETED
from chalicelib.users.people import SignUp, Verdict
from chalicelib.users.store import Users
from chalicelib.users.table import Item
from ops.users.store import Change, OperatorsUsers
from tests.support.stores import Store, typed
from tests.support.wire import Wire, refusal
from tests.unit.events.test_publisher import DOWN, World

EMAIL = "a@example.org"
TICKET = "a" * 64
BUSY = refusal(400, "ThrottlingException")


@pytest.mark.parametrize("seed", range(12))
def test_each_transition_is_published_in_order(moto_store: Store, seed: int) -> None:
    """EventBridge may fail, its answer may not be recorded, and records may come late and twice."""
    dice = random.Random(seed)  # noqa: S311 - it is to be the same in every run
    world = World(moto_store)
    client, table = moto_store.client, moto_store.table
    users = Users(client, table, moto_store.mailboxes, has_events=True)
    operators = OperatorsUsers(client, table, moto_store.mailboxes, has_events=True)
    outbox = type(moto_store.outbox)(client, table, has_events=True)
    happened: list[str] = []
    images: list[Item] = []
    link = "0" * 64

    for step in range(60):
        world.now += timedelta(seconds=dice.choice((1, 61, 200)))
        act = dice.choice(("sign up", "click", "click", "report", "delete", "publish", "drain"))
        world.bus.down = DOWN if dice.random() < 0.4 else None
        if act == "sign up" and users.sign_up(SignUp(EMAIL, "A", "", "en"), TICKET, world.now):
            link = f"{step:064}"
            assert outbox.claim(typed(moto_store.item(EMAIL) or {}), link, world.now)
        elif act == "click":
            click = users.validate(EMAIL, link, world.now)
            happened += ["validated"] if click.outcome.value == "validated" else []
        elif act == "report":
            verdict = dice.choice(list(Verdict))
            if outbox.report_verdict(EMAIL, link, verdict, world.now):
                happened.append(verdict.value)
        elif act == "delete" and operators.delete(EMAIL, world.now) is Change.DONE:
            happened.append(DELETED)
        elif act == "publish" and images:
            item = dice.choice(images[-3:])
            lost = BUSY if dice.random() < 0.3 else None
            with Wire(client, "UpdateItem", then=lost):
                world.publisher.publish(
                    [{"dynamodb": {"NewImage": item}}], lambda: world.seconds_left
                )
        elif act == "drain":
            world.drain()
        if found := moto_store.item(EMAIL):
            images.append(typed(found))

    world.bus.down = None
    world.now += timedelta(hours=1)
    world.drain()
    assert world.owed() == set()
    assert len(happened) > 3
    assert first_ones(world) == happened


def first_ones(world: World) -> list[str]:
    """Return the kinds of the events that EventBridge took, each id once."""
    return list(dict(world.bus.ids).values())
