"""The users' transitions: where each is allowed, and what it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.users import codes
from chalicelib.users.mailboxes import Allowance
from chalicelib.users.people import Click, Consent, SignUp, Validation
from chalicelib.users.store import MAX_GUESSES, Users
from tests.support.states import (
    ALEXIS,
    ANOTHERS,
    DAY,
    EARLIER,
    EARLIER_STORED,
    EMAIL,
    ENDS,
    LINK,
    LIVE,
    MAILED,
    NEW_LINK,
    NOW,
    NOW_STORED,
    OTHER_LINK,
    OTHER_TICKET,
    OWED,
    PENDING,
    PROVEN,
    SAID,
    SECOND,
    SIGNED_UP,
    SLOT,
    STATES,
    TICK,
    TICKET,
    epoch,
    item,
    put,
    without,
)
from tests.support.stores import Plain, Store, typed
from tests.support.wire import Wire, refusal

MALLORY = SignUp(EMAIL, "Mallory", "X", "en")
KEY = "a secret key of thirty-two letters"
PUT = {"put", "put and owed", "put and mailed"}
WITH_LINK = PENDING - {"put", "put and owed", "owed"}

Transition = Callable[[Users], bool]
TRANSITIONS: dict[str, tuple[Transition, set[str]]] = {
    "sign up": (lambda users: users.sign_up(ALEXIS, TICKET, NOW), {"absent", *PENDING}),
    "resend": (lambda users: users.resend(EMAIL, NOW), PENDING),
    "resend with a ticket": (
        lambda users: users.resend(EMAIL, NOW, ticket_hash=TICKET),
        PENDING,
    ),
    "validate": (
        lambda users: users.validate(EMAIL, LINK, NOW).outcome is Validation.VALIDATED,
        WITH_LINK,
    ),
    "validate with the ticket": (
        lambda users: users.validate(EMAIL, LINK, NOW, TICKET).outcome is Validation.VALIDATED,
        WITH_LINK - PUT,
    ),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_a_transition_is_made_only_where_it_is_allowed(
    store: Store, transition: str, state: str
) -> None:
    """A refusal leaves the item, or its absence, alone."""
    before = put(store, STATES[state])
    make, allowed = TRANSITIONS[transition]
    assert make(store.users) == (state in allowed)
    assert (store.item(EMAIL) != before) == (state in allowed)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("transition", ["sign up", "resend", "validate"])
def test_a_request_costs_one_update_whoever_it_is_about(
    store: Store, transition: str, state: str
) -> None:
    """The exception keeps a stranger's words out of what another program put."""
    put(store, STATES[state])
    with store.calls() as calls:
        TRANSITIONS[transition][0](store.users)
    is_second_needed = transition == "sign up" and (
        state in PUT or state == "validated by another program"
    )
    assert calls == ["UpdateItem"] * (1 + is_second_needed)


# Signing up


def test_a_sign_up_is_stored_and_owed_a_mail(store: Store) -> None:
    assert store.users.sign_up(ALEXIS, TICKET, NOW)
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "prenom": "Alexis",
        "nom": "GÜNST HORN",
        "lang": "fr",
        "said_at": NOW_STORED,
        "ticket": TICKET,
        "created_at": NOW_STORED,
        "mail": "owed",
        "mail_at": NOW_STORED,
        "owed": SLOT,
        "owed_at": NOW_STORED,
    }


def test_a_sign_up_keeps_fields_consent_and_return_address(store: Store) -> None:
    said: dict[str, Any] = {
        "fields": {"company": "Acme", "size": 7},
        "return_to": "https://acme.example/done",
    }
    sent_from = {"address": "203.0.113.0", "agent": "Firefox"}
    consent = {"news": Consent("I agree.", "en")}
    store.users.sign_up(ALEXIS._replace(**said, consent=consent, sent_from=sent_from), TICKET, NOW)
    assert item(store) | said == item(store)
    assert item(store)["consent"] == {
        "news": {
            "text": "826ff0dab649a97ffdd7779a332accafb35cc161012253a19383db19289d6e02",
            "lang": "en",
            "at": NOW_STORED,
            **sent_from,
        }
    }


def test_the_text_of_a_consent_is_kept_once(store: Store) -> None:
    kept: list[str] = []

    class Texts:
        def keep(self, consents: Iterable[Consent], _now: datetime) -> None:
            assert store.item(EMAIL) is None, "the text comes first"
            kept.extend(consent.text for consent in consents)

    users = Users(store.client, store.table, store.mailboxes, consent_texts=Texts())
    users.sign_up(ALEXIS._replace(consent={"news": Consent("I agree.", "en")}), TICKET, NOW)
    assert kept == ["I agree."]


@pytest.mark.parametrize("name", ["prenom", "nom"])
def test_a_name_that_was_not_given_is_not_stored(store: Store, name: str) -> None:
    store.users.sign_up(ALEXIS._replace(**{name: ""}), TICKET, NOW)
    assert name not in item(store)


