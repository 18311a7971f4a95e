"""`users import`: the people of a CSV file, brought into a stage."""

import codecs
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

import click

from ops.stage.cloud import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.option import on_stage
from ops.terminal import durations, progress_bar
from ops.terminal.interrupts import Ending, on_request
from ops.terminal.text import printable
from ops.users import clients, mailing_options
from ops.users.imports import newcomers, sheet
from ops.users.imports.bookmark import Bookmark, Survey, Tally, survey
from ops.users.imports.importer import Import, newcomer
from ops.users.imports.newcomers import Rejected
from ops.users.imports.rejects import Rejects
from ops.users.imports.sheet import Row, Sheet
from ops.users.pace import Pace, Quota, quota
from ops.users.store import OperatorsUsers

SOME_REJECTED = 3
SHOWN = 10
"""Rejected rows that are shown; all are kept in the file of rejects."""
BETWEEN_BOOKMARKS = 1.0  # seconds


def _encoding(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    try:
        "".encode(value)  # which base64 and its like, codecs too, refuse: they are not of text
        codec = codecs.lookup(value).name
    except (LookupError, ValueError) as error:
        raise click.BadParameter("name one that Python knows, such as cp1252.") from error
    return "utf-8-sig" if codec == "utf-8" else codec


@click.command("import")
@on_stage
@click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True)
)
@click.option(
    "--rejects",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to keep the rows that are refused.  [default: FILE.rejects.csv beside FILE]",
)
@click.option(
    "--encoding",
    default="utf-8",
    show_default=True,
    callback=_encoding,
    help="Of FILE; old spreadsheets write cp1252.",
)
@click.option("--dry-run", is_flag=True, help="Only check the rows: write and mail nothing.")
@mailing_options.options
def import_users(
    stage: Stage,
    file: Path,
    kept: Path | None,
    encoding: str,
    dry_run: bool,
    rate: float | None,
    mails: int | None,
) -> None:
    """Bring in the people of a CSV file.

    FILE may be - for standard input. Its first row names the columns: email, prenom (or
    first_name), nom (or last_name), lang, and validated_at for people who are validated already and
    get no mail. To all others the stream mails their link, at the pace of SES's quota. The
    delimiter is found out, and columns of other names are left out.

    Rows are held to the rules of a sign-up. Those that are refused are kept beside FILE, each with
    its line and the reason: mend them, and import that file. Who is there already is not changed.

    Run again after an interruption, it goes on from where it was; standard input goes through from
    its start again, which changes nothing either.

    \b
    Exit status:
      0    everybody is in
      3    everybody is in, but for rows that were refused
      4    the day's mails are used up; run it again tomorrow
      130  interrupted; run it again

    Permissions: dynamodb:DescribeTable and dynamodb:PutItem on the table, and ses:GetAccount unless
    --rate and --mails are given.
    """
    from_stdin = str(file) == "-"
    kept = kept or (Path("stdin.csv") if from_stdin else file).with_suffix(".rejects.csv")
    if not from_stdin and kept.resolve() == file.resolve():
        raise click.UsageError("--rejects must name another file than FILE.")
    seen = survey(file) if not from_stdin else Survey("", None)
    with _opened(file, from_stdin, encoding) as text:
        rows = sheet.read(text, newcomers.COLUMNS, "email")
        if rows.ignored:
            ignored = printable(", ".join(rows.ignored))
            click.echo(f"Columns left out: {ignored}.", err=True)
        if dry_run:
            _check_only(rows, seen)
            return
        store = clients.users(stage)
        with in_plain_words():
            mark = Bookmark(kept.with_suffix(".resume.json"), seen.digest, store.identity())
        allowed = quota(clients.ses(stage), rate, mails)
        ending, tally = _bring_in(store, rows, seen, kept, mark, allowed)
    click.echo(_summary(tally, kept))
    mailing_options.leave(ending, "Run the same command again to go on from here.")
    if tally.rejected:
        click.get_current_context().exit(SOME_REJECTED)


