"""A trial: the whole life of a stage within minutes, taken down whatever happens."""

import io
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

from ops.deploy import deployment
from ops.deploy.deployment import Options
from ops.destroy import destruction
from ops.doctor import check, http, journey
from ops.doctor.check import Finding, Light
from ops.doctor.checks import registry
from ops.doctor.facts import Facts
from ops.resources.mail import mail_identity
from ops.stage.aws_errors import in_plain_words
from ops.stage.cloud import Cloud
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.project import OPS, Project
from ops.stage.waiting import until
from ops.terminal import durations
from ops.terminal.progress import Progress

TO_ANSWER = 60.0
TO_MAIL = 120.0
MAILED = ("sent", "delivered")
SIMULATED = ("success", "bounce", "complaint")
"""SES's simulator needs no verified recipient, so mail to it leaves the sandbox as well."""

_UNCHANGED = re.compile(r"✓ ([\w' ]+): nothing to change")
_CHANGES_NOTHING = {
    "Alarms",
    "Backing resources",
    "Calls that fail",
    "Functions",
    "Logs",
    "Stream to mailer",
    "Throttling",
}
"""The steps of a deploy that say so if there was nothing to do."""


@dataclass(frozen=True)
class Part:
    """A part of a trial: what it showed, or why it failed."""

    name: str
    seconds: float
    text: str = ""
    problem: str = ""


class Transcript(io.StringIO):
    """A stream that shows what is written, and keeps it."""

    def __init__(self, out: IO[str]) -> None:
        super().__init__()
        self._out = out

    def write(self, text: str) -> int:
        self._out.write(text)
        self._out.flush()
        return super().write(text)


