"""The store's contract, on moto and on the local cloud alike: each transition, where it is allowed,
what it changes, and that a refusal changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.users.people import Click, SignUp, User, Validation, Verdict
from chalicelib.users.store import Unusable, Users
from tests.support import local_cloud, stores
from tests.support.stores import Plain, Store
from tests.support.wire import Wire, refusal

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

NOW = datetime(2031, 5, 4, 12, 0, 0, 123456, tzinfo=timezone.utc)
NOW_STORED = "2031-05-04T12:00:00.123456Z"
EARLIER = NOW - timedelta(hours=1)
EARLIER_STORED = "2031-05-04T11:00:00.123456Z"
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)

EMAIL = "alexis@example.org"
ALEXIS = SignUp(EMAIL, "Alexis", "GÜNST HORN", "fr")
LINK, NEW_LINK, OTHER_LINK = "1" * 64, "2" * 64, "3" * 64


def epoch(moment: datetime) -> int:
    return int(moment.timestamp())


@pytest.fixture(scope="session")
def cloud_dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoDBClient]:
    log = tmp_path_factory.mktemp("local cloud") / "log"
    with local_cloud.running(log) as endpoint:
        yield boto3.client(
            "dynamodb", endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1})
        )


table_numbers = itertools.count()


@pytest.fixture
def cloud_store(cloud_dynamodb: DynamoDBClient) -> Store:
    """An empty table of users in the local cloud."""
    return stores.create(cloud_dynamodb, f"users-{next(table_numbers)}")


@pytest.fixture(params=["moto_store", "cloud_store"], ids=["moto", "cloud"])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty table of users: every test that asks for it is run on both back ends."""
    either: Store = request.getfixturevalue(request.param)
    return either


def put(store: Store, **attributes: object) -> Plain:
    """Have another writer put Alexis, and return the item."""
    store.put(EMAIL, **attributes)
    return {"email": EMAIL, **attributes}


LIVE_LINK: Plain = {"link_hashes": {LINK}, "link_expires_at": epoch(NOW) + 1}
STATES: dict[str, Plain | None] = {
    "nobody": None,
    "put by another writer": {"nom": "GÜNST HORN"},
    "owed": {"mail": "owed", "mail_at": EARLIER_STORED},
    "sending": {"mail": "sending", "mail_at": EARLIER_STORED, **LIVE_LINK},
    "sent": {"mail": "sent", "mail_at": EARLIER_STORED, "mail_count": 1, **LIVE_LINK},
    "owed again": {"mail": "owed", "mail_at": EARLIER_STORED, "mail_count": 1, **LIVE_LINK},
    "failed": {"mail": "failed", "mail_at": EARLIER_STORED, "mail_error": "No.", **LIVE_LINK},
    "bounced": {"mail": "bounced", "mail_at": EARLIER_STORED, "mail_count": 1, **LIVE_LINK},
    "complained": {"mail": "complained", "mail_at": EARLIER_STORED, "mail_count": 1, **LIVE_LINK},
    "validated": {
        "mail": "sent",
        "mail_at": EARLIER_STORED,
        "mail_count": 1,
        "validated_at": EARLIER_STORED,
        **LIVE_LINK,
    },
    "validated while owed": {
        "mail": "owed",
        "mail_at": EARLIER_STORED,
        "validated_at": EARLIER_STORED,
        **LIVE_LINK,
    },
    "validated while sending": {
        "mail": "sending",
        "mail_at": EARLIER_STORED,
        "validated_at": EARLIER_STORED,
        **LIVE_LINK,
    },
    "validated by another writer": {"validated_at": EARLIER_STORED},
}
KNOWN = set(STATES) - {"nobody"}
PENDING = {state for state in KNOWN if not state.startswith("validated")}
SENDING = {"sending", "validated while sending"}

