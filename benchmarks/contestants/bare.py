"""(i) The least code that makes the same AWS calls: boto3, without any checks."""

import json
from datetime import datetime, timezone

import boto3

dynamodb = boto3.client("dynamodb")


def update(email, change, condition, **values):
    return dynamodb.update_item(
        TableName="users",
        Key={"email": {"S": email}},
        UpdateExpression=change,
        ConditionExpression=condition,
        ExpressionAttributeValues={f":{name}": {"S": value} for name, value in values.items()},
        ReturnValues="ALL_NEW",
    )


def now():
    return datetime.now(timezone.utc).isoformat()


def post_user(event, _context):
    fields = json.loads(event["body"])
    update(
        fields["email"],
        "SET mail = :owed, mail_at = :now, prenom = :prenom, nom = :nom",
        "attribute_not_exists(email)",
        owed="owed",
        now=now(),
        prenom=fields["prenom"],
        nom=fields["nom"],
    )
    return {"statusCode": 202, "body": json.dumps({"status": "accepted"})}


def open_link(event, _context):
    query = event["queryStringParameters"]
    update(
        query["email"],
        "SET validated_at = :now",
        "contains(link_hashes, :link)",
        now=now(),
        link=query["token"],
    )
    return {"statusCode": 200, "body": json.dumps({"status": "validated"})}


def record_mail_feedback(event, _context):
    for record in event["Records"]:
        message = json.loads(record["Sns"]["Message"])
        for recipient in message["bounce"]["bouncedRecipients"]:
            update(
                recipient["emailAddress"],
                "SET mail = :bounced, mail_at = :now",
                "attribute_exists(email)",
                bounced="bounced",
                now=now(),
            )


def resend_owed_mail(_event, _context):
    for segment in range(24):
        dynamodb.scan(TableName="users", Segment=segment, TotalSegments=24)
