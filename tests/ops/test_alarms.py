"""Whom alarms reach: an address that has confirmed, or what a person has to do so that it does."""

from __future__ import annotations

from typing import Any

import pytest

from ops import alarms
from ops.errors import DeployError

TOPIC = "arn:aws:sns:eu-west-3:123456789012:bienvenue-prod-alarms"
OPS = "ops@example.org"


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
    return " ".join(alarms.left_to_do(sns, TOPIC, email))


def test_who_has_confirmed_has_nothing_left_to_do() -> None:
    assert left_to_do(Sns(other="PendingConfirmation", ops=f"{TOPIC}:1")) == ""


def test_who_is_yet_to_confirm_is_told_where() -> None:
    told = left_to_do(Sns(ops="PendingConfirmation"))
    assert told.startswith(f"Open the link in the mail that AWS sent to {OPS}")


def test_a_subscription_that_has_lapsed_is_told_with_the_command_that_brings_it_back() -> None:
    told = left_to_do(Sns(other=f"{TOPIC}:1"))
    assert f"--topic-arn {TOPIC} --notification-endpoint {OPS}" in told


def test_a_stage_whose_alarms_nobody_hears_is_told() -> None:
    assert "--alarms-to" in left_to_do(Sns(), email="")


def test_an_address_is_checked_before_it_is_subscribed() -> None:
    assert alarms.check(OPS) == OPS
    assert alarms.check("") == ""
    with pytest.raises(DeployError, match=r"'Ops <ops@example\.org>': give a bare address"):
        alarms.check("Ops <ops@example.org>")