Transition = Callable[[Users], bool]
TRANSITIONS: dict[str, tuple[Transition, set[str]]] = {
    "sign up": (
        lambda users: users.sign_up(ALEXIS, NOW),
        {"nobody", *PENDING} - {"bounced", "complained"},
    ),
    "resend": (lambda users: users.resend(EMAIL, NOW), PENDING - {"bounced", "complained"}),
    "claim": (
        lambda users: users.claim(EMAIL, NEW_LINK, NOW, lapses=False) is not None,
        {"put by another writer", "owed", "owed again", "sending"},
    ),
    "take back": (lambda users: users.take_back(EMAIL, LINK, "Throttled."), SENDING),
    "sent": (lambda users: users.sent(EMAIL, NOW), SENDING),
    "failed": (lambda users: users.failed(EMAIL, "Rejected.", NOW), SENDING),
    "bounced": (
        lambda users: users.record_feedback(EMAIL, Verdict.BOUNCED, NOW),
        KNOWN - {"bounced", "complained"},
    ),
    "complained": (
        lambda users: users.record_feedback(EMAIL, Verdict.COMPLAINED, NOW),
        KNOWN - {"complained"},
    ),
    "ask again": (
        lambda users: users.ask_again(EMAIL, NOW, NOW - EARLIER),
        {"put by another writer", "owed", "owed again", "sending"},
    ),
    "validate": (
        lambda users: users.validate(EMAIL, LINK, NOW).outcome is Validation.VALIDATED,
        PENDING - {"put by another writer", "owed"},
    ),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_a_transition_is_made_where_the_design_allows_it_and_nowhere_else(
    store: Store, transition: str, state: str
) -> None:
    """Each is one UpdateItem, made or not; a refusal leaves the item, or its absence, alone."""
    attributes = STATES[state]
    before = None if attributes is None else put(store, **attributes)
    make, allowed = TRANSITIONS[transition]

    with store.calls() as calls:
        made = make(store.users)

    assert made == (state in allowed)
    assert (store.item(EMAIL) != before) == made
    assert calls == ["UpdateItem"]


# Signing up


def test_a_sign_up_is_stored_and_owed_a_mail(store: Store) -> None:
    assert store.users.sign_up(ALEXIS, NOW)
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "prenom": "Alexis",
        "nom": "GÜNST HORN",
        "lang": "fr",
        "created_at": NOW_STORED,
        "mail": "owed",
        "mail_at": NOW_STORED,
    }


@pytest.mark.parametrize("name", ["prenom", "nom"])
def test_a_name_that_was_not_given_is_not_stored(store: Store, name: str) -> None:
    store.users.sign_up(replace(ALEXIS, **{name: ""}), NOW)
    assert name not in (store.item(EMAIL) or {})


def test_moments_are_stored_in_utc_and_in_one_width(store: Store) -> None:
    """They are compared as text, so a zone or missing microseconds would reorder them."""
    elsewhere = timezone(timedelta(hours=-5))
    store.users.sign_up(ALEXIS, datetime(2031, 5, 4, 7, tzinfo=elsewhere))
    assert (store.item(EMAIL) or {})["mail_at"] == "2031-05-04T12:00:00.000000Z"


def test_a_second_sign_up_changes_the_language_and_never_the_names(store: Store) -> None:
    store.users.sign_up(ALEXIS, EARLIER)
    assert store.users.sign_up(SignUp(EMAIL, "Mallory", "X", "en"), NOW)
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "prenom": "Alexis",
        "nom": "GÜNST HORN",
        "lang": "en",
        "created_at": EARLIER_STORED,
        "mail": "owed",
        "mail_at": NOW_STORED,
    }


def test_a_sign_up_adds_what_another_writers_item_lacks_and_nothing_else(store: Store) -> None:
    put(store, nom={"family": "GÜNST"}, lang=7, plan="gold")
    assert store.users.sign_up(ALEXIS, NOW)
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "prenom": "Alexis",
        "nom": {"family": "GÜNST"},
        "lang": "fr",
        "plan": "gold",
        "created_at": NOW_STORED,
        "mail": "owed",
        "mail_at": NOW_STORED,
    }


def test_a_sign_up_keeps_the_links_the_count_and_the_lapse(store: Store) -> None:
    kept = {**LIVE_LINK, "mail_count": 1, "expires_at": epoch(NOW)}
    put(store, mail="sent", mail_at=EARLIER_STORED, **kept)
    assert store.users.sign_up(ALEXIS, NOW)
    assert kept.items() <= (store.item(EMAIL) or {}).items()


def test_a_sign_up_is_somebody_elses_than_a_key_in_another_case(store: Store) -> None:
    store.put("Alexis@Example.org", nom="GÜNST HORN")
    assert store.users.sign_up(ALEXIS, NOW)
    assert store.item("Alexis@Example.org") == {"email": "Alexis@Example.org", "nom": "GÜNST HORN"}
    assert store.item(EMAIL) is not None


# What limits the mail to one address


