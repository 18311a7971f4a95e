"""Mailboxes: which spellings are one, how many mails each gets, and who refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.users.item import MAX_MAILS, WINDOW
from chalicelib.users.mailboxes import Allowance, Mailboxes, canonical_mailbox
from tests.support.stores import Plain, Store, plain
from tests.support.wire import Wire, refusal

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
TICK = timedelta(microseconds=1)
ALEXIS = "alexis@example.org"


@pytest.fixture
def mailboxes(store: Store) -> Mailboxes:
    return store.mailboxes


def counts(
    mailboxes: Mailboxes, emails: Iterable[str], now: datetime = NOW, owed_at: str = "1"
) -> list[Allowance]:
    return [mailboxes.count_mail(email, owed_at, now) for email in emails]


def items(mailboxes: Mailboxes) -> list[Plain]:
    table = mailboxes.table
    return [plain(item) for item in table.client.scan(TableName=table.name)["Items"]]


def spellings(number: int) -> list[str]:
    return [f"alexis+{n}@example.org" for n in range(number)]


@pytest.mark.parametrize(
    ("address", "stands_for"),
    [
        ("Alexis@Example.org", "alexis@example.org"),
        ("alexis+shop@example.org", "alexis@example.org"),
        ("alexis+a+b@example.org", "alexis@example.org"),
        ("a.lexis@example.org", "a.lexis@example.org"),
        ("a.lex.is+1@gmail.com", "alexis@gmail.com"),
        ("alexis@googlemail.com", "alexis@gmail.com"),
        ("Alexis@GoogleMail.com", "alexis@gmail.com"),
        ("alexis@mail.gmail.com", "alexis@mail.gmail.com"),
        ("alexis@bücher.example", "alexis@xn--bcher-kva.example"),
        ("success+1@simulator.amazonses.com", "success+1@simulator.amazonses.com"),
        ("+tag@example.org", "+tag@example.org"),
        ("...@gmail.com", "...@gmail.com"),
        ("mailto:Alexis@example.org", "alexis@example.org"),
        ("\u200balexis\uff20example.org\n", "alexis@example.org"),
        ("no address", "@no address"),
        ("", "@"),
    ],
)
def test_a_mailbox_has_one_spelling(address: str, stands_for: str) -> None:
    assert canonical_mailbox(address) == stands_for


@given(st.text(max_size=40))
def test_any_text_has_a_mailbox_that_stands_for_itself(text: str) -> None:
    assert canonical_mailbox(canonical_mailbox(text)) == canonical_mailbox(text)


def test_all_spellings_share_five_mails(mailboxes: Mailboxes) -> None:
    rooms = counts(mailboxes, spellings(MAX_MAILS + 2))
    assert rooms == [Allowance.FREE] * MAX_MAILS + [Allowance.FULL] * 2
    assert counts(mailboxes, ["bob@example.org"]) == [Allowance.FREE]


def test_the_day_rolls(mailboxes: Mailboxes) -> None:
    """Each mail makes room a day later, and none before."""
    hours = [timedelta(hours=n) for n in range(MAX_MAILS)]
    for email, hour in zip(spellings(MAX_MAILS), hours, strict=True):
        assert mailboxes.count_mail(email, "1", NOW + hour) is Allowance.FREE
    for hour in hours:
        again = NOW + hour + WINDOW
        assert mailboxes.count_mail(ALEXIS, str(hour), again - TICK) is Allowance.FULL
        assert mailboxes.count_mail(ALEXIS, str(hour), again) is Allowance.FREE


def test_a_mail_counts_once_however_often_it_is_tried(mailboxes: Mailboxes) -> None:
    """SES refuses mails for its rate, and claims end without an answer."""
    assert counts(mailboxes, [ALEXIS] * 20) == [Allowance.FREE] * 20
    assert counts(mailboxes, spellings(MAX_MAILS)) == [Allowance.FREE] * (MAX_MAILS - 1) + [
        Allowance.FULL
    ]
    assert counts(mailboxes, [ALEXIS]) == [Allowance.FREE]
    assert counts(mailboxes, [ALEXIS], owed_at="2") == [Allowance.FULL]


def test_a_lost_answer_counts_a_mail_once(moto_store: Store) -> None:
    client = moto_store.client
    lost = refusal(500, "InternalServerError")
    with (
        Wire(client, "UpdateItem", [lost], arrives=True),
        pytest.raises(client.exceptions.InternalServerError),
    ):
        moto_store.mailboxes.count_mail(ALEXIS, "1", NOW)
    rooms = counts(moto_store.mailboxes, [ALEXIS, *spellings(MAX_MAILS)])
    assert rooms == [Allowance.FREE] * MAX_MAILS + [Allowance.FULL]


def test_a_mail_that_its_reader_asked_for_has_no_limit(mailboxes: Mailboxes) -> None:
    counts(mailboxes, spellings(MAX_MAILS))
    assert mailboxes.count_mail(ALEXIS, "2", NOW, has_limit=False) is Allowance.FREE
    assert mailboxes.count_mail(ALEXIS, "3", NOW) is Allowance.FULL


def test_a_mail_costs_one_write(store: Store, mailboxes: Mailboxes) -> None:
    with store.calls() as calls:
        counts(mailboxes, spellings(MAX_MAILS + 1))
    assert calls == ["UpdateItem"] * (MAX_MAILS + 1)


def test_a_refusal_is_for_good_and_for_all_spellings(mailboxes: Mailboxes) -> None:
    counts(mailboxes, spellings(1))
    mailboxes.refuse("alexis+1@example.org", NOW)
    mailboxes.refuse(ALEXIS, NOW + WINDOW)
    later = NOW + timedelta(days=3650)
    assert counts(mailboxes, [ALEXIS, *spellings(2)], later) == [Allowance.REFUSED] * 3
    assert mailboxes.count_mail(ALEXIS, "2", later, has_limit=False) is Allowance.REFUSED
    (item,) = items(mailboxes)
    assert set(item) == {"name", "refused_at"}
    assert item["refused_at"] == "2031-05-04T12:00:00.000000Z"


def test_an_operator_lifts_a_refusal(mailboxes: Mailboxes) -> None:
    assert not mailboxes.allow(ALEXIS, NOW)
    assert items(mailboxes) == []
    mailboxes.refuse("alexis+1@example.org", NOW)
    assert mailboxes.allow(ALEXIS, NOW)
    assert not mailboxes.allow(ALEXIS, NOW)
    assert counts(mailboxes, [ALEXIS]) == [Allowance.FREE]


def test_an_operator_makes_room_for_more_mails(mailboxes: Mailboxes) -> None:
    mailboxes.forget_mails(ALEXIS)
    assert items(mailboxes) == []
    counts(mailboxes, spellings(MAX_MAILS))
    mailboxes.forget_mails(ALEXIS)
    assert counts(mailboxes, spellings(MAX_MAILS + 1), owed_at="2")[-2:] == [
        Allowance.FREE,
        Allowance.FULL,
    ]


def test_making_room_lifts_no_refusal(mailboxes: Mailboxes) -> None:
    mailboxes.refuse(ALEXIS, NOW)
    mailboxes.forget_mails(ALEXIS)
    assert counts(mailboxes, [ALEXIS]) == [Allowance.REFUSED]


def test_the_table_names_nobody_and_forgets_the_count(store: Store, mailboxes: Mailboxes) -> None:
    counts(mailboxes, [ALEXIS])
    (item,) = items(mailboxes)
    assert "alexis" not in str(item)
    assert item["name"].startswith("mailbox:")
    assert item["expires_at"] == int((NOW + WINDOW).timestamp())
    another_key = Mailboxes(store.client, mailboxes.table.name, "another key of thirty-two letters")
    counts(another_key, [ALEXIS])
    assert len({each["name"] for each in items(mailboxes)}) == 2
