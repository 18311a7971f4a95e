"""A real journey of a test user: sign-up, mail, click and deletion.

It looks at the API's answers and the item in the table. The times are measured on this machine, so
they include the network and the pauses between two looks.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from chalicelib.logs import hashed
from chalicelib.users import email_address
from chalicelib.users.item import DELETED
from ops.doctor import http
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.terminal import durations
from ops.terminal.progress import Progress, Say
from ops.users import clients, own

T = TypeVar("T")

SIMULATOR = "simulator.amazonses.com"
SUCCESS = f"success@{SIMULATOR}"
NAME = "Doctor"
PERMISSIONS = ("dynamodb:GetItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem")

GLANCE = 0.05
TO_STORE = 15.0
TO_SEND = 90.0  # a cold start, an earlier batch, and the slowest answers of SES
TO_REPORT = 180.0  # SES reports a bounce within seconds, a complaint within about a minute
TO_CLICK = 900.0

# What SES's simulator does with a mail, by the part before the @.
# https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html#send-email-simulator
_REPORTED = {"bounce": "bounced", "complaint": "complained", "suppressionlist": "bounced"}
_LINK = re.compile(r"https?://\S+")


class Stuck(OpsError):
    """The journey is stuck. The message says where, and what to look at."""


@dataclass(frozen=True)
class Hop:
    """A part of the journey, and the seconds that it took."""

    name: str
    seconds: float


@dataclass
class Journey:
    """The journey of a test user through ``stage``.

    ``stuck`` says why it ended early, and ``untested`` which part was not tried.
    """

    stage: Stage
    email: str
    progress: Progress
    hops: list[Hop] = field(default_factory=list)
    stuck: str = ""
    untested: str = ""
    _former_mails: set[int] = field(default_factory=set, init=False)
    _created_at: str = field(default="", init=False)

    def make(self) -> None:
        """Make each hop and show it, then delete the user, also after an error."""
        try:
            with in_plain_words():
                self._set_out()
        except OpsError as error:
            self.stuck = str(error)
            return
        try:
            with in_plain_words():
                self._go()
        except OpsError as error:
            self.stuck = str(error)
        finally:
            self._remove()

    def _set_out(self) -> None:
        if self._item():
            raise Stuck(
                f"{self.email} is a user already, and the test deletes its user at the end. "
                f"Use another address, such as {labelled(self.email)}"
            )
        self._former_mails = self._mails()
        # A mailbox gets five mails a day. A test must not fail because of that.
        clients.mailboxes(self.stage, self._dynamodb).forget_mails(self.email)

    def _go(self) -> None:
        with self._hop("Sign-up answered") as say:
            self._sign_up(say)
        with self._hop("Item written"):
            item = self._until(
                lambda: self._item() or None, TO_STORE, "the item is not in the table"
            )
            self._created_at = item.get("created_at", {}).get("S", "")
        with self._hop("Mail claimed"):
            self._until_mail_is_not("owed", "no function claims the mail: check the mapping")
        with self._hop("SES took it"):
            item = self._until_mail_is_not("sending", "SES does not take the mail")
            if (mail := item["mail"]["S"]) == "failed":
                raise self._stuck(f"SES refuses the mail: {_error(item)}")
            if mail == "owed":
                raise self._stuck(_with_error("SES does not take the mail", item))
        kind = _simulated(self.email)
        if kind is None:
            self._be_clicked()
            self._be_published("validated")
        elif verdict := _REPORTED.get(kind):
            if not self._has_reports:
                self.untested = "The local cloud reports no bounces and no complaints."
                return
            with self._hop(f"Recorded as {verdict}"):
                self._until(
                    lambda: True if self._mail() == verdict else None,
                    TO_REPORT,
                    f"SES's report that it {verdict} does not arrive: check that its topic reaches "
                    "the function",
                )
            self._be_published(verdict)
        else:
            self._be_delivered()
            self.untested = (
                "The simulator opens no links, so the link was not opened. "
                "With --send-test you@example.org, you open it."
            )

    def _be_published(self, kind: str) -> None:
        """Wait until the stage's bus has the event, if the stage has events."""
        if not self.stage.has_events:
            return
        with self._hop("Event published") as say:
            say(f"user.{kind}")
            self._until(
                lambda: True if kind in _told(self._item()) else None,
                TO_SEND,
                "the event is not published: check the bus",
            )

    def _be_delivered(self) -> None:
        """Wait for SES's report of the delivery."""
        if not self._has_reports:
            return
        with self._hop("Delivered"):
            self._until(
                lambda: True if self._mail() == "delivered" else None,
                TO_REPORT,
                "SES's report of the delivery does not arrive: check that its topic reaches the "
                "function",
            )

    def _sign_up(self, say: Say) -> None:
        answer = http.post(f"{self.stage.base_url}/users", self._fields())
        say(str(answer.status))
        if answer.status != 202:
            raise self._stuck(f"POST {self.stage.base_url}/users answers {answer.status}, not 202")

    def _fields(self) -> dict[str, str]:
        """Return what a sign-up must say on this stage, and a name if it takes one."""
        fields = {"email": self.email}
        if self.stage.project.environment.get("NAMES") != "none":
            fields["prenom"] = NAME
        own_fields = own.of(self.stage)
        return {**fields, **(own_fields.required_samples if own_fields else {})}

    def _be_clicked(self) -> None:
        if self.stage.mailbox:
            with self._hop("Mail in the mailbox"):
                link = self._until(self._link, TO_SEND, "the mail is not in the mailbox")
            with self._hop("Link opened") as say:
                say(str(_open(link)))
            patience, missing = TO_STORE, "the link does not validate the user"
        else:
            patience, missing = TO_CLICK, "nobody opened the link: look for the mail, also in spam"
        with self._hop("Validated") as say:
            if not self.stage.mailbox:
                say(f"open the link in the mail to {self.email}")
            self._until(
                lambda: True if "validated_at" in (self._item() or {}) else None, patience, missing
            )

    def _link(self) -> str | None:
        """Return the link in the mail, once the mailbox of `make run` has it."""
        for number in self._mails() - self._former_mails:
            text = http.get(f"{self.stage.mailbox}/messages/{number}.plain").body.decode()
            if link := _LINK.search(text):
                return link.group()
        return None

    def _mails(self) -> set[int]:
        """Return the numbers of the user's mails in the mailbox of `make run`."""
        if not self.stage.mailbox:
            return set()
        summaries = http.get(f"{self.stage.mailbox}/messages/").json()["messages"]
        return {mail["id"] for mail in summaries if self.email in mail["recipients"]["to"]}

    def _until_mail_is_not(self, state: str, otherwise: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            item = self._item() or {}
            return item if item.get("mail", {}).get("S", state) != state else None

        return self._until(look, TO_SEND, otherwise)

    def _until(self, look: Callable[[], T | None], seconds: float, otherwise: str) -> T:
        """Return the first result of ``look``. Raises Stuck after ``seconds``.

        The time is measured, so the pauses are short: 5 % of the time so far.
        """
        started = time.monotonic()
        while (result := look()) is None:
            taken = time.monotonic() - started
            if taken > seconds:
                raise self._stuck(_with_error(otherwise, self._item() or {}))
            time.sleep(max(GLANCE, taken / 20))
        return result

    @contextmanager
    def _hop(self, name: str) -> Iterator[Say]:
        started = time.monotonic()
        with self.progress.step(name) as say:
            yield say
        self.hops.append(Hop(name, time.monotonic() - started))

    def _stuck(self, why: str) -> Stuck:
        logs = f"{self.stage.ops('logs')} --user {hashed(self.email)} --since 15m"
        return Stuck(f"{why.rstrip('.')}. See: {logs}")

    def _item(self) -> dict[str, Any] | None:
        item: dict[str, Any] | None = self._dynamodb.get_item(
            TableName=self.stage.users_table, Key=self._key, ConsistentRead=True
        ).get("Item")
        is_deleted = item is not None and item.get("mail") == {"S": DELETED}
        return None if is_deleted else item

    def _mail(self) -> str:
        mail: str = (self._item() or {}).get("mail", {}).get("S", "")
        return mail

    def _remove(self) -> None:
        """Delete the user, if this journey created it."""
        try:
            with in_plain_words():
                if self.stage.has_events:
                    self._remove_with_event()
                    return
                self._dynamodb.delete_item(
                    TableName=self.stage.users_table,
                    Key=self._key,
                    # A bounce erases the name, but not the moment of the sign-up.
                    ConditionExpression="created_at = :created",
                    ExpressionAttributeValues={":created": {"S": self._created_at}},
                )
        except OpsError as error:
            if not isinstance(
                error.__cause__, self._dynamodb.exceptions.ConditionalCheckFailedException
            ):
                self.stuck = (
                    self.stuck or f"The test user {self.email} could not be deleted: {error}"
                )

    def _remove_with_event(self) -> None:
        """Delete the user as an operator does, so that your systems get an event for it, too."""
        item = self._item() or {}
        if self._created_at and item.get("created_at") == {"S": self._created_at}:
            clients.users(self.stage).delete(self.email, durations.now())

    @property
    def _has_reports(self) -> bool:
        """Return True if SES's reports come: the local cloud makes none, but `make run` does."""
        return not self.stage.cloud.endpoint or bool(self.stage.mailbox)

    @property
    def _key(self) -> dict[str, Any]:
        return {"email": {"S": self.email}}

    @cached_property
    def _dynamodb(self) -> Any:
        return self.stage.cloud.session.client("dynamodb")


def begin(stage: Stage, typed: str, progress: Progress) -> Journey:
    """Return the journey of ``typed``. An address of the simulator gets a label, so that it is new.

    Raises OpsError for anything that is not an address.
    """
    try:
        email = email_address.canonical(typed)
    except email_address.AddressError as error:
        raise OpsError(
            f"{typed!r} is not an address that SES can deliver to: try another one."
        ) from error
    is_new = _simulated(email) is None or "+" in email
    return Journey(stage, email if is_new else labelled(email), progress)


def _simulated(email: str) -> str | None:
    """Return the part that the simulator plays; None for a real address."""
    local, _, domain = email.rpartition("@")
    return local.partition("+")[0] if domain == SIMULATOR else None


def labelled(email: str) -> str:
    """Return ``email`` with a label that makes it new; the simulator ignores it."""
    local, _, domain = email.rpartition("@")
    return f"{local.partition('+')[0]}+doctor-{secrets.token_hex(4)}@{domain}"


def _open(link: str) -> str:
    """Open the link as a person does, press its button if there is one, and return the result."""
    answer = http.get(link)
    if _status(answer) == "confirm":
        base_url = link.partition("?")[0]
        answer = http.post(base_url, dict(parse_qsl(urlsplit(link).query)))
    return _status(answer) or str(answer.status)


def _status(answer: http.Answer) -> str:
    content = answer.json()
    return str(content.get("status", "")) if isinstance(content, dict) else ""


def _told(item: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return when events of a user were published, by their kinds."""
    kinds: Mapping[str, Any] = (item or {}).get("told", {}).get("M", {})
    return kinds


def _with_error(text: str, item: Mapping[str, Any]) -> str:
    error = _error(item)
    return f"{text} ({error})" if error else text


def _error(item: Mapping[str, Any]) -> str:
    """Return SES's reason for refusing the latest try, or an empty text."""
    error: str = item.get("mail_error", {}).get("S", "")
    return error