@dataclass
class Trial:
    """The trial of the stage of ``project``.

    ``look`` checks the account beforehand. ``parts`` are what was tried so far.
    """

    cloud: Cloud
    project: Project
    options: Options
    look: Callable[[], Iterable[tuple[str, Finding]]]
    transcript: Transcript
    parts: list[Part] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """Return the names of the parts that failed."""
        return [part.name for part in self.parts if part.problem]

    def run(self) -> None:
        """Bring the stage up, use it, and take it down. Raises OpsError if it is there already."""
        with in_plain_words():
            self._refuse_existing()
            had_identity = bool(self._identity())
        try:
            self._try("Check", self._check)
            if self._try("Deploy", self._deploy):
                self._use()
        finally:  # also after Ctrl-C
            self._try("Destroy", partial(self._destroy, had_identity))

    def _refuse_existing(self) -> None:
        stage = self.project.stage
        if destruction.exists(self.cloud, self.project):
            raise OpsError(
                f"A stage {stage} exists already, or parts of it do, and a trial "
                "deletes its users: nothing was done. Give the trial another name, such as:\n"
                + self.cloud.command(f"{OPS} deploy --stage {stage}-trial --then-destroy")
            )

    def _use(self) -> None:
        self._try("Deploy again", self._deploy_again)
        self._try("API", self._answers)
        self._try("Doctor", self._doctor)
        if not self._may_send():
            problem = "not tried: SES may not send from this sender yet. Verify it first"
            self.parts.append(Part("Mail", 0, problem=problem))
            return
        for kind in SIMULATED:
            self._try(f"Mail to {kind}@", partial(self._mail, kind))
        self._try("Item that is put", self._put)

    def _try(self, name: str, act: Callable[[], str]) -> bool:
        """Do ``act``, and keep what it showed as a part. Return True if it succeeded."""
        self.transcript.write(f"\n{name}\n")
        started = time.monotonic()
        text, problem = "", "interrupted"
        try:
            with in_plain_words():
                text = act()
            problem = ""
        except OpsError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - a bug: the stage is taken down all the same
            problem = f"{type(error).__name__}: {error}"
        finally:
            self.transcript.write(f"{'✗' if problem else '✓'} {name}: {problem or text}\n")
            self.parts.append(Part(name, time.monotonic() - started, text, problem))
        return not problem

    def _check(self) -> str:
        findings = dict(self.look())
        lines = {
            light: [name for name, finding in findings.items() if finding.light is light]
            for light in Light
        }
        if red := lines[Light.RED]:
            raise OpsError("; ".join(f"{name}: {findings[name].text}" for name in red))
        return _counted(len(findings), lines[Light.AMBER])

    def _deploy(self) -> str:
        deployed = deployment.deploy(
            self.cloud, self.project, self.options, Progress(self.transcript)
        )
        return f"links lead to {deployed.base_url}"

    def _deploy_again(self) -> str:
        begun = len(self.transcript.getvalue())
        self._deploy()
        unchanged = set(_UNCHANGED.findall(self.transcript.getvalue()[begun:]))
        if changed := sorted(_CHANGES_NOTHING - unchanged):
            raise OpsError(f"changed once more: {', '.join(changed)}")
        return "nothing to change"

    def _answers(self) -> str:
        url = f"{self._stage.base_url}/openapi.json"

        def look() -> str | None:
            try:
                answer = http.get(url)
            except http.NoAnswer:
                return None
            return f"answers in {answer.seconds * 1000:.0f} ms" if answer.status == 200 else None

        return until(look, TO_ANSWER, lambda: OpsError(f"{url} does not answer 200"))

    def _doctor(self) -> str:
        facts = Facts(self._stage, self.project.folder, durations.now)
        lines: dict[Light, list[str]] = {light: [] for light in Light}
        for done, finding in check.run(registry.CHECKS, facts):
            lines[finding.light].append(f"{done.group}, {done.name}")
            if finding.light in (Light.RED, Light.AMBER):
                self.transcript.write(f"{done.group}, {done.name}: {finding.text}\n")
        if lines[Light.RED]:
            raise OpsError(f"red: {'; '.join(sorted(lines[Light.RED]))}")
        return _counted(len(registry.CHECKS), sorted(lines[Light.AMBER]))

    def _may_send(self) -> bool:
        ses, name = self._client("sesv2"), self._identity()
        described = ses.get_email_identity(EmailIdentity=name) if name else {}
        return bool(described.get("VerifiedForSendingStatus"))

    def _mail(self, kind: str) -> str:
        address = f"{kind}@{journey.SIMULATOR}"
        made = journey.begin(self._stage, address, Progress(self.transcript))
        made.make()
        if made.stuck:
            raise OpsError(made.stuck)
        hops = [f"{hop.name} {hop.seconds:.1f} s" for hop in made.hops]
        return ", ".join(hops)

    def _put(self) -> str:
        """Put a whole item as another program does, twice: each time it gets a mail at once."""
        dynamodb, table = self._client("dynamodb"), self._stage.users_table
        email = journey.labelled(journey.SUCCESS)
        key = {"email": {"S": email}}

        def mailed() -> bool | None:
            item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
            return item.get("mail", {}).get("S") in MAILED or None

        seconds = []
        for how in ("put", "replaced"):
            started = time.monotonic()
            dynamodb.put_item(TableName=table, Item=key)
            slow = OpsError(f"an item that is {how} has no mail after {TO_MAIL:.0f} s")
            until(mailed, TO_MAIL, lambda slow=slow: slow)  # type: ignore[misc]
            seconds.append(f"{how}: mailed in {time.monotonic() - started:.1f} s")
        return ", ".join(seconds)

    def _destroy(self, had_identity: bool) -> str:
        again = "run this again:\n" + self.cloud.command(
            f"{OPS} destroy --stage {self.project.stage} --delete-users {self.project.users_table}"
        )
        if destruction.exists(self.cloud, self.project):
            try:
                destruction.destroy(
                    self.cloud, self.project, Progress(self.transcript), delete_users=True
                )
            except Exception as error:
                raise OpsError(f"{error}\nParts of the stage are left: {again}") from error
        name = self._identity()
        if name and not had_identity:
            self._client("sesv2").delete_email_identity(EmailIdentity=name)
        if destruction.exists(self.cloud, self.project):
            raise OpsError(f"parts of the stage are left: {again}")
        return "nothing is left"

    @property
    def _stage(self) -> Stage:
        return Stage(self.cloud, self.project)

    def _identity(self) -> str:
        sender = self.options.mail_from
        return mail_identity.find(self._client("sesv2"), sender) if sender else ""

    def _client(self, service: str) -> Any:
        session: Any = self.cloud.session
        return session.client(service)


def _counted(count: int, amber: list[str]) -> str:
    return f"{count} checks" + (f"; to look at:  {'; '.join(amber)}" if amber else "")
