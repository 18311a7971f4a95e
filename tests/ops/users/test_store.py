"""What an operator may do to an item: each change where it is allowed, and in one write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from chalicelib.mail.mailer import owed
from chalicelib.users.people import SignUp
from ops.stage.project import CHECKOUT, Project
from ops.users.store import PATIENCE, Added, Change, Newcomer, OperatorsUsers
from tests.support.fakes import inserted
from tests.support.stores import Plain, Store, create
from tests.unit.users.test_store import STATES

NOW = datetime(2031, 5, 4, 12, 0, 0, 123456, tzinfo=timezone.utc)
NOW_STORED = "2031-05-04T12:00:00.123456Z"
EMAIL = "alexis@example.org"
ALEXIS = Newcomer(SignUp(EMAIL, "Alexis", "GÜNST HORN", ""), None)


@pytest.fixture
def users(store: Store) -> OperatorsUsers:
    return OperatorsUsers(store.client, store.table)


def known(state: str) -> bool:
    return state != "nobody"


def refusal(state: str, *, even_bounced: bool = False) -> Change:
    if not known(state):
        return Change.NOBODY
    if state.startswith("validated"):
        return Change.VALIDATED
    if state == "complained":
        return Change.COMPLAINED
    return Change.BOUNCED if state == "bounced" and not even_bounced else Change.DONE


def given(store: Store, state: str) -> Plain | None:
    attributes = STATES[state]
    if attributes is not None:
        store.put(EMAIL, **attributes)
    return store.item(EMAIL)


Ask = Callable[[OperatorsUsers], Change]
CHANGES: dict[str, tuple[Ask, Callable[[str], Change], Plain]] = {
    "resend": (
        lambda users: users.resend_by_hand(EMAIL, NOW),
        refusal,
        {"mail": "owed", "mail_at": NOW_STORED},
    ),
    "resend, even bounced": (
        lambda users: users.resend_by_hand(EMAIL, NOW, even_bounced=True),
        lambda state: refusal(state, even_bounced=True),
        {"mail": "owed", "mail_at": NOW_STORED},
    ),
    "validate": (
        lambda users: users.validate_by_hand(EMAIL, NOW),
        lambda state: Change.DONE if state in ("bounced", "complained") else refusal(state),
        {"validated_at": NOW_STORED, "validated_by": "operator"},
    ),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_made_where_it_is_allowed_and_says_why_where_not(
    store: Store, users: OperatorsUsers, name: str, state: str
) -> None:
    ask, expected, effect = CHANGES[name]
    before = given(store, state)
    with store.calls() as calls:
        outcome = ask(users)
    assert outcome is expected(state)
    assert calls == ["UpdateItem"]
    after = {**(before or {}), **effect} if outcome is Change.DONE else before
    assert store.item(EMAIL) == after


def test_a_resend_by_hand_knows_neither_the_cooldown_nor_the_five_mails(
    store: Store, users: OperatorsUsers
) -> None:
    store.put(EMAIL, mail="sent", mail_at=NOW_STORED, mail_count=5)
    assert not users.resend(EMAIL, NOW)
    assert users.resend_by_hand(EMAIL, NOW) is Change.DONE


def test_who_complained_is_mailed_no_more_however_they_came_to_be_validated(
    store: Store, users: OperatorsUsers
) -> None:
    store.put(EMAIL, mail="complained", validated_at=NOW_STORED)
    assert users.resend_by_hand(EMAIL, NOW, even_bounced=True) is Change.COMPLAINED


def test_who_is_validated_by_hand_never_lapses(store: Store, users: OperatorsUsers) -> None:
    users.sign_up(ALEXIS.person, NOW)
    users.claim(EMAIL, "1" * 64, NOW, lapses=True)
    assert "expires_at" in (store.item(EMAIL) or {})
    users.validate_by_hand(EMAIL, NOW)
    assert "expires_at" not in (store.item(EMAIL) or {})


@pytest.mark.parametrize("state", STATES)
def test_only_who_is_there_is_deleted(store: Store, users: OperatorsUsers, state: str) -> None:
    given(store, state)
    with store.calls() as calls:
        outcome = users.delete(EMAIL)
    assert outcome is (Change.DONE if known(state) else Change.NOBODY)
    assert calls == ["DeleteItem"]
    assert store.item(EMAIL) is None


@pytest.mark.parametrize("state", STATES)
def test_a_newcomer_never_changes_who_is_there(
    store: Store, users: OperatorsUsers, state: str
) -> None:
    before = given(store, state)
    with store.calls() as calls:
        outcome = users.add(ALEXIS, NOW)
    assert outcome is (Added.THERE if known(state) else Added.ADDED)
    assert calls == ["PutItem"]
    if known(state):
        assert store.item(EMAIL) == before


def test_a_newcomer_is_stored_as_another_programs_with_what_is_known_and_no_more(
    store: Store, users: OperatorsUsers
) -> None:
    users.add(ALEXIS, NOW)
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "prenom": "Alexis",
        "nom": "GÜNST HORN",
        "created_at": NOW_STORED,
    }


def test_who_was_validated_elsewhere_is_validated_since_then(
    store: Store, users: OperatorsUsers
) -> None:
    then = NOW - timedelta(days=400)
    users.add(Newcomer(SignUp(EMAIL, "", "GÜNST HORN", "en"), then), NOW)
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "nom": "GÜNST HORN",
        "lang": "en",
        "created_at": NOW_STORED,
        "validated_at": "2030-03-30T12:00:00.123456Z",
        "validated_by": "import",
    }


def test_twice_in_one_import_is_told_from_there_before_it(users: OperatorsUsers) -> None:
    assert users.add(ALEXIS, NOW) is Added.ADDED
    assert users.add(ALEXIS, NOW) is Added.TWICE
    assert users.add(ALEXIS, NOW + timedelta(microseconds=1)) is Added.THERE


def test_a_sign_up_meanwhile_is_not_taken_for_the_imports_own(users: OperatorsUsers) -> None:
    users.sign_up(ALEXIS.person, NOW + timedelta(seconds=1))
    assert users.add(ALEXIS, NOW) is Added.THERE


def test_the_mailer_mails_a_newcomer_and_never_lets_them_lapse(
    store: Store, users: OperatorsUsers
) -> None:
    users.add(ALEXIS, NOW)
    (one,) = owed([inserted(store, EMAIL)])
    assert users.claim(EMAIL, "1" * 64, NOW, lapses=one.signed_up) is not None
    users.sent(EMAIL, NOW)
    # Nor if they sign up themselves before they have read it.
    assert users.sign_up(ALEXIS.person, NOW + timedelta(hours=1))
    (again,) = owed([{**inserted(store, EMAIL), "eventName": "MODIFY"}])
    users.claim(EMAIL, "2" * 64, NOW + timedelta(hours=1), lapses=again.signed_up)
    assert "expires_at" not in (store.item(EMAIL) or {})


def test_the_mailer_asks_nothing_of_who_was_validated_elsewhere(
    store: Store, users: OperatorsUsers
) -> None:
    users.add(Newcomer(ALEXIS.person, NOW), NOW)
    assert owed([inserted(store, EMAIL)]) == []
    assert list(users.owed_ones(NOW + timedelta(days=1))) == []


def test_a_table_that_was_made_anew_is_another(store: Store, users: OperatorsUsers) -> None:
    before = users.identity()
    assert users.identity() == before
    store.client.delete_table(TableName=store.table)
    assert (
        OperatorsUsers(create(store.client, store.table).client, store.table).identity() != before
    )


def test_only_what_failed_is_retried_as_failed(store: Store, users: OperatorsUsers) -> None:
    for state, attributes in STATES.items():
        if attributes is not None:
            store.put(f"{state.replace(' ', '.')}@example.org", **attributes)
    assert list(users.failed_ones()) == ["failed@example.org"]
    assert users.retry_failed("failed@example.org", NOW)
    assert not users.retry_failed("failed@example.org", NOW)
    assert not users.retry_failed("nobody@example.org", NOW)
    assert store.item("nobody@example.org") is None


def test_a_mail_is_let_be_while_the_mailer_may_be_sending_it(
    store: Store, users: OperatorsUsers
) -> None:
    def sending_since(ago: timedelta) -> None:
        store.put(EMAIL, mail="sending", mail_at=(NOW - ago).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    sending_since(PATIENCE - timedelta(seconds=1))
    assert list(users.owed_ones(NOW)) == []
    assert not users.retry_owed(EMAIL, NOW)
    sending_since(PATIENCE)
    assert list(users.owed_ones(NOW)) == [EMAIL]
    assert users.retry_owed(EMAIL, NOW)
    assert (store.item(EMAIL) or {})["mail"] == "owed"


def test_patience_outlasts_the_mailer() -> None:
    functions = Project(CHECKOUT, "dev").config()["lambda_functions"]
    assert PATIENCE.total_seconds() > functions["send_validation_mail"]["lambda_timeout"]
