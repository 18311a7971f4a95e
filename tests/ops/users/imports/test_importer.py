"""An import: each row is imported, known already, or rejected with a reason."""

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
from ops.users.imports import importer, sheet
from ops.users.imports.bookmark import Tally
from ops.users.imports.importer import Import
from ops.users.imports.sheet import Row
from ops.users.pace import Pace, Quota
from ops.users.store import Added, Newcomer, OperatorsUsers
from tests.support.stores import Store
from tests.support.wire import Wire, refusal

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
UNLIMITED = Quota(1e9, 1e9)


@dataclass
class Table:
    """A table in memory. ``there`` are users who were in it before.

    ``before_each`` is called with each newcomer.
    """

    people: dict[str, Newcomer] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    before_each: Callable[[Newcomer], object] = lambda _: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, newcomer: Newcomer, _now: datetime) -> Added:
        self.before_each(newcomer)
        with self._lock:
            email = newcomer.person.email
            if email in self.there:
                return Added.THERE
            if email in self.people:
                return Added.TWICE
            self.people[email] = newcomer
            return Added.ADDED


class Report:
    """A report that remembers rejected rows by line, and the lines of its tallies."""

    def __init__(self) -> None:
        self.rejected: dict[int, str] = {}
        self.lines: list[int] = []

    def reject(self, row: Row, reason: str) -> None:
        self.rejected[row.line] = reason

    def progress(self, tally: Tally) -> None:
        self.lines.append(tally.line)


@dataclass
class Run:
    """One run of an import, and the report that it made."""

    ending: Ending
    tally: Tally
    report: Report

    @property
    def rejected(self) -> dict[int, str]:
        return self.report.rejected


def run(
    text: str,
    table: importer.Table,
    quota: Quota = UNLIMITED,
    tally: Tally | None = None,
    is_interrupted: Callable[[], bool] = lambda: False,
) -> Run:
    clock = [0.0]
    report = Report()
    tally = tally or Tally()

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    work = Import(
        sheet=sheet.read(io.StringIO(text, newline=""), {}),
        table=table,
        report=report,
        pace=Pace(quota, lambda: clock[0]),
        now=NOW,
        is_interrupted=is_interrupted,
        sleep=sleep,
    )
    return Run(work.run(tally), tally, report)


def file_of(count: int) -> str:
    return "email,nom\n" + "".join(f"p{n}@example.org,P\n" for n in range(count))


def test_each_row_is_imported_there_twice_or_rejected() -> None:
    text = (
        "email;prenom;nom;lang;validated_at\n"
        "Alexis@Example.org;Alexis;;fr;\n"
        "alexis@example.org;Alexis;;fr;\n"
        "there@example.org;;There;;\n"
        "nobody;No;Body;;\n"
        "before@example.org;Be;Fore;;2030-01-02\n"
        "many@example.org;Many;Cells;;;more\n"
    )
    table = Table(there={"there@example.org"})
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
    assert "more cells than the header" in done.rejected[7]
    assert sorted(table.people) == ["alexis@example.org", "before@example.org"]


cell = st.sampled_from(
    ("a@b.example", "A@B.example", "there@b.example", "@", "", " ", "Zoé", "fr", "xx", "=1", "2030")
) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.lists(cell, max_size=5), max_size=12), st.sampled_from(",;\t|"))
def test_each_row_of_any_file_has_a_result(rows: list[list[str]], delimiter: str) -> None:
    file = [["email", "nom", "lang", "validated_at"], *rows]
    table = Table(there={"there@b.example"})
    done = run("".join(csv_cells.line(row, delimiter) for row in file), table)
    written = sum(any(cell.strip() for cell in row) for row in rows)
    tally = done.tally
    assert tally.imported + tally.there + tally.twice + tally.rejected == written
    assert len(table.people) == tally.imported
    assert len(done.rejected) == tally.rejected
    assert all(email_address.canonical(email) == email for email in table.people)


