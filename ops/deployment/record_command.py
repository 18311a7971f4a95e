"""`record`: Chalice's record of a stage, made again from the account."""

import sys

import click

from ops.deployment import chalice_record
from ops.deployment.preconditions import check_stage
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.option import in_account
from ops.terminal.progress import Progress


@click.command(short_help="Let `chalice deploy` work in this checkout.")
@click.option("--stage", required=True, help="The Chalice stage, for instance prod.")
def record(stage: str) -> None:
    """Write Chalice's record of a stage from your AWS account, so that `chalice deploy` works in
    this checkout.

    Chalice keeps its record in .chalice/deployed, which is not in git. Without it, `chalice deploy`
    makes what exists already, and stops. Safe to run again; it changes nothing in the account.

    Permissions: docs/policies/ship-code.json.
    """
    progress = Progress(sys.stdout)
    cloud, project = in_account(stage, progress)
    with progress.step("Chalice's record") as say, in_plain_words():
        check_stage(project, cloud)
        stream = project.environment.get("USERS_STREAM_ARN")
        if not stream:
            raise OpsError(
                f"This checkout knows of no deployed stage {stage}: fetch the .chalice/config.json "
                "of who deployed it, or deploy it with: "
                f"make deploy STAGE={stage} MAIL_FROM=<address>"
            )
        functions = chalice_record.ensure(cloud, project, stream)
        if not functions:
            raise OpsError(
                f"The account has no functions of {stage}: deploy it, with: "
                f"make deploy STAGE={stage}"
            )
        say(f"{len(functions)} functions")
    click.echo(f"\nFrom now on this checkout can: chalice deploy --stage {stage}")
