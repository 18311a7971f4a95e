"""The command `users import`."""

import codecs
import time
from datetime import datetime
from pathlib import Path

import click

from chalicelib.own_fields import OwnFields
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.option import on_stage
from ops.terminal import durations, progress_bar
from ops.terminal.interrupts import Ending, on_request
from ops.terminal.text import printable
from ops.users import clients, mailing_options, own
from ops.users.imports import columns, own_columns, sheet, source
from ops.users.imports.bookmark import Bookmark, Survey, Tally, survey
from ops.users.imports.importer import Import
from ops.users.imports.newcomers import Rejected, newcomer
from ops.users.imports.rejects import Rejects
from ops.users.imports.sheet import Row, Sheet
from ops.users.pace import Pace, Quota, quota
from ops.users.store import OperatorsUsers

SOME_REJECTED = 3  # exit status
SHOWN = 10
"""The rejected rows that the terminal shows. The file of rejects has all of them."""
BETWEEN_BOOKMARKS = 1.0  # seconds


def _encoding(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        "".encode(value)  # base64 and the like, which are codecs but not of text, refuse this
        codec = codecs.lookup(value).name
    except (LookupError, ValueError) as error:
        raise click.BadParameter("name one that Python knows, such as cp1252.") from error
    return "utf-8-sig" if codec == "utf-8" else codec


def _columns(
    _ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    chosen = {}
    for text in value:
        name, equals, header = text.partition("=")
        if not equals:
            known = ", ".join(columns.CHOICES)
            raise click.BadParameter(f"{text!r} is not NAME=HEADER with a NAME of: {known}.")
        chosen[name] = header
    return chosen


def _known_columns(chosen: dict[str, str], fields: OwnFields | None) -> dict[str, str]:
    """Return the operator's columns under the names that we give them."""
    known = {**columns.CHOICES, **own_columns.choices(fields)}
    if strange := [name for name in chosen if name not in known]:
        names = ", ".join(known)
        raise click.BadParameter(
            f"{strange[0]!r} is not NAME=HEADER with a NAME of: {names}.", param_hint="--column"
        )
    return {known[name]: header for name, header in chosen.items()}


@click.command("import")
@on_stage
@click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True)
)
@click.option(
    "--rejects",
    "rejects_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to keep rejected rows.  [default: FILE.rejects.csv beside FILE]",
)
@click.option(
    "--column",
    "chosen",
    metavar="NAME=HEADER",
    multiple=True,
    callback=_columns,
    help="The file's column for a name, such as --column email='Email Address'. May be repeated. "
    "With no HEADER, no column is used.",
)
@click.option(
    "--encoding",
    callback=_encoding,
    help="The encoding of FILE; old spreadsheets write cp1252.  "
    "[default: UTF-8, or what the first bytes of FILE say]",
)
@click.option("--dry-run", is_flag=True, help="Only check the rows; write and mail nothing.")
@mailing_options.options
def import_users(
    stage: Stage,
    file: Path,
    rejects_path: Path | None,
    chosen: dict[str, str],
    encoding: str | None,
    dry_run: bool,
    rate: float | None,
    mails: int | None,
) -> None:
    """Import the users in a CSV file.

    FILE may be a pipe, or - for standard input. Its first row names the columns: email, prenom (or
    first_name), nom (or last_name), name, lang, and validated_at for users who are validated
    already: these get no mail. All others get a link by mail, at the pace of SES's quota. Common
    headers in other languages are known, and so are the names and labels of the stage's own fields;
    other columns are ignored. A column consent.NAME has consents that you vouch for: a time, yes,
    or what `users list` wrote. The command stops before it mails anybody if an ignored column may
    say who has confirmed.

    Each row must follow the rules of a sign-up. Rejected rows are kept beside FILE, with their
    lines and the reasons: fix them, then import that file. Existing users do not
    change.

    After an interruption, run the same command again: it continues where it stopped. A pipe is read
    from its start again, which is safe too.

    \b
    Exit status:
      0    all users are in the table
      3    all users are in the table, except for the rejected rows
      4    today's mails are used up; run it again tomorrow
      130  interrupted; run it again

    Permissions: dynamodb:DescribeTable and dynamodb:PutItem on the table, and ses:GetAccount unless
    --rate and --mails are given.
    """
    fields = own.of(stage)
    chosen = _known_columns(chosen, fields)
    is_stream = source.is_stream(file)
    if not is_stream:
        file = file.resolve()
    rejects_path = rejects_path or (Path("stdin.csv") if is_stream else file).with_suffix(
        ".rejects.csv"
    )
    if not is_stream and rejects_path.resolve() == file:
        raise click.UsageError("--rejects must name another file than FILE.")
    surveyed = Survey("", None) if is_stream else survey(file)
    with source.opened(file, encoding) as text:
        rows = sheet.read(text, chosen, fields)
        if rows.columns.ignored:
            ignored = printable(", ".join(rows.columns.ignored))
            click.echo(f"Columns ignored: {ignored}.", err=True)
        if dry_run:
            _check_only(rows, surveyed)
            return
        store = clients.users(stage)
        with in_plain_words():
            bookmark = Bookmark(
                rejects_path.with_suffix(".resume.json"), surveyed.digest, store.identity()
            )
        allowed = quota(clients.ses(stage), rate, mails)
        ending, tally = _import(store, rows, surveyed, rejects_path, bookmark, allowed)
    click.echo(_summary(tally, rejects_path))
    mailing_options.leave(ending, "Run the same command again to continue.")
    if tally.rejected:
        click.get_current_context().exit(SOME_REJECTED)