def test_moments_are_stored_in_utc_and_in_one_width(store: Store) -> None:
    elsewhere = timezone(timedelta(hours=-5))
    store.users.sign_up(ALEXIS, TICKET, datetime(2031, 5, 4, 7, tzinfo=elsewhere))
    assert item(store)["mail_at"] == "2031-05-04T12:00:00.000000Z"


def test_the_item_shows_what_the_latest_sign_up_said(store: Store) -> None:
    before = put(store, {**STATES["sent"], "fields": {"a": "b"}, "return_to": "https://a"})
    assert store.users.sign_up(MALLORY._replace(nom=""), OTHER_TICKET, NOW)
    assert store.item(EMAIL) == {
        **without(before or {}, "nom", "fields", "return_to", "expires_at"),
        "prenom": "Mallory",
        "lang": "en",
        "said_at": NOW_STORED,
        "ticket": OTHER_TICKET,
        "mail": "owed",
        "mail_at": NOW_STORED,
        "owed": SLOT,
        "owed_at": NOW_STORED,
    }


@pytest.mark.parametrize("state", sorted(PUT))
def test_a_sign_up_changes_no_word_of_another_programs_item(store: Store, state: str) -> None:
    before = put(store, STATES[state])
    assert store.users.sign_up(MALLORY, OTHER_TICKET, NOW)
    assert store.item(EMAIL) == {
        **(before or {}),
        "mail": "owed",
        "mail_at": NOW_STORED,
        "owed": SLOT,
        "owed_at": NOW_STORED,
    }


def test_another_spelling_of_a_key_is_another_item(store: Store) -> None:
    store.put("Alexis@Example.org", nom="GÜNST HORN")
    assert store.users.sign_up(ALEXIS, TICKET, NOW)
    assert store.item("Alexis@Example.org") == {"email": "Alexis@Example.org", "nom": "GÜNST HORN"}
    assert store.item(EMAIL) is not None


@pytest.mark.parametrize(
    ("mail", "count"), [("owed", 0), ("sending", 1), ("sent", 5), ("failed", 5)]
)
def test_an_item_past_its_time_counts_as_absent(store: Store, mail: str, count: int) -> None:
    """DynamoDB may delete it days later. No limit of its past holds."""
    put(
        store,
        {
            **SIGNED_UP,
            **MAILED,
            "mail": mail,
            "mail_at": NOW_STORED,
            "mail_count": count,
            "mail_window_at": NOW_STORED,
            "expires_at": epoch(NOW),
        },
    )
    assert store.users.sign_up(ALEXIS, TICKET, NOW)
    assert "expires_at" not in item(store)


@pytest.mark.parametrize("mail", ["complained", "refused"])
def test_an_end_of_its_time_lifts_no_refusal(store: Store, mail: str) -> None:
    """Another program may have given the item a time to live."""
    before = put(store, {**(STATES[mail] or {}), "expires_at": epoch(NOW)})
    assert not store.users.sign_up(ALEXIS, TICKET, NOW)
    assert store.item(EMAIL) == before


# What limits the mail to one address


Owe = Callable[[Users, datetime], bool]
owing = pytest.mark.parametrize(
    "owe",
    [
        pytest.param(lambda users, now: users.sign_up(ALEXIS, TICKET, now), id="sign up"),
        pytest.param(lambda users, now: users.resend(EMAIL, now), id="resend"),
    ],
)


@owing
@pytest.mark.parametrize("mail", ["owed", "sending", "sent", "failed"])
@pytest.mark.parametrize(
    ("waited", "owed"),
    [
        pytest.param(timedelta(0), False, id="at once"),
        pytest.param(60 * SECOND - TICK, False, id="just under 60 s"),
        pytest.param(60 * SECOND, True, id="60 s"),
        pytest.param(-3600 * SECOND, False, id="by a clock that is behind"),
    ],
)
def test_a_mail_is_owed_again_60_seconds_after_the_last(
    store: Store, owe: Owe, mail: str, waited: timedelta, owed: bool
) -> None:
    before = put(store, {**SIGNED_UP, "mail": mail, "mail_at": NOW_STORED})
    assert owe(store.users, NOW + waited) is owed
    assert (store.item(EMAIL) == before) is not owed


@owing
@pytest.mark.parametrize(
    ("mails", "began", "owed"),
    [
        pytest.param(4, EARLIER, True, id="four in the window"),
        pytest.param(5, EARLIER, False, id="five in the window"),
        pytest.param(5, NOW - timedelta(days=1) + TICK, False, id="a window not quite over"),
        pytest.param(5, NOW - timedelta(days=1), True, id="a window that is over"),
    ],
)
def test_five_mails_are_the_most_in_a_rolling_day(
    store: Store, owe: Owe, mails: int, began: datetime, owed: bool
) -> None:
    window = began.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    put(store, {**SIGNED_UP, "mail": "sent", "mail_count": mails, "mail_window_at": window})
    assert owe(store.users, NOW) is owed


@owing
@pytest.mark.parametrize(
    ("until", "owed"),
    [(NOW, True), (NOW + TICK, False)],
    ids=["a bounce that is forgotten", "one that is not"],
)
def test_a_bounce_is_forgotten_after_its_time(
    store: Store, owe: Owe, until: datetime, owed: bool
) -> None:
    stored = until.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    put(store, {**STATES["bounced"], "bounced_until": stored})
    assert owe(store.users, NOW) is owed


