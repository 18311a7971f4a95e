"""The whole service in one process, between Chalice's test client and moto.

A test says when the stream is read.
"""

import html
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from chalice.test import Client, HTTPResponse
from moto import mock_aws

from chalicelib import wiring
from tests.support import stores
from tests.support.fakes import TOPIC, notice
from tests.support.wire import NOWHERE, answer, refusal

BASE_URL = "https://hello.example.org/api"
TABLE = "users"
LIMITS = "limits"
BUS = "bienvenue-prod"
SECRET = "not-a-secret-but-as-long-as-one-is"
MAIL_FROM = "hello@example.org"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
EVERY_MINUTE = {
    "version": "0",
    "id": "1",
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "account": "123456789012",
    "region": "eu-west-3",
    "time": "2026-11-24T12:00:00Z",
    "resources": [],
    "detail": {},
}
"""What the clock sends."""
ALEXIS = {"email": "alexis@example.org", "prenom": "Alexis", "nom": "GÜNST HORN"}


@dataclass
class Clock:
    """A clock that stands still until it is told how much time goes by."""

    moment: datetime = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)

    def now(self) -> datetime:
        return self.moment

    def go_by(self, **time: float) -> None:
        self.moment += timedelta(**time)


class Context:
    """What Lambda tells a handler about its invocation."""

    def __init__(self, seconds_left: float = 60) -> None:
        self.seconds_left = seconds_left

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds_left * 1000)


@dataclass
class Service:
    """What a test does to the service, and what it sees of it."""

    app: Any
    clock: Clock
    calls: list[str] = field(default_factory=list)
    """Every AWS call that the app made, as ``service.Operation``, in order."""
    mails: list[dict[str, Any]] = field(default_factory=list)
    """Every SendEmail request that the app made."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """Every entry that EventBridge took, with its detail read."""
    faults: dict[str, str] = field(default_factory=dict)
    """The error that every call of an operation meets."""
    failing_table: str = ""
    """The table whose updates fail."""
    _read_up_to: dict[str, str] = field(default_factory=dict)

    def fail_at(self, table: str) -> None:
        """Have updates of ``table`` fail; of none if it is empty."""
        self.failing_table = table

    def forget(self) -> None:
        """Start anew: nobody in the table, nothing in the stream, nothing seen."""
        for item in self.items():
            self._dynamodb.delete_item(TableName=TABLE, Key={"email": item["email"]})
        for limit in self._dynamodb.scan(TableName=LIMITS)["Items"]:
            self._dynamodb.delete_item(TableName=LIMITS, Key={"name": limit["name"]})
        self.lose_the_stream()
        self.calls.clear()
        self.mails.clear()
        self.events.clear()
        self.faults.clear()
        self.failing_table = ""
        self.clock.moment = Clock.moment

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "",
        **headers: str,
    ) -> HTTPResponse:
        """Send a request; ``headers`` have ``_`` in their names for ``-``."""
        sent = {"content-type": content_type, **headers}
        sent = {name.replace("_", "-"): value for name, value in sent.items() if value}
        return self._client.http.request(method, path, headers=sent, body=body)

    def get(self, path: str, **headers: str) -> HTTPResponse:
        return self.request("GET", path, **headers)

    def post_json(self, path: str, fields: Any, **headers: str) -> HTTPResponse:
        return self.request("POST", path, json.dumps(fields).encode(), JSON, **headers)

    def post_form(self, path: str, fields: Mapping[str, str], **headers: str) -> HTTPResponse:
        return self.request("POST", path, urlencode(fields).encode(), FORM, **headers)

    def put(self, item: Mapping[str, Any]) -> None:
        """Put an item into the table, in DynamoDB's JSON, as another program does."""
        self._dynamodb.put_item(TableName=TABLE, Item=item)

    def item(self, email: str) -> dict[str, Any]:
        return self._dynamodb.get_item(TableName=TABLE, Key={"email": {"S": email}})["Item"]

    def items(self) -> list[dict[str, Any]]:
        return self._dynamodb.scan(TableName=TABLE)["Items"]

    def lose_the_stream(self) -> None:
        """Have everything that is in the stream go by unseen."""
        self._new_records()

    def expire(self) -> None:
        """Have DynamoDB delete what has expired."""
        now = self.clock.now().timestamp()
        for item in self.items():
            if "expires_at" in item and int(item["expires_at"]["N"]) <= now:
                self._dynamodb.delete_item(TableName=TABLE, Key={"email": item["email"]})

    def drain(self, seconds_left: float = 120) -> None:
        """Run the drain, as the clock does each minute."""
        self.app.resend_owed_mail(EVERY_MINUTE, Context(seconds_left))

    def report(self, *messages: object, topic: str = TOPIC) -> None:
        """Hand SES's events to the function that records them, as SNS does."""
        records = [notice(message, topic) for message in messages]
        self.app.record_mail_feedback({"Records": records}, Context())

    @property
    def link_hash(self) -> str:
        """The tag of the latest mail."""
        return str(self.mails[-1]["EmailTags"][0]["Value"])

    def deliver(self) -> None:
        """Hand what is new in the stream to the stream's handler, until nothing new comes of it."""
        while records := self._new_records():
            self.app.send_validation_mail({"Records": records}, Context())

    def open(self, link: str, **headers: str) -> HTTPResponse:
        """GET a mail's link as a program does, which asks for JSON by its name."""
        headers.setdefault("accept", JSON)
        assert link.startswith(BASE_URL)
        return self.get(link.removeprefix(BASE_URL), **headers)

    def link(self, mail: int = -1) -> str:
        """Return the link in one of the mails, as it stands in the text."""
        found = re.search(r"https://\S+", text(self, mail))
        assert found
        return found.group()

    def _new_records(self) -> list[dict[str, Any]]:
        streams, arn = self._streams, self.app.stage.users_stream_arn
        records = []
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            shard_id = shard["ShardId"]
            after = self._read_up_to.get(shard_id)
            where = (
                {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
                if after
                else {"ShardIteratorType": "TRIM_HORIZON"}
            )
            iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard_id, **where)
            new = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
            if new:
                self._read_up_to[shard_id] = new[-1]["dynamodb"]["SequenceNumber"]
            records += new
        return records

    @cached_property
    def _client(self) -> Client:
        return Client(self.app.app)

    @property
    def _dynamodb(self) -> Any:
        return client("dynamodb")

    @property
    def _streams(self) -> Any:
        return client("dynamodbstreams")