Owe = Callable[[Users, datetime], bool]
owing = pytest.mark.parametrize(
    "owe",
    [
        pytest.param(lambda users, now: users.sign_up(ALEXIS, now), id="sign up"),
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
def test_a_mail_is_owed_again_60_seconds_after_the_last_change(
    store: Store, owe: Owe, mail: str, waited: timedelta, owed: bool
) -> None:
    before = put(store, mail=mail, mail_at=NOW_STORED)
    assert owe(store.users, NOW + waited) is owed
    assert (store.item(EMAIL) == before) is not owed


@owing
@pytest.mark.parametrize(("mails", "owed"), [(0, True), (4, True), (5, False), (6, False)])
def test_nobody_is_mailed_a_sixth_time(store: Store, owe: Owe, mails: int, owed: bool) -> None:
    before = put(store, mail="sent", mail_at=EARLIER_STORED, mail_count=mails)
    assert owe(store.users, NOW) is owed
    assert (store.item(EMAIL) == before) is not owed


# Where DynamoDB finds a string neither more nor less than a number, moto raises a TypeError.
@owing
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"mail_count": "many"}, id="a count that is a string"),
        pytest.param({"mail_at": 20310504}, id="a moment that is a number"),
    ],
)
def test_limits_that_cannot_be_read_are_reached(cloud_store: Store, owe: Owe, odd: Plain) -> None:
    before = put(cloud_store, mail="sent", **odd)
    assert owe(cloud_store.users, NOW) is False
    assert cloud_store.item(EMAIL) == before


@owing
def test_another_writers_null_validation_is_one(store: Store, owe: Owe) -> None:
    before = put(store, mail="sent", validated_at=None)
    assert owe(store.users, NOW) is False
    assert store.item(EMAIL) == before


@owing
def test_a_mail_state_of_another_type_is_replaced(store: Store, owe: Owe) -> None:
    put(store, mail=5)
    assert owe(store.users, NOW)
    assert (store.item(EMAIL) or {})["mail"] == "owed"


def test_a_resend_changes_only_that_a_mail_is_owed(store: Store) -> None:
    before = put(store, mail="sent", mail_at=EARLIER_STORED, mail_count=1, lang="en", **LIVE_LINK)
    assert store.users.resend(EMAIL, NOW)
    assert store.item(EMAIL) == {**before, "mail": "owed", "mail_at": NOW_STORED}


def test_five_mails_can_be_had_a_minute_apart_and_no_more(store: Store) -> None:
    moments = [NOW + 60 * SECOND * number for number in range(10)]
    sent = 0
    for number, moment in enumerate(moments):
        if store.users.sign_up(ALEXIS, moment):
            assert store.users.claim(EMAIL, f"link {number}", moment, lapses=True)
            assert store.users.sent(EMAIL, moment)
            sent += 1
    assert sent == 5


# Claiming a mail


def test_a_claim_tells_whom_to_mail_and_stores_the_link(store: Store) -> None:
    store.users.sign_up(ALEXIS, EARLIER)
    assert store.users.claim(EMAIL, LINK, NOW, lapses=True) == User(
        EMAIL, "Alexis", "GÜNST HORN", "fr"
    )
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "prenom": "Alexis",
        "nom": "GÜNST HORN",
        "lang": "fr",
        "created_at": EARLIER_STORED,
        "mail": "sending",
        "mail_at": NOW_STORED,
        "link_hashes": {LINK},
        "link_expires_at": epoch(NOW) + 24 * 3600,
        "expires_at": epoch(NOW) + 7 * 24 * 3600,
    }


def test_who_asks_again_lapses_as_before_until_that_mail_is_tried(store: Store) -> None:
    """One write cannot tell a sign-up of ours from another writer's item, which has no lapse."""
    store.users.sign_up(ALEXIS, NOW)
    store.users.claim(EMAIL, LINK, NOW, lapses=True)
    later = NOW + timedelta(days=8)
    assert store.users.resend(EMAIL, later)
    assert (store.item(EMAIL) or {})["expires_at"] == epoch(NOW) + 7 * 24 * 3600
    assert store.users.claim(EMAIL, NEW_LINK, later, lapses=True)
    assert (store.item(EMAIL) or {})["expires_at"] == epoch(later) + 7 * 24 * 3600


def test_another_writers_user_never_lapses(store: Store) -> None:
    put(store, nom="GÜNST HORN", prenom="Alexis")
    assert store.users.claim(EMAIL, LINK, NOW, lapses=False) == User(
        EMAIL, "Alexis", "GÜNST HORN", ""
    )
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "nom": "GÜNST HORN",
        "prenom": "Alexis",
        "mail": "sending",
        "mail_at": NOW_STORED,
        "link_hashes": {LINK},
        "link_expires_at": epoch(NOW) + 24 * 3600,
    }


