"""A stage's life on moto's server, deployed as on AWS, with nothing mended."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from ops.run import local_stack
from ops.stage import local_stage
from tests.e2e import deploying
from tests.e2e.stack import HTTP, ROOT
from tests.e2e.test_deploy import SETTINGS, Stage, add_double, left
from tests.support import moto_server

NOT_GREEN = {
    "red API, Answer": "no function runs in moto",
    "grey Delivery, MAIL FROM": "nobody delivers mail of a run on this machine",
    "grey Delivery, SPF": "the same",
    "grey Delivery, DMARC": "the same",
    "grey Delivery, Links' domain": "the same",
    "amber Functions, Concurrency": "the account is new, and has 10 in all",
    "amber Stack, Drift": "moto compares no stack with what is there",
    "grey Stream, Lag": "nothing is measured",
    "red Mail, Sender": "the domain is new, and nobody adds its DNS records",
    "grey Mail, DKIM": "the same",
    "amber Mail, Sandbox": "the account is new",
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose first deploy was killed on its way, and then left to finish."""
    folder = tmp_path_factory.mktemp("moto") / "project"
    with moto_server.running() as endpoint:
        local_stack.copy(ROOT, folder)
        last_answer = "lambda.CreateEventSourceMapping"
        killed = deploying.run(endpoint, folder, "ops", last_answer, cloud="moto")
        assert killed.returncode == -signal.SIGKILL, killed.stdout
        stage = Stage(endpoint, folder, "moto")
        stage.deploy()
        yield stage


@pytest.fixture(scope="module")
def checkout(stage: Stage) -> Stage:
    """The stage as another checkout knows it: with its settings, and without Chalice's record."""
    folder = stage.folder.with_name("checkout")
    local_stack.copy(ROOT, folder)
    config = Path(".chalice", "config.json")
    shutil.copy(stage.folder / config, folder / config)
    return replace(stage, folder=folder)


def not_green(stage: Stage) -> set[str]:
    """The doctor's findings that are worth a look."""
    lines = [line.partition(": ")[0] for line in stage.deploy("doctor").splitlines()]
    return {line for line in lines if not line.startswith("green")}


def shipped_package(stage: Stage) -> ZipFile:
    """The package that the stage's functions run."""
    function = stage.client("lambda").get_function(FunctionName=stage.project.full_name)
    return ZipFile(BytesIO(HTTP.request("GET", function["Code"]["Location"]).data))


def count(stage: Stage) -> tuple[int, int, int, int]:
    """The functions, mappings, rules and APIs that there are."""
    return (
        len(stage.client("lambda").list_functions()["Functions"]),
        len(stage.mappings()),
        len(stage.client("events").list_rules()["Rules"]),
        len(stage.client("apigateway").get_rest_apis()["items"]),
    )


def test_a_second_deploy_finds_all_that_the_first_made(stage: Stage) -> None:
    assert count(stage) == (4, 1, 1, 1)
    (mapping,) = stage.mappings()
    assert {name: mapping[name] for name in SETTINGS if name != "FilterCriteria"} == {
        name: value for name, value in SETTINGS.items() if name != "FilterCriteria"
    }
    before = stage.beyond_chalice()
    printed = stage.deploy()
    for step in (
        *("Backing resources", "Functions", "Logs", "Alarms", "Stream to mailer"),
        *("Calls that fail", "Throttling"),
    ):
        assert f"✓ {step}: nothing to change" in printed
    assert stage.beyond_chalice() == before


def test_the_doctor_finds_nothing_that_a_deploy_left_out(stage: Stage) -> None:
    assert not_green(stage) == set(NOT_GREEN)


def test_an_account_that_grew_bounds_the_mailer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "10 functions at once in the account, too few" in stage.deploy()
    limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}
    with monkeypatch.context() as patch:
        patch.setitem(moto_server.ANSWERS, moto_server.ACCOUNT_SETTINGS, {"AccountLimit": limit})
        assert "of which the mailer takes at most 20" in stage.deploy()
        stage.deploy("chalice")
        assert stage.reserved() == 20
        assert not_green(stage) == set(NOT_GREEN) - {"amber Functions, Concurrency"}
    stage.deploy()
    assert stage.reserved() == 0


def test_plain_chalice_leaves_the_own_address_switched_off(stage: Stage) -> None:
    """A document that says nothing of the address switches it on, on AWS and here."""
    gateway = stage.client("apigateway")
    (api,) = gateway.get_rest_apis()["items"]

    def is_off() -> bool:
        return bool(gateway.get_rest_api(restApiId=api["id"])["disableExecuteApiEndpoint"])

    assert not is_off()
    change = {"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}
    gateway.update_rest_api(restApiId=api["id"], patchOperations=[change])
    stage.deploy("chalice")
    assert is_off()
    silent = b'{"swagger": "2.0", "info": {"title": "bienvenue", "version": "1"}, "paths": {}}'
    gateway.put_rest_api(restApiId=api["id"], mode="overwrite", body=silent)
    assert not is_off()
    stage.deploy("chalice")


def test_another_checkout_ships_its_code_by_plain_chalice(stage: Stage, checkout: Stage) -> None:
    before = stage.beyond_chalice()
    functions = stage.client("lambda").list_functions()["Functions"]
    assert "4 functions" in checkout.deploy("record")
    checkout.add_route("/elsewhere")
    for path in checkout.folder.rglob("*.py"):
        path.chmod(0o600)  # as under `umask 077`
    checkout.deploy("chalice")
    shipped = stage.client("lambda").list_functions()["Functions"]
    assert {one["CodeSha256"] for one in shipped}.isdisjoint(one["CodeSha256"] for one in functions)
    assert stage.beyond_chalice() == before
    assert not_green(checkout) == set(NOT_GREEN)
    package = shipped_package(checkout)
    assert {entry.external_attr >> 16 for entry in package.infolist()} == {0o100644}
    assert any(name.endswith(".pyc") for name in package.namelist())


def test_a_second_api_is_seen_and_taken_down_with_the_rest(checkout: Stage) -> None:
    add_double(checkout)
    assert not_green(checkout) - set(NOT_GREEN) == {"amber API, Only one"}
    (checkout.folder / ".chalice" / "deployed" / f"{local_stage.STAGE}.json").unlink()
    checkout.deploy("destroy")
    assert set(left(checkout)) == {"tables", "identities", "parameters"}


def test_a_stage_that_comes_back_finds_its_users(checkout: Stage) -> None:
    dynamodb, users = checkout.client("dynamodb"), checkout.project.users_table
    dynamodb.put_item(TableName=users, Item={"email": {"S": "faithful@example.org"}})
    checkout.deploy()
    assert count(checkout) == (4, 1, 1, 1)
    assert checkout.item("faithful@example.org")
    checkout.deploy("destroy-users")
    assert set(left(checkout)) == {"identities"}
    checkout.client("sesv2").delete_email_identity(EmailIdentity="example.org")


def test_a_trial_takes_all_down_that_it_made(checkout: Stage) -> None:
    """No function runs in moto, so what needs one fails; the rest goes on, and all is removed."""
    report = checkout.deploy("trial")
    assert "# A trial of Bienvenue: failed: API, Doctor, Mail\n" in report
    assert "| Destroy |" in report
    assert report.count("nothing is left") == 3  # as it happens, in the table and its transcript
    assert moto_server.ACCOUNT not in report.partition("# A trial")[2]
    assert left(checkout) == {}
