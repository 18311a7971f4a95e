"""Bringing people in from a file: everybody is in, was there, or is kept with the reason; once."""

from __future__ import annotations

import io
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.users import email_address
from ops.stage.errors import DeployError
from ops.terminal.interrupts import Ending
from ops.users import csv_cells
from ops.users.imports import newcomers, sheet
from ops.users.imports.bookmark import Tally
from ops.users.imports.importer import Import
from ops.users.imports.newcomers import COLUMNS, Rejected
from ops.users.pace import Pace, Quota
from ops.users.store import Added, Newcomer, OperatorsUsers
from tests.support.stores import Store
from tests.support.wire import Wire, refusal

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
UNLIMITED = Quota(1e9, 1e9)


@dataclass
class Table:
    """A table as an import sees it, without the cloud; ``then`` are people who were there before.

    ``before_each`` is given everybody whose turn it is.
    """

    people: dict[str, Newcomer] = field(default_factory=dict)
    then: set[str] = field(default_factory=set)
    before_each: Callable[[Newcomer], object] = lambda _: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, one: Newcomer) -> Added:
        self.before_each(one)
        with self._lock:
            if one.person.email in self.then:
                return Added.THERE
            if one.person.email in self.people:
                return Added.TWICE
            self.people[one.person.email] = one
            return Added.ADDED


@dataclass
class Run:
    """One run of an import: how it ended, what it counted, and whom it rejected."""

    ending: Ending
    tally: Tally
    rejected: dict[int, str]
    told: list[int]


def run(
    text: str,
    table: Table,
    quota: Quota = UNLIMITED,
    tally: Tally | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Run:
    clock = [0.0]
    rejected: dict[int, str] = {}
    told: list[int] = []
    tally = tally or Tally()

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    work = Import(
        sheet=sheet.read(io.StringIO(text, newline=""), COLUMNS, "email"),
        check=lambda fields: newcomers.check(fields, NOW),
        add=table.add,
        reject=lambda row, reason: rejected.update({row.line: reason}),
        pace=Pace(quota, lambda: clock[0]),
        told=lambda tally: told.append(tally.line),
        stopping=stopping,
        sleep=sleep,
    )
    return Run(work.run(tally), tally, rejected, told)


def file_of(count: int) -> str:
    return "email,nom\n" + "".join(f"p{n}@example.org,P\n" for n in range(count))


def test_everybody_is_in_there_twice_or_rejected() -> None:
    text = (
        "email;prenom;nom;lang;validated_at\n"
        "Alexis@Example.org;Alexis;;fr;\n"
        "alexis@example.org;Alexis;;fr;\n"
        "there@example.org;;There;;\n"
        "nobody;No;Body;;\n"
        "before@example.org;Be;Fore;;2030-01-02\n"
        "many@example.org;Many;Cells;;;more\n"
    )
    table = Table(then={"there@example.org"})
    done = run(text, table)
    assert done.ending is Ending.FINISHED
    assert asdict(done.tally) == {
        "line": 7,
        "owed": 1,
        "validated": 1,
        "there": 1,
        "twice": 1,
        "rejected": 2,
    }
    assert list(done.rejected) == [5, 7]
    assert done.rejected[5].startswith("email: Enter a complete email address")
    assert "more cells here than columns" in done.rejected[7]
    assert sorted(table.people) == ["alexis@example.org", "before@example.org"]


cell = st.sampled_from(
    ("a@b.example", "A@B.example", "there@b.example", "@", "", " ", "Zoé", "fr", "xx", "=1", "2030")
) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.lists(cell, max_size=5), max_size=12), st.sampled_from(",;\t|"))
def test_whatever_the_file_holds_each_row_has_its_fate(
    rows: list[list[str]], delimiter: str
) -> None:
    file = [["email", "nom", "lang", "validated_at"], *rows]
    table = Table(then={"there@b.example"})
    done = run("".join(csv_cells.line(row, delimiter) for row in file), table)
    written = sum(any(cell.strip() for cell in row) for row in rows)
    tally = done.tally
    assert tally.imported + tally.there + tally.twice + tally.rejected == written
    assert len(table.people) == tally.imported
    assert len(done.rejected) == tally.rejected
    assert all(email_address.canonical(email) == email for email in table.people)


@given(st.binary(max_size=200))
def test_whatever_bytes_there_are_each_line_has_its_fate(body: bytes) -> None:
    text = (b"email,nom\n" + body).decode("utf-8", errors="surrogateescape")
    table = Table()
    done = run(text, table)
    rows = sum(1 for _ in sheet.read(io.StringIO(text, newline=""), COLUMNS, "email").rows())
    tally = done.tally
    assert tally.imported + tally.there + tally.twice + tally.rejected == rows


def test_all_up_to_the_line_that_is_told_is_always_done() -> None:
    """However the threads overtake each other."""
    first = threading.Event()

    def last_first(one: Newcomer) -> None:
        if one.person.email == "p0@example.org":
            assert first.wait(10)
        if one.person.email == "p20@example.org":
            first.set()

    done = run(file_of(50), Table(before_each=last_first))
    assert done.told == list(range(2, 52))


def test_an_interrupted_import_goes_on_where_it_was_and_everybody_is_counted_once() -> None:
    table = Table()
    halfway = run(file_of(500), table, stopping=lambda: len(table.people) > 200)
    assert halfway.ending is Ending.INTERRUPTED
    assert 200 < halfway.tally.owed == len(table.people) < 500
    rest = run(file_of(500), table, tally=halfway.tally)
    assert rest.ending is Ending.FINISHED
    assert (rest.tally.owed, rest.tally.twice, len(table.people)) == (500, 0, 500)


