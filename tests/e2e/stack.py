"""The service as `make run` gives it, in its own process."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import boto3
import urllib3
from botocore.config import Config

ROOT = Path(__file__).parents[2]
TIME_TO_START = 120.0
TIME_TO_MAIL = 30.0
PORTS = 2
FIRST_PORT, LAST_PORT = 10_100, 20_000  # browsers refuse 10080; Linux takes from 32768 on
# Patient, since the machine may be busy with many requests at once.
HTTP = urllib3.PoolManager(timeout=30, maxsize=50)

# A run of the drain takes a minute. Asked again meanwhile, the cloud would start a second one.
PATIENT = Config(read_timeout=150, retries={"total_max_attempts": 1})

Seen = TypeVar("Seen")


def wait_for(see: Callable[[], Seen], seconds: float, what: str) -> Seen:
    """Return what ``see`` returns, as soon as it is true.

    Raise AssertionError after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while True:
        if seen := see():
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


@dataclass
class Stack:
    """A running stack: its addresses as stack.json has them, and its process."""

    api: str
    mailbox: str
    aws: str
    region: str
    table: str
    access_key: str
    secret_key: str
    port: int
    folder: Path
    process: subprocess.Popen[str]
    _clients: dict[str, Any] = field(default_factory=dict)
    _mails: dict[int, EmailMessage] = field(default_factory=dict)

    def post(self, path: str, fields: Any, **headers: str) -> urllib3.BaseHTTPResponse:
        return HTTP.request("POST", self.api + path, json=fields, headers=headers)

    def post_form(
        self, path: str, fields: dict[str, str], **headers: str
    ) -> urllib3.BaseHTTPResponse:
        form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return HTTP.request("POST", self.api + path, body=urlencode(fields), headers=form)

    def get(self, url: str, **headers: str) -> urllib3.BaseHTTPResponse:
        return HTTP.request("GET", url, headers=headers)

    def open(self, link: str) -> urllib3.BaseHTTPResponse:
        """GET a mail's link as a program does, which asks for JSON by its name."""
        return self.get(link, Accept="application/json")

    def client(self, service: str) -> Any:
        """Return a client of the local cloud, as another program would make one."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.aws,
                region_name=self.region,
                aws_access_key_id=self.access_key,
                aws_secret_access_key=self.secret_key,
                config=PATIENT if service == "lambda" else None,
            )
        return self._clients[service]

    def item(self, email: str) -> dict[str, Any]:
        found = self.client("dynamodb").get_item(
            TableName=self.table, Key={"email": {"S": email}}, ConsistentRead=True
        )
        return found.get("Item", {})

    def change(self, email: str, **attributes: dict[str, Any]) -> None:
        """Make an item older, or anything else that a test has no day to wait for."""
        self.client("dynamodb").update_item(
            TableName=self.table,
            Key={"email": {"S": email}},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in attributes),
            ExpressionAttributeValues={f":{name}": value for name, value in attributes.items()},
        )

    def expire_links(self, email: str) -> None:
        """Let the links of an item have expired, and its cooldown be over."""
        long_ago = {"S": "2020-01-01T00:00:00.000000Z"}
        links = self.item(email)["links"]["M"]
        for link in links.values():
            link["M"]["expires"] = {"N": "1600000000"}
        self.change(email, links={"M": links}, mail_at=long_ago)

    def mails(self, to: str) -> list[EmailMessage]:
        """Return what the mailbox holds for an address, the oldest first."""
        for summary in self.get(f"{self.mailbox}/messages/").json()["messages"]:
            if (number := summary["id"]) not in self._mails:
                source = self.get(f"{self.mailbox}/messages/{number}.source").data
                self._mails[number] = message_from_bytes(source, policy=policy.default)
        return [mail for _, mail in sorted(self._mails.items()) if mail["To"] == to]

    def wait_for_mails(self, to: str, count: int = 1) -> list[EmailMessage]:
        return wait_for(
            lambda: len(mails := self.mails(to)) >= count and mails,
            TIME_TO_MAIL,
            f"{count} mails to {to}",
        )

    def wait_for_item(self, email: str, mail: str) -> dict[str, Any]:
        """Return the item once it has this state of mail: all results are then recorded."""
        return wait_for(
            lambda: (item := self.item(email)).get("mail", {}).get("S") == mail and item,
            TIME_TO_MAIL,
            f"mail={mail}",
        )

    def stop(self, by: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(by)
        return self.process.wait(30)


def link_in(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    found = re.search(r"https?://\S+", part.get_content())
    assert found
    return found.group()


def code_in(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    (code,) = re.findall(r"\b\d{6}$", part.get_content(), re.MULTILINE)
    return str(code)


@contextmanager
def running(
    state: Path, *arguments: str, checkout: Path = ROOT, before: Sequence[str] = ()
) -> Iterator[Stack]:
    """Yield `python -m ops run` on free ports, with its files under ``state``.

    It ends with the block. ``before`` is what the command begins with.
    """
    port = free_ports()
    command = [sys.executable, "-m", "ops", "run", "--port", str(port), "--state", str(state)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (state / "output").open("w+") as output:
        process = subprocess.Popen(
            [*before, *command, *arguments],
            cwd=checkout,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_for(
                lambda: (state / "stack.json").exists() or process.poll() is not None,
                TIME_TO_START,
                "the stack starts",
            )
            if process.poll() is not None:
                raise AssertionError((state / "output").read_text())
            addresses = json.loads((state / "stack.json").read_text())
            yield Stack(**addresses, port=port, folder=state, process=process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(30)


def free_ports() -> int:
    """Return the first of PORTS free ports in a row, which no other test process gets."""
    for port in range(FIRST_PORT + os.getpid() % 600 * PORTS, LAST_PORT, PORTS):
        if all(is_free(port + n) for n in range(PORTS)) and _reserve(port):
            return port
    raise AssertionError("no free ports")


def _reserve(port: int) -> bool:
    """Take the ports from ``port`` until this process ends: a stack binds them seconds later."""
    path = Path(tempfile.gettempdir()) / f"bienvenue-test-port-{port}"
    lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    return True  # the lock stays open, and is the process's own


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
