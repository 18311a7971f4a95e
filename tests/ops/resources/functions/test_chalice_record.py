"""Chalice's record from the account: nothing that is gone, and nothing of others."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from ops.resources.functions import chalice_record
from ops.stage.cloud import Cloud
from ops.stage.project import Project

ARN = "arn:aws:lambda:eu-west-3:123456789012:function"
TOPIC = "arn:aws:sns:eu-west-3:123456789012:bienvenue-prod-mail-feedback"
STREAM = "arn:aws:dynamodb:eu-west-3:123456789012:table/bienvenue-prod-users/stream"
NAMES = ("api_handler", "send_validation_mail", "record_mail_feedback", "resend_owed_mail")


class Missing(ClientError):
    def __init__(self) -> None:
        super().__init__({"Error": {}}, "")


class Account:
    """Answers every listing with what it matches, and knows none of what is not there."""

    exceptions = SimpleNamespace(NotFoundException=Missing, ResourceNotFoundException=Missing)

    def __init__(self) -> None:
        names = ["bienvenue-prod", *(f"bienvenue-prod-{name}" for name in NAMES[1:])]
        self.functions = [*names, "bienvenue-prod-2", "bienvenue-prod-2-send_validation_mail"]
        self.mappings = {"old": f"{STREAM}/2025", "new": f"{STREAM}/2026", "other": "arn:kinesis"}
        self.subscribers: list[str] | None = [f"{ARN}:bienvenue-prod-record_mail_feedback", "ops@x"]
        self.rules = ["bienvenue-prod-resend_owed_mail-event", "bienvenue-prod-2-theirs"]
        self.apis = {"ours": "bienvenue-prod", "theirs": "bienvenue-prod-2"}
        self.callers = ["ours"]

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **given: getattr(self, operation)(**given))

    def get_policy(self, FunctionName: str) -> Any:  # noqa: N803 - boto3's names
        if FunctionName not in self.functions:
            raise Missing
        sources = [f"arn:aws:execute-api:eu-west-3:123456789012:{api}/*" for api in self.callers]
        return {"Policy": json.dumps(sources)}

    def list_functions(self) -> Any:
        for name in self.functions:
            yield {"Functions": [{"FunctionName": name, "FunctionArn": f"{ARN}:{name}"}]}

    def list_event_source_mappings(self, FunctionName: str) -> Any:  # noqa: N803 - boto3's names
        if FunctionName not in self.functions:
            raise Missing
        for uuid, source in self.mappings.items():
            one = {"UUID": uuid, "EventSourceArn": source, "FunctionArn": f"{ARN}:{FunctionName}"}
            yield {"EventSourceMappings": [one]}

    def list_subscriptions_by_topic(self, TopicArn: str) -> Any:  # noqa: N803 - boto3's names
        assert TopicArn == TOPIC
        if self.subscribers is None:
            raise Missing
        for endpoint in self.subscribers:
            one = {"Endpoint": endpoint, "SubscriptionArn": f"{TOPIC}:1"}
            yield {"Subscriptions": [one]}

    def list_rules(self, NamePrefix: str) -> Any:  # noqa: N803 - boto3's names
        yield {"Rules": [{"Name": name} for name in self.rules if name.startswith(NamePrefix)]}

    def get_rest_apis(self) -> Any:
        for api_id, tag in self.apis.items():
            tags = {"bienvenue-stage": tag} if tag else {}
            yield {"items": [{"id": api_id, "name": "bienvenue", "tags": tags}]}

    @property
    def cloud(self) -> Cloud:
        session: Any = SimpleNamespace(
            client=lambda _: self, get_partition_for_region=lambda _: "aws"
        )
        return Cloud(session, "123456789012", "eu-west-3", "https://{}/{}".format)

    def find(self, project: Project) -> list[tuple[str, str]]:
        resources = chalice_record.find(self.cloud, project)
        return [(resource["resource_type"], resource["name"]) for resource in resources]


def with_functions(project: Project) -> Project:
    project.record({}, dict.fromkeys(NAMES, "arn:role"))
    return project


def test_only_the_stages_own_resources_are_found(project: Project) -> None:
    assert Account().find(with_functions(project)) == [
        *(("lambda_function", name) for name in NAMES),
        ("dynamodb_event", "send_validation_mail-dynamodb-event-source-old"),
        ("dynamodb_event", "send_validation_mail-dynamodb-event-source-new"),
        ("sns_event", "record_mail_feedback-sns-subscription"),
        ("cloudwatch_event", "resend_owed_mail-event"),
        ("rest_api", "rest_api"),
    ]


def test_what_an_interrupted_deletion_has_removed_is_not_there(project: Project) -> None:
    account = Account()
    account.functions.remove("bienvenue-prod-send_validation_mail")
    account.subscribers, account.rules, account.apis = None, [], {}
    assert account.find(with_functions(project)) == [
        ("lambda_function", "api_handler"),
        ("lambda_function", "record_mail_feedback"),
        ("lambda_function", "resend_owed_mail"),
    ]


def test_a_function_only_in_chalices_record_is_found(project: Project) -> None:
    account = Account()
    account.functions.append("bienvenue-prod-former")
    project.replace([{"name": "former", "resource_type": "lambda_function"}])
    assert ("lambda_function", "former") in account.find(with_functions(project))


def test_the_record_is_what_the_account_has(project: Project) -> None:
    """Whatever it said before; of the mappings, that of the table's present stream."""
    project.replace([{"name": "former", "resource_type": "sqs_event"}])
    names = chalice_record.ensure(Account().cloud, with_functions(project), f"{STREAM}/2026")
    assert names == list(NAMES)
    assert project.resource("former") is None
    assert project.resource("send_validation_mail-dynamodb-event-source") == {
        "name": "send_validation_mail-dynamodb-event-source",
        "resource_type": "dynamodb_event",
        "stream_arn": f"{STREAM}/2026",
        "event_uuid": "new",
        "lambda_arn": f"{ARN}:bienvenue-prod-send_validation_mail",
    }
    assert project.resource("record_mail_feedback-sns-subscription")
    assert project.resource("resend_owed_mail-event")
    api = project.resource("rest_api")
    assert api
    assert (api["rest_api_id"], api["rest_api_url"]) == ("ours", "https://ours/api/")


def test_what_calls_a_function_that_is_gone_is_not_recorded(project: Project) -> None:
    """Chalice gives a new function its permissions only with what it makes itself."""
    account = Account()
    account.functions.remove("bienvenue-prod-record_mail_feedback")
    account.functions.remove("bienvenue-prod-resend_owed_mail")
    chalice_record.ensure(account.cloud, with_functions(project), f"{STREAM}/2026")
    assert project.resource("record_mail_feedback-sns-subscription") is None
    assert project.resource("resend_owed_mail-event") is None
    assert project.functions() == ["api_handler", "send_validation_mail"]


def test_a_second_api_is_found_and_the_tagged_one_wins(project: Project) -> None:
    """A `chalice deploy` without Chalice's record makes one, and tags it not."""
    account = Account()
    account.apis = {"second": "", "unrelated": "", **account.apis}
    account.callers.append("second")
    project.replace([{"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "second"}])
    apis = [name for kind, name in account.find(with_functions(project)) if kind == "rest_api"]
    assert apis == ["rest_api", "rest_api-second"]
    chalice_record.ensure(account.cloud, project, f"{STREAM}/2026")
    api = project.resource("rest_api")
    assert api
    assert api["rest_api_id"] == "ours"
    assert project.resource("rest_api-second") is None