@owing
@pytest.mark.parametrize(("days", "owed"), [(91, True), (89, False)])
def test_a_bounce_of_the_first_edition_ends_too(
    store: Store, owe: Owe, days: int, owed: bool
) -> None:
    """It had no end of its own."""
    at = (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    put(store, {**without(STATES["bounced"] or {}, "bounced_until"), "mail_at": at})
    assert owe(store.users, NOW) is owed


# Where DynamoDB finds a string neither more nor less than a number, moto raises a TypeError.
@owing
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"mail_count": "many", "mail_window_at": NOW_STORED}, id="count is a string"),
        pytest.param({"mail_at": 20310504}, id="moment is a number"),
    ],
)
def test_limits_that_cannot_be_read_are_reached(cloud_store: Store, owe: Owe, odd: Plain) -> None:
    before = put(cloud_store, {**SIGNED_UP, "mail": "sent", **odd})
    assert owe(cloud_store.users, NOW) is False
    assert cloud_store.item(EMAIL) == before


@owing
def test_another_programs_null_validation_is_one(store: Store, owe: Owe) -> None:
    before = put(store, {"mail": "sent", "validated_at": None})
    assert owe(store.users, NOW) is False
    assert store.item(EMAIL) == before


# Asking for another link


SPENT: Plain = {"mail_count": 5, "mail_window_at": EARLIER_STORED}


def test_a_resend_changes_only_that_a_mail_is_owed(store: Store) -> None:
    before = put(store, STATES["sent"]) or {}
    assert store.users.resend(EMAIL, NOW, ticket_hash=TICKET)
    assert store.item(EMAIL) == {
        **without(before, "expires_at"),
        "mail": "owed",
        "mail_at": NOW_STORED,
        "owed": SLOT,
        "owed_at": NOW_STORED,
        "resend_of": TICKET,
    }


@pytest.mark.parametrize("token_hash", ["", LINK], ids=["address", "own token"])
@pytest.mark.parametrize("state", ["sent", "put and mailed"])
def test_a_resend_leaves_only_another_programs_time_to_live(
    store: Store, state: str, token_hash: str
) -> None:
    """What is owed a mail must not expire, whatever the outage, unless its program says so."""
    spent = SPENT if token_hash else {}
    put(store, {**(STATES[state] or {}), **spent, **ENDS})
    assert store.users.resend(EMAIL, NOW, token_hash=token_hash)
    after = item(store)
    assert (after["mail"], "expires_at" in after) == ("owed", state == "put and mailed")


def test_a_refused_resend_leaves_the_end_of_a_sign_up(store: Store) -> None:
    before = put(store, {**(STATES["sent"] or {}), "mail_at": NOW_STORED})
    assert not store.users.resend(EMAIL, NOW)
    assert store.item(EMAIL) == before


@pytest.mark.parametrize("token_hash", ["", LINK], ids=["address", "own token"])
def test_an_item_past_its_time_gets_no_other_link(store: Store, token_hash: str) -> None:
    past = put(store, {**STATES["sent"], "expires_at": epoch(NOW)})
    assert not store.users.resend(EMAIL, NOW, token_hash=token_hash)
    assert store.item(EMAIL) == past
    assert store.users.resend(EMAIL, NOW - timedelta(seconds=1), token_hash=token_hash)


def test_a_token_of_the_item_has_a_budget_of_its_own(store: Store) -> None:
    """Strangers may use up the five mails, but not those of the mailbox's owner."""
    put(store, {**SIGNED_UP, **MAILED, "mail": "sent", **SPENT})
    assert not store.users.resend(EMAIL, NOW)
    assert not store.users.resend(EMAIL, NOW, token_hash=NEW_LINK)
    sent = 0
    for minute in range(10):
        now = NOW + 60 * SECOND * minute
        if store.users.resend(EMAIL, now, token_hash=LINK):
            sent += store.outbox.claim(typed(item(store)), f"{minute:064}", now) is not None
    assert sent == 5
    assert item(store)["resend_of"] == f"{4:064}"
    assert store.users.resend(EMAIL, NOW + timedelta(hours=23), token_hash=f"{4:064}")


def test_a_token_does_not_shorten_the_cooldown(store: Store) -> None:
    put(store, {**SIGNED_UP, **MAILED, "mail": "sent", "mail_at": NOW_STORED, **SPENT})
    assert not store.users.resend(EMAIL, NOW + 59 * SECOND, token_hash=LINK)


# Clicks


def test_a_click_validates_and_clears_what_is_pending(store: Store) -> None:
    before = put(store, {**(STATES["sent"] or {}), "codes": {TICKET: {"tries": 1}}}) or {}
    assert store.users.validate(EMAIL, LINK, NOW) == Click(Validation.VALIDATED, "fr")
    assert store.item(EMAIL) == {
        **without(before, "ticket", "said_at", "expires_at", "codes"),
        "validated_at": NOW_STORED,
        "validated_with": "link",
        "validated_link": LINK,
    }


