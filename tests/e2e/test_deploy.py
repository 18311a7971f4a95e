"""One stage deployed again and again, by ops and by plain Chalice.

Deploys are interrupted, have new code and a table made again. In the end the stage is taken down
and brought back.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from ops.resources.api import client_limit
from ops.resources.functions import (
    concurrency,
    event_invoke_config,
    event_source_mapping,
    function_logs,
)
from ops.run import local_stack
from ops.stage import local_stage, parameter_store
from ops.stage.local_cloud import ABSENT, ACCOUNT, REGION
from ops.stage.project import Project
from tests.e2e import deploying
from tests.e2e.stack import HTTP, ROOT, wait_for
from tests.support import local_cloud, stores

# Where a deploy is killed, each time further on: what it had just made, it has written nowhere.
LAST_ANSWERS = (
    "cloudformation.ExecuteChangeSet",
    "apigateway.CreateRestApi",
    "lambda.CreateEventSourceMapping",
    "apigateway.CreateDeployment",
)
# The local cloud gets a new Swagger document in single calls, some of which delete.
NOT_ON_AWS = {"ship-code": {"apigateway:DELETE"}}
# Where taking it down is killed.
LAST_REMOVALS = (
    "apigateway.DeleteRestApi",
    "lambda.DeleteFunction",
    "cloudformation.DeleteStack",
    "logs.DeleteLogGroup",
)
SETTINGS = {**event_source_mapping.SETTINGS, "FilterCriteria": event_source_mapping.filters(ABSENT)}
VOLATILE = ("LastModified", "LastProcessingResult", "ResponseMetadata", "StateTransitionReason")


@dataclass(frozen=True)
class Stage:
    """A stage on a cloud of its own, as the checkout in ``folder`` knows it."""

    endpoint: str
    folder: Path
    cloud: str = "local"

    @property
    def project(self) -> Project:
        return Project(self.folder, local_stage.STAGE)

    @property
    def api(self) -> str:
        return self.project.environment["BASE_URL"]

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION)

    def deploy(self, command: str = "ops") -> str:
        """Deploy, and return what that printed."""
        done = deploying.run(self.endpoint, self.folder, command, cloud=self.cloud)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def add_route(self, path: str) -> None:
        """Have app.py answer GET ``path``, and no other path that was added before."""
        app = (ROOT / "app.py").read_text(encoding="utf-8")
        route = f"@app.route({path!r})\ndef added():\n    return Response({path!r})\n"
        (self.folder / "app.py").write_text(f"{app}\n\n{route}", encoding="utf-8")

    def get(self, path: str) -> bytes:
        return HTTP.request("GET", self.api + path).data

    def mappings(self) -> list[dict[str, Any]]:
        function = self.project.function(event_source_mapping.FUNCTION)
        listed = self.client("lambda").list_event_source_mappings(FunctionName=function)
        return [stable(mapping) for mapping in listed["EventSourceMappings"]]

    def beyond_chalice(self) -> dict[str, Any]:
        """Return all settings that Chalice cannot make."""
        function = self.project.function(event_invoke_config.FEEDBACK)
        (api,) = self.client("apigateway").get_rest_apis()["items"]
        stage = self.client("apigateway").get_stage(restApiId=api["id"], stageName="api")
        on_failure = self.client("lambda").get_function_event_invoke_config(FunctionName=function)
        functions = self.client("lambda").list_functions()["Functions"]
        return {
            "reserved": self.reserved(),
            "logging": {one["FunctionName"]: one["LoggingConfig"] for one in functions},
            "retention": self.retention(),
            "mappings": self.mappings(),
            "on failure": stable(on_failure),
            "methods": stage["methodSettings"],
        }

    def reserved(self) -> int:
        """Return how many functions are reserved for the mailer; 0 for none."""
        function = self.project.function(event_source_mapping.FUNCTION)
        answer = self.client("lambda").get_function_concurrency(FunctionName=function)
        return int(answer.get("ReservedConcurrentExecutions") or 0)

    def retention(self) -> dict[str, int]:
        """Return the log groups, and the days that each keeps its logs."""
        groups = self.client("logs").describe_log_groups()["logGroups"]
        return {one["logGroupName"]: one["retentionInDays"] for one in groups}

    def mails(self, to: str) -> list[str]:
        """Return the texts of the mails to an address."""
        return local_cloud.mails(self.endpoint, to)

    def journey(self, email: str) -> None:
        """Sign up, read the one mail, click."""
        answer = HTTP.request("POST", f"{self.api}/users", json={"email": email, "nom": "Horn"})
        assert answer.status == 202, answer.data
        wait_for(lambda: self.item(email).get("mail") == {"S": "sent"}, 20, f"mail to {email}")
        (text,) = self.mails(email)
        link = re.search(r"http://\S+/validate\S+", text)
        assert link
        clicked = HTTP.request("GET", link.group(), headers={"Accept": "application/json"})
        assert clicked.json()["status"] == "validated"

    def item(self, email: str) -> dict[str, Any]:
        found = self.client("dynamodb").get_item(
            TableName=self.project.environment["USERS_TABLE"], Key={"email": {"S": email}}
        )
        return found.get("Item", {})


def stable(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name not in VOLATILE}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose first deploy was killed again and again, and then left to finish."""
    tmp_path = tmp_path_factory.mktemp("deploy")
    with local_cloud.running(tmp_path / "cloud.log") as endpoint:
        stage = Stage(endpoint, tmp_path / "project")
        local_stack.copy(ROOT, stage.folder)
        stage.client("sesv2").create_email_identity(EmailIdentity=local_stack.MAIL_FROM)
        # As Lambda made them before the stack did: without an end.
        stage.client("logs").create_log_group(logGroupName="/aws/lambda/bienvenue-local")
        for last_answer in LAST_ANSWERS:
            killed = deploying.run(endpoint, stage.folder, "ops", last_answer)
            assert killed.returncode == -signal.SIGKILL, killed.stdout
        stage.deploy()
        yield stage


