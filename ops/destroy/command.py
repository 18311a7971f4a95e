"""`destroy`: a stage taken down."""

import sys

import click

from ops.destroy import destruction
from ops.stage.errors import OpsError
from ops.stage.option import in_account
from ops.terminal.progress import Progress

PROMPT_FOR_NAME = "?"


@click.command(short_help="Remove a stage from your AWS account, but keep its users.")
@click.option("--stage", required=True, help="The Chalice stage, for instance demo.")
@click.option("--yes", is_flag=True, help="Do not ask for the stage's name.")
@click.option(
    "--delete-users",
    metavar="[TABLE]",
    is_flag=False,
    flag_value=PROMPT_FOR_NAME,
    help="Also delete the users' table. Confirm with the table's name, here or when asked.",
)
def destroy(stage: str, yes: bool, delete_users: str | None) -> None:
    """Remove a stage from your AWS account: page, API, functions, logs and alarms. Its users stay,
    unless you say otherwise. Safe to run again.

    Permissions: docs/policies/destroy.json.
    """
    progress = Progress(sys.stdout)
    cloud, project = in_account(stage, progress)
    if not yes:
        _confirm(f"This removes {stage} for good. Type its name to continue", stage)
    if delete_users == PROMPT_FOR_NAME:
        delete_users = click.prompt(
            f"This deletes all users in {project.users_table}. Type its name to continue"
        )
    if delete_users is not None and delete_users != project.users_table:
        raise OpsError(
            f"The table of {stage} is {project.users_table}, not {delete_users}: nothing was done."
        )
    left = destruction.destroy(cloud, project, progress, delete_users=delete_users is not None)
    click.echo(f"\n{stage} is removed.")
    for resource in left:
        click.echo(f"\n{resource}")


def _confirm(question: str, answer: str) -> None:
    if click.prompt(question) != answer:
        raise OpsError(f"That is not {answer}: nothing was done.")