def test_a_click_makes_its_own_sign_ups_words_the_users(store: Store) -> None:
    """Alexis signed up; a stranger signed the address up later, with other words."""
    owners: Plain = {
        **LIVE["said"],
        "fields": {"plan": "gold"},
        "return_to": "https://acme.example/a",
    }
    put(
        store,
        {
            **SIGNED_UP,
            **MAILED,
            "links": {
                LINK: {**LIVE, "said": owners},
                OTHER_LINK: {**LIVE, "ticket": OTHER_TICKET},
            },
            "mail": "sent",
            "prenom": "Mallory",
            "nom": "X",
            "consent": {"news": True},
            "said_at": NOW_STORED,
            "ticket": OTHER_TICKET,
        },
    )
    with store.calls() as calls:
        click = store.users.validate(EMAIL, LINK, NOW)
    assert click == Click(Validation.VALIDATED, "fr", "https://acme.example/a")
    assert calls == ["UpdateItem", "UpdateItem"]
    after = item(store)
    words = ("prenom", "nom", "lang", "fields", "consent", "ticket", "said_at")
    assert {name: after.get(name) for name in words} == {
        "prenom": "Alexis",
        "nom": "GÜNST HORN",
        "lang": "fr",
        "fields": {"plan": "gold"},
        "consent": None,
        "ticket": None,
        "said_at": None,
    }


AGREED: Plain = {"news": {"text": "e" * 64, "lang": "en", "at": EARLIER_STORED}}
CLICKED_FROM = {"address": "203.0.113.0", "agent": "Firefox"}


@pytest.mark.parametrize("is_latest", [True, False])
def test_a_click_that_proves_a_consent_keeps_its_sender(store: Store, is_latest: bool) -> None:
    said = {**SAID, "consent": AGREED}
    latest = said if is_latest else {**SAID, "said_at": NOW_STORED}
    links = {LINK: {**LIVE, "said": said}}
    put(store, {**SIGNED_UP, **MAILED, **latest, "links": links, "mail": "sent"})
    store.users.validate(EMAIL, LINK, NOW, sent_from=CLICKED_FROM)
    after = item(store)
    assert (after["consent"], after["validated_from"]) == (AGREED, CLICKED_FROM)


def test_a_click_without_a_consent_keeps_no_sender(store: Store) -> None:
    put(store, STATES["sent"])
    with store.calls() as calls:
        store.users.validate(EMAIL, LINK, NOW, sent_from=CLICKED_FROM)
    assert (calls, "validated_from" in item(store)) == (["UpdateItem"], False)


def test_a_click_of_another_programs_item_keeps_no_sender(store: Store) -> None:
    before = put(store, STATES["put and mailed"]) or {}
    store.users.validate(EMAIL, LINK, NOW, sent_from=CLICKED_FROM)
    assert before.items() <= item(store).items()
    assert "validated_from" not in item(store)


def test_a_click_changes_no_word_of_another_programs_item(store: Store) -> None:
    before = put(store, STATES["put and mailed"]) or {}
    assert store.users.validate(EMAIL, LINK, NOW).outcome is Validation.VALIDATED
    assert store.item(EMAIL) == {
        **before,
        "validated_at": NOW_STORED,
        "validated_with": "link",
        "validated_link": LINK,
    }


@pytest.mark.parametrize("later", [SECOND, timedelta(days=400)], ids=["soon", "a year later"])
def test_a_second_click_is_told_that_it_is_done(store: Store, later: timedelta) -> None:
    put(store, STATES["sent"])
    store.users.validate(EMAIL, LINK, NOW)
    before = store.item(EMAIL)
    with store.calls() as calls:
        click = store.users.validate(EMAIL, LINK, NOW + later)
    assert click.outcome is Validation.ALREADY_VALIDATED
    assert store.item(EMAIL) == before
    assert calls == ["UpdateItem"]


@pytest.mark.parametrize(
    ("waited", "outcome"),
    [
        pytest.param(timedelta(0), Validation.VALIDATED, id="at once"),
        pytest.param(SECOND, Validation.EXPIRED, id="at its end"),
        pytest.param(timedelta(days=6), Validation.EXPIRED, id="days later"),
    ],
)
def test_a_link_has_its_own_end(store: Store, waited: timedelta, outcome: Validation) -> None:
    """Another link of the same user, which lives on, does not revive it."""
    links = {LINK: LIVE, OTHER_LINK: {**LIVE, "expires": epoch(NOW) + DAY}}
    before = put(store, {**SIGNED_UP, **MAILED, "mail": "sent", "links": links})
    with store.calls() as calls:
        assert store.users.validate(EMAIL, LINK, NOW + waited).outcome is outcome
    assert (store.item(EMAIL) == before) is (outcome is Validation.EXPIRED)
    assert calls == ["UpdateItem"]


@pytest.mark.parametrize("state", STATES)
def test_a_wrong_token_gets_the_same_answer_for_everyone(store: Store, state: str) -> None:
    before = put(store, STATES[state])
    with store.calls() as calls:
        assert store.users.validate(EMAIL, NEW_LINK, NOW) == Click(Validation.INVALID)
    assert store.item(EMAIL) == before
    assert calls == ["UpdateItem"]


