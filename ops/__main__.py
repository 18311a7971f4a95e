"""The command line: ``python -m ops``."""

import errno
import io
import os
import sys
from importlib import import_module
from typing import Any, TextIO

import click

from ops.stage.errors import OpsError
from ops.terminal.interrupts import INTERRUPTED
from ops.terminal.text import printable

COMMAND_GROUPS = {
    "On this machine": {
        "run": "ops.run.command",
        "preview": "ops.preview.command",
    },
    "On AWS": {
        "deploy": "ops.deploy.command",
        "destroy": "ops.destroy.command",
        "record": "ops.record.command",
        "package": "ops.package.command",
    },
    "Watching a stage": {
        "doctor": "ops.doctor.command",
        "logs": "ops.logs.command",
        "metrics": "ops.metrics.command",
    },
    "Helping users": {
        "users": "ops.users.command",
        "console": "ops.console.command",
        "mail": "ops.mail.command",
        "events": "ops.events.command",
        "put": "ops.put.command",
    },
}
"""The module of each command, by the group that ``--help`` shows it in."""

EXAMPLES = """
./bienvenue run
./bienvenue deploy --stage prod --mail-from hello@example.org
./bienvenue doctor --stage prod
./bienvenue users --stage prod show alexis@example.org
"""

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MODULES = {
    name: module for commands in COMMAND_GROUPS.values() for name, module in commands.items()
}


class Commands(click.Group):
    """The commands. Each is imported when it is used, and each error becomes a sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls it so
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _MODULES:
            return None
        command: click.Command = getattr(import_module(_MODULES[cmd_name]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in COMMAND_GROUPS.items():
            commands = {name: self.get_command(ctx, name) for name in names}
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (name, command.get_short_help_str(limit=80))
                        for name, command in commands.items()
                        if command
                    ],
                    col_max=12,
                )
        with formatter.section("Examples"):
            for example in EXAMPLES.strip().splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")

    def main(self, *args: Any, **extra: Any) -> Any:
        _replace_closed_streams()
        _choose_encodings()
        if os.environ.get("NO_COLOR"):  # https://no-color.org; rich reads it too
            extra["color"] = False
        return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except KeyboardInterrupt:
            click.echo("\nInterrupted. You can run it again safely.", err=True)
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except click.Abort as error:  # commands ask before they change anything
            raise click.ClickException("You did not confirm: nothing was done.") from error
        except BrokenPipeError:
            # A reader such as `head` has closed the pipe. That is not an error.
            _discard(sys.stdout)
            ctx.exit()
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(printable(_message(error), lines=True)) from error


def _message(error: Exception) -> str:
    """Return what happened and what to do about it."""
    if isinstance(error, OpsError):
        return str(error)
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}. Fix that, or name another file."
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        _discard(sys.stdout)
        return f"The output cannot be written: {error.strerror}."
    return (
        f"{type(error).__name__}: {error}. This is a bug in Bienvenue. "
        "Put --debug before the command to see where it happened."
    )


def _replace_closed_streams() -> None:
    """Open the null device for each standard stream that was closed (``<&-``, ``>&-``)."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            null_device = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(null_device, mode, encoding="utf-8"))


def _choose_encodings() -> None:
    """Write UTF-8 to files and pipes; replace what a terminal's encoding does not have."""
    for out in (sys.stdout, sys.stderr):
        if isinstance(out, io.TextIOWrapper):
            if out.isatty():
                out.reconfigure(errors="replace")
            else:
                out.reconfigure(encoding="utf-8", errors="surrogateescape")


def _discard(out: TextIO) -> None:
    """Send what ``out`` still holds to the null device; else Python fails to write it at exit.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    null_device = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null_device, out.fileno())
    os.close(null_device)


@click.group(cls=Commands)
@click.option("--debug", is_flag=True, help="Show where an error happened.")
def ops(debug: bool) -> None:
    """Run Bienvenue on this machine, and deploy it to AWS."""


if __name__ == "__main__":
    ops(prog_name="python -m ops")
