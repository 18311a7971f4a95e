"""An account that answers what a test says, through real clients."""

from __future__ import annotations

import copy
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from ops.doctor import name_server
from ops.doctor.checks.mail import EVENTS
from ops.doctor.facts import Facts
from ops.doctor.http import Answer
from ops.resources.functions import event_source_mapping, function_logs
from ops.resources.stack import alarms, stack
from ops.stage.cloud import ABSENT, Cloud
from ops.stage.lookup import Stage
from ops.stage.project import Project
from tests.e2e.stack import ROOT

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
ACCOUNT, REGION = "123456789012", "eu-west-3"
TABLE = "bienvenue-prod-users"
TABLE_ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}"
STREAM = f"{TABLE_ARN}/stream/2026"
FORMER_STREAM = f"{TABLE_ARN}/stream/2025"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:bienvenue-prod-mail-feedback"
ALARMS = f"arn:aws:sns:{REGION}:{ACCOUNT}:bienvenue-prod-alarms"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead-letters"
FUNCTIONS = ("api_handler", "send_validation_mail", "record_mail_feedback", "resend_owed_mail")
ROLES = {name: f"arn:aws:iam::{ACCOUNT}:role/{name}-role" for name in FUNCTIONS}
ENVIRONMENT = {
    "USERS_TABLE": TABLE,
    "USERS_STREAM_ARN": STREAM,
    "MAIL_FROM": "hello@example.org",
    "BASE_URL": "https://hello.example.org",
    "MAIL_FEEDBACK_TOPIC_ARN": TOPIC,
    "LIMITS_TABLE": "bienvenue-prod-limits",
    "SECRET_KEY": "not-a-secret-but-as-long-as-one-is",
    "MAILS_PER_DAY": "45000",
    "MAILS_PER_HOUR": "9000",
    "MAIL_CONFIGURATION_SET": "bienvenue-prod",
    "DEFAULT_LANG": "en",
}


CHECKOUT = Project(ROOT, "prod")


@dataclass(frozen=True)
class Refusal:
    """What AWS says instead of answering."""

    code: str
    message: str = ""


FORBIDDEN = Refusal("AccessDeniedException", "no")


def iso(ago: timedelta) -> dict[str, str]:
    return {"S": (NOW - ago).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}


def person(mail: str, *, ago: timedelta = timedelta(minutes=5), **more: Any) -> dict[str, Any]:
    return {"mail": {"S": mail}, "mail_at": iso(ago), "mail_count": {"N": "1"}, **more}


def limits(day: int = 20, hour: int = 3, **more: str) -> dict[str, Any]:
    """Return GetItem's answer for the table of limits, after these mails."""
    return {
        "Item": {
            "day": {"S": "2026-11-24"},
            "day_mails": {"N": str(day)},
            "hours": {"M": {"2026-11-24T12": {"M": {"mails": {"N": str(hour)}}}}},
            **{name: {"S": value} for name, value in more.items()},
        }
    }


def owed(since: timedelta) -> dict[str, Any]:
    """Return Query's answer where a mail has been owed since then."""
    return {"Items": [{"email": {"S": "a@example.org"}, "owed_at": iso(since)}]}


def function(name: str, **configuration: Any) -> dict[str, Any]:
    return {
        "Configuration": {
            "FunctionName": name,
            "Role": ROLES[name],
            "Runtime": "python3.11",
            "LastModified": "2026-11-20T10:11:12.000+0000",
            "CodeSha256": "ZGlnZXN0",
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "LoggingConfig": {**function_logs.FORMAT, "SystemLogLevel": "INFO"},
            "Environment": {"Variables": {**ENVIRONMENT, "MORE": "is fine"}},
            **configuration,
        },
        "Code": {"Location": "https://code.example.org/package"},
    }


def mapping(**settings: Any) -> dict[str, Any]:
    return {
        **event_source_mapping.SETTINGS,
        "FilterCriteria": event_source_mapping.filters(ABSENT),
        "UUID": "a-uuid",
        "EventSourceArn": STREAM,
        "State": "Enabled",
        "LastProcessingResult": "OK",
        "DestinationConfig": {"OnFailure": {"Destination": QUEUE}, "OnSuccess": {}},
        **settings,
    }


def backups(status: str) -> dict[str, Any]:
    recovery = {"PointInTimeRecoveryStatus": status}
    return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": recovery}}


def account_limit(in_all: int, unreserved: int) -> dict[str, Any]:
    limit = {"ConcurrentExecutions": in_all, "UnreservedConcurrentExecutions": unreserved}
    return {"AccountLimit": limit}


def shards(count: int) -> dict[str, Any]:
    """Return DescribeStream's answer for a stream with so many open shards."""
    shard = {"SequenceNumberRange": {"StartingSequenceNumber": "1"}}
    return {"StreamDescription": {"Shards": [shard] * count}}


def metric_filters(*lost: str) -> dict[str, Any]:
    """Return all that the stack made, but for those that were ``lost``."""
    made = function_logs.wanted_filters(CHECKOUT)
    return {
        "metricFilters": [
            {"filterName": f"{name}-1", **one} for name, one in made.items() if name not in lost
        ]
    }


