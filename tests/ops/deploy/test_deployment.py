"""A deploy: what it refuses, what it records and what it remembers."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from chalicelib import templates
from ops.deploy import deployment as steps
from ops.deploy.deployment import Deployed, Options, deploy
from ops.resources.functions.concurrency import MAILER_RESERVE, ConcurrencyLimits
from ops.resources.mail.mail_identity import MailIdentity
from ops.resources.mail.mail_limits import MailLimits
from ops.resources.settings.event_bus import EventOptions
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError, OpsError
from ops.stage.project import Project
from ops.terminal.progress import Progress
from tests.ops.conftest import ParameterStore

ACCOUNT = "123456789012"
REGION = "eu-west-3"
MAIL_FROM = "hello@example.org"
REGIONS: dict[str, Any] = {
    "get_partition_for_region": lambda _: "aws",
    "get_available_regions": lambda *_: [REGION, "us-east-1"],
}


class Asked(Exception):
    """AWS was asked for something: everything was accepted up to there."""


def attempt(project: Project, **arguments: Any) -> None:
    """Deploy to where the first question to AWS ends it."""

    def client(service: str) -> ParameterStore:
        if service == "ssm":
            return ParameterStore()
        raise Asked(service)

    session: Any = SimpleNamespace(client=client, **REGIONS)
    cloud = Cloud(session, ACCOUNT, REGION, lambda api_id, stage: f"https://{api_id}/{stage}")
    deploy(cloud, project, Options(**arguments), Progress(io.StringIO()))


def test_the_first_deploy_must_say_whom_mail_is_from(project: Project) -> None:
    with pytest.raises(DeployError, match="--mail-from hello@"):
        attempt(project)
    with pytest.raises(Asked):
        attempt(project, mail_from=MAIL_FROM)


def test_later_deploys_remember_it(project: Project) -> None:
    project.record({"MAIL_FROM": MAIL_FROM}, {})
    with pytest.raises(Asked):
        attempt(project)


@pytest.mark.parametrize("stage", ["", "my_stage", "-prod", "prod/1", "é", "a" * 33])
def test_a_stage_that_no_stack_can_be_named_after_is_refused(project: Project, stage: str) -> None:
    with pytest.raises(DeployError, match="must be letters, digits and hyphens"):
        attempt(Project(project.folder, stage), mail_from=MAIL_FROM)


@pytest.mark.parametrize(("account", "region"), [("210987654321", REGION), (ACCOUNT, "us-east-1")])
def test_a_stage_never_moves_to_another_account_or_region(
    project: Project, account: str, region: str
) -> None:
    stream = f"arn:aws:dynamodb:{region}:{account}:table/users/stream/2026"
    project.record({"USERS_STREAM_ARN": stream, "MAIL_FROM": MAIL_FROM}, {})
    with pytest.raises(
        DeployError, match=f"lives in account {account}, {region}, but .*{ACCOUNT}, {REGION}"
    ):
        attempt(project)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"mail_from": "Hello <hello@example.org>"}, "MAIL_FROM must be a bare address"),
        ({"base_url": "http://example.org"}, "BASE_URL must be https://"),
        ({"alarms_to": "ops at example.org"}, "give a bare address"),
        ({"settings": {"DEFAULT_LANG": "xx"}}, "DEFAULT_LANG must be one of ar, de, en, es, fr,"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_made(
    project: Project, arguments: dict[str, Any], problem: str
) -> None:
    with pytest.raises(OpsError, match=problem):
        attempt(project, **{"mail_from": MAIL_FROM, **arguments})
    assert project.environment == {"DEFAULT_LANG": "en"}


def test_a_wrong_setting_in_config_json_is_refused_too(project: Project) -> None:
    project.record({"VALIDATE_ON_GET": "perhaps"}, {})
    with pytest.raises(OpsError, match="VALIDATE_ON_GET must be same-browser, true or false"):
        attempt(project, mail_from=MAIL_FROM)


def test_a_stages_template_that_cannot_be_filled_is_refused(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "PACKAGE", tmp_path)
    (tmp_path / "chalicelib/acme/mail/en").mkdir(parents=True)
    (tmp_path / "chalicelib/acme/mail/en/link.html").write_text("<p>$lien")
    project.record({"TEMPLATES_FOLDER": "chalicelib/acme"}, {})
    with pytest.raises(OpsError, match=r"acme/mail/en/link.html has \$lien, which stands for"):
        attempt(project, mail_from=MAIL_FROM)


STREAM = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/bienvenue-prod-users/stream/2026"
SECRET = "k" * 32
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:bienvenue-prod-mail-feedback"
OWN_SET = "bienvenue-prod"  # the configuration set that the stack makes, called as it is itself


class Account:
    """An account where every step succeeds, with a memory of what the steps were given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api_id = "first"
        self.room = ConcurrencyLimits(1000, 1000)
        self.endpoint = ""
        self.parameters: dict[str, str] = {}
        self.shipped: list[dict[str, str]] = []
        self.log_days: list[int] = []

        for module, name, does in (
            (steps, "Stack", lambda _, name: SimpleNamespace(name=name, **stack)),
            (steps.mail_identity, "choose", lambda *_: MailIdentity("example.org", is_ours=True)),
            (steps.mail_identity, "left_to_do", lambda *_: ["Wait."]),
            (steps.mail_from_domain, "left_to_do", lambda *_: []),
            (steps.package, "left_to_do", lambda stage: [f"Wait for {stage}."]),
            (steps.permissions_boundary, "find", lambda *_: ""),
            (steps.event_bus, "key_of", lambda *_: "key"),
            (steps.table, "is_missing_both_indexes", lambda *_: False),
            (steps.concurrency, "read", lambda *_: self.room),
            (steps.mail_limits, "read", lambda _: MailLimits(180, 90)),
            (steps.table, "ensure_users", lambda *_, **__: STREAM),
            (steps.table, "ensure_limits", lambda *_: None),
            (steps.secret_key, "ensure", lambda *_: SECRET),
            (steps.shared_settings, "download", lambda *_: None),
            (steps.shared_settings, "upload", lambda *_: None),
            (steps.rest_api, "ensure", lambda *_: self.api_id),
            (steps.rest_api, "ensure_throttle", lambda *_: None),
            (steps.event_source_mapping, "remove_former", lambda *_: None),
            (steps.event_source_mapping, "ensure", lambda *_: None),
            (steps.event_invoke_config, "ensure", lambda *_: None),
            (steps.function_logs, "ensure", lambda *given: self.log_days.append(given[3])),
            (steps.alarms, "ensure", lambda *_: None),
            (steps.alarms, "left_to_do", lambda _, topic, to, __: [f"{to} at {topic}."]),
            (steps.chalice_deployer, "deploy", lambda _, project, *__: self.ship(project)),
        ):
            monkeypatch.setattr(module, name, does)
        stack = {
            "parameters": lambda: self.parameters,
            "ensure": self.deploy_stack,
            "made": lambda _: "",
            "resources": dict,
        }

    def deploy_stack(self, parameters: dict[str, str], *_: object) -> dict[str, str]:
        self.parameters = parameters
        return {
            "MailFeedbackArn": TOPIC,
            "DeadLettersArn": "queue",
            "AlarmsArn": "topic",
            "ConfigurationSet": parameters["ConfigurationSet"] or OWN_SET,
            "ApiHandlerRoleArn": "role-of-api",
            "SendValidationMailRoleArn": "role-of-mailer",
        }

    def ship(self, project: Project) -> str:
        self.shipped.append(project.environment)
        return "digest"

    def deploy(self, project: Project, **arguments: Any) -> Deployed:
        client = SimpleNamespace(get_account=dict)
        session: Any = SimpleNamespace(client=lambda _: client, **REGIONS)

        def address(api_id: str, api_stage: str) -> str:
            return f"https://{api_id}.execute-api.{REGION}.amazonaws.com/{api_stage}"

        cloud = Cloud(session, ACCOUNT, REGION, address, endpoint=self.endpoint)
        return deploy(cloud, project, Options(**arguments), Progress(io.StringIO()))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


