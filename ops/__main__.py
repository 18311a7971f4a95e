"""The command line: ``python -m ops``."""

import errno
import os
import sys
from typing import Any, TextIO

import click

from ops.deployment.deploy_command import deploy
from ops.deployment.destroy_command import destroy
from ops.doctor.command import doctor
from ops.logs.command import logs
from ops.metrics.command import metrics
from ops.preview.command import preview
from ops.run.command import run
from ops.stage.errors import OpsError
from ops.terminal.interrupts import INTERRUPTED
from ops.users.command import users

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class PlainGroup(click.Group):
    """Commands whose errors are told in a sentence, unless --debug asks for more."""

    def invoke(self, ctx: click.Context) -> Any:
        _open_what_is_closed()
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
            return done
        except KeyboardInterrupt:
            click.echo("\nInterrupted. It is safe to run again.", err=True)
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except click.Abort as error:  # of a question, and those are asked before anything is done
            raise click.ClickException("That was not confirmed: nothing was done.") from error
        except OpsError as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            # Whoever reads it, such as `head`, has had enough; that is nobody's failure.
            _discard(sys.stdout)
            ctx.exit()
        except Exception as error:
            if ctx.params["debug"]:
                raise
            if isinstance(error, OSError) and (said := _in_plain_words(error)):
                raise click.ClickException(said) from error
            raise click.ClickException(
                f"{type(error).__name__}: {error}. This should not happen; "
                "with --debug before the command it says where."
            ) from error


def _in_plain_words(error: OSError) -> str:
    """What to do about a file or the output, if that is what ``error`` is about."""
    if error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}. Put that right, or name another."
    if error.errno in _NO_ROOM:
        _discard(sys.stdout)
        return f"The output could not be written: {error.strerror}."
    return ""


def _open_what_is_closed() -> None:
    """Give a program that was started with its input or output closed (``<&-``, ``>&-``) one that
    leads nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))


def _discard(out: TextIO) -> None:
    """Let what ``out`` still holds go nowhere, or Python's own end fails in writing it.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, out.fileno())
    os.close(nowhere)


@click.group(cls=PlainGroup, commands=[run, deploy, doctor, logs, metrics, users, preview, destroy])
@click.option("--debug", is_flag=True, help="Show where an error came from.")
def ops(debug: bool) -> None:
    """Run Bienvenue on this machine, and deploy it to AWS."""


if __name__ == "__main__":
    ops(prog_name="python -m ops")
