"""The command `doctor`: a line for each check of a stage, and how to fix it."""

import sys
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.doctor import check
from ops.doctor.check import Check, Finding, Light
from ops.doctor.checks import registry
from ops.doctor.facts import Facts
from ops.doctor.journey import PERMISSIONS, SUCCESS, Journey, begin
from ops.stage.lookup import Stage
from ops.stage.option import on_stage
from ops.stage.project import CHECKOUT
from ops.terminal import durations, text
from ops.terminal.progress import Progress
from ops.terminal.text import Terminal

GLYPHS = {
    Light.GREEN: ("✓", "green"),
    Light.AMBER: ("!", "yellow"),
    Light.RED: ("✗", "bold red"),
    Light.GREY: ("·", "dim"),
}
UNBROKEN = 1000  # columns, for files and pipes: a line there is never wrapped
_INDENT = 31

Report = Sequence[tuple[Check, Finding]]


@click.command(
    epilog=f"Permissions: {', '.join(registry.PERMISSIONS)}. A check without its permission is "
    "amber. Drift detection also reads every kind of resource in the stack. For "
    f"--send-test: {', '.join(PERMISSIONS)}."
)
@on_stage
@click.option(
    "--send-test",
    "address",
    is_flag=False,
    flag_value=SUCCESS,
    metavar="[ADDRESS]",
    help="Also sign up this address, wait until you open the link in the mail, and delete the "
    "user again. Without ADDRESS, the mail goes to SES's simulator; bounce@ and "
    "complaint@simulator.amazonses.com work too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_context
def doctor(ctx: click.Context, stage: Stage, address: str | None, as_json: bool) -> None:
    """Check a stage, and say how to fix what is wrong.

    The checks go from the credentials to mails that have been owed for too long. The exit status is
    1 if anything is red or the test gets stuck, else 0. Only the test changes anything.
    """
    progress = Progress(sys.stderr if as_json else sys.stdout)
    journey = begin(stage, address, progress) if address else None
    report = _run_checks(Facts(stage, CHECKOUT, durations.now))
    light = check.worst([finding for _, finding in report])
    if not as_json:
        width = None if sys.stdout.isatty() else UNBROKEN
        show(Terminal(highlight=False, width=width), stage.name, report)
    if journey:
        click.echo(f"\nA test with {journey.email}\n", err=as_json)
        journey.make()
        light = Light.RED if journey.stuck else light
    if as_json:
        content = _as_json(stage, light, report)
        if journey:
            content["test"] = _journey_as_json(journey)
        click.echo(text.as_json(content, indent=2))
    elif journey:
        _show_end(journey)
    ctx.exit(light is Light.RED)


def _run_checks(facts: Facts) -> Report:
    """Return all findings in the order of the report. A spinner names the checks that still run."""
    findings: dict[Check, Finding] = {}
    with Console(file=sys.stderr).status("Checking") as status:
        for done, finding in check.run(registry.CHECKS, facts):
            findings[done] = finding
            running = [other.name for other in registry.CHECKS if other not in findings]
            status.update(f"Checking: {check.listed(running)}")
    return [(done, findings[done]) for done in registry.CHECKS]


def show(console: Console, stage: str, report: Report) -> None:
    """Print a line for each check. Commands stand on lines of their own, which never wrap."""
    group = ""
    for done, finding in report:
        glyph, colour = GLYPHS[finding.light]
        line = Table.grid()
        line.add_column(width=_INDENT)
        line.add_column(overflow="fold")
        line.add_row(
            Text.assemble(
                (f"{done.group if done.group != group else '':<11}", "bold"),
                (f"{glyph} ", colour),
                done.name,
            ),
            Text(finding.text, "" if finding.light is Light.GREEN else colour),
        )
        console.print(line)
        group = done.group
        if finding.fix:
            console.print(Padding(Text(finding.fix), (0, 0, 0, _INDENT), expand=False))
        if finding.command:
            console.print(Text(f"{'':<{_INDENT}}{finding.command}", "cyan"), soft_wrap=True)
    console.print()
    console.print(_verdict(stage, [finding.light for _, finding in report]))


def _verdict(stage: str, lights: Sequence[Light]) -> Text:
    counts = {light: lights.count(light) for light in (Light.RED, Light.AMBER) if light in lights}
    if not counts:
        return Text(f"{stage} is well.", "green")
    summary = ", ".join(f"{count} {light.value}" for light, count in counts.items())
    return Text(f"{stage}: {summary}.", GLYPHS[next(iter(counts))][1])


def _show_end(journey: Journey) -> None:
    if journey.stuck:
        click.echo(f"\nStuck: {journey.stuck}")
        return
    seconds = sum(hop.seconds for hop in journey.hops)
    click.echo(f"\nThe whole journey took {seconds:.1f} s. The test user is deleted.")
    if journey.untested:
        click.echo(journey.untested)


def _journey_as_json(journey: Journey) -> dict[str, Any]:
    return {
        "email": journey.email,
        "hops": [{"name": hop.name, "seconds": round(hop.seconds, 3)} for hop in journey.hops],
        "stuck": journey.stuck,
        "untested": journey.untested,
    }


def _as_json(stage: Stage, light: Light, report: Report) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "light": light.value,
        "checks": [
            {
                "group": done.group,
                "name": done.name,
                "light": finding.light.value,
                "said": finding.text,
                "mend": finding.fix,
                "command": finding.command,
            }
            for done, finding in report
        ],
    }