def rung(**states: str) -> dict[str, Any]:
    """Return all alarms, silent but for those named, without hyphens, with another state."""
    return {
        "MetricAlarms": [
            {
                "AlarmName": name,
                "AlarmDescription": f"What {name} means.",
                "StateValue": states.get(
                    name.removeprefix("bienvenue-prod-").replace("-", "_"), "OK"
                ),
            }
            for name in alarms.names(CHECKOUT)
        ]
    }


def described_stack(**more: Any) -> dict[str, Any]:
    outputs = {"DeadLettersArn": QUEUE, "MailFeedbackArn": TOPIC, "AlarmsArn": ALARMS}
    return {
        "Stacks": [
            {
                "StackName": "bienvenue-prod",
                "StackStatus": "UPDATE_COMPLETE",
                "Parameters": [{"ParameterKey": "AlarmsTo", "ParameterValue": "ops@example.org"}],
                "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()],
                **more,
            }
        ]
    }


def well() -> dict[str, Any]:
    """Return every answer that a stage in the best of health gives, by service and operation."""
    return {
        "sts.GetCallerIdentity": {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/alexis"},
        "cloudformation.DescribeStacks": described_stack(),
        "cloudformation.GetTemplate": {
            "TemplateBody": json.loads(stack.template({"AppName": "bienvenue", "Stage": "prod"}))
        },
        "cloudformation.DetectStackDrift": {"StackDriftDetectionId": "1"},
        "cloudformation.DescribeStackDriftDetectionStatus": {
            "DetectionStatus": "DETECTION_COMPLETE",
            "StackDriftStatus": "IN_SYNC",
        },
        "cloudformation.DescribeStackResourceDrifts": {"StackResourceDrifts": []},
        "lambda.GetFunction": {name: function(name) for name in FUNCTIONS},
        "lambda.ListEventSourceMappings": {"EventSourceMappings": [mapping()]},
        "lambda.GetFunctionEventInvokeConfig": {
            "DestinationConfig": {"OnFailure": {"Destination": QUEUE}},
            "MaximumRetryAttempts": 0,
            "MaximumEventAgeInSeconds": 60,
        },
        "lambda.GetAccountSettings": account_limit(1000, 980),
        "lambda.GetFunctionConcurrency": {"ReservedConcurrentExecutions": 20},
        "iam.GetRole": {"Role": {}},
        "dynamodb-streams.DescribeStream": shards(4),
        "dynamodb.DescribeTable": {
            "Table": {
                "TableStatus": "ACTIVE",
                "LatestStreamArn": STREAM,
                "StreamSpecification": {"StreamEnabled": True},
                "DeletionProtectionEnabled": True,
                "GlobalSecondaryIndexes": [{"IndexName": "owed", "IndexStatus": "ACTIVE"}],
            }
        },
        "dynamodb.DescribeContinuousBackups": backups("ENABLED"),
        "dynamodb.DescribeTimeToLive": {
            "TimeToLiveDescription": {
                "TimeToLiveStatus": "ENABLED",
                "AttributeName": "expires_at",
            }
        },
        "dynamodb.Scan": {"Items": [person("sent")]},
        "dynamodb.Query": {"Items": []},
        "dynamodb.GetItem": limits(),
        "dynamodb.BatchGetItem": {"Responses": {}, "UnprocessedKeys": {}},
        "cloudwatch.GetMetricStatistics": {
            "Datapoints": [
                {"Timestamp": NOW - timedelta(minutes=9), "Maximum": 9_000_000.0},
                {"Timestamp": NOW - timedelta(minutes=2), "Maximum": 800.0},
            ]
        },
        "cloudwatch.DescribeAlarms": rung(),
        "logs.DescribeMetricFilters": metric_filters(),
        "sqs.GetQueueUrl": {"QueueUrl": "https://sqs/dead-letters"},
        "sqs.GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}},
        "sns.ListSubscriptionsByTopic": {
            "Subscriptions": [
                {"Endpoint": "arn:x:function:bienvenue-prod-record_mail_feedback"},
                {"Endpoint": "ops@example.org", "SubscriptionArn": f"{ALARMS}:1"},
            ]
        },
        "sesv2.GetAccount": {
            "ProductionAccessEnabled": True,
            "EnforcementStatus": "HEALTHY",
            "SendingEnabled": True,
            "SendQuota": {
                "Max24HourSend": 50000.0,
                "SentLast24Hours": 100.0,
                "MaxSendRate": 14.0,
            },
        },
        "sesv2.GetEmailIdentity": {
            "VerifiedForSendingStatus": True,
            "DkimAttributes": {"Status": "SUCCESS", "SigningEnabled": True, "Tokens": ["one"]},
            "MailFromAttributes": {
                "MailFromDomain": "bounce.example.org",
                "MailFromDomainStatus": "SUCCESS",
            },
        },
        "sesv2.GetConfigurationSet": {"SendingOptions": {"SendingEnabled": True}},
        "sesv2.GetConfigurationSetEventDestinations": {
            "EventDestinations": [
                {
                    "Enabled": True,
                    "MatchingEventTypes": sorted(EVENTS),
                    "SnsDestination": {"TopicArn": TOPIC},
                }
            ]
        },
        "sesv2.ListSuppressedDestinations": {"SuppressedDestinationSummaries": []},
        "api-gateway.GetRestApis": {
            "items": [
                {"id": "ours", "name": "bienvenue", "tags": {"bienvenue-stage": "bienvenue-prod"}}
            ]
        },
        "api-gateway.GetRestApi": {"disableExecuteApiEndpoint": True},
        "api-gateway.GetDomainName": {"domainName": "hello.example.org"},
        "lambda.GetPolicy": {"Policy": "{}"},
        "http.API": Answer(200, (ROOT / "chalicelib/openapi.json").read_bytes(), 0.034),
        "http.Package": Answer(200, package(), 0.1),
    }


@cache
def package(changed: str = "", missing: str = "", idna: str = "") -> bytes:
    """Return Chalice's package of this checkout, with one file changed or left out."""
    pins = dict(re.findall(r"([\w-]+)==(\S+)", (ROOT / "requirements.txt").read_text()))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as zipped:
        for path in [ROOT / "app.py", *sorted((ROOT / "chalicelib").rglob("*"))]:
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and "__pycache__" not in name and name != missing:
                zipped.writestr(name, b"changed" if name == changed else path.read_bytes())
        for name, version in {**pins, **({"idna": idna} if idna else {})}.items():
            zipped.writestr(f"{name.replace('-', '_')}-{version}.dist-info/METADATA", "")
        zipped.writestr("chalicelib/__pycache__/users.cpython-311.pyc", b"compiled elsewhere")
    return made.getvalue()


class _Session:
    """Real clients, made once for all tests, which is what takes time; ``world`` answers them."""

    def __init__(self) -> None:
        self.world: World
        self._clients: dict[str, Any] = {}

    def get_partition_for_region(self, _: str) -> str:
        return "aws"

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service)
            self._clients[service].meta.events.register("before-call", self._answer)
        return self._clients[service]

    def _answer(self, **call: Any) -> Any:
        return self.world.answer(**call)