def test_plain_chalice_finds_settings_and_roles_in_config_json(
    account: Account, project: Project
) -> None:
    deployed = account.deploy(project, mail_from=MAIL_FROM, settings={"PRODUCT_NAME": "Acme"})
    own_address = "https://first.execute-api.eu-west-3.amazonaws.com/api"
    assert account.shipped == [
        {
            "DEFAULT_LANG": "en",
            "PRODUCT_NAME": "Acme",
            "MAIL_FROM": MAIL_FROM,
            "BASE_URL": own_address,
            "USERS_TABLE": "bienvenue-prod-users",
            "USERS_STREAM_ARN": STREAM,
            "MAIL_FEEDBACK_TOPIC_ARN": TOPIC,
            "MAIL_CONFIGURATION_SET": OWN_SET,
            "LIMITS_TABLE": "bienvenue-prod-limits",
            "SECRET_KEY": SECRET,
            "MAILS_PER_DAY": "180",
            "MAILS_PER_HOUR": "90",
        }
    ]
    assert project.config()["stages"]["prod"]["lambda_functions"] == {
        "api_handler": {"iam_role_arn": "role-of-api"},
        "send_validation_mail": {
            "iam_role_arn": "role-of-mailer",
            "reserved_concurrency": MAILER_RESERVE,
        },
    }
    left_to_do = ["Wait.", " at topic.", "Wait for prod."]
    package = {"sha256": "digest", "commit": ""}  # the project is in no repository
    assert deployed == Deployed(own_address, "bienvenue-prod-users", REGION, left_to_do, package)
    assert project.package == package


