"""The checks before a first deploy: each one's light, and nothing changed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from ops.deployment import readiness
from ops.deployment.readiness import POLICY, Finding, Light, Readiness, principal, worst
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project

NOW = datetime(2026, 11, 26, 9, tzinfo=timezone.utc)
SENDER = "hello@example.org"


class Missing(ClientError):
    def __init__(self, operation: str) -> None:
        super().__init__({"Error": {"Code": "Missing"}}, operation)


class Account:
    """An account that is ready, until a test says otherwise; it answers questions alone."""

    exceptions = SimpleNamespace(NoSuchEntityException=Missing, NotFoundException=Missing)

    def __init__(self) -> None:
        self.caller = "arn:aws:sts::123456789012:assumed-role/deployer/alexis"
        self.policy = json.loads(POLICY.read_text(encoding="utf-8"))
        self.late = timedelta()
        self.has_boundary = True
        self.at_once = 1000
        self.ses: dict[str, Any] = {
            "ProductionAccessEnabled": True,
            "SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0},
        }
        self.identity: dict[str, Any] | None = {
            "VerifiedForSendingStatus": True,
            "MailFromAttributes": {"MailFromDomain": "mail.example.org"},
            "DkimAttributes": {"Tokens": ["one"]},
        }
        self.records = {"_dmarc.example.org": ["v=DMARC1; p=reject"]}
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
        cloud = Cloud(session, "123456789012", "eu-west-3", "{}/{}".format)
        ready = Readiness(
            cloud, project, sender, NOW, self.check, lambda name: self.records.get(name, [])
        )
        return dict(ready.findings())


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr(readiness.package, "left_to_do", lambda _: [])
    return Account()


def test_an_account_that_is_ready_is_green_all_over(account: Account, project: Project) -> None:
    findings = account.findings(project)
    assert {finding.light for finding in findings.values()} == {Light.GREEN}, findings
    assert len(findings) == 9
    assert worst(findings) is Light.GREEN


def test_each_missing_permission_is_named(account: Account, project: Project) -> None:
    statements = account.policy["Statement"]
    account.policy["Statement"] = [one for one in statements if one["Action"] != ["iam:PassRole"]]
    (tables,) = [one for one in statements if one["Sid"] == "Tables"]
    tables["Action"].remove("dynamodb:CreateTable")
    finding = account.findings(project)["Permissions"]
    assert finding.light is Light.RED
    assert finding.text == "missing: dynamodb:CreateTable, iam:PassRole"


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
    account.identity = {"VerifiedForSendingStatus": True}


def have_no_dmarc(account: Account) -> None:
    account.records = {"_dmarc.example.org": ["v=spf1"]}


@pytest.mark.parametrize(
    ("change", "name", "light", "words"),
    [
        (refuse, "Checkout", Light.RED, "Amazon SES is not in ap-east-1."),
        (set_clock, "Clock", Light.AMBER, "200 s ahead of AWS's"),
        (use_root, "Permissions", Light.AMBER, "root user's"),
        (lose_boundary, "Boundary", Light.AMBER, "aws iam create-policy --policy-name bienvenue-"),
        (be_new, "Lambda", Light.AMBER, "10 functions at once"),
        (be_in_the_sandbox, "SES", Light.AMBER, "in its sandbox"),
        (be_paused, "SES", Light.RED, "paused"),
        (have_no_identity, "Sender", Light.AMBER, "the deploy makes one"),
        (be_unverified, "Sender", Light.AMBER, "one.dkim.zone"),
        (have_no_mail_from, "Sender", Light.AMBER, "without a MAIL FROM domain"),
        (have_no_dmarc, "DMARC", Light.AMBER, 'TXT  "v=DMARC1; p=none"'),
    ],
)
def test_what_is_not_ready_is_said_with_its_fix(
    account: Account, project: Project, change: Any, name: str, light: Light, words: str
) -> None:
    change(account)
    findings = account.findings(project)
    assert findings[name].light is light
    assert words in f"{findings[name].text} {findings[name].fix}"
    assert worst(findings) is light


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
    assert "may not SimulatePrincipalPolicy" in findings["Permissions"].text
    assert len(findings) == 9


def test_a_session_is_asked_about_by_its_role() -> None:
    user = "arn:aws:iam::123456789012:user/alexis"
    assert principal(user) == user
    session = "arn:aws-us-gov:sts::123456789012:assumed-role/deployer/i-1"
    assert principal(session) == "arn:aws-us-gov:iam::123456789012:role/deployer"
