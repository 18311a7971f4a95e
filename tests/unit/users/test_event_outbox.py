"""Owed events: which transitions owe them, who finds them, what ends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.users import codes
from chalicelib.users.event_outbox import EventOutbox, entries
from chalicelib.users.outbox import Outbox, Owed
from chalicelib.users.people import Verdict
from chalicelib.users.store import Users
from chalicelib.users.table import Item
from ops.users.store import Change, OperatorsUsers
from tests.support.states import (
    ALEXIS,
    EMAIL,
    LINK,
    MAILED,
    NOW,
    NOW_STORED,
    PROVEN,
    SECOND,
    SIGNED_UP,
    STATES,
    TICKET,
    item,
    put,
)
from tests.support.stores import Plain, Store, plain, typed

SENT = STATES["sent"]
LATER = NOW + SECOND


def users(store: Store) -> Users:
    return Users(store.client, store.table, store.mailboxes, has_events=True)


def operators(store: Store) -> OperatorsUsers:
    return OperatorsUsers(store.client, store.table, store.mailboxes, has_events=True)


def outbox(store: Store) -> Outbox:
    return Outbox(store.client, store.table, has_events=True)


def events(store: Store) -> EventOutbox:
    return EventOutbox(store.client, store.table)


def owed(store: Store) -> list[Plain]:
    """Return the events that Alexis's item owes."""
    return [plain(dict(entry)) for entry in entries(typed(item(store)))]


def verdict(store: Store, kind: Verdict) -> bool:
    return outbox(store).report_verdict(EMAIL, LINK, kind, NOW, reason=f"{kind.value}: why")


