"""The command `users` and its subcommands, except for `users import`."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import click

from chalicelib.users.table import Item, ItemFull
from ops.stage import json_files
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.option import on_group, on_stage
from ops.terminal import durations, progress_bar
from ops.terminal.interrupts import on_request
from ops.terminal.option_types import Moment
from ops.terminal.text import as_json, isolated, printable
from ops.users import (
    acts,
    answers,
    clients,
    limits,
    listing,
    lookup,
    mailing_options,
    own,
    person,
    personal_data,
    timeline,
)
from ops.users.imports import own_columns
from ops.users.imports.command import import_users
from ops.users.listing import Selection
from ops.users.pace import Pace, Quota, quota
from ops.users.proof import document, lines
from ops.users.resend import ask_again
from ops.users.store import Change, Withdrawal


class InTheirOrder(click.Group):
    """A group whose help lists the commands as they are defined here."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InTheirOrder, subcommand_metavar="COMMAND …")
@on_group
def users() -> None:
    """Look up, help, import and export the users of a stage.

    All commands are safe while the service runs: each change is one conditional write.
    """


def _where(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in value]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise click.BadParameter(f"{name!r} is not FIELD=VALUE.")
    return {name: wanted for name, _, wanted in pairs}


def _column_names(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> tuple[str, ...]:
    return tuple(filter(None, (value or "").replace(",", " ").split()))


@users.command("list")
@on_stage
@click.option(
    "--validated",
    "states",
    flag_value="validated",
    multiple=True,
    help="Validated users who get mail.",
)
@click.option(
    "--pending", "states", flag_value="pending", multiple=True, help="Users who may still confirm."
)
@click.option(
    "--failed", "states", flag_value="failed", multiple=True, help="Users whose mail failed."
)
@click.option(
    "--bounced",
    "states",
    flag_value="bounced",
    multiple=True,
    help="Users whose mail bounced, or who complained: no more mail is sent.",
)
@click.option(
    "--refused",
    "states",
    flag_value="refused",
    multiple=True,
    help='Users who said "this was not me": no more mail is sent.',
)
@click.option("--owed", "is_owed", is_flag=True, help="Users whose mail is owed, and why it waits.")
@click.option(
    "--since",
    type=Moment(),
    help="Users who signed up since: 90s, 10m, 2h or 7d ago, a date (UTC) or a time.",
)
@click.option("--validated-since", type=Moment(), help="Users validated since: the same forms.")
@click.option(
    "--where",
    metavar="FIELD=VALUE",
    multiple=True,
    callback=_where,
    help="Users with this value, such as lang=fr or fields.company=Acme. May be repeated.",
)
@click.option(
    "--columns",
    metavar="FIELDS",
    callback=_column_names,
    help="The fields to list in CSV and JSON, such as email,lang,fields.company.",
)
@click.option(
    "--format",
    "shape",
    type=click.Choice(("table", "csv", "jsonl")),
    help="[default: table on a terminal, else csv]",
)
def list_(stage: Stage, shape: str | None, columns: tuple[str, ...], **conditions: Any) -> None:
    """List users, in no order.

    Several states list users in any of them. Other options must all match.

    In CSV, a cell that a spreadsheet would take for a formula starts with an apostrophe; `users
    import` removes it again. Nobody knows when users of other programs came, unless the program
    wrote created_at: --since leaves them out.

    Permissions: dynamodb:Scan on the table of users; for --owed also dynamodb:GetItem on the table
    of limits.
    """
    selection = Selection(**conditions)
    if selection.is_owed:
        with in_plain_words():
            for line in limits.reasons(limits.of(stage).state(), stage, durations.now()):
                click.echo(line, err=True)
    _write(stage, selection, columns, shape)


@users.command()
@on_stage
@click.argument("text")
def find(stage: Stage, text: str) -> None:
    """Find users by a part of their address or name.

    Case and accents do not matter. This reads the whole table.

    Permissions: dynamodb:Scan on the table.
    """
    matching = lookup.matching(listing.people(clients.users(stage), Selection()), text)
    with in_plain_words():
        _print_table(matching)


@users.command()
@on_stage
@click.argument("email")
def show(stage: Stage, email: str) -> None:
    """Show a user, where their mail is stuck, and what happened, by whom.

    Permissions: dynamodb:GetItem on the table; ssm:GetParameters on the stage's SECRET_KEY.
    """
    _, item = _find(stage, email)
    _print(person.plain(item))


@users.command()
@on_stage
@click.argument("email", required=False)
@click.option("--failed", "many", flag_value="failed", help="Mail all users whose mail failed.")
@click.option("--owed", "many", flag_value="owed", help="Mail all whose mail is owed for minutes.")
@click.option("--even-bounced", is_flag=True, help="Mail EMAIL even after a bounce; see above.")
@mailing_options.options
def resend(
    stage: Stage,
    email: str | None,
    many: str | None,
    even_bounced: bool,
    rate: float | None,
    mails: int | None,
) -> None:
    """Mail another link to one user or to many.

    EMAIL gets it at once: the limits of one mail a minute and of five a day to a mailbox apply to
    requests of strangers. Users who are validated, who complained or who refused get none. After a
    bounce, SES itself keeps the address on its suppression list: once the mailbox works again,
    remove the address there, then use --even-bounced.

    \b
    Exit status:
      0    all mails are requested
      4    today's mails are used up; run it again tomorrow
      130  interrupted; run it again

    Permissions: dynamodb:UpdateItem on the table of users and on that of limits; for --failed and
    --owed also dynamodb:Scan, and
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
    """Validate an address by hand, without a click.

    The item keeps this in validated_by. An owed mail is no longer sent.

    Permissions: dynamodb:UpdateItem on the table.
    """
    key, change = _change(
        stage, email, partial(clients.users(stage).validate_by_hand, now=durations.now())
    )
    click.echo(answers.answer(acts.VALIDATE, change, printable(key)))


@users.command()
@on_stage
@click.argument("email")
def refuse(stage: Stage, email: str) -> None:
    """Send a user no more mail, at their own request.

    This does the same as "This wasn't me" under a mail: it erases the data of sign-ups, and later
    sign-ups send no mail, whatever spelling of the mailbox they name. EMAIL need not be a user. A
    keyed hash of the mailbox remains, also after `users delete`. `users allow` lifts it.

    Permissions: dynamodb:UpdateItem on the table of users and on that of limits.
    """
    refuse_by_hand = partial(clients.users(stage).refuse_by_hand, now=durations.now())
    key, change = _try_change(email, refuse_by_hand)
    shown = printable(key)
    words = answers.answer(acts.REFUSE, change, shown)
    if change is Change.VALIDATED:
        commands = (stage.ops(f"users {act} {quote(shown)}") for act in ("delete", "refuse"))
        raise OpsError(
            f"{words} If the owner of the mailbox did not sign up, delete the user, then refuse "
            "later sign-ups:\n" + "\n".join(commands)
        )
    click.echo(words)


@users.command()
@on_stage
@click.argument("email")
def allow(stage: Stage, email: str) -> None:
    """Lift a refusal: the address may sign up and get mail again.

    EMAIL need not be a user. This lifts a refusal of any spelling of the mailbox.

    Permissions: dynamodb:UpdateItem on the table of users and on that of limits.
    """
    store = clients.users(stage)
    with in_plain_words():
        changes = [store.allow(key, durations.now()) for key in lookup.spellings(email)]
    change = Change.DONE if Change.DONE in changes else changes[0]
    words = answers.answer(acts.ALLOW, change, printable(email))
    if change is not Change.DONE:
        raise OpsError(words)
    click.echo(words)


@users.command()
@on_stage
@click.argument("email")
@click.argument("consent")
def withdraw(stage: Stage, email: str, consent: str) -> None:
    """Record that a user withdraws a consent, at their own request.

    CONSENT is its name in the stage's fields.json. The record of the consent stays as evidence.

    Permissions: dynamodb:UpdateItem on the table.
    """
    store, now = clients.users(stage), durations.now()

    def try_withdrawal(key: str) -> Withdrawal | None:
        result = store.withdraw(key, consent, now)
        return None if result is Withdrawal.NOBODY else result

    with in_plain_words():
        key, result = lookup.first(stage, email, try_withdrawal)
    shown = f"{printable(key)}: the consent {printable(consent)}"
    if result is Withdrawal.NONE_GIVEN:
        raise OpsError(f"{shown} was never given by a validated user: nothing was changed.")
    click.echo(f"{shown} {'was' if result is Withdrawal.ALREADY else 'is'} withdrawn.")


@users.command()
@on_stage
@click.argument("email")
@click.option("--json", "is_json", is_flag=True, help="Print JSON, which programs can read.")
def proof(stage: Stage, email: str, is_json: bool) -> None:
    """Print the evidence of a user's consents, as one document.

    It has the text that the user saw, its language, when it was given, and the click that validated
    the address. This is evidence, not compliance with any law. Times are in UTC.

    Permissions: dynamodb:GetItem on the table of users and on that of limits.
    """
    _, item = _find(stage, email)
    texts = clients.consent_texts(stage)
    with in_plain_words():
        content = document(person.plain(item), texts.read, stage.users_table, durations.now())
    if is_json:
        click.echo(as_json(content, indent=2))
        return
    for line in lines(content):
        click.echo(printable(line))


@users.command()
@on_stage
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(stage: Stage, email: str, yes: bool) -> None:
    """Delete a user for good.

    The address may sign up again, unless it refused mail or complained: a keyed hash of the mailbox
    remains, and `users allow` lifts it. Backups of the table keep the user for 35 days. If the
    stage has events, the bare address stays until the deletion is published.

    Permissions: dynamodb:GetItem and dynamodb:DeleteItem on the table, with events PutItem; for a
    user who refused mail or complained also dynamodb:UpdateItem on the table of limits.
    """
    store = clients.users(stage)
    key, item = _find(stage, email)
    if not yes:
        _print(person.plain(item))
        click.confirm(f"Delete {printable(key)} from {stage.name}?", abort=True)
    with in_plain_words():
        change = store.delete(key, durations.now())
    click.echo(answers.answer(acts.DELETE, change, printable(key)))


@users.command()
@on_stage
@click.argument("email")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file.  [default: stdout]"
)
def export(stage: Stage, email: str, output: Path | None) -> None:
    """Export all data that the table holds about a user, as JSON.

    Each value has its meaning beside it: this answers an access request (GDPR, article 15).
    SES's suppression list, the table's backups and the keyed hash of the mailbox are not included.

    Permissions: dynamodb:GetItem on the table; ssm:GetParameters on the stage's SECRET_KEY.
    """
    _, item = _find(stage, email)
    content = personal_data.everything(person.plain(item), stage.users_table, durations.now())
    if output is None:
        click.echo(as_json(content, indent=2))
    else:
        output.write_text(json_files.dumps(content), encoding="utf-8")


def _write(stage: Stage, selection: Selection, columns: tuple[str, ...], shape: str | None) -> None:
    columns = columns or (*listing.ATTRIBUTES, *own_columns.columns(own.of(stage)))
    out = sys.stdout
    if shape is None:
        shape = "table" if out.isatty() else "csv"
    if shape == "table":
        columns = listing.ATTRIBUTES
    people = listing.people(clients.users(stage), selection, columns)
    with in_plain_words():
        if shape == "jsonl":
            listing.write_jsonl(people, out)
        elif shape == "csv":
            listing.write_csv(people, out, columns)
        else:
            _print_table(people)


def _print_table(people: Iterable[person.Plain]) -> None:
    count = listing.write_table(people, click.echo, shutil.get_terminal_size().columns)
    words = "No users" if not count else "1 user" if count == 1 else f"{count:,} users"
    click.echo(click.style(f"{words}.", dim=True), err=True)


def _resend_to(stage: Stage, email: str, even_bounced: bool) -> None:
    store = clients.users(stage)
    key, change = _change(
        stage,
        email,
        partial(store.resend_by_hand, now=durations.now(), even_bounced=even_bounced),
    )
    shown = printable(key)
    words = answers.answer(acts.RESEND, change, shown)
    if change is Change.REFUSED:
        raise OpsError(
            f"{words} If the user wants it after all:\n{stage.ops(f'users allow {quote(shown)}')}"
        )
    if change is Change.COMPLAINED:
        raise OpsError(
            f"{words} If the user wants it after all, delete the user here, remove the address "
            "from SES's suppression list, and let them sign up again."
        )
    if change is Change.BOUNCED:
        mailed = quote(printable(lookup.mailed(key)))
        command = f"sesv2 delete-suppressed-destination --email-address {mailed}"
        raise OpsError(
            f"{words} If the mailbox works again, run this, then use --even-bounced:\n"
            f"{stage.cloud.aws(command)}"
        )
    if change is not Change.DONE:
        raise OpsError(words)
    click.echo(words)


class _Mails:
    """The mails of `resend --failed` and `resend --owed`."""

    def __init__(self, ask: Callable[[str, datetime], bool], bar: progress_bar.Bar) -> None:
        self._ask = ask
        self._bar = bar
        self.count = 0

    def ask(self, email: str) -> bool:
        return self._ask(email, durations.now())

    def report(self, count: int) -> None:
        self.count = count
        self._bar.set(count)


def _resend_to_many(stage: Stage, is_failed: bool, allowed: Quota) -> None:
    store = clients.users(stage)
    emails = store.failed_ones() if is_failed else store.owed_ones(durations.now())
    ask = store.retry_failed if is_failed else store.retry_owed
    with progress_bar.bar("Asking for mails", None) as bar, on_request() as is_interrupted:
        mails = _Mails(ask, bar)
        ending = ask_again(emails, mails, Pace(allowed, time.monotonic), is_interrupted)
    words = "1 mail was" if mails.count == 1 else f"{mails.count:,} mails were"
    click.echo(f"{words} asked for.")
    mailing_options.leave(ending)


def _find(stage: Stage, email: str) -> tuple[str, Item]:
    with in_plain_words():
        return lookup.first(stage, email, clients.users(stage).read)


def _change(stage: Stage, email: str, change: Callable[[str], Change]) -> tuple[str, Change]:
    """Change the user with the first spelling of ``email`` that exists; return key and result.

    Raises OpsError for an unknown user.
    """
    key, result = _try_change(email, change)
    if result is Change.NOBODY:
        raise lookup.unknown(stage, email)
    return key, result


def _try_change(email: str, change: Callable[[str], Change]) -> tuple[str, Change]:
    """Do as ``_change`` does, but return NOBODY for an unknown user."""
    key = email
    try:
        with in_plain_words():
            for key in lookup.spellings(email):
                if (result := change(key)) is not Change.NOBODY:
                    return key, result
            return key, Change.NOBODY
    except ItemFull as error:
        raise OpsError(answers.cannot_store(error)) from error


def _print(user: person.Plain) -> None:
    now = durations.now()
    click.echo(click.style(person.key(user), bold=True))
    for label, fact in person.facts(user, now):
        click.echo(f"  {click.style(f'{label:<12}', dim=True)}{isolated(printable(fact))}")
    click.echo()
    for entry in timeline.entries(user, now):
        at = click.style(f"{entry.at:%Y-%m-%d %H:%M:%S} UTC", dim=True)
        by = click.style(f", by {printable(entry.by)}", dim=True) if entry.by else ""
        click.echo(f"  {at}  {printable(entry.words)}{by}")


users.add_command(import_users)