def test_a_deploy_goes_on_where_others_were_interrupted(
    stage: Stage,
) -> None:
    assert len(stage.client("apigateway").get_rest_apis()["items"]) == 1
    assert len(stage.client("lambda").list_functions()["Functions"]) == 4
    assert len(stage.client("events").list_rules()["Rules"]) == 1
    topic = stage.project.environment["MAIL_FEEDBACK_TOPIC_ARN"]
    subscribed = stage.client("sns").list_subscriptions_by_topic(TopicArn=topic)
    assert len(subscribed["Subscriptions"]) == 1
    (mapping,) = stage.mappings()
    assert mapping["State"] == "Enabled"
    assert mapping["EventSourceArn"] == stage.project.environment["USERS_STREAM_ARN"]
    assert event_source_mapping.matches(mapping, SETTINGS)
    assert stage.reserved() == concurrency.MAILER_RESERVE
    stage.journey("interrupted@example.org")


def test_alarms_have_their_subscriber_and_one_dashboard(stage: Stage) -> None:
    cloudwatch, sns = stage.client("cloudwatch"), stage.client("sns")
    (topic,) = [one["TopicArn"] for one in sns.list_topics()["Topics"] if "alarms" in str(one)]
    alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    assert len(alarms) == 19
    for alarm in alarms:
        assert alarm["AlarmName"].startswith(f"{stage.project.full_name}-")
        assert alarm["AlarmActions"] == [topic]
    (subscribed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscribed["Protocol"], subscribed["Endpoint"]) == ("email", deploying.ALARMS_TO)
    body = cloudwatch.get_dashboard(DashboardName=stage.project.full_name)["DashboardBody"]
    assert "${" not in body
    assert len(json.loads(body)["widgets"]) == 16


def test_logs_are_in_json_kept_for_a_time_and_counted(stage: Stage) -> None:
    functions = stage.client("lambda").list_functions()["Functions"]
    groups = {f"/aws/lambda/{one['FunctionName']}" for one in functions}
    assert stage.retention() == dict.fromkeys(groups, function_logs.FIRST_DAYS)
    for function in functions:
        assert function_logs.matches(function["LoggingConfig"], function_logs.FORMAT)
    filters = stage.client("logs").describe_metric_filters()["metricFilters"]
    assert {one["logGroupName"] for one in filters} == groups


def test_deploying_again_ships_the_code_and_changes_nothing_else(stage: Stage) -> None:
    before = stage.beyond_chalice()
    stage.add_route("/again")
    printed = stage.deploy()
    for step in (
        "Backing resources",
        "Logs",
        "Alarms",
        "Stream to mailer",
        "Calls that fail",
        "Throttling",
    ):
        assert f"✓ {step}: nothing to change" in printed
    shipped = re.search("✓ Functions: (.*?)  ", printed)
    assert shipped
    assert sorted(shipped[1].split(", ")) == sorted(stage.project.functions())
    assert stage.get("/again") == b"/again"
    assert stage.beyond_chalice() == before


def test_what_was_deleted_by_hand_beside_the_stack_is_put_back(stage: Stage) -> None:
    """CloudFormation believes all of it to be there still."""
    logs, cloudwatch = stage.client("logs"), stage.client("cloudwatch")
    group, alarm = "/aws/lambda/bienvenue-local", f"{stage.project.full_name}-dead-letters"
    before = filters(logs), alarms(cloudwatch)
    logs.delete_log_group(logGroupName=group)
    cloudwatch.delete_alarms(AlarmNames=[alarm])
    printed = stage.deploy()
    assert "SignedUpCount, ResendAskedForCount, ValidatedCount put back" in printed
    assert "✓ Alarms: dead-letters put back" in printed
    assert "✓ Functions: nothing to change" in printed
    assert (filters(logs), alarms(cloudwatch)) == before
    assert stage.retention()[group] == function_logs.FIRST_DAYS


