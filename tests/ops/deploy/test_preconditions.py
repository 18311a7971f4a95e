"""What is refused before anything is made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from ops.deploy import preconditions
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project

FUNCTIONS = ("api_handler", "send_validation_mail", "record_mail_feedback", "resend_owed_mail")


def stage(project: Project, name: str = "prod", **config: Any) -> Project:
    """Return a stage of an app with all its functions, and with these entries in config.json."""
    path = project.folder / ".chalice" / "config.json"
    functions: dict[str, Any] = {function: {} for function in FUNCTIONS}
    content = {**project.config(), "lambda_functions": functions, **config}
    path.write_text(json.dumps(content), encoding="utf-8")
    return Project(project.folder, name)


def cloud(region: str = "eu-west-3", endpoint: str = "") -> Cloud:
    return Cloud(boto3.Session(), "123456789012", region, "{}/{}".format, endpoint=endpoint)


def test_an_app_with_another_name_is_refused(project: Project) -> None:
    """Its users would stay in a table that nothing asks."""
    prod = stage(project)
    prod.record({"USERS_TABLE": "bienvenue-prod-users"}, {})
    preconditions.check_app(prod)
    renamed = stage(project, app_name="welcome")
    with pytest.raises(DeployError, match="users in bienvenue-prod-users, but with the app_name"):
        preconditions.check(cloud(), renamed)


@pytest.mark.parametrize("name", ["my_app", "1app", "app.org", "app name"])
def test_an_app_that_no_stack_can_be_named_after_is_refused(project: Project, name: str) -> None:
    with pytest.raises(DeployError, match="must be letters, digits and hyphens, a letter first"):
        preconditions.check(cloud(), stage(project, app_name=name))


@pytest.mark.parametrize(
    ("app", "name", "excess"), [("bienvenue", "s" * 32, 1), ("a" * 46, "dev", 9)]
)
def test_a_name_that_is_too_long_for_aws_is_refused(
    project: Project, app: str, name: str, excess: int
) -> None:
    """The longest is that of the rule that calls a function by the clock."""
    with pytest.raises(DeployError, match=f"resend_owed_mail-event is {excess} characters too"):
        preconditions.check(cloud(), stage(project, name, app_name=app))
    shorter = {"app_name": app[excess:]} if len(app) > len(name) else {"app_name": app}
    name = name if len(app) > len(name) else name[excess:]
    preconditions.check(cloud(), stage(project, name, **shorter))


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("ap-east-1", "not in ap-east-1, .* for instance ap-northeast-1"),
        ("cn-north-1", "not in cn-north-1, .* outside China"),
    ],
)
def test_a_region_without_ses_is_refused(project: Project, region: str, words: str) -> None:
    with pytest.raises(DeployError, match=words):
        preconditions.check(cloud(region), stage(project))


@pytest.mark.parametrize("region", ["eu-south-1", "eu-central-2", "af-south-1", "us-gov-west-1"])
def test_every_region_with_ses_is_taken(project: Project, region: str) -> None:
    preconditions.check(cloud(region), stage(project))


def test_the_local_cloud_is_in_every_region(project: Project) -> None:
    preconditions.check(cloud("nowhere-1", "http://127.0.0.1:8400"), stage(project))


@pytest.mark.parametrize("folder", ["deployed", "deployments"])
def test_a_checkout_that_cannot_be_written_is_refused(project: Project, folder: str) -> None:
    """Else all resources are made, and then nothing of them is recorded."""
    (project.folder / ".chalice" / folder).touch()  # a file: also root cannot write into it
    with pytest.raises(DeployError, match="not record its result"):
        preconditions.check(cloud(), stage(project))


def test_the_preconditions_change_nothing_in_the_checkout(project: Project) -> None:
    prod = stage(project)
    before = sorted(Path(project.folder).rglob("*"))
    preconditions.check(cloud(), prod)
    assert sorted(Path(project.folder).rglob("*")) == before


def test_a_checkout_without_write_access_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(DeployError, match="not record its result"):
        preconditions.check(cloud(), stage(project))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (False, 'must be text in quotes, but it is false: write "false"'),
        (3, 'but it is 3: write "3"'),
        (None, "but it is null: remove it"),
        ({"a": 1}, "must be text in quotes"),
    ],
)
@pytest.mark.parametrize("of_the_stage", [True, False])
def test_a_setting_that_is_no_text_is_refused_by_name(
    project: Project, value: object, words: str, of_the_stage: bool
) -> None:
    settings = {"environment_variables": {"VALIDATE_ON_GET": value}}
    config: dict[str, Any] = {"stages": {"prod": settings}} if of_the_stage else settings
    with pytest.raises(DeployError, match=f"The setting VALIDATE_ON_GET in .*{words}"):
        preconditions.check(cloud(), stage(project, **config))


@pytest.mark.parametrize(
    "config",
    [
        {"environment_variables": []},
        {"stages": {"prod": {"environment_variables": "DEFAULT_LANG=en"}}},
        {"stages": {"prod": []}},
        {"stages": ["prod"]},
    ],
)
def test_a_config_of_another_shape_is_refused(project: Project, config: dict[str, Any]) -> None:
    with pytest.raises(DeployError, match=r"must be (an object|objects)"):
        preconditions.check(cloud(), stage(project, **config))


def test_nothing_is_asked_of_aws_for_all_this(project: Project) -> None:
    session: Any = SimpleNamespace(
        get_partition_for_region=lambda _: "aws", get_available_regions=lambda *_: ["eu-west-3"]
    )
    offline = Cloud(session, "123456789012", "eu-west-3", "{}/{}".format)
    preconditions.check(offline, stage(project))
