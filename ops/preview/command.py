"""`preview`: every page and mail, in a browser or in the operator's own mailbox."""

import webbrowser
from collections.abc import Sequence

import click

from ops.preview import gallery, sending
from ops.stage import lookup, samples
from ops.stage.project import CHECKOUT, Project
from ops.terminal.option_types import Setting

FOLDER = CHECKOUT / "build" / "preview"


@click.command(short_help="Show every page and mail, without deploying anything.")
@click.option("--stage", default="dev", show_default=True, help="The stage whose settings to use.")
@click.option(
    "--set",
    "settings",
    type=Setting(),
    metavar="NAME=VALUE",
    multiple=True,
    help="A setting to try, such as ACCENT_COLOUR=#c2185b. May be repeated.",
)
@click.option(
    "--send",
    "recipient",
    metavar="ADDRESS",
    help="Send every mail to your own address instead, from the stage's MAIL_FROM.",
)
@click.option("--lang", help="With --send: only the mails in this language.")
@click.option("--open/--no-open", "opens", default=True, help="Open it in a browser.")
def preview(
    stage: str, settings: Sequence[tuple[str, str]], recipient: str, lang: str, opens: bool
) -> None:
    """Show every page and mail: in each language, light and dark, narrow and wide."""
    environment = {**Project(CHECKOUT, stage).environment, **dict(settings)}
    if recipient:
        read = samples.read(environment)
        mails = [mail for mail in samples.make(read) if not lang or mail.lang == lang]
        number = sum(mail.mail is not None for mail in mails)
        minutes = max(round(number * sending.PAUSE / 60), 1)
        click.confirm(
            f"Send {number} mails to {recipient} (about {minutes} min)?", abort=True, err=True
        )
        ses = lookup.account().session.client("sesv2")
        count = sending.send(ses, read, mails, recipient)
        click.echo(f"{count} mails are on their way to {recipient}.")
        return
    index = gallery.build(FOLDER, environment)
    click.echo(index)
    if opens:
        webbrowser.open(index.as_uri())
