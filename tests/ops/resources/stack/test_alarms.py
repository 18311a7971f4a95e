"""The alarms' address: confirmed, or told what it has to do."""

from __future__ import annotations

import shlex
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ops.resources.stack import alarms
from ops.stage.errors import DeployError
from ops.stage.project import Project
from tests.ops.conftest import Ear

TOPIC = "arn:aws:sns:eu-west-3:123456789012:bienvenue-prod-alarms"
OPS = "ops@example.org"


def test_deleted_alarms_are_made_again_as_the_stack_has_them(project: Project, say: Ear) -> None:
    """CloudFormation believes them to be there still."""
    outputs = {"AlarmsArn": TOPIC, "DeadLettersArn": f"{TOPIC}-DeadLetters-1"}
    with mock_aws():
        cloudwatch = boto3.client("cloudwatch")
        alarms.ensure(cloudwatch, project, outputs, say)
        assert say.last.startswith("api-errors, mailer-errors, ")
        alarms.ensure(cloudwatch, project, outputs, say)
        assert say.last == "nothing to change"
        before = alarms.find(cloudwatch, project)
        assert list(before) == alarms.names(project)
        assert len(before) == 19
        cloudwatch.delete_alarms(AlarmNames=["bienvenue-prod-dead-letters"])
        alarms.ensure(cloudwatch, project, outputs, say)
        found = alarms.find(cloudwatch, project)
    assert say.last == "dead-letters put back"
    assert "{" not in str([one["Dimensions"] for one in found.values()]).replace("{'Name'", "")
    alarm = found["bienvenue-prod-dead-letters"]
    assert alarm["Dimensions"] == [
        {"Name": "QueueName", "Value": "bienvenue-prod-alarms-DeadLetters-1"}
    ]
    assert (alarm["AlarmActions"], alarm["Threshold"]) == ([TOPIC], 1)


class Sns:
    """The subscriptions of one topic."""

    def __init__(self, **arns: str) -> None:
        self.arns = {OPS if name == "ops" else name: arn for name, arn in arns.items()}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_subscriptions_by_topic"
        return self

    def paginate(self, TopicArn: str) -> Any:  # noqa: N803 - boto3's names
        assert TopicArn == TOPIC
        for email, arn in self.arns.items():
            yield {"Subscriptions": [{"Endpoint": email, "SubscriptionArn": arn}]}


def left_to_do(sns: Any, email: str = OPS) -> str:
    return " ".join(alarms.left_to_do(sns, TOPIC, email, lambda words: f"aws {words} --region x"))


def test_who_has_confirmed_has_nothing_left_to_do() -> None:
    assert left_to_do(Sns(other="PendingConfirmation", ops=f"{TOPIC}:1")) == ""


def test_an_unconfirmed_subscription_is_reported() -> None:
    told = left_to_do(Sns(ops="PendingConfirmation"))
    assert told.startswith(f"Open the link in the mail that AWS sent to {OPS}")


def test_an_expired_subscription_shows_its_command() -> None:
    told = left_to_do(Sns(other=f"{TOPIC}:1"))
    assert told.endswith(f"--topic-arn {TOPIC} --notification-endpoint {OPS} --region x")


def test_an_address_is_quoted_where_it_is_to_be_typed() -> None:
    told = left_to_do(Sns(), "o'brien@example.org")
    assert "o'brien@example.org" in shlex.split(told.partition("again: ")[2])


def test_a_stage_without_subscribers_is_reported() -> None:
    assert "--alarms-to" in left_to_do(Sns(), email="")


def test_an_address_is_checked_before_it_is_subscribed() -> None:
    assert alarms.read_address(OPS) == OPS
    assert alarms.read_address("") == ""
    with pytest.raises(DeployError, match=r"'Ops <ops@example\.org>': give a bare address"):
        alarms.read_address("Ops <ops@example.org>")