def filters(logs: Any) -> list[Any]:
    """Return the metric filters, but for when they were made."""
    found = logs.describe_metric_filters()["metricFilters"]
    return [{**one, "creationTime": 0} for one in found]


def alarms(cloudwatch: Any) -> dict[str, Any]:
    """Return the alarms' actions by the alarms' names."""
    told = ("Dimensions", "AlarmActions", "OKActions", "Threshold", "Period", "TreatMissingData")
    found = cloudwatch.describe_alarms()["MetricAlarms"]
    return {one["AlarmName"]: [one.get(name) for name in told] for one in found}


def test_plain_chalice_ships_code_and_keeps_all_else(stage: Stage) -> None:
    before = stage.beyond_chalice()
    limits = {method: one["throttlingRateLimit"] for method, one in before["methods"].items()}
    assert sorted(limits.values()) == [5, 5, 50]
    assert before["on failure"]["DestinationConfig"]["OnFailure"]
    assert {one["LogFormat"] for one in before["logging"].values()} == {"JSON"}
    stage.add_route("/plain")
    stage.deploy("chalice")
    assert stage.get("/plain") == b"/plain"
    assert stage.get("/again") != b"/again"
    assert stage.beyond_chalice() == before
    stage.journey("plain@example.org")


def test_a_clean_checkout_deploys_after_ops_record(stage: Stage) -> None:
    """Chalice's record is not in git. Without it, Chalice would make what exists already: AWS
    refuses a second mapping, the local cloud does not. The settings are not in git either."""
    before, settings = stage.beyond_chalice(), stage.project.own_settings()
    record = stage.folder / ".chalice" / "deployed" / f"{local_stage.STAGE}.json"
    record.unlink()
    stage.project.own.unlink()
    stage.add_route("/elsewhere")
    assert "4 functions" in stage.deploy("record")
    assert stage.project.own_settings() == settings
    stage.deploy("chalice")
    assert stage.get("/elsewhere") == b"/elsewhere"
    assert len(stage.client("apigateway").get_rest_apis()["items"]) == 1
    assert stage.beyond_chalice() == before
    record.unlink()
    stage.project.own.unlink()
    stage.deploy()
    shipped = stage.project.own_settings()
    assert shipped.pop("package") != settings.pop("package")  # its code has another route now
    assert shipped == settings
    assert len(stage.client("apigateway").get_rest_apis()["items"]) == 1
    assert stage.beyond_chalice() == before


def test_a_table_made_anew_is_noticed_and_mails_go_out_again(stage: Stage) -> None:
    dynamodb, table = stage.client("dynamodb"), stage.project.environment["USERS_TABLE"]
    (before,) = stage.mappings()
    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=table)
    stores.create_users(dynamodb, table)

    stage.deploy()
    (mapping,) = stage.mappings()
    new_stream = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    assert mapping["EventSourceArn"] == new_stream != before["EventSourceArn"]
    assert event_source_mapping.matches(mapping, SETTINGS)
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "ENABLED"
    stage.journey("anew@example.org")


def test_a_limit_by_client_is_put_before_the_api_and_removed(stage: Stage) -> None:
    """It is left on, so that destroy has one to remove."""
    asked = (stage.folder / deploying.ASKED.format("ops")).read_text(encoding="utf-8")
    assert "wafv2" not in asked  # who has no such limit needs none of its permissions
    printed = stage.deploy("limit")
    step, price = "✓ Limit by client: 30 POSTs of one IP address in five minutes", "$6.00 a month"
    assert step in printed
    assert printed.index(price) < printed.index("✓ Backing resources")
    assert "✓ Limit by client on the API: on" in printed
    assert web_acl(stage) == "bienvenue-local"
    assert stage.get("/openapi.json")
    assert "✓ Limit by client on the API: nothing to change" in stage.deploy()
    assert "✓ Limit by client: off" in stage.deploy("no-limit")
    assert web_acl(stage) == ""
    assert stage.client("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"] == []
    assert "Limit by client" not in stage.deploy()
    stage.deploy("limit")


def web_acl(stage: Stage) -> str:
    """Return the name of the web ACL before the API; empty if there is none."""
    (api,) = stage.client("apigateway").get_rest_apis()["items"]
    arn = f"arn:aws:apigateway:{REGION}::/restapis/{api['id']}/stages/api"
    found = client_limit.find(stage.client("wafv2"), arn)
    return found["Name"] if found else ""


