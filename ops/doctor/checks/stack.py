"""The CloudFormation stack: its state, its template and its drift."""

import json
from datetime import timedelta
from typing import Any

from ops.doctor.check import Check, Finding, amber, green, listed, red
from ops.doctor.facts import Facts, NotThere
from ops.resources.stack import stack
from ops.stage.waiting import until

DRIFT_PATIENCE = 20.0
STILL_TRUE = timedelta(minutes=10)
# A deploy creates these again, because CloudFormation does not: see
# ops/resources/functions/function_logs.py and ops/resources/stack/alarms.py.
_PUT_BACK = {
    ("AWS::CloudWatch::Alarm", "DELETED"),
    ("AWS::Logs::LogGroup", "DELETED"),
    ("AWS::Logs::LogGroup", "MODIFIED"),
    ("AWS::Logs::MetricFilter", "DELETED"),
    ("AWS::Logs::MetricFilter", "MODIFIED"),
}
_IN_SYNC = "nothing was changed by hand"


def _state(facts: Facts) -> Finding:
    name = facts.project.full_name
    described = facts.stack()
    if described is None:
        return red(f"there is no stack {name}", *facts.deploy_again)
    status = described["StackStatus"]
    line = status.lower().replace("_", " ")
    if status.endswith("_IN_PROGRESS"):
        return amber(f"{name}: {line}", "A deploy is running: run doctor again after it.")
    if status.endswith("_FAILED"):
        return red(
            f"{name}: {line}",
            "Find out what failed, fix it in the CloudFormation console, then deploy again.",
            facts.stage.cloud.aws(f"cloudformation describe-stack-events --stack-name {name}"),
        )
    if "ROLLBACK" in status:
        return amber(f"{name}: {line}, so the last change is missing", *facts.deploy_again)
    return green(f"{name}: {line}")


def _template(facts: Facts) -> Finding:
    if facts.stack() is None:
        raise NotThere("not seen: there is no stack")
    deployed: Any = facts.client("cloudformation").get_template(
        StackName=facts.project.full_name, TemplateStage="Original"
    )["TemplateBody"]
    if isinstance(deployed, str):
        deployed = json.loads(deployed)
    parameters = {"AppName": facts.project.app_name, "Stage": facts.stage.name}
    wanted = json.loads(stack.template(parameters))
    if names := _differing(deployed, wanted):
        return amber(f"these differ from this checkout: {listed(names)}", *facts.deploy_again)
    return green(f"as in this checkout, {len(wanted['Resources'])} resources")


def _drift(facts: Facts) -> Finding:
    name = facts.project.full_name
    described = facts.stack()
    if described is None:
        raise NotThere("not seen: there is no stack")
    cloudformation = facts.client("cloudformation")
    known = described.get("DriftInformation", {})
    checked = known.get("LastCheckTimestamp")
    if checked and facts.now() - checked < STILL_TRUE and known["StackDriftStatus"] == "IN_SYNC":
        return green(_IN_SYNC)
    started = cloudformation.detect_stack_drift(StackName=name)
    try:
        status = until(lambda: _detected(facts, started), DRIFT_PATIENCE, TimeoutError)
    except TimeoutError:
        return amber("CloudFormation is still comparing", "Run doctor again in a minute.")
    if status == "IN_SYNC":
        return green(_IN_SYNC)
    if status != "DRIFTED":
        return amber(
            f"CloudFormation could not compare everything ({status})",
            "It needs the permission to read the stack's resources.",
        )
    drifts = cloudformation.describe_stack_resource_drifts(
        StackName=name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
    )["StackResourceDrifts"]
    changes = {
        drift["LogicalResourceId"]: drift["StackResourceDriftStatus"].lower() for drift in drifts
    }
    finding = red if "deleted" in changes.values() else amber
    line = f"by hand: {listed([f'{name} {change}' for name, change in changes.items()])}"
    if {
        (drift["ResourceType"], drift["StackResourceDriftStatus"]) for drift in drifts
    } <= _PUT_BACK:
        return finding(line, *facts.deploy_again)
    return finding(
        line,
        "Find out what was changed, and change it back.",
        facts.stage.cloud.aws(f"cloudformation describe-stack-resource-drifts --stack-name {name}"),
    )


def _detected(facts: Facts, started: Any) -> str | None:
    """Return what CloudFormation found; None while it compares."""
    detection = facts.client("cloudformation").describe_stack_drift_detection_status(
        StackDriftDetectionId=started["StackDriftDetectionId"]
    )
    if detection["DetectionStatus"] == "DETECTION_IN_PROGRESS":
        return None
    if detection["DetectionStatus"] == "DETECTION_FAILED":
        return str(detection.get("DetectionStatusReason", "no reason given"))
    return str(detection["StackDriftStatus"])


def _differing(deployed: Any, wanted: Any) -> list[str]:
    """Return the names of the resources that differ, and of the template's other parts."""
    resources = _names(deployed.get("Resources", {}), wanted["Resources"])
    parts = _names(deployed, wanted)
    return resources + [part for part in parts if part != "Resources"]


def _names(left: Any, right: Any) -> list[str]:
    return sorted(name for name in left.keys() | right if left.get(name) != right.get(name))


CHECKS = (
    Check("Stack", "State", ("cloudformation:DescribeStacks",), _state),
    Check(
        "Stack",
        "Template",
        ("cloudformation:GetTemplate", "cloudformation:DescribeStacks"),
        _template,
    ),
    Check(
        "Stack",
        "Drift",
        (
            "cloudformation:DetectStackDrift",
            "cloudformation:DescribeStacks",
            "cloudformation:DescribeStackDriftDetectionStatus",
            "cloudformation:DescribeStackResourceDrifts",
        ),
        _drift,
    ),
)
