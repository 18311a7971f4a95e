"""`users`: the people of a stage, looked up, mended, brought in and handed out."""

import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from shlex import quote

import click

from chalicelib.users.table import Item, ItemFull
from ops.stage import json_files
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.option import on_stage
from ops.terminal import durations, progress_bar
from ops.terminal.interrupts import on_request
from ops.terminal.option_types import Moment
from ops.terminal.text import printable
from ops.users import clients, listing, lookup, mailing_options, person, personal_data
from ops.users.imports.command import import_users
from ops.users.pace import Pace, Quota, quota
from ops.users.resend import ask_again
from ops.users.store import Change, OperatorsUsers


@click.group(subcommand_metavar="COMMAND …")
@click.option("--stage", "name", help="The Chalice stage; may also stand after the command.")
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), hidden=True)
@click.pass_context
def users(ctx: click.Context, /, **given: object) -> None:
    """The people of a stage: look them up, help them, bring them in.

    All of it is safe while the service runs: each change is one conditional write.
    """
    # What stands before a command is its default, so that `users list --help` needs no stage.
    stage = {option: value for option, value in given.items() if value is not None}
    ctx.default_map = dict.fromkeys(users.commands, stage)


@users.command("list")
@on_stage
@click.option(
    "--validated",
    "states",
    flag_value="validated",
    multiple=True,
    help="Confirmed; mail goes there.",
)
@click.option(
    "--pending", "states", flag_value="pending", multiple=True, help="Not yet; mail is under way."
)
@click.option(
    "--failed", "states", flag_value="failed", multiple=True, help="No mail can be delivered."
)
@click.option(
    "--bounced",
    "states",
    flag_value="bounced",
    multiple=True,
    help="Mail bounced, or somebody complained: no more goes there.",
)
@click.option(
    "--since",
    type=Moment(),
    help="Who came since then: 90s, 10m, 2h, 7d, 2026-11-24 (UTC) or a moment.",
)
@click.option(
    "--format",
    "shape",
    type=click.Choice(("table", "csv", "jsonl")),
    help="[default: table on a terminal, else csv]",
)
def list_(stage: Stage, states: tuple[str, ...], since: datetime | None, shape: str | None) -> None:
    """List people, however many, in no order.

    Several states may be asked for at once: whoever is in one of them is listed.

    In CSV, a cell that a spreadsheet would take for a formula starts with an apostrophe; `users
    import` takes it off again. Other programs' people came at no known time unless they say so in
    created_at, and --since leaves those out.

    Permissions: dynamodb:Scan on the table.
    """
    some = listing.people(clients.users(stage), states, since)
    out = sys.stdout
    with in_plain_words():
        if shape == "jsonl":
            listing.write_jsonl(some, out)
        elif shape == "csv" or (shape is None and not out.isatty()):
            listing.write_csv(some, out)
        else:
            width = shutil.get_terminal_size().columns
            count = listing.write_table(some, click.echo, width)
            people = "Nobody" if not count else "1 person" if count == 1 else f"{count:,} people"
            click.echo(click.style(f"{people}.", dim=True), err=True)


@users.command()
@on_stage
@click.argument("email")
def show(stage: Stage, email: str) -> None:
    """Tell how somebody stands, and why.

    Permissions: dynamodb:GetItem on the table.
    """
    _, item = _find(clients.users(stage), email)
    _tell(person.plain(item))


@users.command()
@on_stage
@click.argument("email", required=False)
@click.option("--failed", "many", flag_value="failed", help="To all whose mail failed for good.")
@click.option("--owed", "many", flag_value="owed", help="To all whose mail is owed for minutes.")
@click.option(
    "--even-bounced", is_flag=True, help="To EMAIL even if mail bounced there; see above."
)
@mailing_options.options
def resend(
    stage: Stage,
    email: str | None,
    many: str | None,
    even_bounced: bool,
    rate: float | None,
    mails: int | None,
) -> None:
    """Mail another link, to one or to many.

    To EMAIL it goes at once and whatever the number of mails before: the limits of one a minute and
    five in all are for strangers' requests. Never to somebody who is validated, or who complained.
    Where mail bounced, SES itself keeps the address on its suppression list: once the mailbox works
    again, take it off there, then say --even-bounced.

    \b
    Exit status:
      0    everybody's mail was asked for
      4    the day's mails are used up; run it again tomorrow
      130  interrupted; run it again

    Permissions: dynamodb:UpdateItem on the table; for --failed and --owed also dynamodb:Scan, and
    ses:GetAccount unless --rate and --mails are given.
    """
    if (email is None) == (many is None):
        raise click.UsageError("Name one EMAIL, or --failed, or --owed.")
    if many and even_bounced:
        raise click.UsageError("--even-bounced is for one EMAIL.")
    if email:
        _resend_to(stage, email, even_bounced)
    else:
        _resend_to_many(stage, many == "failed", quota(clients.ses(stage), rate, mails))


