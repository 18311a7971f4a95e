"""An operator's changes of an item: where each is allowed, each in one write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.mail.mailer import owed
from chalicelib.users.mailboxes import Allowance
from chalicelib.users.moments import iso
from chalicelib.users.people import SignUp
from ops.stage.project import CHECKOUT, Project
from ops.users.store import PATIENCE, Added, Change, Newcomer, OperatorsUsers, Withdrawal
from tests.support.fakes import inserted, modified
from tests.support.states import (
    ALEXIS,
    EARLIER_STORED,
    EMAIL,
    ENDS,
    KNOWN,
    LINK,
    MAILED,
    NEW_LINK,
    NOW,
    NOW_STORED,
    OWED,
    PROVEN,
    SIGNED_UP,
    SLOT,
    STATES,
    TICK,
    TICKET,
    VALIDATED,
    item,
    put,
    without,
)
from tests.support.stores import Plain, Store, create

NEWCOMER = Newcomer(SignUp(EMAIL, "Alexis", "GÜNST HORN", ""), None)
PENDING = ("ticket", "return_to", "said_at", "resend_of", "codes", *OWED, "expires_at")
OPERATOR = "arn:aws:sts::123456789012:assumed-role/Support/zoe"
IS_OWED: Plain = {"mail": "owed", "mail_at": NOW_STORED, "owed": SLOT, "owed_at": NOW_STORED}


@pytest.fixture
def users(store: Store) -> OperatorsUsers:
    return OperatorsUsers(store.client, store.table, store.mailboxes, operator=OPERATOR)


def act(name: str, at: str = NOW_STORED) -> Plain:
    return {"at": at, "act": name, "by": OPERATOR}


def refused_because(state: str, *closed: str) -> Change:
    """Return why a change is refused, or DONE; ``closed`` are the states that forbid it."""
    if state == "absent":
        return Change.NOBODY
    if state in closed:
        return Change(state)
    return Change.VALIDATED if state in VALIDATED else Change.DONE


Ask = Callable[[OperatorsUsers], Change]
Effect = Callable[[Plain], Plain]
CHANGES: dict[str, tuple[Ask, Callable[[str], Change], Effect]] = {
    "resend": (
        lambda users: users.resend_by_hand(EMAIL, NOW),
        lambda state: refused_because(state, "bounced", "complained", "refused"),
        lambda before: {**without(before, "expires_at"), **IS_OWED},
    ),
    "resend, even bounced": (
        lambda users: users.resend_by_hand(EMAIL, NOW, even_bounced=True),
        lambda state: refused_because(state, "complained", "refused"),
        lambda before: {**without(before, "expires_at"), **IS_OWED},
    ),
    "validate": (
        lambda users: users.validate_by_hand(EMAIL, NOW),
        refused_because,
        lambda before: {
            **without(before, *PENDING),
            "validated_at": NOW_STORED,
            "validated_by": "operator",
        },
    ),
    "refuse": (
        lambda users: users.refuse_by_hand(EMAIL, NOW),
        lambda state: refused_because(state, "complained", "refused"),
        lambda before: {
            **without(before, *PENDING, "prenom", "nom", "lang", "links"),
            "mail": "refused",
            "mail_at": NOW_STORED,
            "refused_by": "operator",
        },
    ),
    "allow": (
        lambda users: users.allow(EMAIL, NOW),
        lambda state: (
            Change.DONE
            if state == "refused"
            else Change.COMPLAINED
            if state == "complained"
            else Change.VALIDATED
            if state in VALIDATED
            else Change.NOBODY
        ),
        lambda before: {
            **before,
            "mail": "failed",
            "mail_at": NOW_STORED,
            "mail_error": "the refusal was lifted",
        },
    ),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_made_only_where_it_is_allowed(
    store: Store, users: OperatorsUsers, name: str, state: str
) -> None:
    ask, expected, effect = CHANGES[name]
    before = put(store, STATES[state])
    with store.calls() as calls:
        outcome = ask(users)
    assert outcome is expected(state)
    is_mailboxes_too = name not in ("validate", "retry failed", "retry owed") and not (
        (name.startswith("refuse") and outcome is Change.VALIDATED)
        or (name == "allow" and outcome is Change.COMPLAINED)
    )
    assert calls == ["UpdateItem"] * (1 + is_mailboxes_too)
    after = effect(before or {}) if outcome is Change.DONE else before
    recorded = {"acts": [act(name.split(",")[0])]}
    assert store.item(EMAIL) == ({**(after or {}), **recorded} if outcome is Change.DONE else after)


def test_a_resend_leaves_another_programs_time_to_live(store: Store, users: OperatorsUsers) -> None:
    put(store, {**(STATES["put and mailed"] or {}), **ENDS})
    assert users.resend_by_hand(EMAIL, NOW) is Change.DONE
    after = item(store)
    assert (after["mail"], after["expires_at"]) == ("owed", ENDS["expires_at"])
    assert after["acts"] == [act("resend")]


def test_an_item_keeps_the_last_ten_acts(store: Store, users: OperatorsUsers) -> None:
    put(store, STATES["failed"])
    moments = [NOW + timedelta(minutes=n) for n in range(12)]
    for moment in moments:
        assert users.resend_by_hand(EMAIL, moment) is Change.DONE
    assert item(store)["acts"] == [act("resend", iso(moment)) for moment in moments[2:]]
    assert users.validate_by_hand(EMAIL, moments[-1]) is Change.DONE
    assert [each["act"] for each in item(store)["acts"]] == [*["resend"] * 9, "validate"]


def test_a_full_list_of_acts_allows_no_more(store: Store, users: OperatorsUsers) -> None:
    acts = [act("resend")] * 10
    before = put(store, {**STATES["refused"], "acts": acts})
    assert users.resend_by_hand(EMAIL, NOW) is Change.REFUSED
    assert store.item(EMAIL) == before


@pytest.mark.parametrize("theirs", ["many", 7, {"of": "another program"}])
def test_acts_of_another_program_stay_as_they_are(
    store: Store, users: OperatorsUsers, theirs: object
) -> None:
    put(store, {**STATES["failed"], "acts": theirs})
    assert users.validate_by_hand(EMAIL, NOW) is Change.DONE
    assert item(store)["acts"] == theirs


def test_a_resend_to_many_is_an_act_too(store: Store, users: OperatorsUsers) -> None:
    put(store, STATES["failed"])
    assert users.retry_failed(EMAIL, NOW)
    assert item(store)["acts"] == [act("resend")]


def test_a_resend_by_hand_knows_no_limits(store: Store, users: OperatorsUsers) -> None:
    spent = {"mail_at": NOW_STORED, "mail_count": 5, "mail_window_at": NOW_STORED}
    put(store, {**SIGNED_UP, "mail": "sent", **spent})
    assert not users.resend(EMAIL, NOW)
    assert users.resend_by_hand(EMAIL, NOW) is Change.DONE


def test_a_complaint_forbids_mail_even_to_a_validated_user(
    store: Store, users: OperatorsUsers
) -> None:
    put(store, {"mail": "complained", "validated_at": NOW_STORED})
    assert users.resend_by_hand(EMAIL, NOW, even_bounced=True) is Change.COMPLAINED


def test_an_allowed_address_may_sign_up_again(store: Store, users: OperatorsUsers) -> None:
    put(store, STATES["refused"])
    later = NOW + timedelta(minutes=2)
    assert not users.sign_up(ALEXIS, TICKET, later)
    users.allow(EMAIL, NOW)
    assert users.sign_up(ALEXIS, TICKET, later)


def test_a_complaint_is_not_allowed_away(store: Store, users: OperatorsUsers) -> None:
    """Nor is the refusal of its mailbox, which holds for all spellings."""
    before = put(store, STATES["complained"])
    store.mailboxes.refuse(EMAIL, NOW)
    assert users.allow(EMAIL, NOW) is Change.COMPLAINED
    assert store.item(EMAIL) == before
    assert store.mailboxes.count_mail("alexis+a@example.org", "", NOW) is Allowance.REFUSED


@pytest.mark.parametrize("state", STATES)
def test_only_a_user_who_is_there_is_deleted(
    store: Store, users: OperatorsUsers, state: str
) -> None:
    put(store, STATES[state])
    with store.calls() as calls:
        outcome = users.delete(EMAIL, NOW)
    assert outcome is (Change.DONE if state in KNOWN else Change.NOBODY)
    twice = ["DeleteItem", "UpdateItem", "DeleteItem"]
    is_remembered = state in ("refused", "complained")
    assert calls == (twice if is_remembered else ["DeleteItem"])
    assert store.item(EMAIL) is None
    assert store.mailboxes.allow(EMAIL, NOW) is is_remembered


# Imports


REPLACED = {"absent", "owed", "owed again", "sending", "sent", "delivered", "failed"}


@pytest.mark.parametrize("state", STATES)
def test_an_import_replaces_only_unproven_sign_ups(
    store: Store, users: OperatorsUsers, state: str
) -> None:
    before = put(store, STATES[state])
    with store.calls() as calls:
        outcome = users.add(NEWCOMER, NOW)
    assert calls == ["PutItem"]
    if state in REPLACED:
        assert outcome is Added.ADDED
        assert store.item(EMAIL) == {
            "email": EMAIL,
            "prenom": "Alexis",
            "nom": "GÜNST HORN",
            "imported_at": NOW_STORED,
            "acts": [act("import")],
        }
    else:
        assert outcome is Added.THERE
        assert store.item(EMAIL) == before


def test_a_person_validated_elsewhere_is_validated_since_then(
    store: Store, users: OperatorsUsers
) -> None:
    then = NOW - timedelta(days=400)
    users.add(Newcomer(SignUp(EMAIL, "", "GÜNST HORN", "en"), then), NOW)
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "nom": "GÜNST HORN",
        "lang": "en",
        "imported_at": NOW_STORED,
        "validated_at": "2030-03-30T12:00:00.123456Z",
        "validated_by": "import",
        "acts": [act("import")],
    }
    assert owed([inserted(store, EMAIL)], NOW) == []


def test_twice_in_one_import_differs_from_there_before(users: OperatorsUsers) -> None:
    assert users.add(NEWCOMER, NOW) is Added.ADDED
    assert users.add(NEWCOMER, NOW) is Added.TWICE
    assert users.add(NEWCOMER, NOW + TICK) is Added.THERE


def test_an_imported_person_is_mailed_and_never_expires(
    store: Store, users: OperatorsUsers
) -> None:
    users.add(NEWCOMER, NOW)
    (image,) = owed([inserted(store, EMAIL)], NOW)
    claim = store.outbox.claim(image, LINK, NOW)
    assert claim is not None
    store.outbox.sent(claim, "0100", NOW)
    later = NOW + timedelta(hours=1)
    assert users.sign_up(SignUp(EMAIL, "Mallory", "", "en"), TICKET, later)
    (image,) = owed([modified(store, EMAIL)], later)
    assert store.outbox.claim(image, NEW_LINK, later)
    after = item(store)
    assert "expires_at" not in after
    assert after["prenom"] == "Alexis"


def test_a_table_made_again_is_another(store: Store, users: OperatorsUsers) -> None:
    before = users.identity()
    assert users.identity() == before
    for table in (store.table, f"{store.table}-limits"):
        store.client.delete_table(TableName=table)
    create(store.client, store.table)
    again = OperatorsUsers(store.client, store.table, store.mailboxes)
    assert again.identity() != before


# Retries


def test_only_what_failed_is_retried_as_failed(store: Store, users: OperatorsUsers) -> None:
    for state, attributes in STATES.items():
        if attributes is not None:
            store.put(f"{state.replace(' ', '.')}@example.org", **attributes)
    assert list(users.failed_ones()) == ["failed@example.org"]
    assert users.retry_failed("failed@example.org", NOW)
    assert not users.retry_failed("failed@example.org", NOW)
    assert not users.retry_failed("absent@example.org", NOW)
    assert store.item("absent@example.org") is None


@pytest.mark.parametrize(
    ("mail", "patience"),
    [("owed", PATIENCE), ("sending", timedelta(minutes=5))],
    ids=["owed", "a claim in doubt"],
)
def test_a_mail_is_left_to_the_mailer_for_a_while(
    store: Store, users: OperatorsUsers, mail: str, patience: timedelta
) -> None:
    put(store, {**SIGNED_UP, **OWED, "mail": mail, "mail_at": NOW_STORED})
    early, late = NOW + patience - TICK, NOW + patience
    assert list(users.owed_ones(early)) == []
    assert not users.retry_owed(EMAIL, early)
    assert list(users.owed_ones(late)) == [EMAIL]
    assert users.retry_owed(EMAIL, late)
    assert (item(store)["mail"], item(store)["owed_at"]) == ("owed", item(store)["mail_at"])


def test_a_retried_mail_wakes_the_streams_mailer(store: Store, users: OperatorsUsers) -> None:
    put(store, {**SIGNED_UP, "mail": "owed", "owed": SLOT, "owed_at": "2031-05-01"})
    assert owed([modified(store, EMAIL)], NOW) == []
    users.retry_owed(EMAIL, NOW)
    assert len(owed([modified(store, EMAIL)], NOW)) == 1
    assert EARLIER_STORED < NOW_STORED


def test_patience_outlasts_the_mailer() -> None:
    functions = Project(CHECKOUT, "dev").config()["lambda_functions"]
    assert PATIENCE.total_seconds() > functions["send_validation_mail"]["lambda_timeout"]


AGREED: Plain = {"news": {"text": "e" * 64, "lang": "en", "at": EARLIER_STORED}}


def test_a_withdrawn_consent_stays_as_evidence(store: Store, users: OperatorsUsers) -> None:
    before = put(store, {**PROVEN, "consent": AGREED}) or {}
    assert users.withdraw(EMAIL, "news", NOW) is Withdrawal.DONE
    withdrawn = {"withdrawn_at": NOW_STORED, "withdrawn_by": "operator"}
    assert item(store) == {
        **before,
        "consent": {"news": {**AGREED["news"], **withdrawn}},
        "acts": [act("withdraw")],
    }


def test_a_withdrawal_owes_an_event_in_the_same_write(store: Store) -> None:
    put(store, {**PROVEN, "consent": AGREED})
    users = OperatorsUsers(
        store.client, store.table, store.mailboxes, operator=OPERATOR, has_events=True
    )
    with store.calls() as calls:
        users.withdraw(EMAIL, "news", NOW)
    assert calls == ["UpdateItem"]
    assert item(store)["owed_events"] == [
        {
            "kind": "consent_withdrawn",
            "at": NOW_STORED,
            "withdrawn": "news",
            "withdrawn_by": "operator",
        }
    ]


def test_a_consent_is_withdrawn_once(store: Store, users: OperatorsUsers) -> None:
    put(store, {**PROVEN, "consent": AGREED})
    users.withdraw(EMAIL, "news", NOW)
    after = item(store)
    again = users.withdraw(EMAIL, "news", NOW + TICK)
    assert (again, item(store)) == (Withdrawal.ALREADY, after)


@pytest.mark.parametrize(
    "attributes", [None, SIGNED_UP, PROVEN, {**PROVEN, "consent": {"news": 1}}]
)
def test_only_a_consent_that_was_given_is_withdrawn(
    store: Store, users: OperatorsUsers, attributes: Plain | None
) -> None:
    put(store, {**attributes, "mail": "sent"} if attributes else None)
    before = store.item(EMAIL)
    expected = Withdrawal.NONE_GIVEN if attributes else Withdrawal.NOBODY
    assert users.withdraw(EMAIL, "news", NOW) is expected
    assert store.item(EMAIL) == before


def test_a_consent_before_the_click_cannot_be_withdrawn(
    store: Store, users: OperatorsUsers
) -> None:
    put(store, {**SIGNED_UP, **MAILED, "consent": AGREED, "mail": "sent"})
    assert users.withdraw(EMAIL, "news", NOW) is Withdrawal.NONE_GIVEN
