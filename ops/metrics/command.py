"""The command `metrics`: the funnel, counted from the table."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chalicelib.users.item import UNVALIDATED_LIFE
from ops.metrics import chart, funnel
from ops.metrics.funnel import Durations, Funnel, Metrics, share
from ops.stage.aws_errors import in_plain_words
from ops.stage.lookup import Stage
from ops.stage.option import on_stage
from ops.terminal import durations, text
from ops.terminal.text import Terminal
from ops.users import clients

WIDEST_BAR = 40
_REMINDED = (
    ("Reminded", "reminded", "signed_up", ""),
    ("Validated, of those reminded", "validated_after_reminder", "reminded", "green"),
)
_WELCOMED = (("Welcomed, of those validated", "welcomed", "validated", ""),)
"""The rows that only stages with reminders or welcomes have."""
BARS = {"validated": ("█", "green"), "mailed": ("▒", "blue"), "neither": ("░", "yellow")}


@click.command()
@on_stage
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=30,
    show_default=True,
    help="The number of days to show, including today.",
)
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="FILE",
    help="Also draw the days into this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def metrics(stage: Stage, days: int, svg: Path | None, as_json: bool) -> None:
    """Show how many users signed up, got mail and validated, and how soon.

    This reads the whole table of users once.

    Permissions: dynamodb:Scan on the table.
    """
    if svg:  # fail before a large table is counted
        svg.parent.mkdir(parents=True, exist_ok=True)
        svg.open("a").close()
    counts = _count(stage, days)
    if svg:
        title = f"Sign-ups of {stage.project.app_name} {stage.name} by day"
        svg.write_text(chart.draw(counts, title), encoding="utf-8")
    if as_json:
        click.echo(text.as_json({"stage": stage.name, **funnel.as_json(counts)}, indent=2))
    else:
        show(Terminal(highlight=False), counts, days)
        if svg:
            click.echo(f"\nDrawn into {svg}")


def _count(stage: Stage, days: int) -> Metrics:
    counted = Metrics.of_days(days, durations.now())
    users = clients.users(stage)
    status = Console(stderr=True).status(f"Counting {stage.users_table}")

    def report(count: int) -> None:
        status.update(f"Counting {stage.users_table}: {count:,} users")

    with in_plain_words(), status:
        return funnel.count(users.pages(funnel.ATTRIBUTES), counted, report)


def show(console: Console, metrics: Metrics, days: int) -> None:
    """Print the funnel, the times, and a bar for each day."""
    console.print(_funnel(metrics, days))
    console.print()
    console.print(_times("Sign-up to mail", metrics.to_mail), soft_wrap=True)
    console.print(_times("Mail to mailbox", metrics.to_delivery), soft_wrap=True)
    console.print(_times("Mail to validation", metrics.to_validation), soft_wrap=True)
    if metrics.others.signed_up:
        console.print(
            f"\n{metrics.others.signed_up:,} of all users came from imports and other programs. "
            "No day includes them."
        )
    console.print()
    console.print(_legend(), soft_wrap=True)
    console.print(_bars(metrics))
    if not metrics.is_whole(metrics.first_day):
        console.print(
            f"Users who do not confirm are deleted after {UNVALIDATED_LIFE.days} days. Dim days "
            "count only the users who are left.",
            style="dim",
        )


def _funnel(metrics: Metrics, days: int) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_column()
    for _ in range(4):
        table.add_column(justify="right")
    recently = f"last {days} days" if days > 1 else "today"
    table.add_row("", Text("all users", "bold"), "", Text(recently, "bold"), "")
    all_users, recent = metrics.everybody, metrics.recent
    for name, field, of, style in (
        ("Signed up", "signed_up", "", ""),
        ("Mailed", "mailed", "signed_up", ""),
        ("Delivered, of those mailed", "delivered", "mailed", ""),
        ("Validated", "validated", "signed_up", "green"),
        ("Mail under way", "owed", "signed_up", ""),
        ("Failed", "failed", "signed_up", "red"),
        ("Bounced, of those mailed", "bounced", "mailed", "red"),
        ("Complained, of those mailed", "complained", "mailed", "red"),
        ("Refused", "refused", "signed_up", "red"),
        *(_REMINDED if all_users.reminded else ()),
        *(_WELCOMED if all_users.welcomed else ()),
    ):
        cells = [cell for part in (all_users, recent) for cell in _cells(part, field, of, style)]
        table.add_row(name, *cells)
    return table


def _cells(counts: Funnel, field: str, of: str, style: str) -> tuple[Text, Text]:
    count: int = getattr(counts, field)
    part = share(count, getattr(counts, of)) if of else None
    shown = "" if part is None else f"{part:.1f} %"
    return Text(f"{count:,}", style if count else "dim"), Text(shown, "" if count else "dim")


def _times(name: str, measured: Durations) -> Text:
    half, most = measured.quantile(0.5), measured.quantile(0.9)
    if half is None or most is None:
        return Text(f"{name:<20}none yet")
    return Text.assemble(
        f"{name:<20}median ",
        (durations.words(half), "bold"),
        f", 90 % within {durations.words(most)}",
        (f"  ({measured.count:,} measured)", "dim"),
    )


def _legend() -> Text:
    legend = Text("Sign-ups by day (UTC)")
    for words_, kind in (
        ("validated", "validated"),
        ("mailed, not validated", "mailed"),
        ("not mailed", "neither"),
    ):
        glyph, colour = BARS[kind]
        legend.append(f"   {glyph} ", colour).append(words_)
    return legend


def _bars(metrics: Metrics) -> Table:
    most = max(day.signed_up for day in metrics.days.values())
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for day, counts in metrics.days.items():
        dim = "" if metrics.is_whole(day) else "dim"
        people = Text(f"{counts.signed_up:,}", dim) if counts.signed_up else Text("·", "dim")
        table.add_row(Text(f"{day:%a %d %b}", dim), people, _bar(counts, most, dim))
    return table


def _bar(counts: Funnel, most: int, dim: str) -> Text:
    """Return a day's bar. Its parts are rounded so that the whole bar has the right length."""
    bar, drawn, so_far = Text(), 0, 0
    for kind, people in chart.parts(counts).items():
        glyph, colour = BARS[kind]
        so_far += people
        end = round(WIDEST_BAR * so_far / most) if most else 0
        bar.append(glyph * (end - drawn), f"{dim} {colour}".strip())
        drawn = end
    return bar