def test_another_writers_item_put_over_a_sign_up_never_lapses(store: Store) -> None:
    """A record of the sign-up is read late: the item it speaks of is gone."""
    put(store, nom="GÜNST HORN")
    assert store.users.claim(EMAIL, LINK, NOW, lapses=True)
    item = store.item(EMAIL) or {}
    assert (item["mail"], item["link_hashes"]) == ("sending", {LINK})
    assert "expires_at" not in item


@pytest.mark.parametrize("theirs", [epoch(NOW) + 7 * 24 * 3600 + 1, 10**38 - 1, "2032-01-01", None])
def test_another_writers_time_to_live_is_not_cut_short(store: Store, theirs: object) -> None:
    """Though anybody may sign that address up, after which the item says when."""
    put(store, nom="GÜNST HORN", expires_at=theirs)
    assert store.users.sign_up(ALEXIS, EARLIER)
    assert store.users.claim(EMAIL, LINK, NOW, lapses=True)
    item = store.item(EMAIL) or {}
    assert (item["mail"], item["link_hashes"]) == ("sending", {LINK})
    assert item["expires_at"] == theirs


def test_a_key_is_kept_as_it_was_put(store: Store) -> None:
    store.put("Alexis@Example.org", prenom="Alexis")
    user = store.users.claim("Alexis@Example.org", LINK, NOW, lapses=False)
    assert user == User("Alexis@Example.org", "Alexis", "", "")
    assert store.users.sent("Alexis@Example.org", NOW)
    assert store.users.validate(EMAIL, LINK, NOW).outcome is Validation.INVALID
    assert store.users.validate("Alexis@Example.org", LINK, NOW).outcome is Validation.VALIDATED


def test_links_add_up_and_all_live_as_long_as_the_last(store: Store) -> None:
    put(store, mail="owed", link_hashes={LINK}, link_expires_at=epoch(EARLIER))
    assert store.users.claim(EMAIL, NEW_LINK, NOW, lapses=False)
    item = store.item(EMAIL) or {}
    assert item["link_hashes"] == {LINK, NEW_LINK}
    assert item["link_expires_at"] == epoch(NOW) + 24 * 3600


def test_a_claim_that_nobody_finished_is_made_again(store: Store) -> None:
    """After a crash between SES's answer and its being written down, both links work."""
    store.users.sign_up(ALEXIS, EARLIER)
    store.users.claim(EMAIL, LINK, EARLIER, lapses=True)
    assert store.users.claim(EMAIL, NEW_LINK, NOW, lapses=True)
    item = store.item(EMAIL) or {}
    assert item["link_hashes"] == {LINK, NEW_LINK}
    assert item["expires_at"] == epoch(NOW) + 7 * 24 * 3600


@pytest.mark.parametrize(
    ("odd", "user"),
    [
        pytest.param({"nom": {"a": "b"}, "prenom": "Ada"}, User(EMAIL, "Ada", "", ""), id="map"),
        pytest.param({"nom": ["a"], "prenom": 5}, User(EMAIL, "", "", ""), id="list and number"),
        pytest.param({"nom": None, "lang": b"fr"}, User(EMAIL, "", "", ""), id="null and binary"),
        pytest.param({"lang": {"fr"}, "nom": "X"}, User(EMAIL, "", "X", ""), id="a set"),
    ],
)
def test_names_and_language_of_another_type_are_left_out(
    store: Store, odd: Plain, user: User
) -> None:
    before = put(store, **odd)
    assert store.users.claim(EMAIL, LINK, NOW, lapses=False) == user
    assert before.items() <= (store.item(EMAIL) or {}).items()


def test_moments_of_another_type_are_written_over_by_a_claim(store: Store) -> None:
    put(store, created_at=0, mail_at=5, link_expires_at="tomorrow")
    assert store.users.claim(EMAIL, LINK, NOW, lapses=True)
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "created_at": 0,
        "mail": "sending",
        "mail_at": NOW_STORED,
        "link_hashes": {LINK},
        "link_expires_at": epoch(NOW) + 24 * 3600,
        "expires_at": epoch(NOW) + 7 * 24 * 3600,
    }


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"link_hashes": LINK}, "link_hashes is not a set of strings"),
        ({"link_hashes": [LINK]}, "link_hashes is not a set of strings"),
        ({"link_hashes": {1, 2}}, "link_hashes is not a set of strings"),
        ({"link_hashes": None}, "link_hashes is not a set of strings"),
        ({"mail_count": "1"}, "mail_count is not a number"),
        ({"mail_count": {"a": 1}}, "mail_count is not a number"),
        ({"mail_count": "1", "link_hashes": {LINK}}, "mail_count is not a number"),
        ({"mail_count": "1", "link_hashes": LINK}, "link_hashes is not a set of strings"),
    ],
    ids=str,
)
@pytest.mark.parametrize("mail", [{}, {"mail": "owed"}, {"mail": "sending"}], ids=str)
def test_an_item_that_no_mail_could_be_counted_on_is_not_mailed(
    store: Store, odd: Plain, mail: Plain, why: str
) -> None:
    before = put(store, **odd, **mail)
    with store.calls() as calls, pytest.raises(Unusable) as refusal:
        store.users.claim(EMAIL, NEW_LINK, NOW, lapses=False)
    assert str(refusal.value) == why
    assert store.item(EMAIL) == before
    assert calls == ["UpdateItem"]


