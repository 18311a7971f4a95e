"""A deploy: it makes a stage as the checkout describes it.

Every step may be repeated, and goes on from whatever an interrupted deploy left.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ops.deploy import preconditions
from ops.resources.api import client_limit, custom_domain, rest_api
from ops.resources.api.custom_domain import CustomDomain
from ops.resources.api.rest_api import AS_IT_WAS, Throttle
from ops.resources.functions import (
    chalice_deployer,
    concurrency,
    event_invoke_config,
    event_source_mapping,
    function_logs,
    package,
)
from ops.resources.mail import mail_from_domain, mail_identity, mail_limits
from ops.resources.settings import event_bus, recorded_settings, secret_key, shared_settings
from ops.resources.stack import alarms, permissions_boundary, table
from ops.resources.stack.stack import Stack
from ops.stage import commit
from ops.stage.aws_errors import in_plain_words
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.lookup import Stage
from ops.stage.project import Project
from ops.terminal.progress import Progress

_ROLE_OUTPUT = re.compile(r"(\w+)RoleArn")


@dataclass(frozen=True)
class Options:
    """What an operator may say of a stage; a deploy that leaves one out keeps what was said before.

    The first deploy needs ``mail_from``. Without a ``base_url`` links lead to the REST API's own
    address. ``alarms_to`` is the address that alarms are mailed to; empty for none. ``settings``
    are further ones of the stage. ``domain`` is the stage's own, or empty for none any more.
    ``mail_from_domain`` is a subdomain of the sender's.
    """

    mail_from: str | None = None
    base_url: str | None = None
    throttle: Throttle = AS_IT_WAS
    alarms_to: str | None = None
    log_days: int | None = None
    events: event_bus.EventOptions = event_bus.AS_IT_WAS
    per_ip_rate: int | None = None
    domain: str | None = None
    mail_from_domain: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Deployed:
    """A stage that is up. ``left_to_do`` is what only a person can do, a paragraph each.

    ``package`` has the ``sha256`` and the ``commit`` of what runs.
    """

    base_url: str
    table: str
    region: str
    left_to_do: list[str] = field(default_factory=list)
    package: Mapping[str, str] = field(default_factory=dict)


def deploy(cloud: Cloud, project: Project, options: Options, progress: Progress) -> Deployed:
    """Deploy the stage of ``project``. Raises DeployError."""
    with in_plain_words():
        preconditions.check(cloud, project)
        shared_settings.learn(cloud.session.client("ssm"), project)
        environment = first_settings(project, options)
        return _deploy(cloud, project, options, environment, progress)


def check(cloud: Cloud, project: Project, options: Options) -> None:
    """Raise OpsError for a deploy that could not work. Changes nothing."""
    preconditions.check(cloud, project)
    first_settings(project, options)


def first_settings(project: Project, options: Options) -> dict[str, str]:
    """Return the settings that are known before anything is made. Raises OpsError if the stage
    could not work with them."""
    before = project.environment
    sender = options.mail_from or before.get("MAIL_FROM")
    if not sender:
        raise DeployError(
            "The first deploy of a stage needs a sender: --mail-from hello@example.org"
        )
    former = "" if options.domain == "" else _own_address(before.get("BASE_URL", ""))
    environment = {
        **options.settings,
        "MAIL_FROM": sender,
        "BASE_URL": (options.base_url or former).rstrip("/"),
    }
    if options.domain:
        custom_domain.check(options.domain)
    if options.mail_from_domain:
        mail_from_domain.check(options.mail_from_domain, sender)
    alarms.read_address(options.alarms_to or "")
    preconditions.check_settings({**before, **environment})
    return environment


def _deploy(
    cloud: Cloud,
    project: Project,
    options: Options,
    environment: dict[str, str],
    progress: Progress,
) -> Deployed:
    client: Any = cloud.session.client
    given = {**project.environment, **options.settings}
    sender = environment["MAIL_FROM"]

    stack = Stack(client("cloudformation"), project.full_name)
    parameters = stack.parameters()
    client_rate = _prepare_client_limit(cloud, project, options, parameters, progress)

    with progress.step("Sender") as say:
        secret = secret_key.ensure(client("ssm"), client("lambda"), project, given)
        bus = event_bus.choose(
            cloud,
            project,
            options.events,
            given.get(event_bus.SETTING, ""),
            parameters,
            partial(event_bus.key_of, client("ssm"), secret),
        )
        if bus.name and table.lacks_both_indexes(client("dynamodb"), project.users_table):
            raise DeployError(
                "CloudFormation can add one index of this table at a time: deploy once with "
                "--no-events, then again with the options that you want."
            )
        limits = mail_limits.read(client("sesv2").get_account())
        environment |= limits.settings(given, parameters)
        identity = mail_identity.choose(client("sesv2"), sender, stack.made("NewMailIdentity"))
        say(sender if identity.name == sender else f"{sender}, covered by {identity.name}")

    with progress.step("Backing resources") as say:
        days = options.log_days or int(parameters.get("LogDays", function_logs.FIRST_DAYS))
        recipient = options.alarms_to
        recipient = parameters.get("AlarmsTo", "") if recipient is None else recipient
        outputs = stack.ensure(
            {
                "AppName": project.app_name,
                "Stage": project.stage,
                "MailFrom": sender,
                "NewMailIdentity": identity.name if identity.is_ours else "",
                "ConfigurationSet": recorded_settings.own_configuration_set(given, stack.name),
                **limits.parameters(),
                "PermissionsBoundary": permissions_boundary.find(client("iam"), cloud, project),
                "LogDays": str(days),
                "AlarmsTo": alarms.read_address(recipient),
                "PerIpRate": str(client_rate),
                "ClientLimitOrigin": client_limit.origin_of(given),
                "ApiStage": project.api_stage,
                **bus.parameters,
            },
            say,
        )
        environment["MAIL_FEEDBACK_TOPIC_ARN"] = outputs["MailFeedbackArn"]
        environment["MAIL_CONFIGURATION_SET"] = outputs["ConfigurationSet"]

    with progress.step("Users' table") as say:
        environment["USERS_TABLE"] = project.users_table
        stream = table.ensure_users(
            client("dynamodb"), project.users_table, say, has_events=bool(bus.name)
        )
        environment["USERS_STREAM_ARN"] = stream

    with progress.step("Limits' table") as say:
        environment["LIMITS_TABLE"] = project.limits_table
        table.ensure_limits(client("dynamodb"), project.limits_table, say)

    with progress.step("REST API") as say:
        api_id = rest_api.ensure(client("apigateway"), project, say)
        address = cloud.address(api_id, project.api_stage)
        links_before = environment["BASE_URL"] = environment["BASE_URL"] or address

    is_new = not project.roles
    domain = _own_domain(cloud, project, options)
    former = project.domain.get("name", "")
    is_ready = bool(domain and domain.is_ready(api_id, custom_domain.answers))
    if domain and is_ready and not options.base_url:
        environment["BASE_URL"] = domain.url
    since = project.domain.get("since", "")
    if environment["BASE_URL"] != links_before and not is_new:
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
    project.note_domain({"name": domain.name, "since": since} if domain else {})

    if options.mail_from_domain:
        with progress.step("MAIL FROM domain") as say:
            name = mail_from_domain.check(options.mail_from_domain, sender)
            mail_from_domain.ensure(client("sesv2"), cloud, identity.name, name, say)

    with progress.step("Settings") as say:
        environment[secret_key.SETTING] = secret
        if bus.name:
            environment[event_bus.SETTING] = bus.name
        else:
            project.unset([event_bus.SETTING])
        project.record(environment, _roles(outputs))
        say(f"links lead to {environment['BASE_URL']}")

    with progress.step("Concurrency") as say:
        room = concurrency.read(client("lambda"), project)
        reserve = concurrency.choose(room, project.reserve_of(event_source_mapping.FUNCTION))
        project.note_reserve(event_source_mapping.FUNCTION, reserve)
        say(concurrency.words(room, reserve))

    with progress.step("Functions") as say:
        event_source_mapping.remove_former(client("lambda"), project, stream, say)
        digest = chalice_deployer.deploy(cloud, project, stream, say)
        project.note_package({"sha256": digest, "commit": commit.describe(project.folder)})
        shared_settings.share(client("ssm"), project)

    with progress.step("Logs") as say:
        function_logs.ensure(
            client("lambda"), client("logs"), project, days, stack.resources(), say
        )

    with progress.step("Alarms") as say:
        alarms.ensure(client("cloudwatch"), project, outputs, say)

    with progress.step("Stream to mailer") as say:
        event_source_mapping.ensure(
            client("lambda"), project, outputs["DeadLettersArn"], cloud.absent, say
        )

    with progress.step("Calls that fail") as say:
        event_invoke_config.ensure(client("lambda"), project, outputs["DeadLettersArn"], say)

    with progress.step("Throttling") as say:
        rest_api.ensure_throttle(
            client("apigateway"), api_id, project.api_stage, options.throttle, say
        )

    if client_rate:
        with progress.step("Limit by client on the API") as say:
            stage_arn = client_limit.api_stage_arn(cloud, api_id, project.api_stage)
            client_limit.associate(client("wafv2"), stage_arn, outputs["ClientLimitArn"], say)

    left = []
    if former and not domain:
        with progress.step("Domain") as say:
            CustomDomain(cloud, project, former).switch_off_own_address(api_id, off=False, say=say)
    if domain:
        with progress.step("Domain") as say:
            left = domain.ensure(api_id, say)
            if is_ready:
                off = custom_domain.may_switch_off(since, datetime.now(timezone.utc))
                domain.switch_off_own_address(api_id, off=off, say=say)
                left = [] if off else [custom_domain.LATER]

    if former and former != (domain.name if domain else ""):
        left.append(custom_domain.left_of(former, cloud.aws))

    return Deployed(
        base_url=environment["BASE_URL"],
        table=project.users_table,
        region=cloud.region,
        package=project.package,
        left_to_do=[
            *left,
            *mail_identity.left_to_do(client("sesv2"), sender, identity.name, cloud.aws),
            *mail_from_domain.left_to_do(client("sesv2"), cloud, identity.name),
            *alarms.left_to_do(client("sns"), outputs["AlarmsArn"], recipient, cloud.aws),
            *event_bus.left_to_do(bus, Stage(cloud, project).ops("events key")),
            *(concurrency.left_to_do(cloud) if reserve is None else []),
            *([] if cloud.endpoint else package.left_to_do(project.stage)),
        ],
    )


def _own_domain(cloud: Cloud, project: Project, options: Options) -> CustomDomain | None:
    """Return the stage's own domain, if it has one."""
    name = project.domain.get("name", "") if options.domain is None else options.domain
    return CustomDomain(cloud, project, custom_domain.check(name)) if name else None


