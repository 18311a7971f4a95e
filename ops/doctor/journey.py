"""The whole journey for real: somebody invented signs up, is mailed, clicks, and is removed again.

Seen from outside: the API's answers and the item in the table. Each hop's time is this machine's,
and so includes the network and the intervals at which it looks.
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
from ops.doctor import http
from ops.stage.cloud import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.terminal.progress import Progress, Say

T = TypeVar("T")

SIMULATOR = "simulator.amazonses.com"
SUCCESS = f"success@{SIMULATOR}"
NAME = "Doctor"
PERMISSIONS = ("dynamodb:GetItem", "dynamodb:DeleteItem")

GLANCE = 0.05
TO_STORE = 15.0
TO_SEND = 90.0  # a cold start, a batch before ours, and SES's slowest answers
TO_REPORT = 180.0  # SES tells of a bounce within seconds, of a complaint within a minute or so
TO_CLICK = 900.0

# What SES's simulator does with a mail, by the part before the @.
# https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html#send-email-simulator
_REPORTED = {"bounce": "bounced", "complaint": "complained", "suppressionlist": "bounced"}
_LINK = re.compile(r"https?://\S+")


class Stuck(OpsError):
    """The journey goes no further; the message says where it is stuck, and what to look at."""


@dataclass(frozen=True)
class Hop:
    """One leg of the journey, and the seconds that it took."""

    name: str
    seconds: float


@dataclass
class Journey:
    """A test user's way through ``stage``. ``stuck`` says why it ended early, if it did.

    ``untested`` says what lies behind its end that nobody has seen work.
    """

    stage: Stage
    email: str
    progress: Progress
    hops: list[Hop] = field(default_factory=list)
    stuck: str = ""
    untested: str = ""
    _former_mails: set[int] = field(default_factory=set, init=False)

    def make(self) -> None:
        """Go all the way, telling each hop; then remove the user, however far they came."""
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
                f"{self.email} is a user already, and the test removes its user at the end: "
                f"take another address, such as {_labelled(self.email)}"
            )
        self._former_mails = self._mails()

    def _go(self) -> None:
        with self._hop("Sign-up answered") as say:
            self._sign_up(say)
        with self._hop("Item written"):
            self._until(lambda: self._item() or None, TO_STORE, "the item is not in the table")
        with self._hop("Mail claimed"):
            self._until_mail_is_not("owed", "nothing takes the mail on: is the mapping well?")
        with self._hop("SES took it"):
            item = self._until_mail_is_not("sending", "SES does not take the mail")
            if (mail := item["mail"]["S"]) == "failed":
                raise self._stuck(f"SES refuses the mail: {_error(item)}")
            if mail == "owed":
                raise self._stuck("SES does not take the mail")
        kind = _simulated(self.email)
        if kind is None:
            self._be_clicked()
        elif verdict := _REPORTED.get(kind):
            with self._hop(f"Recorded as {verdict}"):
                self._until(
                    lambda: True if self._mail() == verdict else None,
                    TO_REPORT,
                    f"SES's report that it {verdict} does not arrive: does its topic reach the "
                    "function?",
                )
        else:
            self.untested = (
                "The link was not opened: nobody reads the simulator's mail. "
                "With --send-test you@example.org it is you who opens it."
            )

    def _sign_up(self, say: Say) -> None:
        fields = {"email": self.email, "prenom": NAME}
        answer = http.post(f"{self.stage.base_url}/users", fields)
        say(str(answer.status))
        if answer.status != 202:
            raise self._stuck(f"POST {self.stage.base_url}/users answers {answer.status}, not 202")

    def _be_clicked(self) -> None:
        if self.stage.mailbox:
            with self._hop("Mail in the mailbox"):
                link = self._until(self._link, TO_SEND, "the mail is not in the mailbox")
            with self._hop("Link opened") as say:
                say(str(_open(link)))
            patience, missing = TO_STORE, "the link validates nobody"
        else:
            patience, missing = TO_CLICK, "nobody opened the link: did the mail arrive, or as spam?"
        with self._hop("Validated") as say:
            if not self.stage.mailbox:
                say(f"open the link in the mail to {self.email}")
            self._until(
                lambda: True if "validated_at" in (self._item() or {}) else None, patience, missing
            )

    def _link(self) -> str | None:
        """The link in the mail, once the mailbox of a run on this machine has it."""
        for number in self._mails() - self._former_mails:
            text = http.get(f"{self.stage.mailbox}/messages/{number}.plain").body.decode()
            if found := _LINK.search(text):
                return found.group()
        return None

    def _mails(self) -> set[int]:
        """The numbers of the mails to the user that are in the mailbox of a run on this machine."""
        if not self.stage.mailbox:
            return set()
        summaries = http.get(f"{self.stage.mailbox}/messages/").json()["messages"]
        return {one["id"] for one in summaries if self.email in one["recipients"]["to"]}

    def _until_mail_is_not(self, state: str, otherwise: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            item = self._item() or {}
            return item if item.get("mail", {}).get("S", state) != state else None

        return self._until(look, TO_SEND, otherwise)

    def _until(self, look: Callable[[], T | None], seconds: float, otherwise: str) -> T:
        """What ``look`` finds. The time it takes is what is measured, so it is looked for often: at
        intervals of a twentieth of the time so far."""
        started = time.monotonic()
        while (found := look()) is None:
            taken = time.monotonic() - started
            if taken > seconds:
                error = _error(self._item() or {})
                raise self._stuck(f"{otherwise}{f' ({error})' if error else ''}")
            time.sleep(max(GLANCE, taken / 20))
        return found

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
        found: dict[str, Any] | None = self._dynamodb.get_item(
            TableName=self.stage.users_table, Key=self._key, ConsistentRead=True
        ).get("Item")
        return found

    def _mail(self) -> str:
        mail: str = (self._item() or {}).get("mail", {}).get("S", "")
        return mail

    def _remove(self) -> None:
        """Take the user out again, if it was this journey that made them."""
        try:
            with in_plain_words():
                self._dynamodb.delete_item(
                    TableName=self.stage.users_table,
                    Key=self._key,
                    ConditionExpression="prenom = :ours",
                    ExpressionAttributeValues={":ours": {"S": NAME}},
                )
        except OpsError as error:
            if not isinstance(
                error.__cause__, self._dynamodb.exceptions.ConditionalCheckFailedException
            ):
                self.stuck = self.stuck or f"The test user {self.email} is left: {error}"

    @property
    def _key(self) -> dict[str, Any]:
        return {"email": {"S": self.email}}

    @cached_property
    def _dynamodb(self) -> Any:
        return self.stage.cloud.session.client("dynamodb")


def begin(stage: Stage, typed: str, progress: Progress) -> Journey:
    """The journey of ``typed``. Those of SES's simulator get a label, so that they are always new.

    Raises OpsError if it is no address.
    """
    try:
        email = email_address.canonical(typed)
    except email_address.AddressError as error:
        raise OpsError(f"{typed!r} is no address that SES can deliver to: try another.") from error
    is_new = _simulated(email) is None or "+" in email
    return Journey(stage, email if is_new else _labelled(email), progress)


def _simulated(email: str) -> str | None:
    """What the simulator is to play; None for a real address."""
    local, _, domain = email.rpartition("@")
    return local.partition("+")[0] if domain == SIMULATOR else None


def _labelled(email: str) -> str:
    local, _, domain = email.rpartition("@")
    return f"{local.partition('+')[0]}+doctor-{secrets.token_hex(4)}@{domain}"


def _open(link: str) -> str:
    """Do as a person does with the link, its button included; what comes of it."""
    answer = http.get(link)
    if _status(answer) == "confirm":
        base_url = link.partition("?")[0]
        answer = http.post(base_url, dict(parse_qsl(urlsplit(link).query)))
    return _status(answer) or str(answer.status)


def _status(answer: http.Answer) -> str:
    said = answer.json()
    return str(said.get("status", "")) if isinstance(said, dict) else ""


def _error(item: Mapping[str, Any]) -> str:
    """What SES said of the latest try, if it refused."""
    error: str = item.get("mail_error", {}).get("S", "")
    return error
