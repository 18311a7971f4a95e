"""The alarms by their names, who is told of them, and what a person has to do before they are."""

import json
from typing import TYPE_CHECKING

from chalicelib import address
from ops.errors import DeployError
from ops.stack import TEMPLATE

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient


def names(stack: str) -> list[str]:
    """What the alarms of ``stack`` are called."""
    resources = json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"].values()
    found = [one["Properties"] for one in resources if one["Type"] == "AWS::CloudWatch::Alarm"]
    return [one["AlarmName"]["Fn::Sub"].replace("${AppName}-${Stage}", stack) for one in found]


def check(email: str) -> str:
    """``email`` as it may be subscribed; nobody is none. Raises DeployError."""
    try:
        return email and address.canonical(email)
    except address.AddressError as error:
        raise DeployError(
            f"Alarms cannot be mailed to {email!r}: give a bare address, "
            "for instance --alarms-to ops@example.org"
        ) from error


def left_to_do(sns: "SNSClient", topic: str, email: str) -> list[str]:
    """What stands between an alarm and ``email``, a paragraph for a person."""
    if not email:
        return ["Say who is told of alarms: deploy again with --alarms-to ops@example.org"]
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    arns = [
        one["SubscriptionArn"]
        for page in pages
        for one in page["Subscriptions"]
        if one["Endpoint"] == email
    ]
    if any(arn.startswith("arn:") for arn in arns):
        return []
    if arns:
        return [f"Open the link in the mail that AWS sent to {email}, so that alarms get there."]
    # SNS forgets one that was not confirmed within two days, or that was cancelled.
    again = (
        f"aws sns subscribe --protocol email --topic-arn {topic} --notification-endpoint {email}"
    )
    return [f"{email} gets no alarms: never confirmed, or cancelled. Ask for it again: {again}"]