@given(st.binary(max_size=200))
def test_each_row_of_any_bytes_has_a_result(body: bytes) -> None:
    text = (b"email,nom\n" + body).decode("utf-8", errors="surrogateescape")
    table = Table()
    done = run(text, table)
    rows = sum(1 for _ in sheet.read(io.StringIO(text, newline=""), {}).rows())
    tally = done.tally
    assert tally.imported + tally.there + tally.twice + tally.rejected == rows


def test_all_rows_up_to_the_reported_line_are_done() -> None:
    """In whatever order the threads finish."""
    first = threading.Event()

    def last_first(newcomer: Newcomer) -> None:
        if newcomer.person.email == "p0@example.org":
            assert first.wait(10)
        if newcomer.person.email == "p20@example.org":
            first.set()

    done = run(file_of(50), Table(before_each=last_first))
    assert done.report.lines == list(range(2, 52))


def test_an_interrupted_import_goes_on_and_counts_each_row_once() -> None:
    table = Table()
    halfway = run(file_of(500), table, is_interrupted=lambda: len(table.people) > 200)
    assert halfway.ending is Ending.INTERRUPTED
    assert 200 < halfway.tally.owed == len(table.people) < 500
    rest = run(file_of(500), table, tally=halfway.tally)
    assert rest.ending is Ending.FINISHED
    assert (rest.tally.owed, rest.tally.twice, len(table.people)) == (500, 0, 500)


def test_an_import_stops_when_todays_mails_are_used_up() -> None:
    table = Table()
    first = run(file_of(100), table, Quota(1000, 30))
    assert (first.ending, first.tally.line, len(table.people)) == (Ending.SPENT, 31, 30)
    second = run(file_of(100), table, Quota(1000, 1000), first.tally)
    assert (second.ending, second.tally.owed) == (Ending.FINISHED, 100)


def test_users_without_a_mail_use_up_none_of_todays() -> None:
    text = (
        "email,nom,validated_at\n"
        + "".join(f"there{n}@example.org,T,\n" for n in range(20))
        + "".join(f"old{n}@example.org,O,2030-01-01\n" for n in range(20))
        + "nonsense,N,\nnew@example.org,N,\n"
    )
    table = Table(there={f"there{n}@example.org" for n in range(20)})
    done = run(text, table, Quota(0.5, 1))
    assert done.ending is Ending.FINISHED
    assert (done.tally.there, done.tally.validated, done.tally.owed) == (20, 20, 1)


def test_a_failed_write_ends_the_import_at_the_row_before() -> None:
    def fail(newcomer: Newcomer) -> None:
        if newcomer.person.email == "p40@example.org":
            raise refused("ProvisionedThroughputExceededException")

    tally = Tally()
    with pytest.raises(DeployError, match="AWS refused PutItem"):
        run(file_of(100), Table(before_each=fail), tally=tally)
    assert (tally.line, tally.owed) == (41, 40)


def refused(code: str) -> Exception:
    return ClientError({"Error": {"Code": code, "Message": "No."}}, "PutItem")


def test_an_import_waits_for_a_throttled_table(store: Store) -> None:
    """With a real client: botocore's retries lose no row."""
    patient = boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 3}))
    users = OperatorsUsers(patient, store.table, store.mailboxes)
    busy = refusal(400, "ProvisionedThroughputExceededException")
    with Wire(patient, "PutItem", [busy, busy]):
        done = run(file_of(1), users)
    assert done.tally.owed == 1
    assert store.item("p0@example.org")


def test_an_import_remembers_only_the_rows_under_way() -> None:
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

    class Forgetful:
        def add(self, *_: object) -> Added:
            return Added.ADDED

        def reject(self, *_: object) -> None:
            pass

        def progress(self, _tally: Tally) -> None:
            pass

    def peak(count: int) -> int:
        file: Any = Endless(count)
        work = Import(
            sheet=sheet.read(file, {}),
            table=Forgetful(),
            report=Forgetful(),
            pace=Pace(UNLIMITED, lambda: 0.0),
            now=NOW,
            is_interrupted=lambda: False,
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
    few = peak(500)
    # Other threads of this process are traced as well: they only ever add.
    assert min(peak(4_000) for _ in range(3)) < few + 200_000
