"""The options by which a command is told which stage it is about."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from ops import local, stage
from ops.project import CHECKOUT

R = TypeVar("R")


def on_stage(command: Callable[..., R]) -> Callable[..., R]:
    """Give ``command`` a deployed Stage as its first argument, and the options that say which."""

    @click.option(
        "--stage",
        "name",
        required=True,
        help=f"The Chalice stage, for instance prod; {local.STAGE} is what `make run` runs.",
    )
    @click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        default=CHECKOUT / ".local",
        help=f"For --stage {local.STAGE}: the folder that the run keeps everything in.  "
        "[default: .local]",
    )
    @wraps(command)
    def with_stage(*, name: str, state: Path, **options: Any) -> R:
        return command(stage.find(CHECKOUT, name, state), **options)

    return with_stage