def test_a_link_is_for_one_user(store: Store) -> None:
    put(store, STATES["sent"])
    store.put("bob@example.org", links={OTHER_LINK: LIVE})
    assert store.users.validate("bob@example.org", LINK, NOW).outcome is Validation.INVALID
    assert store.users.validate(EMAIL, OTHER_LINK, NOW).outcome is Validation.INVALID


@pytest.mark.parametrize("ticket", ["", OTHER_TICKET], ids=["no ticket", "another's ticket"])
@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("sent", Validation.CONFIRM),
        ("put and mailed", Validation.CONFIRM),
        ("validated", Validation.ALREADY_VALIDATED),
        ("refused", Validation.EXPIRED),
    ],
)
def test_another_browser_changes_nothing(
    store: Store, ticket: str, state: str, outcome: Validation
) -> None:
    before = put(store, STATES[state])
    with store.calls() as calls:
        assert store.users.validate(EMAIL, LINK, NOW, ticket).outcome is outcome
    assert store.item(EMAIL) == before
    assert calls == ["UpdateItem"]


def test_the_ticket_that_counts_is_the_links_own(store: Store) -> None:
    links = {LINK: LIVE, OTHER_LINK: {**LIVE, "ticket": OTHER_TICKET}}
    put(store, {**SIGNED_UP, **MAILED, "mail": "sent", "links": links, "ticket": OTHER_TICKET})
    users = store.users
    assert users.validate(EMAIL, LINK, NOW, OTHER_TICKET).outcome is Validation.CONFIRM
    assert users.validate(EMAIL, LINK, NOW, TICKET).outcome is Validation.VALIDATED


FORMER: Plain = {
    "prenom": "Alexis",
    "created_at": EARLIER_STORED,
    "lang": "en",
    "mail": "sent",
    "mail_at": EARLIER_STORED,
    "mail_count": 1,
    "link_hashes": {LINK, OTHER_LINK},
    "link_expires_at": epoch(NOW) + 1,
    "expires_at": epoch(NOW) + DAY,
}


@pytest.mark.parametrize(
    ("waited", "outcome"), [(timedelta(0), Validation.VALIDATED), (SECOND, Validation.EXPIRED)]
)
def test_a_link_of_the_first_edition_works_to_its_end(
    store: Store, waited: timedelta, outcome: Validation
) -> None:
    before = put(store, FORMER) or {}
    assert store.users.validate(EMAIL, LINK, NOW + waited) == Click(outcome, "en")
    if outcome is Validation.VALIDATED:
        assert item(store)["validated_at"] == NOW_STORED
        assert "expires_at" not in item(store)
    else:
        assert store.item(EMAIL) == before
    assert store.users.validate(EMAIL, NEW_LINK, NOW).outcome is Validation.INVALID


@pytest.mark.parametrize(
    ("odd", "outcome"),
    [
        ({"links": [LINK]}, Validation.INVALID),
        ({"links": {LINK: "now"}}, Validation.EXPIRED),
        ({"links": {LINK: {}}}, Validation.EXPIRED),
        ({"links": {LINK: {"expires": "9999999999"}}}, Validation.EXPIRED),
        ({"links": {LINK: LIVE}, "validated_at": 0}, Validation.ALREADY_VALIDATED),
        ({"link_hashes": {LINK}}, Validation.EXPIRED),
        ({"link_hashes": {1}, "link_expires_at": epoch(NOW) + 1}, Validation.INVALID),
    ],
    ids=["list", "no map", "no end", "end is text", "validated at zero", "former", "numbers"],
)
def test_a_click_on_an_odd_item_validates_nobody(
    cloud_store: Store, odd: Plain, outcome: Validation
) -> None:
    before = put(cloud_store, odd)
    assert cloud_store.users.validate(EMAIL, LINK, NOW).outcome is outcome
    assert cloud_store.item(EMAIL) == before


@pytest.mark.parametrize("mail", ["complained", "bounced"])
def test_a_click_owes_no_welcome_where_no_mail_may_go(store: Store, mail: str) -> None:
    """The links of another program's item stay after a complaint."""
    before = put(store, {**(STATES["put and mailed"] or {}), "mail": mail}) or {}
    users = store.users_with(KEY, welcomes=True)
    assert users.validate(EMAIL, LINK, NOW).outcome is Validation.VALIDATED
    assert store.item(EMAIL) == {
        **before,
        "validated_at": NOW_STORED,
        "validated_with": "link",
        "validated_link": LINK,
    }


# Codes


def waiting_for_a_code(store: Store, code: str = "012345", **changes: Any) -> Users:
    """Put Alexis as a mail with ``code`` leaves the item, and return the users."""
    stored = {
        "code": codes.digest(KEY, LINK, code),
        "link": LINK,
        "expires": epoch(NOW) + 1,
        "tries": 0,
        **changes,
    }
    put(store, {**(STATES["sent"] or {}), "codes": {TICKET: stored}})
    return store.users_with(KEY)