@pytest.mark.parametrize("mail", [5, None, ["owed"], {"S": "owed"}, "OWED", "later"], ids=str)
@pytest.mark.parametrize("odd", [{}, {"link_hashes": LINK}], ids=str)
def test_a_mail_state_that_is_not_ours_is_owed_nothing(
    store: Store, mail: object, odd: Plain
) -> None:
    before = put(store, mail=mail, **odd)
    assert store.users.claim(EMAIL, LINK, NOW, lapses=False) is None
    assert store.item(EMAIL) == before


def test_after_twenty_mails_of_unknown_fate_the_earlier_links_are_given_up(store: Store) -> None:
    links = [f"link {number}" for number in range(20)]
    put(store, created_at=EARLIER_STORED, mail_count=0)
    for number, link in enumerate(links):
        with store.calls() as calls:
            assert store.users.claim(EMAIL, link, NOW + SECOND * number, lapses=False)
        assert calls == ["UpdateItem"]
    assert (store.item(EMAIL) or {})["link_hashes"] == set(links)

    with store.calls() as calls:
        user = store.users.claim(EMAIL, NEW_LINK, NOW + 60 * SECOND, lapses=True)

    assert user == User(EMAIL, "", "", "")
    assert calls == ["UpdateItem", "UpdateItem"]
    assert store.item(EMAIL) == {
        "email": EMAIL,
        "created_at": EARLIER_STORED,
        "mail": "sending",
        "mail_at": "2031-05-04T12:01:00.123456Z",
        "mail_count": 0,
        "link_hashes": {NEW_LINK},
        "link_expires_at": epoch(NOW) + 60 + 24 * 3600,
        "expires_at": epoch(NOW) + 60 + 7 * 24 * 3600,
    }
    assert store.users.validate(EMAIL, links[0], NOW + 60 * SECOND).outcome is Validation.INVALID


def test_links_are_not_given_up_for_a_user_who_validates_meanwhile(store: Store) -> None:
    full = {f"link {number}" for number in range(20)}
    put(store, mail="owed", link_hashes=full, link_expires_at=epoch(NOW) + 1)
    events = store.client.meta.events

    def click(**_: Any) -> None:
        events.unregister("after-call.dynamodb.UpdateItem", click)
        assert store.users.validate(EMAIL, "link 7", NOW).outcome is Validation.VALIDATED

    events.register("after-call.dynamodb.UpdateItem", click)
    assert store.users.claim(EMAIL, NEW_LINK, NOW, lapses=False) is None
    item = store.item(EMAIL) or {}
    assert item["link_hashes"] == full
    assert item["validated_at"] == NOW_STORED


# What became of a mail


def test_a_mail_that_left_is_counted_and_its_earlier_errors_forgotten(store: Store) -> None:
    before = put(store, mail="sending", mail_at=EARLIER_STORED, mail_count=1, **LIVE_LINK)
    store.put(**before, mail_error="Throttled.")
    assert store.users.sent(EMAIL, NOW)
    assert store.item(EMAIL) == {**before, "mail": "sent", "mail_at": NOW_STORED, "mail_count": 2}


def test_the_first_mail_that_left_is_counted(store: Store) -> None:
    put(store, mail="sending")
    assert store.users.sent(EMAIL, NOW)
    assert (store.item(EMAIL) or {})["mail_count"] == 1


def test_a_mail_is_counted_once_however_often_it_is_told(store: Store) -> None:
    put(store, mail="sending")
    assert [store.users.sent(EMAIL, NOW) for _ in range(3)] == [True, False, False]
    assert (store.item(EMAIL) or {})["mail_count"] == 1


