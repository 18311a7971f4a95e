"""The mail's transitions: claims, releases and SES's events, in any order."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import permutations, product
from typing import Any

import pytest

from chalicelib.users.item import MAX_OWN_MAILS
from chalicelib.users.moments import iso
from chalicelib.users.outbox import Claim, Outbox, Owed
from chalicelib.users.people import SignUp, User, Validation, Verdict
from chalicelib.users.table import Item, ItemFull
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

CLAIM = Claim(User(EMAIL, "Alexis", "GÜNST HORN", "fr"), LINK, takes_code=True)
CLAIMABLE = {"put", "put and owed", "owed", "owed again", "sending"}
SENDING = {"sending"}
ENDS_LATER = {"expires_at": epoch(NOW) + 7 * DAY}


@pytest.fixture
def outbox(store: Store) -> Outbox:
    return store.outbox


def image(store: Store) -> Item:
    """Return Alexis's item as a record of the stream shows it."""
    return typed(item(store))


# Where each transition is allowed


Transition = Callable[[Outbox], bool]
TRANSITIONS: dict[str, tuple[Transition, set[str]]] = {
    "claim": (
        lambda outbox: outbox.claim(outbox.read(EMAIL), NEW_LINK, NOW) is not None,
        CLAIMABLE,
    ),
    "owe": (lambda outbox: outbox.owe(outbox.read(EMAIL), NOW), CLAIMABLE),
    "give up": (lambda outbox: outbox.give_up(outbox.read(EMAIL), "Full.", NOW), CLAIMABLE),
    "refuse": (lambda outbox: outbox.refuse(outbox.read(EMAIL), NOW), CLAIMABLE),
    "release": (lambda outbox: outbox.release(CLAIM, "Throttled.", NOW), SENDING),
    "sent": (lambda outbox: outbox.sent(CLAIM, "0100", NOW), SENDING),
    "failed": (lambda outbox: outbox.failed(CLAIM, "Rejected.", NOW), SENDING),
    "reported sent": (lambda outbox: outbox.report_sent(EMAIL, LINK, "0100", NOW), SENDING),
    "reported delivered": (
        lambda outbox: outbox.report_delivered(EMAIL, LINK, "0100", 900, NOW),
        {"sending", "sent", "put and mailed"},
    ),
    "reported delayed": (
        lambda outbox: outbox.report_delayed(EMAIL, LINK, "0100", "delayed: MailboxFull", NOW),
        {"sending", "sent", "put and mailed"},
    ),
    "reported rejected": (
        lambda outbox: outbox.report_rejected(EMAIL, LINK, "rejected: Bad content", NOW),
        {"sending", "sent", "put and mailed"},
    ),
    "reported bounced": (
        lambda outbox: outbox.report_verdict(EMAIL, LINK, Verdict.BOUNCED, NOW),
        set(STATES)
        - {"absent", "put", "put and owed", "owed", "validated by another program"}
        - {"bounced", "complained", "refused"},
    ),
    "reported complained": (
        lambda outbox: outbox.report_verdict(EMAIL, LINK, Verdict.COMPLAINED, NOW),
        set(STATES)
        - {"absent", "put", "put and owed", "owed", "validated by another program"}
        - {"complained"},
    ),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_a_transition_is_made_only_where_it_is_allowed(
    store: Store, outbox: Outbox, transition: str, state: str
) -> None:
    before = put(store, STATES[state])
    make, allowed = TRANSITIONS[transition]
    assert make(outbox) == (state in allowed)
    assert (store.item(EMAIL) != before) == (state in allowed)


@pytest.mark.parametrize("transition", [*TRANSITIONS][4:])
def test_a_report_about_another_mail_changes_nothing(
    store: Store, outbox: Outbox, transition: str
) -> None:
    links = {OTHER_LINK: LIVE}
    before = put(store, {**(STATES["sending"] or {}), "mail_link": OTHER_LINK, "links": links})
    assert not TRANSITIONS[transition][0](outbox)
    assert store.item(EMAIL) == before


@pytest.mark.parametrize("state", sorted(CLAIMABLE))
def test_a_mail_given_up_leaves_the_index_and_no_link(
    store: Store, outbox: Outbox, state: str
) -> None:
    before = put(store, STATES[state]) or {}
    assert outbox.give_up(image(store), "Full.", NOW)
    assert item(store) == {
        **without(before, "owed", "owed_at"),
        "mail": "failed",
        "mail_at": NOW_STORED,
        "mail_error": "Full.",
        **({} if state.startswith("put") else ENDS_LATER),
    }


@pytest.mark.parametrize("state", ["owed", "owed again", "sending"])
def test_a_refused_mail_erases_what_a_stranger_said(
    store: Store, outbox: Outbox, state: str
) -> None:
    before = put(store, STATES[state]) or {}
    assert outbox.refuse(image(store), NOW)
    kept = ("email", "created_at", "mail_link", "mail_count", "mail_window_at")
    assert item(store) == {
        **{name: before[name] for name in kept if name in before},
        **ENDS_LATER,
        "mail": "refused",
        "mail_at": NOW_STORED,
    }


@pytest.mark.parametrize("state", ["put", "put and owed"])
def test_a_refused_mail_leaves_another_programs_words(
    store: Store, outbox: Outbox, state: str
) -> None:
    put(store, STATES[state])
    assert outbox.refuse(image(store), NOW)
    assert item(store) == {
        "email": EMAIL,
        **ANOTHERS,
        "mail": "refused",
        "mail_at": NOW_STORED,
    }


# Claims


def test_a_claim_keeps_what_its_sign_up_said_in_its_link(store: Store, outbox: Outbox) -> None:
    before = put(store, STATES["owed"]) or {}
    claim = outbox.claim(image(store), NEW_LINK, NOW, "hash")
    user = User(EMAIL, "Alexis", "GÜNST HORN", "fr")
    assert claim == Claim(user, NEW_LINK, takes_code=True)
    assert store.item(EMAIL) == {
        **before,
        "mail": "sending",
        "mail_at": NOW_STORED,
        "mail_link": NEW_LINK,
        "mail_count": 1,
        "mail_window_at": NOW_STORED,
        "links": {NEW_LINK: {"expires": epoch(NOW) + DAY, "said": SAID, "ticket": TICKET}},
        "codes": {
            TICKET: {"code": "hash", "link": NEW_LINK, "expires": epoch(NOW) + 900, "tries": 0}
        },
    }


def test_another_programs_item_gets_a_bare_link(store: Store, outbox: Outbox) -> None:
    before = put(store, ANOTHERS) or {}
    claim = outbox.claim(image(store), LINK, NOW, "hash")
    assert claim == Claim(User(EMAIL, "", "HORN", ""), LINK, takes_code=False, may_expire=False)
    assert store.item(EMAIL) == {
        **before,
        "mail": "sending",
        "mail_at": NOW_STORED,
        "mail_link": LINK,
        "mail_count": 1,
        "mail_window_at": NOW_STORED,
        "owed": SLOT,
        "owed_at": NOW_STORED,
        "links": {LINK: {"expires": epoch(NOW) + DAY}},
    }


def test_another_programs_time_to_live_stays(store: Store, outbox: Outbox) -> None:
    in_an_hour = epoch(NOW) + 3600
    put(store, {**ANOTHERS, "expires_at": in_an_hour})
    assert outbox.owe(image(store), NOW)
    claim = outbox.claim(image(store), LINK, NOW)
    assert claim is not None
    assert outbox.sent(claim, "0100", NOW)
    assert outbox.report_delivered(EMAIL, LINK, "0100", 900, NOW)
    assert item(store)["expires_at"] == in_an_hour


@pytest.mark.parametrize("state", sorted(CLAIMABLE))
def test_a_stale_record_claims_nothing(store: Store, outbox: Outbox, state: str) -> None:
    """The item has moved on since the image was taken, if only by its moment."""
    put(store, STATES[state])
    old = image(store)
    newer = put(store, {**(STATES[state] or {}), "mail": "owed", "mail_at": NOW_STORED})
    assert outbox.claim(old, NEW_LINK, NOW) is None
    assert not outbox.owe(old, NOW)
    assert store.item(EMAIL) == newer


def test_a_repeated_record_claims_once(store: Store, outbox: Outbox) -> None:
    put(store, STATES["owed"])
    record = image(store)
    claims = [outbox.claim(record, f"{number}" * 64, NOW) for number in range(3)]
    assert [claim is not None for claim in claims] == [True, False, False]


@pytest.mark.parametrize(
    ("waited", "claimed"),
    [(timedelta(minutes=5) - TICK, False), (timedelta(minutes=5), True)],
    ids=["within the lease", "after it"],
)
def test_a_claim_in_doubt_is_left_alone_for_its_lease(
    store: Store, outbox: Outbox, waited: timedelta, claimed: bool
) -> None:
    put(store, {**(STATES["sending"] or {}), "mail_at": NOW_STORED})
    assert (outbox.claim(image(store), NEW_LINK, NOW + waited) is not None) is claimed


def claimed_beside(store: Store, outbox: Outbox, links: Plain, **attributes: object) -> Plain:
    """Claim a mail of an item with these links, and return what is kept of them."""
    put(store, {**SIGNED_UP, "mail": "owed", "links": links, **attributes})
    assert outbox.claim(image(store), NEW_LINK, NOW)
    kept: Plain = item(store)["links"]
    assert kept.pop(NEW_LINK)["said"] == SAID
    return kept


def name(number: int) -> str:
    return f"{number:064}"


@pytest.mark.parametrize(
    ("mail_at", "claimed"),
    [
        pytest.param(iso(NOW + timedelta(minutes=5)), False, id="of a clock that is ahead"),
        pytest.param(iso(NOW + timedelta(minutes=6)), True, id="to come"),
        pytest.param("soon", True, id="text"),
        pytest.param(20310504, True, id="number"),
    ],
)
def test_no_odd_moment_keeps_a_mail_in_doubt_for_ever(
    cloud_store: Store, mail_at: object, claimed: bool
) -> None:
    """Another program may have written it."""
    put(cloud_store, {**without(STATES["sending"] or {}, "owed", "owed_at"), "mail_at": mail_at})
    assert len(list(cloud_store.outbox.unindexed(0, 1, NOW))) == claimed
    claim = cloud_store.outbox.claim(image(cloud_store), NEW_LINK, NOW)
    assert (claim is not None) is claimed


@pytest.mark.parametrize("mail_at", ["soon", "9999-12-31", 20310504])
def test_no_odd_moment_hides_an_owed_mail(cloud_store: Store, mail_at: object) -> None:
    put(cloud_store, {**ANOTHERS, "mail": "owed", "mail_at": mail_at})
    assert len(list(cloud_store.outbox.unindexed(0, 1, NOW))) == 1


def test_a_new_claim_keeps_every_live_link(store: Store, outbox: Outbox) -> None:
    """Two windows of mail_count may lie in the 24 hours of a link."""
    live = {name(n): {**LIVE, "expires": epoch(NOW) + n} for n in range(1, 2 * MAX_OWN_MAILS + 1)}
    assert claimed_beside(store, outbox, live) == live


def test_a_new_claim_keeps_expired_links_for_a_week(store: Store, outbox: Outbox) -> None:
    """Their readers may still refuse, and a click is answered by the way to a new link."""
    ends = {1: -1, 2: 1 - 7 * DAY, 3: -7 * DAY, 4: -30 * DAY}
    links = {name(n): {**LIVE, "expires": epoch(NOW) + end} for n, end in ends.items()}
    assert set(claimed_beside(store, outbox, links)) == {name(1), name(2)}
    for number in (1, 2):
        assert store.users.validate(EMAIL, name(number), NOW).outcome is Validation.EXPIRED
    assert store.users.refuse(EMAIL, name(2), NOW).outcome is Validation.REFUSED


def test_a_new_claim_keeps_no_link_that_was_not_mailed(store: Store, outbox: Outbox) -> None:
    """SES certainly did not take the mail of a claim that was released."""
    links = {LINK: {**LIVE, "expires": 0}, OTHER_LINK: LIVE}
    assert claimed_beside(store, outbox, links, mail_link=LINK) == {OTHER_LINK: LIVE}


def test_a_link_in_doubt_goes_before_one_that_was_mailed(store: Store, outbox: Outbox) -> None:
    """SES may be silent for hours, and each lease that ends leaves a link in doubt."""
    mailed = {name(n): {**LIVE, "expires": epoch(NOW) + 1} for n in range(20)}
    put(store, {**SIGNED_UP, "mail": "owed", "links": mailed})
    now = NOW
    for doubt in range(60):
        assert outbox.claim(image(store), name(1000 + doubt), now)
        now += timedelta(minutes=5)
    kept = item(store)["links"]
    assert len(kept) == 64
    assert {key: kept.get(key) for key in mailed} == mailed
    assert set(kept) - set(mailed) == {name(1000 + n) for n in range(16, 60)}


def test_a_welcome_that_is_tried_often_keeps_the_click(store: Store) -> None:
    """Else its second click would be told that the link is unknown."""
    outbox = Outbox(store.client, store.table, welcomes=True)
    put(store, {**PROVEN, "mail": "owed", "owed": "w00", "owed_at": EARLIER_STORED})
    for number in range(70):
        claim = outbox.claim(image(store), name(number), NOW)
        assert claim is not None
        assert outbox.release(claim, "Throttled.", NOW)
    assert set(item(store)["links"]) == {LINK, name(69)}
    assert store.users.validate(EMAIL, LINK, NOW).outcome is Validation.ALREADY_VALIDATED


# moto takes the sizes of an item before and after an update together.
def test_the_largest_sign_ups_of_two_days_fit_an_item(cloud_store: Store) -> None:
    """A request has at most 16 KB. No live link loses a word, and expired ones still refuse."""
    store, outbox = cloud_store, cloud_store.outbox
    fields = {f"field_{n}": "é" * 250 for n in range(32)}
    largest: Plain = {**LIVE, "said": {**SAID, "fields": fields}}
    live = {name(n): {**largest, "expires": epoch(NOW) + n} for n in range(1, 21)}
    expired = {name(n): {**largest, "expires": epoch(NOW) - n} for n in range(21, 41)}
    typed_links = {"links": {**live, **expired}}
    put(store, {**SIGNED_UP, "mail": "sent", "links": live, "fields": fields})
    full = {**image(store), **typed(typed_links), "mail": {"S": "owed"}}
    store.client.update_item(
        TableName=store.table,
        Key={"email": {"S": EMAIL}},
        UpdateExpression="SET mail = :owed",
        ExpressionAttributeValues={":owed": {"S": "owed"}},
    )
    assert outbox.claim(full, NEW_LINK, NOW)
    kept = item(store)["links"]
    assert {key: kept.get(key) for key in live} == live
    assert {key: kept.get(key, {}).get("expires") for key in expired} == {
        key: link["expires"] for key, link in expired.items()
    }
    assert len(json.dumps(item(store), default=str, ensure_ascii=False).encode()) < 400 * 1024
    assert store.users.refuse(EMAIL, name(40), NOW).outcome is Validation.REFUSED


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"photo": b"x" * 200_000}, id="binary"),
        pytest.param({"photos": {b"x" * 100_000, b"y" * 100_000}}, id="set of binaries"),
        pytest.param({"text": "é" * 100_000}, id="text of two bytes"),
        pytest.param({"é" * 10_000: "x"}, id="name of two bytes"),
    ],
)
def test_a_claim_copies_nothing_that_no_sign_up_said(
    store: Store, outbox: Outbox, fields: Plain
) -> None:
    """Another program may have added it, and a second copy might not fit."""
    put(store, {**SIGNED_UP, "mail": "owed", "fields": fields})
    assert outbox.claim(image(store), LINK, NOW)
    assert item(store)["links"][LINK]["said"] == SAID


