"""Events on a running stack: shown as they come, and sent to a webhook."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint
from jsonschema import Draft202012Validator

from chalicelib.events.bus import MAX_ENTRIES
from ops.resources.settings.event_bus import FIRST_RATE
from ops.stage.local_cloud import ACCOUNT
from tests.e2e.stack import HTTP, ROOT, Stack, link_in, running, wait_for

SCHEMA = json.loads((ROOT / "docs" / "event.schema.json").read_text(encoding="utf-8"))
TIME_TO_ARRIVE = 40.0


class Receiver(ThreadingHTTPServer):
    """An operator's webhook. ``answers`` are given in turn: a status, or 0 to hang; then 204."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[int] = []
        self.tried: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/bienvenue"

    def types(self, email: str) -> list[str]:
        """Return the types of a user's events that were taken, each id once."""
        by_id = {event["id"]: event["type"] for event in self.taken if event["email"] == email}
        return list(by_id.values())


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.add(self.headers.get("Bienvenue-Key", ""))
        self.server.tried.append(event)
        status = self.server.answers.pop(0) if self.server.answers else 204
        if not status:
            self.server.is_over.wait(60)
            return
        self.send_response(status)
        self.end_headers()
        if status == 204:
            self.server.taken.append(event)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.is_over.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def hooked(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a webhook."""
    with running(tmp_path_factory.mktemp("hooked"), "--webhook", receiver.url) as stack:
        yield stack


def validated(stack: Stack, email: str) -> None:
    stack.post("/users", {"email": email, "prenom": "Alexis", "lang": "en"})
    (mail,) = stack.wait_for_mails(email)
    stack.open(link_in(mail))


def ops(stack: Stack, *words: str) -> str:
    where = ["--stage", "local", "--state", str(stack.folder)]
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words, *where],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_for_types(receiver: Receiver, email: str, *types: str) -> None:
    wait_for(
        lambda: receiver.types(email) == [f"user.{kind}" for kind in types],
        TIME_TO_ARRIVE,
        f"{email}: {types}, not {receiver.types(email)}",
    )


def test_a_webhook_is_sent_each_event_with_the_key(hooked: Stack, receiver: Receiver) -> None:
    email = "alexis@example.org"
    validated(hooked, email)
    wait_for_types(receiver, email, "validated")
    ops(hooked, "users", "delete", email, "--yes")
    wait_for_types(receiver, email, "validated", "deleted")
    assert receiver.keys == {ops(hooked, "events", "key").strip()}
    for event in receiver.taken:
        Draft202012Validator(SCHEMA).validate(event)


def test_a_webhook_gets_no_more_events_a_second_than_its_rate(
    hooked: Stack, receiver: Receiver
) -> None:
    bus = hooked.client("events")
    destination = bus.describe_api_destination(Name="bienvenue-local-webhook")
    rate = int(destination["InvocationRateLimitPerSecond"])
    assert rate == FIRST_RATE
    ids = [f"burst{number}" for number in range(2 * rate)]
    table = f"arn:aws:dynamodb:{hooked.region}:{ACCOUNT}:table/{hooked.table}"
    entries = [
        {
            "EventBusName": "bienvenue-local",
            "Source": "bienvenue",
            "DetailType": "user.validated",
            "Detail": json.dumps({"id": name, "type": "user.validated", "email": "burst"}),
            "Resources": [table],
        }
        for name in ids
    ]
    started = time.monotonic()
    for first in range(0, len(entries), MAX_ENTRIES):
        bus.put_events(Entries=entries[first : first + MAX_ENTRIES])
    wait_for(
        lambda: set(ids) <= {event["id"] for event in receiver.taken}, TIME_TO_ARRIVE, "the burst"
    )
    assert time.monotonic() - started >= (len(ids) - 1) / rate


def test_a_run_prints_events_as_they_come(hooked: Stack, receiver: Receiver) -> None:
    email = "shown@example.org"
    validated(hooked, email)
    wait_for_types(receiver, email, "validated")
    output = hooked.folder / "output"
    line = re.compile(rf"^[\d:]{{8}}  published +{email}  user\.validated$", re.MULTILINE)
    wait_for(lambda: line.search(output.read_text()), TIME_TO_ARRIVE, "the event is printed")


def test_a_webhook_that_fails_and_hangs_gets_all(hooked: Stack, receiver: Receiver) -> None:
    """It answers 500, then 429, then nothing at all, and recovers."""
    email = "patient@example.org"
    before = len(receiver.tried)
    receiver.answers[:] = [500, 429, 0]
    validated(hooked, email)
    wait_for_types(receiver, email, "validated")
    tries = [event for event in receiver.tried[before:] if event["email"] == email]
    assert len(tries) >= 4
    assert len({event["id"] for event in tries}) == 1


def test_an_event_that_is_refused_for_good_waits_in_a_queue(
    hooked: Stack, receiver: Receiver
) -> None:
    email = "refused@example.org"
    receiver.answers[:] = [400]
    validated(hooked, email)
    sqs = hooked.client("sqs")
    (queue,) = (url for url in sqs.list_queues()["QueueUrls"] if "Undelivered" in url)
    messages = wait_for(
        lambda: sqs.receive_message(QueueUrl=queue).get("Messages"), TIME_TO_ARRIVE, "dead letter"
    )
    assert json.loads(messages[0]["Body"])["email"] == email
    assert receiver.types(email) == []
    assert "are published again" in ops(hooked, "events", "replay", "--since", "1h")
    wait_for_types(receiver, email, "validated")


def test_the_doctors_test_shows_the_hop(hooked: Stack) -> None:
    printed = ops(hooked, "doctor", "--send-test", "hop@example.org")
    assert "Event published" in printed
    assert re.search(r"Oldest event +all events are published", printed)


# Recipes, as they are printed


def snippet(page: str, language: str, about: str) -> str:
    """Return the one block of ``language`` in a page that greets users, and is ``about`` a word."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if "Welcome" in block and about in block)
    return str(block)


@pytest.fixture(scope="module")
def awaiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, int]]:
    """A stack whose webhook is at a port where nothing listens yet."""
    with Receiver() as placeholder:
        port = placeholder.server_port
    address = f"http://127.0.0.1:{port}/hooks/bienvenue"
    with running(tmp_path_factory.mktemp("awaiting"), "--webhook", address) as stack:
        yield stack, port