def left(stage: Stage) -> dict[str, list[str]]:
    """Everything in the account that a deploy could have made."""
    found = {
        "functions": stage.client("lambda").list_functions()["Functions"],
        "mappings": stage.client("lambda").list_event_source_mappings()["EventSourceMappings"],
        "apis": stage.client("apigateway").get_rest_apis()["items"],
        "rules": stage.client("events").list_rules()["Rules"],
        "topics": stage.client("sns").list_topics()["Topics"],
        "subscriptions": stage.client("sns").list_subscriptions()["Subscriptions"],
        "queues": stage.client("sqs").list_queues().get("QueueUrls", []),
        "roles": stage.client("iam").list_roles()["Roles"],
        "alarms": stage.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": stage.client("cloudwatch").list_dashboards()["DashboardEntries"],
        "logs": stage.client("logs").describe_log_groups()["logGroups"],
        "configuration sets": stage.client("sesv2").list_configuration_sets()["ConfigurationSets"],
        "web ACLs": stage.client("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"],
        "tables": stage.client("dynamodb").list_tables()["TableNames"],
        "parameters": stage.client("ssm").describe_parameters()["Parameters"],
        "identities": stage.client("sesv2").list_email_identities()["EmailIdentities"],
    }
    return {name: those for name, those in found.items() if those}


def add_double(stage: Stage) -> None:
    """Make a second API of the stage, as a `chalice deploy` without its record does."""
    double = stage.client("apigateway").create_rest_api(name="bienvenue")["id"]
    stage.client("lambda").add_permission(
        FunctionName=stage.project.function("api_handler"),
        StatementId="double",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{double}/*",
    )


def test_destroy_leaves_the_users_for_a_later_deploy(stage: Stage) -> None:
    """Killed again and again on the way down, too, and without Chalice's record of what it made."""
    users = stage.project.users_table
    stage.journey("faithful@example.org")
    before = stage.item("faithful@example.org")
    secret = {"SECRET_KEY": f"ssm:{stage.project.parameter('SECRET_KEY')}"}
    before_secret = parameter_store.resolve(stage.client("ssm"), secret)
    (stage.folder / ".chalice" / "deployed" / f"{local_stage.STAGE}.json").unlink()
    add_double(stage)
    for last_answer in LAST_REMOVALS:
        killed = deploying.run(stage.endpoint, stage.folder, "destroy", last_answer)
        assert killed.returncode == -signal.SIGKILL, killed.stdout
    printed = stage.deploy("destroy")
    assert f"still in the table {users}" in printed
    remains = left(stage)
    assert set(remains) == {"tables", "identities", "parameters"}
    assert sorted(remains["tables"]) == [stage.project.limits_table, users]
    assert stage.project.environment == secret
    assert parameter_store.resolve(stage.client("ssm"), secret) == before_secret
    assert "nothing to remove" in stage.deploy("destroy")

    assert "Users taken over" in stage.deploy()
    assert stage.item("faithful@example.org") == before
    assert len(stage.mails("faithful@example.org")) == 1
    stage.journey("returned@example.org")


def test_users_that_are_to_go_go_too(stage: Stage) -> None:
    printed = stage.deploy("destroy-users")
    assert f"{stage.project.users_table} deleted" in printed
    assert set(left(stage)) == {"identities"}
    assert not stage.project.own.exists()


@pytest.mark.parametrize(
    ("policies", "commands", "some"),
    [
        (
            "deploy client-limit",
            ["ops", "limit", "no-limit"],
            {"cloudformation:CreateChangeSet", "lambda:CreateFunction", "wafv2:AssociateWebACL"},
        ),
        ("ship-code", ["record", "chalice"], {"lambda:UpdateFunctionCode", "apigateway:POST"}),
        (
            "destroy",
            ["destroy", "destroy-users"],
            {"dynamodb:DeleteTable", "apigateway:DELETE", "wafv2:DisassociateWebACL"},
        ),
    ],
)
def test_no_command_needs_what_its_policy_does_not_give(
    stage: Stage, policies: str, commands: list[str], some: set[str]
) -> None:
    paths = [ROOT / "docs" / "policies" / f"{policy}.json" for policy in policies.split()]
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    given = {
        action
        for document in documents
        for statement in document["Statement"]
        for action in statement["Action"]
    }
    files = [stage.folder / deploying.ASKED.format(command) for command in commands]
    asked = {permission for file in files for permission in file.read_text().split()}
    assert some <= asked
    assert asked - given <= NOT_ON_AWS.get(policies, set())


def test_plain_chalice_without_a_table_says_what_to_run_first(tmp_path: Path) -> None:
    local_stack.copy(ROOT, tmp_path)
    done = deploying.run("http://127.0.0.1:9", tmp_path, "chalice")  # where nobody listens
    assert done.returncode != 0
    *_, last = done.stdout.strip().splitlines()
    assert "USERS_TABLE is missing" in last
    assert last.endswith("make deploy STAGE=<stage> MAIL_FROM=<address>")
