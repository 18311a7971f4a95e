"""A stage brought to what the checkout says it is: one path for AWS and for the local cloud.

Every step may be repeated, and takes up whatever an interrupted deploy left.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ops.deployment import (
    alarms,
    event_invoke_config,
    event_source_mapping,
    function_logs,
    functions,
    mail_identity,
    mail_limits,
    package,
    rest_api,
    secret_key,
    table,
)
from ops.deployment.rest_api import AS_IT_WAS, Throttle
from ops.deployment.stack import Stack
from ops.preview import gallery
from ops.stage.cloud import Cloud, in_plain_words
from ops.stage.errors import DeployError
from ops.stage.project import Project
from ops.terminal.progress import Progress

OWN_SETTINGS = (
    "USERS_TABLE",
    "USERS_STREAM_ARN",
    "MAIL_FROM",
    "BASE_URL",
    "MAIL_FEEDBACK_TOPIC_ARN",
    "LIMITS_TABLE",
)
"""What every deploy records: its own, and nobody else's to say."""

OF_THE_USERS = (secret_key.SETTING,)
"""What is recorded for as long as there are users: hashes that are kept of them depend on it."""

_STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")
_ROLE_OUTPUT = re.compile(r"(\w+)RoleArn")


@dataclass(frozen=True)
class Deployed:
    """A stage that is up. ``left_to_do`` is what only a person can do, a paragraph each."""

    base_url: str
    table: str
    region: str
    left_to_do: list[str] = field(default_factory=list)


def deploy(
    cloud: Cloud,
    project: Project,
    progress: Progress,
    *,
    mail_from: str | None = None,
    base_url: str | None = None,
    throttle: Throttle = AS_IT_WAS,
    alarms_to: str | None = None,
    log_days: int | None = None,
    extra: Mapping[str, str] | None = None,
) -> Deployed:
    """Deploy the stage of ``project``.

    All but ``extra``, which are further settings, is remembered from one deploy to the next. The
    first needs ``mail_from``; without a ``base_url`` links lead to the REST API's own address.
    ``alarms_to`` is whom alarms are mailed to, nobody if empty. Raises DeployError.
    """
    with in_plain_words():
        return _deploy(
            cloud,
            project,
            progress,
            mail_from,
            base_url,
            throttle,
            alarms_to,
            log_days,
            extra or {},
        )


