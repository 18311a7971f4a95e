"""The stage's backing resources: one CloudFormation stack and its change sets."""

import json
import re
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ops.stage.errors import DeployError
from ops.stage.waiting import until
from ops.terminal.progress import Say

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import ChangeTypeDef, StackTypeDef

TEMPLATE = Path(__file__).with_name("resources.json")
DASHBOARD = Path(__file__).with_name("dashboard.json")
PATIENCE = 900.0
MANY = 6

_ACTIONS = {"Add": "made", "Modify": "changed", "Remove": "removed", "Import": "taken over"}
_STARTS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
_NEVER_COMPLETE = (
    "CREATE_FAILED",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "ROLLBACK_IN_PROGRESS",
)
_NO_VALUE = {"Ref": "AWS::NoValue"}
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class Stack:
    """The stack called ``name``, which may not exist yet."""

    def __init__(self, client: "CloudFormationClient", name: str) -> None:
        self._client = client
        self.name = name

    def describe(self) -> "StackTypeDef | None":
        """Return the stack as CloudFormation describes it; None if there is none."""
        try:
            return self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the last deploy; none if there is no stack."""
        described = self.describe()
        return _parameters(described) if described else {}

    def made(self, parameter: str) -> str:
        """Return ``parameter`` of the stack; empty unless the stack was complete once.

        If the first creation of the stack failed, its resources may belong to another program now.
        """
        described = self.describe()
        if described is None or described["StackStatus"] in _NEVER_COMPLETE:
            return ""
        return _parameters(described).get(parameter, "")

    def resources(self) -> dict[str, str]:
        """Return the physical ids of the stack's resources, by their names in the template.

        A resource that was deleted by hand keeps its id."""
        resources = self._client.describe_stack_resources(StackName=self.name)["StackResources"]
        return {
            resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
            for resource in resources
        }

    def ensure(self, parameters: Mapping[str, str], say: Say) -> dict[str, str]:
        """Make the stack what resources.json says it is, and return its outputs.

        Raises DeployError with CloudFormation's reason, and before anything is done if people's
        data would be lost.
        """
        exists = self._settle(say)
        change_set = self._propose(parameters, "UPDATE" if exists else "CREATE")
        if change_set is None:
            say("nothing to change")
        else:
            changes = self._review(change_set)
            say(_words(changes))
            self._execute(change_set)
            say(_words(self._made(changes)))
        return self._outputs()

    def exists(self) -> bool:
        return self.describe() is not None

    def remove(self, say: Say) -> None:
        """Delete the stack; what its template retains stays. Raises DeployError if it cannot."""
        status = self._wait(say)
        if status in ("", "DELETE_COMPLETE"):
            say("nothing to remove")
            return
        self._client.delete_stack(StackName=self.name)
        status = self._wait(say)
        if status not in ("", "DELETE_COMPLETE"):
            raise DeployError(
                f"CloudFormation could not delete the stack {self.name} ({self._reason()}): "
                "fix that, then run this again."
            )
        say(f"{self.name} removed")

    def _settle(self, say: Say) -> bool:
        """Wait for, or remove, what an interrupted deploy left. Return True if a stack is there."""
        status = self._wait(say)
        if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"):
            # Such a stack was never used, and can only be deleted.
            say("removing the rest of a failed first try")
            self._client.delete_stack(StackName=self.name)
            status = self._wait(say)
        if status in ("", "DELETE_COMPLETE", "REVIEW_IN_PROGRESS"):
            return False
        if status.endswith("_FAILED") or status == "ROLLBACK_COMPLETE":
            raise DeployError(
                f"The stack {self.name} is stuck in {status} ({self._reason()}): "
                "fix it in the CloudFormation console, then deploy again."
            )
        return True

    def _wait(self, say: Say) -> str:
        """Return the stack's status once it stays; empty if the stack is gone."""
        return until(partial(self._lasting_status, say), PATIENCE, self._too_slow)

    def _lasting_status(self, say: Say) -> str | None:
        """Return the stack's status; None while it changes by itself."""
        described = self.describe()
        status = described["StackStatus"] if described else ""
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            say(f"waiting for CloudFormation ({status.lower().replace('_', ' ')})")
            return None
        return status

    def _propose(self, parameters: Mapping[str, str], kind: Any) -> str | None:
        """Return a change set that is ready to be executed; None if there is nothing to change."""
        change_set = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{uuid.uuid4().hex}",
            ChangeSetType=kind,
            TemplateBody=template(parameters),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_IAM"],
            ImportExistingResources=True,
        )["Id"]

        def look() -> tuple[str, str] | None:
            described = self._client.describe_change_set(ChangeSetName=change_set)
            if described["Status"] in ("CREATE_COMPLETE", "FAILED"):
                return described["Status"], described.get("StatusReason", "")
            return None

        status, reason = until(look, PATIENCE, self._too_slow)
        if status == "CREATE_COMPLETE":
            return change_set
        self._client.delete_change_set(ChangeSetName=change_set)
        if any(words in reason for words in _NO_CHANGES):
            return None
        raise DeployError(f"CloudFormation does not accept the stack {self.name}: {reason}")

    def _review(self, change_set: str) -> dict[str, str]:
        """Return what would happen to each resource. Raises DeployError if users would be lost."""
        pages = self._client.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
        changes = dict(_change(change) for page in pages for change in page["Changes"])
        if changes.get("Users") in ("removed", "replaced"):
            self._client.delete_change_set(ChangeSetName=change_set)
            raise DeployError(
                f"The users' table would be {changes['Users']}, so nothing was changed: "
                "put ops/resources/stack/resources.json and the app_name back as they were."
            )
        return changes

    def _made(self, changes: dict[str, str]) -> dict[str, str]:
        """Return the changes that were made: the local cloud announces more of them."""
        present = self.resources()
        return {
            name: change
            for name, change in changes.items()
            if name in present or change == "removed"
        }

    def _execute(self, change_set: str) -> None:
        self._client.execute_change_set(ChangeSetName=change_set)
        status = until(partial(self._status_after, change_set), PATIENCE, self._too_slow)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
            raise DeployError(
                f"CloudFormation rolled back the changes to {self.name}: {self._reason()}. "
                "Fix that, then deploy again."
            )

    def _status_after(self, change_set: str) -> str | None:
        """Return the stack's status once the change set is executed; None until then."""
        # The stack may still say how the operation before this one went.
        execution = self._client.describe_change_set(ChangeSetName=change_set)
        if execution["ExecutionStatus"] in ("AVAILABLE", "EXECUTE_IN_PROGRESS"):
            return None
        described = self.describe()
        status = described["StackStatus"] if described else "DELETE_COMPLETE"
        return None if status.endswith("_IN_PROGRESS") else status

    def _outputs(self) -> dict[str, str]:
        described = self.describe()
        outputs = described.get("Outputs", []) if described else []
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def _reason(self) -> str:
        """Return what failed first in the latest operation, in CloudFormation's words."""
        reason = "it gives no reason"
        for event in self._client.describe_stack_events(StackName=self.name)["StackEvents"]:
            resource = event.get("LogicalResourceId", "")
            if event.get("ResourceStatus", "").endswith("_FAILED") and resource != self.name:
                reason = f"{resource}: {event.get('ResourceStatusReason', 'no reason given')}"
            started = event.get("ResourceStatus") in _STARTS
            if started and resource == self.name:
                break
        return reason.rstrip(".")

    def _too_slow(self) -> DeployError:
        return DeployError(
            f"CloudFormation is still busy with {self.name} after {PATIENCE / 60:.0f} minutes: "
            "deploy again when it is done."
        )


