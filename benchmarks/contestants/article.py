"""(iii) The article's handler in Python: one mail for each inserted item, in turn."""

import secrets

import boto3

ses = boto3.client("sesv2")


def send_validation_mail(event, _context):
    for record in event["Records"]:
        if record["eventName"] != "INSERT":
            continue
        user = record["dynamodb"]["NewImage"]
        name = f"{user['prenom']['S']} {user['nom']['S']}"
        link = f"https://hello.example.org/validate?token={secrets.token_urlsafe(32)}"
        ses.send_email(
            FromEmailAddress="hello@example.org",
            Destination={"ToAddresses": [user["email"]["S"]]},
            Content={
                "Simple": {
                    "Subject": {"Data": "Bienvenue", "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": f"Bienvenue {name} !\n\n{link}\n"}},
                }
            },
        )