def _prepare_client_limit(
    cloud: Cloud,
    project: Project,
    options: Options,
    parameters: Mapping[str, str],
    progress: Progress,
) -> int:
    """Return the limit by client that is wanted, and take one that is not off the API.

    WAF is not asked at all where there is no limit, so that its permissions are not needed.
    """
    before = int(parameters.get("PerIpRate", 0))
    wanted = before if options.per_ip_rate is None else options.per_ip_rate
    if not (wanted or before):
        return 0
    with progress.step("Limit by client") as say:
        wafv2: Any = cloud.session.client("wafv2")
        api_id = rest_api.find(cloud.session.client("apigateway"), project)
        stage_arn = client_limit.api_stage_arn(cloud, api_id or "none", project.api_stage)
        if not wanted:
            client_limit.dissociate(wafv2, project, stage_arn, say)
            return 0
        if api_id:
            client_limit.check(wafv2, project, stage_arn)
        price = "" if wanted == before else f". {client_limit.PRICE}"
        say(f"{wanted} POSTs of one IP address in five minutes{price}")
    return wanted


def _own_address(recorded: str) -> str:
    """Return the address that an operator once gave; empty for one that AWS gave, which may be
    another by now."""
    host = urlsplit(recorded).hostname or ""
    return "" if ".execute-api." in host else recorded


def _roles(outputs: Mapping[str, str]) -> dict[str, str]:
    """Return the role of each function, by the names that resources.json gives its outputs."""
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", role[1]).lower(): arn
        for name, arn in outputs.items()
        if (role := _ROLE_OUTPUT.fullmatch(name))
    }
