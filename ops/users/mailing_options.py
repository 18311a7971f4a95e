"""The options by which a command that has many people mailed is told how many, and how it ends."""

from collections.abc import Callable
from typing import TypeVar

import click

from ops.terminal.interrupts import INTERRUPTED, Ending
from ops.terminal.option_types import Rate

R = TypeVar("R")

SPENT = 4


def options(command: Callable[..., R]) -> Callable[..., R]:
    """Give ``command`` ``rate`` and ``mails``, None where SES's quota decides."""
    rate = click.option(
        "--rate",
        type=Rate(),
        help="Mails a second.  [default: nine tenths of what SES allows; sign-ups need some]",
    )
    mails = click.option(
        "--mails",
        type=click.IntRange(0),
        help="Stop after so many.  [default: what SES still allows today, less a tenth]",
    )
    return rate(mails(command))


def leave(ending: Ending, go_on: str = "Run it again to go on.") -> None:
    """Exit as ``ending`` has it, and say what to do; no more than return if all is done."""
    context = click.get_current_context()
    if ending is Ending.INTERRUPTED:
        click.echo(f"Interrupted. {go_on}", err=True)
        context.exit(INTERRUPTED)
    if ending is Ending.SPENT:
        click.echo(
            "No more mails may be asked for: those of SES's 24 hours, or of --mails, are used up. "
            f"Within a day there are more. {go_on}",
            err=True,
        )
        context.exit(SPENT)
