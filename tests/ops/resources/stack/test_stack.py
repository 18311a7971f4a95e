"""The stack: change sets are reviewed, and none may lose the users."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.resources.stack import stack as stack_module
from ops.resources.stack.stack import Stack
from ops.stage.errors import DeployError
from tests.ops.conftest import Ear

NAME = "bienvenue-prod"
USERS = "bienvenue-prod-users"
PARAMETERS = {"AppName": "bienvenue", "Stage": "prod"}


def change(name: str, action: str, replacement: str | None = None) -> dict[str, Any]:
    about = {"LogicalResourceId": name, "Action": action}
    return {"ResourceChange": about | ({"Replacement": replacement} if replacement else {})}


def event(resource: str, status: str, reason: str = "") -> dict[str, str]:
    return {
        "LogicalResourceId": resource,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


class CloudFormation:
    """One stack, whose ``statuses`` come true one look after another; the last one stays."""

    def __init__(self, *statuses: str, changes: Iterable[Any] = ()) -> None:
        self.statuses = list(statuses)
        self.changes = list(changes)
        self.refusal = ""
        self.then = ["CREATE_COMPLETE"]
        self.events: list[dict[str, str]] = []
        self.proposed: dict[str, Any] = {}
        self.called: list[str] = []

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803 - boto3's names
        status = self.statuses.pop(0) if len(self.statuses) > 1 else "".join(self.statuses)
        if not status:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "")
        parameters = [
            {"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()
        ]
        outputs = [{"OutputKey": "UsersTable", "OutputValue": USERS}]
        return {"Stacks": [{"StackStatus": status, "Parameters": parameters, "Outputs": outputs}]}

    def create_change_set(self, **proposed: Any) -> Any:
        self.called.append("create_change_set")
        self.proposed = proposed
        return {"Id": "change-set"}

    def describe_change_set(self, ChangeSetName: str) -> Any:  # noqa: N803 - boto3's names
        assert ChangeSetName == "change-set"
        if self.refusal:
            return {"Status": "FAILED", "StatusReason": self.refusal}
        return {"Status": "CREATE_COMPLETE", "ExecutionStatus": "EXECUTE_COMPLETE"}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "describe_change_set"
        return self

    def paginate(self, **_: Any) -> list[Any]:
        return [{"Changes": [one]} for one in self.changes]

    def execute_change_set(self, **_: Any) -> None:
        self.called.append("execute_change_set")
        self.statuses = list(self.then)

    def delete_change_set(self, **_: Any) -> None:
        self.called.append("delete_change_set")

    def delete_stack(self, **_: Any) -> None:
        self.called.append("delete_stack")
        self.statuses = ["DELETE_IN_PROGRESS", ""]

    def describe_stack_resources(self, **_: Any) -> Any:
        names = [one["ResourceChange"]["LogicalResourceId"] for one in self.changes]
        return {"StackResources": [{"LogicalResourceId": n} for n in names if n != "Imagined"]}

    def describe_stack_events(self, **_: Any) -> Any:
        return {"StackEvents": self.events}

    def deploy(self, say: Ear) -> dict[str, str]:
        client: Any = self
        return Stack(client, NAME).ensure(PARAMETERS, say)


def test_a_first_deploy_makes_the_stack_and_returns_its_outputs(say: Ear) -> None:
    cloud = CloudFormation("", changes=[change("Users", "Add"), change("Imagined", "Add")])
    assert cloud.deploy(say) == {"UsersTable": USERS}
    assert cloud.called == ["create_change_set", "execute_change_set"]
    assert cloud.proposed["ChangeSetType"] == "CREATE"
    assert cloud.proposed["Parameters"] == [
        {"ParameterKey": "AppName", "ParameterValue": "bienvenue"},
        {"ParameterKey": "Stage", "ParameterValue": "prod"},
    ]
    assert say.last == "Users made"


def test_what_outlived_its_stack_can_be_taken_over(say: Ear) -> None:
    """CloudFormation takes over resources that are retained and whose names are spelled out."""
    cloud = CloudFormation("", changes=[change("Users", "Import")])
    cloud.then = ["IMPORT_COMPLETE"]
    cloud.deploy(say)
    assert cloud.proposed["ImportExistingResources"] is True
    resources = json.loads(cloud.proposed["TemplateBody"])["Resources"]
    assert resources["Users"]["Properties"]["TableName"] == USERS
    logs = {
        one["Properties"]["LogGroupName"]
        for one in resources.values()
        if one["Type"] == "AWS::Logs::LogGroup"
    }
    group = "/aws/lambda/bienvenue-prod"
    functions = ("send_validation_mail", "record_mail_feedback", "resend_owed_mail")
    assert logs == {group, *(f"{group}-{name}" for name in functions)}
    assert say.last == "Users taken over"


def test_changes_are_listed_by_kind(say: Ear) -> None:
    cloud = CloudFormation(
        "UPDATE_COMPLETE",
        changes=[
            change("DeadLetters", "Modify", "False"),
            change("MailEvents", "Remove"),
            change("MailFeedback", "Modify", "True"),
            change("Users", "Modify", "False"),
        ],
    )
    cloud.then = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
    cloud.deploy(say)
    assert cloud.proposed["ChangeSetType"] == "UPDATE"
    assert say.last == "DeadLetters, Users changed; MailEvents removed; MailFeedback replaced"


def test_many_changes_are_counted_instead_of_listed(say: Ear) -> None:
    CloudFormation("", changes=[change(f"Alarm{n}", "Add") for n in range(40)]).deploy(say)
    assert say.last == "40 resources made"


@pytest.mark.parametrize(
    "refusal",
    [
        "The submitted information didn't contain changes. Submit different information.",
        "No updates are to be performed.",
    ],
)
def test_where_nothing_changes_nothing_is_done(say: Ear, refusal: str) -> None:
    cloud = CloudFormation("CREATE_COMPLETE")
    cloud.refusal = refusal
    assert cloud.deploy(say) == {"UsersTable": USERS}
    assert cloud.called == ["create_change_set", "delete_change_set"]
    assert say.last == "nothing to change"


@pytest.mark.parametrize(
    ("lost", "what"),
    [
        (change("Users", "Remove"), "removed"),
        (change("Users", "Modify", "True"), "replaced"),
        (change("Users", "Modify", "Conditional"), "replaced"),
    ],
)
def test_a_change_that_would_lose_the_users_is_never_made(
    say: Ear, lost: dict[str, Any], what: str
) -> None:
    cloud = CloudFormation("CREATE_COMPLETE", changes=[change("DeadLetters", "Modify"), lost])
    with pytest.raises(DeployError, match=f"users' table would be {what}, so nothing was changed"):
        cloud.deploy(say)
    assert cloud.called == ["create_change_set", "delete_change_set"]


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
def test_what_a_failed_first_try_left_is_removed(say: Ear, status: str) -> None:
    cloud = CloudFormation(status, changes=[change("Users", "Add")])
    cloud.deploy(say)
    assert cloud.called == ["delete_stack", "create_change_set", "execute_change_set"]
    assert cloud.proposed["ChangeSetType"] == "CREATE"
    assert "removing the rest of a failed first try" in say.heard


def test_a_stack_that_only_has_a_change_set_is_yet_to_be_made(say: Ear) -> None:
    """A deploy was killed before it could execute the change set that it had made."""
    cloud = CloudFormation("REVIEW_IN_PROGRESS", changes=[change("Users", "Add")])
    cloud.deploy(say)
    assert cloud.proposed["ChangeSetType"] == "CREATE"


def test_what_an_interrupted_deploy_has_begun_is_waited_for(say: Ear) -> None:
    cloud = CloudFormation("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    cloud.refusal = "No updates are to be performed."
    cloud.deploy(say)
    assert say.heard[0] == "waiting for CloudFormation (update in progress)"


def test_a_stack_that_is_stuck_is_left_to_a_person(say: Ear) -> None:
    cloud = CloudFormation("UPDATE_ROLLBACK_FAILED")
    cloud.events = [
        event(NAME, "UPDATE_ROLLBACK_FAILED"),
        event("DeadLetters", "UPDATE_FAILED", "the queue is gone."),
        event(NAME, "UPDATE_IN_PROGRESS"),
    ]
    with pytest.raises(
        DeployError, match=r"stuck in UPDATE_ROLLBACK_FAILED \(DeadLetters: the queue is gone\)"
    ):
        cloud.deploy(say)
    assert cloud.called == []


def test_a_refused_template_shows_cloudformations_reason(say: Ear) -> None:
    cloud = CloudFormation("CREATE_COMPLETE")
    cloud.refusal = "Unresolved resource dependencies [Nobody]"
    with pytest.raises(DeployError, match=r"Unresolved resource dependencies \[Nobody\]"):
        cloud.deploy(say)
    assert cloud.called == ["create_change_set", "delete_change_set"]


def test_a_rollback_shows_this_updates_first_failure(say: Ear) -> None:
    cloud = CloudFormation("CREATE_COMPLETE", changes=[change("MailEvents", "Add")])
    cloud.then = ["UPDATE_ROLLBACK_COMPLETE"]
    cloud.events = [  # the latest first, as CloudFormation lists them
        event(NAME, "UPDATE_ROLLBACK_COMPLETE"),
        event("DeadLetters", "CREATE_FAILED", "Resource creation cancelled"),
        event("MailEvents", "CREATE_FAILED", "bienvenue-prod already exists"),
        event(NAME, "UPDATE_IN_PROGRESS", "User Initiated"),
        event("Users", "CREATE_FAILED", "of another day"),
        event(NAME, "CREATE_IN_PROGRESS", "User Initiated"),
    ]
    with pytest.raises(
        DeployError, match=r"bienvenue-prod: MailEvents: bienvenue-prod already exists\. Fix"
    ):
        cloud.deploy(say)


def test_cloudformation_is_not_waited_for_for_ever(
    say: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "PATIENCE", 0.0)
    with pytest.raises(DeployError, match=f"still busy with {NAME}"):
        CloudFormation("UPDATE_IN_PROGRESS").deploy(say)


def test_what_a_stack_was_deployed_with_is_known_afterwards() -> None:
    client: Any = CloudFormation("CREATE_COMPLETE")
    assert Stack(client, NAME).parameters() == PARAMETERS
    nothing: Any = CloudFormation("")
    assert Stack(nothing, NAME).parameters() == {}


def delete(cloud: CloudFormation, say: Ear) -> None:
    client: Any = cloud
    Stack(client, NAME).remove(say)


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_a_stack_is_deleted_in_whatever_state_it_was_left(say: Ear, status: str) -> None:
    cloud = CloudFormation(status)
    delete(cloud, say)
    assert cloud.called == ["delete_stack"]
    assert say.last == f"{NAME} removed"


def test_a_deletion_that_was_interrupted_is_waited_for(say: Ear) -> None:
    cloud = CloudFormation("DELETE_IN_PROGRESS", "")
    delete(cloud, say)
    assert cloud.called == []
    assert say.heard == ["waiting for CloudFormation (delete in progress)", "nothing to remove"]


def test_a_failed_stack_deletion_shows_the_reason(
    say: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = CloudFormation("CREATE_COMPLETE")
    cloud.events = [
        event(NAME, "DELETE_FAILED"),
        event("Alarms", "DELETE_FAILED", "no permission to delete it."),
        event(NAME, "DELETE_IN_PROGRESS", "User Initiated"),
        event("Users", "CREATE_FAILED", "of another day"),
    ]
    monkeypatch.setattr(
        cloud, "delete_stack", lambda **_: setattr(cloud, "statuses", ["DELETE_FAILED"])
    )
    with pytest.raises(DeployError, match=r"\(Alarms: no permission to delete it\)"):
        delete(cloud, say)


@pytest.mark.parametrize(
    ("status", "made"),
    [
        *[
            (status, "")
            for status in ("", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS")
        ],
        *[
            (status, PARAMETERS["Stage"])
            for status in ("CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
        ],
    ],
)
def test_a_stack_that_never_was_complete_has_made_nothing(status: str, made: str) -> None:
    """Else the identity that it left would be made again, and fail, at each deploy."""
    cloud = CloudFormation(status)
    client: Any = cloud
    assert Stack(client, NAME).made("Stage") == made
