"""The CloudFormation template of a stage, made into one beside a deployed one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from ops.deployment import package, package_command
from ops.run import local_stack
from ops.stage import cloud, json_files
from ops.stage import local_cloud as stage_cloud
from ops.stage.local_cloud import REGION
from ops.stage.local_stage import STAGE
from ops.stage.project import Project
from tests.e2e import deploying
from tests.e2e.stack import HTTP, ROOT, wait_for
from tests.support import local_cloud

OTHER = "two"
SECRET = "not-a-secret-but-as-long-as-one-is"
VOLATILE = ("SECRET_KEY", "BASE_URL", "USERS_STREAM_ARN", "MAILS_PER_DAY", "MAILS_PER_HOUR")
"""The settings that depend on the time of a deploy, on its secret or on the account's quota."""


class World:
    """A local cloud with the stage that deploy made, and the one that the template made."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint = endpoint
        self.folder = folder

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION)

    def functions(self, stage: str) -> dict[str, Any]:
        """What each function is, with the stage's name taken out of it."""
        listed = self.client("lambda").list_functions()["Functions"]
        return {
            plain(one["FunctionName"], stage): [
                one["Handler"],
                one["MemorySize"],
                one["Timeout"],
                one["LoggingConfig"]["LogFormat"],
                plain(one["Environment"]["Variables"], stage),
            ]
            for one in listed
            if one["FunctionName"].startswith(f"bienvenue-{stage}")
        }

    def mapping(self, stage: str) -> Any:
        """The settings of the mapping that brings the table's stream to the mailer."""
        function = f"bienvenue-{stage}-send_validation_mail"
        listed = self.client("lambda").list_event_source_mappings(FunctionName=function)
        (mapping,) = listed["EventSourceMappings"]
        known = ("BatchSize", "BisectBatchOnFunctionError", "FilterCriteria", "StartingPosition")
        known += ("MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "ParallelizationFactor")
        local, aws = json.dumps(stage_cloud.ABSENT), json.dumps(cloud.ABSENT)
        for one in mapping["FilterCriteria"]["Filters"]:
            one["Pattern"] = one["Pattern"].replace(aws, local)
        return {name: mapping.get(name) for name in known}

    def alarms(self, stage: str) -> set[str]:
        alarms = self.client("cloudwatch").describe_alarms()["MetricAlarms"]
        names = (one["AlarmName"] for one in alarms)
        return {plain(name, stage) for name in names if f"-{stage}-" in name}

    def table(self, stage: str) -> Any:
        name = f"bienvenue-{stage}-users"
        table = self.client("dynamodb").describe_table(TableName=name)["Table"]
        known = ("KeySchema", "StreamSpecification", "DeletionProtectionEnabled")
        indexes = [one["IndexName"] for one in table["GlobalSecondaryIndexes"]]
        return [*(table.get(name) for name in known), indexes]

    def routes(self, api_id: str) -> Any:
        gateway = self.client("apigateway")
        items = gateway.get_resources(restApiId=api_id, embed=["methods"], limit=100)["items"]
        return {one["path"]: sorted(one.get("resourceMethods", {})) for one in items}


def plain(value: Any, stage: str) -> Any:
    """Return ``value`` without the stage's name, and without what differs from stage to stage."""
    if isinstance(value, dict):
        return {name: plain(one, stage) for name, one in value.items() if name not in VOLATILE}
    return str(value).replace(f"bienvenue-{stage}", "bienvenue-STAGE")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    tmp_path = tmp_path_factory.mktemp("template")
    with local_cloud.running(tmp_path / "cloud.log") as endpoint:
        world = World(endpoint, tmp_path)
        ses, s3 = world.client("sesv2"), world.client("s3")
        ses.create_email_identity(EmailIdentity=local_stack.MAIL_FROM)
        local_stack.copy(ROOT, tmp_path / "project")
        done = deploying.run(endpoint, tmp_path / "project", "ops")
        assert done.returncode == 0, done.stdout

        local_stack.copy(ROOT, tmp_path / "other")
        template = package_command.write(Project(tmp_path / "other", OTHER), tmp_path / "out")
        s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
        for path in (template, template.with_name(package.NAME)):
            s3.upload_file(str(path), "code", path.name)
        cloudformation = world.client("cloudformation")
        parameters = {
            "Stage": OTHER,
            "MailFrom": local_stack.MAIL_FROM,
            "SecretKey": SECRET,
            "CodeBucket": "code",
            "CodeKey": package.NAME,
            "AlarmsTo": deploying.ALARMS_TO,
        }
        cloudformation.create_stack(
            StackName=f"bienvenue-{OTHER}",
            TemplateURL=f"{endpoint}/code/{template.name}",  # it is too long for a request
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
            Capabilities=["CAPABILITY_IAM"],
        )

        def status() -> str:
            (stack,) = cloudformation.describe_stacks(StackName=f"bienvenue-{OTHER}")["Stacks"]
            found = str(stack["StackStatus"])
            assert not found.startswith("ROLLBACK"), stack.get("StackStatusReason")
            return "" if found.endswith("_IN_PROGRESS") else found

        assert wait_for(status, 60, "the stack") == "CREATE_COMPLETE"
        yield world


def test_a_templates_stage_is_what_deploy_makes(world: World) -> None:
    assert len(world.functions(STAGE)) == 4
    assert world.functions(OTHER) == world.functions(STAGE)
    assert world.mapping(OTHER) == world.mapping(STAGE)
    assert world.alarms(OTHER) == world.alarms(STAGE) != set()
    assert world.table(OTHER) == world.table(STAGE)
    first, second = world.client("apigateway").get_rest_apis()["items"]
    assert world.routes(first["id"]) == world.routes(second["id"])


def test_a_templates_stage_makes_a_whole_journey(world: World) -> None:
    """Links lead to AWS's address of the API, so the local cloud's is put in its place."""
    lambda_ = world.client("lambda")
    variables = lambda_.get_function_configuration(FunctionName=f"bienvenue-{OTHER}")[
        "Environment"
    ]["Variables"]
    api_id = re.match(r"https://(\w+)\.execute-api", variables["BASE_URL"])
    assert api_id
    api = f"{world.endpoint}/restapis/{api_id[1]}/api/_user_request_"
    email = "alexis@example.org"
    answer = HTTP.request("POST", f"{api}/users", json={"email": email, "lang": "en"})
    assert answer.status == 202, answer.data

    (text,) = wait_for(lambda: local_cloud.mails(world.endpoint, email), 20, "the mail")
    link = re.search(r"https://\S+(/validate\S+)", text)
    assert link
    clicked = HTTP.request("GET", api + link[1], headers={"Accept": "application/json"})
    assert clicked.json()["status"] == "validated", clicked.data


def test_the_template_passes_cloudformations_linter(world: World) -> None:
    command = [
        str(Path(sys.executable).with_name("cfn-lint")),
        str(world.folder / "out/template.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_template_holds_no_secret_and_no_transform(world: World) -> None:
    content = json_files.read(world.folder / "out" / "template.json")
    assert content["Parameters"]["SecretKey"]["NoEcho"] is True
    assert "Transform" not in content
    assert SECRET not in json.dumps(content)