def test_when_the_days_mails_are_spent_it_stops_before_the_next() -> None:
    table = Table()
    first = run(file_of(100), table, Quota(1000, 30))
    assert (first.ending, first.tally.line, len(table.people)) == (Ending.SPENT, 31, 30)
    second = run(file_of(100), table, Quota(1000, 1000), first.tally)
    assert (second.ending, second.tally.owed) == (Ending.FINISHED, 100)


def test_who_gets_no_mail_costs_none_of_the_days() -> None:
    text = (
        "email,nom,validated_at\n"
        + "".join(f"there{n}@example.org,T,\n" for n in range(20))
        + "".join(f"old{n}@example.org,O,2030-01-01\n" for n in range(20))
        + "nonsense,N,\nnew@example.org,N,\n"
    )
    table = Table(then={f"there{n}@example.org" for n in range(20)})
    done = run(text, table, Quota(0.5, 1))
    assert done.ending is Ending.FINISHED
    assert (done.tally.there, done.tally.validated, done.tally.owed) == (20, 20, 1)


def test_a_table_that_cannot_be_written_ends_it_at_the_row_before() -> None:
    def fail(one: Newcomer) -> None:
        if one.person.email == "p40@example.org":
            raise refused("ProvisionedThroughputExceededException")

    tally = Tally()
    with pytest.raises(DeployError, match="AWS refused PutItem"):
        run(file_of(100), Table(before_each=fail), tally=tally)
    assert (tally.line, tally.owed) == (41, 40)


def refused(code: str) -> Exception:
    return ClientError({"Error": {"Code": code, "Message": "No."}}, "PutItem")


def test_a_throttled_table_is_waited_for(store: Store) -> None:
    """Through the real client: what botocore retries costs nobody their place."""
    patient = boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 3}))
    users = OperatorsUsers(patient, store.table)
    busy = refusal(400, "ProvisionedThroughputExceededException")
    with Wire(patient, "PutItem", [busy, busy]):
        table = Table()
        table.add = lambda one: users.add(one, NOW)  # type: ignore[method-assign]
        done = run(file_of(1), table)
    assert done.tally.owed == 1
    assert store.item("p0@example.org")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"email": "alexis"}, "email: Enter a complete email address"),
        ({"email": ""}, "email: "),
        ({"email": "zoé@example.org"}, "email: Before the @, use only unaccented letters"),
        ({"nom": "http://evil.example"}, "nom: This name looks like a web"),
        ({"nom": ""}, "prenom: Enter a first name or a last name"),
        ({"prenom": "A", "first_name": "B"}, "first_name: This field was given more than once"),
        ({"lang": "de"}, "lang: This language is not available"),
        ({"validated_at": "soon"}, "validated_at: Write the moment as 2026-11-24T12:00:00Z"),
        ({"validated_at": "2031-05-05"}, "validated_at: It lies in the future."),
        ({"nom": "caf\udce9"}, "bytes that are not in the file's encoding"),
        ({"email": "x", "lang": "de", "validated_at": "x"}, "not available"),
    ],
)
def test_a_row_is_held_to_the_rules_of_a_sign_up(fields: dict[str, str], reason: str) -> None:
    good = {"email": "alexis@example.org", "nom": "GÜNST HORN"}
    newcomers.check(good, NOW)
    with pytest.raises(Rejected) as rejected:
        newcomers.check({**good, **fields}, NOW)
    assert reason in str(rejected.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2030-01-02", datetime(2030, 1, 2, tzinfo=timezone.utc)),
        (" 2030-01-02T03:04:05Z ", datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2030-01-02 03:04:05+02:00", datetime(2030, 1, 2, 1, 4, 5, tzinfo=timezone.utc)),
        ("2030-01-02T03:04:05.123456Z", datetime(2030, 1, 2, 3, 4, 5, 123456, timezone.utc)),
        ("", None),
    ],
)
def test_when_somebody_was_validated_is_read_in_utc(written: str, meant: datetime | None) -> None:
    fields = {"email": "a@example.org", "nom": "A", "validated_at": written}
    assert newcomers.check(fields, NOW).validated_at == meant


def test_an_import_holds_no_more_than_what_is_under_way() -> None:
    """The same memory for eight times as many people."""

    class Endless(io.TextIOBase):
        def __init__(self, count: int) -> None:
            self._lines = iter(self._all(count))

        def _all(self, count: int) -> Iterator[str]:
            yield "email,nom,validated_at\n"
            for n in range(count):
                yield f"p{n}@example.org,GÜNST HORN {n},2030-01-01\n"

        def readline(self, _size: Any = -1) -> str:  # type: ignore[override]
            return next(self._lines, "")

    def peak(count: int) -> int:
        file: Any = Endless(count)
        work = Import(
            sheet=sheet.read(file, COLUMNS, "email"),
            check=lambda fields: newcomers.check(fields, NOW),
            add=lambda _: Added.ADDED,
            reject=lambda *_: None,
            pace=Pace(UNLIMITED, lambda: 0.0),
            told=lambda _: None,
            stopping=lambda: False,
        )
        tracemalloc.start()
        try:
            tally = Tally()
            work.run(tally)
            assert tally.validated == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    assert peak(4_000) < peak(500) + 200_000
