"""The checks before a first deploy: each one's light, and nothing changed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from ops.deploy import command, readiness
from ops.deploy.deployment import Options
from ops.deploy.readiness import POLICIES, Readiness, principal
from ops.doctor.check import Finding, Light, worst
from ops.resources.settings.event_bus import EventOptions
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project
from tests.ops.doctor.world import ALIASES, RECORDS, SERVERS, set_up_dns

NOW = datetime(2026, 11, 26, 9, tzinfo=timezone.utc)
SENDER = "hello@example.org"


def policy(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((POLICIES / f"{name}.json").read_text(encoding="utf-8"))
    return content


class Missing(ClientError):
    def __init__(self, operation: str) -> None:
        super().__init__({"Error": {"Code": "Missing"}}, operation)


class Account:
    """An account that is ready, until a test says otherwise; it answers questions alone."""

    exceptions = SimpleNamespace(
        NoSuchEntityException=Missing,
        NotFoundException=Missing,
        ResourceNotFoundException=Missing,
    )

    def __init__(self) -> None:
        self.caller = "arn:aws:sts::123456789012:assumed-role/deployer/alexis"
        self.policy = policy("deploy")
        self.asked = ["deploy"]
        self.endpoint = ""
        self.late = timedelta()
        self.has_boundary = True
        self.at_once = 1000
        self.ses: dict[str, Any] = {
            "ProductionAccessEnabled": True,
            "SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0},
        }
        self.identity: dict[str, Any] | None = {
            "VerifiedForSendingStatus": True,
            "MailFromAttributes": {
                "MailFromDomain": "bounce.example.org",
                "MailFromDomainStatus": "SUCCESS",
            },
            "DkimAttributes": {"Status": "SUCCESS", "SigningEnabled": True, "Tokens": ["one"]},
        }
        self.records = dict(RECORDS)
        self.servers = dict(SERVERS)
        self.aliases = dict(ALIASES)
        self.refusal: Exception | None = None

    def get_caller_identity(self) -> Any:
        date = (NOW - self.late).strftime("%a, %d %b %Y %H:%M:%S GMT")
        return {"Arn": self.caller, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    def simulate_principal_policy(self, **asked: Any) -> Any:
        assert asked["PolicySourceArn"] == "arn:aws:iam::123456789012:role/deployer"
        keys = {
            entry["ContextKeyName"].lower(): entry["ContextKeyValues"][0]
            for entry in asked["ContextEntries"]
        }
        return {
            "EvaluationResults": [
                {
                    "EvalActionName": action,
                    "EvalDecision": "allowed" if self.allows(action, arn, keys) else "implicitDeny",
                }
                for action in asked["ActionNames"]
                for arn in asked["ResourceArns"]
            ]
        }

    def allows(self, action: str, arn: str, keys: dict[str, str]) -> bool:
        asked = EvalContext(
            self.caller,
            "AssumedRole",
            "123456789012",
            action,
            arn,
            "eu-west-3",
            service_context=keys,
        )
        return bool(evaluate(asked, [parse_policy_document(self.policy)]).decision == "Allow")

    def get_policy(self, PolicyArn: str) -> None:  # noqa: N803 - boto3's name
        assert PolicyArn == "arn:aws:iam::123456789012:policy/bienvenue-boundary"
        if not self.has_boundary:
            raise Missing("GetPolicy")

    def get_account_settings(self) -> Any:
        return {"AccountLimit": {"ConcurrentExecutions": self.at_once}}

    def get_function_concurrency(self, **_: str) -> Any:
        raise Missing("GetFunctionConcurrency")

    def get_account(self) -> Any:
        return self.ses

    def get_email_identity(self, EmailIdentity: str) -> Any:  # noqa: N803 - boto3's name
        if self.identity is None or EmailIdentity != "example.org":
            raise Missing("GetEmailIdentity")
        return self.identity

    def check(self) -> None:
        if self.refusal:
            raise self.refusal

    def findings(self, project: Project, sender: str = SENDER) -> dict[str, Finding]:
        session: Any = SimpleNamespace(
            client=lambda _: self, get_partition_for_region=lambda _: "aws"
        )
        address = "{}/{}".format
        cloud = Cloud(session, "123456789012", "eu-west-3", address, endpoint=self.endpoint)
        with pytest.MonkeyPatch.context() as patch:
            set_up_dns(patch, self.records, self.servers, self.aliases)
            ready = Readiness(cloud, project, sender, NOW, self.check, self.asked)
            return dict(ready.findings())


def test_dmarc_is_looked_up_before_ses_knows_the_sender(account: Account, project: Project) -> None:
    account.identity = None
    assert account.findings(project)["DMARC"].text.startswith("DKIM aligned")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr(readiness.package, "left_to_do", lambda _: [])
    return Account()


def test_an_account_that_is_ready_is_green_all_over(account: Account, project: Project) -> None:
    findings = account.findings(project)
    assert {finding.light for finding in findings.values()} == {Light.GREEN}, findings
    assert list(findings)[-5:] == ["Sender", "DKIM", "MAIL FROM", "SPF", "DMARC"]
    assert worst([*findings.values()]) is Light.GREEN


def test_each_missing_permission_is_named(account: Account, project: Project) -> None:
    statements = account.policy["Statement"]
    account.policy["Statement"] = [one for one in statements if one["Action"] != ["iam:PassRole"]]
    (tables,) = [one for one in statements if one["Sid"] == "Tables"]
    tables["Action"].remove("dynamodb:CreateTable")
    finding = account.findings(project)["Permissions"]
    assert finding.light is Light.RED
    assert finding.text == "missing: dynamodb:CreateTable, iam:PassRole"


@pytest.mark.parametrize("name", ["deploy-events", "client-limit", "domain"])
def test_what_an_option_needs_is_asked_for_as_well(
    account: Account, project: Project, name: str
) -> None:
    account.asked.append(name)
    finding = account.findings(project)["Permissions"]
    assert (finding.light, f"{name}.json of docs" in finding.fix) == (Light.RED, True)
    account.policy["Statement"] += policy(name)["Statement"]
    finding = account.findings(project)["Permissions"]
    assert (finding.light, finding.text) == (
        Light.GREEN,
        f"all that deploy, {name} of docs/policies allow",
    )


@pytest.mark.parametrize(
    ("options", "policies"),
    [
        (Options(), []),
        (Options(per_ip_rate=30), ["client-limit"]),
        (Options(per_ip_rate=0, domain=""), []),
        (Options(domain="hello.example.org"), ["domain"]),
        (Options(mail_from_domain="bounce.example.org"), ["domain"]),
        (Options(events=EventOptions(is_on=True)), ["deploy-events"]),
        (Options(events=EventOptions(webhook="https://example.org")), ["deploy-events"]),
    ],
)
def test_each_option_has_its_policy(
    project: Project, options: Options, policies: list[str]
) -> None:
    assert command._policies(project, options) == ["deploy", *policies]


def test_a_stage_with_events_and_a_domain_needs_their_policies(project: Project) -> None:
    project.record({"EVENT_BUS": "bienvenue-prod"}, {})
    project.note_domain({"name": "hello.example.org"})
    assert command._policies(project, Options()) == ["deploy", "deploy-events", "domain"]
    assert command._policies(project, Options(events=EventOptions(is_on=False))) == [
        "deploy",
        "domain",
    ]


def refuse(account: Account) -> None:
    account.refusal = DeployError("Amazon SES is not in ap-east-1.")


def set_clock(account: Account) -> None:
    account.late = timedelta(seconds=200)


def use_root(account: Account) -> None:
    account.caller = "arn:aws:iam::123456789012:root"


def lose_boundary(account: Account) -> None:
    account.has_boundary = False


def be_new(account: Account) -> None:
    account.at_once = 10


def be_in_the_sandbox(account: Account) -> None:
    account.ses = {**account.ses, "ProductionAccessEnabled": False}


def be_paused(account: Account) -> None:
    account.ses = {**account.ses, "SendingEnabled": False}


def have_no_identity(account: Account) -> None:
    account.identity = None


def be_unverified(account: Account) -> None:
    account.identity = {"DkimAttributes": {"Tokens": ["one"], "SigningHostedZone": "dkim.zone"}}


def have_no_mail_from(account: Account) -> None:
    assert account.identity
    del account.identity["MailFromAttributes"]


def lose_mail_server(account: Account) -> None:
    account.servers = {}


def lose_spf(account: Account) -> None:
    del account.records["bounce.example.org"]


def lose_dkim(account: Account) -> None:
    account.aliases = {"one._domainkey.example.org": "one.old.amazonses.com"}


def have_no_dmarc(account: Account) -> None:
    account.records["_dmarc.example.org"] = ["v=spf1"]


@pytest.mark.parametrize(
    ("change", "name", "light", "words"),
    [
        (refuse, "Checkout", Light.RED, "Amazon SES is not in ap-east-1."),
        (set_clock, "Clock", Light.AMBER, "200 s ahead of AWS's"),
        (use_root, "Permissions", Light.AMBER, "root user's"),
        (lose_boundary, "Boundary", Light.AMBER, "aws iam create-policy --policy-name bienvenue-"),
        (be_new, "Lambda", Light.AMBER, "10 functions at once"),
        (be_new, "Lambda", Light.AMBER, "3 are left for pages"),
        (be_in_the_sandbox, "SES", Light.AMBER, "in its sandbox"),
        (be_paused, "SES", Light.RED, "paused"),
        (have_no_identity, "Sender", Light.AMBER, "the deploy creates it"),
        (be_unverified, "Sender", Light.AMBER, "one.dkim.zone"),
        (have_no_identity, "DKIM", Light.GREY, "SES has no identity"),
        (be_unverified, "DKIM", Light.AMBER, "lacks 1 DKIM record"),
        (lose_dkim, "DKIM", Light.AMBER, "one._domainkey.example.org  CNAME  one.dkim.amazonses"),
        (have_no_mail_from, "MAIL FROM", Light.AMBER, "SES's own"),
        (have_no_mail_from, "SPF", Light.GREY, "there is no MAIL FROM domain"),
        (lose_mail_server, "MAIL FROM", Light.AMBER, "MX   10 feedback-smtp.eu-west-3."),
        (lose_spf, "SPF", Light.AMBER, 'TXT  "v=spf1 include:amazonses.com ~all"'),
        (have_no_dmarc, "DMARC", Light.AMBER, 'TXT  "v=DMARC1; p=none'),
    ],
)
def test_what_is_not_ready_is_said_with_its_fix(
    account: Account, project: Project, change: Any, name: str, light: Light, words: str
) -> None:
    change(account)
    findings = account.findings(project)
    assert findings[name].light is light
    finding = findings[name]
    assert words in f"{finding.text} {finding.fix} {finding.command}"
    others = [one.light for other, one in findings.items() if other != name]
    assert light is Light.GREY or Light.RED not in others


def test_a_first_deploy_without_a_sender_is_not_ready(account: Account, project: Project) -> None:
    finding = account.findings(project, sender="")["Sender"]
    assert finding.light is Light.RED
    assert "--mail-from" in finding.fix


def test_an_error_in_one_check_does_not_end_the_others(account: Account, project: Project) -> None:
    def refused(**_: object) -> None:
        error: Any = {"Code": "AccessDenied", "Message": "no iam:SimulatePrincipalPolicy"}
        raise ClientError({"Error": error}, "SimulatePrincipalPolicy")

    account.simulate_principal_policy = refused  # type: ignore[method-assign]
    findings = account.findings(project)
    assert findings["Permissions"].light is Light.AMBER  # a deploy may be allowed all the same
    assert "may not SimulatePrincipalPolicy" in findings["Permissions"].text
    assert len(findings) == 12


def test_aws_that_does_not_answer_is_red(account: Account, project: Project) -> None:
    def fail() -> None:
        error: Any = {"Code": "ServiceUnavailable", "Message": "down"}
        raise ClientError({"Error": error}, "GetAccountSettings")

    account.get_account_settings = fail  # type: ignore[method-assign]
    assert account.findings(project)["Lambda"].light is Light.RED


def test_a_rehearsal_needs_no_python_of_lambdas(
    account: Account, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness.package, "left_to_do", lambda _: ["Install another."])
    assert account.findings(project)["Python"].light is Light.AMBER
    account.endpoint = "http://127.0.0.1:8400"
    assert account.findings(project)["Python"].light is Light.GREEN


def test_a_session_is_asked_about_by_its_role() -> None:
    user = "arn:aws:iam::123456789012:user/alexis"
    assert principal(user) == user
    session = "arn:aws-us-gov:sts::123456789012:assumed-role/deployer/i-1"
    assert principal(session) == "arn:aws-us-gov:iam::123456789012:role/deployer"