class Browser:
    """A browser that keeps its cookies, and shows what it got."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.cookie = ""

    def send(
        self, method: str, path: str, body: bytes = b"", content_type: str = ""
    ) -> HTTPResponse:
        answer = self._service.request(
            method, path, body, content_type, accept=BROWSER, cookie=self.cookie
        )
        if set_cookie := answer.headers.get("Set-Cookie"):
            self.cookie = set_cookie.partition(";")[0]
        return answer

    def sign_up(self, **fields: str) -> HTTPResponse:
        page = self._service.post_form(
            "/users", {**ALEXIS, **fields}, accept=BROWSER, cookie=self.cookie
        )
        assert page.status_code == 202
        self.cookie = page.headers["Set-Cookie"].partition(";")[0]
        self._service.deliver()
        return page

    def open(self, link: str) -> HTTPResponse:
        return self.send("GET", link.removeprefix(BASE_URL))

    def type_code(self, code: str, email: str = ALEXIS["email"]) -> HTTPResponse:
        return self._service.post_form(
            "/validate", {"email": email, "code": code}, accept=BROWSER, cookie=self.cookie
        )

    def press(self, page: HTTPResponse) -> HTTPResponse:
        """Send the page's first form as its button does."""
        shown = page.body.decode()
        (action, form), *_ = re.findall(
            r'<form method="post" action="([^"]+)">(.*?)</form>', shown, re.DOTALL
        )
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        sent = {name: html.unescape(value) for name, value in fields.items()}
        path = action.removeprefix(BASE_URL)
        return self._service.post_form(path, sent, accept=BROWSER, cookie=self.cookie)