def test_a_mail_that_never_can_be_delivered_says_why(store: Store) -> None:
    before = put(store, mail="sending", mail_at=EARLIER_STORED, **LIVE_LINK)
    assert store.users.failed(EMAIL, "MessageRejected: no.", NOW)
    assert store.item(EMAIL) == {
        **before,
        "mail": "failed",
        "mail_at": NOW_STORED,
        "mail_error": "MessageRejected: no.",
    }


def test_a_claim_taken_back_leaves_the_mail_owed_and_the_other_links_alive(store: Store) -> None:
    before = put(
        store,
        mail="sending",
        mail_at=EARLIER_STORED,
        link_hashes={LINK, NEW_LINK},
        link_expires_at=epoch(NOW) + 1,
    )
    assert store.users.take_back(EMAIL, NEW_LINK, "Throttled.")
    assert store.item(EMAIL) == {**before, "link_hashes": {LINK}, "mail_error": "Throttled."}
    assert store.users.validate(EMAIL, NEW_LINK, NOW).outcome is Validation.INVALID
    assert store.users.claim(EMAIL, OTHER_LINK, NOW, lapses=False)


def test_taking_back_the_only_link_leaves_none(store: Store) -> None:
    put(store, mail="sending", **LIVE_LINK)
    assert store.users.take_back(EMAIL, LINK, "Throttled.")
    assert "link_hashes" not in (store.item(EMAIL) or {})
    assert store.users.claim(EMAIL, LINK, NOW, lapses=False)
    assert (store.item(EMAIL) or {})["link_hashes"] == {LINK}


def test_a_day_of_throttling_leaves_no_link_behind(store: Store) -> None:
    put(store, mail="owed")
    for number in range(25):
        with store.calls() as calls:
            assert store.users.claim(EMAIL, f"link {number}", NOW, lapses=False)
            assert store.users.take_back(EMAIL, f"link {number}", "Throttled.")
        assert calls == ["UpdateItem", "UpdateItem"]
    assert "link_hashes" not in (store.item(EMAIL) or {})


def test_an_error_is_stored_up_to_500_characters(store: Store) -> None:
    put(store, mail="sending", **LIVE_LINK)
    store.users.take_back(EMAIL, LINK, "é" * 501)
    assert (store.item(EMAIL) or {})["mail_error"] == "é" * 500
    store.users.failed(EMAIL, "è" * 501, NOW)
    assert (store.item(EMAIL) or {})["mail_error"] == "è" * 500


# Clicks


def test_a_click_validates_for_good_and_stops_the_lapse(store: Store) -> None:
    before = put(
        store,
        mail="sent",
        mail_at=EARLIER_STORED,
        mail_count=1,
        link_hashes={LINK, OTHER_LINK},
        link_expires_at=epoch(NOW) + 1,
    )
    store.put(**before, expires_at=epoch(NOW) + 60)
    assert store.users.validate(EMAIL, LINK, NOW).outcome is Validation.VALIDATED
    assert store.item(EMAIL) == {**before, "validated_at": NOW_STORED}


@pytest.mark.parametrize("link", [LINK, OTHER_LINK], ids=["same link", "another of their links"])
@pytest.mark.parametrize("later", [SECOND, timedelta(days=400)], ids=["soon", "a year later"])
def test_a_second_click_is_told_that_it_is_done(store: Store, link: str, later: timedelta) -> None:
    put(store, link_hashes={LINK, OTHER_LINK}, link_expires_at=epoch(NOW) + 1)
    store.users.validate(EMAIL, LINK, NOW)
    before = store.item(EMAIL)
    with store.calls() as calls:
        assert (
            store.users.validate(EMAIL, link, NOW + later).outcome is Validation.ALREADY_VALIDATED
        )
    assert store.item(EMAIL) == before
    assert calls == ["UpdateItem"]


@pytest.mark.parametrize(
    ("waited", "outcome"),
    [
        pytest.param(timedelta(0), Validation.VALIDATED, id="at once"),
        pytest.param(timedelta(hours=24) - SECOND, Validation.VALIDATED, id="a second before"),
        pytest.param(timedelta(hours=24), Validation.EXPIRED, id="24 h"),
        pytest.param(timedelta(days=6), Validation.EXPIRED, id="days later"),
    ],
)
def test_a_link_works_for_24_hours(store: Store, waited: timedelta, outcome: Validation) -> None:
    store.users.sign_up(ALEXIS, NOW)
    store.users.claim(EMAIL, LINK, NOW, lapses=True)
    store.users.sent(EMAIL, NOW)
    before = store.item(EMAIL)
    with store.calls() as calls:
        assert store.users.validate(EMAIL, LINK, NOW + waited).outcome is outcome
    assert (store.item(EMAIL) == before) is (outcome is Validation.EXPIRED)
    assert calls == ["UpdateItem"]