@pytest.mark.parametrize(
    ("count", "window_at", "expected"),
    [
        pytest.param(2, EARLIER_STORED, (3, EARLIER_STORED), id="within the window"),
        pytest.param(5, "2031-05-03T12:00:00.123456Z", (1, NOW_STORED), id="a window that is over"),
        pytest.param(5, "2031-05-04T12:00:00.123457Z", (1, NOW_STORED), id="one to come"),
        pytest.param("many", 7, (1, NOW_STORED), id="another program's types"),
    ],
)
def test_a_claim_counts_the_mails_of_its_window(
    store: Store, outbox: Outbox, count: object, window_at: object, expected: tuple[int, str]
) -> None:
    put(store, {**SIGNED_UP, "mail": "owed", "mail_count": count, "mail_window_at": window_at})
    assert outbox.claim(image(store), LINK, NOW)
    assert (item(store)["mail_count"], item(store)["mail_window_at"]) == expected


def test_a_new_code_leaves_other_tickets_guesses_alone(store: Store, outbox: Outbox) -> None:
    live = {"code": "h", "link": OTHER_LINK, "expires": epoch(NOW) + 1, "tries": 4}
    codes = {OTHER_TICKET: live, "c" * 64: {**live, "expires": epoch(NOW)}, TICKET: live}
    put(store, {**SIGNED_UP, "mail": "owed", "codes": codes})
    assert outbox.claim(image(store), LINK, NOW, "new")
    after = item(store)["codes"]
    assert set(after) == {OTHER_TICKET, TICKET}
    assert after[OTHER_TICKET] == live
    assert (after[TICKET]["code"], after[TICKET]["tries"]) == ("new", 0)


