"""`preview`: every page and mail, in a browser."""

import webbrowser
from collections.abc import Sequence

import click

from ops.preview import gallery as previews
from ops.stage.project import CHECKOUT, Project
from ops.terminal.option_types import Setting

FOLDER = CHECKOUT / "build" / "preview"


@click.command(short_help="Show every page and mail, without deploying anything.")
@click.option("--stage", default="dev", show_default=True, help="The stage whose settings count.")
@click.option(
    "--set",
    "settings",
    type=Setting(),
    metavar="NAME=VALUE",
    multiple=True,
    help="A setting to try, such as ACCENT_COLOUR=#c2185b. May be repeated.",
)
@click.option("--open/--no-open", "opens", default=True, help="Whether to open it in a browser.")
def preview(stage: str, settings: Sequence[tuple[str, str]], opens: bool) -> None:
    """Show every page and mail, in each language, light and dark, without deploying anything."""
    environment = {**Project(CHECKOUT, stage).environment, **dict(settings)}
    index = previews.build(FOLDER, environment)
    click.echo(index)
    if opens:
        webbrowser.open(index.as_uri())