@pytest.mark.parametrize(
    "state", [state for state, attributes in STATES.items() if attributes is None or attributes]
)
def test_a_wrong_token_is_told_the_same_whoever_it_is_for(store: Store, state: str) -> None:
    attributes = STATES[state]
    before = None if attributes is None else put(store, **attributes)
    with store.calls() as calls:
        assert store.users.validate(EMAIL, NEW_LINK, NOW).outcome is Validation.INVALID
    assert store.item(EMAIL) == before
    assert calls == ["UpdateItem"]


@pytest.mark.parametrize(
    ("more", "later", "outcome"),
    [
        ({}, timedelta(0), Validation.VALIDATED),
        ({}, SECOND, Validation.EXPIRED),
        ({"validated_at": EARLIER_STORED}, SECOND, Validation.ALREADY_VALIDATED),
    ],
    ids=["alive", "expired", "validated"],
)
def test_only_who_holds_a_link_is_told_its_language(
    store: Store, more: Plain, later: timedelta, outcome: Validation
) -> None:
    put(store, lang="en", **LIVE_LINK, **more)
    assert store.users.validate(EMAIL, NEW_LINK, NOW + later) == Click(Validation.INVALID, "")
    assert store.users.validate(EMAIL, LINK, NOW + later) == Click(outcome, "en")


def test_a_language_of_another_type_is_none(store: Store) -> None:
    put(store, lang={"fr"}, **LIVE_LINK)
    assert store.users.validate(EMAIL, LINK, NOW) == Click(Validation.VALIDATED, "")


def test_a_link_is_for_one_user(store: Store) -> None:
    put(store, **LIVE_LINK)
    store.put("bob@example.org", link_hashes={OTHER_LINK}, link_expires_at=epoch(NOW) + 1)
    assert store.users.validate("bob@example.org", LINK, NOW).outcome is Validation.INVALID
    assert store.users.validate(EMAIL, OTHER_LINK, NOW).outcome is Validation.INVALID


@pytest.mark.parametrize(
    ("odd", "outcome"),
    [
        ({"link_hashes": {"a": LINK}, "link_expires_at": epoch(NOW) + 1}, Validation.INVALID),
        ({"link_hashes": None, "link_expires_at": epoch(NOW) + 1}, Validation.INVALID),
        ({"link_hashes": {1}, "link_expires_at": epoch(NOW) + 1}, Validation.INVALID),
        ({"link_hashes": {LINK}}, Validation.EXPIRED),
        ({**LIVE_LINK, "validated_at": 0}, Validation.ALREADY_VALIDATED),
    ],
    ids=["map", "null", "numbers", "no moment", "validated at zero"],
)
def test_a_click_on_another_writers_odd_item_validates_nobody(
    store: Store, odd: Plain, outcome: Validation
) -> None:
    before = put(store, **odd)
    assert store.users.validate(EMAIL, LINK, NOW).outcome is outcome
    assert store.item(EMAIL) == before


def test_a_link_whose_end_cannot_be_read_has_expired(cloud_store: Store) -> None:
    before = put(cloud_store, link_hashes={LINK}, link_expires_at="9999999999")
    assert cloud_store.users.validate(EMAIL, LINK, NOW).outcome is Validation.EXPIRED
    assert cloud_store.item(EMAIL) == before


# What the mailbox answers


@pytest.mark.parametrize("verdict", Verdict)
def test_feedback_changes_only_what_is_said_of_the_mail(store: Store, verdict: Verdict) -> None:
    before = put(store, mail="sent", mail_at=EARLIER_STORED, mail_count=1, **LIVE_LINK)
    assert store.users.record_feedback(EMAIL, verdict, NOW)
    assert store.item(EMAIL) == {**before, "mail": verdict.value, "mail_at": NOW_STORED}


def test_a_complaint_outweighs_a_bounce_in_any_order(store: Store) -> None:
    put(store, mail="sent")
    for verdict in (Verdict.BOUNCED, Verdict.COMPLAINED, Verdict.BOUNCED):
        store.users.record_feedback(EMAIL, verdict, NOW)
    assert (store.item(EMAIL) or {})["mail"] == "complained"


# What is owed for too long


def test_every_mail_that_is_owed_for_too_long_is_found(store: Store) -> None:
    for state, attributes in STATES.items():
        if attributes is not None:
            store.put(state, **attributes)
    found = [email for page in store.users.still_owed(EARLIER, 0, 1) for email in page]
    assert sorted(found) == ["owed", "owed again", "put by another writer", "sending"]


