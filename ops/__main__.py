"""The command line: ``python -m ops run`` and ``python -m ops deploy``."""

import json
import shlex
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ops import local, preview
from ops.cloud import connect
from ops.deploy import deploy
from ops.errors import OpsError
from ops.options import setting
from ops.progress import Progress
from ops.project import Project
from ops.rest_api import FIRST_BURST, FIRST_RATE, Throttle

CHECKOUT = Path(__file__).parent.parent
PREVIEW = CHECKOUT / "build" / "preview"
INTERRUPTED = 130


class PlainGroup(click.Group):
    """Commands whose errors are told in a sentence, unless --debug asks for more."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\nInterrupted: run it again to go on from here.", err=True)
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except OpsError as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(str(error)) from error
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(
                f"{type(error).__name__}: {error}. This should not happen; "
                "with --debug before the command it says where."
            ) from error


@click.group(cls=PlainGroup)
@click.option("--debug", is_flag=True, help="Show where an error came from.")
def ops(debug: bool) -> None:
    """Run Bienvenue on this machine, and deploy it to AWS."""


@ops.command("run")
@click.option(
    "--port",
    type=click.IntRange(1, 65533),
    default=8400,
    show_default=True,
    help="The local cloud's port; the mailbox takes the next two.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=CHECKOUT / ".local",
    help="The folder to keep everything in.  [default: .local]",
)
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A setting of the stage, such as DEFAULT_LANG=en. May be repeated.",
)
@click.option(
    "--enforce-iam", is_flag=True, help="Allow the functions only what their roles do, as AWS does."
)
def run(port: int, state: Path, settings: Sequence[str], enforce_iam: bool) -> None:
    """Run everything on this machine, with a local cloud and a mailbox, until Ctrl-C."""
    local.run(
        CHECKOUT,
        state.resolve(),
        port,
        dict(setting(text, taken=local.OWN_SETTINGS) for text in settings),
        Progress(sys.stdout),
        _welcome,
        enforce_iam=enforce_iam,
    )
    click.echo("\nStopped.")


@ops.command("deploy")
@click.option("--stage", required=True, help="The Chalice stage, for instance prod.")
@click.option("--mail-from", help="Whom mail is from. The first deploy of a stage needs it.")
@click.option("--base-url", help="Where links lead, if not to the API's own address.")
@click.option(
    "--throttle-rate",
    type=click.FloatRange(0, min_open=True),
    help=f"Requests a second that each route takes.  [default: as before; at first {FIRST_RATE:g}]",
)
@click.option(
    "--throttle-burst",
    type=click.IntRange(1),
    help=f"Requests at once that each route takes.  [default: as before; at first {FIRST_BURST}]",
)
def deploy_stage(
    stage: str,
    mail_from: str | None,
    base_url: str | None,
    throttle_rate: float | None,
    throttle_burst: int | None,
) -> None:
    """Bring a stage in your AWS account to what this checkout says. Safe to run again."""
    project = Project(CHECKOUT, stage)
    progress = Progress(sys.stdout)
    with progress.step("Account") as say:
        cloud = connect()
        say(f"{cloud.account}, {cloud.region}")
    deployed = deploy(
        cloud,
        project,
        progress,
        mail_from=mail_from,
        base_url=base_url,
        throttle=Throttle(throttle_rate, throttle_burst),
    )
    click.echo(f"\n{stage} is up: {deployed.base_url}/")
    for what in deployed.left_to_do:
        click.echo(f"\nLeft for you to do: {what}")


@ops.command("preview")
@click.option("--stage", default="dev", show_default=True, help="The stage whose settings count.")
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A setting to try, such as ACCENT_COLOUR=#c2185b. May be repeated.",
)
@click.option("--open/--no-open", "opens", default=True, help="Whether to open it in a browser.")
def preview_stage(stage: str, settings: Sequence[str], opens: bool) -> None:
    """Show every page and mail, in each language, light and dark, without deploying anything."""
    environment = {**Project(CHECKOUT, stage).environment, **dict(map(setting, settings))}
    index = preview.build(PREVIEW, environment)
    click.echo(index)
    if opens:
        webbrowser.open(index.as_uri())


def _welcome(stack: local.Stack) -> None:
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


if __name__ == "__main__":
    ops(prog_name="python -m ops")
