"""The CloudFormation stack: how it is, and whether it still is what resources.json says."""

import json
from datetime import timedelta
from typing import Any

from ops.deployment import stack
from ops.doctor.check import Check, Finding, amber, green, listed, red
from ops.doctor.facts import Facts, NotThere
from ops.stage.waiting import until

DRIFT_PATIENCE = 20.0
STILL_TRUE = timedelta(minutes=10)
# A deploy repairs these, because CloudFormation does not: see ops/deployment/function_logs.py
# and ops/deployment/alarms.py.
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
    said = status.lower().replace("_", " ")
    if status.endswith("_IN_PROGRESS"):
        return amber(f"{name}: {said}", "Somebody deploys: ask again once it is done.")
    if status.endswith("_FAILED"):
        return red(
            f"{name}: {said}",
            "See what failed, mend it in the CloudFormation console, then deploy again.",
            facts.stage.cloud.aws(f"cloudformation describe-stack-events --stack-name {name}"),
        )
    if "ROLLBACK" in status:
        return amber(f"{name}: {said}, so its last change is missing", *facts.deploy_again)
    return green(f"{name}: {said}")


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
        return amber(f"not this checkout's: {listed(names)}", *facts.deploy_again)
    return green(f"this checkout's, {len(wanted['Resources'])} resources")


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
        return amber("CloudFormation is still comparing", "Ask again in a minute.")
    if status == "IN_SYNC":
        return green(_IN_SYNC)
    if status != "DRIFTED":
        return amber(
            f"CloudFormation could not compare everything ({status})",
            "It needs the permission to read what the stack holds.",
        )
    drifts = cloudformation.describe_stack_resource_drifts(
        StackName=name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
    )["StackResourceDrifts"]
    how = {one["LogicalResourceId"]: one["StackResourceDriftStatus"].lower() for one in drifts}
    finding = red if "deleted" in how.values() else amber
    said = f"by hand: {listed([f'{one} {what}' for one, what in how.items()])}"
    if {(one["ResourceType"], one["StackResourceDriftStatus"]) for one in drifts} <= _PUT_BACK:
        return finding(said, *facts.deploy_again)
    return finding(
        said,
        "See what was changed, and change it back.",
        facts.stage.cloud.aws(f"cloudformation describe-stack-resource-drifts --stack-name {name}"),
    )


def _detected(facts: Facts, started: Any) -> str | None:
    """What CloudFormation found; None while it is at it."""
    found = facts.client("cloudformation").describe_stack_drift_detection_status(
        StackDriftDetectionId=started["StackDriftDetectionId"]
    )
    if found["DetectionStatus"] == "DETECTION_IN_PROGRESS":
        return None
    if found["DetectionStatus"] == "DETECTION_FAILED":
        return str(found.get("DetectionStatusReason", "it gives no reason"))
    return str(found["StackDriftStatus"])


def _differing(deployed: Any, wanted: Any) -> list[str]:
    """The resources that are not the same, and the template's other parts."""
    resources = _names(deployed.get("Resources", {}), wanted["Resources"])
    parts = _names(deployed, wanted)
    return resources + [part for part in parts if part != "Resources"]


def _names(one: Any, other: Any) -> list[str]:
    return sorted(name for name in one.keys() | other if one.get(name) != other.get(name))


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
