"""The stage's two tables as they are: what a stack may miss, and their removal."""

from functools import partial
from typing import TYPE_CHECKING, Any

from ops.resources.stack.stack import properties
from ops.stage.errors import DeployError
from ops.stage.waiting import until
from ops.terminal.progress import Say

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

TTL_ATTRIBUTE = "expires_at"
INDEX = "owed"
EVENT_INDEX = "event"
PATIENCE = 600.0


def ensure_users(
    dynamodb: "DynamoDBClient", table: str, say: Say, *, has_events: bool = False
) -> str:
    """Turn on what the table lacks, and return the ARN of its stream.

    Read the table, not the stack. A table that was restored from a backup has the same name,
    another stream or none, no time to live, no backups and no protection. Raises DeployError if
    there is no such table.
    """
    changes = [table]
    say(table)
    try:
        described = dynamodb.describe_table(TableName=table)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException as error:
        raise DeployError(
            f"The table {table} no longer exists, but its stack does: restore it from a backup "
            "under that name, or delete the stack, then deploy again."
        ) from error
    if not described.get("StreamSpecification", {}).get("StreamEnabled"):
        changes.append("stream turned on")
        described = dynamodb.update_table(
            TableName=table,
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )["TableDescription"]
        dynamodb.get_waiter("table_exists").wait(TableName=table)
    if not is_protected(described):
        changes.append("protected from deletion")
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=True)
        dynamodb.get_waiter("table_exists").wait(TableName=table)
    if _back_up(dynamodb, table):
        changes.append("backups turned on")
    if _expire_items(dynamodb, table):
        changes.append("time to live turned on")
    for index in (INDEX, EVENT_INDEX) if has_events else (INDEX,):
        if index_status(described, index) is None:
            changes.append(f"index {index} added")
            say(f"{table}, adding the index {index}")
            _add_index(dynamodb, table, index)
        until(partial(_see_index, dynamodb, table, index), PATIENCE, lambda: _busy_error(table))
    say(", ".join(changes))
    return described["LatestStreamArn"]


def ensure_limits(dynamodb: "DynamoDBClient", table: str, say: Say) -> None:
    """Make the table of limits again if it is gone, and turn on what it lacks.

    It holds refusals, which have no end, so it has backups as well.
    """
    changes = [table]
    if not exists(dynamodb, table):
        changes.append("made again")
        made = properties("AWS::DynamoDB::Table", {})["Limits"]
        dynamodb.create_table(
            TableName=table,
            BillingMode=made["BillingMode"],
            AttributeDefinitions=made["AttributeDefinitions"],
            KeySchema=made["KeySchema"],
        )
        until(
            lambda: _status(dynamodb, table) == "ACTIVE" or None,
            PATIENCE,
            lambda: _busy_error(table),
        )
    if _back_up(dynamodb, table):
        changes.append("backups turned on")
    if _expire_items(dynamodb, table):
        changes.append("time to live turned on")
    say(", ".join(changes))


def index_status(described: Any, name: str = INDEX) -> str | None:
    """Return the status of the index ``name``; None if the table as described has none."""
    indexes = described.get("GlobalSecondaryIndexes", [])
    # The local cloud gives no status to an index that was made with its table.
    named = (index.get("IndexStatus", "ACTIVE") for index in indexes if index["IndexName"] == name)
    return next(named, None)


def is_missing_both_indexes(dynamodb: "DynamoDBClient", table: str) -> bool:
    """Return True for a table of the first edition: CloudFormation adds one index at a time."""
    try:
        described = dynamodb.describe_table(TableName=table)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return False
    return index_status(described) is None and index_status(described, EVENT_INDEX) is None


def _see_index(dynamodb: "DynamoDBClient", table: str, name: str) -> bool | None:
    """Return True once the index is active, and None before."""
    described = dynamodb.describe_table(TableName=table)["Table"]
    return index_status(described, name) == described["TableStatus"] == "ACTIVE" or None


def _add_index(dynamodb: "DynamoDBClient", table: str, name: str) -> None:
    """Add the template's index in place. The users stay as they are and are served meanwhile."""
    users = properties("AWS::DynamoDB::Table", {"HasEvents": "true"})["Users"]
    (index,) = (entry for entry in users["GlobalSecondaryIndexes"] if entry["IndexName"] == name)
    keys = {key["AttributeName"] for key in index["KeySchema"]} | {"email"}
    dynamodb.update_table(
        TableName=table,
        AttributeDefinitions=[
            entry for entry in users["AttributeDefinitions"] if entry["AttributeName"] in keys
        ],
        GlobalSecondaryIndexUpdates=[{"Create": index}],
    )


def _back_up(dynamodb: "DynamoDBClient", table: str) -> bool:
    """Turn continuous backups on. Return True if they were off."""
    if has_backups(dynamodb, table):
        return False
    dynamodb.update_continuous_backups(
        TableName=table,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    return True


def _expire_items(dynamodb: "DynamoDBClient", table: str) -> bool:
    """Turn time to live on. Return True if it was off."""
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        return False
    dynamodb.update_time_to_live(
        TableName=table,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE},
    )
    return True


def is_protected(described: Any) -> bool:
    """Return True if a table, as DynamoDB describes it, cannot be deleted by mistake."""
    return bool(described.get("DeletionProtectionEnabled"))


def has_backups(dynamodb: "DynamoDBClient", table: str) -> bool:
    """Return True if the table can be restored as it was at any second of the last 35 days."""
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {})
    return recovery.get("PointInTimeRecoveryStatus") == "ENABLED"


def exists(dynamodb: "DynamoDBClient", table: str) -> bool:
    """Return True if there is such a table, even one that is being deleted."""
    return _status(dynamodb, table) != ""


def remove(dynamodb: "DynamoDBClient", table: str, say: Say) -> None:
    """Delete the table and all that is in it, protected or not. Raises DeployError."""
    if not exists(dynamodb, table):
        say("nothing to remove")
        return
    say(f"deleting {table}")
    if _status(dynamodb, table) != "DELETING":
        if is_protected(dynamodb.describe_table(TableName=table)["Table"]):
            dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        until(
            lambda: _status(dynamodb, table) == "ACTIVE" or None,
            PATIENCE,
            lambda: _busy_error(table),
        )
        dynamodb.delete_table(TableName=table)
    until(lambda: not exists(dynamodb, table) or None, PATIENCE, lambda: _busy_error(table))
    say(f"{table} deleted")


def _status(dynamodb: "DynamoDBClient", table: str) -> str:
    try:
        return dynamodb.describe_table(TableName=table)["Table"]["TableStatus"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return ""


def _busy_error(table: str) -> DeployError:
    return DeployError(f"DynamoDB is still busy with {table}: run this again in a few minutes.")
