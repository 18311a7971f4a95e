"""The table of users as deploy finds it, and what deploy turns on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from ops.resources.stack import table
from ops.stage.errors import DeployError
from tests.ops.conftest import Ear
from tests.support import stores

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def dynamodb() -> Iterator[DynamoDBClient]:
    with mock_aws():
        yield boto3.client("dynamodb")


def ttl(dynamodb: DynamoDBClient) -> Any:
    return dynamodb.describe_time_to_live(TableName="users")["TimeToLiveDescription"]


def test_a_table_that_lacks_nothing_is_left_alone(dynamodb: DynamoDBClient, say: Ear) -> None:
    stores.create(dynamodb, "users")
    stream = dynamodb.describe_table(TableName="users")["Table"]["LatestStreamArn"]
    table.ensure_users(dynamodb, "users", say)
    assert table.ensure_users(dynamodb, "users", say) == stream
    assert say.last == "users"


def test_a_restored_table_gets_what_its_backup_does_not_hold(
    dynamodb: DynamoDBClient, say: Ear
) -> None:
    dynamodb.create_table(
        TableName="users",
        KeySchema=[{"AttributeName": "email", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "email", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    stream = table.ensure_users(dynamodb, "users", say)
    assert say.last == (
        "users, stream turned on, protected from deletion, backups turned on, "
        "time to live turned on, index owed added"
    )
    described = dynamodb.describe_table(TableName="users")["Table"]
    assert described["LatestStreamArn"] == stream
    assert described["StreamSpecification"]["StreamViewType"] == "NEW_IMAGE"
    assert described["DeletionProtectionEnabled"]
    backups = dynamodb.describe_continuous_backups(TableName="users")
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    assert ttl(dynamodb) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def test_the_index_is_added_in_place_to_a_former_table(dynamodb: DynamoDBClient, say: Ear) -> None:
    dynamodb.create_table(
        TableName="users",
        KeySchema=[{"AttributeName": "email", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "email", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"email": {"S": "a@example.org"}, "owed": {"S": "03"}, "owed_at": {"S": "2026"}}
    dynamodb.put_item(TableName="users", Item=item)
    table.ensure_users(dynamodb, "users", say)
    owed = dynamodb.query(
        TableName="users",
        IndexName="owed",
        KeyConditionExpression="owed = :slot",
        ExpressionAttributeValues={":slot": {"S": "03"}},
    )
    assert owed["Items"] == [item]


def test_an_index_that_is_being_built_is_waited_for(
    dynamodb: DynamoDBClient, say: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.create(dynamodb, "users")
    statuses = ["ACTIVE", "CREATING", "CREATING"]
    monkeypatch.setattr(table, "index_status", lambda *_: statuses.pop())
    table.ensure_users(dynamodb, "users", say)
    assert statuses == []


def test_a_slow_index_is_reported(
    dynamodb: DynamoDBClient, say: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.create(dynamodb, "users")
    monkeypatch.setattr(table, "index_status", lambda *_: "CREATING")
    monkeypatch.setattr(table, "PATIENCE", 0.0)
    with pytest.raises(DeployError, match="still busy with users"):
        table.ensure_users(dynamodb, "users", say)


def test_a_table_of_limits_is_completed(dynamodb: DynamoDBClient, say: Ear) -> None:
    stores.create_limits(dynamodb, "limits")
    table.ensure_limits(dynamodb, "limits", say)
    assert say.last == "limits, backups turned on, time to live turned on"
    expiry = dynamodb.describe_time_to_live(TableName="limits")["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    table.ensure_limits(dynamodb, "limits", say)
    assert say.last == "limits"


def test_a_table_of_limits_that_is_gone_is_made_again(dynamodb: DynamoDBClient, say: Ear) -> None:
    table.ensure_limits(dynamodb, "limits", say)
    assert say.last == "limits, made again, backups turned on, time to live turned on"
    made = dynamodb.describe_table(TableName="limits")["Table"]
    assert made["KeySchema"] == [{"AttributeName": "name", "KeyType": "HASH"}]


def test_a_missing_table_is_reported_with_what_to_do(dynamodb: DynamoDBClient, say: Ear) -> None:
    with pytest.raises(
        DeployError, match=r"table users no longer exists.*restore it from a backup"
    ):
        table.ensure_users(dynamodb, "users", say)


def test_a_table_is_deleted_though_it_is_protected_and_once_only(
    dynamodb: DynamoDBClient, say: Ear
) -> None:
    stores.create(dynamodb, "users")
    stores.create(dynamodb, "theirs")
    table.ensure_users(dynamodb, "users", say)
    assert table.exists(dynamodb, "users")
    table.remove(dynamodb, "users", say)
    assert say.last == "users deleted"
    assert not table.exists(dynamodb, "users")
    table.remove(dynamodb, "users", say)
    assert say.last == "nothing to remove"
    assert "theirs" in dynamodb.list_tables()["TableNames"]


def test_a_deletion_that_was_interrupted_is_waited_for(say: Ear) -> None:
    """DynamoDB refuses any change of a table that is on its way out."""
    statuses = ["DELETING", "DELETING", "DELETING"]

    class Leaving:
        class exceptions:  # noqa: N801 - boto3's name
            class ResourceNotFoundException(Exception):
                pass

        def describe_table(self, **_: object) -> Any:
            if not statuses:
                raise self.exceptions.ResourceNotFoundException
            return {"Table": {"TableStatus": statuses.pop()}}

    leaving: Any = Leaving()
    table.remove(leaving, "users", say)
    assert say.last == "users deleted"