OWNERS: Plain = {**SAID, "prenom": "Owner"}


@pytest.mark.parametrize("asked", [LINK, TICKET], ids=["by token", "by ticket"])
@pytest.mark.parametrize("expires", [1, -1], ids=["live", "expired"])
def test_a_resend_carries_what_the_sign_up_it_names_said(
    store: Store, outbox: Outbox, asked: str, expires: int
) -> None:
    """A stranger has signed the address up since."""
    link = {"expires": epoch(NOW) + expires, "said": OWNERS, "ticket": TICKET}
    strangers = {"prenom": "Mallory", "ticket": OTHER_TICKET, "said_at": NOW_STORED}
    put(
        store,
        {**SIGNED_UP, **strangers, "mail": "owed", "links": {LINK: link}, "resend_of": asked},
    )
    claim = outbox.claim(image(store), NEW_LINK, NOW)
    assert claim is not None
    assert claim.user.prenom == "Owner"
    new = item(store)["links"][NEW_LINK]
    assert (new["said"], new["ticket"]) == (OWNERS, TICKET)


def test_a_released_resend_keeps_its_words(store: Store, outbox: Outbox) -> None:
    link = {"expires": epoch(NOW) - 1, "said": OWNERS, "ticket": TICKET}
    put(
        store,
        {**SIGNED_UP, "prenom": "X", "mail": "owed", "links": {LINK: link}, "resend_of": LINK},
    )
    first = outbox.claim(image(store), NEW_LINK, NOW)
    assert first is not None
    outbox.release(first, "Throttled.", NOW + SECOND)
    second = outbox.claim(image(store), OTHER_LINK, NOW + 2 * SECOND)
    assert second is not None
    assert second.user.prenom == "Owner"


