"""The template's promises: roles by the least, and users that outlive their stack."""

from __future__ import annotations

import json
from typing import Any

from ops.stack import TEMPLATE
from tests.e2e.stack import ROOT

RESOURCES: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
FUNCTIONS = json.loads((ROOT / ".chalice" / "config.json").read_text())["lambda_functions"]

# The statements, by their Sid, whose resources hold an asterisk, and why they must.
WILDCARDS = {
    "Stream": "a table that is made anew has a stream of another name",
    "Streams": "ListStreams knows no resources",
    "Mail": "SES asks about sender, recipient and more; the condition pins the sender",
    "Logs": "Lambda chooses the names of a group's streams",
}
ANYTHING = {"Streams", "Mail"}


def roles() -> dict[str, Any]:
    return {
        name: one["Properties"]
        for name, one in RESOURCES.items()
        if one["Type"] == "AWS::IAM::Role"
    }


def statements() -> list[dict[str, Any]]:
    return [
        statement
        for role in roles().values()
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def listed(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def test_each_function_has_a_role_of_its_own_and_only_lambda_may_take_it() -> None:
    assert set(roles()) == {f"{name.title().replace('_', '')}Role" for name in FUNCTIONS}
    for role in roles().values():
        assert set(role) == {"AssumeRolePolicyDocument", "Policies"}  # nothing managed by others
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_no_role_allows_an_action_by_a_wildcard() -> None:
    for statement in statements():
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement
        for action in listed(statement["Action"]):
            assert "*" not in action


def test_no_role_allows_more_resources_than_there_is_a_reason_for() -> None:
    wild = {
        statement["Sid"]
        for statement in statements()
        if "NotResource" in statement or "*" in json.dumps(statement["Resource"])
    }
    assert wild == set(WILDCARDS)
    anything = {one["Sid"] for one in statements() if "*" in listed(one["Resource"])}
    assert anything == ANYTHING


def test_mail_may_be_sent_from_the_one_sender_only() -> None:
    (mail,) = [one for one in statements() if "ses:SendEmail" in listed(one["Action"])]
    assert mail["Condition"] == {"StringEqualsIfExists": {"ses:FromAddress": {"Ref": "MailFrom"}}}


def test_a_role_reaches_the_logs_of_its_own_function_only() -> None:
    for name, role in roles().items():
        (logs,) = [
            one
            for one in role["Policies"][0]["PolicyDocument"]["Statement"]
            if one["Sid"] == "Logs"
        ]
        (function,) = [one for one in FUNCTIONS if one.title().replace("_", "") + "Role" == name]
        suffix = "" if function == "api_handler" else f"-{function}"
        group = f"log-group:/aws/lambda/${{AppName}}-${{Stage}}{suffix}"
        named = [resource["Fn::Sub"] for resource in listed(logs["Resource"])]
        assert [arn.partition("${AWS::AccountId}:")[2] for arn in named] == [group, f"{group}:*"]


def test_the_users_outlive_their_stack_and_can_be_brought_back() -> None:
    users = RESOURCES["Users"]
    assert users["DeletionPolicy"] == "RetainExceptOnCreate"
    assert users["UpdateReplacePolicy"] == "Retain"
    properties = users["Properties"]
    assert properties["DeletionProtectionEnabled"] is True
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
