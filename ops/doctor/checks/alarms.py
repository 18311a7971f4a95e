"""The alarms that ring, and the people who are told."""

from collections.abc import Iterable

from ops.doctor.check import Check, Finding, amber, green, grey, listed, red
from ops.doctor.facts import Facts, NotThere
from ops.resources.stack import alarms


def _ringing(facts: Facts) -> Finding:
    if facts.stack() is None:
        raise NotThere("not seen: there is no stack")
    has_webhook = bool(facts.parameter("Webhook"))
    existing = alarms.find(facts.client("cloudwatch"), facts.project, has_webhook=has_webhook)
    ringing = [alarm for alarm in existing.values() if alarm["StateValue"] == "ALARM"]
    if ringing:
        return red(
            _shortly(facts, [alarm["AlarmName"] for alarm in ringing]),
            ringing[0]["AlarmDescription"],
            f"{facts.stage.ops('logs')} --since 1h",
        )
    names = alarms.names(facts.project, has_webhook=has_webhook)
    missing = [name for name in names if name not in existing]
    if missing:
        text = f"{len(missing)} of {len(names)} missing: {_shortly(facts, missing)}"
        return red(text, *facts.deploy_again)
    return green(f"none of {len(existing)}")


def _shortly(facts: Facts, names: Iterable[str]) -> str:
    return listed([name.removeprefix(f"{facts.project.full_name}-") for name in names])


def _heard(facts: Facts) -> Finding:
    if facts.stage.cloud.endpoint:
        return grey("the local cloud has no alarms that ring")
    topic, recipient = facts.output("AlarmsArn"), facts.parameter("AlarmsTo")
    aws = facts.stage.cloud.aws
    if left := alarms.left_to_do(facts.client("sns"), topic, recipient, aws):
        return amber(f"not by {recipient}" if recipient else "by nobody", left[0])
    return green(f"by {recipient}")


CHECKS = (
    Check(
        "Alarms",
        "Ringing",
        ("cloudwatch:DescribeAlarms", "cloudformation:DescribeStacks"),
        _ringing,
    ),
    Check(
        "Alarms",
        "Heard",
        ("cloudformation:DescribeStacks", "sns:ListSubscriptionsByTopic"),
        _heard,
    ),
)
