"""The checks before a first deploy, a line for each. They change nothing."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from ops.doctor import check
from ops.doctor.check import Finding, amber, green, red
from ops.doctor.checks import delivery, mail
from ops.doctor.facts import Facts
from ops.resources.functions import concurrency, event_source_mapping, package
from ops.resources.mail import mail_identity, mail_limits
from ops.resources.stack import permissions_boundary
from ops.stage.aws_errors import in_plain_words, is_forbidden
from ops.stage.cloud import Cloud
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.project import CHECKOUT, Project

POLICIES = CHECKOUT / "docs" / "policies"
LATE = 60.0  # seconds that the clock may differ; AWS refuses requests at 300
AGAIN = "Fix that, then check again."
IN_THE_DNS = (mail.DKIM, *delivery.DNS)
"""The doctor's own checks of what mailbox providers look up."""


@dataclass(frozen=True)
class Readiness:
    """Looks at an account before a stage is deployed to it.

    ``now`` is this machine's time, and ``refusal`` raises OpsError for what a deploy would refuse.
    ``policies`` are the names of those in docs/policies that the deploy needs.
    """

    cloud: Cloud
    project: Project
    sender: str
    now: datetime
    refusal: Callable[[], object]
    policies: Sequence[str] = ("deploy",)

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
        ):
            try:
                with in_plain_words():
                    yield name, look()
            except OpsError as error:
                # A deploy may have all that it needs, and only the check lack what it looks with.
                cause = error.__cause__
                is_unseen = isinstance(cause, ClientError) and is_forbidden(cause)
                finding = amber if is_unseen else red
                yield name, finding(f"not seen: {error}" if is_unseen else str(error), AGAIN)
        if not self.sender:
            return
        stage = Stage(self.cloud, self.project)
        facts = Facts(stage, CHECKOUT, lambda: self.now, self.sender)
        for row in IN_THE_DNS:
            yield row.name, check.look(row, facts)

    def _checkout(self) -> Finding:
        self.refusal()
        return green("region, names, settings and files are ready for a deploy")

    def _clock(self) -> Finding:
        answer = self.cloud.session.client("sts").get_caller_identity()
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if not date:
            return amber("AWS did not send the time", "Check again.")
        late = (self.now - parsedate_to_datetime(date)).total_seconds()
        if abs(late) <= LATE:
            return green("agrees with AWS's")
        return amber(
            f"{abs(late):.0f} s {'ahead of' if late > 0 else 'behind'} AWS's; at 300 s AWS refuses "
            "all requests",
            "Set this machine's clock, for example: sudo timedatectl set-ntp true",
        )

    def _python(self) -> Finding:
        # The local cloud runs functions in its own Python.
        advice = [] if self.cloud.endpoint else package.left_to_do(self.project.stage)
        return (
            amber(package.local_runtime(), advice[0]) if advice else green(package.local_runtime())
        )

    def _permissions(self) -> Finding:
        iam: Any = self.cloud.session.client("iam")
        caller = self.cloud.session.client("sts").get_caller_identity()["Arn"]
        if caller.endswith(":root"):
            return amber("these credentials are the account's root user's", "Use a user or a role.")
        denied: dict[str, set[str]] = {}
        for policy, statement in self._statements():
            answer = iam.simulate_principal_policy(
                PolicySourceArn=principal(caller),
                ActionNames=statement["Action"],
                ResourceArns=statement["Resource"],
                ContextEntries=statement["Context"],
            )
            for result in answer["EvaluationResults"]:
                if result["EvalDecision"] != "allowed":
                    denied.setdefault(f"{policy}.json", set()).add(result["EvalActionName"])
        if denied:
            names = ", ".join(sorted(set().union(*denied.values())))
            return red(
                f"missing: {names}",
                f"Give these credentials {' and '.join(denied)} of docs/policies.",
            )
        return green(f"all that {', '.join(self.policies)} of docs/policies allow")

    def _statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return the policies' statements for this stage, each with resources that it may make."""
        partition = self.cloud.session.get_partition_for_region(self.cloud.region)
        for policy in self.policies:
            text = (POLICIES / f"{policy}.json").read_text(encoding="utf-8")
            text = text.replace("bienvenue-boundary", f"{self._app}-boundary")
            for statement in json.loads(text)["Statement"]:
                yield policy, self._asked(statement, partition)

    def _asked(self, statement: Any, partition: str) -> dict[str, Any]:
        resources = statement["Resource"]
        listed = [resources] if isinstance(resources, str) else resources
        conditions = statement.get("Condition", {}).values()
        return {
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
        name = name.replace("parameter/bienvenue/", f"parameter/{self._app}/")
        parts = name.split(":", 5)
        if parts[0] == "arn" and len(parts) == 6:
            region = self.cloud.region if parts[3] == "*" else parts[3]
            account = self.cloud.account if parts[4] == "*" else parts[4]
            name = ":".join(["arn", partition, parts[2], region, account, parts[5]])
        return re.sub(r"(?<=.)\*", "x", name)

    def _boundary(self) -> Finding:
        iam: Any = self.cloud.session.client("iam")
        if arn := permissions_boundary.find(iam, self.cloud, self.project):
            return green(arn)
        return amber(
            "the account has none, so nothing limits the roles that a deploy creates",
            "An administrator creates it with: "
            + self.cloud.aws(
                f"iam create-policy --policy-name {self._app}-boundary "
                "--policy-document file://docs/policies/boundary.json"
            ),
        )

    def _lambda(self) -> Finding:
        room = concurrency.read(self.cloud.session.client("lambda"), self.project)
        reserve = concurrency.choose(room, self.project.reserve_of(event_source_mapping.FUNCTION))
        if reserve is not None:
            return green(concurrency.words(room, reserve))
        left = max(room.for_pages(concurrency.FIRST_SHARDS, self._rate()), 0)
        how, words = concurrency.how_to_raise()
        return amber(
            f"{concurrency.words(room, None)}: {left} are left for pages while it is busy",
            how,
            self.cloud.aws(words),
        )

    def _rate(self) -> float:
        quota = self.cloud.session.client("sesv2").get_account()["SendQuota"]
        return float(quota["MaxSendRate"])

    def _ses(self) -> Finding:
        account = self.cloud.session.client("sesv2").get_account()
        if not account.get("SendingEnabled", True):
            return red("sending is paused for the account", "Read AWS's mail about it.")
        if not account.get("ProductionAccessEnabled"):
            return amber("in its sandbox", mail_identity.LEAVE_THE_SANDBOX)
        limits = mail_limits.read(account)
        rate = account["SendQuota"]["MaxSendRate"]
        return green(f"{rate:g} mails a second; {limits.per_day:,} a day are left to Bienvenue")

    def _sender(self) -> Finding:
        if not self.sender:
            return red("there is no sender", "Add: --mail-from hello@example.org")
        ses = self.cloud.session.client("sesv2")
        name = mail_identity.find(ses, self.sender)
        if not name:
            return amber(
                f"SES has no identity for {self.sender} yet: the deploy creates it",
                "The deploy says which DNS records it needs.",
            )
        identity = ses.get_email_identity(EmailIdentity=name)
        if not identity.get("VerifiedForSendingStatus"):
            dkim = identity["DkimAttributes"]
            how, _ = mail_identity.how_to_verify(self.sender, name, dkim)
            return amber(f"{name} is not verified", how)
        return green(f"{name} is verified")


def principal(caller: str) -> str:
    """Return the user or role that a ``caller``'s ARN stands for: a session has no policies."""
    session = re.fullmatch(r"arn:([\w-]+):sts::(\d+):assumed-role/([^/]+)/.*", caller)
    return "arn:{}:iam::{}:role/{}".format(*session.groups()) if session else caller