@pytest.mark.parametrize("page", ["README.md", "docs/events.md"])
def test_the_recipe_for_fastapi_works_as_printed(
    awaiting: tuple[Stack, int], tmp_path: Path, page: str
) -> None:
    stack, port = awaiting
    (tmp_path / "main.py").write_text(snippet(page, "python", "FastAPI"), encoding="utf-8")
    environment = {**os.environ, "BIENVENUE_KEY": ops(stack, "events", "key").strip()}
    email = f"{page.partition('.')[0].replace('/', '-').lower()}@example.org"
    printed = tmp_path / "output"
    with printed.open("w+", encoding="utf-8") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "hypercorn", "main:app", "--bind", f"127.0.0.1:{port}"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            validated(stack, email)
            wait_for(
                lambda: f"Welcome {email}" in printed.read_text(encoding="utf-8"),
                TIME_TO_ARRIVE,
                "the recipe hears of the user",
            )
            url = f"http://127.0.0.1:{port}/hooks/bienvenue"
            forged = {"type": "user.validated", "id": "1", "email": "x"}
            assert HTTP.request("POST", url, json=forged).status == 401
        finally:
            server.terminate()
            server.wait(20)


def test_the_recipe_for_lambda_works_as_printed(hooked: Stack) -> None:
    template = snippet("docs/events.md", "yaml", "Lambda")
    assert lint(template, regions=["eu-west-3"]) == []
    cloud = hooked.client("cloudformation")
    here = template.replace("bienvenue-prod", "bienvenue-local")
    cloud.create_stack(StackName="welcome", TemplateBody=here, Capabilities=["CAPABILITY_IAM"])

    def is_made() -> bool:
        (stack,) = cloud.describe_stacks(StackName="welcome")["Stacks"]
        return bool(stack["StackStatus"] == "CREATE_COMPLETE")

    wait_for(is_made, TIME_TO_ARRIVE, "the recipe's stack")
    validated(hooked, "lambda@example.org")
    wait_for_line(hooked, "/aws/lambda/welcome", "Welcome lambda@example.org Alexis")


def test_the_readmes_function_is_called_as_printed(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    (tmp_path / ".chalice").mkdir()
    config = {"version": "2.0", "app_name": "welcome", "stages": {"dev": {}}}
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    recipe = snippet("README.md", "python", "Chalice")
    assert len(recipe.splitlines()) <= 10
    (tmp_path / "app.py").write_text(recipe, encoding="utf-8")
    (tmp_path / "requirements.txt").touch()
    with running(tmp_path_factory.mktemp("shared"), "--set", "EVENT_BUS=default") as stack:
        keys = {"AWS_ACCESS_KEY_ID": stack.access_key, "AWS_SECRET_ACCESS_KEY": stack.secret_key}
        place = {"AWS_ENDPOINT_URL": stack.aws, "AWS_DEFAULT_REGION": stack.region}
        deployed = subprocess.run(
            [sys.executable, "-c", "from chalice.cli import main; main()", "deploy"],
            cwd=tmp_path,
            env={**os.environ, **keys, **place},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert deployed.returncode == 0, deployed.stdout
        validated(stack, "lambda@example.org")
        wait_for_line(stack, "/aws/lambda/welcome-dev-welcome", "Welcome lambda@example.org")


def wait_for_line(stack: Stack, group: str, text: str) -> None:
    """Wait until a function has printed ``text``."""
    logs = stack.client("logs")

    def is_logged() -> bool:
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return False
        lines = logs.filter_log_events(logGroupName=group)["events"]
        return any(text in line["message"] for line in lines)

    wait_for(is_logged, TIME_TO_ARRIVE, f"{group} prints {text}")
