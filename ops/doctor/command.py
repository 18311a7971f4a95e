"""`doctor`: whether a stage is well, a line a check, and what mends what is not."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.doctor import check
from ops.doctor import journey as journeys
from ops.doctor.check import Check, Finding, Light
from ops.doctor.checks import registry
from ops.doctor.facts import Facts
from ops.doctor.journey import Journey
from ops.stage.lookup import Stage
from ops.stage.option import on_stage
from ops.stage.project import CHECKOUT
from ops.terminal import durations
from ops.terminal.progress import Progress
from ops.terminal.text import Terminal

GLYPHS = {
    Light.GREEN: ("✓", "green"),
    Light.AMBER: ("!", "yellow"),
    Light.RED: ("✗", "bold red"),
    Light.GREY: ("·", "dim"),
}
UNBROKEN = 1000  # columns: what goes into a file or a pipe is for others to wrap
_INDENT = 31

Made = Sequence[tuple[Check, Finding]]


@click.command(
    epilog=f"Permissions: {', '.join(registry.PERMISSIONS)}; a check that lacks one is amber. "
    "Drift detection also reads, with your rights, every kind of resource in the stack. For "
    f"--send-test: {', '.join(journeys.PERMISSIONS)}."
)
@on_stage
@click.option(
    "--send-test",
    "address",
    is_flag=False,
    flag_value=journeys.SUCCESS,
    metavar="[ADDRESS]",
    help="Then sign this address up, wait until you open the link in its mail, and remove it "
    "again. Without ADDRESS, or with bounce@ or complaint@simulator.amazonses.com, SES's simulator "
    "plays its part.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it for programs instead.")
@click.pass_context
def doctor(ctx: click.Context, stage: Stage, address: str | None, as_json: bool) -> None:
    """Say whether a stage is well, and what mends it.

    Looks at everything that it stands on, from the credentials to mails that are owed for too long.
    Ends with status 1 if anything is red or the test gets stuck, else with 0. Changes nothing but
    by the test.
    """
    progress = Progress(sys.stderr if as_json else sys.stdout)
    journey = journeys.begin(stage, address, progress) if address else None
    made = _look(Facts(stage, CHECKOUT, durations.now))
    light = check.worst([finding for _, finding in made])
    if not as_json:
        width = None if sys.stdout.isatty() else UNBROKEN
        show(Terminal(highlight=False, width=width), stage.name, made)
    if journey:
        click.echo(f"\nA test with {journey.email}\n", err=as_json)
        journey.make()
        light = Light.RED if journey.stuck else light
    if as_json:
        said = _as_json(stage, light, made)
        if journey:
            said["test"] = _journey_as_json(journey)
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    elif journey:
        _show_end(journey)
    ctx.exit(light is Light.RED)


def _look(facts: Facts) -> Made:
    """All the findings, in the order of the screen; a spinner says what is still looked at."""
    found: dict[Check, Finding] = {}
    with Console(file=sys.stderr).status("Looking") as status:
        for one, finding in check.make(registry.CHECKS, facts):
            found[one] = finding
            left = [other.name for other in registry.CHECKS if other not in found]
            status.update(f"Looking: {check.listed(left)}")
    return [(one, found[one]) for one in registry.CHECKS]


def show(console: Console, stage: str, made: Made) -> None:
    """Print a line for each check. A command to copy stands alone, and is never broken."""
    group = ""
    for one, finding in made:
        glyph, colour = GLYPHS[finding.light]
        line = Table.grid()
        line.add_column(width=_INDENT)
        line.add_column(overflow="fold")
        line.add_row(
            Text.assemble(
                (f"{one.group if one.group != group else '':<11}", "bold"),
                (f"{glyph} ", colour),
                one.name,
            ),
            Text(finding.said, "" if finding.light is Light.GREEN else colour),
        )
        console.print(line)
        group = one.group
        if finding.mend:
            console.print(Padding(Text(finding.mend), (0, 0, 0, _INDENT), expand=False))
        if finding.command:
            console.print(Text(f"{'':<{_INDENT}}{finding.command}", "cyan"), soft_wrap=True)
    console.print()
    console.print(_verdict(stage, [finding.light for _, finding in made]))


def _verdict(stage: str, lights: Sequence[Light]) -> Text:
    counts = {light: lights.count(light) for light in (Light.RED, Light.AMBER) if light in lights}
    if not counts:
        return Text(f"{stage} is well.", "green")
    said = ", ".join(f"{count} {light.value}" for light, count in counts.items())
    return Text(f"{stage}: {said}.", GLYPHS[next(iter(counts))][1])


def _show_end(journey: Journey) -> None:
    if journey.stuck:
        click.echo(f"\nStuck: {journey.stuck}")
        return
    seconds = sum(hop.seconds for hop in journey.hops)
    click.echo(f"\nAll the way in {seconds:.1f} s; the test user is removed.")
    if journey.untested:
        click.echo(journey.untested)


def _journey_as_json(journey: Journey) -> dict[str, Any]:
    return {
        "email": journey.email,
        "hops": [{"name": hop.name, "seconds": round(hop.seconds, 3)} for hop in journey.hops],
        "stuck": journey.stuck,
        "untested": journey.untested,
    }


def _as_json(stage: Stage, light: Light, made: Made) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "light": light.value,
        "checks": [
            {
                "group": one.group,
                "name": one.name,
                "light": finding.light.value,
                "said": finding.said,
                "mend": finding.mend,
                "command": finding.command,
            }
            for one, finding in made
        ],
    }
