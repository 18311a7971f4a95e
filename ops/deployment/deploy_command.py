"""`deploy`: a stage in the operator's account."""

import sys

import click

from ops.deployment import deploy as deployment
from ops.deployment import function_logs
from ops.deployment.deploy import Options
from ops.deployment.rest_api import FIRST_BURST, FIRST_RATE, Throttle
from ops.stage.option import in_account
from ops.terminal.option_types import Rate
from ops.terminal.progress import Progress


@click.command()
@click.option("--stage", required=True, help="The Chalice stage, for instance prod.")
@click.option("--mail-from", help="Whom mail is from. The first deploy of a stage needs it.")
@click.option("--base-url", help="Where links lead, if not to the API's own address.")
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
    "--alarms-to", help="Whom alarms are mailed to, nobody if empty.  [default: as before]"
)
@click.option(
    "--log-days",
    type=click.Choice([str(days) for days in function_logs.DAYS]),
    metavar="DAYS",
    help="How long logs are kept, one of CloudWatch's choices such as 30, 365 or 3653.  "
    f"[default: as before; at first {function_logs.FIRST_DAYS}]",
)
def deploy(
    stage: str,
    mail_from: str | None,
    base_url: str | None,
    throttle_rate: float | None,
    throttle_burst: int | None,
    alarms_to: str | None,
    log_days: str | None,
) -> None:
    """Bring a stage in your AWS account to what this checkout says. Safe to run again.

    Permissions: docs/policies/deploy.json.
    """
    progress = Progress(sys.stdout)
    cloud, project = in_account(stage, progress)
    options = Options(
        mail_from=mail_from,
        base_url=base_url,
        throttle=Throttle(throttle_rate, throttle_burst),
        alarms_to=alarms_to,
        log_days=int(log_days) if log_days else None,
    )
    deployed = deployment.deploy(cloud, project, options, progress)
    click.echo(f"\n{stage} is up: {deployed.base_url}/")
    for task in deployed.left_to_do:
        click.echo(f"\nLeft for you to do: {task}")