@pytest.mark.parametrize(
    ("odd", "user"),
    [
        pytest.param({"nom": {"a": "b"}, "prenom": "Ada"}, User(EMAIL, "Ada", "", ""), id="map"),
        pytest.param({"nom": ["a"], "prenom": 5}, User(EMAIL, "", "", ""), id="list and number"),
        pytest.param({"nom": None, "lang": b"fr"}, User(EMAIL, "", "", ""), id="null and binary"),
        pytest.param({"lang": {"fr"}, "nom": "X"}, User(EMAIL, "", "X", ""), id="a set"),
        pytest.param({"links": "none", "codes": 5}, User(EMAIL, "", "", ""), id="odd links"),
        pytest.param({"links": {"x": "y"}}, User(EMAIL, "", "", ""), id="odd link"),
        pytest.param({"mail_at": 5}, User(EMAIL, "", "", ""), id="odd moments"),
    ],
)
def test_attributes_of_any_type_stop_no_mail(
    store: Store, outbox: Outbox, odd: Plain, user: User
) -> None:
    put(store, odd)
    claim = outbox.claim(image(store), LINK, NOW)
    assert claim is not None
    assert claim.user == user
    assert item(store)["links"] == {LINK: {"expires": epoch(NOW) + DAY}}


@pytest.mark.parametrize("mail", [5, None, ["owed"], {"S": "owed"}, "OWED", "later"], ids=str)
def test_a_state_that_is_not_ours_owes_nothing(store: Store, outbox: Outbox, mail: object) -> None:
    before = put(store, {"mail": mail})
    assert outbox.claim(image(store), LINK, NOW) is None
    assert store.item(EMAIL) == before


