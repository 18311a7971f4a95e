"""The options and the end of commands that mail many users."""

from collections.abc import Callable
from typing import TypeVar

import click

from ops.terminal.interrupts import INTERRUPTED, Ending
from ops.terminal.option_types import Rate

R = TypeVar("R")

SPENT = 4  # exit status


def options(command: Callable[..., R]) -> Callable[..., R]:
    """Add ``rate`` and ``mails`` to ``command``. None means that SES's quota decides."""
    rate = click.option(
        "--rate",
        type=Rate(),
        help="Mails a second.  [default: 90 % of what SES allows; the rest is for sign-ups]",
    )
    mails = click.option(
        "--mails",
        type=click.IntRange(0),
        help="Stop after this many mails.  [default: what SES allows today, less 10 %]",
    )
    return rate(mails(command))


def leave(ending: Ending, go_on: str = "Run it again to continue.") -> None:
    """Exit with the status of ``ending``, and say what to do. Return if all is done."""
    context = click.get_current_context()
    if ending is Ending.INTERRUPTED:
        click.echo(f"Interrupted. {go_on}", err=True)
        context.exit(INTERRUPTED)
    if ending is Ending.SPENT:
        click.echo(
            "Today's mails are used up: SES's quota of 24 hours, or --mails. "
            f"More are free within a day. {go_on}",
            err=True,
        )
        context.exit(SPENT)
