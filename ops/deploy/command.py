"""`deploy`: a stage in the operator's account."""

import sys
from datetime import datetime, timezone
from textwrap import indent

import click

from ops.deploy import deployment, report
from ops.deploy.deployment import Options
from ops.deploy.readiness import Readiness
from ops.deploy.trial import Transcript, Trial
from ops.doctor.check import Finding, Light, worst
from ops.doctor.command import GLYPHS
from ops.resources.api import client_limit
from ops.resources.api.rest_api import (
    FIRST_BURST,
    FIRST_RATE,
    FIRST_SIGN_UP_BURST,
    FIRST_SIGN_UP_RATE,
    Throttle,
)
from ops.resources.functions import function_logs
from ops.resources.settings import event_bus
from ops.resources.settings.event_bus import EventOptions
from ops.stage.cloud import Cloud
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.option import in_account
from ops.stage.project import CHECKOUT, Project
from ops.terminal import interrupts
from ops.terminal.option_types import PerIpRate, Rate
from ops.terminal.progress import Progress


@click.command()
@click.option("--stage", required=True, help="The Chalice stage, for instance prod.")
@click.option(
    "--mail-from", help="The address that sends mail. The first deploy of a stage needs it."
)
@click.option("--base-url", help="The address that links use, if it is not the API's own.")
@click.option(
    "--domain",
    help="Your own domain for pages and links, such as hello.example.org. Each deploy says which "
    "DNS record is missing, and the next one goes on; empty for none.  [default: as before]",
)
@click.option(
    "--mail-from-domain",
    default="",
    help="The subdomain that gets bounces, such as bounce.example.org: SPF then counts for your "
    "domain.  [default: as before; at first SES's own]",
)
@click.option(
    "--throttle-rate",
    type=Rate(),
    help=f"Requests a second that each route takes.  [default: as before; at first {FIRST_RATE:g}]",
)
@click.option(
    "--throttle-burst",
    type=click.IntRange(1),
    help=f"Requests at once that each route takes.  [default: as before; at first {FIRST_BURST}]",
)
@click.option(
    "--sign-up-rate",
    type=Rate(),
    help="Sign-ups a second that the API takes, and as many resends.  "
    f"[default: as before; at first {FIRST_SIGN_UP_RATE:g}]",
)
@click.option(
    "--sign-up-burst",
    type=click.IntRange(1),
    help="Sign-ups at once that the API takes, and as many resends.  "
    f"[default: as before; at first {FIRST_SIGN_UP_BURST}]",
)
@click.option(
    "--alarms-to", help="The address that gets alarms; empty for none.  [default: as before]"
)
@click.option(
    "--log-days",
    type=click.Choice([str(days) for days in function_logs.DAYS]),
    metavar="DAYS",
    help="How long CloudWatch keeps logs: one of its choices such as 30, 365 or 3653.  "
    f"[default: as before; at first {function_logs.FIRST_DAYS}]",
)
@click.option(
    "--events/--no-events",
    default=None,
    help="Publish each validation, refusal, bounce, complaint and deletion on an EventBridge bus.  "
    "[default: as before; at first not]",
)
@click.option(
    "--webhook",
    metavar="URL",
    help="Also send each event to this address; empty for none.  [default: as before]",
)
@click.option(
    "--webhook-rate",
    type=click.IntRange(1, event_bus.MAX_RATE),
    help="The most events that the webhook gets in a second.  "
    f"[default: as before; at first {event_bus.FIRST_RATE}]",
)
@click.option(
    "--per-ip-rate",
    type=PerIpRate(client_limit.FEWEST),
    metavar="POSTS",
    help="POSTs that one IP address may send in five minutes, by AWS WAF, which has a price: at "
    f"least {client_limit.FEWEST}, or 0 for no limit.  [default: as before; at first 0]",
)
@click.option(
    "--check",
    is_flag=True,
    help="Only check that the account and this checkout are ready, and change nothing.",
)
@click.option(
    "--then-destroy",
    is_flag=True,
    help="Try a new stage and remove it again with all its users: deploy, doctor, mails to SES's "
    "simulator. Takes minutes, costs cents, and writes a report for an issue.",
)
def deploy(
    stage: str,
    mail_from: str | None,
    base_url: str | None,
    domain: str | None,
    mail_from_domain: str,
    throttle_rate: float | None,
    throttle_burst: int | None,
    sign_up_rate: float | None,
    sign_up_burst: int | None,
    alarms_to: str | None,
    log_days: str | None,
    events: bool | None,
    webhook: str | None,
    webhook_rate: int | None,
    per_ip_rate: int | None,
    check: bool,
    then_destroy: bool,
) -> None:
    """Deploy this checkout to a stage in your AWS account. Safe to run again.

    Permissions: docs/policies/deploy.json, and client-limit.json for --per-ip-rate,
    deploy-events.json for events, domain.json for --domain and --mail-from-domain. With
    --then-destroy also docs/policies/destroy.json, and what doctor and doctor --send-test need.
    --check tests them with iam:SimulatePrincipalPolicy.
    """
    progress = Progress(sys.stdout)
    cloud, project = in_account(stage, progress)
    options = Options(
        mail_from=mail_from,
        base_url=base_url,
        domain=domain,
        mail_from_domain=mail_from_domain,
        throttle=Throttle(throttle_rate, throttle_burst, sign_up_rate, sign_up_burst),
        alarms_to=alarms_to,
        log_days=int(log_days) if log_days else None,
        events=EventOptions(events, webhook, webhook_rate),
        per_ip_rate=per_ip_rate,
    )
    if check:
        _check(cloud, project, options)
        return
    if then_destroy:
        _try_out(cloud, project, options)
        return
    deployed = deployment.deploy(cloud, project, options, progress)
    click.echo(f"\n{stage} is deployed: {deployed.base_url}/")
    for name, value in deployed.package.items():
        click.echo(f"Its package: {name} {value or 'unknown'}")
    for task in deployed.left_to_do:
        click.echo(f"\nFor you to do: {task}")
    click.echo(f"\nCheck that all is well:\n\n{Stage(cloud, project).ops('doctor')}")


