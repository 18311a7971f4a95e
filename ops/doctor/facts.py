"""The facts that the checks look at. Each one is read from AWS once."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from chalicelib.mail.limits import Limits
from chalicelib.users.table import Item
from ops.metrics import funnel
from ops.resources.functions import event_source_mapping
from ops.resources.mail import mail_identity
from ops.resources.stack.stack import Stack
from ops.stage import local_stage, parameter_store
from ops.stage.lookup import Stage
from ops.users import clients
from ops.users.store import OperatorsUsers

T = TypeVar("T")

MAX_PAGES = 20
"""Pages of the users' table, 1 MB each: some 50,000 users, within seconds and for a cent."""


class NotThere(Exception):
    """The object of a check does not exist. Another check reports that."""


def _once(look: Callable[["Facts"], T]) -> Callable[["Facts"], T]:
    """Call ``look`` for the first caller. All others wait for its result or error."""

    @wraps(look)
    def known(self: "Facts") -> T:
        return self._look_once(look)

    return known


class Facts:
    """The facts about ``stage`` that checks share.

    ``checkout`` holds the code to compare with, and ``now`` is the clock. ``sender`` is whom mail
    is from, if not as the stage's settings say. Errors of botocore pass through.
    """

    def __init__(
        self, stage: Stage, checkout: Path, now: Callable[[], datetime], sender: str = ""
    ) -> None:
        self.stage = stage
        self.project = stage.project
        self.checkout = checkout
        self.now = now
        self.sender = sender or self.project.environment.get("MAIL_FROM", "")
        self._lock = threading.Lock()
        self._known: dict[str, Future[Any]] = {}
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return the client of an AWS service. Threads may share clients, but not sessions."""
        with self._lock:
            if service not in self._clients:
                session: Any = self.stage.cloud.session
                self._clients[service] = session.client(service)
            return self._clients[service]

    def _look_once(self, look: Callable[["Facts"], T]) -> T:
        with self._lock:
            is_first = look.__name__ not in self._known
            future: Future[T] = self._known.setdefault(look.__name__, Future())
        if is_first:
            try:
                future.set_result(look(self))
            except BaseException as error:  # noqa: BLE001 - passed on to each caller
                future.set_exception(error)
        return future.result()

    @property
    def deploy_again(self) -> tuple[str, str]:
        """The sentence and the command that fix what a deploy creates."""
        name, cloud = self.stage.name, self.stage.cloud
        if name == local_stage.STAGE:
            again = local_stage.command(
                self.stage.state, urlsplit(cloud.endpoint).port or local_stage.PORT
            )
            return "Stop the run with Ctrl-C, and start it again.", again
        return "Deploy again to fix it.", cloud.command(f"make deploy STAGE={name}")

    @_once
    def stack(self) -> Any:
        """Return the stack as CloudFormation describes it; None if there is none."""
        return Stack(self.client("cloudformation"), self.project.full_name).describe()

    def output(self, name: str) -> str:
        """Return an output of the stack. Raises NotThere."""
        outputs = (self.stack() or {}).get("Outputs", [])
        values = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        if name not in values:
            raise NotThere(f"not seen: the stack {self.project.full_name} has no {name}")
        return str(values[name])

    def parameter(self, name: str) -> str:
        """Return a parameter of the stack, or an empty text."""
        parameters = (self.stack() or {}).get("Parameters", [])
        values = {item["ParameterKey"]: item["ParameterValue"] for item in parameters}
        return str(values.get(name, ""))

    @_once
    def table(self) -> Any:
        """Return the users' table as DynamoDB describes it. Raises NotThere."""
        dynamodb = self.client("dynamodb")
        try:
            return dynamodb.describe_table(TableName=self.stage.users_table)["Table"]
        except dynamodb.exceptions.ResourceNotFoundException as error:
            raise NotThere("not seen: there is no users' table") from error

    @_once
    def mappings(self) -> list[Any]:
        """Return the event source mappings of a stream of this table, or of an earlier one."""
        return list(event_source_mapping.find(self.client("lambda"), self.project))

    def mapping(self) -> Any:
        """Return the mapping from the table's stream to the mailer. Raises NotThere."""
        stream = self.table().get("LatestStreamArn")
        for mapping in self.mappings():
            if mapping["EventSourceArn"] == stream:
                return mapping
        raise NotThere("not seen: nothing reads the table's stream")

    @_once
    def functions(self) -> dict[str, Any]:
        """Return GetFunction's answer for each function that has a role; None for a missing one."""
        lambda_ = self.client("lambda")
        functions: dict[str, Any] = {}
        for name in self.project.roles:
            try:
                functions[name] = lambda_.get_function(FunctionName=self.project.function(name))
            except lambda_.exceptions.ResourceNotFoundException:
                functions[name] = None
        return functions

    @_once
    def limits(self) -> Item:
        """Return the budget's and the brake's state. Raises NotThere."""
        dynamodb = self.client("dynamodb")
        name = self.project.environment.get("LIMITS_TABLE", "")
        try:
            return Limits(dynamodb, name, None, None).state()
        except dynamodb.exceptions.ResourceNotFoundException as error:
            raise NotThere("not seen: there is no table of limits") from error

    @_once
    def account(self) -> Any:
        """Return the account as SES describes it."""
        return self.client("sesv2").get_account()

    @_once
    def identity(self) -> Any:
        """Return the identity of the sender, with its ``Name``. Raises NotThere."""
        ses = self.client("sesv2")
        name = mail_identity.choose(ses, self.sender, "").name
        try:
            return {**ses.get_email_identity(EmailIdentity=name), "Name": name}
        except ses.exceptions.NotFoundException as error:
            raise NotThere(f"not seen: SES has no identity for {self.sender}") from error

    @_once
    def settings(self) -> dict[str, str]:
        """Return the stage's settings, with those that are in Parameter Store."""
        return parameter_store.resolve(self.client("ssm"), self.project.environment)

    @_once
    def people(self) -> tuple[list[Item], bool]:
        """Return the users in the first MAX_PAGES pages of the table, and True if that is all."""
        client = self.client("dynamodb")
        mailboxes = clients.mailboxes(self.stage, client)
        users = OperatorsUsers(client, self.stage.users_table, mailboxes)
        pages = users.pages((*funnel.ATTRIBUTES, "email"))
        items = [item for page in islice(pages, MAX_PAGES) for item in page]
        return items, next(pages, None) is None