@users.command()
@on_stage
@click.argument("email")
def validate(stage: Stage, email: str) -> None:
    """Confirm an address by hand, without a click.

    The item says so for good, in validated_by. A mail that is owed is no longer sent.

    Permissions: dynamodb:UpdateItem on the table.
    """
    key, change = _first_change(
        email, partial(clients.users(stage).validate_by_hand, now=durations.now())
    )
    already = change is Change.VALIDATED
    done = "was validated already" if already else "is validated"
    click.echo(f"{printable(key)} {done}.")


@users.command()
@on_stage
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(stage: Stage, email: str, yes: bool) -> None:
    """Forget somebody for good.

    They may sign up again. What a backup of the table holds of them stays there until it ends.

    Permissions: dynamodb:GetItem and dynamodb:DeleteItem on the table.
    """
    store = clients.users(stage)
    key, item = _find(store, email)
    if not yes:
        _tell(person.plain(item))
        click.confirm(f"Delete {printable(key)} from {stage.name}?", abort=True)
    with in_plain_words():
        change = store.delete(key)
    gone = "is deleted" if change is Change.DONE else "was deleted by somebody else meanwhile"
    click.echo(f"{printable(key)} {gone}.")


@users.command()
@on_stage
@click.argument("email")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file.  [default: stdout]"
)
def export(stage: Stage, email: str, output: Path | None) -> None:
    """Hand out all that is held on somebody, as JSON.

    It says what each part means: for a request for access (GDPR, article 15). SES's suppression
    list and the table's backups are not looked through.

    Permissions: dynamodb:GetItem on the table.
    """
    _, item = _find(clients.users(stage), email)
    held = json_files.dumps(
        personal_data.everything(person.plain(item), stage.users_table, durations.now())
    )
    if output is None:
        click.echo(held, nl=False)
    else:
        output.write_text(held, encoding="utf-8")


def _resend_to(stage: Stage, email: str, even_bounced: bool) -> None:
    store = clients.users(stage)
    ask = partial(store.resend_by_hand, now=durations.now(), even_bounced=even_bounced)
    key, change = _first_change(email, ask)
    key = printable(key)
    if change is Change.VALIDATED:
        raise OpsError(f"{key} is validated already: there is nothing to mail.")
    if change is Change.COMPLAINED:
        raise OpsError(
            f"{key} complained about our mail, so none is sent. If they want it after all: delete "
            "them here, take them off SES's suppression list, and let them sign up again."
        )
    if change is Change.BOUNCED:
        words = f"sesv2 delete-suppressed-destination --email-address {quote(key)}"
        raise OpsError(
            f"Mail to {key} bounced. If the mailbox works again, say --even-bounced after this: "
            + stage.cloud.aws(words)
        )
    click.echo(f"{key} is owed a mail again; the stream sends it within seconds.")


def _resend_to_many(stage: Stage, failed: bool, allowed: Quota) -> None:
    store, now = clients.users(stage), durations.now()
    emails = store.failed_ones() if failed else store.owed_ones(now)
    ask = store.retry_failed if failed else store.retry_owed
    asked = 0

    with progress_bar.bar("Asking for mails", None) as bar, on_request() as stopping:

        def told(count: int) -> None:
            nonlocal asked
            asked = count
            bar.set(count)

        pace = Pace(allowed, time.monotonic)
        ending = ask_again(emails, lambda email: ask(email, durations.now()), pace, told, stopping)
    mails = "1 mail was" if asked == 1 else f"{asked:,} mails were"
    click.echo(f"{mails} asked for.")
    mailing_options.leave(ending)


def _find(store: OperatorsUsers, email: str) -> tuple[str, Item]:
    with in_plain_words():
        return lookup.first(email, store.read)


def _first_change(email: str, change: Callable[[str], Change]) -> tuple[str, Change]:
    """The first spelling of ``email`` that anybody has, and what became of them."""

    def look(key: str) -> Change | None:
        return None if (made := change(key)) is Change.NOBODY else made

    try:
        with in_plain_words():
            return lookup.first(email, look)
    except ItemFull as error:
        raise OpsError(f"This cannot be written down, as {error}: remove some of it.") from error


def _tell(one: person.Plain) -> None:
    click.echo(click.style(printable(str(one["email"])), bold=True))
    for label, fact in person.facts(one, durations.now()):
        click.echo(f"  {click.style(f'{label:<12}', dim=True)}{printable(fact)}")


users.add_command(import_users)