def _try_out(cloud: Cloud, project: Project, options: Options) -> None:
    """Try the stage, and write the report. The status is 1 if any part failed."""
    look = _readiness(cloud, project, options).findings
    trial = Trial(cloud, project, options, look, Transcript(sys.stdout))
    path = CHECKOUT / "build" / f"{project.stage}.md"
    try:
        with interrupts.raised():
            trial.run()
    finally:
        if trial.parts:
            path.parent.mkdir(exist_ok=True)
            path.write_text(report.markdown(trial), encoding="utf-8")
            click.echo(f"\nThe report, to paste into an issue: {path}")
    if trial.failed:
        raise OpsError(f"These parts failed: {', '.join(trial.failed)}. The report says why.")


def _readiness(cloud: Cloud, project: Project, options: Options) -> Readiness:
    return Readiness(
        cloud,
        project,
        options.mail_from or project.environment.get("MAIL_FROM", ""),
        datetime.now(timezone.utc),
        lambda: deployment.check(cloud, project, options),
        _policies(project, options),
    )


def _policies(project: Project, options: Options) -> list[str]:
    """Return the names of the policies in docs/policies that a deploy with ``options`` needs."""
    wish = options.events
    has_events = (
        wish.is_on
        or wish.webhook
        or (project.environment.get(event_bus.SETTING) and wish.is_on is None)
    )
    has_domain = options.domain or options.mail_from_domain or project.domain
    more = {"deploy-events": has_events, "client-limit": options.per_ip_rate, "domain": has_domain}
    return ["deploy", *(name for name, is_needed in more.items() if is_needed)]


def _check(cloud: Cloud, project: Project, options: Options) -> None:
    """Print a line a check. The status is 1 if a deploy would not work."""
    findings: list[Finding] = []
    for name, finding in _readiness(cloud, project, options).findings():
        findings.append(finding)
        click.echo(f"{GLYPHS[finding.light][0]} {name}: {finding.text}")
        for more in filter(None, (finding.fix, finding.command)):
            click.echo(indent(more, "    "))
    light = worst(findings)
    if light is Light.RED:
        click.echo("\nNot ready. Nothing was changed.")
        sys.exit(1)
    click.echo(
        f"\nReady{', except lines with !' if light is Light.AMBER else ''}. Nothing was changed."
    )
