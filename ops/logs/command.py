"""The command `logs`: the logs of all functions as one stream."""

import contextlib
import re
import time
from collections.abc import Iterator
from datetime import datetime

import click
from rich.console import Console
from rich.text import Text

from chalicelib.logs import hashed
from chalicelib.users import email_address
from ops.logs.log_stream import LEVELS, Entry, Logs
from ops.resources.functions import function_logs
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.option import on_stage
from ops.terminal import durations
from ops.terminal.option_types import Moment
from ops.terminal.text import Terminal, printable

_HASH = re.compile(r"[0-9a-f]{12}")
_COLOURS = ("cyan", "magenta", "blue", "green")
_LEVEL_COLOURS = {"WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}


@click.command()
@on_stage
@click.option(
    "--since",
    type=Moment(),
    default="10m",
    show_default=True,
    help="Start: 90s, 10m, 2h or 7d ago, a date or a time (UTC).",
)
@click.option("--follow/--no-follow", default=True, help="Keep going until Ctrl-C, or stop.")
@click.option(
    "--user",
    metavar="HASH-OR-EMAIL",
    help="Only lines about this user. This machine hashes the address and sends it nowhere.",
)
@click.option(
    "--function", "only", metavar="NAME", help="Only this function, by its name in app.py."
)
@click.option(
    "--level",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    help="Only lines of this level or above.",
)
@click.option(
    "--verbose", is_flag=True, help="Also DEBUG lines, and each invocation's start and end."
)
def logs(
    stage: Stage,
    since: datetime,
    follow: bool,
    user: str | None,
    only: str | None,
    level: str,
    verbose: bool,
) -> None:
    """Follow the logs of all functions, in order of time. Times are UTC.

    Permissions: logs:FilterLogEvents; for --user also ssm:GetParameters.
    """
    functions = list(stage.project.roles)
    if user == "":  # an unset variable of the shell does not mean all users
        raise click.BadParameter("is empty.", param_hint="--user")
    if only is not None and only not in functions:
        raise OpsError(f"There is no function {only}. Choose one of: {', '.join(functions)}.")
    groups = {
        name: function_logs.group_of(stage.project, name)
        for name in functions
        if only in (None, name)
    }
    source = Logs(stage.cloud.session.client("logs"), groups, durations.now, time.sleep)
    entries = source.follow(since) if follow else source.read(since)
    least = LEVELS.index("DEBUG" if verbose else level.upper())
    users = _hashes(user) if user else None
    shown = (
        entry
        for entry in entries
        if LEVELS.index(entry.level) >= least
        and (verbose or not entry.is_platform)
        and (users is None or any(f"user={user_hash}" in entry.message for user_hash in users))
    )
    with contextlib.suppress(KeyboardInterrupt), in_plain_words():
        show(Terminal(highlight=False), shown, functions)


def _hashes(user: str) -> set[str]:
    """Return the hashes of ``user`` in logs, for both spellings of the address."""
    if _HASH.fullmatch(user):
        return {user}
    spellings = {user}
    with contextlib.suppress(email_address.AddressError):
        spellings.add(email_address.canonical(user))
    return {hashed(spelling) for spelling in spellings}


def show(console: Console, entries: Iterator[Entry], functions: list[str]) -> None:
    """Print a line for each entry, more for a stack trace, and the date where it changes."""
    width = max(map(len, functions), default=0)
    colours = {name: _COLOURS[n % len(_COLOURS)] for n, name in enumerate(functions)}
    day = None
    for entry in entries:
        if entry.moment.date() != day:
            day = entry.moment.date()
            console.print(Text(f"{day:%A %d %B %Y}, UTC", "dim"), soft_wrap=True)
        first, *more = printable(entry.message.expandtabs(), lines=True).split("\n")
        style = "dim" if entry.is_platform else _LEVEL_COLOURS.get(entry.level, "")
        console.print(
            Text.assemble(
                (f"{entry.moment:%H:%M:%S}.{entry.moment.microsecond // 1000:03}  ", "dim"),
                (f"{entry.function:<{width}}  ", colours.get(entry.function, "")),
                ("" if entry.is_platform else f"{entry.level:<8}", style),
                (first, style),
            ),
            soft_wrap=True,
        )
        for line in more:
            console.print(Text(f"    {line}", "dim"), soft_wrap=True)