def test_a_user_who_is_gone_is_not_made_again(store: Store, outbox: Outbox) -> None:
    put(store, ANOTHERS)
    record = image(store)
    store.delete(EMAIL)
    assert outbox.claim(record, LINK, NOW) is None
    assert store.item(EMAIL) is None


def test_an_item_without_room_is_said_to_be_full(moto_store: Store) -> None:
    put(moto_store, ANOTHERS)
    full = refusal(400, "ValidationException", "Item size to update has exceeded the maximum")
    with Wire(moto_store.client, "UpdateItem", then=full), pytest.raises(ItemFull):
        moto_store.outbox.claim(image(moto_store), LINK, NOW)


# The end of a claim


def test_a_release_leaves_the_mail_owed_since_then(store: Store, outbox: Outbox) -> None:
    before = put(store, {**(STATES["sending"] or {}), "mail_count": 3}) or {}
    assert outbox.release(CLAIM, "Throttled.", NOW)
    assert store.item(EMAIL) == {
        **before,
        "mail": "owed",
        "mail_at": NOW_STORED,
        "mail_error": "Throttled.",
        "mail_count": 2,
        "links": {LINK: {**LIVE, "expires": 0}},
    }


def test_a_sent_mail_is_no_longer_owed(store: Store, outbox: Outbox) -> None:
    before = put(store, {**(STATES["sending"] or {}), "mail_error": "Throttled."}) or {}
    assert outbox.sent(CLAIM, "0100", NOW)
    assert store.item(EMAIL) == {
        **without(before, "mail_error", *OWED),
        "mail": "sent",
        "mail_at": NOW_STORED,
        "message_id": "0100",
        **ENDS_LATER,
    }


def test_a_failed_mail_says_why(store: Store, outbox: Outbox) -> None:
    before = put(store, STATES["sending"]) or {}
    assert outbox.failed(CLAIM, "MessageRejected: no.", NOW)
    assert store.item(EMAIL) == {
        **without(before, *OWED),
        "mail": "failed",
        "mail_at": NOW_STORED,
        "mail_error": "MessageRejected: no.",
        **ENDS_LATER,
    }