_session = _Session()


ALIASES = {"one._domainkey.example.org": "one.dkim.amazonses.com"}
"""The CNAME records of the DNS."""
SERVERS = {"bounce.example.org": ["feedback-smtp.eu-west-3.amazonses.com"]}
"""The MX records of the DNS."""
RECORDS = {
    "bounce.example.org": ["v=spf1 include:amazonses.com ~all"],
    "_dmarc.example.org": ["v=DMARC1; p=reject; rua=mailto:dmarc@example.org"],
}
"""The TXT records of the DNS."""


def set_up_dns(
    patch: pytest.MonkeyPatch,
    records: Mapping[str, list[str]] = RECORDS,
    servers: Mapping[str, list[str]] = SERVERS,
    aliases: Mapping[str, str] = ALIASES,
) -> None:
    """Have the name server know these records and no others."""
    patch.setattr(name_server, "text_records", lambda name: records.get(name, []))
    patch.setattr(name_server, "mail_servers", lambda name: servers.get(name, []))
    patch.setattr(name_server, "alias", lambda name: aliases.get(name, ""))


class World:
    """The account, the project that was deployed into it, and what it was asked."""

    def __init__(self, folder: Path, changes: Mapping[str, Any]) -> None:
        self.answers = {**copy.deepcopy(well()), **changes}
        self.asked: list[str] = []
        _session.world = self
        session: Any = _session
        cloud = Cloud(session, ACCOUNT, REGION, lambda *_: "")
        project = Project(folder, "prod")
        project.record(ENVIRONMENT, ROLES)
        self.stage = Stage(cloud, project)

    @property
    def facts(self) -> Facts:
        """As one run of the doctor has them."""
        return Facts(self.stage, ROOT, lambda: NOW)

    def get(self, url: str) -> Answer:
        """Stand in for fetch.get."""
        name = "http.API" if url.endswith("/openapi.json") else "http.Package"
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        found: Answer = answer
        return found

    def answer(self, event_name: str, params: Any, **_: Any) -> Any:
        """Stand in for AWS: return botocore's response and what it parsed out of it."""
        operation = event_name.removeprefix("before-call.").removeprefix("cloudwatch-")
        self.asked.append(operation)
        answer = self.answers[operation]
        if operation == "lambda.GetFunction" and isinstance(answer, dict):
            lambdas_name = params["url_path"].rpartition("/")[2]
            answer = answer[lambdas_name.removeprefix("bienvenue-prod").lstrip("-") or FUNCTIONS[0]]
        if isinstance(answer, list):  # one after the other, the last for good
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Refusal):
            error = {"Error": {"Code": answer.code, "Message": answer.message}}
            return AWSResponse("", 400, HTTPHeaders(), None), error
        return AWSResponse("", 200, HTTPHeaders(), None), answer
