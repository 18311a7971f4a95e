"""The functions' logs: in JSON, which metric filters count, and kept for as long as the stage says.

The stack makes the groups, but changes nothing of one that it takes over, and does not notice that
one was deleted. Chalice knows nothing of the format, and leaves it alone.
"""

import json
from typing import TYPE_CHECKING, Any

from ops.lambda_settings import holds, settled
from ops.progress import Say
from ops.project import Project
from ops.stack import TEMPLATE

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

_LOG_DAYS = json.loads(TEMPLATE.read_text(encoding="utf-8"))["Parameters"]["LogDays"]
DAYS: list[int] = _LOG_DAYS["AllowedValues"]
"""How long CloudWatch can keep logs."""
FIRST_DAYS: int = _LOG_DAYS["Default"]

FORMAT = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO"}


def configure(lambda_: "LambdaClient", logs: Any, project: Project, days: int, say: Say) -> None:
    """Have every deployed function write JSON to a group that keeps it for ``days``."""
    found = groups(logs, project)
    changed = False
    for name in project.functions():
        group = group_of(project, name)
        if group not in found:  # by name, or retention is set of one that is not there
            logs.create_log_group(logGroupName=group)
        if found.get(group) != days:
            logs.put_retention_policy(logGroupName=group, retentionInDays=days)
            changed = True
        changed |= _write_json(lambda_, project.function(name))
    say(f"in JSON, kept for {days} days" if changed else "nothing to change")


def groups(logs: Any, project: Project) -> dict[str, int | None]:
    """The log groups whose names start like the stage's, and the days that each keeps its logs."""
    pages = logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=group_of(project, "api_handler")
    )
    return {
        one["logGroupName"]: one.get("retentionInDays")
        for page in pages
        for one in page["logGroups"]
    }


def group_of(project: Project, function: str) -> str:
    """Where Lambda writes the logs of what Chalice calls ``function``."""
    return f"/aws/lambda/{project.function(function)}"


def _write_json(lambda_: "LambdaClient", function: str) -> bool:
    """Whether the function's format had to be changed. What else is set of its logs stays."""
    current: Any = lambda_.get_function_configuration(FunctionName=function).get("LoggingConfig")
    if holds(current, FORMAT):
        return False
    wanted = {**(current or {}), **FORMAT}
    settled(lambda_.update_function_configuration, FunctionName=function, LoggingConfig=wanted)
    return True
