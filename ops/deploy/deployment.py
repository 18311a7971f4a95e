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
    """The options of a deploy. A deploy without an option keeps the stage's present value.

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
        shared_settings.download(cloud.session.client("ssm"), project)
        settings = first_settings(project, options)
        return _Deployment(cloud, project, options, settings, progress).run()


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


@dataclass(frozen=True)
class _Plan:
    """All that a deploy decides before it makes the stack."""

    stack: Stack
    secret: str
    bus: event_bus.EventBus
    limits: mail_limits.MailLimits
    identity: mail_identity.MailIdentity
    log_days: int
    alarms_to: str
    client_rate: int


@dataclass(frozen=True)
class _DomainPlan:
    """The stage's own domain, if it has one, and the name that it had before.

    ``since`` is when links moved to it.
    """

    domain: CustomDomain | None
    former: str
    is_ready: bool
    since: str


class _Deployment:
    """One deploy of one stage. Each step is a method, and may be repeated.

    ``settings`` are those that are known so far. The steps add what they find out.
    """

    def __init__(
        self,
        cloud: Cloud,
        project: Project,
        options: Options,
        settings: dict[str, str],
        progress: Progress,
    ) -> None:
        self._cloud = cloud
        self._project = project
        self._options = options
        self._settings = settings
        self._sender = settings["MAIL_FROM"]
        self._given = {**project.environment, **options.settings}
        self._client: Any = cloud.session.client
        self._step = progress.step

    def run(self) -> Deployed:
        plan = self._make_plan()
        outputs = self._ensure_stack(plan)
        stream = self._ensure_tables(plan)
        api_id = self._ensure_api()
        domain_plan = self._make_domain_plan(api_id)
        self._ensure_mail_from_domain(plan)
        self._record_settings(plan, outputs)
        reserve = self._choose_reserve()
        self._deploy_functions(stream)
        self._ensure_logs_and_alarms(plan, outputs)
        self._ensure_triggers(outputs)
        self._limit_requests(api_id, plan, outputs)
        left_of_domain = self._ensure_domain(api_id, domain_plan)
        return Deployed(
            base_url=self._settings["BASE_URL"],
            table=self._project.users_table,
            region=self._cloud.region,
            package=self._project.package,
            left_to_do=[*left_of_domain, *self._left_to_do(plan, outputs, reserve)],
        )

    def _make_plan(self) -> _Plan:
        """Decide what to make. Of all this, only the secret is made here."""
        project, options = self._project, self._options
        stack = Stack(self._client("cloudformation"), project.full_name)
        parameters = stack.parameters()
        client_rate = self._choose_client_limit(int(parameters.get("PerIpRate", 0)))
        with self._step("Sender") as say:
            secret = secret_key.ensure(
                self._client("ssm"), self._client("lambda"), project, self._given
            )
            bus = self._choose_bus(parameters, secret)
            limits = mail_limits.read(self._client("sesv2").get_account())
            self._settings |= limits.settings(self._given, parameters)
            identity = mail_identity.choose(
                self._client("sesv2"), self._sender, stack.made("NewMailIdentity")
            )
            covered = "" if identity.name == self._sender else f", covered by {identity.name}"
            say(f"{self._sender}{covered}")
        log_days = options.log_days or int(parameters.get("LogDays", function_logs.FIRST_DAYS))
        alarms_to = options.alarms_to
        if alarms_to is None:
            alarms_to = parameters.get("AlarmsTo", "")
        return _Plan(stack, secret, bus, limits, identity, log_days, alarms_to, client_rate)

    def _choose_client_limit(self, before: int) -> int:
        """Return the requested limit by client. Detach the web ACL if no limit is requested.

        Without a limit, no call goes to WAF, so the operator needs no permissions for it.
        """
        rate = before if self._options.per_ip_rate is None else self._options.per_ip_rate
        if not (rate or before):
            return 0
        with self._step("Limit by client") as say:
            api_id = rest_api.find(self._client("apigateway"), self._project)
            stage_arn = self._api_stage_arn(api_id or "none")
            if not rate:
                client_limit.dissociate(self._client("wafv2"), self._project, stage_arn, say)
                return 0
            if api_id:
                client_limit.check(self._client("wafv2"), self._project, stage_arn)
            price = "" if rate == before else f". {client_limit.PRICE}"
            say(f"{rate} POSTs of one IP address in five minutes{price}")
        return rate

    def _choose_bus(self, parameters: Mapping[str, str], secret: str) -> event_bus.EventBus:
        bus = event_bus.choose(
            self._cloud,
            self._project,
            self._options.events,
            self._given.get(event_bus.SETTING, ""),
            parameters,
            partial(event_bus.key_of, self._client("ssm"), secret),
        )
        users_table = self._project.users_table
        if bus.name and table.is_missing_both_indexes(self._client("dynamodb"), users_table):
            raise DeployError(
                "CloudFormation can add one index of this table at a time: deploy once with "
                "--no-events, then again with the options that you want."
            )
        return bus

    def _ensure_stack(self, plan: _Plan) -> Mapping[str, str]:
        """Make the resources that CloudFormation owns. Return the stack's outputs."""
        iam, project = self._client("iam"), self._project
        with self._step("Backing resources") as say:
            outputs = plan.stack.ensure(
                {
                    "AppName": project.app_name,
                    "Stage": project.stage,
                    "MailFrom": self._sender,
                    "NewMailIdentity": plan.identity.name if plan.identity.is_ours else "",
                    "ConfigurationSet": recorded_settings.own_configuration_set(
                        self._given, plan.stack.name
                    ),
                    **plan.limits.parameters(),
                    "PermissionsBoundary": permissions_boundary.find(iam, self._cloud, project),
                    "LogDays": str(plan.log_days),
                    "AlarmsTo": alarms.read_address(plan.alarms_to),
                    "PerIpRate": str(plan.client_rate),
                    "ClientLimitOrigin": client_limit.origin_of(self._given),
                    "ApiStage": project.api_stage,
                    **plan.bus.parameters,
                },
                say,
            )
        self._settings["MAIL_FEEDBACK_TOPIC_ARN"] = outputs["MailFeedbackArn"]
        self._settings["MAIL_CONFIGURATION_SET"] = outputs["ConfigurationSet"]
        return outputs

    def _ensure_tables(self, plan: _Plan) -> str:
        """Complete the stack's two tables. Return the ARN of the users' stream."""
        dynamodb, project = self._client("dynamodb"), self._project
        with self._step("Users' table") as say:
            stream = table.ensure_users(
                dynamodb, project.users_table, say, has_events=bool(plan.bus.name)
            )
        with self._step("Limits' table") as say:
            table.ensure_limits(dynamodb, project.limits_table, say)
        self._settings["USERS_TABLE"] = project.users_table
        self._settings["USERS_STREAM_ARN"] = stream
        self._settings["LIMITS_TABLE"] = project.limits_table
        return stream

    def _ensure_api(self) -> str:
        """Make the REST API, whose address links need. Return its id."""
        with self._step("REST API") as say:
            api_id = rest_api.ensure(self._client("apigateway"), self._project, say)
        address = self._cloud.address(api_id, self._project.api_stage)
        self._settings["BASE_URL"] = self._settings["BASE_URL"] or address
        return api_id

    def _make_domain_plan(self, api_id: str) -> _DomainPlan:
        """Decide if links use the stage's own domain by now, and record the domain."""
        before = self._project.domain
        name = self._options.domain
        name = before.get("name", "") if name is None else name
        domain = None
        if name:
            domain = CustomDomain(self._cloud, self._project, custom_domain.check(name))
        is_ready = bool(domain and domain.is_ready(api_id, custom_domain.is_answering))
        since = before.get("since", "")
        if domain and is_ready and not self._options.base_url:
            has_moved = self._settings["BASE_URL"] != domain.url
            self._settings["BASE_URL"] = domain.url
            if has_moved and self._project.roles:  # a new stage has mailed no links yet
                since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._project.note_domain({"name": domain.name, "since": since} if domain else {})
        return _DomainPlan(domain, before.get("name", ""), is_ready, since)

    def _ensure_mail_from_domain(self, plan: _Plan) -> None:
        if not self._options.mail_from_domain:
            return
        with self._step("MAIL FROM domain") as say:
            name = mail_from_domain.check(self._options.mail_from_domain, self._sender)
            mail_from_domain.ensure(
                self._client("sesv2"), self._cloud, plan.identity.name, name, say
            )

    def _record_settings(self, plan: _Plan, outputs: Mapping[str, str]) -> None:
        with self._step("Settings") as say:
            self._settings[secret_key.SETTING] = plan.secret
            if plan.bus.name:
                self._settings[event_bus.SETTING] = plan.bus.name
            else:
                self._project.unset([event_bus.SETTING])
            self._project.record(self._settings, _roles(outputs))
            say(f"links lead to {self._settings['BASE_URL']}")

    def _choose_reserve(self) -> int | None:
        """Return how many functions are reserved for the mailer, and record it."""
        mailer, project = event_source_mapping.FUNCTION, self._project
        with self._step("Concurrency") as say:
            room = concurrency.read(self._client("lambda"), project)
            reserve = concurrency.choose(room, project.reserve_of(mailer))
            project.note_reserve(mailer, reserve)
            say(concurrency.words(room, reserve))
        return reserve

    def _deploy_functions(self, stream: str) -> None:
        project = self._project
        with self._step("Functions") as say:
            event_source_mapping.remove_former(self._client("lambda"), project, stream, say)
            digest = chalice_deployer.deploy(self._cloud, project, stream, say)
            project.note_package({"sha256": digest, "commit": commit.describe(project.folder)})
            shared_settings.upload(self._client("ssm"), project)

    def _ensure_logs_and_alarms(self, plan: _Plan, outputs: Mapping[str, str]) -> None:
        with self._step("Logs") as say:
            function_logs.ensure(
                self._client("lambda"),
                self._client("logs"),
                self._project,
                plan.log_days,
                plan.stack.resources(),
                say,
            )
        with self._step("Alarms") as say:
            alarms.ensure(self._client("cloudwatch"), self._project, outputs, say)

    def _ensure_triggers(self, outputs: Mapping[str, str]) -> None:
        lambda_, dead_letters = self._client("lambda"), outputs["DeadLettersArn"]
        with self._step("Stream to mailer") as say:
            event_source_mapping.ensure(
                lambda_, self._project, dead_letters, self._cloud.absent, say
            )
        with self._step("Calls that fail") as say:
            event_invoke_config.ensure(lambda_, self._project, dead_letters, say)

    def _limit_requests(self, api_id: str, plan: _Plan, outputs: Mapping[str, str]) -> None:
        api_stage, throttle = self._project.api_stage, self._options.throttle
        with self._step("Throttling") as say:
            rest_api.ensure_throttle(self._client("apigateway"), api_id, api_stage, throttle, say)
        if plan.client_rate:
            with self._step("Limit by client on the API") as say:
                client_limit.associate(
                    self._client("wafv2"),
                    self._api_stage_arn(api_id),
                    outputs["ClientLimitArn"],
                    say,
                )

    def _ensure_domain(self, api_id: str, plan: _DomainPlan) -> list[str]:
        """Make the stage's own domain, or open the API's own address again without one.

        Return what only a person can do for it.
        """
        left = []
        if plan.domain:
            with self._step("Domain") as say:
                left = plan.domain.ensure(api_id, say)
                if plan.is_ready:
                    off = custom_domain.may_switch_off(plan.since, datetime.now(timezone.utc))
                    plan.domain.switch_off_own_address(api_id, off=off, say=say)
                    left = [] if off else [custom_domain.LATER]
        elif plan.former:
            with self._step("Domain") as say:
                former = CustomDomain(self._cloud, self._project, plan.former)
                former.switch_off_own_address(api_id, off=False, say=say)
        if plan.former and plan.former != (plan.domain.name if plan.domain else ""):
            left.append(custom_domain.removal_hint(plan.former, self._cloud.aws))
        return left

    def _left_to_do(
        self, plan: _Plan, outputs: Mapping[str, str], reserve: int | None
    ) -> list[str]:
        cloud, sesv2, name = self._cloud, self._client("sesv2"), plan.identity.name
        topic = outputs["AlarmsArn"]
        return [
            *mail_identity.left_to_do(sesv2, self._sender, name, cloud.aws),
            *mail_from_domain.left_to_do(sesv2, cloud, name),
            *alarms.left_to_do(self._client("sns"), topic, plan.alarms_to, cloud.aws),
            *event_bus.left_to_do(plan.bus, Stage(cloud, self._project).ops("events key")),
            *(concurrency.left_to_do(cloud) if reserve is None else []),
            *([] if cloud.endpoint else package.left_to_do(self._project.stage)),
        ]

    def _api_stage_arn(self, api_id: str) -> str:
        return client_limit.api_stage_arn(self._cloud, api_id, self._project.api_stage)


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