Act = Callable[[Store], object]
VALIDATED_BY = {"kind": "validated", "at": NOW_STORED, "validated_at": NOW_STORED}
TRANSITIONS: dict[str, tuple[Plain, Act, Plain]] = {
    "link": (
        SENT,
        lambda store: users(store).validate(EMAIL, LINK, NOW),
        {**VALIDATED_BY, "validated_with": "link"},
    ),
    "link of an earlier sign-up": (
        {**SENT, "said_at": "2031-05-04T11:30:00.000000Z"},
        lambda store: users(store).validate(EMAIL, LINK, NOW),
        {**VALIDATED_BY, "validated_with": "link"},
    ),
    "refusal": (
        SENT,
        lambda store: users(store).refuse(EMAIL, LINK, NOW),
        {"kind": "refused", "at": NOW_STORED},
    ),
    "refusal of another program's user": (
        STATES["put and mailed"] or {},
        lambda store: users(store).refuse(EMAIL, LINK, NOW),
        {"kind": "refused", "at": NOW_STORED},
    ),
    "bounce": (
        SENT,
        lambda store: verdict(store, Verdict.BOUNCED),
        {"kind": "bounced", "at": NOW_STORED, "reason": "bounced: why"},
    ),
    "complaint of a validated user": (
        PROVEN,
        lambda store: verdict(store, Verdict.COMPLAINED),
        {"kind": "complained", "at": NOW_STORED, "reason": "complained: why"},
    ),
    "operator validates": (
        SENT,
        lambda store: operators(store).validate_by_hand(EMAIL, NOW),
        {**VALIDATED_BY, "validated_by": "operator"},
    ),
    "operator refuses": (
        SENT,
        lambda store: operators(store).refuse_by_hand(EMAIL, NOW),
        {"kind": "refused", "at": NOW_STORED, "refused_by": "operator"},
    ),
    "operator withdraws a consent": (
        {**PROVEN, "consent": {"news": {"at": NOW_STORED}}},
        lambda store: operators(store).withdraw(EMAIL, "news", NOW),
        {
            "kind": "consent_withdrawn",
            "at": NOW_STORED,
            "withdrawn": "news",
            "withdrawn_by": "operator",
        },
    ),
    "operator deletes": (
        PROVEN,
        lambda store: operators(store).delete(EMAIL, NOW),
        {"kind": "deleted", "at": NOW_STORED},
    ),
}


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_a_transition_owes_its_event_by_its_own_write(store: Store, transition: str) -> None:
    state, act, expected = TRANSITIONS[transition]
    put(store, state)
    with store.calls() as calls:
        act(store)
    assert {call for call in calls if call != "GetItem"} <= {"UpdateItem", "PutItem"}
    assert owed(store) == [expected]
    assert (item(store)["event"], item(store)["event_at"]) == ("owed", NOW_STORED)
    assert list(events(store).owed(LATER)) == [Owed(NOW_STORED, EMAIL)]


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_without_events_a_transition_owes_none(
    moto_store: Store, transition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, act, _ = TRANSITIONS[transition]
    put(moto_store, state)
    for kind in (users, operators, outbox):
        made: Any = kind(moto_store)
        made._has_events = False
        monkeypatch.setitem(globals(), kind.__name__, lambda _store, made=made: made)
    act(moto_store)
    assert not {"event", "event_at", "owed_events", "told"} & set(item(moto_store))


def test_a_code_owes_the_same_event_as_a_link(moto_store: Store) -> None:
    made = Users(
        moto_store.client, moto_store.table, moto_store.mailboxes, "k" * 32, has_events=True
    )
    made.sign_up(ALEXIS, TICKET, NOW)
    code = codes.digest("k" * 32, LINK, "246802")
    assert moto_store.outbox.claim(typed(item(moto_store)), LINK, NOW, code)
    made.validate_by_code(EMAIL, TICKET, "246802", NOW)
    assert owed(moto_store) == [{**VALIDATED_BY, "validated_with": "code"}]


def test_a_refused_transition_owes_no_second_event(store: Store) -> None:
    put(store, SENT)
    users(store).validate(EMAIL, LINK, NOW)
    users(store).validate(EMAIL, LINK, LATER)
    users(store).refuse(EMAIL, LINK, LATER, keeps_validation=True)
    assert [entry["kind"] for entry in owed(store)] == ["validated"]


def test_a_refusal_that_undoes_a_validation_owes_its_event(store: Store) -> None:
    put(store, SENT)
    users(store).validate(EMAIL, LINK, NOW)
    for _ in range(2):
        users(store).refuse(EMAIL, LINK, LATER)
    assert [entry["kind"] for entry in owed(store)] == ["validated", "refused"]


def test_events_of_one_user_are_owed_in_their_order(store: Store) -> None:
    put(store, SENT)
    users(store).validate(EMAIL, LINK, NOW)
    outbox(store).report_verdict(EMAIL, LINK, Verdict.BOUNCED, LATER)
    outbox(store).report_verdict(EMAIL, LINK, Verdict.COMPLAINED, LATER + SECOND)
    operators(store).delete(EMAIL, LATER + 2 * SECOND)
    kinds = ["validated", "bounced", "complained", "deleted"]
    assert [entry["kind"] for entry in owed(store)] == kinds
    assert item(store)["event_at"] == NOW_STORED


def image(store: Store) -> Item:
    return typed(item(store))


def test_what_is_published_is_owed_no_more(store: Store) -> None:
    put(store, SENT)
    users(store).validate(EMAIL, LINK, NOW)
    before = item(store)
    assert events(store).told(image(store), LATER)
    owing = ("event", "event_at", "owed_events")
    expected = {name: value for name, value in before.items() if name not in owing}
    assert item(store) == {**expected, "told": {"validated": NOW_STORED}}
    assert list(events(store).owed(LATER)) == []


def test_an_event_owed_meanwhile_stays_owed(store: Store) -> None:
    put(store, SENT)
    users(store).validate(EMAIL, LINK, NOW)
    seen = image(store)
    outbox(store).report_verdict(EMAIL, LINK, Verdict.COMPLAINED, LATER)
    assert not events(store).told(seen, LATER)
    assert [entry["kind"] for entry in owed(store)] == ["validated", "complained"]
    assert events(store).told(image(store), LATER)
    assert item(store)["told"]["validated"] == NOW_STORED
    assert set(item(store)["told"]) == {"validated", "complained"}


# A deleted user: the bare address stays until the event is published


def test_a_deletion_keeps_the_address_and_what_is_owed(store: Store) -> None:
    put(store, {**PROVEN, "plan": "gold"})
    assert operators(store).delete(EMAIL, NOW) is Change.DONE
    kept = {"email", "mail", "created_at", "event", "event_at", "owed_events", "acts"}
    assert set(item(store)) == kept
    assert [act["act"] for act in item(store)["acts"]] == ["delete"]
    assert operators(store).delete(EMAIL, LATER) is Change.NOBODY


def test_an_operator_sees_no_deleted_user(store: Store) -> None:
    put(store, PROVEN)
    gone = operators(store)
    gone.delete(EMAIL, NOW)
    assert gone.read(EMAIL) is None
    assert [page for page in gone.pages(("email",)) if page] == []
    acts = (gone.validate_by_hand, gone.refuse_by_hand, gone.resend_by_hand)
    assert [act(EMAIL, LATER) for act in acts] == [Change.NOBODY] * 3
    assert not users(store).resend(EMAIL, LATER)


def test_a_published_deletion_lets_the_address_expire(store: Store) -> None:
    put(store, PROVEN)
    operators(store).delete(EMAIL, NOW)
    assert events(store).told(image(store), LATER)
    assert item(store)["expires_at"] == int(LATER.timestamp())


def test_a_deleted_address_may_sign_up_at_once(store: Store) -> None:
    put(store, PROVEN)
    operators(store).delete(EMAIL, NOW)
    seen = image(store)
    assert users(store).sign_up(ALEXIS, TICKET, LATER)
    assert [entry["kind"] for entry in owed(store)] == ["deleted"]
    assert not events(store).told(seen, LATER), "else the new user would expire at once"
    assert store.outbox.claim(image(store), LINK, LATER)
    users(store).validate(EMAIL, LINK, LATER)
    assert [entry["kind"] for entry in owed(store)] == ["deleted", "validated"]
    assert events(store).told(image(store), LATER)
    assert "expires_at" not in item(store)


def test_a_deletion_meets_an_event_owed_meanwhile(moto_store: Store) -> None:
    """Between the read and the write, the address bounces."""
    put(moto_store, {**SIGNED_UP, **MAILED, "mail": "sent"})
    gone = operators(moto_store)
    read = gone.table.get

    def read_late(key: str) -> Item:
        found = read(key)
        verdict(moto_store, Verdict.BOUNCED)
        return found

    gone.table.get = read_late  # type: ignore[method-assign]
    assert gone.delete(EMAIL, LATER) is Change.DONE
    assert [entry["kind"] for entry in owed(moto_store)] == ["bounced", "deleted"]