def test_a_small_account_reserves_nothing_and_is_told_how(
    account: Account, project: Project
) -> None:
    account.deploy(project, mail_from=MAIL_FROM)
    account.room = ConcurrencyLimits(10, 10)
    left = account.deploy(project).left_to_do
    assert project.reserve_of("send_validation_mail") is None
    assert "request-service-quota-increase --service-code lambda" in " ".join(left)


def test_a_base_url_is_remembered_but_never_an_address_of_awss(
    account: Account, project: Project
) -> None:
    account.deploy(project, mail_from=MAIL_FROM)
    account.api_id = "second"
    assert account.deploy(project).base_url.startswith("https://second.execute-api.")
    account.deploy(project, base_url="https://hello.example.org/")
    assert account.deploy(project).base_url == "https://hello.example.org"


def test_the_operators_own_configuration_set_is_used(account: Account, project: Project) -> None:
    account.deploy(project, mail_from=MAIL_FROM)
    account.deploy(project)
    assert account.parameters["ConfigurationSet"] == ""
    account.deploy(project, settings={"MAIL_CONFIGURATION_SET": "theirs"})
    assert account.parameters["ConfigurationSet"] == "theirs"
    account.deploy(project)
    assert account.parameters["ConfigurationSet"] == "theirs"
    assert account.shipped[-1]["MAIL_CONFIGURATION_SET"] == "theirs"