# The end of a sign-up that nobody confirms


def test_what_owes_a_mail_never_expires(store: Store, outbox: Outbox) -> None:
    """However long an outage is, DynamoDB deletes nobody who was not mailed."""
    claims: list[Claim | None] = []
    acts: dict[str, Callable[[], object]] = {
        "sign up": lambda: store.users.sign_up(ALEXIS, TICKET, NOW),
        "claim": lambda: claims.append(outbox.claim(image(store), NEW_LINK, NOW)),
        "release": lambda: outbox.release(claims[0] or CLAIM, "Throttled.", NOW),
        "claim again": lambda: claims.append(outbox.claim(image(store), OTHER_LINK, NOW)),
    }
    put(store, STATES["sent"])
    for name, act in acts.items():
        act()
        assert "expires_at" not in item(store), name
    assert None not in claims


@pytest.mark.parametrize("state", ["owed", "sending"])
def test_a_former_versions_owed_item_is_kept_by_the_scan(
    store: Store, outbox: Outbox, state: str
) -> None:
    put(store, {**(STATES[state] or {}), **ENDS})
    (owing,) = outbox.unindexed(0, 1, NOW)
    assert outbox.owe(owing, NOW)
    after = item(store)
    assert (after["mail"], after["owed_at"], "expires_at" in after) == (
        "owed",
        EARLIER_STORED,
        False,
    )
    assert not list(outbox.unindexed(0, 1, NOW))


def test_a_former_versions_owed_item_is_kept_by_its_claim(store: Store, outbox: Outbox) -> None:
    put(store, {**(STATES["owed"] or {}), **ENDS})
    assert outbox.claim(image(store), LINK, NOW)
    assert "expires_at" not in item(store)


ENDINGS = [*TRANSITIONS][5:11]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_mail_that_was_tried_gives_a_sign_up_its_end(
    store: Store, outbox: Outbox, ending: str
) -> None:
    put(store, STATES["sending"])
    assert TRANSITIONS[ending][0](outbox)
    assert item(store)["expires_at"] == epoch(NOW) + 7 * DAY


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_later_report_leaves_the_end_of_a_sign_up(
    store: Store, outbox: Outbox, ending: str
) -> None:
    before = put(store, STATES["sent"]) or {}
    TRANSITIONS[ending][0](outbox)
    assert item(store)["expires_at"] == before["expires_at"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "of",
    [
        pytest.param({**PROVEN, "mail": "sending"}, id="a validated user"),
        pytest.param({**ANOTHERS, **MAILED, "mail": "sending"}, id="another program's"),
        pytest.param({**ANOTHERS, **MAILED, **ENDS, "mail": "sending"}, id="with its own end"),
    ],
)
def test_nobody_else_gets_an_end(store: Store, outbox: Outbox, of: Plain, ending: str) -> None:
    before = put(store, of) or {}
    assert TRANSITIONS[ending][0](outbox)
    assert item(store).get("expires_at") == before.get("expires_at")


@pytest.mark.parametrize("transition", ["sent", "reported delivered"])
def test_the_usual_end_of_a_mail_takes_one_update(
    store: Store, outbox: Outbox, transition: str
) -> None:
    put(store, STATES["sending" if transition == "sent" else "sent"])
    with store.calls() as calls:
        assert TRANSITIONS[transition][0](outbox)
    assert calls == ["UpdateItem"]


@pytest.mark.parametrize("state", ["owed", "delivered", "failed"])
def test_a_report_about_a_former_mail_takes_one_update(
    store: Store, outbox: Outbox, state: str
) -> None:
    put(store, {**(STATES[state] or {}), "mail_link": OTHER_LINK})
    for transition in ENDINGS:
        with store.calls() as calls:
            assert not TRANSITIONS[transition][0](outbox)
        assert calls == ["UpdateItem"]


@pytest.mark.parametrize("end", ["release", "failed"])
def test_an_error_is_stored_up_to_500_characters(store: Store, outbox: Outbox, end: str) -> None:
    put(store, STATES["sending"])
    assert getattr(outbox, end)(CLAIM, "é" * 501, NOW)
    assert item(store)["mail_error"] == "é" * 500


# SES's word


def test_a_delivery_has_its_time_and_how_long_it_took(store: Store, outbox: Outbox) -> None:
    before = put(store, STATES["sent"]) or {}
    assert outbox.report_delivered(EMAIL, LINK, "0100", 900, NOW)
    assert store.item(EMAIL) == {
        **before,
        "mail": "delivered",
        "mail_at": NOW_STORED,
        "message_id": "0100",
        "delivered_at": NOW_STORED,
        "delivery_ms": 900,
    }


