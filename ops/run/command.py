"""`run`: the whole service on this machine."""

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ops.deployment.deploy import OWN_SETTINGS
from ops.run import local_stack
from ops.stage import local_stage
from ops.stage.project import CHECKOUT
from ops.terminal.option_types import Setting
from ops.terminal.progress import Progress


@click.command(short_help="Run everything on this machine, until Ctrl-C.")
@click.option(
    "--port",
    type=click.IntRange(1, 65533),
    default=local_stage.PORT,
    show_default=True,
    help="The local cloud's port; the mailbox takes the next two.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=local_stage.STATE,
    help="The folder to keep everything in.  [default: .local]",
)
@click.option(
    "--set",
    "settings",
    type=Setting(taken=OWN_SETTINGS),
    metavar="NAME=VALUE",
    multiple=True,
    help="A setting of the stage, such as DEFAULT_LANG=en. May be repeated.",
)
@click.option(
    "--enforce-iam", is_flag=True, help="Allow the functions only what their roles do, as AWS does."
)
def run(port: int, state: Path, settings: Sequence[tuple[str, str]], enforce_iam: bool) -> None:
    """Run everything on this machine, with a local cloud and a mailbox, until Ctrl-C."""
    local_stack.run(
        CHECKOUT,
        state.resolve(),
        port,
        dict(settings),
        Progress(sys.stdout),
        _welcome,
        enforce_iam=enforce_iam,
    )
    click.echo("\nStopped.")


def _welcome(stack: local_stack.Stack) -> None:
    """Say where everything is. Lines to copy stand alone: unwrapped, uncoloured, unindented."""
    person = {"prenom": "Alexis", "nom": "GÜNST HORN", "email": "alexis@example.org"}
    item = {name: {"S": value} for name, value in {**person, "email": "horn@example.org"}.items()}
    credentials = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
    click.echo(
        f"""
Sign-up page  {stack.api}/
API           {stack.api}
Mailbox       {stack.mailbox}

Sign somebody up:

curl -H 'content-type: application/json' -d {_quoted(person)} {stack.api}/users

Or let another program put them into the table:

{credentials} aws dynamodb put-item --region {stack.region} --endpoint-url {stack.aws} \
--table-name {stack.table} --item {_quoted(item)}

Then read the mail in the mailbox, and open its link. Ctrl-C stops everything.
"""
    )


def _quoted(value: object) -> str:
    return shlex.quote(json.dumps(value, ensure_ascii=False))
