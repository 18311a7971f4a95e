"""The removal of a stage: all that a deploy made, but never the users by mistake.

Every step may be repeated, and takes up whatever an interrupted one left: the checkout forgets the
stage last. If nothing of a stage exists, its name was misspelt.
"""

from shlex import quote
from typing import Any

from ops.resources.api import client_limit, rest_api
from ops.resources.api.custom_domain import CustomDomain
from ops.resources.functions import chalice_deployer, chalice_record, function_logs
from ops.resources.mail import mail_identity, mail_limits
from ops.resources.settings import event_bus, secret_key, shared_settings
from ops.resources.settings.recorded_settings import (
    OF_THE_USERS,
    OWN_SETTINGS,
    own_configuration_set,
)
from ops.resources.stack import table
from ops.resources.stack.stack import Stack
from ops.stage import home, parameter_store
from ops.stage.aws_errors import in_plain_words
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import OPS, Project
from ops.terminal.progress import Progress, Say


def destroy(
    cloud: Cloud, project: Project, progress: Progress, *, delete_users: bool = False
) -> list[str]:
    """Take the stage of ``project`` down, and its users' table only with ``delete_users``.

    Returns what is left, a paragraph each: how to use it again, and how to be rid of it. Raises
    DeployError.
    """
    with in_plain_words():
        return _destroy(cloud, project, progress, delete_users)


def exists(cloud: Cloud, project: Project) -> bool:
    """Return True if the account or the checkout has anything of the stage."""
    client = cloud.session.client
    return bool(
        _is_remembered(project)
        or table.exists(client("dynamodb"), project.users_table)
        or Stack(client("cloudformation"), project.full_name).exists()
        or chalice_record.find(cloud, project)
        or _log_groups(client("logs"), project)
    )


def _destroy(cloud: Cloud, project: Project, progress: Progress, delete_users: bool) -> list[str]:
    client = cloud.session.client
    before = project.environment
    home.check(project, cloud)
    if not exists(cloud, project):
        raise DeployError(_nothing_of(project, cloud))
    remembered = _is_remembered(project)
    had_users = table.exists(client("dynamodb"), project.users_table)
    stack = Stack(client("cloudformation"), project.full_name)

    # While the stack is there: it alone says which of them an operator set.
    parameters = stack.parameters()
    project.unset(mail_limits.settings_from_quota(before, parameters))

    if parameters.get("PerIpRate", "0") != "0":
        with progress.step("Limit by client") as say:
            api_id = rest_api.find(client("apigateway"), project) or "none"
            stage_arn = client_limit.api_stage_arn(cloud, api_id, project.api_stage)
            client_limit.dissociate(client("wafv2"), project, stage_arn, say)

    if domain := project.domain.get("name"):
        with progress.step("Domain") as say:
            CustomDomain(cloud, project, domain).remove(say)

    with progress.step("Functions and API") as say:
        _remove_deployed(cloud, project, say)

    with progress.step("Backing resources") as say:
        stack.remove(say)

    with progress.step("Logs") as say:
        _delete_logs(client("logs"), project, say)

    with progress.step("Users' table") as say:
        if delete_users:
            table.remove(client("dynamodb"), project.limits_table, say)
            table.remove(client("dynamodb"), project.users_table, say)
        else:
            say(f"{project.users_table} kept" if had_users else "there is none")

    with progress.step("Settings") as say:
        recorded = [*OWN_SETTINGS]
        if not own_configuration_set(before, stack.name):
            recorded.append("MAIL_CONFIGURATION_SET")
        if before.get(event_bus.SETTING) == stack.name:
            recorded.append(event_bus.SETTING)
        if delete_users:
            recorded += OF_THE_USERS
        project.erase(recorded)
        if delete_users:
            names = (secret_key.SETTING, shared_settings.NAME)
            parameter_store.remove(client("ssm"), [project.parameter(name) for name in names])
        else:
            shared_settings.upload(client("ssm"), project)
        forgotten = "the checkout no longer has a record of the stage"
        say(forgotten if remembered else "the checkout had no record of the stage")

    sender = before.get("MAIL_FROM", "")
    left = [
        _users_left(cloud, project, sender, deleted=delete_users) if had_users else "",
        _identity_left(cloud, sender),
    ]
    return [resource for resource in left if resource]


def _is_remembered(project: Project) -> bool:
    return bool(project.roles or project.environment.keys() & {*OWN_SETTINGS})


def _remove_deployed(cloud: Cloud, project: Project, say: Say) -> None:
    resources = chalice_record.find(cloud, project)
    if not resources:
        say("nothing to remove")
        return
    project.replace(resources)
    chalice_deployer.remove(cloud, project, say)
    names = [
        resource["name"] for resource in resources if resource["resource_type"] == "lambda_function"
    ]
    say(f"{', '.join(names) or 'their remains'} removed")


def _delete_logs(logs: Any, project: Project, say: Say) -> None:
    groups = _log_groups(logs, project)
    for group in groups:
        logs.delete_log_group(logGroupName=group)
    say(f"{len(groups)} log groups deleted" if groups else "nothing to remove")


def _log_groups(logs: Any, project: Project) -> list[str]:
    named = {function_logs.group_of(project, name) for name in project.named_functions()}
    return sorted(named & set(function_logs.find(logs, project)))


def _nothing_of(project: Project, cloud: Cloud) -> str:
    known = ", ".join(project.known_stages()) or "no stage"
    return (
        f"{cloud.account}, {cloud.region} has nothing of the stage {project.stage}. "
        f"This checkout knows: {known}."
    )


def _users_left(cloud: Cloud, project: Project, sender: str, *, deleted: bool) -> str:
    users, stage = project.users_table, project.stage
    if deleted:
        backups = f"dynamodb list-backups --backup-type SYSTEM --table-name {users}"
        return (
            f"DynamoDB keeps a backup of {users} for 35 days, and deletes it then: "
            f"{cloud.aws(backups)}"
        )
    mail_from = quote(sender) if sender else "<address>"
    deploy = f"{OPS} deploy --stage {stage} --mail-from {mail_from}"
    delete = f"{OPS} destroy --stage {stage} --delete-users {users}"
    return (
        f"The users are still in the table {users}, which is protected from deletion.\n"
        f"To serve them again:     {cloud.command(deploy)}\n"
        f"To delete them for good: {cloud.command(delete)}"
    )


def _identity_left(cloud: Cloud, sender: str) -> str:
    """Return how to delete the identity that lets SES send from ``sender``; empty if there is none.

    Other programs may send from it by now, so it is never deleted here."""
    ses = cloud.session.client("sesv2")
    identity = mail_identity.find(ses, sender) if sender else ""
    if not identity:
        return ""
    return (
        f"SES still has {identity}, which other programs may use. If none does, delete it:\n"
        + cloud.aws(f"sesv2 delete-email-identity --email-identity {quote(identity)}")
    )