def template(parameters: Mapping[str, str]) -> str:
    """Return resources.json as CloudFormation gets it, for a stack with these ``parameters``.

    The names of what outlives a stack are spelled out: only then does CloudFormation take over what
    an earlier stack, or Lambda, has left (its guide: "Import resources automatically").
    """
    content = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    resources = content["Resources"]
    for resource in resources.values():
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
            properties = resource["Properties"]
            properties.update(
                {
                    name: _spelled_out(value["Fn::Sub"], parameters)
                    for name, value in properties.items()
                    if isinstance(value, dict) and "Fn::Sub" in value
                }
            )
    resources["Dashboard"]["Properties"]["DashboardBody"] = dashboard_body()
    return _dense(content)


def dashboard_body() -> dict[str, str]:
    """Return the dashboard's body as a template takes it."""
    return {"Fn::Sub": _dense(json.loads(DASHBOARD.read_text(encoding="utf-8")))}


def properties(kind: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the properties of the template's resources of one ``kind``, by their names in it.

    ``values`` stand in for the parameters and resources that they refer to, ``Name.Attribute`` for
    what they get of one; a reference to anything else stays. Conditions hold that have a value.
    """
    resources = json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
    return {
        name: _filled(resource["Properties"], values)
        for name, resource in resources.items()
        if resource["Type"] == kind
        and ("Condition" not in resource or values.get(resource["Condition"]))
    }


def _parameters(described: "StackTypeDef") -> dict[str, str]:
    parameters = described.get("Parameters", [])
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in parameters}


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        filled = (_filled(part, values) for part in value)
        return [part for part in filled if part != _NO_VALUE]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value:
        condition, if_true, if_false = value["Fn::If"]
        return _filled(if_true if values.get(condition) else if_false, values)
    if "Fn::Sub" in value:
        return re.sub(r"\$\{(.+?)\}", lambda part: values.get(part[1], part[0]), value["Fn::Sub"])
    if "Ref" in value:
        return values.get(value["Ref"], value)
    if "Fn::GetAtt" in value:
        return values.get(".".join(value["Fn::GetAtt"]), value)
    return {name: _filled(part, values) for name, part in value.items()}


def _spelled_out(text: str, parameters: Mapping[str, str]) -> str:
    for name in ("AppName", "Stage"):
        text = text.replace(f"${{{name}}}", parameters[name])
    return text


def _dense(content: object) -> str:
    """Return JSON without a space: a template in a request may have 51,200 bytes."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _change(change: "ChangeTypeDef") -> tuple[str, str]:
    """Return the name of a resource, and what happens to it."""
    resource = change["ResourceChange"]
    replaced = resource.get("Replacement") in ("True", "Conditional")
    effect = "replaced" if replaced else _ACTIONS.get(resource["Action"], resource["Action"])
    return resource["LogicalResourceId"], effect


def _words(changes: Mapping[str, str]) -> str:
    """Return the changes as a line: ``Users made; ApiHandlerRole changed``."""
    by_kind: dict[str, list[str]] = {}
    for name, change in changes.items():
        by_kind.setdefault(change, []).append(name)
    return "; ".join(f"{_listed(names)} {change}" for change, names in by_kind.items())


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= MANY else f"{len(names)} resources"
