"""The users' table as it really is: its stream's ARN, and settings that a stack may have missed."""

from typing import TYPE_CHECKING

from ops.errors import DeployError
from ops.progress import Say

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

TTL_ATTRIBUTE = "expires_at"


def check(dynamodb: "DynamoDBClient", table: str, say: Say) -> str:
    """Turn on what the table lacks, and return the ARN of its stream.

    The table is asked, not the stack: one that was restored from a backup has the same name,
    another stream or none, and no time to live. Raises DeployError if there is no such table.
    """
    said = [table]
    say(table)
    try:
        described = dynamodb.describe_table(TableName=table)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException as error:
        raise DeployError(
            f"The table {table} is gone although its stack is there: restore it from a backup "
            "under that name, or delete the stack, then deploy again."
        ) from error
    if not described.get("StreamSpecification", {}).get("StreamEnabled"):
        said.append("stream turned on")
        described = dynamodb.update_table(
            TableName=table,
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )["TableDescription"]
        dynamodb.get_waiter("table_exists").wait(TableName=table)
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if ttl.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        said.append("time to live turned on")
        dynamodb.update_time_to_live(
            TableName=table,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE},
        )
    say(", ".join(said))
    return described["LatestStreamArn"]
