"""(i) The least mailer: claim, send and record, one mail after another."""

import secrets

import boto3
from bare import now, update

ses = boto3.client("sesv2")


def send(email, name, link):
    ses.send_email(
        FromEmailAddress="hello@example.org",
        Destination={"ToAddresses": [email]},
        Content={
            "Simple": {
                "Subject": {"Data": "Bienvenue", "Charset": "UTF-8"},
                "Body": {"Text": {"Data": f"Bienvenue {name} !\n\n{link}\n", "Charset": "UTF-8"}},
            }
        },
    )


def claim_and_send(record):
    image = record["dynamodb"]["NewImage"]
    email = image["email"]["S"]
    token = secrets.token_urlsafe(32)
    update(
        email,
        "SET mail = :new, mail_at = :now",
        "mail = :old",
        new="sending",
        old="owed",
        now=now(),
    )
    send(email, image["prenom"]["S"], f"https://hello.example.org/validate?token={token}")
    update(
        email,
        "SET mail = :new, mail_at = :now",
        "mail = :old",
        new="sent",
        old="sending",
        now=now(),
    )


def send_validation_mail(event, _context):
    for record in event["Records"]:
        claim_and_send(record)
