"""The command `events`: events sent again under their ids, and the webhook's key."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from chalicelib.events import bus, event
from ops.__main__ import ops
from ops.events import command
from ops.resources.settings import event_bus
from ops.stage import lookup
from ops.stage.cloud import Cloud
from ops.stage.lookup import Stage
from ops.stage.project import CHECKOUT, Project
from tests.support.stores import Store

validator = Draft202012Validator(json.loads((CHECKOUT / "docs/event.schema.json").read_text()))
EARLY, MIDDLE, LATE = (f"2031-05-0{day}T12:00:00.000000Z" for day in (1, 4, 6))
SETTINGS = {
    "USERS_STREAM_ARN": "arn:aws:dynamodb:eu-west-3:1:table/users/stream/1",
    "SECRET_KEY": "k" * 32,
}


@pytest.fixture
def taken(store: Store, project: Project, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The details that EventBridge takes of a stage that the command line finds."""
    details: list[dict[str, Any]] = []
    project.record({**SETTINGS, "USERS_TABLE": store.table, "EVENT_BUS": "bienvenue-prod"}, {})
    cloud = Cloud(boto3.Session(), "1", "eu-west-3", "{}/{}".format)
    monkeypatch.setattr(lookup, "find", lambda *_: Stage(cloud, project))

    def put(_: object, events: Any) -> dict[Any, str]:
        details.extend(json.loads(each.detail) for each in events)
        return {}

    monkeypatch.setattr(bus.Bus, "put", put)
    return details


def run(*words: str) -> Result:
    return CliRunner().invoke(ops, ["events", *words, "--stage", "prod"])


def replayed(since: str = "2031-05-03") -> str:
    done = run("replay", "--since", since)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_events_since_then_are_sent_under_their_ids(
    store: Store, taken: list[dict[str, Any]]
) -> None:
    store.put(
        "a@example.org",
        prenom="Alexis",
        validated_at=EARLY,
        validated_with="code",
        mail="complained",
        mail_error="complained: abuse",
        told={"validated": EARLY, "complained": LATE},
    )
    store.put(
        "b@example.org", validated_at=MIDDLE, validated_by="import", told={"validated": MIDDLE}
    )
    store.put("c@example.org", created_at=EARLY, told={"refused": LATE}, refused_by="operator")
    store.put("d@example.org", validated_at=LATE)
    assert replayed() == "3 events of 3 users are published again.\n"
    for detail in taken:
        validator.validate(detail)
    about = {detail["email"]: detail for detail in taken}
    assert about["a@example.org"]["id"] == event.identity("a@example.org", "complained", LATE)
    assert about["a@example.org"]["reason"] == "complained: abuse"
    assert about["b@example.org"]["validated_by"] == "import"
    assert about["c@example.org"]["refused_by"] == "operator"


def test_a_users_events_are_sent_in_their_order(store: Store, taken: list[dict[str, Any]]) -> None:
    told = {"refused": EARLY, "validated": MIDDLE, "bounced": LATE}
    store.put("a@example.org", validated_at=MIDDLE, validated_with="link", told=told)
    assert replayed("2031-01-01") == "3 events of 1 users are published again.\n"
    assert [detail["type"] for detail in taken] == [
        "user.refused",
        "user.validated",
        "user.bounced",
    ]


def test_a_withdrawal_is_sent_with_its_consent(store: Store, taken: list[dict[str, Any]]) -> None:
    given = {"news": {"withdrawn_at": LATE, "withdrawn_by": "user"}, "terms": {}}
    store.put("a@example.org", validated_at=EARLY, consent=given, told={"consent_withdrawn": LATE})
    replayed()
    assert (taken[0]["withdrawn"], taken[0]["withdrawn_by"]) == ("news", "user")
    validator.validate(taken[0])


def test_each_withdrawal_of_a_user_is_sent(store: Store, taken: list[dict[str, Any]]) -> None:
    """Their events are of one kind, of which ``told`` has the last moment alone."""
    given = {
        "old": {"withdrawn_at": EARLY, "withdrawn_by": "operator"},
        "news": {"withdrawn_at": MIDDLE, "withdrawn_by": "operator"},
        "terms": {"withdrawn_at": LATE, "withdrawn_by": "operator"},
        "owed": {"withdrawn_at": "2031-05-07T12:00:00.000000Z", "withdrawn_by": "operator"},
        "kept": {},
    }
    store.put("a@example.org", validated_at=EARLY, consent=given, told={"consent_withdrawn": LATE})
    assert replayed() == "2 events of 1 users are published again.\n"
    assert [detail["withdrawn"] for detail in taken] == ["news", "terms"]
    assert {detail["id"] for detail in taken} == {
        event.identity("a@example.org", "consent_withdrawn", at) for at in (MIDDLE, LATE)
    }


def test_a_refused_event_ends_the_replay_with_the_reason(
    store: Store, taken: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a@example.org", validated_at=LATE, validated_with="link", told={"validated": LATE})
    monkeypatch.setattr(bus.Bus, "put", lambda _, events: dict.fromkeys(events, "AccessDenied"))
    done = run("replay", "--since", "2031-05-03")
    assert done.exit_code == 1
    assert "EventBridge refused 1 events (AccessDenied)" in done.stderr
    assert taken == []


@pytest.mark.usefixtures("taken")
def test_a_stage_without_events_is_told_how_to_turn_them_on(project: Project) -> None:
    project.unset(["EVENT_BUS"])
    done = run("replay", "--since", "1d")
    assert "turn them on with deploy --events" in done.stderr


@pytest.mark.usefixtures("taken")
def test_the_webhooks_key_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://example.org/hook"
    monkeypatch.setattr(command.Stack, "parameters", lambda _: {"Webhook": url})
    assert run("key").stdout.strip() == event_bus.key(SETTINGS["SECRET_KEY"], url)
    monkeypatch.setattr(command.Stack, "parameters", lambda _: {})
    assert "has no webhook" in run("key").stderr