def _deploy(
    cloud: Cloud,
    project: Project,
    progress: Progress,
    mail_from: str | None,
    base_url: str | None,
    throttle: Throttle,
    alarms_to: str | None,
    log_days: int | None,
    extra: Mapping[str, str],
) -> Deployed:
    client = cloud.session.client
    before = project.environment
    check_stage(project, cloud, before.get("USERS_STREAM_ARN", ""))
    told = None if alarms_to is None else alarms.check(alarms_to)
    sender = _sender(mail_from or before.get("MAIL_FROM"))
    environment = {
        **extra,
        "MAIL_FROM": sender,
        "BASE_URL": (base_url or _own_address(before.get("BASE_URL", ""))).rstrip("/"),
    }
    _check_settings({**before, **environment})

    with progress.step("Sender") as say:
        stack = Stack(client("cloudformation"), project.full_name)
        parameters = stack.parameters()
        identity = mail_identity.choose(
            client("sesv2"), sender, parameters.get("NewMailIdentity", "")
        )
        limits = mail_limits.read(client("sesv2").get_account())
        environment |= limits.settings({**before, **extra}, parameters)
        say(sender if identity.name == sender else f"{sender}, covered by {identity.name}")

    with progress.step("Backing resources") as say:
        days = log_days or int(parameters.get("LogDays", function_logs.FIRST_DAYS))
        told = parameters.get("AlarmsTo", "") if told is None else told
        outputs = stack.deploy(
            {
                "AppName": project.app_name,
                "Stage": project.stage,
                "MailFrom": sender,
                "NewMailIdentity": identity.name if identity.is_ours else "",
                "ConfigurationSet": own_configuration_set({**before, **extra}, stack.name),
                **limits.parameters(),
                "LogDays": str(days),
                "AlarmsTo": told,
                "ApiStage": project.api_stage,
            },
            say,
        )

    with progress.step("Users' table") as say:
        users_table = environment["USERS_TABLE"] = project.users_table
        environment["USERS_STREAM_ARN"] = table.check(client("dynamodb"), users_table, say)
        environment["MAIL_FEEDBACK_TOPIC_ARN"] = outputs["MailFeedbackArn"]
        environment["MAIL_CONFIGURATION_SET"] = outputs["ConfigurationSet"]

    with progress.step("Limits' table") as say:
        environment["LIMITS_TABLE"] = project.limits_table
        table.check_limits(client("dynamodb"), project.limits_table, say)

    with progress.step("REST API") as say:
        api_id = rest_api.provide(client("apigateway"), project, say)
        address = cloud.address(api_id, project.api_stage)
        rest_api.record(project, api_id, address)
        environment["BASE_URL"] = environment["BASE_URL"] or address

    with progress.step("Settings") as say:
        environment[secret_key.SETTING] = secret_key.find_or_make(
            client("lambda"), project, {**before, **extra}
        )
        project.record(environment, _roles(outputs))
        say(f"links lead to {environment['BASE_URL']}")

    with progress.step("Functions") as say:
        event_source_mapping.reconcile(
            client("lambda"), project, users_table, environment["USERS_STREAM_ARN"], say
        )
        functions.deploy(cloud, project, say)

    with progress.step("Logs") as say:
        function_logs.configure(
            client("lambda"), client("logs"), project, days, stack.resources(), say
        )

    with progress.step("Alarms") as say:
        alarms.restore(client("cloudwatch"), project, outputs, say)

    with progress.step("Stream to mailer") as say:
        event_source_mapping.configure(
            client("lambda"), project, outputs["DeadLettersArn"], cloud.absent, say
        )

    with progress.step("Calls that fail") as say:
        event_invoke_config.configure(client("lambda"), project, outputs["DeadLettersArn"], say)

    with progress.step("Throttling") as say:
        rest_api.throttle(client("apigateway"), api_id, project.api_stage, throttle, say)

    return Deployed(
        base_url=environment["BASE_URL"],
        table=users_table,
        region=cloud.region,
        left_to_do=[
            *mail_identity.left_to_do(client("sesv2"), sender, identity.name, cloud.aws),
            *alarms.left_to_do(client("sns"), outputs["AlarmsArn"], told, cloud.aws),
            *([] if cloud.endpoint else package.left_to_do(project.stage)),
        ],
    )


def check_stage(project: Project, cloud: Cloud, recorded_stream: str) -> None:
    """Raise DeployError unless the stage may live here: one is never moved by mistake."""
    if not _STAGE.fullmatch(project.stage):
        raise DeployError(
            f"The stage {project.stage!r} must be letters, digits and hyphens, at most 32 of them: "
            "its stack is named after it."
        )
    if home := elsewhere(cloud, recorded_stream):
        raise DeployError(
            f"The stage {project.stage} lives in {home}, but these credentials "
            f"are for {cloud.account}, {cloud.region}: set AWS_PROFILE and AWS_DEFAULT_REGION to "
            "its own, or choose another stage."
        )


def elsewhere(cloud: Cloud, recorded_stream: str) -> str:
    """The account and region that a stage lives in, by its table's stream; nothing if ``cloud`` is
    there."""
    arn = recorded_stream.split(":")
    if len(arn) > 5 and (arn[3], arn[4]) != (cloud.region, cloud.account):
        return f"account {arn[4]}, {arn[3]}"
    return ""


def _sender(mail_from: str | None) -> str:
    if not mail_from:
        raise DeployError(
            "The first deploy of a stage must say whom its mail is from: "
            "--mail-from hello@example.org"
        )
    return mail_from


def _own_address(recorded: str) -> str:
    """The address that an operator once gave; nothing for one that AWS gave, which may be another
    by now."""
    host = urlsplit(recorded).hostname or ""
    return "" if ".execute-api." in host else recorded


def own_configuration_set(environment: Mapping[str, str], ours: str) -> str:
    """The configuration set that an operator once gave; nothing for the one that we make."""
    recorded = environment.get("MAIL_CONFIGURATION_SET", "")
    return "" if recorded == ours else recorded


def _check_settings(environment: Mapping[str, str]) -> None:
    """Raise OpsError for settings that the functions would refuse, and for templates of the stage's
    own that cannot be filled, before anything is made."""
    given = {name: value for name, value in environment.items() if value}
    gallery.make(gallery.read(given))


def _roles(outputs: Mapping[str, str]) -> dict[str, str]:
    """The role of each function, by the names that resources.json gives its outputs."""
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", role[1]).lower(): arn
        for name, arn in outputs.items()
        if (role := _ROLE_OUTPUT.fullmatch(name))
    }
