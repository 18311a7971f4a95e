"""The clients of the command `users`."""

from __future__ import annotations

import boto3

from ops.stage import parameter_store
from ops.stage.cloud import Cloud
from ops.stage.lookup import Stage
from ops.stage.project import Project
from ops.users import clients
from tests.support.stores import SECRET, Store

EMAIL = "alexis@example.org"


def test_mailboxes_are_known_by_the_key_in_parameter_store(
    moto_store: Store, project: Project
) -> None:
    """The setting only refers to it. Else `users allow` would lift no refusal."""
    parameter_store.write_secret(boto3.client("ssm"), "/bienvenue/key", SECRET)
    limits = moto_store.mailboxes.table.name
    project.record({"SECRET_KEY": "ssm:/bienvenue/key", "LIMITS_TABLE": limits}, {})
    stage = Stage(Cloud(boto3.Session(), "1", "eu-west-3", "{}/{}".format), project)
    mailboxes = clients.mailboxes(stage, moto_store.client)
    assert mailboxes._key(EMAIL) == moto_store.mailboxes._key(EMAIL)
