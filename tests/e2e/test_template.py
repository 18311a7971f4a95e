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

from ops.package import command, template
from ops.resources.functions import (
    concurrency,
    event_invoke_config,
    event_source_mapping,
    function_settings,
    package,
)
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
VOLATILE = frozenset(
    (
        *("SECRET_KEY", "BASE_URL", "USERS_STREAM_ARN", "rootResourceId", "CodeSize"),
        *("UUID", "RevisionId", "CodeSha256", "LastModified", "LastProcessingResult", "RoleId"),
        *(
            "ResponseMetadata",
            "StateTransitionReason",
            "EventSourceArn",
            "SubscriptionArn",
            "types",
        ),
        *("Runtime", "Sid", "Id", "id", "creationTime", "storedBytes", "LastUpdatedTimestamp"),
        *("StateUpdatedTimestamp", "StateTransitionedTimestamp", "StateReasonData"),
        *("AlarmConfigurationUpdatedTimestamp", "StateReason", "StateValue"),
        *("CreationDateTime", "TableId", "LatestStreamArn", "LatestStreamLabel", "CreateDate"),
        *("createdDate", "lastUpdatedDate", "deploymentId", "metricFilterCount"),
        # What the local cloud shows of one stage alone: the default, or the Swagger's version.
        *("LogGroup", "version"),
    )
)
"""What depends on a time, on chance or on a deploy's secret."""
_CHANCE = re.compile(
    r"(?<=-)\w{12,13}\b"  # CloudFormation's end of a name
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?<=restapis/)\w+|(?<=:)\w{8,10}(?=/\*)"  # an API
)
Shown = dict[str, Any]


class World:
    """A local cloud with the stage that deploy made, and the one that the template made."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint = endpoint
        self.folder = folder

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION)

    def named(self, stage: str, kind: str) -> list[str]:
        """Return the names of the stage's functions, queues or roles."""
        client, operation, field = {
            "functions": ("lambda", "list_functions", "FunctionName"),
            "roles": ("iam", "list_roles", "RoleName"),
        }[kind]
        listed = getattr(self.client(client), operation)()[kind.title()]
        return sorted(one[field] for one in listed if one[field].startswith(f"bienvenue-{stage}"))

    def functions(self, stage: str) -> Shown:
        """Return all that Lambda says of each function, and who may call it."""
        lambda_ = self.client("lambda")
        return {
            name: [
                lambda_.get_function_configuration(FunctionName=name),
                json.loads(lambda_.get_policy(FunctionName=name)["Policy"])["Statement"]
                if name != f"bienvenue-{stage}-send_validation_mail"
                else [],
            ]
            for name in self.named(stage, "functions")
        }

    def roles(self, stage: str) -> Shown:
        """Return the policies of each role."""
        iam = self.client("iam")
        return {
            role: {
                policy: iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
                for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
            }
            for role in self.named(stage, "roles")
        }

    def mapping(self, stage: str) -> Any:
        """Return all settings of the mapping that brings the table's stream to the mailer."""
        function = f"bienvenue-{stage}-send_validation_mail"
        listed = self.client("lambda").list_event_source_mappings(FunctionName=function)
        (mapping,) = listed["EventSourceMappings"]
        local, aws = json.dumps(stage_cloud.ABSENT), json.dumps(cloud.ABSENT)
        for one in mapping["FilterCriteria"]["Filters"]:
            one["Pattern"] = one["Pattern"].replace(aws, local)
        return mapping

    def clock(self, stage: str) -> Any:
        """Return the rules by the clock, with what they call."""
        events = self.client("events")
        rules = events.list_rules(NamePrefix=f"bienvenue-{stage}")["Rules"]
        return [[one, events.list_targets_by_rule(Rule=one["Name"])["Targets"]] for one in rules]

    def alarms(self, stage: str) -> Shown:
        alarms = self.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return {one["AlarmName"]: one for one in alarms if f"-{stage}-" in one["AlarmName"]}

    def dashboard(self, stage: str) -> Any:
        board = self.client("cloudwatch").get_dashboard(DashboardName=f"bienvenue-{stage}")
        return json.loads(board["DashboardBody"])

    def logs(self, stage: str) -> Any:
        """Return the log groups, and the metrics that are counted in them."""
        logs = self.client("logs")
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/bienvenue-{stage}")
        filters = logs.describe_metric_filters()["metricFilters"]
        own = [one for one in filters if f"bienvenue-{stage}" in one["logGroupName"]]
        by_name = sorted(own, key=lambda one: str(one["filterName"]).lower())
        return [groups["logGroups"], by_name]

    def tables(self, stage: str) -> Any:
        """Return all that DynamoDB says of both tables."""
        dynamodb = self.client("dynamodb")
        names = [f"bienvenue-{stage}-{name}" for name in ("users", "limits")]
        return [dynamodb.describe_table(TableName=name)["Table"] for name in names]

    def topics(self, stage: str) -> Shown:
        """Return the subscriptions of each topic."""
        sns = self.client("sns")
        arns = [one["TopicArn"] for one in sns.list_topics()["Topics"]]
        return {
            arn: sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
            for arn in arns
            if f":bienvenue-{stage}" in arn
        }

    def events_of_mail(self, stage: str) -> Any:
        ses = self.client("sesv2")
        name = f"bienvenue-{stage}"
        return [
            ses.get_configuration_set(ConfigurationSetName=name),
            ses.get_configuration_set_event_destinations(ConfigurationSetName=name),
        ]

    def api(self, stage: str) -> Any:
        """Return the API, its routes and its stage."""
        gateway = self.client("apigateway")
        (api,) = [
            one
            for one in gateway.get_rest_apis()["items"]
            if one["tags"]["bienvenue-stage"] == f"bienvenue-{stage}"
        ]
        items = gateway.get_resources(restApiId=api["id"], embed=["methods"], limit=100)["items"]
        routes = {one["path"]: sorted(one.get("resourceMethods", {})) for one in items}
        return [api, routes, gateway.get_stage(restApiId=api["id"], stageName="api")]


