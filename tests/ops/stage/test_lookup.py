"""The stage that a command is about, and the message where there is none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.utils import should_bypass_proxies

from ops.stage import cloud, local_stage, lookup
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError, OpsError
from ops.stage.project import Project

ELSEWHERE: Any = object()


@pytest.fixture(autouse=True)
def environment_is_restored() -> Iterator[None]:
    """A local cloud is made known to the whole process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    account = Cloud(ELSEWHERE, "123456789012", "eu-west-3", lambda *_: "")
    monkeypatch.setattr(cloud, "connect", lambda: account)
    return account


def test_a_stage_of_the_account_is_what_the_checkout_recorded(project: Project, aws: Cloud) -> None:
    project.record({"USERS_TABLE": "people", "BASE_URL": "https://hello.example.org"}, {})
    found = lookup.find(project.folder, "prod", project.folder)
    assert found.cloud is aws
    assert (found.name, found.users_table) == ("prod", "people")
    assert found.base_url == "https://hello.example.org"


@pytest.mark.parametrize("name", ["prod", "nonesuch"])
def test_a_stage_that_was_never_deployed_is_an_error(project: Project, name: str) -> None:
    with pytest.raises(OpsError, match=f"has no settings of a stage {name}(.|\n)*make deploy"):
        lookup.find(project.folder, name, project.folder)


def test_a_rehearsed_deploy_never_reaches_an_account(
    monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:8400")
    here = "AWS_ENDPOINT_URL=http://127.0.0.1:8400 make deploy STAGE=demo MAIL_FROM=<address>"
    with pytest.raises(OpsError, match=f"deploy it:\n{here}\n"):
        lookup.find(project.folder, "demo", project.folder)


def test_a_local_stage_is_found_by_its_stack_json(tmp_path: Path) -> None:
    described = {
        "aws": "http://127.0.0.1:8400",
        "api": "",
        "mailbox": "",
        "region": "",
        "table": "",
        "access_key": "LOCAL1",
        "secret_key": "secret",
    }
    (tmp_path / "stack.json").write_text(json.dumps(described))
    found = lookup.find(tmp_path / "nowhere", "local", tmp_path)
    assert found.project.folder == tmp_path / "project"
    assert found.cloud.session.client("sts").meta.endpoint_url == "http://127.0.0.1:8400"
    assert found.cloud.endpoint == "http://127.0.0.1:8400"
    keys = "AWS_ACCESS_KEY_ID=LOCAL1 AWS_SECRET_ACCESS_KEY=secret"
    assert found.cloud.aws("sts get-caller-identity").startswith(keys)
    assert found.ops("users list") == f"./bienvenue users list --stage local --state {tmp_path}"


def test_where_nothing_runs_it_says_how_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_stage, "STATE", tmp_path / "nothing")
    with pytest.raises(OpsError, match=r"Nothing runs here.*\nmake run$"):
        lookup.find(tmp_path, "local", local_stage.STATE)
    with pytest.raises(OpsError, match=f"Start it:\n./bienvenue run --state {tmp_path} "):
        lookup.find(tmp_path, "local", tmp_path)


@pytest.mark.parametrize(
    ("endpoint", "access_key"),
    [("http://127.0.0.1:8400", "LOCAL1"), ("http://127.0.0.1:4566", "test")],
)
def test_a_rehearsal_on_make_run_uses_its_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: str, access_key: str
) -> None:
    monkeypatch.setattr(local_stage, "STATE", tmp_path)
    stack = {"aws": "http://127.0.0.1:8400", "access_key": "LOCAL1", "secret_key": "secret"}
    (tmp_path / "stack.json").write_text(json.dumps(stack))
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    credentials = lookup.account().session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == access_key


def test_a_deploy_can_be_rehearsed_where_aws_endpoint_url_leads(
    monkeypatch: pytest.MonkeyPatch, aws: Cloud
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:8400")
    assert lookup.account().address("id", "api").startswith("http://127.0.0.1:8400/restapis/id/")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://vpce.example.org")
    assert lookup.account() is aws


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_every_loopback_name_is_a_rehearsal_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, name: str, host: str
) -> None:
    endpoint = f"http://{host}:8400"
    monkeypatch.setenv(name, endpoint)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.org:3128")
    assert lookup.account().endpoint == endpoint
    assert should_bypass_proxies(endpoint)
    assert not should_bypass_proxies("http://packages.example.org")


def test_an_endpoint_in_the_profile_counts_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else a rehearsal would be taken for an account, and recorded as one."""
    config = tmp_path / "config"
    config.write_text("[profile local]\nendpoint_url = http://localhost:4566\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "local")
    assert lookup.account().endpoint == "http://localhost:4566"


@pytest.mark.parametrize("endpoint", ["localhost:8400", "127.0.0.1:8400", "ftp://localhost:8400"])
def test_an_endpoint_that_is_no_url_is_an_error(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(
        DeployError, match=f"not an address: .* to http://{endpoint.split('//')[-1]}"
    ):
        lookup.account()