def signed_up(service: Service, **fields: str) -> str:
    """Sign somebody up, deliver the mail, and return its link."""
    answer = service.post_json("/users", {**ALEXIS, **fields})
    assert answer.status_code == 202
    service.deliver()
    return service.link()


def subject(service: Service, mail: int = -1) -> str:
    return service.mails[mail]["Content"]["Simple"]["Subject"]["Data"]


def text(service: Service, mail: int = -1) -> str:
    return service.mails[mail]["Content"]["Simple"]["Body"]["Text"]["Data"]


def code_in_mail(service: Service, mail: int = -1) -> str:
    (code,) = re.findall(r"\b\d{6}$", text(service, mail), re.MULTILINE)
    return str(code)


@cache
def client(service: str) -> Any:
    """Return the tests' own client of an AWS service. Making it takes longer than most tests."""
    return boto3.client(service)


@contextmanager
def running(**settings: str) -> Iterator[Service]:
    """Yield a service without users, on a clock of its own."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        stream_arn = stores.create(client("dynamodb"), TABLE).stream_arn
        stores.create_limits(client("dynamodb"), LIMITS)
        client("sesv2").create_email_identity(EmailIdentity=MAIL_FROM)
        client("events").create_event_bus(Name=BUS)
        env = {
            "USERS_TABLE": TABLE,
            "USERS_STREAM_ARN": stream_arn,
            "MAIL_FROM": MAIL_FROM,
            "BASE_URL": BASE_URL,
            "MAIL_FEEDBACK_TOPIC_ARN": TOPIC,
            "LIMITS_TABLE": LIMITS,
            "SECRET_KEY": SECRET,
            **settings,
        }
        for name, value in env.items():
            patch.setenv(name, value)
        app = importlib.reload(importlib.import_module("app"))
        service = Service(app, Clock())
        patch.setattr(app, "now", service.clock.now)
        patch.setattr(wiring, "_pause", lambda seconds: service.clock.go_by(seconds=seconds))
        _watch(service)
        yield service


def _watch(service: Service) -> None:
    """Write down what the app asks of AWS: its session hands our hook on to its clients."""
    entries: list[Any] = []

    def called(event_name: str, params: dict[str, Any], **_: Any) -> None:
        operation = event_name.removeprefix("provide-client-params.")
        service.calls.append(operation)
        if operation == "sesv2.SendEmail":
            service.mails.append(params)
        if operation == "eventbridge.PutEvents":
            entries.append(params["Entries"])

    def put(parsed: dict[str, Any], **_: Any) -> None:
        if "Entries" in parsed:
            service.events.extend(
                {**entry, "Detail": json.loads(entry["Detail"])} for entry in entries[-1]
            )

    service.app.session.register("provide-client-params", called)
    service.app.session.register("after-call.eventbridge.PutEvents", put)
    emitter = service.app.session.get_component("event_emitter")
    emitter.register_first("before-send.sesv2.GetAccount", _answer_get_account)

    def refuse(request: Any, event_name: str, **_: Any) -> Any:
        code = service.faults.get(event_name.rpartition(".")[2])
        if service.failing_table and json.loads(request.body).get("TableName") == (
            service.failing_table
        ):
            code = "InternalServerError"
        if code is None:
            return None
        request.url = NOWHERE
        return refusal(500 if code == "InternalServerError" else 400, code, "alexis@example.org")

    for operation in (
        *("sesv2.SendEmail", "eventbridge.PutEvents"),
        *("dynamodb.UpdateItem", "dynamodb.Query", "dynamodb.Scan"),
    ):
        emitter.register_first(f"before-send.{operation}", refuse)


def _answer_get_account(request: Any, **_: Any) -> Any:
    """Answer what moto cannot: an account of 14 mails a second, as new ones are."""
    request.url = NOWHERE  # else moto, which listens as well, raises NotImplementedError
    quota = {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 0.0}
    return answer(200, json.dumps({"SendQuota": quota, "SendingEnabled": True}).encode())
