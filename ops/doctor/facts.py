"""What the checks look at, each thing asked of AWS once, however many checks need it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from chalicelib.users.store import Item
from ops.deployment import event_source_mapping, mail_identity
from ops.deployment.stack import Stack
from ops.metrics import funnel
from ops.stage import local_stage
from ops.stage.lookup import Stage
from ops.users.store import OperatorsUsers

T = TypeVar("T")

MAX_PAGES = 20
"""Of the users' table, a megabyte each: some fifty thousand people, in seconds and for a cent."""


class NotThere(Exception):
    """What a check is about does not exist, which is for another check to say."""


def _once(look: Callable[["Facts"], T]) -> Callable[["Facts"], T]:
    """Have ``look`` made by the first who asks; the others wait, and get the same, errors too."""

    @wraps(look)
    def known(self: "Facts") -> T:
        with self._lock:
            is_first = look.__name__ not in self._known
            future: Future[T] = self._known.setdefault(look.__name__, Future())
        if is_first:
            try:
                future.set_result(look(self))
            except BaseException as error:  # noqa: BLE001 - passed on to whoever asks
                future.set_exception(error)
        return future.result()

    return known


class Facts:
    """Everything about ``stage`` that more than one check needs.

    ``checkout`` is what its code is held against, ``now`` the clock. Botocore's errors pass
    through.
    """

    def __init__(self, stage: Stage, checkout: Path, now: Callable[[], datetime]) -> None:
        self.stage = stage
        self.project = stage.project
        self.checkout = checkout
        self.now = now
        self._lock = threading.Lock()
        self._known: dict[str, Future[Any]] = {}
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Sessions may not be shared by threads, but the clients made from them may."""
        with self._lock:
            if service not in self._clients:
                session: Any = self.stage.cloud.session
                self._clients[service] = session.client(service)
            return self._clients[service]

    @property
    def deploy_again(self) -> tuple[str, str]:
        """The sentence and the command that mend whatever a deploy makes."""
        name, cloud = self.stage.name, self.stage.cloud
        if name == local_stage.STAGE:
            again = local_stage.command(
                self.stage.state, urlsplit(cloud.endpoint).port or local_stage.PORT
            )
            return "Stop the run with Ctrl-C, and start it again.", again
        return "A deploy puts it right.", cloud.command(f"make deploy STAGE={name}")

    @_once
    def stack(self) -> Any:
        """The stack as CloudFormation describes it; None if there is none."""
        return Stack(self.client("cloudformation"), self.project.full_name).describe()

    def output(self, name: str) -> str:
        """An output of the stack. Raises NotThere."""
        outputs = (self.stack() or {}).get("Outputs", [])
        values = {one["OutputKey"]: one["OutputValue"] for one in outputs}
        if name not in values:
            raise NotThere(f"not seen: the stack {self.project.full_name} has no {name}")
        return str(values[name])

    def parameter(self, name: str) -> str:
        """What the stack was deployed with; empty for what it knows nothing of."""
        parameters = (self.stack() or {}).get("Parameters", [])
        values = {one["ParameterKey"]: one["ParameterValue"] for one in parameters}
        return str(values.get(name, ""))

    @_once
    def table(self) -> Any:
        """The users' table as DynamoDB describes it. Raises NotThere."""
        dynamodb = self.client("dynamodb")
        try:
            return dynamodb.describe_table(TableName=self.stage.users_table)["Table"]
        except dynamodb.exceptions.ResourceNotFoundException as error:
            raise NotThere("not seen: there is no users' table") from error

    @_once
    def mappings(self) -> list[Any]:
        """The event source mappings that read a stream of the table, of this one or a former."""
        found: list[Any] = list(event_source_mapping.mappings(self.client("lambda"), self.project))
        ours = f":table/{self.stage.users_table}/stream/"
        return [one for one in found if ours in one["EventSourceArn"]]

    def mapping(self) -> Any:
        """The mapping that brings the table's stream to the mailer. Raises NotThere."""
        stream = self.table().get("LatestStreamArn")
        found = [one for one in self.mappings() if one["EventSourceArn"] == stream]
        if not found:
            raise NotThere("not seen: nothing reads the table's stream")
        return found[0]

    @_once
    def functions(self) -> dict[str, Any]:
        """What GetFunction says of each function that config.json names; None if it is gone."""
        lambda_ = self.client("lambda")
        found: dict[str, Any] = {}
        for name in self.project.roles:
            try:
                found[name] = lambda_.get_function(FunctionName=self.project.function(name))
            except lambda_.exceptions.ResourceNotFoundException:
                found[name] = None
        return found

    @_once
    def account(self) -> Any:
        """The account as SES sees it."""
        return self.client("sesv2").get_account()

    @_once
    def identity(self) -> Any:
        """The identity that covers the sender, with its ``Name``. Raises NotThere."""
        ses = self.client("sesv2")
        name = mail_identity.choose(ses, self.sender, "").name
        try:
            return {**ses.get_email_identity(EmailIdentity=name), "Name": name}
        except ses.exceptions.NotFoundException as error:
            raise NotThere(f"not seen: SES has no identity for {self.sender}") from error

    @property
    def sender(self) -> str:
        return self.project.environment.get("MAIL_FROM", "")

    @_once
    def people(self) -> tuple[list[Item], bool]:
        """People in the table, and whether these are all: at most MAX_PAGES are read."""
        users = OperatorsUsers(self.client("dynamodb"), self.stage.users_table)
        pages = users.pages(funnel.ATTRIBUTES)
        found = [item for page in islice(pages, MAX_PAGES) for item in page]
        return found, next(pages, None) is None