REPORTS: dict[str, Callable[[Outbox], bool]] = {
    "our own": lambda outbox: outbox.sent(CLAIM, "0100", NOW),
    "send": lambda outbox: outbox.report_sent(EMAIL, LINK, "0100", NOW),
    "delay": lambda outbox: outbox.report_delayed(EMAIL, LINK, "0100", "delayed: x", NOW),
    "delivery": lambda outbox: outbox.report_delivered(EMAIL, LINK, "0100", 900, NOW),
}


@pytest.mark.parametrize("order", list(permutations(REPORTS)), ids=" ".join)
def test_reports_in_any_order_never_go_backwards(
    store: Store, outbox: Outbox, order: tuple[str, ...]
) -> None:
    put(store, STATES["sending"])
    for name in (*order, *order):
        REPORTS[name](outbox)
    after = item(store)
    assert (after["mail"], after["message_id"]) == ("delivered", "0100")
    assert "owed" not in after


@pytest.mark.parametrize("name", REPORTS)
def test_a_late_report_leaves_a_newer_mail_owed(store: Store, outbox: Outbox, name: str) -> None:
    """The user has asked for another link since."""
    put(store, STATES["sent"])
    assert store.users.resend(EMAIL, NOW)
    before = store.item(EMAIL)
    assert not REPORTS[name](outbox)
    assert outbox.claim(image(store), NEW_LINK, NOW)
    assert not REPORTS[name](outbox)
    assert item(store)["mail_link"] == NEW_LINK
    assert (before or {})["mail"] == "owed"


def test_a_bounce_erases_unproven_words(store: Store, outbox: Outbox) -> None:
    before = put(store, STATES["sent"]) or {}
    assert outbox.report_verdict(EMAIL, LINK, Verdict.BOUNCED, NOW, reason="bounced: NoEmail")
    strangers = ("prenom", "nom", "lang", "said_at", "ticket", "expires_at")
    assert store.item(EMAIL) == {
        **without(before, *strangers),
        "mail": "bounced",
        "mail_at": NOW_STORED,
        "mail_error": "bounced: NoEmail",
        "bounced_until": "2031-08-02T12:00:00.123456Z",
        "links": {LINK: {"expires": 0}},
    }


@pytest.mark.parametrize("state", ["validated", "put and mailed"])
@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_keeps_words_that_are_the_users(
    store: Store, outbox: Outbox, verdict: Verdict, state: str
) -> None:
    before = put(store, STATES[state]) or {}
    assert outbox.report_verdict(EMAIL, LINK, verdict, NOW)
    after = item(store)
    assert after["mail"] == verdict.value
    changed = ("mail", "mail_at", "mail_error", "bounced_until")
    assert without(after, *changed) == without(before, *changed)


def test_a_suppressed_address_is_forgotten_sooner(store: Store, outbox: Outbox) -> None:
    put(store, STATES["sent"])
    outbox.report_verdict(EMAIL, LINK, Verdict.BOUNCED, NOW, life=timedelta(days=14))
    assert not store.users.sign_up(ALEXIS, TICKET, NOW + timedelta(days=14) - TICK)
    assert store.users.sign_up(ALEXIS, TICKET, NOW + timedelta(days=14))


@pytest.mark.parametrize(
    "reports",
    list(product(Verdict, repeat=3)),
    ids=lambda reports: " ".join(each.value for each in reports),
)
@pytest.mark.parametrize("state", ["sending", "sent", "delivered", "failed", "validated"])
def test_a_complaint_outweighs_a_bounce_in_any_order(
    store: Store, outbox: Outbox, reports: tuple[Verdict, ...], state: str
) -> None:
    put(store, STATES[state])
    for number, verdict in enumerate(reports):
        before = item(store)
        moment = NOW + SECOND * number
        changed = outbox.report_verdict(EMAIL, LINK, verdict, moment)
        is_new = verdict not in reports[:number] and Verdict.COMPLAINED not in reports[:number]
        assert changed == is_new
        assert (item(store) != before) == is_new
    is_complained = Verdict.COMPLAINED in reports
    assert item(store)["mail"] == ("complained" if is_complained else "bounced")


def test_a_complaint_is_never_forgotten(store: Store, outbox: Outbox) -> None:
    put(store, STATES["sent"])
    outbox.report_verdict(EMAIL, LINK, Verdict.COMPLAINED, NOW)
    assert not store.users.sign_up(ALEXIS, TICKET, NOW + timedelta(days=4000))