def test_a_code_validates_like_its_link(store: Store) -> None:
    users = waiting_for_a_code(store)
    with store.calls() as calls:
        assert users.validate_by_code(EMAIL, TICKET, "012345", NOW).outcome is Validation.VALIDATED
    assert calls == ["UpdateItem", "UpdateItem"]
    after = item(store)
    assert (after["validated_with"], after["validated_link"]) == ("code", LINK)
    assert "codes" not in after


def test_a_code_has_five_guesses_right_or_wrong(store: Store) -> None:
    users = waiting_for_a_code(store)
    for guess in range(MAX_GUESSES):
        click = users.validate_by_code(EMAIL, TICKET, f"99999{guess}", NOW)
        assert click == Click(Validation.INVALID)
    assert item(store)["codes"][TICKET]["tries"] == MAX_GUESSES
    assert users.validate_by_code(EMAIL, TICKET, "012345", NOW) == Click(Validation.INVALID)
    assert "validated_at" not in item(store)


@pytest.mark.parametrize(
    ("ticket", "code", "later"),
    [
        pytest.param(OTHER_TICKET, "012345", timedelta(0), id="another's ticket"),
        pytest.param("", "012345", timedelta(0), id="no ticket"),
        pytest.param(TICKET, "012345", SECOND, id="expired"),
        pytest.param(TICKET, "", timedelta(0), id="no code"),
        pytest.param(TICKET, "\ud800", timedelta(0), id="half a character"),
    ],
)
def test_any_other_code_gets_the_same_answer(
    store: Store, ticket: str, code: str, later: timedelta
) -> None:
    users = waiting_for_a_code(store)
    assert users.validate_by_code(EMAIL, ticket or "-", code, NOW + later) == Click(
        Validation.INVALID
    )
    assert "validated_at" not in item(store)


def test_the_table_alone_does_not_tell_the_code(store: Store) -> None:
    """Whoever reads it could try a million codes, but lacks the key."""
    waiting_for_a_code(store)
    reader = store.users_with("another key of thirty-two letters")
    assert reader.validate_by_code(EMAIL, TICKET, "012345", NOW) == Click(Validation.INVALID)


def test_a_code_typed_twice_is_told_that_it_is_done(store: Store) -> None:
    users = waiting_for_a_code(store)
    users.validate_by_code(EMAIL, TICKET, "012345", NOW)
    again = users.validate_by_code(EMAIL, TICKET, "012345", NOW)
    assert again == Click(Validation.ALREADY_VALIDATED, "fr")


def test_a_stranger_with_a_ticket_learns_nothing_of_validation(store: Store) -> None:
    put(store, PROVEN)
    stranger = store.users_with(KEY)
    click = stranger.validate_by_code(EMAIL, OTHER_TICKET, "012345", NOW)
    assert click == Click(Validation.INVALID)


# Refusing

PROOFS = ("validated_at", "validated_with", "validated_link", "validated_from")
DAYS = timedelta(days=9)


@pytest.mark.parametrize("state", sorted(WITH_LINK - {"put and mailed"}))
def test_a_refusal_erases_what_strangers_said(store: Store, state: str) -> None:
    before = put(store, STATES[state]) or {}
    assert store.users.refuse(EMAIL, LINK, NOW).outcome is Validation.REFUSED
    strangers = ("prenom", "nom", "lang", "said_at", "ticket", "expires_at", *OWED)
    assert store.item(EMAIL) == {
        **without(before, *strangers),
        "mail": "refused",
        "mail_at": NOW_STORED,
        "links": {LINK: {"expires": 0}},
    }
    assert not store.users.sign_up(MALLORY, OTHER_TICKET, NOW + timedelta(days=400))
    assert not store.users.resend(EMAIL, NOW + timedelta(days=400))


def test_a_refusal_keeps_what_another_program_put(store: Store) -> None:
    put(store, STATES["put and mailed"])
    assert store.users.refuse(EMAIL, LINK, NOW).outcome is Validation.REFUSED
    assert ANOTHERS.items() <= item(store).items()
    assert item(store)["mail"] == "refused"


@pytest.mark.parametrize("state", STATES)
def test_a_refusal_needs_a_link_of_the_item(store: Store, state: str) -> None:
    before = put(store, STATES[state])
    assert store.users.refuse(EMAIL, NEW_LINK, NOW) == Click(Validation.INVALID)
    assert store.item(EMAIL) == before


@pytest.mark.parametrize("state", ["refused", "complained"])
def test_a_refusal_that_is_not_needed_changes_nothing(store: Store, state: str) -> None:
    before = put(store, STATES[state])
    assert store.users.refuse(EMAIL, LINK, NOW).outcome is Validation.REFUSED
    assert store.item(EMAIL) == before