def plain(value: Any, stage: str) -> Any:
    """Return ``value`` without the stage's name, and without what differs from stage to stage."""
    if isinstance(value, dict):
        shown = {plain(key, stage): plain(one, stage) for key, one in value.items()}
        return {
            key.replace("~1", ""): one
            for key, one in shown.items()
            if one not in ("", None, {}, [])
            and key not in VOLATILE
            and not key.startswith("aws:cloudformation:")
        }
    if isinstance(value, list):
        return [plain(one, stage) for one in value]
    if isinstance(value, str):
        return _CHANCE.sub("", value.replace(f"bienvenue-{stage}", "bienvenue-STAGE"))
    return value


def differences(left: Any, right: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves in which two values differ, by their paths."""
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        left, right = dict(enumerate(left)), dict(enumerate(right))
    if isinstance(left, dict) and isinstance(right, dict):
        found: dict[str, Any] = {}
        for key in left.keys() | right.keys():
            found |= differences(left.get(key), right.get(key), f"{path}/{key}")
        return found
    return {} if left == right else {path: (left, right)}


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
        deployed = Project(tmp_path / "project", STAGE)

        local_stack.copy(ROOT, tmp_path / "other")
        written = command.write(Project(tmp_path / "other", OTHER), tmp_path / "out")
        s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
        for path in (written, written.with_name(package.NAME)):
            s3.upload_file(str(path), "code", path.name)
        cloudformation = world.client("cloudformation")
        parameters = {
            "Stage": OTHER,
            "MailFrom": local_stack.MAIL_FROM,
            "SecretKey": SECRET,
            "CodeBucket": "code",
            "CodeKey": package.NAME,
            "AlarmsTo": deploying.ALARMS_TO,
            "MailersAtOnce": str(concurrency.MAILER_RESERVE),
            "MailsPerDay": deployed.environment["MAILS_PER_DAY"],
            "MailsPerHour": deployed.environment["MAILS_PER_HOUR"],
        }
        cloudformation.create_stack(
            StackName=f"bienvenue-{OTHER}",
            TemplateURL=f"{endpoint}/code/{written.name}",  # it is too long for a request
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


PARTS = {
    name: look
    for name, look in vars(World).items()
    if name not in ("client", "named") and not name.startswith("_")
}


@pytest.mark.parametrize("part", PARTS)
def test_a_templates_stage_is_what_deploy_makes(world: World, part: str) -> None:
    """All properties, but for what depends on time or chance."""
    made = plain(PARTS[part](world, STAGE), STAGE)
    assert made
    assert differences(made, plain(PARTS[part](world, OTHER), OTHER)) == {}


def test_what_the_local_cloud_does_not_make_is_in_the_template(world: World) -> None:
    """Its CloudFormation drops what becomes of failed calls, the API's endpoint and a reserve."""
    content = json_files.read(world.folder / "out" / "template.json")["Resources"]
    lambda_ = world.client("lambda")
    queue = world.mapping(STAGE)["DestinationConfig"]["OnFailure"]["Destination"]
    for name in (event_invoke_config.FEEDBACK, event_invoke_config.DRAIN):
        properties = content[f"{template.logical(name)}Calls"]["Properties"]
        assert properties.pop("Qualifier") == "$LATEST"
        assert properties.pop("FunctionName") == {"Ref": template.logical(name)}
        made = lambda_.get_function_event_invoke_config(FunctionName=f"bienvenue-{STAGE}-{name}")
        text = json.dumps(properties).replace(
            '{"Fn::GetAtt": ["DeadLetters", "Arn"]}', f'"{queue}"'
        )
        assert function_settings.matches(made, json.loads(text))
        assert function_settings.matches(json.loads(text), event_invoke_config.wanted(queue)[name])
    endpoint = content[template.API]["Properties"]["EndpointConfiguration"]
    assert endpoint["Types"] == world.api(STAGE)[0]["endpointConfiguration"]["types"]
    mailer = content[template.logical(event_source_mapping.FUNCTION)]["Properties"]
    reserve = {"Fn::If": ["BoundsMailer", {"Ref": "MailersAtOnce"}, {"Ref": "AWS::NoValue"}]}
    assert mailer["ReservedConcurrentExecutions"] == reserve


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