def test_a_complaint_after_a_refusal_is_never_forgotten(store: Store, outbox: Outbox) -> None:
    """Its reader pressed the button, and marked the mail as spam."""
    put(store, STATES["refused"])
    assert outbox.report_verdict(EMAIL, LINK, Verdict.COMPLAINED, NOW)
    assert item(store)["mail"] == "complained"


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("end", ["sent", "release", "failed"])
def test_a_verdict_that_overtakes_the_mailer_stays(
    store: Store, outbox: Outbox, verdict: Verdict, end: str
) -> None:
    put(store, STATES["sending"])
    outbox.report_verdict(EMAIL, LINK, verdict, NOW)
    before = store.item(EMAIL)
    ends: dict[str, Any] = {
        "sent": lambda: outbox.sent(CLAIM, "0100", NOW),
        "release": lambda: outbox.release(CLAIM, "Throttled.", NOW),
        "failed": lambda: outbox.failed(CLAIM, "No.", NOW),
    }
    assert not ends[end]()
    assert store.item(EMAIL) == before


# Finding what is owed


def test_owed_mail_is_found_oldest_first(store: Store, outbox: Outbox) -> None:
    emails = [f"user-{number}@example.org" for number in range(30)]
    for number, email in enumerate(emails):
        store.users.sign_up(SignUp(email, "A", "", "fr"), TICKET, EARLIER + SECOND * number)
    owed = list(outbox.owed(EARLIER + 20 * SECOND))
    assert [each.email for each in owed] == emails[:20]
    assert owed[0] == Owed(EARLIER_STORED, emails[0])


def test_finding_nothing_reads_only_the_index(store: Store, outbox: Outbox) -> None:
    for state, attributes in STATES.items():
        if state not in ("owed", "owed again", "sending", "put and owed", "absent"):
            store.put(state, **(attributes or {}))
    with store.calls() as calls:
        assert list(outbox.owed(NOW)) == []
    assert calls == ["Query"] * 16


def test_mail_outside_the_index_is_found_by_a_scan(store: Store, outbox: Outbox) -> None:
    """Items whose record was lost, and those that the first edition owed."""
    for state, attributes in STATES.items():
        if attributes is not None:
            store.put(state, **attributes)
    store.put("former owed", mail="owed", mail_at=EARLIER_STORED)
    store.put("former sending", mail="sending", mail_at=EARLIER_STORED)
    store.put("former sending now", mail="sending", mail_at=NOW_STORED)
    found = {each["email"]["S"] for each in outbox.unindexed(0, 1, NOW)}
    assert found == {"put", "former owed", "former sending"}


def test_segments_hold_every_item_once(store: Store, outbox: Outbox) -> None:
    emails = [f"user-{number}@example.org" for number in range(20)]
    for email in emails:
        store.put(email)
    found = [
        each["email"]["S"] for segment in range(4) for each in outbox.unindexed(segment, 4, NOW)
    ]
    assert sorted(found) == sorted(emails)


def test_owing_puts_an_item_into_the_index(store: Store, outbox: Outbox) -> None:
    put(store, ANOTHERS)
    assert outbox.owe(image(store), EARLIER)
    assert [each.email for each in outbox.owed(NOW)] == [EMAIL]
    assert outbox.claim(image(store), LINK, NOW)
    assert outbox.sent(Claim(User(EMAIL, "", "", ""), LINK, takes_code=False), "0100", NOW)
    assert list(outbox.owed(NOW)) == []


def test_mailed_links_are_the_ones_that_work(store: Store, outbox: Outbox) -> None:
    put(store, {**SIGNED_UP, **MAILED, "mail": "owed", **OWED})
    assert outbox.claim(image(store), NEW_LINK, NOW)
    for link in (LINK, NEW_LINK):
        assert link in item(store)["links"]


def test_an_item_that_owes_nothing_leaves_the_index(store: Store, outbox: Outbox) -> None:
    """Another program has set ``validated_at`` while the mail was owed."""
    before = put(store, {**(STATES["owed"] or {}), "validated_at": NOW_STORED}) or {}
    assert outbox.leave_index(image(store))
    assert store.item(EMAIL) == without(before, *OWED)
    assert list(outbox.owed(NOW)) == []
    assert not outbox.leave_index({})


def test_an_item_without_a_state_leaves_the_index(store: Store, outbox: Outbox) -> None:
    """Another program has replaced the item, and copied attributes that it does not know."""
    before = put(store, {**OWED, "validated_at": NOW_STORED}) or {}
    assert outbox.leave_index(image(store))
    assert store.item(EMAIL) == without(before, *OWED)