@pytest.mark.parametrize("mail", ["sent", "delivered", "owed", "sending"])
@pytest.mark.parametrize("how", ["link", "code"])
def test_a_refusal_undoes_a_validation(store: Store, mail: str, how: str) -> None:
    """A stranger with access to the mailbox, or a mail scanner, validated."""
    click: Plain = {"validated_with": how, "validated_from": {"agent": "x"}}
    before = put(store, {**PROVEN, "mail": mail, **click}) or {}
    assert store.users.refuse(EMAIL, LINK, NOW).outcome is Validation.REFUSED
    assert store.item(EMAIL) == {
        **without(before, "prenom", "nom", "lang", *PROOFS),
        "mail": "refused",
        "mail_at": NOW_STORED,
        "links": {LINK: {"expires": 0}},
    }
    assert not store.users.sign_up(MALLORY, OTHER_TICKET, NOW + timedelta(days=400))
    assert store.users.refuse(EMAIL, LINK, NOW).outcome is Validation.REFUSED


@pytest.mark.parametrize("mail", ["complained", "refused"])
def test_a_refusal_that_undoes_lifts_no_complaint(store: Store, mail: str) -> None:
    """Else an operator could lift it as a refusal."""
    before = put(store, {**PROVEN, "mail": mail}) or {}
    assert store.users.refuse(EMAIL, LINK, NOW).outcome is Validation.REFUSED
    assert store.item(EMAIL) == {
        **without(before, "prenom", "nom", "lang", *PROOFS),
        "links": {LINK: {"expires": 0}},
    }
    assert store.mailboxes.allow(EMAIL, NOW)


CLICKED: Plain = {
    **(STATES["put and mailed"] or {}),
    "validated_at": EARLIER_STORED,
    "validated_with": "link",
    "validated_link": LINK,
}
"""An item of another program whose user has clicked."""


@pytest.mark.parametrize("mail", ["sent", "complained"])
def test_a_refusal_undoes_the_click_on_anothers_item(store: Store, mail: str) -> None:
    before = put(store, {**CLICKED, "mail": mail, "validated_from": "their own"}) or {}
    assert store.users.refuse(EMAIL, LINK, NOW).outcome is Validation.REFUSED
    is_new = mail == "sent"
    assert item(store) == {
        **without(before, "validated_at", "validated_with", "validated_link"),
        "mail": "refused" if is_new else mail,
        "mail_at": NOW_STORED if is_new else EARLIER_STORED,
        "links": {LINK: {"expires": 0}},
    }


BY_CLICK: Plain = {"validated_with": "link", "validated_link": LINK}
OTHER_VALIDATIONS: dict[str, Plain] = {
    "operator": {"validated_at": EARLIER_STORED, "validated_by": "operator"},
    "import": {"validated_at": EARLIER_STORED, "validated_by": "import"},
    "another program": {"validated_at": EARLIER_STORED},
    "another program's link": {"validated_at": EARLIER_STORED, "validated_with": "link"},
    "another program's word": {**BY_CLICK, "validated_at": EARLIER_STORED, "validated_by": "crm"},
    "another way": {**BY_CLICK, "validated_at": EARLIER_STORED, "validated_with": "phone"},
    "a text": {**BY_CLICK, "validated_at": "yes"},
    "a moment to come": {**BY_CLICK, "validated_at": "2031-05-04T12:00:00.123457Z"},
    "a year to come": {**BY_CLICK, "validated_at": "9999-12-31"},
    "nothing": {**BY_CLICK, "validated_at": None},
    "a number": {**BY_CLICK, "validated_at": 20310504},
}


# Where DynamoDB finds a string neither more nor less than a number, moto raises a TypeError.
@pytest.mark.parametrize("is_anothers", [False, True], ids=["sign-up", "put"])
@pytest.mark.parametrize("by", OTHER_VALIDATIONS)
def test_a_refusal_undoes_no_other_validation(
    cloud_store: Store, by: str, is_anothers: bool
) -> None:
    """An operator or another program knows the user better than a link that may have leaked."""
    proof = ("validated_at", "validated_with", "validated_link")
    unproven = without(CLICKED if is_anothers else PROVEN, *proof)
    before = put(cloud_store, {**unproven, **OTHER_VALIDATIONS[by]})
    assert cloud_store.users.refuse(EMAIL, LINK, NOW).outcome is Validation.ALREADY_VALIDATED
    assert cloud_store.item(EMAIL) == before
    assert not cloud_store.mailboxes.allow(EMAIL, NOW)


def test_a_refusal_leaves_what_another_program_calls_proof(store: Store) -> None:
    anothers: Plain = {"validated_by": "crm", "validated_with": "phone", "validated_from": "desk"}
    put(store, {**(STATES["put and mailed"] or {}), **anothers})
    assert store.users.refuse(EMAIL, LINK, NOW).outcome is Validation.REFUSED
    assert anothers.items() <= item(store).items()


UNSUBSCRIBED: Plain = {"mail": "refused", "mail_at": NOW_STORED}


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(PROVEN, id="validated"),
        pytest.param({**PROVEN, "mail": "owed", **OWED}, id="a welcome is owed"),
        pytest.param({**PROVEN, **OTHER_VALIDATIONS["operator"]}, id="by an operator"),
        pytest.param({**CLICKED, "validated_at": "yes"}, id="by another program"),
    ],
)
def test_an_unsubscribe_button_stops_all_mail(store: Store, before: Plain) -> None:
    """The validation stands, with what is the user's. Only no mail is sent to any spelling."""
    before = put(store, before) or {}
    click = store.users.refuse(EMAIL, LINK, NOW, keeps_validation=True)
    assert click.outcome is Validation.REFUSED
    assert store.item(EMAIL) == {**without(before, *OWED), **UNSUBSCRIBED}
    again = store.users.refuse(EMAIL, LINK, NOW + DAYS, keeps_validation=True)
    assert again.outcome is Validation.REFUSED
    assert store.item(EMAIL) == {**without(before, *OWED), **UNSUBSCRIBED}
    assert store.mailboxes.count_mail("alexis+a@example.org", "", NOW) is Allowance.REFUSED


