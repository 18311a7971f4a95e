"""One stage deployed again and again, as an operator's days go: interrupted, with new code, with a
table made anew, by `python -m ops deploy` and by plain `chalice deploy`."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from ops import dead_letters, event_source, local
from ops.local_cloud import REGION
from ops.project import Project
from tests import local_cloud, stores
from tests.e2e import deploying
from tests.e2e.stack import HTTP, ROOT, wait_for

# Where a deploy is killed, each time further on: what it had just made, it has written nowhere.
LAST_ANSWERS = (
    "cloudformation.ExecuteChangeSet",
    "apigateway.CreateRestApi",
    "lambda.CreateEventSourceMapping",
    "apigateway.CreateDeployment",
)
VOLATILE = ("LastModified", "LastProcessingResult", "ResponseMetadata", "StateTransitionReason")


@dataclass(frozen=True)
class Stage:
    """A stage on a local cloud of its own."""

    endpoint: str
    folder: Path

    @property
    def project(self) -> Project:
        return Project(self.folder, local.STAGE)

    @property
    def api(self) -> str:
        return self.project.environment["BASE_URL"]

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION)

    def deploy(self, command: str = "ops") -> str:
        """Deploy, and return what that printed."""
        done = deploying.run(self.endpoint, self.folder, command)
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
        function = self.project.function(event_source.FUNCTION)
        listed = self.client("lambda").list_event_source_mappings(FunctionName=function)
        return [stable(mapping) for mapping in listed["EventSourceMappings"]]

    def beyond_chalice(self) -> dict[str, Any]:
        """All that Chalice cannot set."""
        function = self.project.function(dead_letters.FUNCTION)
        (api,) = self.client("apigateway").get_rest_apis()["items"]
        stage = self.client("apigateway").get_stage(restApiId=api["id"], stageName="api")
        on_failure = self.client("lambda").get_function_event_invoke_config(FunctionName=function)
        return {
            "mappings": self.mappings(),
            "on failure": stable(on_failure),
            "methods": stage["methodSettings"],
        }

    def mails(self, to: str) -> list[str]:
        """The texts of the mails to an address."""
        listed = HTTP.request("GET", f"{self.endpoint}/_ministack/ses/messages").json()
        mails = [mail for account in listed["messages"].values() for mail in account]
        return [mail["BodyText"] for mail in mails if mail["To"] == [to]]

    def journey(self, email: str) -> None:
        """Sign up, read the one mail, click."""
        answer = HTTP.request("POST", f"{self.api}/users", json={"email": email, "nom": "Horn"})
        assert answer.status == 202, answer.data
        wait_for(lambda: self.item(email).get("mail") == {"S": "sent"}, 20, f"mail to {email}")
        (text,) = self.mails(email)
        link = re.search(r"http://\S+", text)
        assert link
        clicked = HTTP.request("GET", link.group())
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
        local.copy(ROOT, stage.folder)
        stage.client("sesv2").create_email_identity(EmailIdentity=local.MAIL_FROM)
        for last_answer in LAST_ANSWERS:
            killed = deploying.run(endpoint, stage.folder, "ops", last_answer)
            assert killed.returncode == -signal.SIGKILL, killed.stdout
        stage.deploy()
        yield stage


def test_a_deploy_takes_up_what_interrupted_ones_left_and_makes_nothing_twice(
    stage: Stage,
) -> None:
    assert len(stage.client("apigateway").get_rest_apis()["items"]) == 1
    assert len(stage.client("lambda").list_functions()["Functions"]) == 4
    assert len(stage.client("events").list_rules()["Rules"]) == 1
    (topic,) = stage.client("sns").list_topics()["Topics"]
    subscribed = stage.client("sns").list_subscriptions_by_topic(TopicArn=topic["TopicArn"])
    assert len(subscribed["Subscriptions"]) == 1
    (mapping,) = stage.mappings()
    assert mapping["State"] == "Enabled"
    assert mapping["EventSourceArn"] == stage.project.environment["USERS_STREAM_ARN"]
    assert event_source.holds(mapping, event_source.SETTINGS)
    stage.journey("interrupted@example.org")


def test_deploying_again_ships_the_code_and_changes_nothing_else(stage: Stage) -> None:
    before = stage.beyond_chalice()
    stage.add_route("/again")
    printed = stage.deploy()
    for step in ("Backing resources", "Stream to mailer", "Feedback that fails"):
        assert f"✓ {step}: nothing to change" in printed
    assert stage.get("/again") == b"/again"
    assert stage.beyond_chalice() == before


def test_plain_chalice_ships_the_code_and_keeps_what_it_knows_nothing_of(stage: Stage) -> None:
    before = stage.beyond_chalice()
    assert before["methods"]["*/*"]["throttlingRateLimit"] == 50
    assert before["on failure"]["DestinationConfig"]["OnFailure"]
    stage.add_route("/plain")
    stage.deploy("chalice")
    assert stage.get("/plain") == b"/plain"
    assert stage.get("/again") != b"/again"
    assert stage.beyond_chalice() == before
    stage.journey("plain@example.org")


def test_a_table_made_anew_is_noticed_and_mails_go_out_again(stage: Stage) -> None:
    dynamodb, table = stage.client("dynamodb"), stage.project.environment["USERS_TABLE"]
    (before,) = stage.mappings()
    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=table)
    stores.create(dynamodb, table)

    stage.deploy()
    (mapping,) = stage.mappings()
    new_stream = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    assert mapping["EventSourceArn"] == new_stream != before["EventSourceArn"]
    assert event_source.holds(mapping, event_source.SETTINGS)
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "ENABLED"
    stage.journey("anew@example.org")


def test_plain_chalice_says_what_to_run_first_where_there_is_no_table_yet(tmp_path: Path) -> None:
    local.copy(ROOT, tmp_path)
    done = deploying.run("http://127.0.0.1:9", tmp_path, "chalice")  # where nobody listens
    assert done.returncode != 0
    *_, last = done.stdout.strip().splitlines()
    assert "USERS_TABLE is missing" in last
    assert last.endswith("make deploy STAGE=<stage> MAIL_FROM=<address>")
