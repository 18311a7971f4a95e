"""`run`: the whole service on this machine."""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from ops.resources.settings.recorded_settings import OWN_SETTINGS
from ops.run import local_stack
from ops.run.follower import Follower
from ops.stage import local_stage
from ops.stage.cloud import Cloud
from ops.stage.project import CHECKOUT, OPS, Project
from ops.terminal.option_types import Setting
from ops.terminal.progress import Progress


@click.command(short_help="Run everything on this machine, until Ctrl-C.")
@click.option(
    "--port",
    type=click.IntRange(1, 65534),
    default=local_stage.PORT,
    show_default=True,
    help="The local cloud's port; the mailbox takes the next one.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=local_stage.STATE,
    help="The folder for all data of the run.  [default: .local]",
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
    "--enforce-iam", is_flag=True, help="Let the functions do only what their roles allow."
)
@click.option("--webhook", default="", metavar="URL", help="The address that gets each event.")
@click.option("--quiet", is_flag=True, help="Print no line for each event and deployed change.")
def run(
    port: int,
    state: Path,
    settings: Sequence[tuple[str, str]],
    enforce_iam: bool,
    webhook: str,
    quiet: bool,
) -> None:
    """Run everything on this machine, with a local cloud and a mailbox, until Ctrl-C.

    A change in app.py, chalicelib or requirements.txt is deployed within seconds. A mistake in it
    prints one line, and the previous code keeps running. Each sign-up, mail, validation, published
    event, and warning that a function logs prints a line, too.
    """
    state = state.resolve()

    def ready(stack: local_stack.Stack, cloud: Cloud, project: Project) -> Callable[[], None]:
        _welcome(stack, state)
        return Follower(cloud, project, CHECKOUT, state, sys.stdout, quiet=quiet).look

    local_stack.run(
        CHECKOUT,
        state,
        port,
        dict(settings),
        Progress(sys.stdout),
        ready,
        enforce_iam=enforce_iam,
        webhook=webhook,
    )
    click.echo("\nStopped.")


def _welcome(stack: local_stack.Stack, state: Path) -> None:
    """Print where everything is. Lines to copy stand alone: unwrapped, uncoloured, unindented.

    click leaves the colours out where the output is no terminal.
    """
    banner = click.style(" Bienvenue ", fg="black", bg="green", bold=True)
    page, api, mailbox = (
        click.style(f"{label:<14}", fg="green") for label in ("Sign-up page", "API", "Mailbox")
    )
    user = {"prenom": "Alexis", "nom": "GÜNST HORN", "email": "alexis@example.org"}
    fields = {**user, "email": "horn@example.org"}
    item = {name: {"S": value} for name, value in fields.items()}
    local = "--stage local"
    if state != local_stage.STATE:
        local += f" --state {shlex.quote(str(state))}"
    click.echo(
        f"""
{banner} runs on this machine.

{page}{stack.api}/
{api}{stack.api}
{mailbox}{stack.mailbox}

{click.style("Sign someone up:", bold=True)}

curl -H 'content-type: application/json' -d {_quoted(user)} {stack.api}/users

{click.style("Or put an item into the table as another program does, either way:", bold=True)}

{OPS} put {local} {_quoted(fields)}

(. {shlex.quote(_short(state / "env"))} && aws dynamodb put-item --table-name {stack.table} \
--condition-expression 'attribute_not_exists(email)' --item {_quoted(item)})

Without the condition, PutItem replaces an existing user, who must then validate again.

Then read the mail in the mailbox and open its link. Ctrl-C stops everything.
"""
    )


def _short(path: Path) -> str:
    """Return ``path`` as it is typed in the checkout."""
    return str(path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path)


def _quoted(value: object) -> str:
    return shlex.quote(json.dumps(value, ensure_ascii=False))
