"""Lists of users: the right ones, in three formats, safe for terminals."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import click
import pytest
from rich.cells import cell_len

from ops.users import listing
from ops.users.imports import sheet
from ops.users.listing import Selection
from ops.users.person import Plain
from ops.users.store import OperatorsUsers
from tests.support.stores import Store

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
SINCE = "2031-05-01T00:00:00.000000Z"
VALIDATED = {"validated_at": SINCE}
USERS: dict[str, tuple[str, dict[str, str]]] = {
    "put": ("pending", {}),
    "owed": ("pending", {"mail": "owed"}),
    "sending": ("pending", {"mail": "sending"}),
    "sent": ("pending", {"mail": "sent"}),
    "delivered": ("pending", {"mail": "delivered"}),
    "failed": ("failed", {"mail": "failed"}),
    "bounced": ("bounced", {"mail": "bounced"}),
    "complained": ("complained", {"mail": "complained"}),
    "refused": ("refused", {"mail": "refused"}),
    "validated": ("validated", {"mail": "delivered", **VALIDATED}),
    "validated.while.owed": ("validated", {"mail": "owed", **VALIDATED}),
    "welcome.owed": ("validated", {"mail": "owed", "owed_at": SINCE, "validated_at": SINCE}),
    "validated.by.another.program": ("validated", VALIDATED),
    "validated.although.failed": ("validated", {"mail": "failed", **VALIDATED}),
    "validated.and.bounced.since": ("bounced", {"mail": "bounced", **VALIDATED}),
}
"""Users with their state and their attributes."""


@pytest.fixture
def users(store: Store) -> OperatorsUsers:
    for name, (_, attributes) in USERS.items():
        store.put(f"{name}@example.org", **attributes)
    return OperatorsUsers(store.client, store.table, store.mailboxes)


def of(*states: str) -> set[str]:
    return {f"{name}@example.org" for name, (state, _) in USERS.items() if state in states}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((), of("pending", "failed", "bounced", "complained", "refused", "validated")),
        (("validated",), of("validated")),
        (("pending",), of("pending")),
        (("failed",), of("failed")),
        (("bounced",), of("bounced", "complained")),
        (("refused",), of("refused")),
        (("failed", "bounced"), of("failed", "bounced", "complained")),
    ],
)
def test_list_selects_users_by_state(
    users: OperatorsUsers, asked: tuple[str, ...], expected: set[str]
) -> None:
    found = list(listing.people(users, Selection(states=asked)))
    assert {user["email"] for user in found} == expected
    for user in found:
        assert USERS[user["email"].removesuffix("@example.org")][0] == user["state"]


def test_each_user_is_in_exactly_one_state(users: OperatorsUsers) -> None:
    listed = [name for state in listing._CONDITIONS for name in emails(users, Selection((state,)))]
    assert sorted(listed) == sorted({*USERS, "refused"})


def test_since_selects_by_arrival_and_combines_with_a_state(store: Store) -> None:
    users = OperatorsUsers(store.client, store.table, store.mailboxes)
    store.put("old@example.org", created_at="2031-05-03T11:59:59.999999Z")
    store.put("new@example.org", created_at="2031-05-03T12:00:00.000000Z")
    store.put("failed@example.org", created_at="2031-05-04T12:00:00.000000Z", mail="failed")
    store.put("nobody.knows@example.org")
    day_ago = NOW - timedelta(days=1)

    def listed(*states: str) -> set[str]:
        return {
            one["email"] for one in listing.people(users, Selection(states=states, since=day_ago))
        }

    assert listed() == {"new@example.org", "failed@example.org"}
    assert listed("pending") == {"new@example.org"}
    assert listed("pending", "failed") == {"new@example.org", "failed@example.org"}


def emails(users: OperatorsUsers, selection: Selection) -> set[str]:
    return {user["email"].partition("@")[0] for user in listing.people(users, selection)}


def test_owed_selects_users_whose_mail_is_owed(users: OperatorsUsers) -> None:
    assert emails(users, Selection(is_owed=True)) == {
        "put",
        "owed",
        "sending",
        "welcome.owed",
    }


def test_imported_users_came_when_they_were_imported(store: Store) -> None:
    users = OperatorsUsers(store.client, store.table, store.mailboxes)
    store.put("old@example.org", imported_at="2031-05-03T11:59:59.999999Z")
    store.put("new@example.org", imported_at="2031-05-03T12:00:00.000000Z")
    assert emails(users, Selection(since=NOW - timedelta(days=1))) == {"new"}


def test_validated_since_selects_by_validation(store: Store) -> None:
    users = OperatorsUsers(store.client, store.table, store.mailboxes)
    store.put("old@example.org", validated_at="2031-05-03T11:00:00.000000Z")
    store.put("new@example.org", validated_at="2031-05-03T13:00:00.000000Z", mail="bounced")
    store.put("not@example.org", mail="sent")
    day_ago = NOW - timedelta(days=1)
    assert emails(users, Selection(validated_since=day_ago)) == {"new"}
    both = Selection(states=("validated", "bounced"), since=None, validated_since=day_ago)
    assert emails(users, both) == {"new"}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"lang": "FR"}, {"a", "b"}),
        ({"lang": "fr", "fields.company": "acme"}, {"a"}),
        ({"mail_count": "2"}, {"b"}),
        ({"status": "x"}, {"c"}),
        ({"nom": ""}, {"a", "b"}),
        ({"fields.company.name": "x"}, set()),
    ],
)
def test_where_selects_by_any_attribute(
    store: Store, where: dict[str, str], found: set[str]
) -> None:
    """`status` is a word that DynamoDB reserves."""
    users = OperatorsUsers(store.client, store.table, store.mailboxes)
    store.put("a@example.org", lang="fr", fields={"company": "Acme"})
    store.put("b@example.org", lang="fr", fields={"company": "Other"}, mail_count=2)
    store.put("c@example.org", lang="en", nom="C", status="x")
    assert emails(users, Selection(where=where)) == found


def test_columns_choose_what_csv_has(store: Store) -> None:
    users = OperatorsUsers(store.client, store.table, store.mailboxes)
    store.put("a@example.org", lang="fr", nom="A", fields={"company": "Acme", "size": 3})
    columns = ("email", "fields.company", "fields", "name")
    out = io.StringIO(newline="")
    listing.write_csv(listing.people(users, Selection(), columns), out, columns)
    header, row = csv.reader(io.StringIO(out.getvalue(), newline=""), strict=True)
    assert header == ["state", *columns]
    assert row == ["pending", "a@example.org", "Acme", '{"company": "Acme", "size": 3}', ""]


ODD: Plain = {
    "state": "pending",
    "email": "=1+1@example.org",
    "prenom": 'Zoé "Z",\n;',
    "nom": "@SUM(A1)",
    "mail_count": 2,
}


def test_csv_can_be_imported_and_has_no_formula() -> None:
    out = io.StringIO(newline="")
    listing.write_csv([ODD], out)
    header, row = csv.reader(io.StringIO(out.getvalue(), newline=""), strict=True)
    assert header == ["state", *listing.ATTRIBUTES]
    assert dict(zip(header, row, strict=True)) == {
        **dict.fromkeys(listing.ATTRIBUTES, ""),
        "state": "pending",
        "email": "'=1+1@example.org",
        "prenom": 'Zoé "Z",\n;',
        "nom": "'@SUM(A1)",
        "mail_count": "2",
    }
    read = sheet.read(io.StringIO(out.getvalue(), newline=""), {})
    (again,) = (read.fields(row) for row in read.rows())
    assert {**again, "lang": "", "validated_at": ""} == again
    assert {name: ODD[name] for name in ("email", "prenom", "nom")}.items() <= again.items()


class Screen(io.StringIO):
    """A terminal that remembers what it shows."""

    def isatty(self) -> bool:
        return True


EVIL = "\x1b]0;gone\x07\x9b2J\u202e\u2067\x7f\u2028"


@pytest.mark.parametrize("write", [listing.write_csv, listing.write_jsonl])
def test_a_terminal_gets_no_control_characters(write: Any) -> None:
    screen = Screen(newline="")
    write([{"state": "pending", "email": "a@example.org", "nom": f"A{EVIL}Z"}], screen)
    for line in screen.getvalue().splitlines():
        assert line.isprintable()


def test_json_lines_keep_the_value_of_control_characters() -> None:
    out = io.StringIO()
    listing.write_jsonl([{"nom": EVIL}], out)
    assert json.loads(out.getvalue()) == {"nom": EVIL}


def test_a_csv_file_keeps_control_characters() -> None:
    out = io.StringIO(newline="")
    listing.write_csv([{"email": "a@example.org", "nom": EVIL}], out)
    assert EVIL in out.getvalue()


def test_a_right_to_left_name_does_not_reorder_its_line() -> None:
    lines: list[str] = []
    user = {"state": "pending", "email": "a@example.org", "prenom": "محمد", "mail": "sent"}
    listing.write_table([user], lines.append, 80)
    assert "\u2068محمد\u2069  " in lines[1]
    assert cell_len(click.unstyle(lines[1])) <= 80


def test_json_lines_have_the_attributes_as_they_are() -> None:
    out = io.StringIO()
    listing.write_jsonl([ODD, ODD], out)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [ODD, ODD]
    assert "Zoé" in out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_line_fits_the_terminal_and_is_safe_on_it(width: int) -> None:
    lines: list[str] = []
    odd = {
        **ODD,
        "email": "\x1b[31m" + "x" * 200 + "@example.org",
        "nom": "漢字" * 30,
        "created_at": "2031-05-04T12:00:00.000000Z",
    }
    assert listing.write_table([odd, ODD], lines.append, width) == 2
    plain = [click.unstyle(line) for line in lines]
    assert plain[0].split() == ["STATE", "EMAIL", "NAME", "CAME", "MAIL"]
    for line in plain:
        assert "\x1b" not in line
        assert cell_len(line) <= max(width, 60)
    assert "…" in plain[1]
    assert ("2031-05-04 12:00" in plain[1]) == (width >= 110)


def test_an_empty_list_has_no_header() -> None:
    lines: list[str] = []
    assert listing.write_table([], lines.append, 80) == 0
    assert lines == []


@pytest.mark.parametrize("shape", ["csv", "jsonl", "table"])
def test_a_list_of_any_length_takes_the_same_memory(shape: str) -> None:
    class Nowhere(io.StringIO):
        def write(self, text: str) -> int:
            return len(text)

    def some(count: int) -> Iterator[Plain]:
        for n in range(count):
            yield {"state": "pending", "email": f"p{n % 9}@example.org", "nom": f"{n % 9}" * 999}

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            if shape == "table":
                listing.write_table(some(count), lambda _: None, 80)
            else:
                {"csv": listing.write_csv, "jsonl": listing.write_jsonl}[shape](
                    some(count), Nowhere()
                )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    assert peak(2_000) < peak(200) + 100_000


def test_a_list_reads_one_page_at_a_time(store: Store) -> None:
    """Of 1 MB each: four people, half a megabyte each, are more than one page."""
    users = OperatorsUsers(store.client, store.table, store.mailboxes)
    for n in range(6):
        store.put(f"p{n}@example.org", notes="x" * 390_000)
    with store.calls() as calls:
        pages = users.pages(("email",))
        first = next(pages)
        assert calls == ["Scan"]
        rest = list(pages)
    assert len(calls) > 1
    assert len(first) + sum(map(len, rest)) == 6