def test_an_unsubscribe_button_lifts_no_complaint(store: Store) -> None:
    before = put(store, {**PROVEN, "mail": "complained"})
    click = store.users.refuse(EMAIL, LINK, NOW, keeps_validation=True)
    assert click.outcome is Validation.REFUSED
    assert store.item(EMAIL) == before


def test_a_user_who_unsubscribed_may_still_refuse(store: Store) -> None:
    put(store, PROVEN)
    store.users.refuse(EMAIL, LINK, NOW, keeps_validation=True)
    assert store.users.refuse(EMAIL, LINK, NOW + SECOND).outcome is Validation.REFUSED
    assert not {"validated_at", "prenom"} & set(item(store))


@pytest.mark.parametrize("state", ["delivered", "put and mailed", "validated"])
def test_the_button_of_every_mail_says_that_mail_is_refused(store: Store, state: str) -> None:
    """Else a user who got three mails would take the second button for a broken one."""
    expired = {**LIVE, "expires": epoch(NOW) - DAY}
    links = {LINK: LIVE, OTHER_LINK: LIVE, NEW_LINK: expired}
    put(store, {**(STATES[state] or {}), "links": links})
    for link in links:
        assert store.users.refuse(EMAIL, link, NOW).outcome is Validation.REFUSED
        assert item(store)["links"] == {key: {"expires": 0} for key in links}
        assert store.users.validate(EMAIL, link, NOW).outcome is Validation.EXPIRED
    assert store.users.refuse(EMAIL, "9" * 64, NOW).outcome is Validation.INVALID


def test_an_expired_link_still_refuses(store: Store) -> None:
    put(store, STATES["sent"])
    assert store.users.refuse(EMAIL, LINK, NOW + timedelta(days=3)).outcome is Validation.REFUSED


def test_a_refused_link_validates_nobody(store: Store) -> None:
    put(store, STATES["sent"])
    store.users.refuse(EMAIL, LINK, NOW)
    assert store.users.validate(EMAIL, LINK, NOW).outcome is Validation.EXPIRED
    assert store.users.refuse(EMAIL, LINK, NOW).outcome is Validation.REFUSED


# When DynamoDB misbehaves


def test_other_errors_of_dynamodb_pass_through(moto_store: Store) -> None:
    wrong = refusal(400, "ValidationException", "Invalid ConditionExpression: Syntax error")
    with (
        Wire(moto_store.client, "UpdateItem", then=wrong),
        pytest.raises(ClientError, match="Syntax error"),
    ):
        moto_store.users.resend(EMAIL, NOW)


def test_an_item_without_room_refuses(moto_store: Store) -> None:
    full = refusal(400, "ValidationException", "Item size to update has exceeded the maximum")
    with Wire(moto_store.client, "UpdateItem", then=full):
        assert not moto_store.users.resend(EMAIL, NOW)
        assert moto_store.users.validate(EMAIL, LINK, NOW).outcome is Validation.INVALID


@pytest.mark.parametrize(
    ("state", "change", "made"),
    [
        pytest.param(
            "absent", lambda users: users.sign_up(ALEXIS, TICKET, NOW), True, id="sign up"
        ),
        pytest.param("sent", lambda users: users.resend(EMAIL, NOW), True, id="resend"),
        pytest.param(
            "sent",
            lambda users: users.validate(EMAIL, LINK, NOW),
            Click(Validation.VALIDATED, "fr"),
            id="validate",
        ),
        pytest.param(
            "sent",
            lambda users: users.refuse(EMAIL, LINK, NOW),
            Click(Validation.REFUSED),
            id="refuse",
        ),
    ],
)
def test_a_change_whose_answer_was_lost_was_made(
    moto_store: Store, state: str, change: Callable[[Users], object], made: object
) -> None:
    """Else the first click would be told that it is the second."""
    put(moto_store, STATES[state])
    client = boto3.client(
        "dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 2})
    )
    lost = refusal(500, "InternalServerError")
    with Wire(client, "UpdateItem", [lost], arrives=True) as wire:
        assert change(Users(client, moto_store.table, moto_store.mailboxes)) == made
    assert len(wire.requests) == 2


def test_a_repeat_that_finds_anothers_change_is_refused(moto_store: Store) -> None:
    put(moto_store, {"mail": "owed", "mail_at": EARLIER_STORED, "validated_at": EARLIER_STORED})
    client = boto3.client(
        "dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 2})
    )
    with Wire(client, "UpdateItem", [refusal(500, "InternalServerError")]):
        assert not Users(client, moto_store.table, moto_store.mailboxes).resend(EMAIL, NOW)
