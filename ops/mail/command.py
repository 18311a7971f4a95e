"""The command `mail`: the limits of a stage's mail."""

import click

from ops.stage.aws_errors import in_plain_words
from ops.stage.lookup import Stage
from ops.stage.option import on_group, on_stage
from ops.terminal import durations
from ops.users import limits


@click.group(subcommand_metavar="COMMAND …")
@on_group
def mail() -> None:
    """Let a stage send mail again after its brake has stopped it."""


@mail.command()
@on_stage
def resume(stage: Stage) -> None:
    """Lift the brake on mail.

    The brake stops mail to addresses that were never validated when 8 % of a day's mails bounce, or
    0.3 % are marked as spam. SES pauses accounts for that, so find the reason first: who signs up
    addresses of other people? Counting starts again, and owed mail goes out within a minute.

    Permissions: dynamodb:UpdateItem on the table of limits.
    """
    with in_plain_words():
        is_lifted = limits.of(stage).resume(durations.now())
    click.echo(
        "The brake is lifted. Owed mail goes out within a minute."
        if is_lifted
        else "The brake is not on: nothing was changed."
    )