def _import(
    store: OperatorsUsers,
    rows: Sheet,
    surveyed: Survey,
    rejects_path: Path,
    bookmark: Bookmark,
    allowed: Quota,
) -> tuple[Ending, Tally]:
    tally, size = bookmark.find()
    with (
        Rejects(rejects_path, rows, size) as rejects,
        progress_bar.bar("Importing", surveyed.lines) as bar,
        on_request() as is_interrupted,
    ):
        if tally.line:
            bar.say(f"Continuing after line {tally.line:,}.")
        if rejects.aside:
            bar.say(f"The rejected rows of an earlier import are now in {rejects.aside}.")
        report = _Report(rejects, bar, bookmark, rejects_path)
        work = Import(
            rows, store, report, Pace(allowed, time.monotonic), durations.now(), is_interrupted
        )
        try:
            ending = work.run(tally)
        except OpsError as error:
            raise OpsError(
                f"{error} All rows up to line {tally.line:,} are done: "
                "run the same command again to continue."
            ) from error
        finally:
            if tally.line:
                bookmark.put(tally, rejects.size)
    if ending is Ending.FINISHED:
        bookmark.remove()
    return ending, tally


class _Report:
    """Keeps rejected rows, moves the bar, and writes the bookmark each second."""

    def __init__(
        self, rejects: Rejects, bar: progress_bar.Bar, bookmark: Bookmark, path: Path
    ) -> None:
        self._rejects = rejects
        self._bar = bar
        self._bookmark = bookmark
        self._shown = _Shown(bar, path)
        self._written = time.monotonic()

    def reject(self, row: Row, reason: str) -> None:
        self._rejects.add(row, reason)
        self._shown.reject(row, reason)

    def progress(self, tally: Tally) -> None:
        self._bar.set(tally.line, _in_short(tally))
        if time.monotonic() - self._written > BETWEEN_BOOKMARKS:
            self._bookmark.put(tally, self._rejects.size)
            self._written = time.monotonic()


class _Shown:
    """The first rejected rows, on the terminal. By line alone, since they hold addresses."""

    def __init__(self, bar: progress_bar.Bar, path: Path | None) -> None:
        self._bar = bar
        self._where = f": see {path}" if path else ""
        self._count = 0

    def reject(self, row: Row, reason: str) -> None:
        self._count += 1
        if self._count <= SHOWN:
            self._bar.say(f"line {row.line}: {printable(reason)}")
        elif self._count == SHOWN + 1:
            self._bar.say(f"More rejected rows are not shown{self._where}.")


def _check_only(rows: Sheet, surveyed: Survey) -> None:
    good = bad = 0
    now: datetime = durations.now()
    with progress_bar.bar("Checking", surveyed.lines) as bar:
        shown = _Shown(bar, None)
        for row in rows.rows():
            try:
                newcomer(rows, row, now)
                good += 1
            except Rejected as rejected:
                shown.reject(row, str(rejected))
                bad += 1
            bar.set(row.last_line)
    click.echo(f"{good:>9,} would be imported, unless they exist already")
    if bad:
        click.echo(f"{bad:>9,} would be rejected")
        click.get_current_context().exit(SOME_REJECTED)


def _in_short(tally: Tally) -> str:
    there = tally.there + tally.twice
    parts = [f"{tally.imported:,} imported"]
    parts += [f"{there:,} there"] if there else []
    parts += [f"{tally.rejected:,} rejected"] if tally.rejected else []
    return ", ".join(parts)


def _summary(tally: Tally, rejects_path: Path) -> str:
    lines = [
        (tally.owed, "imported, each owed a mail"),
        (tally.validated, "imported as validated, without a mail"),
        (tally.there, "already exist, not changed"),
        (tally.twice, "twice in the file, imported once"),
        (tally.rejected, f"rejected: fix them in {rejects_path}, then import that file"),
    ]
    shown = [f"{count:>9,} {result}" for count, result in lines if count]
    return "\n".join(shown) or "The file has no users."
