"""The options that name a stage, and the stage that they name."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from ops.stage import local_stage, lookup
from ops.stage.cloud import Cloud
from ops.stage.project import CHECKOUT, Project
from ops.terminal.progress import Progress

R = TypeVar("R")


def on_stage(command: Callable[..., R]) -> Callable[..., R]:
    """Give ``command`` a deployed Stage as its first argument, and the options that say which."""

    @click.option(
        "--stage",
        "name",
        required=True,
        help=f"The Chalice stage, for instance prod; {local_stage.STAGE} is what `make run` runs.",
    )
    @click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        default=local_stage.STATE,
        help=f"For --stage {local_stage.STAGE}: the folder with the data of the run.  "
        "[default: .local]",
    )
    @wraps(command)
    def with_stage(*, name: str, state: Path, **options: Any) -> R:
        return command(lookup.find(CHECKOUT, name, state), **options)

    return with_stage


def on_group(group: Callable[[], None]) -> Callable[..., None]:
    """Let the options that say which stage stand before the command, too.

    They become its defaults, so that ``users list --help`` needs no stage.
    """

    @click.option("--stage", "name", help="The Chalice stage; it may also follow the command.")
    @click.option("--state", type=click.Path(path_type=Path, file_okay=False), hidden=True)
    @click.pass_context
    @wraps(group)
    def with_defaults(ctx: click.Context, /, **options: object) -> None:
        stage = {option: value for option, value in options.items() if value is not None}
        ctx.default_map = dict.fromkeys(cast(click.Group, ctx.command).commands, stage)

    return with_defaults


def in_account(name: str, progress: Progress) -> tuple[Cloud, Project]:
    """Return the account of the stage ``name``, and what the checkout knows of the stage.

    Print the account as a step. Raise OpsError.
    """
    lookup.check_name(name)
    with progress.step("Account") as say:
        cloud = lookup.account()
        say(f"{cloud.account}, {cloud.region}")
    return cloud, Project(CHECKOUT, name)
