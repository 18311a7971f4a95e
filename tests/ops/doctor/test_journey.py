"""The doctor's own journey: it says where it is stuck and leaves no user."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib import templates
from chalicelib.logs import hashed
from chalicelib.users.event_outbox import EventOutbox
from chalicelib.users.outbox import Claim
from chalicelib.users.people import SignUp, Verdict
from chalicelib.users.store import Users
from ops.doctor import http, journey
from ops.doctor.http import Answer
from ops.doctor.journey import Journey
from ops.stage.cloud import Cloud
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.project import Project
from ops.terminal.progress import Progress
from tests.support import own_fields
from tests.support.stores import Store

BASE_URL = "https://hello.example.org"
MAILBOX = "http://127.0.0.1:8401"
YOU = "you@example.org"


def now() -> datetime:
    return datetime.now(timezone.utc)


class Service:
    """The service as the journey meets it: each time the journey looks, one more thing happens."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.to_come: list[Callable[[str], object]] = []
        self.status = 202
        self.posted: list[tuple[str, Mapping[str, str]]] = []
        self.mails: list[dict[str, Any]] = []
        self.needs_button = False
        self.email = ""
        self.claimed: Claim | None = None

    def post(self, url: str, fields: Mapping[str, str]) -> Answer:
        self.posted.append((url, fields))
        if url == f"{BASE_URL}/validate":
            return self._click()
        self.email = fields["email"]
        if self.status == 202:
            self.store.users.sign_up(
                SignUp(self.email, fields.get("prenom", ""), "", "en"), "", now()
            )
        return Answer(self.status, b"{}", 0.01)

    def get(self, url: str) -> Answer:
        if url == f"{MAILBOX}/messages/":
            return _json({"messages": self.mails})
        if url.startswith(MAILBOX):
            number = url.rpartition("/")[2].removesuffix(".plain")
            link = f"{BASE_URL}/validate?email=a&token={number}"
            return Answer(200, f"Hello\n\n{link}\n".encode(), 0.01)
        if url != f"{BASE_URL}/validate?email=a&token={len(self.mails)}":
            return Answer(400, b"{}", 0.01)
        return _json({"status": "confirm"}) if self.needs_button else self._click()

    def _click(self) -> Answer:
        self.validate(self.email)
        return _json({"status": "validated"})

    def sleep(self, _: float) -> None:
        if self.to_come:
            self.to_come.pop(0)(self.email)

    def claim(self, email: str) -> None:
        outbox = self.store.outbox
        self.claimed = outbox.claim(outbox.read(email), "hash", now())

    def send(self, _: str) -> None:
        assert self.claimed
        self.store.outbox.sent(self.claimed, "0100", now())

    def deliver(self, email: str) -> None:
        self.store.outbox.report_delivered(email, "hash", "0100", 1200, now())

    def fail(self, _: str) -> None:
        assert self.claimed
        self.store.outbox.failed(self.claimed, "MessageRejected: no", now())

    def take_back(self, _: str) -> None:
        assert self.claimed
        self.store.outbox.release(self.claimed, "SendingPausedException: paused", now())

    def bounce(self, email: str) -> None:
        self.store.outbox.report_verdict(email, "hash", Verdict.BOUNCED, now())

    def complain(self, email: str) -> None:
        self.store.outbox.report_verdict(email, "hash", Verdict.COMPLAINED, now())

    def arrive(self, email: str) -> None:
        self.mails.append({"id": len(self.mails) + 1, "recipients": {"to": [email]}})

    def validate(self, email: str) -> None:
        self.store.users.validate(email, "hash", now())

    @property
    def people(self) -> int:
        return self.store.client.scan(TableName=self.store.table)["Count"]


def _json(content: object) -> Answer:
    return Answer(200, json.dumps(content).encode(), 0.01)


@pytest.fixture
def service(moto_store: Store, monkeypatch: pytest.MonkeyPatch) -> Service:
    found = Service(moto_store)
    monkeypatch.setattr(http, "get", found.get)
    monkeypatch.setattr(http, "post", found.post)
    monkeypatch.setattr(journey.time, "sleep", found.sleep)
    for name in ("TO_STORE", "TO_SEND", "TO_REPORT", "TO_CLICK"):
        monkeypatch.setattr(journey, name, 0.3)
    return found


