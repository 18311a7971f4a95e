"""The bus that a stage gets: its own, an operator's, or none; and its webhook."""

from __future__ import annotations

from functools import partial

import boto3
import pytest

from ops.resources.settings import event_bus
from ops.resources.settings.event_bus import EventBus, EventOptions
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project

OWN = "bienvenue-prod"
SECRET = "k" * 32
HOOK = "https://example.org/hooks/bienvenue?v=1"
ARN = "arn:aws:events:eu-west-3:123456789012:event-bus/"


def choose(project: Project, wish: EventOptions, recorded: str = "", **parameters: str) -> EventBus:
    cloud = Cloud(boto3.Session(region_name="eu-west-3"), "123456789012", "eu-west-3", "".format)
    key_for = partial(event_bus.key, SECRET)
    return event_bus.choose(cloud, project, wish, recorded, parameters, key_for)


def test_a_stage_has_no_events_until_they_are_asked_for(project: Project) -> None:
    bus = choose(project, EventOptions())
    assert bus.name == ""
    assert (bus.parameters["EventBus"], bus.parameters["NewEventBus"]) == ("none", "")
    assert (bus.parameters["Webhook"], bus.parameters["WebhookKey"]) == ("", "none")


def test_a_stage_gets_a_bus_of_its_own(project: Project) -> None:
    own = project.full_name
    bus = choose(project, EventOptions(is_on=True))
    assert bus.name == own
    assert (bus.parameters["EventBus"], bus.parameters["NewEventBus"]) == (ARN + own, own)


def test_a_later_deploy_keeps_what_there_is(project: Project) -> None:
    own = project.full_name
    bus = choose(project, EventOptions(), own, Webhook=HOOK, WebhookRate="7")
    assert (bus.name, bus.webhook) == (own, HOOK)
    assert bus.parameters["WebhookRate"] == "7"
    assert bus.parameters["WebhookKey"] == event_bus.key(SECRET, HOOK)


@pytest.mark.parametrize(("recorded", "arn"), [("shared", ARN + "shared"), (ARN + "x", ARN + "x")])
def test_an_operators_bus_is_used_and_not_made(project: Project, recorded: str, arn: str) -> None:
    bus = choose(project, EventOptions(), recorded)
    assert bus.name == recorded
    assert (bus.parameters["EventBus"], bus.parameters["NewEventBus"]) == (arn, "")


def test_a_webhook_turns_events_on(project: Project) -> None:
    bus = choose(project, EventOptions(webhook=HOOK, rate=50))
    assert bus.name == project.full_name
    assert (bus.parameters["Webhook"], bus.parameters["WebhookRate"]) == (HOOK, "50")


def test_an_empty_webhook_is_removed_and_events_stay(project: Project) -> None:
    bus = choose(project, EventOptions(webhook=""), "shared", Webhook=HOOK)
    assert (bus.name, bus.webhook, bus.parameters["Webhook"]) == ("shared", "", "")


def test_no_events_turns_all_of_it_off(project: Project) -> None:
    bus = choose(project, EventOptions(is_on=False), project.full_name, Webhook=HOOK)
    assert (bus.name, bus.parameters["Webhook"], bus.parameters["EventBus"]) == ("", "", "none")
    with pytest.raises(DeployError, match="leave out --no-events"):
        choose(project, EventOptions(is_on=False, webhook=HOOK))


def test_another_address_gets_another_key() -> None:
    keys = {event_bus.key(SECRET, url) for url in (HOOK, f"{HOOK}2")}
    assert len({*keys, event_bus.key("z" * 32, HOOK)}) == 3
    assert {len(key) for key in keys} == {64}


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org/hook", "example.org/hook", "https://", "ftp://example.org/hook"),
        *("https://user:key@example.org/hook", "https://example.org/a b", "https://[x"),
        *("https://example.org/#part", "https://exämple.org/", f"https://example.org/{'x' * 2048}"),
        "http://127.0.0.1:9000/hook",
    ],
)
def test_what_eventbridge_cannot_send_to_is_refused(url: str) -> None:
    with pytest.raises(DeployError, match="EventBridge cannot send events to"):
        event_bus.check_webhook(url, is_local=False)


def test_this_machine_may_be_sent_to_by_the_local_cloud_alone() -> None:
    event_bus.check_webhook("http://127.0.0.1:9000/hook", is_local=True)
    with pytest.raises(DeployError):
        event_bus.check_webhook("http://example.org/hook", is_local=True)


def test_deploy_mentions_the_key_if_there_is_a_webhook() -> None:
    assert event_bus.left_to_do(EventBus("b", {}), "events key") == []
    (words,) = event_bus.left_to_do(EventBus("b", {}, HOOK), "./bienvenue events key")
    assert "Bienvenue-Key" in words
    assert words.endswith("./bienvenue events key")