def test_what_is_owed_is_left_to_the_stream_for_a_while(store: Store) -> None:
    before = put(store, mail="owed", mail_at=EARLIER_STORED)
    assert list(store.users.still_owed(EARLIER - TICK, 0, 1)) == [[]]
    assert not store.users.ask_again(EMAIL, NOW, NOW - EARLIER + TICK)
    assert store.item(EMAIL) == before


def test_segments_hold_everybody_once(store: Store) -> None:
    emails = [f"user-{number}@example.org" for number in range(20)]
    for email in emails:
        store.put(email)
    found = [
        email
        for segment in range(4)
        for page in store.users.still_owed(NOW, segment, 4)
        for email in page
    ]
    assert sorted(found) == sorted(emails)


def test_asking_again_changes_only_that_the_mail_is_owed(store: Store) -> None:
    before = put(store, mail="sending", mail_at=EARLIER_STORED, lang="en", **LIVE_LINK)
    assert store.users.ask_again(EMAIL, NOW, NOW - EARLIER)
    assert store.item(EMAIL) == {**before, "mail": "owed", "mail_at": NOW_STORED}


# Faults


def test_what_dynamodb_itself_raises_passes_through(store: Store) -> None:
    nowhere = Users(store.client, "nowhere")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        nowhere.sign_up(ALEXIS, NOW)


def test_an_item_without_room_is_owed_nothing_and_cannot_be_claimed(moto_store: Store) -> None:
    """DynamoDB holds an item to 400 KB: what is refused for that is refused however often."""
    before = put(moto_store, plan="x" * 1000)
    full = refusal(
        400, "ValidationException", "Item size to update has exceeded the maximum allowed size"
    )
    with Wire(moto_store.client, "UpdateItem", then=full):
        assert moto_store.users.sign_up(ALEXIS, NOW) is False
        assert moto_store.users.resend(EMAIL, NOW) is False
        with pytest.raises(Unusable):
            moto_store.users.claim(EMAIL, LINK, NOW, lapses=False)
    assert moto_store.item(EMAIL) == before


def test_a_request_that_is_wrong_in_itself_is_a_mistake_of_ours(moto_store: Store) -> None:
    wrong = refusal(400, "ValidationException", "Invalid ConditionExpression: Syntax error")
    with (
        Wire(moto_store.client, "UpdateItem", then=wrong),
        pytest.raises(ClientError, match="Syntax error"),
    ):
        moto_store.users.claim(EMAIL, LINK, NOW, lapses=False)


def test_a_value_that_no_attribute_takes_is_a_mistake_of_ours(store: Store) -> None:
    lang: Any = None
    with pytest.raises(TypeError, match="NoneType"):
        store.users.sign_up(replace(ALEXIS, lang=lang), NOW)
    assert store.item(EMAIL) is None


@pytest.mark.parametrize(
    ("attributes", "change", "made"),
    [
        pytest.param(None, lambda users: users.sign_up(ALEXIS, NOW), True, id="sign up"),
        pytest.param({}, lambda users: users.resend(EMAIL, NOW), True, id="resend"),
        pytest.param(
            {"link_hashes": {LINK}, "link_expires_at": epoch(NOW) + 1, "lang": "fr"},
            lambda users: users.validate(EMAIL, LINK, NOW),
            Click(Validation.VALIDATED, "fr"),
            id="validate",
        ),
        pytest.param(
            {},
            lambda users: users.record_feedback(EMAIL, Verdict.BOUNCED, NOW),
            True,
            id="a verdict",
        ),
    ],
)
def test_a_change_whose_answer_was_lost_was_made(
    moto_store: Store, attributes: Plain | None, change: Callable[[Users], object], made: object
) -> None:
    """Else the first click would be told that it is the second, and nobody would count it."""
    if attributes is not None:
        moto_store.put(EMAIL, **attributes)
    client = boto3.client(
        "dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 2})
    )
    lost = refusal(500, "InternalServerError")
    with Wire(client, "UpdateItem", [lost], arrives=True) as wire:
        assert change(Users(client, moto_store.table)) == made
    assert len(wire.requests) == 2


def test_a_second_try_that_finds_anothers_change_is_refused(moto_store: Store) -> None:
    moto_store.put(EMAIL, mail="owed", mail_at=EARLIER_STORED, validated_at=EARLIER_STORED)
    client = boto3.client(
        "dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 2})
    )
    with Wire(client, "UpdateItem", [refusal(500, "InternalServerError")]):
        assert not Users(client, moto_store.table).sign_up(ALEXIS, NOW)
