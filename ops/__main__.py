"""The command line: ``python -m ops``."""

from typing import Any

import click

from ops.commands.deploy import deploy
from ops.commands.destroy import destroy
from ops.commands.doctor import doctor
from ops.commands.logs import logs
from ops.commands.metrics import metrics
from ops.commands.preview import preview
from ops.commands.run import run
from ops.commands.users import users
from ops.errors import OpsError

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


@click.group(cls=PlainGroup, commands=[run, deploy, doctor, logs, metrics, users, preview, destroy])
@click.option("--debug", is_flag=True, help="Show where an error came from.")
def ops(debug: bool) -> None:
    """Run Bienvenue on this machine, and deploy it to AWS."""


if __name__ == "__main__":
    ops(prog_name="python -m ops")
