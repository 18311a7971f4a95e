"""The alarms: which of them ring, and whether anybody hears it."""

from ops import alarms
from ops.doctor.check import Check, Finding, amber, green, grey, listed, red
from ops.doctor.facts import Facts, NotThere


def _ringing(facts: Facts) -> Finding:
    names = alarms.names(facts.stack_name)
    found = facts.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    if not found:
        raise NotThere("not seen: there are no alarms")
    ringing = [one for one in found if one["StateValue"] == "ALARM"]
    if ringing:
        said = listed([one["AlarmName"].removeprefix(f"{facts.stack_name}-") for one in ringing])
        return red(said, ringing[0]["AlarmDescription"])
    return green(f"none of {len(found)}")


def _heard(facts: Facts) -> Finding:
    if facts.is_local:
        return grey("nobody is told on the local cloud, where none ever rings")
    topic, told = facts.output("AlarmsArn"), facts.parameter("AlarmsTo")
    if left := alarms.left_to_do(facts.client("sns"), topic, told):
        return amber(f"not by {told}" if told else "by nobody", left[0])
    return green(f"by {told}")


CHECKS = (
    Check("Alarms", "Ringing", ("cloudwatch:DescribeAlarms",), _ringing),
    Check(
        "Alarms",
        "Heard",
        ("cloudformation:DescribeStacks", "sns:ListSubscriptionsByTopic"),
        _heard,
    ),
)