def test_the_stack_makes_an_identity_only_if_none_is_there(
    account: Account, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.deploy(project, mail_from=MAIL_FROM)
    assert account.parameters["NewMailIdentity"] == "example.org"
    theirs = MailIdentity(MAIL_FROM, is_ours=False)
    monkeypatch.setattr(steps.mail_identity, "choose", lambda *_: theirs)
    account.deploy(project)
    assert account.parameters["NewMailIdentity"] == ""


def test_the_alarms_address_and_retention_are_remembered(
    account: Account, project: Project
) -> None:
    account.deploy(project, mail_from=MAIL_FROM)
    assert account.parameters["AlarmsTo"] == ""
    assert account.log_days == [90]
    account.deploy(project, alarms_to="ops@example.org", log_days=365)
    deployed = account.deploy(project)
    assert (account.parameters["AlarmsTo"], account.parameters["LogDays"]) == (
        "ops@example.org",
        "365",
    )
    assert account.log_days == [90, 365, 365]
    assert "ops@example.org at topic." in deployed.left_to_do
    account.deploy(project, alarms_to="")
    assert account.parameters["AlarmsTo"] == ""


def test_the_limit_by_client_knows_the_allowed_origin(account: Account, project: Project) -> None:
    account.deploy(project, mail_from=MAIL_FROM)
    assert account.parameters["ClientLimitOrigin"] == ""
    account.deploy(project, settings={"ALLOWED_ORIGINS": "https://shop.example"})
    assert account.parameters["ClientLimitOrigin"] == "https://shop.example"


class Domain:
    """A domain that answers when a test says so."""

    ready = False

    def __init__(self, _cloud: Cloud, _project: Project, name: str) -> None:
        self.name, self.url = name, f"https://{name}"

    def is_ready(self, *_: object) -> bool:
        return self.ready

    def ensure(self, *_: object) -> list[str]:
        return ["Add the record."]

    def switch_off_own_address(self, _: str, *, off: bool, say: object) -> None:  # noqa: ARG002
        Domain.switched.append(off)

    switched: ClassVar[list[object]] = []


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> type[Domain]:
    Domain.ready, Domain.switched = False, []
    monkeypatch.setattr(steps, "CustomDomain", Domain)
    monkeypatch.setattr(steps.rest_api, "find", lambda *_: "first")
    return Domain


def test_links_lead_to_a_domain_once_it_answers(
    account: Account, project: Project, domain: type[Domain]
) -> None:
    own = account.deploy(project, mail_from=MAIL_FROM).base_url
    deployed = account.deploy(project, domain="Hello.example.org")
    assert deployed.base_url == own
    assert "Add the record." in deployed.left_to_do
    assert domain.switched == []
    domain.ready = True
    deployed = account.deploy(project)
    assert deployed.base_url == "https://hello.example.org"
    assert domain.switched == [False]  # mailed links live for a day
    assert "tomorrow" in deployed.left_to_do[0]
    name, since = project.domain["name"], "2026-01-01T00:00:00+00:00"
    project.note_domain({"name": name, "since": since})
    deployed = account.deploy(project)
    assert domain.switched == [False, True]
    assert "tomorrow" not in deployed.left_to_do[0]


def test_a_domain_that_goes_brings_the_old_address_back(
    account: Account, project: Project, domain: type[Domain]
) -> None:
    own = account.deploy(project, mail_from=MAIL_FROM).base_url
    domain.ready = True
    account.deploy(project, domain="hello.example.org")
    domain.switched.clear()
    deployed = account.deploy(project, domain="")
    assert deployed.base_url == own
    assert domain.switched == [False]
    assert "delete-domain-name --domain-name hello.example.org" in deployed.left_to_do[0]
    assert project.domain == {}


def test_another_domain_takes_over_once_it_answers(
    account: Account, project: Project, domain: type[Domain]
) -> None:
    domain.ready = True
    account.deploy(project, mail_from=MAIL_FROM, domain="hello.example.org")
    domain.ready = False
    deployed = account.deploy(project, domain="hi.example.org")
    assert deployed.base_url == "https://hello.example.org"
    assert "hello.example.org still leads to the API" in deployed.left_to_do[1]
    domain.ready = True
    assert account.deploy(project).base_url == "https://hi.example.org"


def test_a_domain_of_a_new_stage_needs_no_other_address(
    account: Account, project: Project, domain: type[Domain]
) -> None:
    domain.ready = True
    deployed = account.deploy(project, mail_from=MAIL_FROM, domain="hello.example.org")
    assert deployed.base_url == "https://hello.example.org"
    assert domain.switched == [True]


def test_the_hint_of_the_webhooks_key_reaches_a_rehearsal(
    account: Account, project: Project
) -> None:
    account.endpoint = "http://127.0.0.1:8400"
    wish = EventOptions(webhook="https://example.org/hooks")
    left = account.deploy(project, mail_from=MAIL_FROM, events=wish).left_to_do
    hint = f"AWS_ENDPOINT_URL={account.endpoint} ./bienvenue events key --stage prod"
    assert any(task.endswith(hint) for task in left), left
