"""Events: what they say of a user, by a schema, and under which id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chalicelib.events import event
from chalicelib.events.event import MAX_DETAIL
from chalicelib.users.event_outbox import MAX_OWED
from tests.support.states import EMAIL, NOW_STORED, PROVEN, STATES
from tests.support.stores import Plain, typed

SCHEMA = Path(__file__).parents[3] / "docs" / "event.schema.json"
validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
FACTS = {"validated_at": NOW_STORED, "validated_with": "link"}


def detail(attributes: Plain, kind: str = "validated", **facts: str) -> dict[str, Any]:
    """Return the detail of Alexis's event, which the schema takes."""
    made = event.make(typed({"email": EMAIL, **attributes}), kind, NOW_STORED, facts)
    content: dict[str, Any] = json.loads(made.detail)
    validator.validate(content)
    return content


def test_a_validated_users_event_says_who_and_how() -> None:
    answers = {"company": "Acme", "size": 12, "news": True, "tags": ["a"]}
    said = detail({**PROVEN, "fields": answers, "consent": {"news": {"at": "x"}}}, **FACTS)
    assert said == {
        "id": event.identity(EMAIL, "validated", NOW_STORED),
        "type": "user.validated",
        "time": NOW_STORED,
        "email": EMAIL,
        "prenom": "Alexis",
        "nom": "GÜNST HORN",
        "lang": "fr",
        "fields": answers,
        "consent": {"news": {"at": "x"}},
        "validated_at": NOW_STORED,
        "validated_with": "link",
    }


def test_the_sender_of_a_consent_is_in_no_event() -> None:
    given = {"text": "hash", "at": NOW_STORED, "address": "192.0.2.1", "agent": "Firefox"}
    said = detail({**PROVEN, "consent": {"news": given, "old": True}}, **FACTS)
    assert said["consent"] == {"news": {"text": "hash", "at": NOW_STORED}, "old": True}


def test_no_hash_token_or_state_is_in_an_event() -> None:
    words = json.dumps(detail(PROVEN, **FACTS))
    for name in ("links", "codes", "ticket", "mail_link", "validated_link", "mail_count"):
        assert name not in words


def test_a_strangers_words_are_in_no_event() -> None:
    """The address is not validated: whoever signed it up may have written the names."""
    said = detail(STATES["sent"] or {}, "bounced", reason="bounced: General")
    assert set(said) == {"id", "type", "time", "email", "reason"}


def test_another_programs_words_are_in_the_event() -> None:
    assert detail({"nom": "HORN"}, "refused")["nom"] == "HORN"


def test_a_deleted_users_event_has_the_address_alone() -> None:
    gone = {"mail": "deleted", "created_at": NOW_STORED}
    assert set(detail(gone, "deleted")) == {"id", "type", "time", "email"}


def test_an_id_stays_the_same_and_is_no_others() -> None:
    first = event.identity(EMAIL, "validated", NOW_STORED)
    assert first == event.identity(EMAIL, "validated", NOW_STORED)
    others = {
        event.identity("other@example.org", "validated", NOW_STORED),
        event.identity(EMAIL, "refused", NOW_STORED),
        event.identity(EMAIL, "validated", "2031-05-04T12:00:00.123457Z"),
    }
    assert len({first, *others}) == 4


def test_events_are_in_the_order_of_the_transitions() -> None:
    owed = [{"kind": kind, "at": NOW_STORED} for kind in ("refused", "deleted")]
    image = typed({"email": EMAIL, "owed_events": owed})
    assert [each.type for each in event.of(image)] == ["user.refused", "user.deleted"]


@pytest.mark.parametrize("owed", ["text", [1, "x"], [{"kind": 3}], [{}], {"a": 1}])
def test_another_programs_list_of_that_name_is_no_event(owed: object) -> None:
    assert event.of(typed({"email": EMAIL, "owed_events": owed})) == []


def test_no_more_events_are_read_than_a_user_can_owe() -> None:
    forged = [{"kind": "validated", "at": f"{number}"} for number in range(5_000)]
    assert len(event.of(typed({"email": EMAIL, "owed_events": forged}))) == MAX_OWED


def test_an_event_too_large_for_eventbridge_is_cut() -> None:
    said = detail({"nom": "x" * MAX_DETAIL}, "refused")
    assert set(said) == {"id", "type", "time", "email"}


def test_binary_values_of_other_programs_are_left_out() -> None:
    assert "nom" not in detail({"nom": b"\x00", "lang": "en"}, "refused")


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "user.renamed"},
        {"id": "1"},
        {"time": "yesterday"},
        {"token": "x"},
        {"validated_with": "fax"},
    ],
)
def test_the_schema_refuses_what_is_no_event(wrong: dict[str, str]) -> None:
    assert not validator.is_valid({**detail(PROVEN, **FACTS), **wrong})
