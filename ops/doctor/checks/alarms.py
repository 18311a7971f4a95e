"""The alarms: which of them ring, and whether anybody hears it."""

from collections.abc import Iterable

from ops.deployment import alarms
from ops.doctor.check import Check, Finding, amber, green, grey, listed, red
from ops.doctor.facts import Facts, NotThere


def _ringing(facts: Facts) -> Finding:
    if facts.stack() is None:
        raise NotThere("not seen: there is no stack")
    found = alarms.found(facts.client("cloudwatch"), facts.project)
    ringing = [one for one in found.values() if one["StateValue"] == "ALARM"]
    if ringing:
        return red(
            _shortly(facts, [one["AlarmName"] for one in ringing]),
            ringing[0]["AlarmDescription"],
            f"{facts.stage.ops('logs')} --since 1h",
        )
    names = alarms.names(facts.project)
    gone = [name for name in names if name not in found]
    if gone:
        said = f"{len(gone)} of {len(names)} gone: {_shortly(facts, gone)}"
        return red(said, *facts.deploy_again)
    return green(f"none of {len(found)}")


def _shortly(facts: Facts, names: Iterable[str]) -> str:
    return listed([name.removeprefix(f"{facts.project.full_name}-") for name in names])


def _heard(facts: Facts) -> Finding:
    if facts.stage.cloud.endpoint:
        return grey("nobody is told on the local cloud, where none ever rings")
    topic, told = facts.output("AlarmsArn"), facts.parameter("AlarmsTo")
    aws = facts.stage.cloud.aws
    if left := alarms.left_to_do(facts.client("sns"), topic, told, aws):
        return amber(f"not by {told}" if told else "by nobody", left[0])
    return green(f"by {told}")


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
