"""The stage's alarms, and the address that gets them by mail."""

from collections.abc import Callable, Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any

from chalicelib.users import email_address
from ops.resources.stack.stack import properties
from ops.stage.errors import DeployError
from ops.stage.project import Project
from ops.terminal.progress import Say

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient


def names(project: Project, *, has_webhook: bool = False) -> list[str]:
    """Return the names of the stage's alarms."""
    return list(_as_templated(project, {"HasWebhook": "true"} if has_webhook else {}))


def find(cloudwatch: Any, project: Project, *, has_webhook: bool = False) -> dict[str, Any]:
    """Return the alarms that exist, as CloudWatch describes them, by their names."""
    wanted = names(project, has_webhook=has_webhook)
    described = cloudwatch.describe_alarms(AlarmNames=wanted)["MetricAlarms"]
    return {alarm["AlarmName"]: alarm for alarm in described}


def ensure(cloudwatch: Any, project: Project, outputs: Mapping[str, str], say: Say) -> None:
    """Put back alarms that were deleted: the stack, which has these ``outputs``, never does."""
    undelivered = outputs.get("UndeliveredEventsArn", "")
    existing = find(cloudwatch, project, has_webhook=bool(undelivered))
    wanted = _as_templated(
        project,
        {
            "ApiStage": project.api_stage,
            "Alarms": outputs["AlarmsArn"],
            "DeadLetters.QueueName": outputs["DeadLettersArn"].rpartition(":")[2],
            "UndeliveredEvents.QueueName": undelivered.rpartition(":")[2],
            "HasWebhook": undelivered,
        },
    )
    gone = [name for name in wanted if name not in existing]
    for name in gone:
        cloudwatch.put_metric_alarm(**wanted[name])
    shorter = [name.removeprefix(f"{project.full_name}-") for name in gone]
    say(f"{', '.join(shorter)} put back" if gone else "nothing to change")


def _as_templated(project: Project, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the template's alarms, as CloudWatch takes them too, by their names."""
    has_events = project.environment.get("EVENT_BUS", "")
    about = {"AppName": project.app_name, "Stage": project.stage, "HasEvents": has_events}
    values = {**about, **values}
    alarms = properties("AWS::CloudWatch::Alarm", values).values()
    return {alarm["AlarmName"]: alarm for alarm in alarms}


def read_address(email: str) -> str:
    """Return ``email`` as it may be subscribed; empty for none. Raises DeployError."""
    try:
        return email and email_address.canonical(email)
    except email_address.AddressError as error:
        raise DeployError(
            f"AWS cannot mail alarms to {email!r}: give a bare address, "
            "such as --alarms-to ops@example.org"
        ) from error


def left_to_do(sns: "SNSClient", topic: str, email: str, aws: Callable[[str], str]) -> list[str]:
    """Return what an operator must do before alarms reach ``email``. ``aws`` spells command
    lines, as Cloud's does."""
    if not email:
        return ["Nobody gets alarms. Deploy again with --alarms-to ops@example.org"]
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    arns = [
        subscription["SubscriptionArn"]
        for page in pages
        for subscription in page["Subscriptions"]
        if subscription["Endpoint"] == email
    ]
    if any(arn.startswith("arn:") for arn in arns):
        return []
    if arns:
        return [f"Open the link in the mail that AWS sent to {email}, to get alarms there."]
    # SNS forgets one that was not confirmed within two days, or that was cancelled.
    again = aws(
        f"sns subscribe --protocol email --topic-arn {topic} --notification-endpoint {quote(email)}"
    )
    return [f"{email} gets no alarms: never confirmed, or cancelled. Ask for it again: {again}"]
