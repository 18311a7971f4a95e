"""The command `mail`."""

from __future__ import annotations

import boto3
import pytest
from click.testing import CliRunner

from chalicelib.mail.limits import Limits
from ops.__main__ import ops
from ops.stage import lookup
from ops.stage.cloud import Cloud
from ops.stage.lookup import Stage
from ops.stage.project import Project
from tests.support.stores import Store, create_limits, typed

RESUME = ["mail", "--stage", "prod", "resume"]


@pytest.fixture
def limits(store: Store, project: Project, monkeypatch: pytest.MonkeyPatch) -> Limits:
    """The table of limits of a stage that the command line finds."""
    project.record({"LIMITS_TABLE": "limits"}, {})
    cloud = Cloud(boto3.Session(), "1", "eu-west-3", "{}/{}".format)
    monkeypatch.setattr(lookup, "find", lambda *_: Stage(cloud, project))
    create_limits(store.client, "limits")
    return Limits(store.client, "limits", None, None)


def test_resume_lifts_the_brake(limits: Limits) -> None:
    limits.table.client.put_item(
        TableName="limits", Item=typed({"name": "mail", "brake": "8 %", "brake_at": "2031"})
    )
    done = CliRunner().invoke(ops, RESUME)
    assert done.stdout == "The brake is lifted. Owed mail goes out within a minute.\n"
    assert "brake" not in limits.state()


@pytest.mark.usefixtures("limits")
def test_resume_without_a_brake_changes_nothing() -> None:
    done = CliRunner().invoke(ops, RESUME)
    assert (done.exit_code, done.stdout) == (0, "The brake is not on: nothing was changed.\n")


def test_an_error_of_aws_is_a_sentence(limits: Limits) -> None:
    limits.table.client.delete_table(TableName="limits")
    done = CliRunner().invoke(ops, RESUME)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: AWS refused UpdateItem")


def test_help_names_the_permissions() -> None:
    assert (
        "Permissions: dynamodb:UpdateItem"
        in CliRunner().invoke(ops, ["mail", "resume", "--help"]).output
    )
