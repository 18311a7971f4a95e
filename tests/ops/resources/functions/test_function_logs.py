"""The functions' logs: JSON and a retention, set again after a change by hand."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from ops.resources.functions import function_logs
from ops.stage.project import Project
from tests.e2e.stack import ROOT
from tests.ops.conftest import Ear

PROJECT = Project(ROOT, "prod")
CALLED = {name: f"{name}-1" for name in function_logs.wanted_filters(PROJECT)}
PREFIX = "/aws/lambda/bienvenue-prod"
MAILER = "bienvenue-prod-send_validation_mail"


def test_each_filter_is_as_cloudwatch_takes_it(project: Project) -> None:
    service = boto3.client("logs").meta.service_model
    accepted = service.operation_model("PutMetricFilter").input_shape
    for name, wanted in function_logs.wanted_filters(project).items():
        report = ParamValidator().validate({"filterName": name, **wanted}, accepted)
        assert not report.has_errors(), report.generate_report()


class Cloud:
    """Lambda and CloudWatch Logs, as far as they are asked."""

    def __init__(self) -> None:
        self.logging: dict[str, Any] = {
            "bienvenue-prod": {"LogFormat": "Text", "LogGroup": PREFIX},
            MAILER: {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{MAILER}"},
        }
        self.days: dict[str, int | None] = {PREFIX: 90, f"{PREFIX}-2": 7}
        self.calls: list[str] = []
        self.busy = 0
        self.filters = {
            f"{name}-1": one for name, one in function_logs.wanted_filters(PROJECT).items()
        }

    def get_function_configuration(self, FunctionName: str) -> Any:  # noqa: N803 - boto3's names
        return {"LoggingConfig": self.logging[FunctionName]}

    def update_function_configuration(self, FunctionName: str, LoggingConfig: Any) -> None:  # noqa: N803
        self.calls.append("update_function_configuration")
        if self.busy:
            self.busy -= 1
            raise ClientError({"Error": {"Code": "ResourceConflictException"}}, "")
        self.logging[FunctionName] = {"SystemLogLevel": "INFO", **LoggingConfig}

    def get_paginator(self, operation: str) -> Any:
        assert operation in ("describe_log_groups", "describe_metric_filters")
        return self

    def paginate(self, logGroupNamePrefix: str = "", logGroupName: str = "") -> Any:  # noqa: N803
        if logGroupName:
            yield {
                "metricFilters": [
                    {"filterName": name, "creationTime": 1, **one}
                    for name, one in self.filters.items()
                    if one["logGroupName"] == logGroupName
                ]
            }
            return
        for name, days in self.days.items():
            assert name.startswith(logGroupNamePrefix)
            kept = {"retentionInDays": days} if days else {}
            yield {"logGroups": [{"logGroupName": name, **kept}]}

    def create_log_group(self, logGroupName: str) -> None:  # noqa: N803 - boto3's names
        self.calls.append("create_log_group")
        self.days[logGroupName] = None

    def put_retention_policy(self, logGroupName: str, retentionInDays: int) -> None:  # noqa: N803
        self.calls.append("put_retention_policy")
        assert logGroupName in self.days
        self.days[logGroupName] = retentionInDays

    def put_metric_filter(self, filterName: str, **wanted: Any) -> None:  # noqa: N803 - boto3's
        self.calls.append("put_metric_filter")
        assert wanted["logGroupName"] in self.days
        self.filters[filterName] = wanted


@pytest.fixture
def deployed(project: Project) -> Project:
    names = ("api_handler", "send_validation_mail")
    project.replace({"name": name, "resource_type": "lambda_function"} for name in names)
    return project


def configure(cloud: Cloud, project: Project, days: int, say: Ear) -> None:
    client: Any = cloud
    function_logs.ensure(client, client, project, days, CALLED, say)


def test_every_function_logs_json_for_the_retention_asked_for(deployed: Project, say: Ear) -> None:
    cloud = Cloud()
    configure(cloud, deployed, 90, say)
    assert say.last == "in JSON, kept for 90 days"
    for name in ("bienvenue-prod", MAILER):
        assert cloud.logging[name] == {
            "LogFormat": "JSON",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
            "LogGroup": f"/aws/lambda/{name}",
        }
    assert cloud.days == {PREFIX: 90, f"/aws/lambda/{MAILER}": 90, f"{PREFIX}-2": 7}

    cloud.calls.clear()
    configure(cloud, deployed, 90, say)
    assert say.last == "nothing to change"
    assert cloud.calls == []


def test_a_taken_over_group_gets_the_retention(deployed: Project, say: Ear) -> None:
    """CloudFormation changes nothing of what it imports."""
    cloud = Cloud()
    configure(cloud, deployed, 90, say)
    cloud.days[PREFIX] = None
    cloud.calls.clear()
    configure(cloud, deployed, 90, say)
    assert cloud.days[PREFIX] == 90
    assert cloud.calls == ["put_retention_policy"]


def test_a_function_that_chalice_has_just_changed_is_waited_for(
    deployed: Project, say: Ear
) -> None:
    cloud = Cloud()
    cloud.busy = 2
    configure(cloud, deployed, 90, say)
    assert cloud.calls.count("update_function_configuration") == 4
    assert {one["LogFormat"] for one in cloud.logging.values()} == {"JSON"}


def test_what_an_operator_set_beside_the_format_stays(deployed: Project, say: Ear) -> None:
    cloud = Cloud()
    own = {"LogFormat": "Text", "LogGroup": "/shared", "SystemLogLevel": "WARN"}
    cloud.logging[MAILER] = own
    configure(cloud, deployed, 90, say)
    assert cloud.logging[MAILER] == {**own, **function_logs.FORMAT}


def test_a_deleted_group_is_made_again_with_its_filters(deployed: Project, say: Ear) -> None:
    """CloudFormation believes the filters that went with it to be there still."""
    cloud = Cloud()
    configure(cloud, deployed, 90, say)
    before = dict(cloud.filters)
    del cloud.days[PREFIX]
    cloud.filters = {name: one for name, one in before.items() if one["logGroupName"] != PREFIX}
    configure(cloud, deployed, 90, say)
    assert cloud.filters == before
    assert say.last == (
        "in JSON, kept for 90 days; SignedUpCount, ResendAskedForCount, ValidatedCount put back"
    )


def test_a_filter_that_was_changed_by_hand_is_put_as_it_was(deployed: Project, say: Ear) -> None:
    cloud = Cloud()
    configure(cloud, deployed, 90, say)
    before = dict(cloud.filters)
    cloud.filters["MailedCount-1"] = {**before["MailedCount-1"], "filterPattern": "mail"}
    cloud.calls.clear()
    configure(cloud, deployed, 90, say)
    assert (cloud.filters, say.last) == (before, "MailedCount put back")
    assert cloud.calls == ["put_metric_filter"]


def test_the_first_retention_is_one_that_cloudwatch_has() -> None:
    assert function_logs.FIRST_DAYS in function_logs.DAYS
