"""The functions' events, as API Gateway, DynamoDB, SNS and EventBridge make them."""

import json
from typing import Any

TOPIC = "arn:aws:sns:eu-west-3:123456789012:bienvenue-prod-mail-feedback"
STREAM = "arn:aws:dynamodb:eu-west-3:123456789012:table/users/stream/2026-11-24T12:00:00.000"
TOKEN = "A" * 43
SETTINGS = {
    "USERS_TABLE": "users",
    "USERS_STREAM_ARN": STREAM,
    "MAIL_FROM": "hello@example.org",
    "BASE_URL": "https://hello.example.org/api",
    "MAIL_FEEDBACK_TOPIC_ARN": TOPIC,
    "LIMITS_TABLE": "limits",
    "SECRET_KEY": "not-a-secret-but-as-long-as-one-is",
}


def post_user(number: int = 0) -> dict[str, Any]:
    body = {"email": f"alexis.{number}@example.org", "prenom": "Alexis", "nom": "GÜNST HORN"}
    return _request("POST", "/users", body=json.dumps(body))


def open_link() -> dict[str, Any]:
    return _request("GET", "/validate", query={"email": "alexis@example.org", "token": TOKEN})


def inserted(count: int) -> dict[str, Any]:
    """Return a batch of the stream: people who have just signed up."""
    return {"Records": [_record(number) for number in range(count)]}


def bounced() -> dict[str, Any]:
    message = {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bouncedRecipients": [{"emailAddress": "alexis@example.org"}],
        },
        "mail": {"destination": ["alexis@example.org"]},
    }
    notification = {
        "TopicArn": TOPIC,
        "Subject": None,
        "Message": json.dumps(message),
        "MessageAttributes": {},
    }
    return {"Records": [{"Sns": notification}]}


def every_hour() -> dict[str, Any]:
    return {
        "version": "0",
        "id": "1",
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "account": "123456789012",
        "region": "eu-west-3",
        "time": "2026-11-24T12:00:00Z",
        "resources": [],
        "detail": {},
    }


def _request(
    method: str, path: str, *, body: str | None = None, query: dict[str, str] | None = None
) -> dict[str, Any]:
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Host": "hello.example.org",
        "User-Agent": "curl/8.5.0",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
    }
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": query and {k: [v] for k, v in query.items()},
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": path,
            "httpMethod": method,
            "path": f"/api{path}",
            "stage": "api",
            "requestId": "1",
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "curl/8.5.0"},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def _record(number: int) -> dict[str, Any]:
    email = f"alexis.{number}@example.org"
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-3",
        "eventSourceARN": STREAM,
        "dynamodb": {
            "ApproximateCreationDateTime": 1795521600,
            "Keys": {"email": {"S": email}},
            "NewImage": {
                "email": {"S": email},
                "prenom": {"S": "Alexis"},
                "nom": {"S": "GÜNST HORN"},
                "lang": {"S": "fr"},
                "mail": {"S": "owed"},
                "mail_at": {"S": "2026-11-24T12:00:00.000000Z"},
                "created_at": {"S": "2026-11-24T12:00:00.000000Z"},
            },
            "SequenceNumber": str(4421584500000000017450439091 + number),
            "SizeBytes": 200,
            "StreamViewType": "NEW_IMAGE",
        },
    }