@contextmanager
def _opened(file: Path, from_stdin: bool, encoding: str) -> Iterator[TextIOWrapper]:
    # What is not in the encoding is carried along as surrogates, to spoil its own row alone.
    binary = sys.stdin.buffer if from_stdin else file.open("rb")
    with TextIOWrapper(binary, encoding=encoding, errors="surrogateescape", newline="") as text:
        try:
            yield text
        except UnicodeError as error:
            raise OpsError(f"{file} is not in {encoding}: name another --encoding.") from error


def _bring_in(
    store: OperatorsUsers, rows: Sheet, seen: Survey, kept: Path, mark: Bookmark, allowed: Quota
) -> tuple[Ending, Tally]:
    tally, size = mark.find()
    now = durations.now()
    with (
        Rejects(kept, rows, size) as rejects,
        progress_bar.bar("Importing", seen.lines) as bar,
        on_request() as stopping,
    ):
        if tally.line:
            bar.say(f"Going on after line {tally.line:,}.")
        if rejects.aside:
            bar.say(f"What an earlier import rejected is now in {rejects.aside}.")
        aloud = _Aloud(bar, kept)
        marked = time.monotonic()

        def reject(row: Row, reason: str) -> None:
            rejects.add(row, reason)
            aloud.reject(row, reason)

        def told(tally: Tally) -> None:
            nonlocal marked
            bar.set(tally.line, _in_short(tally))
            if time.monotonic() - marked > BETWEEN_BOOKMARKS:
                mark.put(tally, rejects.size)
                marked = time.monotonic()

        work = Import(
            sheet=rows,
            check=lambda fields: newcomers.check(fields, now),
            add=lambda one: store.add(one, now),
            reject=reject,
            pace=Pace(allowed, time.monotonic),
            told=told,
            stopping=stopping,
        )
        try:
            ending = work.run(tally)
        except OpsError as error:
            raise OpsError(
                f"{error} All up to line {tally.line:,} is done: run it again to go on from there."
            ) from error
        finally:
            if tally.line:
                mark.put(tally, rejects.size)
    if ending is Ending.FINISHED:
        mark.remove()
    return ending, tally


def _check_only(rows: Sheet, seen: Survey) -> None:
    good = bad = 0
    with progress_bar.bar("Checking", seen.lines) as bar:
        aloud = _Aloud(bar, None)
        for row in rows.rows():
            try:
                newcomer(rows, row, lambda fields: newcomers.check(fields, durations.now()))
                good += 1
            except Rejected as rejected:
                aloud.reject(row, str(rejected))
                bad += 1
            bar.set(row.last_line)
    click.echo(f"{good:>9,} would be imported, unless they are there already")
    if bad:
        click.echo(f"{bad:>9,} would be rejected")
        click.get_current_context().exit(SOME_REJECTED)


class _Aloud:
    """The first rejected rows, told as they come. By line alone: what they hold are addresses."""

    def __init__(self, bar: progress_bar.Bar, kept: Path | None) -> None:
        self._bar = bar
        self._where = f": see {kept}" if kept else ""
        self._count = 0

    def reject(self, row: Row, reason: str) -> None:
        self._count += 1
        if self._count <= SHOWN:
            self._bar.say(f"line {row.line}: {printable(reason)}")
        elif self._count == SHOWN + 1:
            self._bar.say(f"Further rejected rows are not shown{self._where}.")


def _in_short(tally: Tally) -> str:
    said = f"{tally.imported:,} in"
    there = tally.there + tally.twice
    said += f", {there:,} there" if there else ""
    return said + (f", {tally.rejected:,} rejected" if tally.rejected else "")


def _summary(tally: Tally, kept: Path) -> str:
    lines = [
        (tally.owed, "imported, each owed a mail"),
        (tally.validated, "imported as validated, without a mail"),
        (tally.there, "there already, left as they are"),
        (tally.twice, "twice in the file, imported once"),
        (tally.rejected, f"rejected: mend them in {kept}, and import that"),
    ]
    told = [f"{count:>9,} {what}" for count, what in lines if count]
    return "\n".join(told) or "There is nobody in this file."