@pytest.fixture
def stage(project: Project, moto_store: Store) -> Stage:
    settings = {"USERS_TABLE": moto_store.table, "BASE_URL": BASE_URL}
    project.record({**settings, "LIMITS_TABLE": moto_store.mailboxes.table.name}, {})
    session: Any = type("Session", (), {"client": lambda *_, **__: moto_store.client})()
    return Stage(Cloud(session, "1", "eu-west-3", lambda *_: ""), project)


def made(stage: Stage, email: str) -> Journey:
    one = journey.begin(stage, email, Progress(io.StringIO()))
    one.make()
    return one


def hops(one: Journey) -> list[str]:
    assert all(hop.seconds >= 0 for hop in one.hops)
    return [hop.name for hop in one.hops]


TO_SES = ["Sign-up answered", "Item written", "Mail claimed", "SES took it"]


def test_the_test_waits_until_a_person_opens_the_link(service: Service, stage: Stage) -> None:
    service.to_come = [service.claim, service.send, service.validate]
    one = made(stage, YOU)
    assert (one.stuck, one.untested) == ("", "")
    assert hops(one) == [*TO_SES, "Validated"]
    assert service.posted == [(f"{BASE_URL}/users", {"email": YOU, "prenom": "Doctor"})]
    assert service.people == 0


def test_the_test_says_what_the_stage_requires(
    service: Service, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_fields.write(tmp_path)
    monkeypatch.setattr(templates, "PACKAGE", tmp_path)
    settings = {"TEMPLATES_FOLDER": own_fields.FOLDER, "NAMES": "none"}
    stage.project.record({**stage.project.environment, **settings}, {})
    service.to_come = [service.claim, service.send, service.validate]
    assert made(stage, YOU).stuck == ""
    ((_, sent),) = service.posted
    assert sent == {"email": YOU, "company": "Acme", "terms": "true"}


@pytest.mark.parametrize("needs_button", [False, True])
def test_the_test_opens_the_link_of_the_local_mailbox(
    service: Service, stage: Stage, needs_button: bool
) -> None:
    service.needs_button = needs_button
    service.arrive(YOU)  # of a former test: its link is dead
    service.arrive("somebody." + YOU)
    service.to_come = [service.claim, service.send, service.arrive]
    one = made(Stage(stage.cloud, stage.project, MAILBOX), YOU)
    assert one.stuck == ""
    assert hops(one) == [*TO_SES, "Mail in the mailbox", "Link opened", "Validated"]
    if needs_button:
        assert service.posted[-1] == (f"{BASE_URL}/validate", {"email": "a", "token": "3"})


def publish(service: Service) -> Callable[[str], object]:
    """Return what the publisher does for a user."""
    events = EventOutbox(service.store.client, service.store.table)
    return lambda email: events.told(events.read(email), now())


def test_the_test_waits_for_the_event(service: Service, stage: Stage) -> None:
    stage.project.record({"EVENT_BUS": "bienvenue-prod"}, {})
    users = Users(
        service.store.client, service.store.table, service.store.mailboxes, has_events=True
    )
    service.to_come = [
        service.claim,
        service.send,
        lambda email: users.validate(email, "hash", now()),
        publish(service),
    ]
    one = made(stage, YOU)
    assert one.stuck == ""
    assert hops(one) == [*TO_SES, "Validated", "Event published"]
    assert (service.store.item(YOU) or {})["mail"] == "deleted", "its event is owed"


def test_a_test_whose_event_is_not_published_is_stuck(service: Service, stage: Stage) -> None:
    stage.project.record({"EVENT_BUS": "bienvenue-prod"}, {})
    service.to_come = [service.claim, service.send, service.validate]
    assert made(stage, YOU).stuck.startswith("the event is not published: check the bus")


def test_a_test_with_the_simulator_says_what_it_did_not_try(service: Service, stage: Stage) -> None:
    service.to_come = [service.claim, service.send, service.deliver]
    one = made(stage, journey.SUCCESS)
    assert hops(one) == [*TO_SES, "Delivered"]
    assert one.email.startswith("success+doctor-")
    assert "the link was not opened" in one.untested


def test_a_delivery_that_is_not_reported_is_stuck(service: Service, stage: Stage) -> None:
    service.to_come = [service.claim, service.send]
    assert made(stage, journey.SUCCESS).stuck.startswith("SES's report of the delivery does not")
    assert service.people == 0


def test_the_local_cloud_reports_no_delivery(service: Service, stage: Stage) -> None:
    service.to_come = [service.claim, service.send]
    cloud = replace(stage.cloud, endpoint="http://127.0.0.1:8400")
    one = made(replace(stage, cloud=cloud), journey.SUCCESS)
    assert (one.stuck, hops(one)) == ("", TO_SES)


@pytest.mark.parametrize(
    ("email", "report", "last"),
    [
        (journey.SUCCESS, "deliver", "Delivered"),
        ("bounce@simulator.amazonses.com", "bounce", "Recorded as bounced"),
    ],
)
def test_a_run_on_this_machine_makes_sess_reports(
    service: Service, stage: Stage, email: str, report: str, last: str
) -> None:
    service.to_come = [service.claim, service.send, getattr(service, report)]
    cloud = replace(stage.cloud, endpoint="http://127.0.0.1:8400")
    one = made(replace(stage, cloud=cloud, mailbox=MAILBOX), email)
    assert (one.stuck, hops(one)) == ("", [*TO_SES, last])


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("bounce", "bounced"), ("complaint", "complained"), ("suppressionlist", "bounced")],
)
def test_the_test_waits_for_the_simulators_report(
    service: Service, stage: Stage, kind: str, verdict: str
) -> None:
    report = service.complain if verdict == "complained" else service.bounce
    service.to_come = [service.claim, service.send, report]
    one = made(stage, f"{kind}@simulator.amazonses.com")
    assert hops(one)[-1] == f"Recorded as {verdict}"
    assert one.stuck == ""
    assert service.people == 0


