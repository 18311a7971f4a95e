"""`record`: Chalice's record of a stage, made again from the account."""

import sys

import click

from ops.resources.functions import chalice_record
from ops.resources.settings import shared_settings
from ops.stage import home
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.option import in_account
from ops.terminal.progress import Progress


@click.command(short_help="Let `chalice deploy` work in this checkout.")
@click.option("--stage", required=True, help="The Chalice stage, for instance prod.")
def record(stage: str) -> None:
    """Write a stage's settings and Chalice's record from your AWS account, so that `chalice deploy`
    and all other commands work in this checkout.

    The settings are in stages/, and Chalice's record is in .chalice/deployed. Neither is in git.
    Without its record, `chalice deploy` makes what exists already, and stops. Safe to run again; it
    changes nothing in the account.

    Permissions: docs/policies/ship-code.json.
    """
    progress = Progress(sys.stdout)
    cloud, project = in_account(stage, progress)
    with progress.step("Chalice's record") as say, in_plain_words():
        if not shared_settings.download(cloud.session.client("ssm"), project):
            raise OpsError(
                f"Neither this checkout nor the account has settings of a stage {stage}. "
                "Deploy it with: " + cloud.command(f"make deploy STAGE={stage} MAIL_FROM=<address>")
            )
        home.check(project, cloud)
        stream = project.environment["USERS_STREAM_ARN"]
        functions = chalice_record.ensure(cloud, project, stream)
        if not functions:
            raise OpsError(
                f"The account has no functions of {stage}. Deploy it with: "
                + cloud.command(f"make deploy STAGE={stage}")
            )
        say(f"{len(functions)} functions")
    ship = cloud.command(f".venv/bin/chalice deploy --stage {stage}")
    click.echo(f"\nThis checkout can now ship code: {ship}")
