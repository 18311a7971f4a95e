"""`console`: a web page for support people, on this machine."""

import contextlib

import click

from ops.console.desk import Desk
from ops.console.server import Console, Server
from ops.stage.errors import RunError
from ops.stage.lookup import Stage
from ops.stage.option import on_stage
from ops.users import clients


@click.command(short_help="Help users on a web page of this machine, until Ctrl-C.")
@on_stage
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The port.  [default: a free one]"
)
def console(stage: Stage, port: int) -> None:
    """Find a user on a web page, see what happened to them, and help them.

    The page can send another mail, validate, refuse, lift a refusal and delete. Only this machine
    can open it, and only at the printed address, which has a new key each time. Each act is kept in
    the user's item with the ARN of your credentials.

    Permissions: dynamodb:GetItem, dynamodb:Scan, dynamodb:UpdateItem and dynamodb:DeleteItem on the
    table of users, and dynamodb:UpdateItem on that of limits.
    """
    shown = Console(Desk(clients.users(stage), stage.cloud.aws), stage.name)
    try:
        server = Server(shown, port)
    except OSError as error:
        raise RunError(f"Port {port} is taken: choose another, or leave out --port.") from error
    with server, contextlib.suppress(KeyboardInterrupt):
        click.echo(f"The users of {stage.name}, for {stage.cloud.operator}:\n\n{server.address}\n")
        click.echo("Open it in a browser on this machine. Ctrl-C ends it.")
        server.serve_forever()
    click.echo("\nStopped.")