def test_an_immediate_bounce_is_not_a_failure(service: Service, stage: Stage) -> None:
    service.to_come = [
        lambda email: (service.claim(email), service.send(email), service.bounce(email))
    ]
    assert made(stage, "bounce+mine@simulator.amazonses.com").stuck == ""


@pytest.mark.parametrize(
    ("status", "to_come", "reached", "words"),
    [
        (503, [], [], "POST https://hello.example.org/users answers 503, not 202"),
        (202, [], TO_SES[:2], "no function claims the mail"),
        (202, ["claim"], TO_SES[:3], "SES does not take the mail"),
        (202, ["claim", "take_back"], TO_SES[:3], "(SendingPausedException: paused)"),
        (202, ["claim", "fail"], TO_SES[:3], "SES refuses the mail: MessageRejected: no"),
        (202, ["claim", "send"], TO_SES, "nobody opened the link"),
    ],
)
def test_a_stuck_test_says_where_and_deletes_its_user(
    service: Service, stage: Stage, status: int, to_come: list[str], reached: list[str], words: str
) -> None:
    service.status = status
    service.to_come = [getattr(service, name) for name in to_come]
    one = made(stage, YOU)
    assert hops(one) == reached
    assert words in one.stuck
    assert f"./bienvenue logs --stage prod --user {hashed(YOU)}" in one.stuck
    assert service.people == 0


def test_an_existing_user_is_neither_mailed_nor_deleted(service: Service, stage: Stage) -> None:
    service.store.put(YOU, nom="Horn", validated_at="2026")
    one = made(stage, "You@Example.org")
    assert re.search(r"is a user already.*you\+doctor-", one.stuck)
    assert service.posted == []
    assert service.people == 1


def test_the_item_of_another_program_is_not_deleted(service: Service, stage: Stage) -> None:
    """Another program puts the same person while the test is under way."""
    service.to_come = [lambda email: service.store.put(email, prenom="Alexis", mail="failed")]
    one = made(stage, YOU)
    assert "SES refuses the mail" in one.stuck
    assert service.people == 1


def test_a_text_that_is_no_address_is_refused(stage: Stage) -> None:
    with pytest.raises(OpsError, match="'you' is not an address"):
        journey.begin(stage, "you", Progress(io.StringIO()))


def test_a_test_user_that_cannot_be_deleted_is_reported(service: Service, stage: Stage) -> None:
    service.to_come = [service.claim, service.send, service.deliver]
    one = journey.begin(stage, journey.SUCCESS, Progress(io.StringIO()))
    one._dynamodb = boto3.client("dynamodb")
    one._dynamodb.meta.events.register_first(
        "provide-client-params.dynamodb.DeleteItem",
        lambda params, **_: params.update(TableName="another"),
    )
    one.make()
    assert one.stuck.startswith(
        f"The test user {one.email} could not be deleted: AWS refused DeleteItem"
    )
