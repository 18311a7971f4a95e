"""The checks before a first deploy, a line for each. They change nothing."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import partial
from typing import Any

import dns.exception
import dns.resolver

from ops.deployment import mail_identity, mail_limits, package, permissions_boundary
from ops.stage.aws_errors import in_plain_words
from ops.stage.cloud import Cloud
from ops.stage.errors import OpsError
from ops.stage.project import CHECKOUT, Project

POLICY = CHECKOUT / "docs" / "policies" / "deploy.json"
LATE = 60.0  # seconds that the clock may differ; AWS refuses requests at 300
AT_ONCE = 100  # concurrent functions: below that, a burst of visitors waits
TIME_TO_RESOLVE = 5.0

TextRecords = Callable[[str], list[str]]
"""Returns the TXT records of a name in the DNS; none if it has none or cannot be looked up."""


class Light(Enum):
    """A check's result: good, worth a look, or in the way of a deploy."""

    GREEN = "✓"
    AMBER = "!"
    RED = "✗"


@dataclass(frozen=True)
class Finding:
    """What a check saw, and how to fix it."""

    light: Light
    text: str
    fix: str = ""


green = partial(Finding, Light.GREEN)
amber = partial(Finding, Light.AMBER)
red = partial(Finding, Light.RED)


@dataclass(frozen=True)
class Readiness:
    """Looks at an account before a stage is deployed to it.

    ``now`` is this machine's time, and ``refusal`` raises OpsError for what a deploy would refuse.
    """

    cloud: Cloud
    project: Project
    sender: str
    now: datetime
    refusal: Callable[[], object]
    text_records: TextRecords

    def findings(self) -> Iterator[tuple[str, Finding]]:
        """Return each check's name and finding. One that fails does not end the others."""
        for name, look in (
            ("Checkout", self._checkout),
            ("Clock", self._clock),
            ("Python", self._python),
            ("Permissions", self._permissions),
            ("Boundary", self._boundary),
            ("Lambda", self._lambda),
            ("SES", self._ses),
            ("Sender", self._sender),
            ("DMARC", self._dmarc),
        ):
            try:
                with in_plain_words():
                    yield name, look()
            except OpsError as error:
                yield name, red(str(error))

    def _checkout(self) -> Finding:
        self.refusal()
        return green("region, names, settings and files are as a deploy needs them")

    def _clock(self) -> Finding:
        answer = self.cloud.session.client("sts").get_caller_identity()
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if not date:
            return amber("AWS did not say the time")
        late = (self.now - parsedate_to_datetime(date)).total_seconds()
        if abs(late) <= LATE:
            return green("agrees with AWS's")
        return amber(
            f"{abs(late):.0f} s {'ahead of' if late > 0 else 'behind'} AWS's; at 300 s AWS refuses "
            "all requests",
            "Set this machine's clock, for instance by: sudo timedatectl set-ntp true",
        )

    def _python(self) -> Finding:
        advice = package.left_to_do(self.project.stage)
        return amber(package.own_runtime(), advice[0]) if advice else green(package.own_runtime())

    def _permissions(self) -> Finding:
        iam: Any = self.cloud.session.client("iam")
        caller = self.cloud.session.client("sts").get_caller_identity()["Arn"]
        if caller.endswith(":root"):
            return amber("these credentials are the account's root user's", "Use a user or a role.")
        denied: list[str] = []
        for statement in self._statements():
            answer = iam.simulate_principal_policy(
                PolicySourceArn=principal(caller),
                ActionNames=statement["Action"],
                ResourceArns=statement["Resource"],
                ContextEntries=statement["Context"],
            )
            denied += [
                result["EvalActionName"]
                for result in answer["EvaluationResults"]
                if result["EvalDecision"] != "allowed"
            ]
        if denied:
            names = ", ".join(sorted(set(denied)))
            return red(
                f"missing: {names}", f"Give these credentials {POLICY.name} of docs/policies."
            )
        return green("all that docs/policies/deploy.json allows")

    def _statements(self) -> Iterator[dict[str, Any]]:
        """Return the policy's statements for this stage, each with resources that it may make."""
        partition = self.cloud.session.get_partition_for_region(self.cloud.region)
        text = POLICY.read_text(encoding="utf-8").replace(
            "bienvenue-boundary", f"{self._app}-boundary"
        )
        for statement in json.loads(text)["Statement"]:
            resources = statement["Resource"]
            listed = [resources] if isinstance(resources, str) else resources
            conditions = statement.get("Condition", {}).values()
            yield {
                "Action": statement["Action"],
                "Resource": [self._example(resource, partition) for resource in listed],
                "Context": [
                    {
                        "ContextKeyName": key,
                        "ContextKeyValues": [self._example(value, partition)],
                        "ContextKeyType": "string",
                    }
                    for condition in conditions
                    for key, value in condition.items()
                ],
            }

    @property
    def _app(self) -> str:
        return self.project.app_name

    def _example(self, pattern: str, partition: str) -> str:
        """Return a name that ``pattern`` of the policy matches, of this stage."""
        if pattern == "*":
            return pattern
        name = pattern.replace("bienvenue-*", f"{self.project.full_name}-x")
        parts = name.split(":", 5)
        if parts[0] == "arn" and len(parts) == 6:
            region = self.cloud.region if parts[3] == "*" else parts[3]
            account = self.cloud.account if parts[4] == "*" else parts[4]
            name = ":".join(["arn", partition, parts[2], region, account, parts[5]])
        return re.sub(r"\*$", "x", name)

    def _boundary(self) -> Finding:
        iam: Any = self.cloud.session.client("iam")
        if arn := permissions_boundary.find(iam, self.cloud, self.project):
            return green(arn)
        return amber(
            "the account has none, so nothing bounds the roles that a deploy makes",
            "An administrator makes it with: "
            + self.cloud.aws(
                f"iam create-policy --policy-name {self._app}-boundary "
                "--policy-document file://docs/policies/boundary.json"
            ),
        )

    def _lambda(self) -> Finding:
        limit = self.cloud.session.client("lambda").get_account_settings()["AccountLimit"]
        at_once = limit["ConcurrentExecutions"]
        if at_once >= AT_ONCE:
            return green(f"{at_once:,} functions at once")
        return amber(
            f"{at_once} functions at once, in all the account",
            "Ask for 1,000 in Service Quotas, before many people come: docs/operating.md, Limits.",
        )

    def _ses(self) -> Finding:
        account = self.cloud.session.client("sesv2").get_account()
        if not account.get("SendingEnabled", True):
            return red("sending is paused for the account", "Read AWS's mail about it.")
        if not account.get("ProductionAccessEnabled"):
            return amber("in its sandbox", mail_identity.LEAVE_THE_SANDBOX)
        limits = mail_limits.read(account)
        rate = account["SendQuota"]["MaxSendRate"]
        return green(f"{rate:g} mails a second; {limits.per_day:,} a day are Bienvenue's to send")

    def _sender(self) -> Finding:
        if not self.sender:
            return red("whom is mail from?", "Say it: --mail-from hello@example.org")
        ses = self.cloud.session.client("sesv2")
        name = mail_identity.find(ses, self.sender)
        if not name:
            return amber(
                f"SES has no identity for {self.sender} yet: the deploy makes one",
                "The deploy says which DNS records it needs.",
            )
        identity = ses.get_email_identity(EmailIdentity=name)
        if not identity.get("VerifiedForSendingStatus"):
            dkim = identity["DkimAttributes"]
            how, _ = mail_identity.how_to_verify(self.sender, name, dkim)
            return amber(f"{name} is not verified", how)
        if not identity.get("MailFromAttributes", {}).get("MailFromDomain"):
            return amber(
                f"{name} is verified, but without a MAIL FROM domain, so SPF is Amazon's",
                "https://docs.aws.amazon.com/ses/latest/dg/mail-from.html",
            )
        return green(f"{name} is verified")

    def _dmarc(self) -> Finding:
        domain = self.sender.rpartition("@")[2]
        if not domain:
            raise OpsError("not seen: there is no sender")
        record = f"_dmarc.{domain}"
        if any(text.lower().startswith("v=dmarc1") for text in self.text_records(record)):
            return green(f"{record} has a policy")
        return amber(
            f"{record} has no policy: mailbox providers trust its mail less",
            f'Add to the DNS of {domain}: {record}  TXT  "v=DMARC1; p=none"',
        )


def principal(caller: str) -> str:
    """Return the user or role that a ``caller``'s ARN stands for: a session has no policies."""
    session = re.fullmatch(r"arn:([\w-]+):sts::(\d+):assumed-role/([^/]+)/.*", caller)
    return "arn:{}:iam::{}:role/{}".format(*session.groups()) if session else caller


def text_records(name: str) -> list[str]:
    """Return the TXT records of ``name`` in the DNS; none if they cannot be had."""
    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=TIME_TO_RESOLVE)
    except dns.exception.DNSException:
        return []
    return [b"".join(record.strings).decode(errors="replace") for record in answer]


def worst(findings: Mapping[str, Finding]) -> Light:
    """Return the light of the worst finding."""
    lights = {finding.light for finding in findings.values()}
    return next(light for light in (Light.RED, Light.AMBER, Light.GREEN) if light in lights)
