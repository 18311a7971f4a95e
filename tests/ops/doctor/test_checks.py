"""Each check, green, amber and red, with its fix; no check ends another."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.logs import hashed
from ops.doctor import check, facts, http
from ops.doctor.check import Check, Finding, Light
from ops.doctor.checks import mail, stack
from ops.doctor.checks.mail import EVENTS
from ops.doctor.checks.registry import CHECKS, PERMISSIONS
from ops.doctor.http import Answer, NoAnswer
from ops.resources.stack import stack as stacks
from ops.stage import commit
from ops.stage.cloud import Cloud
from ops.stage.lookup import Stage
from ops.stage.project import Project
from tests.ops.doctor.world import (
    ENVIRONMENT,
    FORBIDDEN,
    FORMER_STREAM,
    FUNCTIONS,
    NOW,
    ROLES,
    TABLE,
    TOPIC,
    Refusal,
    World,
    account_limit,
    backups,
    described_stack,
    function,
    iso,
    limits,
    mapping,
    metric_filters,
    owed,
    package,
    person,
    rung,
    set_up_dns,
    shards,
)

DEPLOY = "make deploy STAGE=prod"
QUOTA = "aws service-quotas request-service-quota-increase --service-code lambda"
BY_NAME = {f"{one.group}/{one.name}": one for one in CHECKS}
GREEN, AMBER, RED, GREY = Light.GREEN, Light.AMBER, Light.RED, Light.GREY

MakeWorld = Callable[..., World]

WEB_ACL = "arn:aws:wafv2:eu-west-3:123456789012:regional/webacl/bienvenue-prod/1"
LIMITED = {
    "cloudformation__DescribeStacks": described_stack(
        Parameters=[{"ParameterKey": "PerIpRate", "ParameterValue": "30"}],
        Outputs=[{"OutputKey": "ClientLimitArn", "OutputValue": WEB_ACL}],
    )
}
"""A stack with a limit by client."""


def on_the_api(arn: str) -> dict[str, Any]:
    """Return what WAF says of an API with that web ACL."""
    return {"wafv2.GetWebACLForResource": {"WebACL": {"Name": "bienvenue-prod", "ARN": arn}}}


@pytest.fixture
def world(project: Project, monkeypatch: pytest.MonkeyPatch) -> MakeWorld:
    """Makes a world that is well but for the changes given."""

    def make(**changes: Any) -> World:
        made = World(
            project.folder, {name.replace("__", "."): one for name, one in changes.items()}
        )
        monkeypatch.setattr(http, "get", made.get)
        set_up_dns(monkeypatch)
        return made

    return make


def look(world: World, name: str) -> Finding:
    ((_, finding),) = check.run([BY_NAME[name]], world.facts)
    return finding


def test_a_good_stage_is_green_in_every_check(world: MakeWorld) -> None:
    made = dict(check.run(CHECKS, world().facts))
    assert {one.name: finding for one, finding in made.items() if finding.light is not GREEN} == {}
    assert not any(finding.fix or finding.command for finding in made.values())
    assert len(made) == len(CHECKS)


def test_checks_share_facts_that_are_asked_once(world: MakeWorld) -> None:
    one = world()
    list(check.run(CHECKS, one.facts))
    for operation in (
        "sesv2.GetAccount",
        "dynamodb.DescribeTable",
        "cloudformation.DescribeStacks",
    ):
        assert one.asked.count(operation) == 1
    assert one.asked.count("lambda.GetFunction") == len(FUNCTIONS)


def as_permission(operation: str) -> str:
    """Return the permission that an operation needs."""
    if operation.startswith("api-gateway.Get"):
        return "apigateway:GET"
    return operation.replace("sesv2.", "ses:").replace(".", ":")


@pytest.mark.parametrize("one", CHECKS, ids=BY_NAME)
def test_a_check_names_each_permission_that_it_needs(world: MakeWorld, one: Check) -> None:
    well = world()
    list(check.run([one], well.facts))
    spoken = {
        as_permission(operation) for operation in well.asked if not operation.startswith("http.")
    }
    assert spoken <= set(one.permissions)
    for operation in set(well.asked):
        ((_, finding),) = check.run([one], world(**{operation: FORBIDDEN}).facts)
        permission = as_permission(operation)
        assert finding.light is AMBER
        assert finding.text == f"not seen: {permission} is missing"
        assert permission in finding.fix


def test_the_permission_that_aws_names_is_shown(world: MakeWorld) -> None:
    message = "User: me is not authorized to perform: kms:Decrypt on resource: x"
    found = look(world(sesv2__GetAccount=Refusal("AccessDenied", message)), "Mail/Quota today")
    assert found.text == "not seen: kms:Decrypt is missing"


def test_all_permissions_are_named_once() -> None:
    assert list(PERMISSIONS) == sorted({one for each in CHECKS for one in each.permissions})


def test_a_check_that_fails_ends_no_other(world: MakeWorld) -> None:
    def fail(_: object) -> Finding:
        raise ZeroDivisionError("oops")

    broken = Check("Broken", "Check", (), fail)
    made = dict(check.run([broken, *CHECKS], world().facts))
    assert made[broken].light is AMBER
    assert made[broken].text == "not seen: ZeroDivisionError (oops)"
    assert len(made) == len(CHECKS) + 1


def test_checks_run_at_the_same_time(world: MakeWorld) -> None:
    together = threading.Barrier(4, timeout=10)

    def wait(_: object) -> Finding:
        together.wait()
        return check.green("together")

    checks = [Check("x", str(number), (), wait) for number in range(4)]
    assert {finding.text for _, finding in check.run(checks, world().facts)} == {"together"}


@pytest.mark.parametrize(
    ("changes", "name", "light", "words"),
    [
        (
            {"sesv2__GetAccount": EndpointConnectionError(endpoint_url="https://email.x.org")},
            "Mail/Standing",
            RED,
            "AWS did not answer",
        ),
        (
            {"sesv2__GetAccount": Refusal("ExpiredTokenException", "expired")},
            "Mail/Standing",
            RED,
            "AWS does not accept these credentials (expired)",
        ),
        (
            {"sesv2__GetAccount": Refusal("TooManyRequestsException", "slow down")},
            "Mail/Standing",
            AMBER,
            "AWS refused GetAccount: slow down",
        ),
        (
            {"http__Package": NoAnswer("https://code.example.org does not answer.")},
            "Functions/Code",
            AMBER,
            "https://code.example.org does not answer",
        ),
    ],
)
def test_only_aws_that_does_not_answer_at_all_is_red(
    world: MakeWorld, changes: dict[str, Any], name: str, light: Light, words: str
) -> None:
    found = look(world(**changes), name)
    assert (found.light, found.fix) == (light, "Fix that, then run doctor again.")
    assert words in found.text


def dkim(**attributes: Any) -> dict[str, Any]:
    return {"VerifiedForSendingStatus": True, "DkimAttributes": attributes}


def account(*, left: float = 49_900, most: float = 50_000, **more: Any) -> dict[str, Any]:
    return {
        "ProductionAccessEnabled": True,
        "EnforcementStatus": "HEALTHY",
        "SendingEnabled": True,
        "SendQuota": {"Max24HourSend": most, "SentLast24Hours": most - left, "MaxSendRate": 1.0},
        **more,
    }


def points(milliseconds: float) -> dict[str, Any]:
    return {"Datapoints": [{"Timestamp": NOW, "Maximum": milliseconds}]}


def waiting(*counts: int) -> dict[str, Any]:
    return {"Attributes": {f"ApproximateNumberOfMessages{n}": str(c) for n, c in enumerate(counts)}}


def template(**changes: Any) -> dict[str, Any]:
    body = json.loads(TEMPLATE)
    body["Resources"].update(changes)
    return {"TemplateBody": body}


def functions(**changes: Any) -> dict[str, Any]:
    return {name: changes.get(name, function(name)) for name in FUNCTIONS}


def drift(status: str, detection: str = "DETECTION_COMPLETE", **more: str) -> dict[str, str]:
    return {"DetectionStatus": detection, "StackDriftStatus": status, **more}


def drifted(name: str, kind: str, status: str) -> dict[str, str]:
    return {
        "LogicalResourceId": name,
        "ResourceType": f"AWS::{kind}",
        "StackResourceDriftStatus": status,
    }


def destinations(**changes: Any) -> dict[str, Any]:
    one = {
        "Enabled": True,
        "MatchingEventTypes": sorted(EVENTS),
        "SnsDestination": {"TopicArn": TOPIC},
        **changes,
    }
    return {"EventDestinations": [one]}


def people(*some: Mapping[str, Any]) -> dict[str, Any]:
    return {"Items": [*some]}


def endless(*some: Mapping[str, Any]) -> Callable[[], dict[str, Any]]:
    """Pages of the same people, each with another page behind it."""
    numbers = itertools.count()
    return lambda: {**people(*some), "LastEvaluatedKey": {"email": {"S": str(next(numbers))}}}


TEMPLATE = stacks.template({"AppName": "bienvenue", "Stage": "prod"})
GONE = Refusal("ResourceNotFoundException", "gone")
NO_STACK = Refusal("ValidationError", "Stack with id bienvenue-prod does not exist")
CALM = [person("sent")] * 95

# A check, what is changed, and then its light, what it says, and what mends it.
CASES: list[tuple[str, dict[str, Any], Light, str, str]] = [
    (
        "Stack/State",
        {"cloudformation__DescribeStacks": NO_STACK},
        RED,
        "no stack bienvenue",
        DEPLOY,
    ),
    *(
        (
            "Stack/State",
            {"cloudformation__DescribeStacks": described_stack(StackStatus=status)},
            light,
            status.lower().replace("_", " "),
            mend,
        )
        for status, light, mend in (
            ("UPDATE_IN_PROGRESS", AMBER, "run doctor again after it"),
            ("UPDATE_ROLLBACK_FAILED", RED, "aws cloudformation describe-stack-events"),
            ("UPDATE_ROLLBACK_COMPLETE", AMBER, DEPLOY),
            ("IMPORT_COMPLETE", GREEN, ""),
        )
    ),
    ("Stack/Template", {"cloudformation__DescribeStacks": NO_STACK}, GREY, "there is no stack", ""),
    (
        "Stack/Template",
        {
            "cloudformation__GetTemplate": template(
                Old={}, DeadLetters={}, Users={}, MailFeedback={}
            )
        },
        AMBER,
        "these differ from this checkout: DeadLetters, MailFeedback, Old and 1 more",
        DEPLOY,
    ),
    (
        "Stack/Template",
        {"cloudformation__GetTemplate": {"TemplateBody": TEMPLATE}},
        GREEN,
        "as in this checkout",
        "",
    ),
    ("Stack/Drift", {"cloudformation__DescribeStacks": NO_STACK}, GREY, "there is no stack", ""),
    (
        "Stack/Drift",
        {
            "cloudformation__DescribeStackDriftDetectionStatus": drift("DRIFTED"),
            "cloudformation__DescribeStackResourceDrifts": {
                "StackResourceDrifts": [drifted("Users", "DynamoDB::Table", "MODIFIED")]
            },
        },
        AMBER,
        "by hand: Users modified",
        "aws cloudformation describe-stack-resource-drifts --stack-name bienvenue-prod",
    ),
    (
        "Stack/Drift",
        {
            "cloudformation__DescribeStackDriftDetectionStatus": drift("DRIFTED"),
            "cloudformation__DescribeStackResourceDrifts": {
                "StackResourceDrifts": [
                    drifted("DeadLetters", "SQS::Queue", "DELETED"),
                    drifted("ApiErrors", "CloudWatch::Alarm", "DELETED"),
                ]
            },
        },
        RED,
        "DeadLetters deleted",
        "change it back",
    ),
    (
        "Stack/Drift",
        {
            "cloudformation__DescribeStackDriftDetectionStatus": drift("DRIFTED"),
            "cloudformation__DescribeStackResourceDrifts": {
                "StackResourceDrifts": [
                    drifted("ApiErrors", "CloudWatch::Alarm", "DELETED"),
                    drifted("MailedCount", "Logs::MetricFilter", "MODIFIED"),
                ]
            },
        },
        RED,
        "by hand: ApiErrors deleted, MailedCount modified",
        DEPLOY,
    ),
    (
        "Stack/Drift",
        {
            "cloudformation__DescribeStackDriftDetectionStatus": drift(
                "", "DETECTION_FAILED", DetectionStatusReason="may not read iam"
            )
        },
        AMBER,
        "may not read iam",
        "permission",
    ),
    (
        "Stack/Drift",
        {
            "cloudformation__DescribeStackDriftDetectionStatus": [
                drift("", "DETECTION_IN_PROGRESS"),
                drift("IN_SYNC"),
            ]
        },
        GREEN,
        "nothing was changed by hand",
        "",
    ),
    ("Functions/State", {"lambda__GetFunction": GONE}, RED, "there is no api_handler", DEPLOY),
    (
        "Functions/State",
        {
            "lambda__GetFunction": functions(
                api_handler=function("api_handler", LastUpdateStatus="Failed")
            )
        },
        RED,
        "could not start api_handler",
        DEPLOY,
    ),
    (
        "Functions/State",
        {
            "lambda__GetFunction": functions(
                record_mail_feedback=function("record_mail_feedback", State="Inactive")
            )
        },
        GREEN,
        "4, python3.11, last changed 2026-11-20 10:11",
        "",
    ),
    (
        "Functions/Roles",
        {
            "lambda__GetFunction": functions(
                api_handler=function("api_handler", Role=ROLES["resend_owed_mail"])
            )
        },
        RED,
        "api_handler runs under resend_owed_mail-role",
        DEPLOY,
    ),
    (
        "Functions/Roles",
        {"iam__GetRole": Refusal("NoSuchEntity")},
        RED,
        "the role of api_handler is missing",
        DEPLOY,
    ),
    (
        "Functions/Settings",
        {
            "lambda__GetFunction": functions(
                api_handler=function(
                    "api_handler", Environment={"Variables": {**ENVIRONMENT, "MAIL_FROM": "x"}}
                )
            )
        },
        AMBER,
        "differ from prod.json: MAIL_FROM",
        DEPLOY,
    ),
    ("Functions/Settings", {"lambda__GetFunction": GONE}, GREY, "there are no functions", ""),
    *(
        (
            "Functions/Logs",
            {
                "lambda__GetFunction": functions(
                    api_handler=function("api_handler", LoggingConfig=config)
                )
            },
            AMBER,
            "not in the format that the metrics count: api_handler",
            DEPLOY,
        )
        for config in ({"LogFormat": "Text"}, {"LogFormat": "JSON", "ApplicationLogLevel": "WARN"})
    ),
    *(
        ("Functions/Logs", {"logs__DescribeMetricFilters": answer}, AMBER, said, DEPLOY)
        for answer, said in (
            (metric_filters("MailedCount"), "these metrics are missing: MailedCount"),
            (
                GONE,
                "are missing: SignedUpCount, ResendAskedForCount, ValidatedCount and 15 more",
            ),
        )
    ),
    (
        "Alarms/Ringing",
        {"cloudwatch__DescribeAlarms": rung(dead_letters="ALARM", bounce_rate="INSUFFICIENT_DATA")},
        RED,
        "dead-letters",
        "What bienvenue-prod-dead-letters means.",
    ),
    (
        "Alarms/Ringing",
        {"cloudwatch__DescribeAlarms": rung(dead_letters="ALARM")},
        RED,
        "dead-letters",
        "./bienvenue logs --stage prod --since 1h",
    ),
    (
        "Alarms/Ringing",
        {"cloudwatch__DescribeAlarms": {"MetricAlarms": rung()["MetricAlarms"][2:]}},
        RED,
        "2 of 19 missing: api-errors, mailer-errors",
        DEPLOY,
    ),
    (
        "Alarms/Ringing",
        {"cloudformation__DescribeStacks": NO_STACK},
        GREY,
        "there is no stack",
        "",
    ),
    (
        "Alarms/Heard",
        {"cloudformation__DescribeStacks": described_stack(Parameters=[])},
        AMBER,
        "by nobody",
        "--alarms-to ops@example.org",
    ),
    (
        "Alarms/Heard",
        {
            "sns__ListSubscriptionsByTopic": {
                "Subscriptions": [
                    {"Endpoint": "ops@example.org", "SubscriptionArn": "PendingConfirmation"}
                ]
            }
        },
        AMBER,
        "not by ops@example.org",
        "Open the link in the mail that AWS sent to ops@example.org",
    ),
    ("Alarms/Heard", {"cloudformation__DescribeStacks": NO_STACK}, GREY, "has no AlarmsArn", ""),
    (
        "Functions/Concurrency",
        {"lambda__GetFunctionConcurrency": {"ReservedConcurrentExecutions": 0}},
        AMBER,
        "the mailer is stopped, and only the drain mails",
        "reserved_concurrency",
    ),
    *(
        (
            "Functions/Concurrency",
            {
                "lambda__GetAccountSettings": limit,
                "lambda__GetFunctionConcurrency": {},
                "dynamodb-streams__DescribeStream": shards(count),
            },
            light,
            said,
            fix,
        )
        for limit, count, light, said, fix in (
            (account_limit(1000, 1000), 4, AMBER, "nothing limits the mailer", DEPLOY),
            (account_limit(10, 10), 4, AMBER, "3 are left for pages while each of", QUOTA),
            (account_limit(10, 10), 6, AMBER, "1 are left for pages", QUOTA),
            (account_limit(10, 10), 7, RED, "0 are left for pages", QUOTA),
            (account_limit(1000, 105), 150, RED, "the stream's 150 shards", QUOTA),
        )
    ),
    (
        "Functions/Code",
        {
            "lambda__GetFunction": functions(
                api_handler=function("api_handler", CodeSha256="another")
            )
        },
        AMBER,
        "different packages",
        DEPLOY,
    ),
    *(
        ("Functions/Code", {"http__Package": Answer(200, zipped, 0.1)}, AMBER, said, DEPLOY)
        for zipped, said in (
            (
                package(changed="chalicelib/settings.py"),
                "differ from this checkout: chalicelib/settings.py",
            ),
            (package(missing="app.py"), "differ from this checkout: app.py"),
            (package(idna="2.0"), "other versions than in requirements.txt: idna 2.0"),
        )
    ),
    (
        "Stream/Source",
        {"dynamodb__DescribeTable": {"Table": {"TableStatus": "ACTIVE"}}},
        RED,
        "the table has no stream",
        DEPLOY,
    ),
    (
        "Stream/Source",
        {"lambda__ListEventSourceMappings": {"EventSourceMappings": []}},
        RED,
        "nothing reads the table's stream",
        DEPLOY,
    ),
    (
        "Stream/Source",
        {
            "lambda__ListEventSourceMappings": {
                "EventSourceMappings": [mapping(EventSourceArn=FORMER_STREAM)]
            }
        },
        RED,
        "reads the stream of an earlier table",
        DEPLOY,
    ),
    (
        "Stream/Source",
        {
            "lambda__ListEventSourceMappings": {
                "EventSourceMappings": [mapping(), mapping(EventSourceArn=FORMER_STREAM)]
            }
        },
        AMBER,
        "mapping of an earlier table still exists",
        DEPLOY,
    ),
    ("Stream/Source", {"dynamodb__DescribeTable": GONE}, GREY, "there is no users' table", ""),
    *(
        (
            "Stream/Mapping",
            {"lambda__ListEventSourceMappings": {"EventSourceMappings": [mapping(**changed)]}},
            light,
            said,
            mend,
        )
        for changed, light, said, mend in (
            (
                {"State": "Disabled"},
                RED,
                "disabled, so no mail is sent",
                "aws lambda update-event-source-mapping --uuid a-uuid --enabled --region eu-west-3",
            ),
            ({"State": "Updating"}, AMBER, "updating", "in a minute"),
            (
                {"LastProcessingResult": "PROBLEM: Function call failed"},
                AMBER,
                "latest batch failed",
                "./bienvenue logs --stage prod --function send_validation_mail",
            ),
            ({"EventSourceArn": FORMER_STREAM}, GREY, "nothing reads the table's stream", ""),
        )
    ),
    *(
        (
            "Stream/Settings",
            {"lambda__ListEventSourceMappings": {"EventSourceMappings": [mapping(**changed)]}},
            RED,
            next(iter(changed)),
            DEPLOY,
        )
        for changed in (
            {"MaximumRetryAttempts": 3},
            {"FilterCriteria": {"Filters": []}},
            {"DestinationConfig": {"OnFailure": {}}},
        )
    ),
    ("Stream/Lag", {"cloudwatch__GetMetricStatistics": points(59_000)}, GREEN, "59 s behind", ""),
    (
        "Stream/Lag",
        {"cloudwatch__GetMetricStatistics": points(120_000)},
        AMBER,
        "2 min behind",
        "bienvenue logs",
    ),
    (
        "Stream/Lag",
        {"cloudwatch__GetMetricStatistics": points(900_000)},
        RED,
        "15 min behind",
        "bienvenue logs",
    ),
    (
        "Stream/Lag",
        {"cloudwatch__GetMetricStatistics": {"Datapoints": []}},
        GREY,
        "has measured nothing",
        "",
    ),
    (
        "Stream/Dead letters",
        {"sqs__GetQueueAttributes": waiting(1, 2)},
        RED,
        "3 in the queue",
        "aws sqs receive-message --queue-url https://sqs/dead-letters",
    ),
    ("Stream/Dead letters", {"cloudformation__DescribeStacks": NO_STACK}, GREY, "DeadLetters", ""),
    (
        "Stream/Failed feedback",
        {"lambda__GetFunctionEventInvokeConfig": GONE},
        RED,
        "would be lost",
        DEPLOY,
    ),
    (
        "Mail/Sender",
        {"sesv2__GetEmailIdentity": {**dkim(Tokens=["a"]), "VerifiedForSendingStatus": False}},
        RED,
        "hello@example.org is not verified",
        "the mail that AWS sent to hello@example.org",
    ),
    (
        "Mail/Sender",
        {"sesv2__GetEmailIdentity": Refusal("NotFoundException")},
        RED,
        "no identity for hello@example.org",
        DEPLOY,
    ),
    (
        "Mail/Sender",
        {
            "sesv2__GetEmailIdentity": [
                Refusal("NotFoundException"),
                {**dkim(Tokens=["a"]), "VerifiedForSendingStatus": False},
            ]
        },
        RED,
        "example.org is not verified",
        "aws sesv2 create-email-identity --email-identity hello@example.org --region eu-west-3",
    ),
    (
        "Mail/DKIM",
        {"sesv2__GetEmailIdentity": Refusal("NotFoundException")},
        GREY,
        "not seen: SES has no identity",
        "",
    ),
    (
        "Mail/DKIM",
        {
            "sesv2__GetEmailIdentity": [
                *[dkim(Status="NOT_STARTED", SigningEnabled=False)] * 3,
                Refusal("NotFoundException"),
            ]
        },
        AMBER,
        "not its domain",
        "aws sesv2 create-email-identity --email-identity example.org",
    ),
    (
        "Mail/DKIM",
        {
            "sesv2__GetEmailIdentity": [
                *[dkim(Status="NOT_STARTED")] * 3,  # of all that cover the sender, then the chosen
                dkim(Status="SUCCESS", SigningEnabled=True),
            ]
        },
        GREEN,
        "mails are signed for example.org",
        "",
    ),
    (
        "Mail/DKIM",
        {"sesv2__GetEmailIdentity": {**dkim(Tokens=["a"]), "VerifiedForSendingStatus": False}},
        GREY,
        "the sender is not verified",
        "",
    ),
    (
        "Mail/Sandbox",
        {"sesv2__GetAccount": account(ProductionAccessEnabled=False)},
        AMBER,
        "the account is in it",
        "https://docs.aws.amazon.com/ses/",
    ),
    ("Mail/Quota today", {"sesv2__GetAccount": account(most=-1)}, GREEN, "unlimited", ""),
    (
        "Mail/Quota today",
        {"sesv2__GetAccount": account(left=20, most=200)},
        AMBER,
        "20 of 200 mails left, 1 a second",
        "Ask SES for more",
    ),
    (
        "Mail/Quota today",
        {"sesv2__GetAccount": account(left=0, most=200)},
        RED,
        "0 of 200 mails left",
        "Ask SES for more",
    ),
    (
        "Mail/Standing",
        {"sesv2__GetAccount": account(EnforcementStatus="PROBATION")},
        AMBER,
        "probation",
        "https://docs.aws.amazon.com/ses/",
    ),
    (
        "Mail/Standing",
        {"sesv2__GetAccount": account(EnforcementStatus="SHUTDOWN")},
        RED,
        "shutdown",
        "https://docs.aws.amazon.com/ses/",
    ),
    (
        "Mail/Standing",
        {"sesv2__GetAccount": account(SendingEnabled=False)},
        RED,
        "sending is paused",
        "aws sesv2 put-account-sending-attributes --sending-enabled",
    ),
    (
        "Mail/Feedback",
        {"sesv2__GetConfigurationSet": Refusal("NotFoundException")},
        RED,
        "bienvenue-prod is missing",
        DEPLOY,
    ),
    (
        "Mail/Feedback",
        {"sesv2__GetConfigurationSet": {"SendingOptions": {"SendingEnabled": False}}},
        RED,
        "paused by the configuration set bienvenue-prod",
        "--configuration-set-name bienvenue-prod",
    ),
    *(
        (
            "Mail/Feedback",
            {"sesv2__GetConfigurationSetEventDestinations": destinations(**changed)},
            RED,
            said,
            DEPLOY,
        )
        for changed, said in (
            ({"Enabled": False}, "bounce, complaint, delivery, delivery delay, reject, send"),
            ({"MatchingEventTypes": sorted(EVENTS - {"SEND"})}, "report to the topic: send"),
            ({"SnsDestination": {"TopicArn": "another"}}, "bounce, complaint,"),
        )
    ),
    (
        "Mail/Feedback",
        {
            "sns__ListSubscriptionsByTopic": {
                "Subscriptions": [{"Endpoint": "somebody@example.org"}]
            }
        },
        RED,
        "nothing listens",
        DEPLOY,
    ),
    (
        "API/Only one",
        {
            "api-gateway.GetRestApis": {"items": [{"id": "second", "name": "bienvenue"}]},
            "lambda__GetPolicy": {"Policy": '"arn:aws:execute-api:eu-west-3:1:second/*"'},
        },
        AMBER,
        "another API serves the stage: second",
        "apigateway delete-rest-api --rest-api-id second",
    ),
    (
        "API/Own address",
        {"api-gateway.GetRestApi": {"disableExecuteApiEndpoint": False}},
        AMBER,
        "bypasses the firewall of hello.example.org",
        "deploy --domain hello.example.org --stage prod",
    ),
    (
        "API/Own address",
        {
            "api-gateway.GetRestApi": {},
            "api-gateway.GetDomainName": Refusal("NotFoundException"),
        },
        GREEN,
        "your proxy at hello.example.org needs it",
        "",
    ),
    *(
        ("API/Limit by client", changes, light, text, mend)
        for changes, light, text, mend in (
            ({}, GREEN, "none: deploy --per-ip-rate", ""),
            (LIMITED | on_the_api(WEB_ACL), GREEN, "30 POSTs of one IP address", ""),
            (LIMITED | on_the_api("another"), RED, "is not in front of the API", DEPLOY),
            (
                LIMITED | {"wafv2.GetWebACLForResource": Refusal("WAFNonexistentItemException")},
                RED,
                "is not in front of the API",
                DEPLOY,
            ),
        )
    ),
    (
        "API/Answer",
        {"http__API": NoAnswer("https://hello.example.org does not answer (SSLError).")},
        RED,
        "https://hello.example.org does not answer (SSLError)",
        "Check its DNS",
    ),
    (
        "API/Answer",
        {"http__API": Answer(200, b'{"info": {"title": "Bienvenue", "version": "0"}}', 0.1)},
        AMBER,
        "with another version",
        DEPLOY,
    ),
    *(
        ("API/Answer", {"http__API": answer}, RED, "but not as this app", "the setting BASE_URL")
        for answer in (
            Answer(200, b"<html>parked</html>", 0.1),
            Answer(200, b'{"info": {"title": "Petstore"}}', 0.1),
            Answer(200, b"[]", 0.1),
            Answer(403, b'{"message": "Forbidden"}', 0.1),
        )
    ),
    (
        "Users/Table",
        {"dynamodb__DescribeTable": GONE},
        RED,
        f"there is no {TABLE}",
        "aws dynamodb list-backups",
    ),
    *(
        (
            "Users/Table",
            {"dynamodb__DescribeTimeToLive": {"TimeToLiveDescription": ttl}},
            AMBER,
            said,
            mend,
        )
        for ttl, said, mend in (
            ({"TimeToLiveStatus": "DISABLED"}, "users who never confirm are not deleted", DEPLOY),
            (
                {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"},
                "by ttl, not",
                "deploy again",
            ),
        )
    ),
    (
        "Users/Table",
        {"dynamodb__DescribeTable": {"Table": {"TableStatus": "ACTIVE"}}},
        AMBER,
        "not protected from deletion",
        DEPLOY,
    ),
    (
        "Users/Table",
        {"dynamodb__DescribeContinuousBackups": backups("DISABLED")},
        AMBER,
        "recovery is off",
        DEPLOY,
    ),
    *(
        ("Users/Mails owed", {"dynamodb__Scan": people(*some)}, light, said, mend)
        for some, light, said, mend in (
            ([person("owed", ago=timedelta(minutes=59))], GREEN, "none for over an hour", ""),
            ([person("owed", ago=timedelta(minutes=61))], RED, "1 for over an hour", "--owed"),
            ([person("sending", ago=timedelta(days=3))], RED, "1 for over an hour", "--owed"),
            ([person("owed", mail_at={"NULL": True})], RED, "1 for over an hour", "--owed"),
            (
                [person("owed", ago=timedelta(days=1), validated_at=iso(timedelta(0)))],
                GREEN,
                "none for over an hour",
                "",
            ),
            ([{}, {"nom": {"S": "x"}}], AMBER, "2 put by other programs", "in a minute"),
        )
    ),
    (
        "Users/Mails owed",
        {"dynamodb__Scan": endless(person("owed", ago=timedelta(days=1)))},
        RED,
        "20 for over an hour, of the first 20 people at least",
        "./bienvenue users",
    ),
    (
        "Users/Mails failed",
        {"dynamodb__Scan": people(person("failed"))},
        AMBER,
        "1, of 1 person",
        "--failed",
    ),
    *(
        ("Users/Bounces", {"dynamodb__Scan": people(*some)}, light, said, mend)
        for some, light, said, mend in (
            ([person("bounced")] * 4, GREEN, "4 bounced", ""),
            ([person("bounced")] * 5 + CALM, AMBER, "5 bounced, 0 complained, of 100", "review"),
            ([person("bounced")] * 11 + CALM, RED, "11 bounced", "review"),
            ([person("bounced")] * 4 + CALM, GREEN, "4 bounced", ""),
            ([person("complained")] * 5 + CALM * 20, AMBER, "5 complained", "review"),
            ([person("complained")] * 5 + CALM, RED, "5 complained", "review"),
        )
    ),
    *(
        ("Mail/Budget", {"dynamodb__GetItem": state}, light, text, fix)
        for state, light, text, fix in (
            ({}, GREEN, "0 of 45,000 mails today, 0 of 9,000 this hour", ""),
            (limits(40), GREEN, "40 of 45,000 mails today, 3 of 9,000 this hour", ""),
            (limits(40_000, 3), AMBER, "40,000 of 45,000 mails today", "Raise the budget"),
            (limits(9_000, 8_000), AMBER, "8,000 of 9,000 this hour", "Raise the budget"),
            (limits(45_000), RED, "45,000 of 45,000 mails today", "More mail waits"),
            (limits(9_000, 9_000), RED, "9,000 of 9,000 this hour", "More mail waits"),
            (Refusal("ResourceNotFoundException"), RED, "no table of limits", DEPLOY),
        )
    ),
    (
        "Mail/Budget",
        {
            "sesv2__GetAccount": {
                "SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 0.0, "MaxSendRate": 1.0}
            }
        },
        AMBER,
        "SES allows only 200 a day",
        "Lower MAILS_PER_DAY",
    ),
    (
        "Mail/Brake",
        {"dynamodb__GetItem": limits(brake="12 of 100 mails bounced", brake_at="2026-11-24")},
        RED,
        "on since 2026-11-24 00:00:00 UTC (12 hours ago): 12 of 100 mails bounced",
        "./bienvenue mail resume --stage prod",
    ),
    (
        "Mail/Brake",
        {"dynamodb__GetItem": Refusal("ResourceNotFoundException")},
        GREY,
        "no table",
        "",
    ),
    *(
        ("Users/Index", {"dynamodb__DescribeTable": {"Table": table}}, light, text, fix)
        for table, light, text, fix in (
            ({}, RED, "no index of owed mail", DEPLOY),
            ({"GlobalSecondaryIndexes": [{"IndexName": "x"}]}, RED, "no index", DEPLOY),
            (
                {"GlobalSecondaryIndexes": [{"IndexName": "owed", "IndexStatus": "CREATING"}]},
                AMBER,
                "creating",
                "an hour",
            ),
        )
    ),
    ("Users/Oldest owed", {"dynamodb__DescribeTable": {"Table": {}}}, GREY, "no index", ""),
    *(
        (
            "Users/Oldest owed",
            {"dynamodb__Query": owed(timedelta(seconds=seconds))},
            light,
            text,
            fix,
        )
        for seconds, light, text, fix in (
            (30, GREEN, "has waited 30 s", ""),
            (300, AMBER, "has waited 5 min", "logs --function resend_owed_mail --since 1h"),
            (3600, RED, "has waited 60 min", "rate, quota, budget or brake"),
        )
    ),
    ("Users/Oldest event", {}, GREEN, "events are off: deploy --events", ""),
]


@pytest.mark.parametrize(("name", "changes", "light", "said", "mend"), CASES)
def test_a_finding_has_its_text_and_its_fix(
    world: MakeWorld, name: str, changes: dict[str, Any], light: Light, said: str, mend: str
) -> None:
    found = look(world(**changes), name)
    assert found.light is light, found
    assert said in found.text
    assert mend in f"{found.fix} {found.command}"
    assert bool(found.fix) == (light in (AMBER, RED))
    assert "@" not in found.text or name in ("Mail/Sender", "Mail/DKIM", "Alarms/Heard")


def test_every_check_has_a_specimen_of_a_finding() -> None:
    tested_below = {"Account/Credentials", "Mail/Suppression", "API/Links"}
    tested_elsewhere = {name for name in BY_NAME if name.startswith("Delivery/")}
    assert {name for name, *_ in CASES} | tested_below | tested_elsewhere == set(BY_NAME)


@pytest.mark.parametrize(
    ("setting", "light", "words"),
    [
        ("true", AMBER, "opening a link validates the address"),
        ("false", GREEN, "a button"),
        ("same-browser", GREEN, "the browser that signed up"),
        ("", GREEN, "the browser that signed up"),
    ],
)
def test_links_that_a_scanner_can_validate_are_amber(
    world: MakeWorld, setting: str, light: Light, words: str
) -> None:
    stage = world()
    stage.stage.project.record({"VALIDATE_ON_GET": setting}, {})
    finding = look(stage, "API/Links")
    assert (finding.light, words in finding.text) == (light, True)


def test_a_missing_budget_is_amber(world: MakeWorld) -> None:
    stage = world()
    stage.stage.project.erase(["MAILS_PER_DAY"])
    finding = look(stage, "Mail/Budget")
    assert (finding.light, finding.command) == (AMBER, DEPLOY)


@pytest.mark.parametrize(
    ("status", "signing", "said", "mend"),
    [
        ("PENDING", True, "(pending): the DNS lacks 1 DKIM", "two._domainkey.example.org  CNAME"),
        ("FAILED", True, "(failed): the DNS lacks 1 DKIM", "two._domainkey.example.org  CNAME"),
        ("SUCCESS", False, "signing is off", "put-email-identity-dkim-attributes"),
    ],
)
def test_a_domain_that_does_not_sign_gets_its_dns_records(
    world: MakeWorld, status: str, signing: bool, said: str, mend: str
) -> None:
    found = look(
        world(
            sesv2__GetEmailIdentity=[
                Refusal("NotFoundException"),
                dkim(Status=status, SigningEnabled=signing, Tokens=["one", "two"]),
            ]
        ),
        "Mail/DKIM",
    )
    assert found.light is AMBER
    assert said in found.text
    assert mend in f"{found.fix} {found.command}"


def test_an_existing_domain_is_not_to_be_created_again(world: MakeWorld) -> None:
    """SES refuses to: AlreadyExistsException. Nor is the address, which may send already."""
    address, domain = dkim(Status="NOT_STARTED"), dkim(Status="PENDING", Tokens=["two"])
    found = look(world(sesv2__GetEmailIdentity=[address] * 3 + [domain]), "Mail/DKIM")
    assert found.light is AMBER
    assert found.text == "mails are not signed (pending): the DNS lacks 1 DKIM record"
    assert "two._domainkey.example.org  CNAME  two.dkim.amazonses.com" in found.fix
    assert "create-email-identity" not in f"{found.fix} {found.command}"


@pytest.mark.parametrize("verified", [True, False])
def test_records_that_ses_has_not_seen_yet_are_said(world: MakeWorld, verified: bool) -> None:
    pending = {**dkim(Status="PENDING", Tokens=["one"]), "VerifiedForSendingStatus": verified}
    found = look(
        world(sesv2__GetEmailIdentity=[Refusal("NotFoundException"), pending]), "Mail/DKIM"
    )
    assert found.light is AMBER
    assert found.text == "mails are not signed (pending), though the DNS has all records"


def test_a_dkim_record_that_was_lost_is_amber_while_ses_signs(world: MakeWorld) -> None:
    signs = dkim(Status="SUCCESS", SigningEnabled=True, Tokens=["one", "two"])
    found = look(world(sesv2__GetEmailIdentity=[Refusal("NotFoundException"), signs]), "Mail/DKIM")
    assert found.light is AMBER
    assert "its DNS lost 1 DKIM record: SES will stop" in found.text
    assert found.fix.endswith("two._domainkey.example.org  CNAME  two.dkim.amazonses.com")
    own = {**signs["DkimAttributes"], "SigningAttributesOrigin": "EXTERNAL"}
    theirs = {**signs, "DkimAttributes": own}
    found = look(world(sesv2__GetEmailIdentity=[Refusal("NotFoundException"), theirs]), "Mail/DKIM")
    assert found.light is GREEN


def test_credentials_of_another_account_are_red(world: MakeWorld) -> None:
    one = world()
    stream = ENVIRONMENT["USERS_STREAM_ARN"].replace("eu-west-3", "us-east-1")
    one.stage.project.record({"USERS_STREAM_ARN": stream}, {})
    found = look(one, "Account/Credentials")
    assert found.light is RED
    assert found.text.endswith("but the stage lives in account 123456789012, us-east-1")
    assert "AWS_DEFAULT_REGION" in found.fix


def test_a_stream_missing_in_config_json_is_red(world: MakeWorld) -> None:
    one = world()
    one.stage.project.record({"USERS_STREAM_ARN": FORMER_STREAM}, {})
    found = look(one, "Stream/Source")
    assert (found.light, found.command) == (RED, DEPLOY)
    assert "the settings name" in found.text


def test_a_recent_drift_detection_is_not_repeated(world: MakeWorld) -> None:
    for minutes, status, asks in (
        (9, "IN_SYNC", False),
        (11, "IN_SYNC", True),
        (9, "DRIFTED", True),  # it may be mended by now
    ):
        known = {
            "StackDriftStatus": status,
            "LastCheckTimestamp": NOW - timedelta(minutes=minutes),
        }
        one = world(cloudformation__DescribeStacks=described_stack(DriftInformation=known))
        assert look(one, "Stack/Drift").light is GREEN
        assert ("cloudformation.DetectStackDrift" in one.asked) is asks


def test_a_slow_drift_detection_is_amber(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "DRIFT_PATIENCE", 0.0)
    slow = drift("", "DETECTION_IN_PROGRESS")
    found = look(world(cloudformation__DescribeStackDriftDetectionStatus=slow), "Stack/Drift")
    assert (found.light, found.text) == (AMBER, "CloudFormation is still comparing")


SUPPRESSED = {"SuppressedDestinationSummaries": [{"EmailAddress": "alexis@xn--bcher-kva.example"}]}


@pytest.mark.parametrize(
    ("item", "light"),
    [
        (person("sent"), AMBER),
        (person("owed"), AMBER),
        ({}, AMBER),
        (person("bounced"), GREEN),
        (person("sent", validated_at=iso(timedelta(0))), GREEN),
    ],
)
def test_a_suppressed_user_who_waits_for_mail_is_found(
    world: MakeWorld, item: dict[str, Any], light: Light
) -> None:
    found = look(
        world(
            sesv2__ListSuppressedDestinations=[{**SUPPRESSED, "NextToken": "2"}, SUPPRESSED],
            dynamodb__BatchGetItem=[
                {"Responses": {}, "UnprocessedKeys": {TABLE: {"Keys": [{"email": {"S": "x"}}]}}},
                {"Responses": {TABLE: [{"email": {"S": "alexis@bücher.example"}, **item}]}},
            ],
        ),
        "Mail/Suppression",
    )
    assert found.light is light
    assert "alexis" not in found.text
    if light is AMBER:
        assert hashed("alexis@bücher.example") in found.text
        assert "--email-address alexis@xn--bcher-kva.example" in found.command


@pytest.mark.parametrize(
    "key",
    [
        "mailto:alexis@bücher.example",
        "  Alexis@xn--bcher-kva.example",
        "\uff21lexis\uff20bücher.example",
    ],
)
@pytest.mark.parametrize(("mail", "light"), [("sent", AMBER), ("bounced", GREEN)])
def test_a_suppressed_user_whose_key_has_more_is_found(
    world: MakeWorld, key: str, mail: str, light: Light
) -> None:
    users = [{"email": {"S": key}, **person(mail)}, {"email": {"S": "no address"}}]
    one = world(sesv2__ListSuppressedDestinations=SUPPRESSED, dynamodb__Scan={"Items": users})
    found = look(one, "Mail/Suppression")
    assert found.light is light
    assert (hashed(key) in found.text) == (light is AMBER)


def test_a_long_suppression_list_is_read_in_part(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "MAX_SUPPRESSED", 3)
    endless = {**SUPPRESSED, "NextToken": "more"}
    one = world(sesv2__ListSuppressedDestinations=endless)
    assert look(one, "Mail/Suppression").text.endswith("on the list of 3 that were checked")
    assert one.asked.count("sesv2.ListSuppressedDestinations") == 4


def test_a_large_table_is_read_in_part(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MAX_PAGES", 2)
    one = world(dynamodb__Scan=endless(person("sent")))
    assert look(one, "Users/Mails failed").text == "none, of the first 2 people at least"
    assert one.asked.count("dynamodb.Scan") == 3


def test_the_fix_of_a_local_run_names_its_folder(project: Project) -> None:
    cloud = Cloud(boto3.Session(), "1", "", lambda *_: "", endpoint="http://127.0.0.1:9000")
    stage = Stage(cloud, Project(project.folder, "local"), state=project.folder)
    again = facts.Facts(stage, project.folder, lambda: NOW).deploy_again[1]
    assert again == f"./bienvenue run --state {project.folder} --port 9000"


@pytest.mark.parametrize(
    ("name", "deploy", "ops"),
    [
        ("local", "make run", "./bienvenue logs --stage local"),
        (
            "demo",  # rehearsed
            "AWS_ENDPOINT_URL=http://127.0.0.1:8400 make deploy STAGE=demo",
            "AWS_ENDPOINT_URL=http://127.0.0.1:8400 ./bienvenue logs --stage demo",
        ),
    ],
)
def test_the_fix_of_a_local_stage_reaches_no_aws_account(
    project: Project, name: str, deploy: str, ops: str
) -> None:
    endpoint = "http://127.0.0.1:8400"
    cloud = Cloud(boto3.Session(), "1", "eu-west-3", lambda *_: "", endpoint=endpoint)
    stage = Stage(cloud, Project(project.folder, name))
    assert facts.Facts(stage, project.folder, lambda: NOW).deploy_again[1] == deploy
    assert stage.ops("logs") == ops
    assert cloud.aws("sqs list-queues") == (
        "AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing aws sqs list-queues "
        f"--region eu-west-3 --endpoint-url {endpoint}"
    )


@pytest.mark.parametrize(
    ("lights", "worst"),
    [([], GREEN), ([GREEN, GREY], GREEN), ([GREEN, AMBER, GREY], AMBER), ([AMBER, RED], RED)],
)
def test_the_stage_has_the_worst_light_of_its_checks(lights: list[Light], worst: Light) -> None:
    assert check.worst([Finding(light, "") for light in lights]) is worst


WITH_INDEX = {
    "dynamodb__DescribeTable": {"Table": {"GlobalSecondaryIndexes": [{"IndexName": "event"}]}}
}


@pytest.mark.parametrize(
    ("changes", "light", "text"),
    [
        ({"dynamodb__DescribeTable": {"Table": {}}}, RED, "no index of owed events"),
        ({**WITH_INDEX, "dynamodb__Query": {"Items": []}}, GREEN, "all events are published"),
        *(
            (
                {
                    **WITH_INDEX,
                    "dynamodb__Query": {
                        "Items": [
                            {
                                "email": {"S": "a@example.org"},
                                "event_at": iso(timedelta(seconds=seconds)),
                            }
                        ]
                    },
                },
                light,
                text,
            )
            for seconds, light, text in (
                (30, GREEN, "has waited 30 s"),
                (300, AMBER, "has waited 5 min"),
                (3600, RED, "has waited 60 min"),
            )
        ),
    ],
)
def test_an_event_that_waits_is_a_finding(
    world: MakeWorld,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    light: Light,
    text: str,
) -> None:
    monkeypatch.setattr(Stage, "has_events", True)
    found = look(world(**changes), "Users/Oldest event")
    assert (found.light, text in found.text) == (light, True), found


def test_the_doctor_names_the_commit_that_runs(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = world()
    digest = "646967657374"
    at = {"text": "abc1234"}
    monkeypatch.setattr(commit, "describe", lambda _: at["text"])
    one.stage.project.note_package({"sha256": digest, "commit": "abc1234"})
    assert look(one, "Functions/Code").text.startswith("commit abc1234, as in this checkout: ")
    assert look(one, "Functions/Code").text.endswith(f"sha256 {digest}")
    one.stage.project.note_package({"sha256": "another", "commit": "abc1234"})
    assert "as in this checkout, not by deploy:" in look(one, "Functions/Code").text
    at["text"] = "abc1234-dirty"
    assert look(one, "Functions/Code").text.startswith("as in this checkout: ")
