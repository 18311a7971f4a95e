"""The functions' logs: JSON, metric filters and the stage's retention.

The stack makes the groups and their filters, but changes nothing of a group that it takes over, and
does not notice that one was deleted, with its filters. Chalice knows nothing of the format, and
leaves it alone.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ops.resources.functions.function_settings import matches, retry_until_settled
from ops.resources.stack.stack import TEMPLATE, properties
from ops.stage.project import Project
from ops.terminal.progress import Say

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

_LOG_DAYS = json.loads(TEMPLATE.read_text(encoding="utf-8"))["Parameters"]["LogDays"]
DAYS: list[int] = _LOG_DAYS["AllowedValues"]
"""The numbers of days that CloudWatch can keep logs for."""
FIRST_DAYS: int = _LOG_DAYS["Default"]

FORMAT = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO"}


def ensure(
    lambda_: "LambdaClient",
    logs: Any,
    project: Project,
    days: int,
    called: Mapping[str, str],
    say: Say,
) -> None:
    """Make each deployed function write JSON to a group that keeps it for ``days`` and is counted.

    ``called`` says what the stack calls its resources: a filter that is put back under that name is
    still the stack's, and nothing is counted twice.
    """
    retentions = find(logs, project)
    changed = False
    for name in project.functions():
        group = group_of(project, name)
        if group not in retentions:  # it must exist before it has a retention
            logs.create_log_group(logGroupName=group)
        if retentions.get(group) != days:
            logs.put_retention_policy(logGroupName=group, retentionInDays=days)
            changed = True
        changed |= _write_json(lambda_, project.function(name))
    changes = [f"in JSON, kept for {days} days"] if changed else []
    if lost := differences(logs, project, project.functions()):
        for name, wanted in lost.items():
            logs.put_metric_filter(filterName=called[name], **wanted)
        changes.append(f"{', '.join(lost)} put back")
    say("; ".join(changes) or "nothing to change")


def differences(logs: Any, project: Project, functions: Iterable[str]) -> dict[str, Any]:
    """Return the metric filters that the groups of ``functions`` lack, by their names in the
    template."""
    groups = {group_of(project, name) for name in functions}
    filters = [wanted for group in sorted(groups) for wanted in _filters(logs, group)]
    return {
        name: wanted
        for name, wanted in wanted_filters(project).items()
        if wanted["logGroupName"] in groups and not any(matches(other, wanted) for other in filters)
    }


def find(logs: Any, project: Project) -> dict[str, int | None]:
    """Return the log groups whose names start like the stage's, and their retention in days."""
    pages = logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=group_of(project, "api_handler")
    )
    return {
        group["logGroupName"]: group.get("retentionInDays")
        for page in pages
        for group in page["logGroups"]
    }


def group_of(project: Project, function: str) -> str:
    """Return the log group of the function that Chalice calls ``function``."""
    return f"/aws/lambda/{project.function(function)}"


def _filters(logs: Any, group: str) -> list[Any]:
    """Return the metric filters of ``group``; none if it is gone."""
    pages = logs.get_paginator("describe_metric_filters").paginate(logGroupName=group)
    try:
        return [metric_filter for page in pages for metric_filter in page["metricFilters"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def wanted_filters(project: Project) -> dict[str, Any]:
    """Return the template's metric filters as CloudWatch takes them."""
    values = {"AppName": project.app_name, "Stage": project.stage}
    values["HasEvents"] = project.environment.get("EVENT_BUS", "")
    groups = properties("AWS::Logs::LogGroup", values)
    values |= {name: resource["LogGroupName"] for name, resource in groups.items()}
    filters = properties("AWS::Logs::MetricFilter", values)
    return {name: _as_asked(resource) for name, resource in filters.items()}


def _as_asked(value: Any) -> Any:
    """Return a template's properties as the service's own requests and answers spell them."""
    if isinstance(value, list) and all(_is_dimension(member) for member in value):
        return {member["Key"]: member["Value"] for member in value}
    if isinstance(value, list):
        return [_as_asked(item) for item in value]
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: _as_asked(item) for name, item in value.items()}
    return value


def _is_dimension(value: Any) -> bool:
    """Return True for a metric's dimension as CloudFormation writes it: the service maps them."""
    return isinstance(value, dict) and value.keys() == {"Key", "Value"}


def _write_json(lambda_: "LambdaClient", function: str) -> bool:
    """Make the function log JSON. Return True if it did not; its other logging settings stay."""
    current: Any = lambda_.get_function_configuration(FunctionName=function).get("LoggingConfig")
    if matches(current, FORMAT):
        return False
    wanted = {**(current or {}), **FORMAT}
    retry_until_settled(
        lambda_.update_function_configuration, FunctionName=function, LoggingConfig=wanted
    )
    return True
