"""The operators' policies: enough for each command, and nothing of other apps.

They are evaluated by the local cloud's own evaluator of IAM's language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from ops.resources.stack.stack import TEMPLATE
from tests.e2e.stack import ROOT

POLICIES = ROOT / "docs" / "policies"
NAMES = (
    "deploy",
    "deploy-events",
    "ship-code",
    "destroy",
    "boundary",
    "client-limit",
    "domain",
)
ACCOUNT, REGION = "123456789012", "eu-west-3"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/bienvenue-boundary"


def read(name: str) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads((POLICIES / f"{name}.json").read_text(encoding="utf-8"))
    return policy


def allows(policy: str, action: str, resource: str, **context: Any) -> bool:
    """Return True if the policy of that name allows ``action`` on a resource's ARN."""
    asked = EvalContext(
        principal_arn=f"arn:aws:iam::{ACCOUNT}:user/deployer",
        principal_type="User",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resource,
        region=REGION,
        service_context={key.lower(): value for key, value in context.items()},
    )
    return bool(evaluate(asked, [parse_policy_document(read(policy))]).decision == "Allow")


def arn(service: str, resource: str, *, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:{service}:{region}:{account}:{resource}"


ROLE = "arn:aws:iam::123456789012:role/{}-prod-ApiHandlerRole-1"
# An action on a resource of an app, whose name is to be put in; and the keys that AWS asks with.
MAILER = arn("lambda", "function:{}-prod-send_validation_mail")
OF_AN_APP: list[tuple[str, str, dict[str, str]]] = [
    ("cloudformation:DeleteStack", arn("cloudformation", "stack/{}-prod/1"), {}),
    ("iam:DeleteRole", ROLE, {}),
    ("dynamodb:UpdateTable", arn("dynamodb", "table/{}-prod-users"), {}),
    ("lambda:DeleteFunction", arn("lambda", "function:{}-prod"), {}),
    (
        "lambda:DeleteEventSourceMapping",
        arn("lambda", "event-source-mapping:1"),
        {"lambda:FunctionArn": MAILER},
    ),
    ("events:DeleteRule", arn("events", "rule/{}-prod-resend_owed_mail-event"), {}),
    ("sns:DeleteTopic", arn("sns", "{}-prod-alarms"), {}),
    ("sqs:DeleteQueue", arn("sqs", "{}-prod-DeadLetters-1"), {}),
    ("logs:DeleteLogGroup", arn("logs", "log-group:/aws/lambda/{}-prod:*"), {}),
    ("cloudwatch:DeleteAlarms", arn("cloudwatch", "alarm:{}-prod-dead-letters"), {}),
    (
        "cloudwatch:DeleteDashboards",
        arn("cloudwatch", "dashboard/{}-prod", region=""),
        {},
    ),
    ("ses:DeleteConfigurationSet", arn("ses", "configuration-set/{}-prod"), {}),
    ("ssm:PutParameter", arn("ssm", "parameter/{}/prod/settings"), {}),
    ("ssm:GetParameters", arn("ssm", "parameter/{}/prod/SECRET_KEY"), {}),
    (
        "apigateway:GET",
        arn("apigateway", "/restapis/1/resources", account=""),
        {"aws:ResourceTag/bienvenue-stage": "{}-prod"},
    ),
]


def of(app: str, resource: str, context: dict[str, str]) -> tuple[str, dict[str, str]]:
    return resource.format(app), {key: value.format(app) for key, value in context.items()}


@pytest.mark.parametrize(("action", "resource", "context"), OF_AN_APP)
def test_deploy_and_destroy_reach_this_app_alone(
    action: str, resource: str, context: dict[str, str]
) -> None:
    own, own_context = of("bienvenue", resource, context)
    other, other_context = of("other-app", resource, context)
    for policy in ("deploy", "destroy"):
        assert allows(policy, action, own, **own_context), policy
        assert not allows(policy, action, other, **other_context), policy


def test_no_role_is_made_without_the_boundary() -> None:
    role = ROLE.format("bienvenue")
    wide = "arn:aws:iam::aws:policy/AdministratorAccess"
    for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"):
        assert allows("deploy", action, role, **{"iam:PermissionsBoundary": BOUNDARY})
        assert not allows("deploy", action, role, **{"iam:PermissionsBoundary": wide})
        assert not allows("deploy", action, role)
        assert not allows("ship-code", action, role, **{"iam:PermissionsBoundary": BOUNDARY})
        assert not allows("destroy", action, role, **{"iam:PermissionsBoundary": BOUNDARY})


@pytest.mark.parametrize(
    "action",
    [
        *("iam:DeleteRolePermissionsBoundary", "iam:AttachRolePolicy", "iam:CreatePolicyVersion"),
        *("iam:UpdateAssumeRolePolicy", "iam:CreateUser", "iam:CreateAccessKey", "sts:AssumeRole"),
        *("dynamodb:Scan", "dynamodb:GetItem", "dynamodb:PutItem", "lambda:InvokeFunction"),
    ],
)
def test_no_policy_leads_around_the_boundary_or_to_the_users(action: str) -> None:
    for resource in (ROLE.format("bienvenue"), BOUNDARY, "*", arn("dynamodb", "table/bienvenue-x")):
        for policy in ("deploy", "ship-code", "destroy"):
            assert not allows(policy, action, resource)


def test_a_role_is_passed_to_lambda_alone() -> None:
    role = ROLE.format("bienvenue")
    for policy in ("deploy", "ship-code"):
        assert allows(
            policy, "iam:PassRole", role, **{"iam:PassedToService": "lambda.amazonaws.com"}
        )
        assert not allows(
            policy, "iam:PassRole", role, **{"iam:PassedToService": "ec2.amazonaws.com"}
        )
        assert not allows(
            policy,
            "iam:PassRole",
            ROLE.format("other-app"),
            **{"iam:PassedToService": "lambda.amazonaws.com"},
        )


def test_a_domain_and_a_certificate_of_others_stay() -> None:
    certificate = arn("acm", "certificate/1")
    domain = arn("apigateway", "/domainnames/hello.example.org", account="")
    for app, is_allowed in (("bienvenue", True), ("other-app", False)):
        tag = {"aws:ResourceTag/bienvenue-stage": f"{app}-prod"}
        assert allows("domain", "acm:DeleteCertificate", certificate, **tag) is is_allowed
        for verb in ("DELETE", "PATCH"):
            assert allows("domain", f"apigateway:{verb}", domain, **tag) is is_allowed
        new = {"aws:RequestTag/bienvenue-stage": f"{app}-prod"}
        assert allows("domain", "acm:RequestCertificate", "*", **new) is is_allowed


def test_github_is_trusted_for_one_environment_alone() -> None:
    (statement,) = read("github")["Statement"]
    assert statement["Action"] == ["sts:AssumeRoleWithWebIdentity"]
    (conditions,) = statement["Condition"].values()
    assert conditions["token.actions.githubusercontent.com:sub"].startswith("repo:")
    assert conditions["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"


def test_users_are_deleted_by_the_policy_for_it_alone() -> None:
    users, limits = arn("dynamodb", "table/bienvenue-prod-users"), "table/bienvenue-prod-limits"
    assert not allows("deploy", "dynamodb:DeleteTable", users)
    assert allows("deploy", "dynamodb:DeleteTable", arn("dynamodb", limits))
    assert allows("destroy", "dynamodb:DeleteTable", users)


def test_a_web_acl_of_others_is_neither_changed_nor_deleted() -> None:
    for action in ("wafv2:DeleteWebACL", "wafv2:UpdateWebACL", "wafv2:AssociateWebACL"):
        assert allows("client-limit", action, arn("wafv2", "regional/webacl/bienvenue-prod/1"))
        assert not allows("client-limit", action, arn("wafv2", "regional/webacl/theirs/1"))
        assert not allows("deploy", action, arn("wafv2", "regional/webacl/bienvenue-prod/1"))
    stage = arn("apigateway", "/restapis/1/stages/api", account="")
    for action in ("wafv2:DisassociateWebACL", "apigateway:SetWebACL"):
        assert allows("client-limit", action, stage)


def test_an_identity_of_others_is_never_deleted() -> None:
    identity = arn("ses", "identity/example.org")
    own = {"aws:ResourceTag/bienvenue-stage": "bienvenue-prod"}
    assert allows("deploy", "ses:DeleteEmailIdentity", identity, **own)
    for policy in ("deploy", "ship-code", "destroy"):
        assert not allows(policy, "ses:DeleteEmailIdentity", identity)


def test_whoever_ships_code_changes_nothing_else() -> None:
    for action, resource, context in OF_AN_APP:
        if action.startswith(("lambda:", "events:", "apigateway:", "ssm:Get")):
            continue
        own, own_context = of("bienvenue", resource, context)
        assert not allows("ship-code", action, own, **own_context)


def test_the_boundary_allows_what_the_functions_roles_do() -> None:
    """Else a function would be refused what its role allows."""
    resources = json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
    allowed = {action for one in read("boundary")["Statement"] for action in one["Action"]}
    for resource in resources.values():
        if resource["Type"] == "AWS::IAM::Role":
            assert "HasBoundary" in json.dumps(resource["Properties"]["PermissionsBoundary"])
            for one in resource["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]:
                statement = one["Fn::If"][1] if "Fn::If" in one else one
                actions = statement["Action"]
                assert {actions} <= allowed if isinstance(actions, str) else set(actions) <= allowed


@pytest.mark.parametrize("resource", ["table/other-app-prod-users", "table/payroll"])
def test_the_boundary_ends_at_the_app(resource: str) -> None:
    assert allows("boundary", "dynamodb:UpdateItem", arn("dynamodb", "table/bienvenue-prod-users"))
    assert not allows("boundary", "dynamodb:UpdateItem", arn("dynamodb", resource))
    assert not allows("boundary", "iam:CreateUser", "*")


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_fits_into_iams_limits_and_names_its_actions(name: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    policy = read(name)
    assert len(json.dumps(policy, separators=(",", ":"))) <= 6_144
    for statement in policy["Statement"]:
        assert not any("*" in action for action in statement["Action"])


HANDLED = {
    "deploy": ("create", "read", "update", "delete"),
    "destroy": ("delete",),
}
"""The handlers of CloudFormation that a command has called."""
WITH = {"deploy": ("deploy", "deploy-events", "client-limit"), "destroy": ("destroy",)}
"""The policies of a command, whatever a stage has."""
NOT_ASKED = {
    r"kms:|logs:(Dis)?[Aa]ssociateKmsKey": "no resource has a key of the operator's own",
    r"\w+:(Tag|Untag)": "the stack has no tags but those of the identity",
    r"dynamodb:((BatchWrite|Delete|Get|Put|Update)Item|Query|Scan)": "no table is imported",
    r"dynamodb:(DescribeImport|ImportTable)|s3:|logs:(CreateLogStream|PutLogEvents)": "the same",
    r"logs:DescribeLogStreams": "the same",
    r"dynamodb:(AssociateTableReplica|CreateTableReplica)": "no table has a replica",
    r"dynamodb:\w+KinesisStreaming\w+|kinesis:": "no table has a Kinesis stream",
    r"dynamodb:(Put|Delete)ResourcePolicy|events:(Put|Remove)Permission": "none has a policy",
    r"dynamodb:UpdateContributorInsights": "it is off",
    r"iam:(Attach|Detach)RolePolicy": "roles have inline policies alone",
    r"iam:(UpdateAssumeRolePolicy|DeleteRolePermissionsBoundary)": "it leads around the boundary",
    r"iam:UpdateRole(Description)?": "roles have no description and no time of their own",
    r"logs:(Put|Delete)(IndexPolicy|ResourcePolicy)|logs:PutLogGroupDeletion": "none has one",
    r"logs:(CreateLogDelivery|PutBearerToken\w+|PutDataProtectionPolicy)|firehose:": "the same",
    r"logs:DeleteRetentionPolicy": "logs always have an end",
    r"ses:PutConfigurationSet(?!Suppression)": "the set has suppression options alone",
    r"ses:PutEmailIdentity(Configuration|DkimSigning)": "the identity has neither",
    r"sns:(PutDataProtectionPolicy|SetSubscriptionAttributes)": "there are none",
}
"""Permissions that handlers list for properties that the template does not have, with why not."""
NOT_REMOVED = {
    r"iam:PassRole": "removing a rule passes no role",
    r"logs:DeleteDataProtectionPolicy": "the stack retains logs: ops deletes them",
    r"ses:DeleteEmailIdentity": "the stack retains the identity: other programs may use it",
}


def handlers() -> Iterator[tuple[str, str, str]]:
    """Return each command, with each permission of each resource type that it has handled."""
    resources = json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
    for kind in sorted({resource["Type"] for resource in resources.values()}):
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        own = schema["handlers"]
        for command, names in HANDLED.items():
            asked = {one for name in names if name in own for one in own[name]["permissions"]}
            yield from ((command, kind, permission) for permission in sorted(asked))


def is_among(permission: str, patterns: Iterable[str]) -> bool:
    return any(re.match(pattern, permission) for pattern in patterns)


def test_what_cloudformations_handlers_ask_for_is_allowed() -> None:
    """As the schemas of their resource types list it; cfn-lint brings them."""
    lacking = []
    for command, kind, permission in handlers():
        given = {
            action
            for policy in WITH[command]
            for statement in read(policy)["Statement"]
            for action in statement["Action"]
        }
        excused = {**NOT_ASKED, **(NOT_REMOVED if command == "destroy" else {})}
        if permission not in given and not is_among(permission, excused):
            lacking.append(f"{command} lacks {permission} for {kind}")
    assert lacking == []


def test_no_permission_is_excused_that_no_handler_asks_for() -> None:
    listed = {permission for _, _, permission in handlers()}
    for pattern in (*NOT_ASKED, *NOT_REMOVED):
        assert any(re.match(pattern, permission) for permission in listed), pattern


# What a stage may have since later versions: the policies that it needs, an action, its resource.
LATER: list[tuple[tuple[str, ...], str, str, dict[str, str]]] = [
    *(
        (
            ("client-limit", "destroy"),
            f"wafv2:{action}",
            arn("wafv2", "regional/webacl/{}-prod/1"),
            {},
        )
        for action in ("DeleteWebACL", "GetWebACL")
    ),
    *(
        (("client-limit",), f"wafv2:{action}", arn("wafv2", "regional/webacl/{}-prod/1"), {})
        for action in ("AssociateWebACL", "CreateWebACL", "UpdateWebACL")
    ),
    *(
        (
            ("deploy-events", "destroy"),
            f"events:Delete{kind}",
            arn("events", f"{path}/{{}}-prod"),
            {},
        )
        for kind, path in (
            ("EventBus", "event-bus"),
            ("Connection", "connection"),
            ("ApiDestination", "api-destination"),
        )
    ),
    (("deploy-events", "destroy"), "events:UpdateEventBus", arn("events", "event-bus/{}-prod"), {}),
    *(
        (
            ("deploy-events", "destroy"),
            f"events:{action}",
            arn("events", "rule/a-bus/{}-prod-webhook"),
            {},
        )
        for action in ("DeleteRule", "RemoveTargets")
    ),
    *(
        (("deploy", "destroy"), f"sqs:{action}", arn("sqs", "{}-prod-UndeliveredEvents-1"), {})
        for action in ("DeleteQueue", "SetQueueAttributes")
    ),
    (("deploy", "destroy"), "sns:SetTopicAttributes", arn("sns", "{}-prod-alarms"), {}),
    (
        ("deploy-events", "destroy"),
        "secretsmanager:DeleteSecret",
        arn("secretsmanager", "secret:events!connection/{}-prod-webhook/1"),
        {},
    ),
    (
        ("domain", "destroy"),
        "acm:DeleteCertificate",
        arn("acm", "certificate/1"),
        {"aws:ResourceTag/bienvenue-stage": "{}-prod"},
    ),
    (
        ("domain", "destroy"),
        "apigateway:DELETE",
        arn("apigateway", "/domainnames/hello.example.org", account=""),
        {"aws:ResourceTag/bienvenue-stage": "{}-prod"},
    ),
    *(
        (("deploy", "ship-code"), f"lambda:{action}FunctionConcurrency", MAILER, {})
        for action in ("Put", "Delete")
    ),
    (("deploy",), "lambda:GetFunctionConcurrency", MAILER, {}),
    *(
        (("deploy", "destroy"), f"ssm:{action}", arn("ssm", "parameter/{}/prod/settings"), {})
        for action in ("PutParameter", "DeleteParameters")
    ),
]


@pytest.mark.parametrize(("policies", "action", "resource", "context"), LATER)
def test_what_came_later_is_reached_in_this_app_alone(
    policies: tuple[str, ...], action: str, resource: str, context: dict[str, str]
) -> None:
    own, own_context = of("bienvenue", resource, context)
    other, other_context = of("other-app", resource, context)
    for policy in policies:
        assert allows(policy, action, own, **own_context), policy
        assert not allows(policy, action, other, **other_context), policy
    for policy in {*NAMES} - {*policies}:
        assert not allows(policy, action, own, **own_context), policy


OF_EVENTS = [
    ("events:CreateEventBus", arn("events", "event-bus/{}-prod")),
    ("events:CreateConnection", arn("events", "connection/{}-prod-webhook")),
    ("events:UpdateApiDestination", arn("events", "api-destination/{}-prod-webhook/1")),
    ("events:PutTargets", arn("events", "rule/{}-prod/{}-prod-webhook")),
    ("events:PutRule", arn("events", "rule/shared-bus/{}-prod-webhook")),
    (
        "secretsmanager:CreateSecret",
        arn("secretsmanager", "secret:events!connection/{}-prod-webhook/1"),
    ),
]


@pytest.mark.parametrize(("action", "resource"), OF_EVENTS)
def test_events_need_a_policy_that_reaches_this_app_alone(action: str, resource: str) -> None:
    own = resource.replace("{}", "bienvenue")
    assert allows("deploy-events", action, own)
    assert not allows("deploy-events", action, resource.replace("{}", "other-app"))


def test_the_webhooks_role_is_passed_to_eventbridge_alone() -> None:
    role = "arn:aws:iam::123456789012:role/bienvenue-prod-WebhookRole-1"
    for service, is_allowed in (("events", True), ("ec2", False)):
        passed = {"iam:PassedToService": f"{service}.amazonaws.com"}
        assert allows("deploy-events", "iam:PassRole", role, **passed) is is_allowed
