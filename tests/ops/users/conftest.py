"""The command `users`, typed at a stage in moto."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from chalicelib.mail.limits import Limits
from ops.__main__ import ops
from ops.stage import lookup
from ops.stage.cloud import Cloud
from ops.stage.lookup import Stage
from ops.stage.project import Project
from tests.support.stores import Store

Users = Callable[..., Result]
LIMITS = "users-limits"
"""The table beside the store's."""


@pytest.fixture
def session() -> boto3.Session:
    return boto3.Session()


@pytest.fixture
def users(
    store: Store, project: Project, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> Users:
    """Run `python -m ops users --stage prod …` in a folder of its own."""
    environment = {
        "USERS_TABLE": store.table,
        "BASE_URL": "https://hello.example.org",
        "LIMITS_TABLE": LIMITS,
        "MAILS_PER_DAY": "200",
        "SECRET_KEY": "not-a-secret-but-as-long-as-one-is",
    }
    project.record(environment, {})
    cloud = Cloud(session, "1", "eu-west-3", "{}/{}".format, operator="arn:aws:iam::1:user/zoe")
    monkeypatch.setattr(lookup, "find", lambda *_: Stage(cloud, project))
    monkeypatch.chdir(project.folder)

    def typed(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(ops, ["users", "--stage", "prod", *arguments], **options)

    return typed


@pytest.fixture
def limits(store: Store) -> Limits:
    """The stage's table of limits, empty."""
    return Limits(store.client, LIMITS, 200, None)
